"""Billing: usage, levies, statements and settlements between public bodies."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .bodies import TaxCategory
from .contract import Contract
from .identifiers import (
    ClassName,
    Count,
    Day,
    Instant,
    Line,
    MemberId,
    OfferingId,
    Period,
    RecordId,
    Slug,
    Uuid,
)
from .money import Cents, ExactDecimal, Quantity, TotalQuantity
from .tariff import AllocationKey, Billing, Unit

REPORT_ENTRIES_MAX = 1_000


def _is_empty(value: object) -> bool:
    """Leave out what most of a thousand records do not have: room in a message is for records."""
    return not value


class UsageRecord(Contract):
    """What one meter of one booking counted in one span of time, or showed at one moment.

    Attributes:
        id: unique for ever within the reporting provider.
        start: decides the period, by the calendar of Europe/Berlin; of a moment, `end` is the same.
        dimensions: what a price may depend on beside the booking, such as the purpose of a single job.
        corrects: the record of the same provider that this one replaces.
    """

    id: RecordId
    booking_id: Uuid
    meter: Slug
    quantity: Quantity
    start: Instant
    end: Instant
    dimensions: Annotated[dict[Slug, ClassName], Field(max_length=10, exclude_if=_is_empty)] = Field(
        default_factory=dict
    )
    corrects: Annotated[RecordId | None, Field(exclude_if=_is_empty)] = None

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.end < self.start:
            raise ValueError("the record ends before it starts")
        if self.corrects == self.id:
            raise ValueError("a record cannot correct itself")
        return self


class UsageCancellation(Contract):
    """Takes a record back without another in its place.

    Attributes:
        id: unique for ever within the reporting provider, apart from the ids of records.
        cancels: the record.
    """

    id: RecordId
    cancels: RecordId
    reason: Line


class ReportUsage(Contract):
    """Usage of the provider's bookings: records and cancellations, together 1 to 1,000."""

    records: Annotated[tuple[UsageRecord, ...], Field(max_length=REPORT_ENTRIES_MAX)] = ()
    cancellations: Annotated[
        tuple[UsageCancellation, ...], Field(max_length=REPORT_ENTRIES_MAX, exclude_if=_is_empty)
    ] = ()

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if not 1 <= len(self.records) + len(self.cancellations) <= REPORT_ENTRIES_MAX:
            raise ValueError(f"give 1 to {REPORT_ENTRIES_MAX} records and cancellations together")
        return self


class RefusedRecord(Contract):
    """A record or cancellation that was not taken, and why."""

    id: RecordId
    code: Slug
    message_de: str
    message_en: str


class UsageRecorded(Contract):
    """What became of a report, its records and cancellations counted together.

    Attributes:
        accepted: those that count from now on.
        repeated: those known before with the same content.
        parked: those that name a booking, a meter or a record that is not known yet; a later event tells of
            those that stay unknown.
    """

    accepted: Count
    repeated: Count
    parked: Count
    refused: tuple[RefusedRecord, ...]


class UsageRefused(Contract):
    """Records and cancellations that were parked, and what they name did not come in time."""

    refused: Annotated[tuple[RefusedRecord, ...], Field(min_length=1)]


class AlertRaised(Contract):
    """Something that costs money and that nobody can charge as it is.

    Attributes:
        kind: usage of a booking that nobody knows, of a meter that its tariff does not have, or that no price
            fits; a charge that waits for a price; a quota that is used up.
        records: how many records it is about.
    """

    kind: Literal[
        "usage_unknown_booking", "usage_unknown_meter", "usage_unpriced", "charge_held", "quota_exceeded"
    ]
    provider: MemberId
    booking_id: Uuid | None = None
    meter: Slug | None = None
    period: Period | None = None
    records: Count
    message_de: str
    message_en: str


class Clarification(Contract):
    """Two contents under one id: the first stands until the provider corrects or cancels it.

    Attributes:
        clarification: counts within the market.
        standing: the record as it was taken; null where the id is one of a cancellation.
        offered: the record as it was reported again with other content; likewise `offered_cancellation`.
        settled_as: how it was settled; null as long as it is open.
        reason: given by whoever settled it.
    """

    clarification: Count
    provider: MemberId
    record_id: RecordId
    standing: UsageRecord | None = None
    offered: UsageRecord | None = None
    offered_cancellation: UsageCancellation | None = None
    noted_at: Instant
    settled_as: Literal["corrected", "cancelled", "settled"] | None = None
    settled_at: Instant | None = None
    reason: Line | None = None


class ListClarifications(Contract):
    """Ask for contradictory records, oldest first. Providers see their own; the office may name one."""

    provider: MemberId | None = None
    open_only: bool = True
    after: Annotated[int, Field(ge=0, le=2**53)] = 0
    limit: Annotated[int, Field(ge=1, le=200)] = 100


class Clarifications(Contract):
    """A page of the list; `next_after` continues it, or is null on the last page."""

    clarifications: tuple[Clarification, ...]
    next_after: int | None


class SettleClarification(Contract):
    """Close an entry of the list: what was taken first stands, for a reason."""

    clarification: Count
    reason: Line


class ClarificationSettled(Contract):
    """An entry of the list is closed by hand."""

    clarification: Count
    provider: MemberId
    record_id: RecordId
    settled_by: MemberId
    reason: Line
    settled_at: Instant


class ChargeLevy(Contract):
    """Spread a cost of the cooperative over its members by a key. The command's id becomes the levy's id.

    Attributes:
        replaces: a levy that was taken back and is billed again, perhaps under another key.
        legal_basis: what entitles to it, such as a paragraph of the statutes; it stands on the notices.
    """

    period: Period
    title: Line
    amount_cents: Annotated[Cents, Field(gt=0, le=10**15)]
    key: AllocationKey
    replaces: Uuid | None = None
    legal_basis: Line | None = None


