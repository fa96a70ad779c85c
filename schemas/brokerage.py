"""Brokerage: bookings (TM Forum: service order) and what becomes of them (OSB: service instance)."""

import json
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, StringConstraints, model_validator

from .conditions import Conditions, Hours
from .contract import Contract
from .identifiers import (
    ClassName,
    Count,
    Day,
    Instant,
    Line,
    MemberId,
    OfferingId,
    SealingKey,
    Slug,
    Text,
    Uuid,
)
from .money import ExactDecimal, Quantity
from .tariff import Tariff

Quantities = Annotated[dict[Slug, Quantity], Field(max_length=50)]

DETAILS_BYTES_MAX = 16 * 1024
Details = Annotated[dict[str, JsonValue], Field(max_length=200)]
"""The answers to a plan's order form."""

Side = Literal["consumer", "provider"]
Actor = Literal["consumer", "provider", "clock"]

BookingState = Literal[
    "interested",
    "held",
    "offered",
    "pending_consumer",
    "pending_provider",
    "acknowledged",
    "in_progress",
    "completed",
    "partial",
    "assessing_cancellation",
    "pending_cancellation",
    "rejected",
    "cancelled",
    "failed",
]
"""Where an order stands (TM Forum 641, with `offered` and `interested` beside it)."""

InstanceState = Literal["creating", "active", "updating", "suspended", "terminating", "terminated", "erred"]
"""Where the service stands that was ordered (Open Service Broker)."""

Trigger = Literal[
    "request",
    "accept",
    "approve",
    "decline",
    "cancel",
    "concede",
    "offer",
    "lapse",
    "begin",
    "accepted",
    "milestone",
    "active",
    "partial",
    "failed",
    "dismantled",
    "suspend",
    "resume",
    "amend",
    "take_effect",
    "terminate",
    "renew",
    "end",
]
"""What moves a booking: commands of the two sides, and the clock."""

Cents = Annotated[int, Field(strict=True, ge=0, le=10**11)]
Base64 = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]*={0,2}$")]


class RequestBooking(Contract):
    """Book a plan of an offering. The command's id becomes the booking's id.

    Attributes:
        pool_id: the region or the time slot, where the plan has some.
        details: the answers to the plan's order form.
        binding: false states an interest: no capacity is taken, and accepting it later makes it a request.
        wait_until: wait in line until this day if there is no capacity now.
        own_approval_hours: the consumer's own side approves first, within this time.
    """

    offering_id: OfferingId
    plan_id: Slug
    quantities: Quantities = Field(default_factory=dict)
    pool_id: Slug | None = None
    details: Details | None = None
    start: Day
    end: Day | None = None
    reference: Line | None = None
    binding: bool = True
    wait_until: Day | None = None
    own_approval_hours: Hours | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end is not None and self.end < self.start:
            raise ValueError("the booking ends before it starts")
        if self.details is not None and len(json.dumps(self.details)) > DETAILS_BYTES_MAX:
            raise ValueError(f"the details are larger than {DETAILS_BYTES_MAX} bytes")
        return self


class Agreement(Contract):
    """What was agreed, with all terms frozen into it, so that nobody needs to ask for them later."""

    booking_id: Uuid
    offering_id: OfferingId
    offering_revision: Count
    plan_id: Slug
    provider: MemberId
    consumer: MemberId
    consumer_class: ClassName | None = None
    quantities: Quantities
    pool_id: Slug | None = None
    details: Details | None = None
    start: Day
    end: Day | None = None
    reference: Line | None = None
    conditions: Conditions = Conditions()
    tariff: Tariff


class Waits(Contract):
    """Who must act, and until when; then the clock decides."""

    waits_for: Side | None = None
    until: Instant | None = None


class BookingAcknowledged(Agreement, Waits):
    """A request is taken in and waits: for an approval, for capacity, or for a binding order.

    Attributes:
        place: in the waiting line, from 1.
    """

    state: BookingState
    place: Annotated[int, Field(ge=1)] | None = None
    acknowledged_at: Instant


class BookingConfirmed(Agreement, Waits):
    """A booking holds."""

    state: BookingState = "completed"
    instance: InstanceState | None = "active"
    confirmed_at: Instant


class AcceptBooking(Contract):
    """Take up what the waiting list offers, or turn an interest into a binding request."""

    booking_id: Uuid


class ApproveBooking(Contract):
    """Say yes: to the own side's order, as provider to a booking or to a change of one."""

    booking_id: Uuid


