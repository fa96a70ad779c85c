"""Bookings: what a request becomes, what a booking reserves, and who must act until when."""

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar, cast

from allmende.schemas.brokerage import (
    Agreement,
    BookingAcknowledged,
    BookingConfirmed,
    BookingState,
    InstanceState,
    Quantities,
    RequestBooking,
    Side,
)
from allmende.schemas.catalog import Offering, Plan
from allmende.schemas.conditions import Hours, Pool
from allmende.schemas.contract import Contract
from allmende.schemas.identifiers import Day, Instant
from allmende.schemas.money import plain
from allmende.schemas.rejections import Rejected, rejected
from allmende.tariffs.order import refuse_amount, refuse_order
from allmende.tariffs.order_form import refuse_details
from allmende.tariffs.terms import order_attributes, refuse_class, tariff_on

from . import lifecycle
from .lifecycle import Phase
from .term import day_of, end_of, start_of

CapacityKey = tuple[str, str, str, str]
"""Offering, plan, pool (empty where the plan has none), order quantity."""
LineKey = tuple[str, str, str]
"""Offering, plan, pool: where one waits in line."""

INTEREST_DAYS = 90
ASSESSING_HOURS = 72
"""How long a provider may think about a cancellation."""

Availability = str
"""`open`, `paused` or `retired`."""


@dataclasses.dataclass(frozen=True)
class Listed:
    """An offering as the brokerage knows it."""

    offering: Offering
    revision: int
    availability: Availability = "open"


@dataclasses.dataclass(frozen=True)
class Consumer:
    """Who books, with its class in each provider's scheme."""

    member: str
    classes: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Unknown:
    """What is named is not known yet: the message may have overtaken it."""

    awaited: str


class Amendment(Contract):
    """A change of quantities or plan on its way.

    Attributes:
        agreed: the provider has said yes, or need not.
        until: the provider's time limit while it has not.
    """

    agreement: Agreement
    effective_on: Day
    agreed: bool
    until: Instant | None = None


class Progress(Contract):
    """What is remembered of a booking beside its terms."""

    wait_until: Day | None = None
    own_approval_hours: Hours | None = None
    notice_given: bool = False
    suspended_by: Side | None = None
    amendment: Amendment | None = None


NOTHING_SPECIAL = Progress()


@dataclasses.dataclass(frozen=True, slots=True)
class Booking:
    """A booking as it stands.

    Attributes:
        number: how often it was changed.
        waits_for: who must act until `until`.
    """

    agreement: Agreement
    state: BookingState
    instance: InstanceState | None = None
    number: int = 0
    waits_for: Side | None = None
    until: dt.datetime | None = None
    progress: Progress = NOTHING_SPECIAL

    @property
    def id(self) -> str:
        """Its id."""
        return self.agreement.booking_id

    @property
    def phase(self) -> Phase:
        """Where it stands in the table of transitions."""
        return self.state, self.instance

    @property
    def line(self) -> LineKey:
        """Where it would wait in line."""
        return self.agreement.offering_id, self.agreement.plan_id, self.agreement.pool_id or ""

    @property
    def act_by(self) -> dt.datetime | None:
        """Until when `waits_for` must act."""
        if self.waits_for is None:
            return None
        amendment = self.progress.amendment
        return self.until or (amendment.until if amendment is not None else None)

    @property
    def due(self) -> dt.datetime | None:
        """The moment at which the clock moves it, if nobody does before."""
        moments = [] if self.until is None else [self.until]
        if self.instance in {"active", "updating", "suspended"} and self.agreement.end is not None:
            moments.append(end_of(self.agreement.end))
        amendment = self.progress.amendment
        if amendment is not None and amendment.until is not None:
            moments.append(amendment.until)
        if amendment is not None and amendment.agreed and self.instance == "active":
            moments.append(start_of(amendment.effective_on))
        return min(moments, default=None)


