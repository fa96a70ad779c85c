"""Bookings: what is confirmed, what is refused, and what is left to book."""

import dataclasses
import datetime as dt
from collections.abc import Mapping
from decimal import Decimal

from allmende.schemas.brokerage import BookingConfirmed, RequestBooking
from allmende.schemas.catalog import Offering, Plan
from allmende.schemas.money import plain
from allmende.schemas.rejections import Rejected, rejected
from allmende.tariffs.order import refuse_order
from allmende.tariffs.rating import refuse_amount
from allmende.tariffs.terms import refuse_class, tariff_on

CapacityKey = tuple[str, str, str]
"""Offering, plan, order quantity."""


@dataclasses.dataclass(frozen=True)
class Listed:
    """An offering as the brokerage knows it."""

    offering: Offering
    revision: int
    retired: bool = False


@dataclasses.dataclass(frozen=True)
class Consumer:
    """Who books, with its class in each provider's scheme."""

    member: str
    classes: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Unknown:
    """The request names an offering that is not known yet: it may have overtaken it."""

    offering_id: str


def decide(  # noqa: PLR0913 - what a decision depends on
    request: RequestBooking,
    booking_id: str,
    consumer: Consumer,
    listed: Listed | None,
    free: Mapping[CapacityKey, Decimal],
    now: dt.datetime,
    *,
    backdate: dt.timedelta,
) -> BookingConfirmed | Rejected | Unknown:
    """Decide one request. The guards stand in the order in which their refusals help most.

    Args:
        request: what is asked for.
        booking_id: the id its sender chose.
        consumer: who asks.
        listed: the offering, if known.
        free: what is left of every limited quantity; one not named is not limited.
        now: the moment of the decision.
        backdate: how far back a start may lie; the price would be a matter of choice otherwise.
    """
    if listed is None:
        return Unknown(request.offering_id)
    offering = listed.offering
    if offering.provider == consumer.member:
        return rejected("own_offering", "offering_id", offering=offering.offering_id)
    if listed.retired:
        return rejected("offering_retired", "offering_id", offering=offering.offering_id)
    plan = plan_of(offering, request.plan_id)
    if plan is None:
        return rejected("unknown_plan", "plan_id", offering=offering.offering_id, plan=request.plan_id)
    earliest = now.date() - backdate
    if request.start < earliest:
        return rejected("starts_too_early", "start", start=request.start, earliest=earliest)
    tariff = tariff_on(plan, request.start)
    if tariff is None:
        return rejected("no_tariff_on_day", "start", day=request.start, plan=plan.plan_id)
    consumer_class = consumer.classes.get(tariff.class_scheme) if tariff.class_scheme else None
    refusal = (
        refuse_class(tariff, consumer_class)
        or refuse_order(plan, request.quantities)
        or refuse_amount(tariff, consumer_class, "one_time", request.quantities)
        or refuse_capacity(offering.offering_id, plan, request.quantities, free)
    )
    if refusal is not None:
        return refusal
    return BookingConfirmed(
        booking_id=booking_id,
        offering_id=offering.offering_id,
        offering_revision=listed.revision,
        plan_id=plan.plan_id,
        provider=offering.provider,
        consumer=consumer.member,
        consumer_class=consumer_class,
        quantities=request.quantities,
        start=request.start,
        end=request.end,
        reference=request.reference,
        tariff=tariff,
        confirmed_at=now,
    )


def plan_of(offering: Offering, plan_id: str) -> Plan | None:
    """Find a plan."""
    return next((plan for plan in offering.plans if plan.plan_id == plan_id), None)


def refuse_capacity(
    offering_id: str, plan: Plan, quantities: Mapping[str, Decimal], free: Mapping[CapacityKey, Decimal]
) -> Rejected | None:
    """Refuse what is more than what is left."""
    for name in plan.capacity:
        wanted = quantities.get(name, Decimal(0))
        left = free[offering_id, plan.plan_id, name]
        if wanted > left:
            return rejected(
                "no_capacity", f"quantities.{name}", quantity=name, value=plain(wanted), free=plain(left)
            )
    return None


def taken_by(booking: BookingConfirmed, plan: Plan) -> dict[CapacityKey, Decimal]:
    """What a booking takes from what is left."""
    return {
        (booking.offering_id, booking.plan_id, name): booking.quantities[name]
        for name in plan.capacity
        if booking.quantities.get(name)
    }
