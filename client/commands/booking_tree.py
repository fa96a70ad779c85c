"""What can be typed about bookings: requesting, looking, and every move of a booking's life."""
# ruff: noqa: PLC0415 - heavy modules are imported by the command that needs them, so that help stays quick

from typing import Annotated

import typer

from .language import both
from .session import Session, Work, connected
from .typed import (
    Booked,
    Compensation,
    Details,
    Id,
    MaybeReason,
    Offered,
    Quantities,
    Reason,
    group,
)

booking = group("Buchen und Buchungen ansehen, ändern, beenden", "Book, and view, change, end bookings")


@booking.command("request", help=both("Einen Plan buchen", "Book a plan"))
@connected
def booking_request(  # noqa: PLR0913 - a booking's own fields
    session: Session,
    offering: Offered,
    plan: Annotated[
        str, typer.Argument(metavar="PLAN", help=both("Plan des Angebots", "The offering's plan"))
    ],
    *,
    start: Annotated[
        str, typer.Option(metavar="DATE", help=both("Erster Tag, JJJJ-MM-TT", "First day, YYYY-MM-DD"))
    ],
    quantity: Quantities = None,
    pool: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=both("Bereich oder Termin, wo der Plan welche hat", "Pool or slot, where the plan has some"),
        ),
    ] = None,
    details: Details = None,
    end: Annotated[str | None, typer.Option(metavar="DATE", help=both("Letzter Tag", "Last day"))] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help=both("Eigenes Zeichen für Abrechnungen", "Own words for statements")
        ),
    ] = None,
    interest: Annotated[
        bool,
        typer.Option(
            "--interest",
            help=both(
                "Unverbindlich Interesse bekunden; booking accept bucht später verbindlich",
                "State an interest only; booking accept makes it binding later",
            ),
        ),
    ] = False,
    wait_until: Annotated[
        str | None,
        typer.Option(
            metavar="DATE",
            help=both(
                "Bis zu diesem Tag auf der Warteliste stehen, wenn jetzt nichts frei ist",
                "Wait in line until this day if there is no capacity now",
            ),
        ),
    ] = None,
    own_approval_hours: Annotated[
        int | None,
        typer.Option(
            metavar="HOURS",
            help=both(
                "Das eigene Haus gibt die Buchung in dieser Zeit frei",
                "One's own side approves first, within this time",
            ),
        ),
    ] = None,
    command_id: Id = None,
) -> Work:
    """Book a plan."""
    from .bookings import details_in, request
    from .sending import named

    given = {
        "offering_id": offering,
        "plan_id": plan,
        "quantities": named("--quantity", quantity),
        "pool_id": pool,
        "details": details_in(details),
        "start": start,
        "end": end,
        "reference": reference,
        "binding": not interest,
        "wait_until": wait_until,
        "own_approval_hours": own_approval_hours,
    }
    return request(session, given, command_id)


@booking.command("list", help=both("Eigene Buchungen zeigen", "Show one's bookings"))
@connected
def booking_list(
    session: Session,
    *,
    state: Annotated[
        str | None,
        typer.Option(
            metavar="STATE", help=both("Nur in diesem Stand, etwa held", "Only in this state, such as held")
        ),
    ] = None,
    waiting: Annotated[
        bool,
        typer.Option(
            "--waiting", help=both("Nur solche, die auf mich warten", "Only those that wait for me")
        ),
    ] = False,
) -> Work:
    """List bookings."""
    from .bookings import show_all

    return show_all(session, state, waiting=waiting)


@booking.command(
    "show", help=both("Eine Buchung mit ihrer Geschichte zeigen", "Show a booking with its story")
)
@connected
def booking_show(
    session: Session,
    booking_id: Booked,
    *,
    documents: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help=both("Dokumente der Nachrichten hier speichern", "Save the messages' documents here"),
        ),
    ] = None,
) -> Work:
    """Show one booking."""
    from .story import show

    return show(session, booking_id, documents)


@booking.command(
    "accept",
    help=both(
        "Angebotenen Platz annehmen, Interesse verbindlich machen",
        "Take up an offered place, or make an interest binding",
    ),
)
@connected
def booking_accept(session: Session, booking_id: Booked, *, command_id: Id = None) -> Work:
    """Accept."""
    from .bookings import move

    return move(session, "brokerage.booking.accept", {"booking_id": booking_id}, command_id)


@booking.command(
    "approve",
    help=both(
        "Zustimmen: eigener Bestellung, Buchung oder Änderung",
        "Say yes: to one's own order, to a booking, to a change",
    ),
)
@connected
def booking_approve(session: Session, booking_id: Booked, *, command_id: Id = None) -> Work:
    """Approve."""
    from .bookings import move

    return move(session, "brokerage.booking.approve", {"booking_id": booking_id}, command_id)


@booking.command(
    "decline",
    help=both(
        "Ablehnen, was zu entscheiden ist; auch ein Storno",
        "Decline what is to be decided; a cancellation too",
    ),
)
@connected
def booking_decline(session: Session, booking_id: Booked, *, reason: Reason, command_id: Id = None) -> Work:
    """Decline."""
    from .bookings import move

    given = {"booking_id": booking_id, "reason": reason}
    return move(session, "brokerage.booking.decline", given, command_id)


