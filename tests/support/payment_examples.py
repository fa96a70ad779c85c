"""Examples of every message and query about payments and reports, June 2026 in the small market."""

import dataclasses
import datetime as dt
from collections.abc import Callable

from support import bodies

from allmende.schemas.contract import Contract
from allmende.schemas.payments import (
    ArrangePayments,
    BankEntry,
    BankStatementBooked,
    ListOpenItems,
    ListPayments,
    NettingDone,
    OpenItem,
    OpenItems,
    Payment,
    PaymentArranged,
    PaymentReceived,
    Payments,
    ReminderSent,
    RemindersSent,
    ReportBankStatement,
    SendReminders,
    UnmatchedEntry,
)
from allmende.schemas.reports import (
    CloseYear,
    DeclareTurnover,
    ExactCost,
    MarketYear,
    OpenMarketShare,
    ProvenPool,
    ReportExactCost,
    ReportOpenMarket,
    ReportTreatments,
    TreatedSum,
    Treatments,
    TurnoverDeclared,
    YearClosed,
)
from allmende.schemas.settlements import TaxTreatment

NOW = dt.datetime(2026, 5, 4, 7, 45, tzinfo=dt.UTC)
ISSUED_ON, DUE_ON = dt.date(2026, 5, 4), dt.date(2026, 6, 3)
NUMBER = "weser-it/R/2026/000017"
REFERENCE = "RF19WESERIT2026000017"
TEXT_HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
NETTING_ID = "0196b001-7e1b-7c55-9d1e-3f5a6b7c8d02"
PAYMENT_ID = "0196b001-7e1b-7c55-9d1e-3f5a6b7c8d03"
UNSIGNED = bodies.UNSIGNED


@dataclasses.dataclass(frozen=True)
class About:
    """Whom and what the examples are about."""

    consumer: str
    provider: str
    house: str
    treatment: TaxTreatment


def _arranged(about: About) -> PaymentArranged:
    """What the consumer pays to the clearing house."""
    return PaymentArranged(
        payment_id=PAYMENT_ID,
        netting_id=NETTING_ID,
        debtor=about.consumer,
        creditor=about.house,
        amount_cents=186_091,
        reference=REFERENCE,
        due_on=DUE_ON,
        items=2,
        arranged_at=NOW,
    )


def payloads(about: About) -> dict[str, Callable[[], Contract]]:
    """The example of every message about payments and reports but the refusals, without signatures."""
    return {
        "billing.payment.arrange": lambda: ArrangePayments(due_by=DUE_ON, claim=UNSIGNED),
        "billing.netting.done": lambda: NettingDone(
            netting_id=NETTING_ID,
            method="clearing_house",
            due_by=DUE_ON,
            gross_cents=1_220_000,
            offset_cents=20_000,
            payable_cents=1_200_000,
            items=5,
            disputed=1,
            payments=4,
            positions=((about.consumer, -186_091), (about.house, 186_091)),
            arranged_by="anna",
            arranged_at=NOW,
        ),
        "billing.payment.arranged": lambda: _arranged(about),
        "billing.payment.received": lambda: PaymentReceived(
            payment_id=PAYMENT_ID,
            reference=REFERENCE,
            debtor=about.consumer,
            creditor=about.house,
            amount_cents=186_000,
            open_cents=91,
            paid_on=DUE_ON,
        ),
        "billing.bank.report": lambda: ReportBankStatement(
            iban=bodies.iban(5),
            statement_id="2026-06-03/1",
            entries=(
                BankEntry(
                    entry_id="2026060300000042",
                    booked_on=DUE_ON,
                    amount_cents=186_000,
                    counterparty="Alster-IT",
                    counterparty_iban=bodies.iban(2),
                    references=(REFERENCE,),
                    text="Allmende April 2026",
                ),
            ),
        ),
        "billing.bank.booked": lambda: BankStatementBooked(
            iban=bodies.iban(5),
            statement_id="2026-06-03/1",
            matched=1,
            repeated=0,
            unmatched=(
                UnmatchedEntry(
                    entry_id="2026060300000043",
                    amount_cents=-1_990,
                    code="debit",
                    message_de="Eine Belastung tilgt keine Zahlung.",
                    message_en="A debit settles no payment.",
                ),
            ),
        ),
        "billing.reminder.send": lambda: SendReminders(as_of=dt.date(2026, 6, 20), claim=UNSIGNED),
        "billing.reminder.sent": lambda: ReminderSent(
            payment_id=PAYMENT_ID,
            reference=REFERENCE,
            debtor=about.consumer,
            creditor=about.house,
            step=1,
            title="Zahlungserinnerung",
            open_cents=91,
            days_overdue=17,
            fee_cents=0,
            late_charge_cents=0,
            trace_de="17 Tage nach dem 3. Juni 2026",
            trace_en="17 days after 3 June 2026",
            as_of=dt.date(2026, 6, 20),
        ),
        "billing.reminder.done": lambda: RemindersSent(
            as_of=dt.date(2026, 6, 20), reminders=1, fees_cents=0, late_charges_cents=0
        ),
        "billing.turnover.declare": lambda: DeclareTurnover(
            year=2026, open_market_cents=12_500_000, evidence="Jahresabschluss, S. 14", claim=UNSIGNED
        ),
        "billing.turnover.declared": lambda: TurnoverDeclared(
            member=about.provider,
            year=2026,
            open_market_cents=12_500_000,
            evidence="Jahresabschluss, S. 14",
            declared_by="anna",
            declared_at=NOW,
        ),
        "billing.year.close": lambda: CloseYear(year=2026, claim=UNSIGNED),
        "billing.year.closed": lambda: YearClosed(
            year=2026,
            periods=12,
            entries=214,
            last_sequence=214,
            last_hash=TEXT_HASH,
            keep_books_until=dt.date(2036, 12, 31),
            keep_vouchers_until=dt.date(2034, 12, 31),
            closed_by="anna",
            closed_at=NOW,
        ),
    }


