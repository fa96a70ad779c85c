"""What a booking would cost: refused by the rules of a booking, priced by the rules of a statement."""

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from allmende.schemas.catalog import Estimate as Estimated
from allmende.schemas.catalog import EstimateCosts, EstimateLine, Plan
from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.tariff import Tariff
from allmende.tariffs.order import refuse_amount, refuse_order
from allmende.tariffs.order_form import refuse_details
from allmende.tariffs.rating import Line, measured_by_meter, rate, rate_usage
from allmende.tariffs.recurrence import Terms, fall_due
from allmende.tariffs.terms import refuse_class, tariff_on

from .offering import Listed
from .visibility import admits, marks_for, marks_of


@dataclasses.dataclass(frozen=True)
class Consumer:
    """Who would book, with its class in each provider's scheme."""

    member: str
    classes: Mapping[str, str] = dataclasses.field(default_factory=dict)


def estimate(asked: EstimateCosts, listed: Listed, consumer: Consumer) -> Estimated | Rejected:
    """Estimate a booking without an end, over the months asked for."""
    plan = _plan_for(asked, listed, consumer)
    if isinstance(plan, Rejected):
        return plan
    tariff = tariff_on(plan, asked.start)
    if tariff is None:
        return rejected("no_tariff_on_day", "start", day=asked.start, plan=plan.plan_id)
    consumer_class = consumer.classes.get(tariff.class_scheme) if tariff.class_scheme else None
    if refusal := _refuse_order(asked, plan, tariff, consumer_class):
        return refusal
    months = list(_months(asked.start, asked.months))
    lines = [
        *_flat(asked, plan, tariff, consumer_class, through=months[-1]),
        *_metered(asked, tariff, consumer_class, months),
    ]
    order = [component.id for component in tariff.components]
    lines.sort(key=lambda line: order.index(line.told.component))
    monthly = tuple(sum(line.told.amount_cents for line in lines if month in line.months) for month in months)
    return Estimated(
        offering_id=listed.offering.offering_id,
        offering_revision=listed.revision,
        plan_id=plan.plan_id,
        tariff_version=tariff.version,
        consumer_class=consumer_class,
        currency=tariff.currency,
        lines=tuple(line.told for line in lines),
        monthly_cents=monthly,
        total_cents=sum(monthly),
    )


def _plan_for(asked: EstimateCosts, listed: Listed, consumer: Consumer) -> Plan | Rejected:
    offering = listed.offering
    if refusal := _refuse_consumer(listed, consumer):
        return refusal
    plan = next((plan for plan in offering.plans if plan.plan_id == asked.plan_id), None)
    if plan is None:
        return rejected("unknown_plan", "plan_id", offering=offering.offering_id, plan=asked.plan_id)
    if plan.closed_to_new:
        return rejected("plan_closed", "plan_id", plan=plan.plan_id)
    return plan


def _refuse_consumer(listed: Listed, consumer: Consumer) -> Rejected | None:
    offering = listed.offering
    about = {"offering": offering.offering_id}
    if listed.state == "retired":
        return rejected("offering_retired", "offering_id", **about)
    if listed.state == "paused":
        return rejected("offering_paused", "offering_id", **about)
    if offering.provider != consumer.member and not admits(
        marks_for(offering.bookable_by), marks_of(consumer.member, consumer.classes)
    ):
        return rejected("not_eligible", "offering_id", **about, member=consumer.member)
    return None


def _refuse_order(
    asked: EstimateCosts, plan: Plan, tariff: Tariff, consumer_class: str | None
) -> Rejected | None:
    return (
        refuse_class(tariff, consumer_class)
        or refuse_order(plan, asked.quantities)
        or refuse_details(plan, asked.details)
        or _refuse_meters(tariff, asked.usage_per_month)
        or refuse_amount(tariff, consumer_class, "one_time", asked.quantities)
        or refuse_amount(tariff, consumer_class, "usage", asked.usage_per_month)
    )


def _refuse_meters(tariff: Tariff, usage: Mapping[str, Decimal]) -> Rejected | None:
    meters = {component.measure for component in tariff.components if component.billing == "usage"}
    for meter in usage:
        if meter not in meters:
            return rejected("unknown_meter", f"usage_per_month.{meter}", meter=meter)
    return None


@dataclasses.dataclass(frozen=True)
class _Charged:
    """A line with the months in which it is charged, each by its last day."""

    told: EstimateLine
    months: tuple[dt.date, ...]


def _flat(
    asked: EstimateCosts, plan: Plan, tariff: Tariff, consumer_class: str | None, *, through: dt.date
) -> Iterator[_Charged]:
    """What falls due by the calendar, as billing will find it."""
    terms = Terms(0, asked.start, plan.plan_id, tariff, consumer_class, asked.quantities)
    due = fall_due([terms], asked.start, None, since=asked.start, through=through)
    for component in tariff.components:
        if days := [each.first_day for each in due if each.component == component]:
            quantity = (
                asked.quantities.get(component.measure, Decimal(0)) if component.measure else Decimal(1)
            )
            rated = rate(tariff, component, consumer_class, quantity)
            if isinstance(rated, Line):
                yield _charged(rated, [_last_day(day) for day in days])


def _metered(
    asked: EstimateCosts, tariff: Tariff, consumer_class: str | None, months: Sequence[dt.date]
) -> Iterator[_Charged]:
    measured = measured_by_meter(tariff, asked.usage_per_month, asked.start, months[0])
    for line in rate_usage(tariff, consumer_class, measured, order_quantities=asked.quantities):
        if isinstance(line, Line) and line.quantity:
            yield _charged(line, months)


def _charged(rated: Line, months: Sequence[dt.date]) -> _Charged:
    told = EstimateLine(
        component=rated.component.id,
        title=rated.component.title,
        billing=rated.component.billing,
        quantity=rated.quantity,
        unit=rated.component.unit,
        amount_cents=rated.amount_cents,
        times=len(months),
        first=f"{months[0]:%Y-%m}",
        last=f"{months[-1]:%Y-%m}",
        trace_de=rated.trace_de,
        trace_en=rated.trace_en,
    )
    return _Charged(told, tuple(months))


def _months(start: dt.date, count: int) -> Iterator[dt.date]:
    """The last days of so many calendar months."""
    last = _last_day(start)
    for _ in range(count):
        yield last
        last = _last_day(last + dt.timedelta(days=1))


def _last_day(day: dt.date) -> dt.date:
    return (day.replace(day=28) + dt.timedelta(days=4)).replace(day=1) - dt.timedelta(days=1)
