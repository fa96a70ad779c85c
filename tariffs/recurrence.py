"""Which flat components of a booking fall due, and when. Every begun period counts in full.

A booking is charged by terms that change on certain days. A component falls due on one day:

- `one_time`, and what has the period `total`: on the first day of the booking;
- `fixed` and `limit`: in every calendar month, quarter or year, on the first day of the booking in it,
  by the terms of that day, which hold for the whole of that period;
- `on_plan_change`: on the day from which another plan holds.
"""

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from allmende.schemas.tariff import Component, Tariff

_MONTHS = {"month": 1, "quarter": 3, "year": 12}


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
class Due:
    """A component that falls due once.

    Attributes:
        terms: those by which it is priced.
        charged_for: `2026-04`, `2026-Q2`, `2026`, `total`, or the day of a change of plan.
        first_day: the day on which it falls due, which decides the month of the charge.
        last_day: of the period, within the booking.
    """

    component: Component
    terms: Terms
    charged_for: str
    first_day: dt.date
    last_day: dt.date

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
    return [due for due in found if since <= due.first_day <= last and due.quantity]


def recurs(history: Sequence[Terms]) -> bool:
    """Tell whether any of the terms charge by month, quarter or year."""
    return any(component.period in _MONTHS for terms in history for component in terms.tariff.components)


def _at_the_start(history: Sequence[Terms], start: dt.date, end: dt.date | None) -> Iterator[Due]:
    terms = terms_on(history, start)
    for component in terms.tariff.components:
        if component.billing == "one_time" or component.period == "total":
            yield Due(component, terms, "total", start, end or start)


def _periodic(
    history: Sequence[Terms], start: dt.date, end: dt.date | None, *, since: dt.date, last: dt.date
) -> Iterator[Due]:
    for kind, months in _MONTHS.items():
        begin = _period_begin(max(start, since), months)
        while begin <= last:
            following = _months_later(begin, months)
            first_day, last_day = max(begin, start), following - dt.timedelta(days=1)
            terms = terms_on(history, first_day)
            for component in terms.tariff.components:
                if component.period == kind:
                    until = last_day if end is None else min(last_day, end)
                    yield Due(component, terms, _label(begin, kind), first_day, until)
            begin = following


def _plan_changes(history: Sequence[Terms], start: dt.date, end: dt.date | None) -> Iterator[Due]:
    for day in sorted({max(terms.valid_from, start) for terms in history[1:]}):
        before = terms_on(history, day - dt.timedelta(days=1)) if day > start else history[0]
        after = terms_on(history, day)
        if after.plan_id != before.plan_id:
            for component in after.tariff.components:
                if component.billing == "on_plan_change":
                    yield Due(component, after, day.isoformat(), day, end or day)


def _period_begin(day: dt.date, months: int) -> dt.date:
    return day.replace(month=day.month - (day.month - 1) % months, day=1)


def _months_later(first: dt.date, months: int) -> dt.date:
    years, month = divmod(first.month - 1 + months, 12)
    return first.replace(year=first.year + years, month=month + 1)


def _label(begin: dt.date, kind: str) -> str:
    match kind:
        case "month":
            return f"{begin:%Y-%m}"
        case "quarter":
            return f"{begin.year}-Q{(begin.month + 2) // 3}"
        case _:
            return f"{begin.year}"
