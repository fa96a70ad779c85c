"""What a booking would cost: refused by the rules of a booking, priced by the rules of a statement."""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from allmende.schemas.catalog import Estimate as Estimated
from allmende.schemas.catalog import EstimateCosts, EstimateLine, Plan
from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.tariff import Component, Tariff
from allmende.tariffs.order import refuse_amount, refuse_order
from allmende.tariffs.order_form import refuse_details
from allmende.tariffs.rating import Line, Measured, Unrated, rate_due, rate_usage
from allmende.tariffs.recurrence import Terms, fall_due
from allmende.tariffs.terms import Attributes, order_attributes, refuse_class, tariff_on

from .offering import Listed
from .visibility import admits, marks_for, marks_of


@dataclasses.dataclass(frozen=True)
class Consumer:
    """Who would book, with its class in each provider's scheme."""

    member: str
    classes: Mapping[str, str] = dataclasses.field(default_factory=dict)


def estimate(asked: EstimateCosts, listed: Listed, consumer: Consumer) -> Estimated | Rejected:
    """Estimate a booking without an end, over the months asked for.

    Usage of a quarter or year is charged in its last month, or in the last month looked at. An allowance that
    others share is taken in full.
    """
    plan = _plan_for(asked, listed, consumer)
    if isinstance(plan, Rejected):
        return plan
    tariff = tariff_on(plan, asked.start)
    if tariff is None:
        return rejected("no_tariff_on_day", "start", day=asked.start, plan=plan.plan_id)
    consumer_class = consumer.classes.get(tariff.class_scheme) if tariff.class_scheme else None
    known = order_attributes(consumer.member, consumer_class, asked.details)
    if refusal := _refuse_order(asked, plan, tariff, known):
        return refusal
    months = list(_months(asked.start, asked.months))
    terms = Terms(0, asked.start, plan.plan_id, tariff, consumer_class, asked.quantities, known)
    charged = [*_flat(terms, through=months[-1])]
    charged += _metered(asked, terms, months, charged)
    for _, rated in charged:
        if isinstance(rated, Unrated):
            return rated.reason
    lines = [(month, rated) for month, rated in charged if isinstance(rated, Line)]
    monthly = tuple(sum(line.amount_cents for at, line in lines if at == month) for month in months)
    return Estimated(
        offering_id=listed.offering.offering_id,
        offering_revision=listed.revision,
        plan_id=plan.plan_id,
        tariff_version=tariff.version,
        consumer_class=consumer_class,
        currency=tariff.currency,
        lines=tuple(_alike(tariff, lines)),
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


def _refuse_order(asked: EstimateCosts, plan: Plan, tariff: Tariff, known: Attributes) -> Rejected | None:
    return (
        refuse_class(tariff, known, asked.start)
        or refuse_order(plan, asked.quantities)
        or refuse_details(plan, asked.details)
        or _refuse_meters(tariff, asked.usage_per_month)
        or refuse_amount(tariff, known, "one_time", asked.quantities, asked.start)
        or refuse_amount(tariff, known, "usage", asked.usage_per_month, asked.start)
    )


def _refuse_meters(tariff: Tariff, usage: Mapping[str, Decimal]) -> Rejected | None:
    meters = {component.measure for component in tariff.components if component.billing == "usage"}
    for meter in usage:
        if meter not in meters:
            return rejected("unknown_meter", f"usage_per_month.{meter}", meter=meter)
    return None


_Charged = tuple[dt.date, Line | Unrated]
"""The last day of the month in which something is charged, and what."""


def _flat(terms: Terms, *, through: dt.date) -> Iterator[_Charged]:
    """What falls due by the calendar, as billing will find it."""
    start = terms.valid_from
    for due in fall_due([terms], start, None, since=start, through=through):
        yield _last_day(due.first_day), rate_due(due, told=False)


def _metered(
    asked: EstimateCosts, terms: Terms, months: Sequence[dt.date], flat: Sequence[_Charged]
) -> Iterator[_Charged]:
    """What the meters count, and percentages of it and of what is charged beside it in the same month."""
    begun: dict[str, int] = {}
    for month in months:
        measured = []
        for component in terms.tariff.components:
            monthly = asked.usage_per_month.get(component.measure or "")
            if component.billing != "usage" or not monthly:
                continue
            begun[component.id] = count = begun.get(component.id, 0) + 1
            if month == months[-1] or month.month % _MONTHS[component.period or "month"] == 0:
                begun[component.id] = 0
                quantity = monthly * count if _adds_up(component) else monthly
                first = max(asked.start, month.replace(day=1))
                measured.append(Measured(component.id, quantity, first, month))
        beside: dict[str, int] = {}
        for at, line in flat:
            if at == month and isinstance(line, Line):
                beside[line.component.id] = beside.get(line.component.id, 0) + line.amount_cents
        for line in rate_usage(
            terms.tariff, terms.known, measured, order_quantities=asked.quantities, amounts_of=beside
        ):
            yield month, line


_MONTHS = {"month": 1, "quarter": 3, "year": 12}


def _adds_up(component: Component) -> bool:
    """Whether twice the time counts twice the quantity, as of a sum and unlike a level."""
    rule = component.quantity
    return rule is None or rule.take in {"sum", "count", "hours"}


def _alike(tariff: Tariff, lines: Iterable[tuple[dt.date, Line]]) -> Iterator[EstimateLine]:
    """Bring charges together that differ in their month only, in the order of the components."""
    found: dict[tuple[int, str], list[tuple[dt.date, Line]]] = {}
    order = {component.id: place for place, component in enumerate(tariff.components)}
    for month, line in lines:
        found.setdefault((order[line.component.id], line.trace_de), []).append((month, line))
    for charges in sorted(found.values(), key=lambda each: (order[each[0][1].component.id], each[0][0])):
        months, line = [month for month, _ in charges], charges[0][1]
        yield EstimateLine(
            component=line.component.id,
            title=line.component.title,
            billing=line.component.billing,
            quantity=line.quantity,
            unit=line.component.unit,
            amount_cents=line.amount_cents,
            times=len(months),
            first=f"{min(months):%Y-%m}",
            last=f"{max(months):%Y-%m}",
            trace_de=line.trace_de,
            trace_en=line.trace_en,
        )


def _months(start: dt.date, count: int) -> Iterator[dt.date]:
    """The last days of so many calendar months."""
    last = _last_day(start)
    for _ in range(count):
        yield last
        last = _last_day(last + dt.timedelta(days=1))


def _last_day(day: dt.date) -> dt.date:
    return (day.replace(day=28) + dt.timedelta(days=4)).replace(day=1) - dt.timedelta(days=1)
