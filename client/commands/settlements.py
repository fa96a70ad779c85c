"""Settlements and statements on the command line."""

import datetime as dt
import re

from allmende.client.output import Column, Kind, Listing
from allmende.schemas.billing import ChargeLine, SettlementClosed, Statement
from allmende.schemas.money import euro
from allmende.schemas.rejections import Rejection

from .language import hint, language, refusal, say, tell
from .session import Session
from .stop import USAGE, Stop

_SETTLEMENTS = (
    Column("period", "Zeitraum", "Period"),
    Column("charges_eur", "Leistungen", "Charges", Kind.CENTS),
    Column("levies_eur", "Umlagen", "Levies", Kind.CENTS),
    Column("payable_eur", "Zu zahlen", "Payable", Kind.CENTS),
    Column("receivable_eur", "Zu erhalten", "Receivable", Kind.CENTS),
    Column("net_eur", "Saldo", "Net", Kind.CENTS),
    Column("closed_at", "Abgeschlossen", "Closed", Kind.INSTANT),
)
_LINES = (
    Column("line", "Zeile", "Line"),
    Column("payer", "Zahlt", "Payer"),
    Column("payee", "Erhält", "Payee"),
    Column("title", "Leistung", "Title"),
    Column("service_from", "Von", "From", Kind.DAY),
    Column("service_to", "Bis", "To", Kind.DAY),
    Column("quantity", "Menge", "Quantity", Kind.NUMBER),
    Column("unit", "Einheit", "Unit"),
    Column("amount_eur", "Betrag", "Amount", Kind.CENTS),
    Column("tax_percent", "USt %", "VAT %", Kind.NUMBER),
    Column("trace", "Rechnung", "Calculation"),
)


async def show_all(session: Session) -> None:
    """List the settlements with one's own position in each."""
    async with session.market() as market:
        settlements = await market.settlements()
    rows = [_settlement_row(each, session.member) for each in settlements]
    listing = Listing(_SETTLEMENTS, rows, [each.model_dump(mode="json") for each in settlements])
    if session.empty(listing, "Noch ist kein Zeitraum abgerechnet.", "No period is settled yet."):
        return
    session.show(listing)
    period = settlements[0].period if settlements else "JJJJ-MM"
    hint(
        f"allmende settlement show {period} zeigt jede Zeile",
        f"allmende settlement show {period} shows each line",
    )


def _settlement_row(settlement: SettlementClosed, member: str) -> dict[str, object]:
    own = next((each for each in settlement.positions if each.party == member), None)
    return {
        "period": settlement.period,
        "charges_eur": settlement.charges_cents,
        "levies_eur": settlement.levies_cents,
        "payable_eur": own.payable_cents if own else None,
        "receivable_eur": own.receivable_cents if own else None,
        "net_eur": own.net_cents if own else None,
        "closed_at": settlement.closed_at,
    }


def month(period: str) -> str:
    """Check a month as it was typed.

    Raises:
        Stop: it is none.
    """
    if not re.fullmatch(r"(199\d|2[01]\d\d)-(0[1-9]|1[0-2])", period, re.ASCII):
        raise Stop(
            say(f"»{period}« ist kein Monat wie 2026-03.", f"{period!r} is not a month such as 2026-03."),
            USAGE,
        )
    return period


def day(text: str) -> dt.date:
    """Check a day as it was typed.

    Raises:
        Stop: it is none.
    """
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise Stop(
            say(f"»{text}« ist kein Tag wie 2026-03-31.", f"{text!r} is not a day such as 2026-03-31."),
            USAGE,
        ) from None


async def show(session: Session, period: str, of: str | None) -> None:
    """Show a statement line by line."""
    month(period)
    async with session.market() as market:
        found = await market.statement(period, of)
    if isinstance(found, Rejection):
        raise refusal(found)
    session.show(lines_of(found))
    head = found.statement
    net = euro(abs(head.net_cents), language=language())
    german = (
        f"zu zahlen an {head.clearing_house}"
        if head.net_cents < 0
        else f"zu erhalten von {head.clearing_house}"
    )
    english = (
        f"payable to {head.clearing_house}"
        if head.net_cents < 0
        else f"receivable from {head.clearing_house}"
    )
    tell(
        f"Abrechnung {head.number} für {head.member}: {net} {german if head.net_cents else ''}".rstrip(),
        f"Statement {head.number} of {head.member}: {net} {english if head.net_cents else ''}".rstrip(),
    )


def lines_of(found: Statement) -> Listing:
    """The lines of a statement."""
    rows = [_line_row(each) for each in found.lines]
    return Listing(_LINES, rows, found.model_dump(mode="json"))


def _line_row(line: ChargeLine) -> dict[str, object]:
    return {
        "line": line.line,
        "payer": line.payer,
        "payee": line.payee,
        "title": line.title,
        "service_from": line.service_from,
        "service_to": line.service_to,
        "quantity": line.quantity,
        "unit": line.unit,
        "amount_eur": line.amount_cents,
        "tax_percent": line.tax.rate_percent if line.tax else None,
        "trace": say(line.trace_de, line.trace_en),
    }
