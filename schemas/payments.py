"""Netting and payment: what is owed gross is offset by agreement, paid in one amount, and marked as paid."""

from typing import Annotated, Literal

from pydantic import Field

from .bodies import Iban
from .claims import Claim
from .contract import Contract
from .identifiers import Count, Day, Instant, Line, MemberId, Slug, Text, Uuid
from .invoices import DocumentNumber, PaymentReference
from .money import Cents

NettingMethod = Literal["clearing_house", "bilateral", "cycles"]

_After = Annotated[int, Field(ge=0, le=2**53)]


class ArrangePayments(Contract):
    """Net all open items that are due by a day, by the rules of that day, and fix who pays whom.

    What is disputed with suspensive effect stays out. The command's id becomes the netting's id.
    """

    due_by: Day
    claim: Claim


class PaymentArranged(Contract):
    """One payment: who pays whom how much, and under which reference.

    Attributes:
        items: how many documents it settles or offsets for its debtor and creditor.
    """

    payment_id: Uuid
    netting_id: Uuid
    debtor: MemberId
    creditor: MemberId
    amount_cents: Annotated[Cents, Field(gt=0)]
    reference: PaymentReference
    due_on: Day
    items: Count
    arranged_at: Instant


class NettingDone(Contract):
    """Open items were netted.

    Attributes:
        gross_cents: what was owed; offset_cents of it needs no payment.
        positions: what every party receives (positive) or pays (negative); they sum to zero.
        disputed: how many documents stay out, as a whole or in part.
    """

    netting_id: Uuid
    method: NettingMethod
    due_by: Day
    gross_cents: Cents
    offset_cents: Cents
    payable_cents: Cents
    items: Count
    disputed: Count
    payments: Count
    positions: tuple[tuple[MemberId, Cents], ...]
    arranged_by: Slug
    arranged_at: Instant


class BankEntry(Contract):
    """An entry of an account statement (camt.053, `Ntry`).

    Attributes:
        entry_id: the bank's reference (`AcctSvcrRef`), unique within the account.
        amount_cents: positive is credited to the account, negative debited.
        references: structured references, end-to-end ids and words of the remittance text that may be some.
        returned: whether it takes an earlier entry back (`RvslInd`, `RtrInf`).
    """

    entry_id: Annotated[Line, Field(max_length=80)]
    booked_on: Day
    amount_cents: Cents
    counterparty: Annotated[Line, Field(max_length=140)] | None = None
    counterparty_iban: Annotated[Line, Field(max_length=34)] | None = None
    references: Annotated[tuple[Annotated[Line, Field(max_length=140)], ...], Field(max_length=50)] = ()
    text: Annotated[Text, Field(max_length=1000)] = ""
    returned: bool = False


class ReportBankStatement(Contract):
    """Entries of one's own account, to mark what was paid. Told twice, they count once."""

    iban: Iban
    statement_id: Line
    entries: Annotated[tuple[BankEntry, ...], Field(min_length=1, max_length=1000)]


class UnmatchedEntry(Contract):
    """An entry that settles no payment, and why."""

    entry_id: Line
    amount_cents: Cents
    code: Slug
    message_de: str
    message_en: str


class BankStatementBooked(Contract):
    """What became of the entries of an account statement."""

    iban: Iban
    statement_id: Line
    matched: Count
    repeated: Count
    unmatched: tuple[UnmatchedEntry, ...]


class PaymentReceived(Contract):
    """A payment is made, as a whole or in part, or returned by a bank.

    Attributes:
        amount_cents: below zero where it was returned.
    """

    payment_id: Uuid
    reference: PaymentReference
    debtor: MemberId
    creditor: MemberId
    amount_cents: Cents
    open_cents: Cents
    paid_on: Day


class ListPayments(Contract):
    """Ask for payments that one makes or gets, oldest first; the office sees all."""

    open_only: bool = False
    member: MemberId | None = None
    netting_id: Uuid | None = None
    after: _After = 0
    limit: Annotated[int, Field(ge=1, le=500)] = 200


class Payment(Contract):
    """A payment and what is open of it; the accounts are those of the register now.

    Attributes:
        disputed_cents: what of its documents was disputed with suspensive effect after it was arranged; for
            the time being nobody is reminded of that.
    """

    number: Count
    payment: PaymentArranged
    paid_cents: Cents
    open_cents: Cents
    disputed_cents: Cents = 0
    paid_on: Day | None


class Payments(Contract):
    """A page of payments; `next_after` continues it."""

    payments: tuple[Payment, ...]
    next_after: int | None


class ListOpenItems(Contract):
    """Ask for the documents of a member that are not settled (Offene-Posten-Liste), by due day and number.

    Attributes:
        as_of: counts the days overdue; without it, today.
    """

    member: MemberId | None = None
    as_of: Day | None = None
    after: Annotated[Line | None, Field(max_length=80)] = None
    limit: Annotated[int, Field(ge=1, le=500)] = 200


class OpenItem(Contract):
    """A document with what is open of it.

    Attributes:
        direction: `payable` by the member, or `receivable`.
        offset_cents: netted or arranged for payment; paid_cents of that is paid.
        reminders: how many were sent.
    """

    number: DocumentNumber
    direction: Literal["payable", "receivable"]
    counterparty: MemberId
    due_on: Day
    days_overdue: int
    gross_cents: Cents
    disputed_cents: Cents
    offset_cents: Cents
    paid_cents: Cents
    open_cents: Cents
    reminders: Count


class OpenItems(Contract):
    """A page of open items, with the sums over all pages."""

    member: MemberId
    items: tuple[OpenItem, ...]
    payable_cents: Cents
    receivable_cents: Cents
    next_after: Line | None


class SendReminders(Contract):
    """Remind whoever is overdue on a day, by the steps of the rules. Told twice, nobody is reminded twice."""

    as_of: Day
    claim: Claim


class ReminderSent(Contract):
    """A payment is overdue.

    Attributes:
        step: the first reminder is 1.
        fee_cents: of the step, and late_charge_cents by the rules' clause, are lines of the next run.
    """

    payment_id: Uuid
    reference: PaymentReference
    debtor: MemberId
    creditor: MemberId
    step: Annotated[int, Field(ge=1, le=10)]
    title: Line
    open_cents: Cents
    days_overdue: Count
    fee_cents: Cents
    late_charge_cents: Cents
    trace_de: str
    trace_en: str
    as_of: Day


class RemindersSent(Contract):
    """How many were reminded."""

    as_of: Day
    reminders: Count
    fees_cents: Cents
    late_charges_cents: Cents
