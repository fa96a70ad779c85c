"""What can be typed: every command of the member's own with its options and its help.

Only what the help needs is loaded here; every command loads its own work when it is called.
"""
# ruff: noqa: PLC0415 - heavy modules are imported by the command that needs them, so that help stays quick

from typing import Annotated

import typer

from .booking_tree import booking
from .language import both
from .ledger_tree import ledger
from .notice_tree import access, breach, maintenance
from .offer_tree import offer
from .pool_tree import key, pool
from .root import app
from .session import Session, Work, connected
from .typed import File, group

__all__ = ["app"]


usage = group("Verbrauch melden", "Report usage")
settlement = group("Abrechnungen ansehen", "View settlements and statements")
event = group("Ereignissen folgen", "Follow events")
for _name, _below in (
    ("offer", offer),
    ("booking", booking),
    ("access", access),
    ("maintenance", maintenance),
    ("breach", breach),
    ("usage", usage),
    ("settlement", settlement),
    ("pool", pool),
    ("key", key),
    ("ledger", ledger),
    ("event", event),
):
    app.add_typer(_below, name=_name)


@app.command(help=both("Verbindung, Schlüssel und Dienste prüfen", "Check connection, key and services"))
@connected
def doctor(session: Session) -> Work:
    """Check the way to the market."""
    from .doctor import examine

    return examine(session)


@usage.command(
    "submit",
    help=both(
        "Verbrauch aus einer Datei melden (CSV oder JSON-Zeilen: id, booking_id, meter, quantity, start, "
        "end); eine Wiederholung zählt nichts doppelt",
        "Report usage from a file (CSV or JSON lines: id, booking_id, meter, quantity, start, end); "
        "a repetition counts nothing twice",
    ),
)
@connected
def usage_submit(
    session: Session,
    file: File,
    *,
    again: Annotated[
        bool,
        typer.Option(
            "--again",
            help=both("Auch Unverändertes neu entscheiden lassen", "Have unchanged lines decided anew"),
        ),
    ] = False,
) -> Work:
    """Report usage."""
    from .usage import submit

    return submit(session, file, again=again)


@settlement.command("list", help=both("Abgerechnete Monate zeigen", "Show the settled months"))
@connected
def settlement_list(session: Session) -> Work:
    """List settlements."""
    from .settlements import show_all

    return show_all(session)


@settlement.command(
    "show", help=both("Eine Abrechnung Zeile für Zeile zeigen", "Show a statement line by line")
)
@connected
def settlement_show(
    session: Session,
    period: Annotated[str, typer.Argument(metavar="PERIOD", help=both("Monat, JJJJ-MM", "Month, YYYY-MM"))],
    of: Annotated[
        str | None,
        typer.Option(
            "--of",
            metavar="NAME",
            help=both("Abrechnung dieses Mitglieds (Geschäftsstelle)", "This member's statement (office)"),
        ),
    ] = None,
) -> Work:
    """Show a statement."""
    from .settlements import show

    return show(session, period, of)


@event.command(
    "tail",
    help=both(
        "Ereignisse zeigen und damit abholen: was hier steht, bekommt kein anderes Programm mehr",
        "Show events and so fetch them: what is shown here no other program gets any more",
    ),
)
@connected
def event_tail(
    session: Session,
    *,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow/--once",
            help=both("Auf neue warten, oder am Ende aufhören", "Wait for new ones, or stop"),
        ),
    ] = True,
) -> Work:
    """Follow events."""
    from .events import tail

    return tail(session, follow=follow)