class DeclineBooking(Contract):
    """Say no where a yes was asked for; as provider also to a cancellation."""

    booking_id: Uuid
    reason: Line


class CancelBooking(Contract):
    """Withdraw before the service is up.

    Attributes:
        compensation_cents: what the one who withdraws offers to the other.
    """

    booking_id: Uuid
    reason: Line
    compensation_cents: Cents = 0


class ConcedeCancellation(Contract):
    """Agree to a cancellation while the service was being set up.

    Attributes:
        compensation_cents: what the consumer owes for what was done in vain.
    """

    booking_id: Uuid
    compensation_cents: Cents = 0
    reason: Line | None = None


class ReportProgress(Contract):
    """What the provider's system has done.

    Attributes:
        step: `accepted` and `milestone` renew the time limit; `active` ends the setting up or a change,
            `partial` ends it with less than was ordered; `failed` ends it for good; `dismantled` ends the
            taking down.
        milestone: such as `prepared` or `moved` of a municipality's way into the data centre.
        delivered: of a partial delivery, what there is of each order quantity.
    """

    booking_id: Uuid
    step: Literal["accepted", "milestone", "active", "partial", "failed", "dismantled"]
    milestone: Slug | None = None
    note: Text | None = None
    delivered: Quantities | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.step == "milestone") != (self.milestone is not None):
            raise ValueError("milestone names a milestone, the other steps none")
        if (self.step == "partial") != (self.delivered is not None):
            raise ValueError("partial says what was delivered, the other steps do not")
        return self


class SuspendBooking(Contract):
    """Interrupt the service. Whoever interrupts it resumes it."""

    booking_id: Uuid
    reason: Line


class ResumeBooking(Contract):
    """Go on after an interruption."""

    booking_id: Uuid


class AmendBooking(Contract):
    """Change quantities or plan from a day on. What is left out stays.

    Attributes:
        quantities: all order quantities as they shall be, not the difference.
    """

    booking_id: Uuid
    effective_on: Day
    plan_id: Slug | None = None
    quantities: Quantities | None = None
    details: Details | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.plan_id is None and self.quantities is None and self.details is None:
            raise ValueError("nothing is to be changed")
        return self


class TerminateBooking(Contract):
    """Give notice.

    Attributes:
        on: the last day; the earliest possible one if left out.
    """

    booking_id: Uuid
    on: Day | None = None
    reason: Line | None = None


class Document(Contract):
    """A small file within a message."""

    name: Line
    media_type: Annotated[str, StringConstraints(pattern=r"^[a-z]+/[a-z0-9.+-]{1,80}$")]
    content: Annotated[Base64, Field(max_length=384 * 1024)]


class WriteMessage(Contract):
    """Write to the other side about a booking: a question, an answer, a document.

    A message of the side that waits gives the other, which must act, the whole time again.
    """

    booking_id: Uuid
    text: Annotated[Text, Field(min_length=1)]
    document: Document | None = None


class ShareAccess(Contract):
    """Hand over access data which only the consumer can open.

    Attributes:
        sealed: a libsodium sealed box (X25519, XSalsa20-Poly1305) in base64.
        sealed_to: the consumer's public key in the register, to which it is sealed.
    """

    booking_id: Uuid
    label: Line
    sealed: Annotated[Base64, Field(min_length=64, max_length=32 * 1024)]
    sealed_to: SealingKey


class BookingChanged(Waits):
    """A booking moved by one row of the table of transitions.

    Attributes:
        number: counts the changes of this booking, 1, 2, 3, ...
        by: who moved it.
        end: the last day as it stands now.
        compensation_cents: what the consumer owes the provider for it; negative the other way round.
        effective_on: of a change of quantities or plan, when it shall hold.
        delivered: what there is, of a partial delivery.
    """

    booking_id: Uuid
    offering_id: OfferingId
    provider: MemberId
    consumer: MemberId
    number: Annotated[Count, Field(ge=1)]
    trigger: Trigger
    by: Actor
    state: BookingState
    instance: InstanceState | None = None
    end: Day | None = None
    reason: Line | None = None
    milestone: Slug | None = None
    note: Text | None = None
    delivered: Quantities | None = None
    compensation_cents: Annotated[int, Field(strict=True, ge=-(10**11), le=10**11)] = 0
    effective_on: Day | None = None
    changed_at: Instant


