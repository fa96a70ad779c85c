"""What can be typed: every command of the member's own with its options and its help.

Only what the help needs is loaded here; every command loads its own work when it is called.
"""
# ruff: noqa: PLC0415 - heavy modules are imported by the command that needs them, so that help stays quick

from typing import Annotated

import typer

from . import document_tree, statement_tree  # noqa: F401 - they add to what can be typed
from .booking_tree import booking
from .language import both
from .ledger_tree import ledger
from .notice_tree import access, breach, maintenance
from .offer_tree import offer
from .payment_tree import payment
from .pool_tree import key, pool
from .report_tree import report
from .root import app
from .run_tree import settlement
from .session import Session, Work, connected
from .typed import File, Id, group

__all__ = ["app"]


usage = group("Verbrauch melden", "Report usage")
event = group("Ereignissen folgen", "Follow events")
for _name, _below in (
    ("offer", offer),
    ("booking", booking),
    ("access", access),
    ("maintenance", maintenance),
    ("breach", breach),
    ("usage", usage),
    ("settlement", settlement),
    ("payment", payment),
    ("report", report),
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


@usage.command(
    "import",
    help=both(
        "Verbrauch, Berichtigungen und Rücknahmen aus einer Datei melden (CSV auch aus Excel, JSON-Zeilen); "
        "ein zweiter Aufruf macht weiter, wo der erste aufhörte. Spalten: id, booking_id, meter, quantity, "
        "start, end; dazu corrects, cancels, reason, dimension:NAME",
        "Report usage, corrections and cancellations from a file (CSV, from Excel too, JSON lines); "
        "a second call goes on where the first ended. Columns: id, booking_id, meter, quantity, start, end; "
        "also corrects, cancels, reason, dimension:NAME",
    ),
)
@connected
def usage_import(
    session: Session,
    file: Annotated[
        str,
        typer.Argument(metavar="FILE|-", help=both("Datei, - für die Standardeingabe", "File, - for stdin")),
    ],
    report: Annotated[
        str,
        typer.Option(
            "--report",
            metavar="FILE",
            help=both(
                "Bericht über Abgelehntes; sonst FILE.refused.csv",
                "Report of refusals; else FILE.refused.csv",
            ),
        ),
    ] = "",
    *,
    again: Annotated[
        bool,
        typer.Option(
            "--again",
            help=both("Von vorn, und alles neu entscheiden lassen", "From the start, all decided anew"),
        ),
    ] = False,
) -> Work:
    """Bring a file in."""
    from .usage import bring_in

    return bring_in(session, file, report=report, again=again)


@usage.command(
    "clarifications",
    help=both("Widersprüchliche Meldungen zeigen", "Show records that were reported with two contents"),
)
@connected
def usage_clarifications(
    session: Session,
    provider: Annotated[
        str | None,
        typer.Option(
            "--provider",
            metavar="NAME",
            help=both("Nur von diesem Anbieter (Geschäftsstelle)", "Of this provider only (office)"),
        ),
    ] = None,
    *,
    settled: Annotated[bool, typer.Option("--all", help=both("Auch erledigte", "Settled ones too"))] = False,
) -> Work:
    """List contradictory records."""
    from .clarifications import show_all

    return show_all(session, provider, settled=settled)


@usage.command(
    "settle",
    help=both(
        "Einen Widerspruch erledigen: das zuerst Gemeldete gilt", "Settle one: what was reported first stands"
    ),
)
@connected
def usage_settle(
    session: Session,
    clarification: Annotated[int, typer.Argument(metavar="NUMBER", help=both("Nummer", "Number"))],
    reason: Annotated[str, typer.Option(metavar="TEXT", help=both("Grund", "Why"))],
    id_: Id = None,
) -> Work:
    """Settle a contradiction."""
    from .clarifications import settle

    return settle(session, clarification, reason, id_)


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