def request(  # noqa: PLR0913 - what a decision depends on
    asked: RequestBooking,
    booking_id: str,
    consumer: Consumer,
    listed: Listed | None,
    free: Mapping[CapacityKey, Decimal],
    now: dt.datetime,
    *,
    backdate: dt.timedelta,
    waiting: Mapping[LineKey, int] | None = None,
) -> Booking | Rejected | Unknown:
    """Decide one request. The guards stand in the order in which their refusals help most.

    Args:
        asked: what is asked for.
        booking_id: the id its sender chose.
        consumer: who asks.
        listed: the offering, if known.
        free: what is left of every limited quantity; one not named is not limited.
        now: the moment of the decision.
        backdate: how far back a start may lie; the price would be a matter of choice otherwise.
        waiting: how many wait in each line; nobody overtakes them.
    """
    if listed is None:
        return Unknown(asked.offering_id)
    if refusal := refuse_consumer(listed, consumer):
        return refusal
    plan = plan_for(asked, listed.offering, day_of(now) - backdate)
    if isinstance(plan, Rejected):
        return plan
    pool = pool_of(plan, asked.pool_id, asked.start, now)
    if isinstance(pool, Rejected):
        return pool
    end = day_of(pool.ends_at) if pool is not None and pool.ends_at is not None else asked.end
    agreement = agree(
        booking_id,
        consumer,
        listed,
        plan,
        asked.quantities,
        start=asked.start,
        end=end,
        pool_id=asked.pool_id,
        details=asked.details,
        reference=asked.reference,
        priced_on=asked.start,
    )
    if isinstance(agreement, Rejected):
        return agreement
    if refusal := refuse_waiting(asked, plan, now):
        return refusal
    progress = NOTHING_SPECIAL
    if asked.wait_until is not None or asked.own_approval_hours is not None:
        progress = Progress(wait_until=asked.wait_until, own_approval_hours=asked.own_approval_hours)
    if not asked.binding:
        return waiting_in(Booking(agreement, "interested", progress=progress), now)
    return enter(Booking(agreement, "interested", progress=progress), free, waiting or {}, now)


def plan_for(asked: RequestBooking, offering: Offering, earliest: dt.date) -> Plan | Rejected:
    """Find the plan that is asked for, if it can be booked from that day on."""
    plan = plan_of(offering, asked.plan_id)
    if plan is None:
        return rejected("unknown_plan", "plan_id", offering=offering.offering_id, plan=asked.plan_id)
    if plan.closed_to_new:
        return rejected("plan_closed", "plan_id", plan=plan.plan_id)
    if asked.start < earliest:
        return rejected("starts_too_early", "start", start=asked.start, earliest=earliest)
    return plan


def refuse_consumer(listed: Listed, consumer: Consumer) -> Rejected | None:
    """Refuse whoever must not book, or not now."""
    offering, about = listed.offering, {"offering": listed.offering.offering_id}
    if offering.provider == consumer.member:
        return rejected("own_offering", "offering_id", **about)
    if offering.visible_to is not None and not offering.visible_to.admits(consumer.member, consumer.classes):
        return rejected("unknown_offering", "offering_id", **about)  # it must not learn that there is one
    if listed.availability == "retired":
        return rejected("offering_retired", "offering_id", **about)
    if listed.availability == "paused":
        return rejected("offering_paused", "offering_id", **about)
    if offering.bookable_by is not None and not offering.bookable_by.admits(
        consumer.member, consumer.classes
    ):
        return rejected("not_eligible", "offering_id", member=consumer.member, **about)
    return None


def pool_of(plan: Plan, pool_id: str | None, start: dt.date, now: dt.datetime) -> Pool | Rejected | None:
    """Find the region or slot that is booked."""
    if not plan.pools:
        if pool_id is None:
            return None
        return rejected("unknown_pool", "pool_id", plan=plan.plan_id, pool=pool_id)
    if pool_id is None:
        names = ", ".join(pool.pool_id for pool in plan.pools[:20])
        return rejected("pool_needed", "pool_id", plan=plan.plan_id, pools=names)
    pool = next((pool for pool in plan.pools if pool.pool_id == pool_id), None)
    if pool is None:
        return rejected("unknown_pool", "pool_id", plan=plan.plan_id, pool=pool_id)
    if pool.starts_at is not None:
        if pool.starts_at <= now:
            return rejected("slot_over", "pool_id", pool=pool_id)
        if day_of(pool.starts_at) != start:
            day = day_of(pool.starts_at)
            return rejected("slot_on_another_day", "start", pool=pool_id, day=day)
    return pool


