"""What can be typed about payments."""
# ruff: noqa: PLC0415 - heavy modules are imported by the command that needs them, so that help stays quick

from typing import Annotated

import typer

from .language import both
from .session import Session, Work, connected, signing
from .typed import Id, group

payment = group("Verrechnen und bezahlen", "Net and pay")

_Of = Annotated[
    str | None,
    typer.Option("--of", metavar="NAME", help=both("Von diesem Mitglied", "Of this member")),
]
_Day = Annotated[str, typer.Argument(metavar="DAY", help=both("Tag, JJJJ-MM-TT", "Day, YYYY-MM-DD"))]


@payment.command(
    "arrange",
    help=both(
        "Verrechnen, was bis zu einem Tag fällig ist, und Zahlungen festlegen (Geschäftsstelle)",
        "Net what is due by a day and fix the payments (office)",
    ),
)
@signing
def payment_arrange(session: Session, due_by: _Day, id_: Id = None) -> Work:
    """Arrange payments."""
    from .payments import arrange
    from .settlements import day

    return arrange(session, day(due_by), id_)


@payment.command("list", help=both("Zahlungen zeigen", "Show payments"))
@connected
def payment_list(
    session: Session,
    *,
    open_only: Annotated[bool, typer.Option("--open", help=both("Nur offene", "Open ones only"))] = False,
    of: _Of = None,
) -> Work:
    """List payments."""
    from .payments import show_all

    return show_all(session, open_only=open_only, of=of)


@payment.command("open-items", help=both("Offene Posten zeigen", "Show open items"))
@connected
def payment_open_items(
    session: Session,
    *,
    of: _Of = None,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="DAY", help=both("Stand dieses Tages", "As of this day")),
    ] = None,
) -> Work:
    """List open items."""
    from .payments import open_items
    from .settlements import day

    return open_items(session, of, None if as_of is None else day(as_of))


@payment.command(
    "remind",
    help=both("Mahnen, wer an einem Tag säumig ist (Geschäftsstelle)", "Remind the overdue (office)"),
)
@signing
def payment_remind(session: Session, as_of: _Day, id_: Id = None) -> Work:
    """Send reminders."""
    from .payments import remind
    from .settlements import day

    return remind(session, day(as_of), id_)


@payment.command(
    "import",
    help=both(
        "Bezahltes nach einem eigenen Kontoauszug (camt.053) vermerken; ein zweites Mal zählt nichts doppelt",
        "Mark what was paid by one's own account statement (camt.053); a second time counts nothing twice",
    ),
)
@connected
def payment_import(
    session: Session,
    file: Annotated[
        str,
        typer.Argument(metavar="FILE|-", help=both("Datei, - für die Standardeingabe", "File, - for stdin")),
    ],
    iban: Annotated[
        str | None,
        typer.Option("--iban", metavar="IBAN", help=both("Nur dieses Konto", "This account only")),
    ] = None,
) -> Work:
    """Mark what was paid."""
    from .payments import bring_in

    return bring_in(session, file, iban)
