"""What can be typed about the ledger."""
# ruff: noqa: PLC0415 - heavy modules are imported by the command that needs them, so that help stays quick

import enum
from typing import Annotated

import typer

from .language import both
from .session import Session, Work, connected
from .typed import group

ledger = group("Hauptbuch ausgeben und prüfen", "Export and verify the ledger")


class _Form(enum.StrEnum):
    """The names of `journal_file.JournalFormat`, which the help does without."""

    BEANCOUNT = "beancount"
    HLEDGER = "hledger"
    CSV = "csv"
    JSONL = "jsonl"


@ledger.command(
    "export",
    help=both(
        "Das Journal ausgeben: die eigenen Buchungssätze, als Geschäftsstelle alle",
        "Write the journal: one's own entries, all of them for the office",
    ),
)
@connected
def ledger_export(
    session: Session,
    *,
    form: Annotated[
        _Form, typer.Option("--format", help=both("Format der Datei", "Format of the file"))
    ] = _Form.JSONL,
    period: Annotated[
        str | None,
        typer.Option("--period", metavar="YYYY-MM", help=both("Nur dieser Monat", "This month only")),
    ] = None,
    year: Annotated[
        int | None,
        typer.Option(
            "--year", min=1990, max=2199, help=both("Nur dieses Haushaltsjahr", "This budget year only")
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="FILE", help=both("Dorthin schreiben", "Write it there")),
    ] = None,
) -> Work:
    """Write the journal."""
    from allmende.client.journal_file import JournalFormat

    from .ledger import export
    from .settlements import month

    wanted = None if period is None else month(period)
    return export(session, JournalFormat(form.value), period=wanted, year=year, to=to)


@ledger.command(
    "verify",
    help=both(
        "Die Hash-Kette des Hauptbuchs prüfen, oder die einer mit --format jsonl geschriebenen Datei "
        "(ohne Marktplatz)",
        "Check the hash chain of the ledger, or of a file written with --format jsonl (without a market)",
    ),
)
@connected
def ledger_verify(
    session: Session,
    file: Annotated[
        str | None, typer.Argument(metavar="FILE|-", help=both("Ausgegebenes Journal", "Exported journal"))
    ] = None,
    *,
    head: Annotated[
        str | None,
        typer.Option(
            "--head",
            metavar="HASH",
            help=both("Ein früher gemerkter Stand, der noch da sein muss", "A remembered head, to be found"),
        ),
    ] = None,
    extract: Annotated[
        bool,
        typer.Option(
            "--extract",
            help=both(
                "Die Datei ist ein Auszug: Lücken sind erlaubt", "The file is an extract: gaps are fine"
            ),
        ),
    ] = False,
) -> Work:
    """Check the chain."""
    from .ledger import verify

    return verify(session, file, head=head, extract=extract)
