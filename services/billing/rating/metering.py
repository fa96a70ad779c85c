"""What the meters of a booking counted: for which span, by which rule, in which pieces it is measured."""

import dataclasses
import datetime as dt
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from decimal import Decimal

from allmende.schemas.tariff import Component, Included, QuantityRule, Tariff
from allmende.tariffs.rating import Measured
from allmende.tariffs.recurrence import Terms, terms_on
from allmende.tariffs.terms import changes_in, names_in
from allmende.tariffs.wording import EXACT

from ..period import first_day_of, last_day_of, period_with

_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_DAY = dt.timedelta(days=1)


@dataclasses.dataclass(frozen=True, slots=True)
class Span:
    """A calendar month, quarter or year whose usage is one quantity.

    Attributes:
        label: `2026-04`, `2026-Q2` or `2026`.
    """

    label: str
    kind: str
    first_day: dt.date
    last_day: dt.date

    @property
    def last_period(self) -> str:
        """Its last month, with which it is closed."""
        return period_with(self.last_day)


def span_with(period: str, kind: str) -> Span:
    """Find the month, quarter or year in which a month lies."""
    first = first_day_of(period)
    first = first.replace(month=first.month - (first.month - 1) % _MONTHS[kind])
    last = last_day_of(f"{first.year}-{first.month + _MONTHS[kind] - 1:02d}")
    label = {
        "month": period,
        "quarter": f"{first.year}-Q{(first.month + 2) // 3}",
        "year": f"{first.year}",
    }[kind]
    return Span(label, kind, first, last)


_LABEL = re.compile(r"(\d{4})(?:-(?:(\d{2})|Q([1-4])))?(?: .*)?")


def span_named(charged_for: str) -> Span | None:
    """Find the span that a label names, or of which it names a part; None where it names none."""
    named = _LABEL.fullmatch(charged_for)
    if named is None:
        return None
    year, month, quarter = named.groups()
    if month is not None:
        return span_with(f"{year}-{month}", "month")
    return (
        span_with(f"{year}-{3 * int(quarter):02d}", "quarter") if quarter else span_with(f"{year}-01", "year")
    )


def spans_ending(period: str) -> list[Span]:
    """The spans that are closed with a month."""
    found = (span_with(period, kind) for kind in _MONTHS)
    return [span for span in found if span.last_period == period]


def spans_rated(period: str, closed: Container[str]) -> list[Span]:
    """The spans in which a month lies and that were rated before: their last month is closed."""
    found = (span_with(period, kind) for kind in _MONTHS)
    return [span for span in found if span.last_period in closed]


# -- rules ------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Reduction:
    """How the database reduces records to one quantity; `PLAIN` is their sum."""

    reading: str = "delta"
    window: str | None = None
    window_take: str | None = None
    take: str = "sum"
    percentile: Decimal | None = None
    round_to: Decimal | None = None
    round_mode: str | None = None


PLAIN = Reduction()


def reduction_of(rule: QuantityRule | None) -> Reduction:
    """Find how the records of a component are reduced."""
    if rule is None:
        return PLAIN
    found = _reduction(rule)
    return PLAIN if found == PLAIN else found


