"""Netting and payment on the command line."""

import contextlib
import datetime as dt
import sys
from pathlib import Path

from allmende.client.bank_file import read_statements
from allmende.client.output import Column, Kind, Listing
from allmende.client.settlement_wording import DIRECTIONS
from allmende.schemas.mistakes import Mistake
from allmende.schemas.money import euro
from allmende.schemas.payments import OpenItem, Payment, ReportBankStatement, UnmatchedEntry
from allmende.schemas.rejections import Rejection

from .files import unreadable
from .language import hint, language, refusal, say, tell
from .progress import progress
from .sending import told
from .session import Session
from .stop import USAGE, Stop

_PAYMENTS = (
    Column("number", "Nr.", "No."),
    Column("debtor", "Zahlt", "Payer"),
    Column("creditor", "Erhält", "Payee"),
    Column("amount_eur", "Betrag", "Amount", Kind.CENTS),
    Column("paid_eur", "Bezahlt", "Paid", Kind.CENTS),
    Column("open_eur", "Offen", "Open", Kind.CENTS),
    Column("due_on", "Fällig", "Due", Kind.DAY),
    Column("paid_on", "Bezahlt am", "Paid on", Kind.DAY),
    Column("reference", "Referenz", "Reference"),
    Column("items", "Belege", "Documents", Kind.NUMBER),
)
_ITEMS = (
    Column("number", "Beleg", "Document"),
    Column("direction", "Richtung", "Direction"),
    Column("counterparty", "Gegenseite", "Counterparty"),
    Column("due_on", "Fällig", "Due", Kind.DAY),
    Column("days_overdue", "Tage überfällig", "Days overdue", Kind.NUMBER),
    Column("gross_eur", "Brutto", "Gross", Kind.CENTS),
    Column("disputed_eur", "Strittig", "Disputed", Kind.CENTS),
    Column("offset_eur", "Verrechnet", "Offset", Kind.CENTS),
    Column("paid_eur", "Bezahlt", "Paid", Kind.CENTS),
    Column("open_eur", "Offen", "Open", Kind.CENTS),
    Column("reminders", "Mahnungen", "Reminders", Kind.NUMBER),
)

_UNMATCHED = (
    Column("entry", "Umsatz", "Entry"),
    Column("amount_eur", "Betrag", "Amount", Kind.CENTS),
    Column("reason", "Grund", "Reason"),
)


def _money(cents: int) -> str:
    return euro(cents, language=language())


async def arrange(session: Session, due_by: dt.date, id_: str | None) -> None:
    """Net what is due and fix who pays whom."""
    found = await told(session, lambda m, i: m.arrange_payments(due_by, id=i), id_)
    tell(
        f"Verrechnet: {_money(found.gross_cents)} (Belege: {found.items}, strittig: {found.disputed}), davon "
        f"{_money(found.offset_cents)} ohne Zahlung; Zahlungen: {found.payments} über "
        f"{_money(found.payable_cents)}.",
        f"Netted: {_money(found.gross_cents)} (documents: {found.items}, disputed: {found.disputed}), of it "
        f"{_money(found.offset_cents)} without payment; payments: {found.payments} of "
        f"{_money(found.payable_cents)}.",
    )
    print(found.netting_id)  # noqa: T201 - the one datum of this command
    hint("allmende payment list --open zeigt sie", "allmende payment list --open shows them")


async def show_all(session: Session, *, open_only: bool, of: str | None) -> None:
    """List payments."""
    async with session.market() as market:
        found = [each async for each in market.payments(open_only=open_only, member=of)]
    listing = Listing(
        _PAYMENTS, [_payment_row(each) for each in found], [each.model_dump(mode="json") for each in found]
    )
    if not session.empty(listing, "Es gibt keine Zahlung.", "There is no payment."):
        session.show(listing)


