"""Which flat components of a booking fall due, when, and for which part of their period.

A booking is charged by terms that change on certain days. A component falls due on one day:

- `one_time`, and what has the period `total`: on the first day of the booking;
- `fixed` and `limit`: in every calendar month, quarter or year, on the first day of the booking in it,
  by the terms of that day, which hold for the whole of that period;
- those of them that are prorated: for the days, or begun months, of the booking in the period; where terms
  change within it, each span falls due on its own first day, by its own terms;
- `on_plan_change`: on the day from which another plan holds;
- a percentage: with each of the components it is of.
"""

import dataclasses
import datetime as dt
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Literal

from allmende.schemas.tariff import Component, PercentOf, Tariff

_DAY = dt.timedelta(days=1)
_MONTHS = {"month": 1, "quarter": 3, "year": 12}

Unit = Literal["day", "month"]
"""By what a component is prorated."""


@dataclasses.dataclass(frozen=True)
class Terms:
    """What a booking is charged by from a day on.

    Attributes:
        number: 0 as booked; later terms have higher numbers.
        valid_from: of the terms as booked, the first day of the booking.
        attributes: what else the tables of the tariff may ask for: the consumer, answers of the order form.
    """

    number: int
    valid_from: dt.date
    plan_id: str
    tariff: Tariff
    consumer_class: str | None
    quantities: Mapping[str, Decimal]
    attributes: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def known(self) -> Mapping[str, str]:
        """The attributes by which prices are chosen, with the class."""
        if self.consumer_class is None:
            return self.attributes
        return {**self.attributes, "class": self.consumer_class}


@dataclasses.dataclass(frozen=True)
class Part:
    """The part of a period that a prorated component is charged for.

    Attributes:
        count: so many days, or begun months,
        of: of so many in the period.
        before: days or months of the period that other terms charge for the same component just before. A
            span is charged what it adds to them, so that rounding loses nothing.
    """

    count: int
    of: int
    unit: Unit
    before: int = 0


@dataclasses.dataclass(frozen=True)
class Due:
    """A component that falls due once.

    Attributes:
        terms: those by which it is priced.
        charged_for: `2026-04`, `2026-Q2`, `2026`, `total`, or the day of a change of plan; with the span
            where that is not the whole period: `2026-04 (2026-04-16/2026-04-30)`.
        first_day: the day on which it falls due, which decides the month of the charge.
        last_day: of the period or span, within the booking.
        part: of what is prorated; None where every begun period counts in full.
        base: what falls due of the components that a percentage is of.
    """

    component: Component
    terms: Terms
    charged_for: str
    first_day: dt.date
    last_day: dt.date
    part: Part | None = None
    base: "tuple[Due, ...]" = ()

    @property
    def quantity(self) -> Decimal:
        """What is charged: the booked quantity, or one where the component has no measure."""
        measure = self.component.measure
        return Decimal(1) if measure is None else self.terms.quantities.get(measure, Decimal(0))


def terms_on(history: Sequence[Terms], day: dt.date) -> Terms:
    """Find the terms that hold on a day: of all that are valid by then, the ones with the highest number.

    Args:
        history: by number; the first hold before any day of their own.
        day: by the calendar of Europe/Berlin.
    """
    return next((terms for terms in reversed(history) if terms.valid_from <= day), history[0])


def fall_due(
    history: Sequence[Terms], start: dt.date, end: dt.date | None, *, since: dt.date, through: dt.date
) -> list[Due]:
    """Find everything that falls due between two days, both included.

    Windows that adjoin find each component once: the day on which it falls due lies in one of them.

    Args:
        history: the terms by number, those as booked first.
        start: the first day of the booking.
        end: its last day; None where it has none.
        since: the first day of the window.
        through: its last day.
    """
    last = through if end is None else min(end, through)
    found = [
        *_at_the_start(history, start, end),
        *_periodic(history, start, end, since=since, last=last),
        *_plan_changes(history, start, end),
    ]
    charged = [due for due in found if since <= due.first_day <= last and due.quantity]
    return charged + _percentages(charged)


def recurs(history: Sequence[Terms]) -> bool:
    """Tell whether any of the terms charge by month, quarter or year."""
    return any(
        component.period in _MONTHS and component.billing != "usage"
        for terms in history
        for component in terms.tariff.components
    )


def _at_the_start(history: Sequence[Terms], start: dt.date, end: dt.date | None) -> Iterator[Due]:
    terms = terms_on(history, start)
    for component in terms.tariff.components:
        if (component.billing == "one_time" or component.period == "total") and _is_flat(component):
            yield Due(component, terms, "total", start, end or start)


def _periodic(
    history: Sequence[Terms], start: dt.date, end: dt.date | None, *, since: dt.date, last: dt.date
) -> Iterator[Due]:
    kinds = {each.period for terms in history for each in terms.tariff.components if _is_flat(each)}
    for kind, months in _MONTHS.items():
        if kind not in kinds:
            continue
        begin = _period_begin(max(start, since), months)
        while begin <= last:
            following = _months_later(begin, months)
            until = following - _DAY if end is None else min(following - _DAY, end)
            period = _Period(kind, begin, following, max(begin, start), until)
            in_full = list(_in_full(history, period))
            yield from in_full
            yield from _prorated(history, period, {due.component.id for due in in_full if due.quantity})
            begin = following


