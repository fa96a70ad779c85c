"""What can be typed about reports and the budget year."""
# ruff: noqa: PLC0415 - heavy modules are imported by the command that needs them, so that help stays quick

from typing import Annotated

import typer

from .language import both
from .session import Session, Work, connected, signing
from .typed import Id, group

report = group("Berichte für Kämmerei und Prüfung", "Reports for finance and auditors")

_Year = Annotated[
    int, typer.Argument(metavar="YEAR", min=1990, max=2199, help=both("Haushaltsjahr", "Budget year"))
]
_Of = Annotated[
    str | None,
    typer.Option(
        "--of", metavar="NAME", help=both("Von diesem Mitglied (Geschäftsstelle)", "Of this member (office)")
    ),
]


@report.command(
    "treatments",
    help=both("Alle Umsatzsteuerbehandlungen eines Jahres mit Gründen", "A year's VAT treatments"),
)
@connected
def report_treatments(session: Session, year: _Year, of: _Of = None) -> Work:
    """List treatments."""
    from .reports import treatments

    return treatments(session, year, of)


@report.command(
    "cost",
    help=both(
        "Nachweis, dass Kostentöpfe genau die Kosten berechnen (§ 4 Nr. 29 UStG)",
        "Proof that pools charge exact cost (§ 4 Nr. 29 UStG)",
    ),
)
@connected
def report_cost(session: Session, year: _Year) -> Work:
    """Prove exact cost."""
    from .reports import cost

    return cost(session, year)


@report.command(
    "market",
    help=both(
        "Anteil am offenen Markt über drei Jahre (§ 108 GWB)", "Share of the open market over three years"
    ),
)
@connected
def report_market(session: Session, year: _Year, of: _Of = None) -> Work:
    """Show the share of the open market."""
    from .reports import market_share

    return market_share(session, year, of)


@report.command(
    "declare",
    help=both("Den eigenen Umsatz am offenen Markt erklären", "Declare one's turnover on the open market"),
)
@signing
def report_declare(
    session: Session,
    year: _Year,
    *,
    amount: Annotated[str, typer.Option("--amount", metavar="EUR", help=both("Umsatz", "Turnover"))],
    evidence: Annotated[str, typer.Option("--evidence", metavar="TEXT", help=both("Beleg", "Evidence"))],
    id_: Id = None,
) -> Work:
    """Declare turnover."""
    from .reports import declare

    return declare(session, year, amount, evidence, id_)


@report.command(
    "year-close",
    help=both("Ein Haushaltsjahr schließen (Geschäftsstelle)", "Close a budget year (office)"),
)
@signing
def report_year_close(session: Session, year: _Year, id_: Id = None) -> Work:
    """Close a year."""
    from .reports import close_year

    return close_year(session, year, id_)
