"""Settlement runs: a period is collected as a draft, reviewed and approved by two people, and then issued.

draft ──► in_review ──► issued
  ▲           │
  └───────────┘  drafted anew, for a reason
"""

from typing import Annotated, Literal

from pydantic import Field

from .billing import ChargeLine, NetPosition, UsageRecord
from .bodies import TaxCategory
from .brokerage import BookingConfirmed
from .claims import Claim
from .contract import Contract
from .identifiers import Count, Day, Instant, Line, MemberId, OfferingId, Period, Slug, Uuid
from .money import Cents, ExactDecimal, TotalQuantity
from .tariff import Component

RunState = Literal["draft", "in_review", "issued"]
AlertKind = Literal[
    "usage_unknown_meter",
    "usage_unpriced",
    "charge_held",
    "tax_undecided",
    "budget_exceeded",
    "unusual_jump",
    "held_before",
]
Decision = Literal["released", "held"]

_Number = Annotated[int, Field(ge=1, le=2**31 - 1)]
_After = Annotated[int, Field(ge=0, le=2**31 - 1)]


class DraftSettlement(Contract):
    """Collect all that a period charges, or collect it anew. Usage that comes later is late.

    Attributes:
        reason: why a run in review is drafted anew; its review is void then.
    """

    period: Period
    reason: Line | None = None


class SettlementDrafted(Contract):
    """A draft: nothing of it is posted or told to members.

    Attributes:
        revision: counts the drafts of the period.
        grace_until: until then the draft can be made anew and not be reviewed.
        late_records: of the period, how many came after an earlier draft and are part of this one.
        alerts: how many are open.
        positions: as the run would be issued now, lines on hold left out. They sum to zero.
    """

    settlement_id: Uuid
    period: Period
    revision: _Number
    grace_until: Instant
    charges_cents: Cents
    levies_cents: Cents
    tax_cents: Cents
    usage_records: Count
    late_records: Count = 0
    lines: Count
    alerts: Count
    positions: tuple[NetPosition, ...]
    drafted_at: Instant


class RunAlert(Contract):
    """Something in a run that somebody has to decide on before it is issued.

    Attributes:
        alert: counts within the run.
        line: of the statement, which stays out as long as it is not released; null where nothing can be
            charged yet.
        previous_cents: of an unusual jump, what the period before came to; of a budget its limit.
        decision: `released` charges the line, `held` leaves it to the next run.
    """

    alert: _Number
    kind: AlertKind
    line: Count | None = None
    provider: MemberId
    consumer: MemberId | None = None
    booking_id: Uuid | None = None
    component: Slug | None = None
    amount_cents: Cents | None = None
    previous_cents: Cents | None = None
    records: Count = 0
    message_de: str
    message_en: str
    decision: Decision | None = None
    decided_by: Slug | None = None
    reason: Line | None = None


class SettleAlerts(Contract):
    """Decide on alerts of a run in draft or in review. What has no line can only be held."""

    period: Period
    alerts: Annotated[tuple[_Number, ...], Field(min_length=1, max_length=1000)]
    decision: Decision
    reason: Line
    claim: Claim


class AlertsSettled(Contract):
    """Alerts of a run are decided on; `open` are left."""

    settlement_id: Uuid
    period: Period
    alerts: tuple[_Number, ...]
    decision: Decision
    person: Slug
    reason: Line
    open: Count


class ReviewSettlement(Contract):
    """Find a draft right (geprüft), after its time of grace."""

    period: Period
    revision: _Number
    claim: Claim


class SettlementReviewed(Contract):
    """A run waits for somebody else's approval."""

    settlement_id: Uuid
    period: Period
    revision: _Number
    reviewed_by: Slug
    reviewed_at: Instant


class ApproveSettlement(Contract):
    """Release a reviewed run (freigegeben) by another person; it is issued and posted at once."""

    period: Period
    revision: _Number
    claim: Claim


class ShowRun(Contract):
    """Ask for the run of a period. Only the office sees what is not issued."""

    period: Period