def _payment_row(payment: Payment) -> dict[str, object]:
    arranged = payment.payment
    return {
        "number": payment.number,
        "debtor": arranged.debtor,
        "creditor": arranged.creditor,
        "amount_eur": arranged.amount_cents,
        "paid_eur": payment.paid_cents,
        "open_eur": payment.open_cents,
        "due_on": arranged.due_on,
        "paid_on": payment.paid_on,
        "reference": arranged.reference,
        "items": arranged.items,
    }


async def open_items(session: Session, of: str | None, as_of: dt.date | None) -> None:
    """List what is not settled."""
    async with session.market() as market:
        found = await market.open_items(member=of, as_of=as_of)
    listing = Listing(_ITEMS, [_item_row(each) for each in found.items], found.model_dump(mode="json"))
    if session.empty(listing, "Es ist nichts offen.", "Nothing is open."):
        return
    session.show(listing)
    tell(
        f"{found.member}: zu zahlen {_money(found.payable_cents)}, zu erhalten "
        f"{_money(found.receivable_cents)}.",
        f"{found.member}: payable {_money(found.payable_cents)}, receivable "
        f"{_money(found.receivable_cents)}.",
    )


def _item_row(item: OpenItem) -> dict[str, object]:
    return {
        "number": item.number,
        "direction": say(*DIRECTIONS[item.direction]),
        "counterparty": item.counterparty,
        "due_on": item.due_on,
        "days_overdue": max(0, item.days_overdue) or None,
        "gross_eur": item.gross_cents,
        "disputed_eur": item.disputed_cents,
        "offset_eur": item.offset_cents,
        "paid_eur": item.paid_cents,
        "open_eur": item.open_cents,
        "reminders": item.reminders,
    }


async def remind(session: Session, as_of: dt.date, id_: str | None) -> None:
    """Remind whoever is overdue."""
    found = await told(session, lambda m, i: m.send_reminders(as_of, id=i), id_)
    tell(
        f"Mahnungen: {found.reminders}, Gebühren {_money(found.fees_cents)}, Verzugskosten "
        f"{_money(found.late_charges_cents)} in der nächsten Abrechnung.",
        f"Reminders: {found.reminders}, fees {_money(found.fees_cents)}, late charges "
        f"{_money(found.late_charges_cents)} in the next run.",
    )


async def bring_in(session: Session, file: str, iban: str | None) -> None:
    """Mark what was paid by an account statement of one's own."""
    reports = _read(file, iban)
    total = sum(len(each.entries) for each in reports)
    matched = repeated = done = 0
    unmatched: list[UnmatchedEntry] = []
    async with session.market() as market:
        with progress(total, file, counts=("Umsatz", "entry")) as advance:
            for report in reports:
                found = await market.report_bank_statement(report.iban, report.statement_id, report.entries)
                if isinstance(found, Rejection):
                    raise refusal(found)
                matched, repeated = matched + found.matched, repeated + found.repeated
                unmatched += found.unmatched
                done += len(report.entries)
                advance(done, done)
    if unmatched:
        rows = [
            {
                "entry": each.entry_id,
                "amount_eur": each.amount_cents,
                "reason": say(each.message_de, each.message_en),
            }
            for each in unmatched
        ]
        session.show(Listing(_UNMATCHED, rows, [each.model_dump(mode="json") for each in unmatched]))
    tell(
        f"Umsätze: {total}, zugeordnet: {matched}, schon bekannt: {repeated}, nicht zugeordnet: "
        f"{len(unmatched)}.",
        f"Entries: {total}, matched: {matched}, known already: {repeated}, not matched: {len(unmatched)}.",
    )


def _read(file: str, iban: str | None) -> tuple[ReportBankStatement, ...]:
    try:
        with contextlib.nullcontext(sys.stdin.buffer) if file == "-" else Path(file).open("rb") as stream:
            found = read_statements(stream, iban=iban)
    except OSError as error:
        raise unreadable(file, error) from None
    if isinstance(found, Mistake):
        raise Stop(found.text(file, language()), USAGE)
    return found