@booking.command(
    "cancel",
    help=both(
        "Zurücktreten, bevor die Leistung steht, oder eine Änderung zurücknehmen",
        "Withdraw before the service is up, or take back a change",
    ),
)
@connected
def booking_cancel(
    session: Session,
    booking_id: Booked,
    *,
    reason: Reason,
    compensation: Compensation = None,
    command_id: Id = None,
) -> Work:
    """Cancel."""
    from .bookings import move
    from .sending import cents_of

    cents = cents_of("--compensation", compensation)
    given = {"booking_id": booking_id, "reason": reason, "compensation_cents": cents}
    return move(session, "brokerage.booking.cancel", given, command_id)


@booking.command("concede", help=both("Einem Storno zustimmen", "Agree to a cancellation"))
@connected
def booking_concede(
    session: Session,
    booking_id: Booked,
    *,
    compensation: Compensation = None,
    reason: MaybeReason = None,
    command_id: Id = None,
) -> Work:
    """Concede a cancellation."""
    from .bookings import move
    from .sending import cents_of

    cents = cents_of("--compensation", compensation)
    given = {"booking_id": booking_id, "reason": reason, "compensation_cents": cents}
    return move(session, "brokerage.booking.concede", given, command_id)


@booking.command(
    "report",
    help=both(
        "Melden, was eingerichtet, geändert oder abgebaut ist", "Report what is set up, changed or taken down"
    ),
)
@connected
def booking_report(  # noqa: PLR0913 - the command's own fields
    session: Session,
    booking_id: Booked,
    step: Annotated[
        str,
        typer.Argument(
            metavar="STEP",
            help="accepted, milestone, active, partial, failed, dismantled",
            show_default=False,
        ),
    ],
    *,
    milestone: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=both("Zu milestone: welcher, etwa moved", "With milestone: which, such as moved"),
        ),
    ] = None,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help=both("Bemerkung", "A remark"))] = None,
    delivered: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help=both("Zu partial: was es davon gibt; mehrfach", "With partial: what there is; repeatable"),
        ),
    ] = None,
    command_id: Id = None,
) -> Work:
    """Report progress."""
    from .bookings import move
    from .sending import named

    given = {
        "booking_id": booking_id,
        "step": step,
        "milestone": milestone,
        "note": note,
        "delivered": named("--delivered", delivered),
    }
    return move(session, "brokerage.booking.report", given, command_id)


@booking.command("suspend", help=both("Die Leistung unterbrechen", "Interrupt the service"))
@connected
def booking_suspend(session: Session, booking_id: Booked, *, reason: Reason, command_id: Id = None) -> Work:
    """Suspend."""
    from .bookings import move

    given = {"booking_id": booking_id, "reason": reason}
    return move(session, "brokerage.booking.suspend", given, command_id)


@booking.command("resume", help=both("Nach einer Unterbrechung fortsetzen", "Go on after an interruption"))
@connected
def booking_resume(session: Session, booking_id: Booked, *, command_id: Id = None) -> Work:
    """Resume."""
    from .bookings import move

    return move(session, "brokerage.booking.resume", {"booking_id": booking_id}, command_id)


@booking.command(
    "amend",
    help=both(
        "Mengen, Angaben oder Plan von einem Tag an ändern",
        "Change quantities, details or plan from a day on",
    ),
)
@connected
def booking_amend(  # noqa: PLR0913 - the command's own fields
    session: Session,
    booking_id: Booked,
    *,
    effective_on: Annotated[
        str, typer.Option(metavar="DATE", help=both("Erster Tag des Neuen", "First day of the new"))
    ],
    plan: Annotated[
        str | None, typer.Option(metavar="PLAN", help=both("Anderer Plan", "Another plan"))
    ] = None,
    quantity: Quantities = None,
    details: Details = None,
    command_id: Id = None,
) -> Work:
    """Amend."""
    from .bookings import details_in, move
    from .sending import named

    given = {
        "booking_id": booking_id,
        "effective_on": effective_on,
        "plan_id": plan,
        "quantities": named("--quantity", quantity),
        "details": details_in(details),
    }
    return move(session, "brokerage.booking.amend", given, command_id)


@booking.command("terminate", help=both("Kündigen", "Give notice"))
@connected
def booking_terminate(
    session: Session,
    booking_id: Booked,
    *,
    on: Annotated[
        str | None,
        typer.Option(
            metavar="DATE",
            help=both("Letzter Tag; sonst der früheste mögliche", "Last day; else the earliest possible"),
        ),
    ] = None,
    reason: MaybeReason = None,
    command_id: Id = None,
) -> Work:
    """Give notice."""
    from .bookings import move

    given = {"booking_id": booking_id, "on": on, "reason": reason}
    return move(session, "brokerage.booking.terminate", given, command_id)


@booking.command("write", help=both("Der anderen Seite schreiben", "Write to the other side"))
@connected
def booking_write(
    session: Session,
    booking_id: Booked,
    text: Annotated[str, typer.Argument(metavar="TEXT", help=both("Die Nachricht", "The message"))],
    *,
    document: Annotated[
        str | None,
        typer.Option(metavar="FILE", help=both("Datei bis 288 KiB beilegen", "Enclose a file up to 288 KiB")),
    ] = None,
    command_id: Id = None,
) -> Work:
    """Write a message."""
    from .bookings import write

    return write(session, booking_id, text, document, command_id)