_Span = tuple[Terms, dt.date, dt.date, int]
"""The terms, the first and last day on which they hold, and how many days or months that are."""


@dataclasses.dataclass(frozen=True)
class _Period:
    """A calendar period, with the first and last day of the booking in it."""

    kind: str
    begin: dt.date
    following: dt.date
    first_day: dt.date
    last_day: dt.date

    @property
    def label(self) -> str:
        match self.kind:
            case "month":
                return f"{self.begin:%Y-%m}"
            case "quarter":
                return f"{self.begin.year}-Q{(self.begin.month + 2) // 3}"
            case _:
                return f"{self.begin.year}"


def _in_full(history: Sequence[Terms], period: _Period) -> Iterator[Due]:
    terms = terms_on(history, period.first_day)
    for component in terms.tariff.components:
        if component.period == period.kind and component.proration == "none" and _is_flat(component):
            yield Due(component, terms, period.label, period.first_day, period.last_day)


def _prorated(history: Sequence[Terms], period: _Period, charged: set[str]) -> Iterator[Due]:
    days, months = (period.following - period.begin).days, _MONTHS[period.kind]
    ways: tuple[tuple[Unit, Iterator[_Span], int], ...] = (
        ("day", _spans_by_day(history, period), days),
        ("month", _spans_by_month(history, period), months),
    )
    for unit, spans, of in ways:
        before: dict[str, int] = {}
        for terms, first_day, last_day, count in spans:
            here = {}
            for component in terms.tariff.components:
                applies = component.period == period.kind and component.proration == unit
                if not applies or component.id in charged or not _is_flat(component):
                    continue
                part = Part(count, of, unit, before.get(component.id, 0))
                span = f" ({_span(first_day, last_day, unit)})" if count < of else ""
                due = Due(component, terms, period.label + span, first_day, last_day, part)
                if due.quantity:
                    here[component.id] = part.before + count
                    yield due
            before = here


def _spans_by_day(history: Sequence[Terms], period: _Period) -> Iterator[_Span]:
    within = {terms.valid_from for terms in history if period.first_day < terms.valid_from <= period.last_day}
    begins = [period.first_day, *sorted(within)]
    ends = [*(day - _DAY for day in begins[1:]), period.last_day]
    yield from _joined(
        (terms_on(history, first), first, last, (last - first).days + 1)
        for first, last in zip(begins, ends, strict=True)
        if first <= last
    )


def _spans_by_month(history: Sequence[Terms], period: _Period) -> Iterator[_Span]:
    """A month belongs to the terms of the booking's first day in it."""
    months = []
    begin = period.first_day
    while begin <= period.last_day:
        following = _months_later(begin.replace(day=1), 1)
        months.append((terms_on(history, begin), begin, min(following - _DAY, period.last_day), 1))
        begin = following
    yield from _joined(months)


def _joined(
    spans: Iterable[_Span],
) -> Iterator[_Span]:
    """Join spans that adjoin and have the same terms."""
    for _, same in itertools.groupby(spans, key=lambda span: span[0].number):
        found = list(same)
        yield found[0][0], found[0][1], found[-1][2], sum(count for _, _, _, count in found)


def _span(first_day: dt.date, last_day: dt.date, unit: Unit) -> str:
    """Name a span as ISO 8601 does. Days within a begun month make no difference to what is charged."""
    return f"{first_day}/{last_day}" if unit == "day" else f"{first_day:%Y-%m}/{last_day:%Y-%m}"


def _percentages(charged: Sequence[Due]) -> list[Due]:
    """Percentages fall due with what they are of, by the same terms and for the same."""
    together: dict[tuple[int, str], list[Due]] = {}
    for due in charged:
        together.setdefault((due.terms.number, due.charged_for), []).append(due)
    found = []
    for dues in together.values():
        terms = dues[0].terms
        for component in terms.tariff.components:
            of = percentage_of(component)
            base = tuple(due for due in dues if due.component.id in of)
            if base and not _is_flat(component) and component.billing != "usage":
                first, last = min(due.first_day for due in base), max(due.last_day for due in base)
                due = Due(component, terms, dues[0].charged_for, first, last, base=base)
                dues.append(due)
                found.append(due)
    return found


def percentage_of(component: Component) -> set[str]:
    """The components that a percentage is of; nothing where it is none."""
    return set(component.price.of) if isinstance(component.price, PercentOf) else set()


def _is_flat(component: Component) -> bool:
    return component.billing != "usage" and not component.is_percentage


def _plan_changes(history: Sequence[Terms], start: dt.date, end: dt.date | None) -> Iterator[Due]:
    for day in sorted({max(terms.valid_from, start) for terms in history[1:]}):
        before = terms_on(history, day - dt.timedelta(days=1)) if day > start else history[0]
        after = terms_on(history, day)
        if after.plan_id != before.plan_id:
            for component in after.tariff.components:
                if component.billing == "on_plan_change" and _is_flat(component):
                    yield Due(component, after, day.isoformat(), day, end or day)


def _period_begin(day: dt.date, months: int) -> dt.date:
    return day.replace(month=day.month - (day.month - 1) % months, day=1)


def _months_later(first: dt.date, months: int) -> dt.date:
    years, month = divmod(first.month - 1 + months, 12)
    return first.replace(year=first.year + years, month=month + 1)