class LevyShare(Contract):
    """One member's part of a levy. How it came about stands on the member's statement."""

    member: MemberId
    amount_cents: Cents


class LevyCharged(Contract):
    """A levy and its parts, which sum to it exactly.

    Attributes:
        charged_for: of a levy that replaces another, the period whose cost it spreads; else its own.
    """

    levy_id: Uuid
    period: Period
    title: Line
    amount_cents: Cents
    key_id: Slug
    key_version: Count
    shares: tuple[LevyShare, ...]
    replaces: Uuid | None = None
    charged_for: Period | None = None
    legal_basis: Line | None = None


class StatementItem(Contract):
    """What one side of a statement holds towards one counterparty.

    Attributes:
        number: of the document that charges it; null while it is a draft.
        amount_cents: net, and `tax_cents` the VAT on it.
    """

    kind: Literal["charge", "levy"]
    counterparty: MemberId
    number: Line | None = None
    amount_cents: Cents
    tax_cents: Cents = 0
    lines: Count
    due_on: Day | None = None


class StatementIssued(Contract):
    """One member's statement: gross on both sides with VAT, and what is left of them."""

    statement_id: Uuid
    settlement_id: Uuid
    number: Line
    period: Period
    member: MemberId
    payable: tuple[StatementItem, ...]
    receivable: tuple[StatementItem, ...]
    payable_cents: Cents
    receivable_cents: Cents
    net_cents: Cents
    clearing_house: MemberId
    issued_at: Instant


class NetPosition(Contract):
    """What a party receives (positive) or pays (negative) in all."""

    party: MemberId
    receivable_cents: Cents
    payable_cents: Cents
    net_cents: Cents


class SettlementClosed(Contract):
    """An issued run. The positions sum to zero.

    Attributes:
        charges_cents: net, without what is on hold; likewise levies_cents.
        reviewed_by: a person of the office, and `approved_by` another.
    """

    settlement_id: Uuid
    period: Period
    clearing_house: MemberId
    charges_cents: Cents
    levies_cents: Cents
    tax_cents: Cents = 0
    usage_records: Count
    lines: Count
    held_lines: Count = 0
    positions: tuple[NetPosition, ...]
    reviewed_by: Slug | None = None
    approved_by: Slug | None = None
    closed_at: Instant


class ListSettlements(Contract):
    """Ask for the settlements, newest period first; after a period come those before it."""

    after: Period | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class Settlements(Contract):
    """Settlements; a member sees its own position only. `next_after` continues them."""

    settlements: tuple[SettlementClosed, ...]
    next_after: Period | None = None


class ShowStatement(Contract):
    """Ask for a statement with its lines. Members see their own; the office names the member."""

    period: Period
    member: MemberId | None = None
    after: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    limit: Annotated[int, Field(ge=1, le=200)] = 200


class LineTax(Contract):
    """How a line is treated for VAT, by which rule of its payee."""

    category: TaxCategory
    rate_percent: ExactDecimal
    rule: Slug


class ChargeLine(Contract):
    """One line of a statement with its story.

    Attributes:
        line: counts within the settlement.
        cause: `regular` is what a tariff or a key asks for, `reversal` takes an earlier line back,
            `compensation` is owed for a withdrawal, `credit` is given for a missed service level or after an
            objection. Of a cost pool, `advance` is asked for beforehand, `true_up` is the share less all that
            was charged, and `reimbursement` pays back who bore a cost. `late_charge` is owed for paying late.
        payer: who owes it.
        payee: to whom.
        billing: how the component is charged; null where no component is.
        terms: the number of the change of the booking whose terms it is priced by; 0 as booked.
        charged_for: what it covers: `2026-04`, `2026-Q2`, `2026`, `total` or the day of a change of plan; of
            usage also the part of the span, and the dimensions by which it is priced.
        pool_id: of a cost pool; `party` is what its clause calls whom the payer stands for.
        levy_id: the levy that it is a share of, or takes a share of back.
        objection_id: the objection that a credit answers.
        quantity: never negative; of a reversal that of the line it takes back.
        amount_cents: net; negative where something is taken back or credited.
        tax: null where the payee's body has decided on nothing, which then bears no VAT.
        budget_item: where the payer books it (Buchungsstelle).
    """

    line: Count
    kind: Literal["charge", "levy"]
    cause: Literal[
        "regular",
        "reversal",
        "compensation",
        "credit",
        "advance",
        "true_up",
        "reimbursement",
        "late_charge",
    ] = "regular"
    payer: MemberId
    payee: MemberId
    title: Line
    booking_id: Uuid | None = None
    offering_id: OfferingId | None = None
    component: Slug | None = None
    billing: Billing | None = None
    terms: Count | None = None
    charged_for: Line | None = None
    tariff_version: Count | None = None
    pool_id: Slug | None = None
    party: Line | None = None
    levy_id: Uuid | None = None
    objection_id: Uuid | None = None
    quantity: TotalQuantity | None = None
    unit: Unit | None = None
    records: Count = 0
    service_from: Day
    service_to: Day
    amount_cents: Cents
    tax: LineTax | None = None
    budget_item: Line | None = None
    trace_de: str
    trace_en: str


class Statement(Contract):
    """A statement with a page of its lines; `next_after` continues it, or is null on the last page.

    Attributes:
        state: only the office sees what is not issued.
        held: of the lines on this page, those on hold; no sum contains them.
    """

    state: Literal["draft", "in_review", "issued"] = "issued"
    statement: StatementIssued
    lines: tuple[ChargeLine, ...]
    held: tuple[Count, ...] = ()
    next_after: int | None
