"""What can be typed about access data, maintenance and missed service levels."""
# ruff: noqa: PLC0415 - heavy modules are imported by the command that needs them, so that help stays quick

from typing import Annotated

import typer

from allmende.client.output import Format

from .language import both
from .session import Member, Output, Session, Work, connected
from .typed import Booked, File, Id, Impact, Reason, SealingKeyFile, group

access = group("Zugangsdaten versiegelt übergeben", "Hand access data over, sealed")
maintenance = group("Wartung ankündigen und ansehen", "Announce and view maintenance")
breach = group("Verfehlte Zusagen eingestehen", "Own up to missed service levels")


@access.command(
    "key",
    help=both(
        "Ein Schlüsselpaar zum Versiegeln anlegen; zeigt den öffentlichen Teil für das Mitgliederverzeichnis",
        "Make a key pair for sealing; shows the public half for the register of members",
    ),
)
def access_key(
    *, sealing_key: SealingKeyFile = "", member: Member = "", output: Output = Format.TABLE
) -> None:
    """Make a key pair."""
    from .access import make_key

    make_key(Session(member=member, form=output), sealing_key)


@access.command(
    "share",
    help=both(
        "Zugangsdaten für den Abnehmer versiegeln und übergeben",
        "Seal access data to the consumer and hand it over",
    ),
)
@connected
def access_share(
    session: Session,
    booking_id: Booked,
    *,
    label: Annotated[
        str,
        typer.Option(metavar="TEXT", help=both("Was es ist, im Klartext", "What it is, in clear text")),
    ],
    file: File = "-",
    command_id: Id = None,
) -> Work:
    """Share access data."""
    from .access import share

    return share(session, booking_id, label, file, command_id)


@access.command(
    "open",
    help=both(
        "Zugangsdaten öffnen, aus Ereignissen von: event tail -o json",
        "Open access data, from the events of: event tail -o json",
    ),
)
def access_open(
    *,
    file: File = "-",
    sealing_key: SealingKeyFile = "",
    member: Member = "",
    output: Output = Format.TABLE,
) -> None:
    """Open access data."""
    from .access import open_all

    open_all(Session(member=member, form=output), file, sealing_key)


Moment = Annotated[
    str,
    typer.Option(
        metavar="TIME",
        help=both("Wie 2026-05-02T20:00:00+02:00", "Such as 2026-05-02T20:00:00+02:00"),
    ),
]
MaybeMoment = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help=both("Wie 2026-05-02T20:00:00+02:00", "Such as 2026-05-02T20:00:00+02:00"),
    ),
]
MaybeText = Annotated[
    str | None, typer.Option("--text", metavar="TEXT", help=both("Mehr dazu", "More about it"))
]


@maintenance.command(
    "announce",
    help=both(
        "Allen, die gebucht haben, eine Wartung ankündigen",
        "Announce maintenance to everybody who has booked",
    ),
)
@connected
def maintenance_announce(  # noqa: PLR0913 - the command's own fields
    session: Session,
    title: Annotated[str, typer.Argument(metavar="TITLE", help=both("Worum es geht", "What it is about"))],
    *,
    offering: Annotated[
        list[str],
        typer.Option(
            metavar="OFFERING",
            help=both("Eigenes Angebot; mehrfach möglich", "One's own offering; repeatable"),
        ),
    ],
    starts_at: Moment,
    ends_at: Moment,
    impact: Impact = "outage",
    text: MaybeText = None,
    draft: Annotated[
        bool, typer.Option("--draft", help=both("Noch niemandem zeigen", "Show it to nobody yet"))
    ] = False,
    command_id: Id = None,
) -> Work:
    """Announce maintenance."""
    from .notices import announce

    given = {
        "offering_ids": offering,
        "title": title,
        "text": text,
        "impact": impact,
        "starts_at": starts_at,
        "ends_at": ends_at,
        "as_draft": draft,
    }
    return announce(session, given, command_id)


@maintenance.command(
    "update", help=both("Eine Wartung ändern oder weiterführen", "Change maintenance or move it on")
)
@connected
def maintenance_update(  # noqa: PLR0913 - the command's own fields
    session: Session,
    notice_id: Annotated[
        str, typer.Argument(metavar="MAINTENANCE", help=both("Kennung der Wartung", "The maintenance's id"))
    ],
    *,
    state: Annotated[
        str | None,
        typer.Option(
            metavar="scheduled|in_progress|completed|cancelled", help=both("Neuer Stand", "New state")
        ),
    ] = None,
    starts_at: MaybeMoment = None,
    ends_at: MaybeMoment = None,
    impact: Impact = None,
    text: MaybeText = None,
    command_id: Id = None,
) -> Work:
    """Update maintenance."""
    from .notices import update

    given = {
        "notice_id": notice_id,
        "state": state,
        "text": text,
        "impact": impact,
        "starts_at": starts_at,
        "ends_at": ends_at,
    }
    return update(session, given, command_id)


@maintenance.command("list", help=both("Anstehende Wartung zeigen", "Show the maintenance ahead"))
@connected
def maintenance_list(
    session: Session,
    *,
    over: Annotated[
        bool, typer.Option("--all", help=both("Auch abgeschlossene und abgesagte", "Also what is over"))
    ] = False,
) -> Work:
    """List maintenance."""
    from .notices import show_all

    return show_all(session, include_over=over)


@breach.command(
    "report",
    help=both(
        "Eine verfehlte Zusage mit ihrer Gutschrift eingestehen",
        "Own up to a missed service level, with its credit",
    ),
)
@connected
def breach_report(  # noqa: PLR0913 - the command's own fields
    session: Session,
    booking_id: Booked,
    *,
    measure: Annotated[
        str,
        typer.Option(
            metavar="NAME", help=both("Maß, etwa availability_percent", "Such as availability_percent")
        ),
    ],
    promised: Annotated[
        str, typer.Option(metavar="VALUE", help=both("Zugesagter Wert", "What was promised"))
    ],
    measured: Annotated[
        str, typer.Option(metavar="VALUE", help=both("Gemessener Wert", "What was measured"))
    ],
    first_day: Annotated[str, typer.Option(metavar="DATE", help=both("Von", "From"))],
    last_day: Annotated[str, typer.Option(metavar="DATE", help=both("Bis", "To"))],
    credit: Annotated[str, typer.Option(metavar="EUR", help=both("Gutschrift in Euro", "Credit in euro"))],
    reason: Reason,
    command_id: Id = None,
) -> Work:
    """Report a breach."""
    from .notices import report_breach
    from .sending import cents_of

    given = {
        "booking_id": booking_id,
        "measure": measure,
        "promised": promised,
        "measured": measured,
        "first_day": first_day,
        "last_day": last_day,
        "credit_cents": cents_of("--credit", credit),
        "reason": reason,
    }
    return report_breach(session, given, command_id)
