"""What a booking would cost: refused by the rules of a booking, priced by the rules of a statement."""

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping
from decimal import Decimal

from allmende.schemas.catalog import Estimate as Estimated
from allmende.schemas.catalog import EstimateCosts, EstimateLine, Plan
from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.tariff import Component, Tariff
from allmende.tariffs.order import refuse_order
from allmende.tariffs.order_form import refuse_details
from allmende.tariffs.rating import Line, rate, refuse_amount
from allmende.tariffs.terms import refuse_class, tariff_on

from .offering import Listed
from .visibility import admits, marks_for, marks_of

_MONTHS = {"month": 1, "quarter": 3, "year": 12}


@dataclasses.dataclass(frozen=True)
class Consumer:
    """Who would book, with its class in each provider's scheme."""

    member: str
    classes: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Month:
    """A calendar month, counted from the one of the start."""

    number: int
    first: dt.date

    @property
    def name(self) -> str:
        """`2026-04`."""
        return f"{self.first:%Y-%m}"


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
        _line(rate(tariff, component, consumer_class, quantity), charged)
        for component in tariff.components
        if (quantity := _quantity(component, asked)) and (charged := _charged(component, months))
    ]
    monthly = _monthly(lines, months, tariff)
    return Estimated(
        offering_id=listed.offering.offering_id,
        offering_revision=listed.revision,
        plan_id=plan.plan_id,
        tariff_version=tariff.version,
        consumer_class=consumer_class,
        currency=tariff.currency,
        lines=tuple(lines),
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


def _quantity(component: Component, asked: EstimateCosts) -> Decimal:
    if component.measure is None:
        return Decimal(1)
    measured = asked.usage_per_month if component.billing == "usage" else asked.quantities
    return measured.get(component.measure, Decimal(0))


def _charged(component: Component, months: list[Month]) -> list[Month]:
    """The months in which a component is charged: every begun period counts in its first month."""
    if component.billing == "on_plan_change":
        return []
    if component.billing == "usage":
        return months
    length = _MONTHS.get(component.period or "")
    if length is None:
        return months[:1]
    return [month for month in months if month.number == 0 or (month.first.month - 1) % length == 0]


def _line(rated: Line, charged: list[Month]) -> EstimateLine:
    return EstimateLine(
        component=rated.component.id,
        title=rated.component.title,
        billing=rated.component.billing,
        quantity=rated.quantity,
        unit=rated.component.unit,
        amount_cents=rated.amount_cents,
        times=len(charged),
        first=charged[0].name,
        last=charged[-1].name,
        trace_de=rated.trace_de,
        trace_en=rated.trace_en,
    )


def _monthly(lines: list[EstimateLine], months: list[Month], tariff: Tariff) -> tuple[int, ...]:
    components = {component.id: component for component in tariff.components}
    sums = [0] * len(months)
    for line in lines:
        for month in _charged(components[line.component], months):
            sums[month.number] += line.amount_cents
    return tuple(sums)


def _months(start: dt.date, count: int) -> Iterator[Month]:
    for number in range(count):
        years, month = divmod(start.month - 1 + number, 12)
        yield Month(number, dt.date(start.year + years, month + 1, 1))