def queries(about: About) -> dict[str, tuple[Callable[[], Contract], Callable[[], Contract]]]:
    """The example of every query about payments and reports."""
    item = OpenItem(
        number=NUMBER,
        direction="payable",
        counterparty=about.provider,
        due_on=DUE_ON,
        days_overdue=-30,
        gross_cents=27_200,
        disputed_cents=7_200,
        offset_cents=20_000,
        paid_cents=0,
        open_cents=27_200,
        reminders=0,
    )
    payment = Payment(number=1, payment=_arranged(about), paid_cents=186_000, open_cents=91, paid_on=DUE_ON)
    return {
        "billing.report.treatments": (
            lambda: ReportTreatments(year=2026),
            lambda: Treatments(
                year=2026,
                sums=(
                    TreatedSum(
                        supplier=about.provider,
                        consumer=about.consumer,
                        service_year=2026,
                        treatment=about.treatment,
                        lines=2,
                        net_cents=27_200,
                    ),
                ),
                next_after=None,
            ),
        ),
        "billing.report.cost": (
            lambda: ReportExactCost(year=2026),
            lambda: ExactCost(
                year=2026,
                pools=(
                    ProvenPool(
                        pool_id="datensicherung-2026",
                        title="Datensicherung 2026",
                        first_day=dt.date(2026, 1, 1),
                        last_day=dt.date(2026, 12, 31),
                        state="settled",
                        cost_cents=1_250_000,
                        charged_cents=1_250_000,
                        carried_cents=0,
                        markup_cents=0,
                    ),
                ),
                proven=True,
            ),
        ),
        "billing.report.market": (
            lambda: ReportOpenMarket(year=2026),
            lambda: OpenMarketShare(
                member=about.provider,
                years=(
                    MarketYear(year=2024, within_cents=80_000_000, open_market_cents=10_000_000),
                    MarketYear(year=2025, within_cents=90_000_000, open_market_cents=11_000_000),
                    MarketYear(year=2026, within_cents=99_000_000, open_market_cents=12_500_000),
                ),
                share_percent="11.07",
                below_limit=True,
            ),
        ),
        "billing.payment.list": (
            lambda: ListPayments(open_only=True, limit=1),
            lambda: Payments(payments=(payment,), next_after=1),
        ),
        "billing.item.list": (
            lambda: ListOpenItems(as_of=ISSUED_ON),
            lambda: OpenItems(
                member=about.consumer,
                items=(item,),
                payable_cents=27_200,
                receivable_cents=0,
                next_after=None,
            ),
        ),
    }