class BookingAmended(Agreement):
    """New terms hold from a day on, with everything that was agreed.

    Attributes:
        plan_changed: another plan than before, not only other quantities.
    """

    number: Annotated[Count, Field(ge=1)]
    effective_on: Day
    plan_changed: bool
    amended_at: Instant


class MessageWritten(Waits):
    """A message between the two sides of a booking, and the time limit as it stands now."""

    booking_id: Uuid
    provider: MemberId
    consumer: MemberId
    written_by: Side
    text: Text
    document: Document | None = None
    written_at: Instant


class AccessShared(Contract):
    """Access data for the consumer, sealed."""

    booking_id: Uuid
    provider: MemberId
    consumer: MemberId
    label: Line
    sealed: Base64
    sealed_to: SealingKey
    shared_at: Instant


Impact = Literal["none", "degraded", "outage"]
MaintenanceState = Literal["draft", "scheduled", "in_progress", "completed", "cancelled"]


class AnnounceMaintenance(Contract):
    """Tell everybody who has a booking of these offerings of work to come. The command's id names it.

    Attributes:
        as_draft: only the provider sees it.
    """

    offering_ids: Annotated[tuple[OfferingId, ...], Field(min_length=1, max_length=50)]
    title: Line
    text: Text = ""
    impact: Impact
    starts_at: Instant
    ends_at: Instant
    as_draft: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.ends_at <= self.starts_at:
            raise ValueError("the maintenance ends before it starts")
        return self


class UpdateMaintenance(Contract):
    """Change a notice or move it on. What is left out stays. The clock begins and completes it otherwise."""

    notice_id: Uuid
    state: Literal["scheduled", "in_progress", "completed", "cancelled"] | None = None
    text: Text | None = None
    impact: Impact | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None


class MaintenanceNotice(Contract):
    """Maintenance as it stands."""

    notice_id: Uuid
    provider: MemberId
    offering_ids: tuple[OfferingId, ...]
    title: Line
    text: Text
    impact: Impact
    state: MaintenanceState
    starts_at: Instant
    ends_at: Instant
    number: Annotated[Count, Field(ge=1)]
    told_at: Instant


class ReportBreach(Contract):
    """Own up to a missed service level, with what it gives back.

    Attributes:
        measure: such as `availability_percent`.
    """

    booking_id: Uuid
    measure: Slug
    promised: ExactDecimal
    measured: ExactDecimal
    first_day: Day
    last_day: Day
    credit_cents: Cents
    reason: Line

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.last_day < self.first_day:
            raise ValueError("the breach ends before it starts")
        return self


class BreachRecorded(Contract):
    """A missed service level; billing gives the credit in the month of the last day."""

    breach_id: Uuid
    booking_id: Uuid
    offering_id: OfferingId
    provider: MemberId
    consumer: MemberId
    measure: Slug
    promised: ExactDecimal
    measured: ExactDecimal
    first_day: Day
    last_day: Day
    credit_cents: Cents
    reason: Line
    recorded_at: Instant


class BookingSummary(Agreement, Waits):
    """A booking as it stands.

    Attributes:
        number: how often it was changed.
        place: in the waiting line, from 1.
    """

    state: BookingState
    instance: InstanceState | None
    number: Count
    place: Annotated[int, Field(ge=1)] | None = None


class ListBookings(Contract):
    """Ask for the bookings one takes part in, oldest first.

    Attributes:
        waiting_for_me: only those in which one's own side must act.
    """

    side: Literal["consumer", "provider", "both"] = "both"
    state: BookingState | None = None
    waiting_for_me: bool = False
    after: Count = 0
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class Bookings(Contract):
    """A page of bookings; `next_after` continues it, or is null on the last page."""

    bookings: tuple[BookingSummary, ...]
    next_after: int | None


class ShowBooking(Contract):
    """Ask for one booking with its story."""

    booking_id: Uuid


class BookingStory(Contract):
    """A booking, how it came to stand there, and what was written about it; oldest first.

    Attributes:
        consumer_sealing_key: to which the provider seals access data, as it stands in the register now; null
            while the consumer has none there.
    """

    booking: BookingSummary
    changes: tuple[BookingChanged, ...]
    messages: tuple[MessageWritten, ...]
    consumer_sealing_key: SealingKey | None = None


class ListMaintenance(Contract):
    """Ask for maintenance of what one books or provides, the next first; what is over is left out."""

    include_over: bool = False
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class Maintenance(Contract):
    """Maintenance notices."""

    notices: tuple[MaintenanceNotice, ...]
