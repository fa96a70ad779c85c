"""What bookings and usage cost: one line for each quantity of a component, rounded once, with its story."""

import dataclasses
import datetime as dt
import functools
from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction

from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.tariff import Component, PercentOf, Tariff, prices_of

from .pricing import Priced, Pricer, Share
from .quantity import Quantities
from .recurrence import Due, Part, Terms
from .terms import Attributes, attributes_of
from .wording import Told, decimal_of

_TARIFFS_KEPT = 512
_NOTHING: Mapping[str, Decimal] = {}
_NO_AMOUNTS: Mapping[str, int] = {}
_BEGUN = {
    "month": ("angefangener Monat", "begun month"),
    "quarter": ("angefangenes Quartal", "begun quarter"),
    "year": ("angefangenes Jahr", "begun year"),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """What one component measured in a period: records already reduced to one quantity by its rule.

    Where prices change within the period (`terms.changes_in`), what lies before and after is measured apart:
    the price is that of the first day.

    Attributes:
        component: its id.
        quantity: in the component's unit; records that are rounded each are rounded already.
        dimensions: of usage, on which the component's table of prices depends.
        included: the part of a shared allowance that these records get; None where nobody shares it.
    """

    component: str
    quantity: Decimal
    first_day: dt.date
    last_day: dt.date
    records: int = 0
    dimensions: tuple[tuple[str, str], ...] = ()
    included: Decimal | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """A rated component.

    Attributes:
        quantity: what was priced, after rounding, minimum and allowance; of a percentage, what it is of.
        amount_cents: rounded once.
        trace_de: how the amount came about, in German; `trace_en` in English.
        measured: of usage, what was rated; of a percentage of usage, the span it covers.
    """

    component: Component
    tariff_version: int
    quantity: Decimal
    amount_cents: int
    trace_de: str
    trace_en: str
    measured: Measured | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Unrated:
    """A component without a price for what was measured: held until there is one, or refused before.

    Attributes:
        reason: why.
        measured: what is held.
    """

    component: Component
    tariff_version: int
    reason: Rejected
    measured: Measured | None = None


def rate_usage(
    tariff: Tariff,
    known: Attributes | str | None,
    measured: Iterable[Measured],
    *,
    order_quantities: Quantities = _NOTHING,
    amounts_of: Mapping[str, int] = _NO_AMOUNTS,
) -> list[Line | Unrated]:
    """Rate what a booking used in a period, and percentages of it.

    Args:
        tariff: the version frozen into the booking. What is prepared for it is kept by identity: one object
            for equal tariffs makes rating fast.
        known: the class frozen into the booking, or all attributes that it fixes (`class`, `consumer`,
            answers of its order form). What a record says never overrules them.
        measured: of the same booking and period.
        order_quantities: of the booking, by which allowances are multiplied.
        amounts_of: cents of components that are charged otherwise in the same period, of which a percentage
            may be taken.

    Returns:
        In the order of the tariff's components, then of what was measured.
    """
    attributes = attributes_of(known)
    prepared = _prepared(_Same(tariff))
    by_component: dict[str, list[Measured]] = {}
    for each in measured:
        by_component.setdefault(each.component, []).append(each)
    lines: list[Line | Unrated] = []
    for rater in prepared.raters:
        found = by_component.get(rater.component.id)
        if found is not None:
            lines += [rater.rate(each, attributes, order_quantities) for each in found]
        elif rater.of and rater.component.billing == "usage" and (lines or amounts_of):
            line = _percentage(rater, attributes, lines, amounts_of)
            lines += [line] if line is not None else []
    return lines


def measured_by_meter(
    tariff: Tariff, counted: Mapping[str, Decimal], first_day: dt.date, last_day: dt.date
) -> list[Measured]:
    """Say for every usage component what its meter counted; a meter without records makes nothing."""
    return [
        Measured(component.id, counted[component.measure], first_day, last_day)
        for component in tariff.components
        if component.billing == "usage" and component.measure is not None and component.measure in counted
    ]


class _Rater:
    """A component, prepared."""

    def __init__(self, component: Component, tariff: Tariff) -> None:
        version = tariff.version
        label = f", Tarif Version {version}", f", tariff version {version}"
        self.component = component
        self.version = version
        self.pricer = Pricer(component, currency=tariff.currency, label=label)
        self.of = {
            name for price in prices_of(component) if isinstance(price, PercentOf) for name in price.of
        }
        self._asks = bool(self.pricer.names)

    def rate(self, measured: Measured, attributes: Attributes, order: Quantities) -> Line | Unrated:
        if self._asks and measured.dimensions:
            attributes = {**dict(measured.dimensions), **attributes}
        priced = self.pricer.price(
            measured.quantity,
            attributes,
            measured.first_day,
            order_quantities=order,
            included=measured.included,
        )
        return self.line(priced, measured)

    def line(self, priced: Priced | Rejected, measured: Measured | None) -> Line | Unrated:
        if isinstance(priced, Rejected):
            return Unrated(self.component, self.version, priced, measured)
        quantity, amount, _, _, german, english = priced
        if not isinstance(quantity, Decimal):
            quantity = decimal_of(quantity) or Decimal(0)
        return Line(self.component, self.version, quantity, amount, german, english, measured)


class _Prepared:
    def __init__(self, tariff: Tariff) -> None:
        self.raters = [_Rater(component, tariff) for component in tariff.components]
        self.by_id = {rater.component.id: rater for rater in self.raters}


class _Same:
    """A tariff as a key: the same object, not an equal one, which would take long to compare."""

    __slots__ = ("tariff",)

    def __init__(self, tariff: Tariff) -> None:
        self.tariff = tariff

    def __hash__(self) -> int:
        return id(self.tariff)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.tariff is other.tariff


def _rater(tariff: Tariff, component: Component) -> _Rater:
    rater = _prepared(_Same(tariff)).by_id.get(component.id)
    return rater if rater is not None and rater.component is component else _Rater(component, tariff)


@functools.lru_cache(maxsize=_TARIFFS_KEPT)
def _prepared(key: _Same) -> _Prepared:
    return _Prepared(key.tariff)


def _percentage(
    rater: _Rater, attributes: Attributes, lines: Iterable[Line | Unrated], amounts_of: Mapping[str, int]
) -> Line | Unrated | None:
    amounts = dict(amounts_of)
    base = [each for each in lines if each.component.id in rater.of]
    spans = [each.measured for each in base if each.measured is not None]
    if not spans and not rater.of & amounts.keys():
        return None
    first = min((each.first_day for each in spans), default=dt.date.min)
    last = max((each.last_day for each in spans), default=dt.date.min)
    span = Measured(rater.component.id, Decimal(1), first, last) if spans else None
    for each in base:
        if isinstance(each, Unrated):
            reason = rejected("base_unpriced", component=rater.component.title, base=each.component.id)
            return Unrated(rater.component, rater.version, reason, span)
        amounts[each.component.id] = amounts.get(each.component.id, 0) + each.amount_cents
    return rater.line(rater.pricer.price(Decimal(1), attributes, first, amounts_of=amounts), span)


def rate(  # noqa: PLR0913 - what a line depends on
    tariff: Tariff,
    component: Component,
    known: Attributes | str | None,
    quantity: Decimal,
    day: dt.date | None = None,
    *,
    order_quantities: Quantities = _NOTHING,
) -> Line | Unrated:
    """Rate one quantity of one component, on a day of service or the first of the tariff."""
    rater = _rater(tariff, component)
    priced = rater.pricer.price(
        quantity, attributes_of(known), day or tariff.valid_from, order_quantities=order_quantities
    )
    return rater.line(priced, None)


def rate_due(due: Due, *, told: bool = True) -> Line | Unrated:
    """Rate a flat component that falls due.

    Args:
        due: what falls due.
        told: whether the story says for what it is charged and by which terms.
    """
    terms = due.terms
    rater = _rater(terms.tariff, due.component)
    amounts: dict[str, int] = {}
    for each in due.base:
        line = rate_due(each)
        if isinstance(line, Unrated):
            reason = rejected("base_unpriced", component=due.component.title, base=each.component.id)
            return Unrated(due.component, terms.tariff.version, reason)
        amounts[each.component.id] = amounts.get(each.component.id, 0) + line.amount_cents
    line = rater.line(_priced(rater, due, amounts), None)
    if not told or isinstance(line, Unrated):
        return line
    german, english = _reason(due)
    since_de, since_en = told_terms(terms)
    return dataclasses.replace(
        line,
        trace_de=f"{line.trace_de}{german}{since_de}",
        trace_en=f"{line.trace_en}{english}{since_en}",
    )


def _priced(rater: _Rater, due: Due, amounts: Mapping[str, int]) -> Priced | Rejected:
    """Price what a due comes to: of a span, what it adds to the spans before it."""
    terms, part = due.terms, due.part

    def by(count: int, told: Told) -> Priced | Rejected:
        return rater.pricer.price(
            due.quantity,
            terms.known,
            due.first_day,
            order_quantities=terms.quantities,
            amounts_of=amounts,
            share=None if part is None else Share(Fraction(count, part.of), *told),
        )

    if part is None:
        return by(1, ("", ""))
    priced = by(part.count, _part(part))
    if not part.before or isinstance(priced, Rejected):
        return priced
    whole, before = by(part.before + part.count, ("", "")), by(part.before, ("", ""))
    if isinstance(whole, Rejected) or isinstance(before, Rejected):
        return priced
    amount = whole.amount - before.amount
    if amount == priced.amount:
        return priced
    (due_de, due_en), units = rater.pricer.money(amount), _UNITS[part.unit]
    return priced._replace(
        amount=amount,
        trace_de=f"{priced.trace_de}; zusammen mit {part.before} {units[0]} davor gerundet: {due_de}",
        trace_en=f"{priced.trace_en}; rounded together with {part.before} {units[1]} before: {due_en}",
    )


_UNITS = {"day": ("Tagen", "days"), "month": ("Monaten", "months")}


def _part(part: Part) -> Told:
    german, english = _UNITS[part.unit]
    return f" × {part.count} von {part.of} {german}", f" × {part.count} of {part.of} {english}"


def _reason(due: Due) -> tuple[str, str]:
    component = due.component
    if component.billing == "on_plan_change":
        day, plan = due.first_day, due.terms.plan_id
        return (
            f"; einmal für den Wechsel zum Plan {plan} am {day:%d.%m.%Y}",
            f"; once for the change to plan {plan} on {day}",
        )
    if component.period == "total":
        return "; einmal für die ganze Buchung", "; once for the whole booking"
    if component.period is None:
        return "", ""
    if due.part is not None or due.base:
        return f"; für {due.charged_for}", f"; for {due.charged_for}"
    german, english = _BEGUN[component.period]
    return (
        f"; {german} {due.charged_for} zählt voll nach dem Stand vom {due.first_day:%d.%m.%Y}",
        f"; {english} {due.charged_for} counts in full as of {due.first_day}",
    )


def told_terms(terms: Terms) -> tuple[str, str]:
    """Name the terms where they are not those as booked, in German and English."""
    if not terms.number:
        return "", ""
    return (
        f"; Bedingungen seit {terms.valid_from:%d.%m.%Y} (Änderung {terms.number})",
        f"; terms since {terms.valid_from} (change {terms.number})",
    )
