"""What a request becomes: refused, waiting for somebody, or confirmed."""

import dataclasses
import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from allmende.schemas.brokerage import Agreement, Quantities, RequestBooking
from allmende.schemas.catalog import Offering, Plan
from allmende.schemas.conditions import Pool
from allmende.schemas.money import plain
from allmende.schemas.rejections import Rejected, rejected
from allmende.tariffs.order import refuse_amount, refuse_order
from allmende.tariffs.order_form import refuse_details
from allmende.tariffs.terms import order_attributes, refuse_class, tariff_on

from ..booking import NOTHING_SPECIAL, Booking, LineKey, Progress, waiting_in
from ..capacity.listing import Listed
from ..capacity.reservation import CapacityKey, shortage
from ..parking.awaited import Unknown
from ..term import day_of


@dataclasses.dataclass(frozen=True)
class Consumer:
    """Who books, with its class in each provider's scheme."""

    member: str
    classes: Mapping[str, str] = dataclasses.field(default_factory=dict)


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


def plan_of(offering: Offering, plan_id: str) -> Plan | None:
    """Find a plan."""
    return next((plan for plan in offering.plans if plan.plan_id == plan_id), None)


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