class Run(Contract):
    """A run with its history."""

    settlement_id: Uuid
    period: Period
    state: RunState
    revision: _Number
    drafted_at: Instant
    grace_until: Instant
    redraft_reason: Line | None
    reviewed_by: Slug | None
    reviewed_at: Instant | None
    approved_by: Slug | None
    issued_at: Instant | None
    charges_cents: Cents
    levies_cents: Cents
    tax_cents: Cents
    lines: Count
    held_lines: Count
    late_records: Count
    alerts: Count
    open_alerts: Count
    previous_period: Period | None
    previous_charges_cents: Cents | None
    previous_levies_cents: Cents | None


class ListAlerts(Contract):
    """Ask for the alerts of a run, by number. Providers see those of their own lines once it is issued."""

    period: Period
    open_only: bool = False
    after: _After = 0
    limit: Annotated[int, Field(ge=1, le=500)] = 200


class RunAlerts(Contract):
    """A page of alerts; `next_after` continues it, or is null on the last page."""

    alerts: tuple[RunAlert, ...]
    next_after: int | None


class ShowMatrix(Contract):
    """Ask who charges whom how much in a period. Members see their own row and column."""

    period: Period


class MatrixCell(Contract):
    """What a consumer owes a provider: net by kind, and the VAT on it."""

    provider: MemberId
    consumer: MemberId
    charges_cents: Cents
    levies_cents: Cents
    tax_cents: Cents
    lines: Count


class Matrix(Contract):
    """Every pair with a line, by provider and consumer; sums to the run."""

    period: Period
    state: RunState
    cells: tuple[MatrixCell, ...]


class CompareStatements(Contract):
    """Ask what a member's statement holds by service, beside an earlier one.

    Attributes:
        against: without it, the issued period before.
        member: of the office's question.
    """

    period: Period
    against: Period | None = None
    member: MemberId | None = None
    after: _After = 0
    limit: Annotated[int, Field(ge=1, le=500)] = 500


class ServiceSum(Contract):
    """One service of a statement: what is free stands there with zero.

    Attributes:
        direction: `payable` is what the member owes, `receivable` what it is owed.
        cause: credits, corrections, advances and true-ups stand for themselves.
        quantity: null where units differ.
    """

    direction: Literal["payable", "receivable"]
    counterparty: MemberId
    kind: Literal["charge", "levy"]
    cause: str
    offering_id: OfferingId | None
    title: Line
    unit: Line | None
    quantity: TotalQuantity | None
    lines: Count
    amount_cents: Cents
    previous_cents: Cents

    @property
    def difference_cents(self) -> int:
        """To the earlier statement."""
        return self.amount_cents - self.previous_cents


class StatementComparison(Contract):
    """A statement by service; `next_after` continues it."""

    period: Period
    against: Period | None
    member: MemberId
    services: tuple[ServiceSum, ...]
    next_after: int | None


class ExplainLine(Contract):
    """Ask for the whole story of a line of one's statement."""

    period: Period
    line: Count
    member: MemberId | None = None
    after: _After = 0
    limit: Annotated[int, Field(ge=1, le=500)] = 200


class PricedBy(Contract):
    """The tariff version that prices a line."""

    tariff_version: Count
    valid_from: Day
    component: Component


class TaxTreatment(Contract):
    """How lines are treated for VAT, decided by a dated rule of the supplier."""

    rule: Slug
    category: TaxCategory
    rate_percent: ExactDecimal
    code: str | None
    reason_de: Line | None
    reason_en: Line | None
    basis: Line
    decided_on: Day
    decided_by: Line


class LineStory(Contract):
    """A line down to its records.

    Attributes:
        treatment: of VAT; null where the supplier has no rules.
        priced_by: null of levies, credits and compensation.
        booking: as it was confirmed, with the terms frozen into it.
        related: lines that take this one back or were taken back by it, with their periods.
        records: the usage records that count, by id; `next_after` continues them.
        objection_id: an objection to it, with its state.
        objection_until: the last day on which the payer can object; null where it cannot be objected to.
    """

    period: Period
    state: RunState
    line: ChargeLine
    invoice_number: Line | None
    treatment: TaxTreatment | None
    priced_by: PricedBy | None
    booking: BookingConfirmed | None
    related: tuple[tuple[Period, ChargeLine], ...]
    records: tuple[UsageRecord, ...]
    next_after: int | None
    objection_id: Uuid | None
    objection_state: str | None
    objection_until: Day | None = None