def refuse_waiting(asked: RequestBooking, plan: Plan, now: dt.datetime) -> Rejected | None:
    """Refuse a place in line that can lead nowhere."""
    if asked.wait_until is None:
        return None
    if asked.wait_until < day_of(now):
        return rejected("wait_until_past", "wait_until", day=asked.wait_until)
    if not plan.conditions.waiting_list:
        return rejected("no_waiting_list", "wait_until", plan=plan.plan_id)
    for pool, name, total in plan.limited:
        wanted = asked.quantities.get(name, Decimal(0))
        if pool == (asked.pool_id or "") and wanted > total:
            value, limit = plain(wanted), plain(total)
            return rejected("above_maximum", f"quantities.{name}", quantity=name, value=value, limit=limit)
    return None


def agree(  # noqa: PLR0913 - the terms of a booking
    booking_id: str,
    consumer: Consumer,
    listed: Listed,
    plan: Plan,
    quantities: Quantities,
    *,
    start: dt.date,
    end: dt.date | None,
    pool_id: str | None,
    details: dict[str, Any] | None,
    reference: str | None,
    priced_on: dt.date,
) -> Agreement | Rejected:
    """Freeze the terms, or refuse what the plan does not allow."""
    tariff = tariff_on(plan, priced_on)
    if tariff is None:
        return rejected("no_tariff_on_day", "start", day=priced_on, plan=plan.plan_id)
    consumer_class = consumer.classes.get(tariff.class_scheme) if tariff.class_scheme else None
    known = order_attributes(consumer.member, consumer_class, details)
    refusal = (
        refuse_class(tariff, known, priced_on)
        or refuse_order(plan, quantities)
        or refuse_details(plan, details)
        or refuse_amount(tariff, known, "one_time", quantities, priced_on)
    )
    if refusal is not None:
        return refusal
    # All parts were validated on their way in.
    return Agreement.model_construct(
        booking_id=booking_id,
        offering_id=listed.offering.offering_id,
        offering_revision=listed.revision,
        plan_id=plan.plan_id,
        provider=listed.offering.provider,
        consumer=consumer.member,
        consumer_class=consumer_class,
        quantities=quantities,
        pool_id=pool_id,
        details=details,
        start=start,
        end=end,
        reference=reference,
        conditions=plan.conditions,
        tariff=tariff,
    )


def enter(
    booking: Booking,
    free: Mapping[CapacityKey, Decimal],
    waiting: Mapping[LineKey, int],
    now: dt.datetime,
) -> Booking | Rejected:
    """Reserve capacity and go on to whoever must approve first, or wait in line."""
    entered = through_gates(booking, now)
    missing = shortage(entered, booking, free)
    if missing is None and not waiting.get(booking.line):
        return entered
    if booking.progress.wait_until is not None:
        return waiting_in(dataclasses.replace(booking, state="held"), now)
    return missing or rejected("line_before_you", "", waiting=waiting[booking.line])


def through_gates(booking: Booking, now: dt.datetime) -> Booking:
    """The phase after the last approval that was given: the next approval, or the confirmed booking."""
    conditions = booking.agreement.conditions
    if booking.progress.own_approval_hours is not None and booking.state in {"interested", "offered"}:
        return waiting_in(dataclasses.replace(booking, state="pending_consumer", instance=None), now)
    if conditions.provider_approval_hours is not None and booking.state != "pending_provider":
        return waiting_in(dataclasses.replace(booking, state="pending_provider", instance=None), now)
    if conditions.provisioning_hours is not None:
        return waiting_in(dataclasses.replace(booking, state="in_progress", instance="creating"), now)
    if booking.agreement.start > day_of(now):
        return waiting_in(dataclasses.replace(booking, state="acknowledged", instance=None), now)
    return waiting_in(dataclasses.replace(booking, state="completed", instance="active"), now)