def _reduction(rule: QuantityRule) -> Reduction:
    each = rule.round if rule.round is not None and rule.round.each == "record" else None
    return Reduction(
        rule.reading,
        rule.window,
        rule.window_take,
        rule.take,
        rule.percentile,
        each.to if each is not None else None,
        each.mode if each is not None else None,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Metered:
    """A usage component with what its measuring depends on.

    Attributes:
        names: dimensions of records that its prices ask for; others do not part its quantity.
        changes: days from which another price holds, before and after which it is measured apart.
        included: its allowance, if it has one.
    """

    component: Component
    span: str
    reduction: Reduction
    names: tuple[str, ...]
    changes: tuple[dt.date, ...]
    included: Included | None

    @property
    def is_shared(self) -> bool:
        """Whether bookings use its allowance up together."""
        return self.included is not None and self.included.shared_by != "booking"


Meters = Mapping[str, Sequence[Metered]]


def meters_of(tariff: Tariff) -> Meters:
    """Find the usage components of a tariff by meter."""
    found: dict[str, list[Metered]] = {}
    for component in tariff.components:
        if component.billing == "usage" and component.measure is not None:
            metered = Metered(
                component,
                component.period or "month",
                reduction_of(component.quantity),
                names_in(component),
                changes_in(component),
                component.quantity.included if component.quantity is not None else None,
            )
            found.setdefault(component.measure, []).append(metered)
    return found


@dataclasses.dataclass(frozen=True, slots=True)
class Rated:
    """Terms of a booking, with what a charge line tells of it."""

    booking_id: str
    provider: str
    consumer: str
    offering_id: str
    terms: Terms
    meters: Meters


# -- measuring --------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Sum:
    """The sum of the records of one meter of a booking in a span, as the database found it."""

    booking_id: str
    meter: str
    quantity: Decimal
    records: int
    first_day: dt.date
    last_day: dt.date
    dimensions: Mapping[str, str] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Piece:
    """What has to be measured on its own: other than as a sum, or for a part of the span only.

    Attributes:
        suffix: what tells it from others of the same component and terms; the first has none.
    """

    rated: Rated
    metered: Metered
    since: dt.date
    through: dt.date
    suffix: str

    @property
    def names(self) -> tuple[str, ...]:
        """The dimensions that part its quantity."""
        return _asked(self.rated, self.metered)


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """A measured quantity of a component, to be rated.

    Attributes:
        charged_for: the span, with the piece and the dimensions where these part it.
    """

    rated: Rated
    metered: Metered
    measured: Measured
    charged_for: str


@dataclasses.dataclass(frozen=True, slots=True)
class Unmeasured:
    """Usage of a meter that no terms of the booking know."""

    rated: Rated
    meter: str
    records: int


def plan(
    history: Sequence[Rated], span: Span, sums: Sequence[Sum]
) -> tuple[list[Reading], list[Piece], list[Unmeasured]]:
    """Part a booking's usage into what its sums tell already and what has to be measured on its own.

    A day's usage counts by the terms of the day. Where these became known only after the record was taken and
    do not have its meter, it counts by the newest earlier terms that have it: what was accepted is charged.

    Args:
        history: the terms of the booking by number.
        span: the month, quarter or year.
        sums: of this booking, by meter and dimensions.
    """
    if len(history) == 1 and (plain := _told_by_sums(history[0], span, sums)) is not None:
        return plain, [], []
    readings: list[Reading] = []
    pieces: list[Piece] = []
    lost: list[Unmeasured] = []
    parts = _parts(history, span)
    for meter in sorted({each.meter for each in sums}):
        found = [each for each in sums if each.meter == meter]
        known = False
        seen: set[tuple[int, str]] = set()
        for rated, since, through in parts:
            having = _with_meter(history, rated, meter)
            if having is None:
                continue
            known = True
            for metered in having.meters[meter]:
                if metered.span != span.kind:
                    continue
                whole = len(parts) == 1
                days = [day for day in metered.changes if since < day <= through]
                if whole and not days and metered.reduction == PLAIN:
                    readings += _summed(having, metered, span, found)
                    continue
                for begin, end in _cut(since, through, days):
                    name = (having.terms.number, metered.component.id)
                    pieces.append(Piece(having, metered, begin, end, f" {begin}" if name in seen else ""))
                    seen.add(name)
        if not known:
            lost.append(Unmeasured(history[0], meter, sum(each.records for each in found)))
    return readings, pieces, lost


def _told_by_sums(rated: Rated, span: Span, sums: Iterable[Sum]) -> list[Reading] | None:
    """Take the sums as they are where that is all there is to do, as it is for nearly all bookings."""
    readings = []
    for each in sums:
        metered_ = rated.meters.get(each.meter)
        if metered_ is None or each.dimensions:
            return None
        for metered in metered_:
            if metered.reduction is not PLAIN or metered.changes:
                return None
            if metered.span == span.kind:
                measured = Measured(
                    metered.component.id, each.quantity, each.first_day, each.last_day, each.records
                )
                readings.append(Reading(rated, metered, measured, span.label))
    return readings


def _parts(history: Sequence[Rated], span: Span) -> list[tuple[Rated, dt.date, dt.date]]:
    """The parts of a span in which the same terms hold."""
    if len(history) == 1:
        return [(history[0], span.first_day, span.last_day)]
    terms = [each.terms for each in history]
    by_number = {each.terms.number: each for each in history}
    changes = sorted({each.valid_from for each in terms if span.first_day < each.valid_from <= span.last_day})
    parts: list[tuple[Rated, dt.date, dt.date]] = []
    for since, through in _cut(span.first_day, span.last_day, changes):
        rated = by_number[terms_on(terms, since).number]
        if parts and parts[-1][0] is rated:
            since = parts.pop()[1]  # noqa: PLW2901 - terms that a later change replaced at once
        parts.append((rated, since, through))
    return parts


def _cut(since: dt.date, through: dt.date, days: Iterable[dt.date]) -> list[tuple[dt.date, dt.date]]:
    begins = [since, *days]
    return list(zip(begins, [*(day - _DAY for day in begins[1:]), through], strict=True))


def _with_meter(history: Sequence[Rated], rated: Rated, meter: str) -> Rated | None:
    until = [each for each in history if each.terms.number <= rated.terms.number]
    return next((each for each in reversed(until) if meter in each.meters), None)


def _summed(rated: Rated, metered: Metered, span: Span, sums: Iterable[Sum]) -> list[Reading]:
    names = _asked(rated, metered)
    by_dimensions: dict[tuple[tuple[str, str], ...], Sum] = {}
    for each in sums:
        key = projected(each.dimensions, names)
        before = by_dimensions.get(key)
        by_dimensions[key] = each if before is None else _added(before, each)
    return [reading(rated, metered, span, each, key) for key, each in sorted(by_dimensions.items())]


def _asked(rated: Rated, metered: Metered) -> tuple[str, ...]:
    """What a booking fixes itself is not asked of its records."""
    return tuple(name for name in metered.names if name not in rated.terms.known) if metered.names else ()


def projected(dimensions: Mapping[str, str] | None, names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Keep the dimensions that prices ask for."""
    if not dimensions or not names:
        return ()
    return tuple((name, dimensions[name]) for name in names if name in dimensions)


def _added(one: Sum, other: Sum) -> Sum:
    return Sum(
        one.booking_id,
        one.meter,
        EXACT.add(one.quantity, other.quantity),
        one.records + other.records,
        min(one.first_day, other.first_day),
        max(one.last_day, other.last_day),
    )


def reading(  # noqa: PLR0913 - what it is made of
    rated: Rated,
    metered: Metered,
    span: Span,
    found: Sum,
    dimensions: tuple[tuple[str, str], ...] = (),
    suffix: str = "",
) -> Reading:
    """Make what was measured ready to be rated."""
    measured = Measured(
        metered.component.id, found.quantity, found.first_day, found.last_day, found.records, dimensions
    )
    named = "".join(f" {name}={value}" for name, value in dimensions)
    return Reading(rated, metered, measured, f"{span.label}{suffix}{named}")
