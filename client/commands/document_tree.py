"""What can be typed about invoices and their files; it belongs to `settlement`."""
# ruff: noqa: PLC0415 - heavy modules are imported by the command that needs them, so that help stays quick

import enum
from pathlib import Path
from typing import Annotated

import typer

from .language import both
from .run_tree import Of, Period, Why, settlement
from .session import Session, Work, connected, signing
from .typed import Id


class _Export(enum.StrEnum):
    """The names of the forms in which a settlement leaves the market."""

    CSV = "csv"
    XLSX = "xlsx"
    FOCUS = "focus"
    SEPA = "sepa"
    HLEDGER = "hledger"
    XRECHNUNG = "xrechnung"
    PDF = "pdf"


@settlement.command("invoices", help=both("Rechnungen und Bescheide zeigen", "Show invoices and notices"))
@connected
def settlement_invoices(session: Session, period: Period, of: Of = None) -> Work:
    """List invoices."""
    from .documents import invoices

    return invoices(session, period, of)


@settlement.command(
    "reissue",
    help=both(
        "Einen Beleg zurücknehmen und mit heutigen Angaben neu ausstellen",
        "Take a document back and issue it again from today's register",
    ),
)
@signing
def settlement_reissue(
    session: Session,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help=both("Nummer", "Number"))],
    *,
    reason: Why,
    id_: Id = None,
) -> Work:
    """Reissue an invoice."""
    from .documents import reissue

    return reissue(session, number, reason, id_)


@settlement.command(
    "documents",
    help=both("Dateien eines Monats zeigen: XRechnung und PDF", "Show a month's files: XRechnung and PDF"),
)
@connected
def settlement_documents(session: Session, period: Period, of: Of = None) -> Work:
    """List files."""
    from .documents import documents

    return documents(session, period, of)


@settlement.command(
    "export",
    help=both("Einen Monat in einen Ordner schreiben", "Write a month into a folder"),
)
@connected
def settlement_export(  # noqa: PLR0913 - what is written, and where to
    session: Session,
    period: Period,
    *,
    form: Annotated[_Export, typer.Option("--format", help=both("Form der Dateien", "Form of the files"))],
    to: Annotated[str, typer.Option("--to", metavar="FOLDER", help=both("Ordner", "Folder"))] = ".",
    of: Of = None,
    register: Annotated[
        str | None,
        typer.Option(
            "--register",
            envvar="ALLMENDE_REGISTER",
            metavar="FILE",
            help=both(
                "Mitgliederregister mit den Konten, für sepa; sonst .allmende/register.json",
                "Register of members with their accounts, for sepa; else .allmende/register.json",
            ),
        ),
    ] = None,
) -> Work:
    """Export a month."""
    from .exports import Wanted, export

    wanted = Wanted(period, Path(to), of, Path(register) if register else None)
    return export(session, form.value, wanted)