def waiting_in(booking: Booking, now: dt.datetime) -> Booking:  # noqa: C901 - one case for each phase
    """Say who must act in the phase a booking has come to, and until when. Nothing waits without an end."""
    agreement, conditions = booking.agreement, booking.agreement.conditions
    waits_for: Side | None = None
    until: dt.datetime | None = None
    match booking.phase:
        case lifecycle.INTERESTED:
            waits_for, until = "consumer", now + dt.timedelta(days=INTEREST_DAYS)
        case lifecycle.HELD:
            until = end_of(booking.progress.wait_until or day_of(now))
        case lifecycle.OFFERED:
            waits_for, until = "consumer", now + dt.timedelta(hours=conditions.offer_hours)
        case lifecycle.PENDING_CONSUMER:
            waits_for, until = "consumer", now + _hours(booking.progress.own_approval_hours)
        case lifecycle.PENDING_PROVIDER:
            waits_for, until = "provider", now + _hours(conditions.provider_approval_hours)
        case lifecycle.ACKNOWLEDGED:
            until = start_of(agreement.start)
        case lifecycle.CREATING:
            begins = max(now, start_of(agreement.start))
            waits_for, until = "provider", begins + _hours(conditions.provisioning_hours)
        case lifecycle.ASSESSING:
            waits_for, until = "provider", now + dt.timedelta(hours=ASSESSING_HOURS)
        case (_, "updating"):
            waits_for, until = "provider", now + _hours(conditions.provisioning_hours)
        case (_, "terminating"):
            waits_for, until = "provider", now + _hours(conditions.dismantling_hours)
        case (_, "active" | "suspended") if (change := booking.progress.amendment) and not change.agreed:
            # The change has its own time limit, kept with it.
            return dataclasses.replace(booking, waits_for="provider", until=None)
        case _:
            pass
    return dataclasses.replace(booking, waits_for=waits_for, until=until)


def _hours(number: int | None) -> dt.timedelta:
    return dt.timedelta(hours=number or 0)


def plan_of(offering: Offering, plan_id: str) -> Plan | None:
    """Find a plan."""
    return next((plan for plan in offering.plans if plan.plan_id == plan_id), None)


# -- capacity -----------------------------------------------------------------------------------


def reserved(booking: Booking | None) -> dict[CapacityKey, Decimal]:
    """What a booking holds of every order quantity, limited or not; of a change, the greater of both."""
    if booking is None or booking.phase in lifecycle.WITHOUT_CAPACITY:
        return {}
    held = _ordered(booking.agreement)
    if booking.progress.amendment is not None:
        for key, amount in _ordered(booking.progress.amendment.agreement).items():
            held[key] = max(amount, held.get(key, amount))
    return held


def _ordered(agreement: Agreement) -> dict[CapacityKey, Decimal]:
    offering, plan, pool = agreement.offering_id, agreement.plan_id, agreement.pool_id or ""
    return {(offering, plan, pool, name): amount for name, amount in agreement.quantities.items() if amount}


def difference(before: Booking | None, after: Booking) -> dict[CapacityKey, Decimal]:
    """What a move takes from the free capacity; negative where it gives back."""
    old, new = reserved(before), reserved(after)
    if not old:
        return new
    changed = {key: new.get(key, Decimal(0)) - old.get(key, Decimal(0)) for key in {**old, **new}}
    return {key: amount for key, amount in changed.items() if amount}


def shortage(after: Booking, before: Booking | None, free: Mapping[CapacityKey, Decimal]) -> Rejected | None:
    """Refuse what is more than what is left."""
    for key, amount in difference(before, after).items():
        left = free.get(key)
        if left is not None and amount > 0 and amount > left:
            name = key[3]
            return rejected(
                "no_capacity", f"quantities.{name}", quantity=name, value=plain(amount), free=plain(left)
            )
    return None


# -- telling ------------------------------------------------------------------------------------

F = TypeVar("F", bound=Agreement)


def with_terms(fact: type[F], booking: Booking, **more: object) -> F:
    """A fact that carries all terms of a booking. Its parts were validated on their way in."""
    construct = cast("Callable[..., F]", fact.model_construct)
    return construct(**booking.agreement.__dict__, **more)


def told_of(booking: Booking, now: dt.datetime, place: int | None = None) -> Contract:
    """How a new booking is told: confirmed, or acknowledged and waiting."""
    waits = {"waits_for": booking.waits_for, "until": booking.act_by, "state": booking.state}
    if is_confirmed(booking):
        return with_terms(BookingConfirmed, booking, instance=booking.instance, confirmed_at=now, **waits)
    return with_terms(BookingAcknowledged, booking, place=place, acknowledged_at=now, **waits)


def is_confirmed(booking: Booking) -> bool:
    """Whether both sides are bound."""
    return booking.phase in {lifecycle.ACKNOWLEDGED, lifecycle.CREATING, lifecycle.ACTIVE}
