"""What bookings and usage cost: one line for each component, rounded once, with its story."""

import dataclasses
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from allmende.schemas.money import euro, plain
from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.tariff import Component, Free, PerUnit, Tariff

from .recurrence import Due, Terms
from .rounding import to_cents
from .terms import price_of

AMOUNT_CENTS_MAX = 10**11
"""A billion euro: more in one booking or record is a slip of the pen and would spoil the sums."""

_BEGUN = {
    "month": ("angefangener Monat", "begun month"),
    "quarter": ("angefangenes Quartal", "begun quarter"),
    "year": ("angefangenes Jahr", "begun year"),
}


@dataclasses.dataclass(frozen=True)
class Line:
    """A rated component.

    Attributes:
        amount_cents: rounded once, commercially.
        trace_de: how the amount came about, in German; `trace_en` in English.
    """

    component: Component
    tariff_version: int
    quantity: Decimal
    amount_cents: int
    trace_de: str
    trace_en: str


def rate_usage(tariff: Tariff, consumer_class: str | None, counted: Mapping[str, Decimal]) -> list[Line]:
    """Rate what the meters counted in a period: the sum of all records of a meter is one quantity.

    Args:
        tariff: the version frozen into the booking.
        consumer_class: the class frozen into the booking.
        counted: sums by meter; a meter without records makes no line.
    """
    return [
        rate(tariff, component, consumer_class, counted[component.measure])
        for component in tariff.components
        if component.billing == "usage" and component.measure is not None and component.measure in counted
    ]


def rate_due(due: Due) -> Line:
    """Rate a flat component that falls due, and say for what it is charged and by which terms."""
    terms = due.terms
    line = rate(terms.tariff, due.component, terms.consumer_class, due.quantity)
    german, english = _reason(due)
    since_de, since_en = told_terms(terms)
    return dataclasses.replace(
        line,
        trace_de=f"{line.trace_de}{german}{since_de}",
        trace_en=f"{line.trace_en}{english}{since_en}",
    )


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


def refuse_amount(
    tariff: Tariff, consumer_class: str | None, billing: str, measured: Mapping[str, Decimal]
) -> Rejected | None:
    """Refuse quantities that no statement could hold, before they are booked or recorded.

    Args:
        tariff: what is charged by.
        consumer_class: whose prices hold.
        billing: `usage` for what meters counted; any other looks at everything that an order fixes, which
            is the components of all other kinds.
        measured: quantities by meter, or by the order form's fields.
    """
    for component in tariff.components:
        price = price_of(component, consumer_class)
        quantity = Decimal(1) if component.measure is None else measured.get(component.measure)
        if (component.billing == "usage") != (billing == "usage"):
            continue
        if quantity is None or not isinstance(price, PerUnit):
            continue
        if quantity * price.amount * 100 > AMOUNT_CENTS_MAX * price.per:
            return rejected(
                "implausible_amount",
                measure=component.measure or component.id,
                value=plain(quantity),
                limit=euro(AMOUNT_CENTS_MAX),
            )
    return None


def rate(tariff: Tariff, component: Component, consumer_class: str | None, quantity: Decimal) -> Line:
    """Rate one component.

    Raises:
        ValueError: it has no price for the class; bookings are refused before this can happen.
    """
    price = price_of(component, consumer_class)
    counted = f"{_short(quantity)} {component.unit}"
    counted_de = f"{_comma(_short(quantity))} {component.unit}"
    of_class_de = f" (Klasse {consumer_class})" if component.price_by_class else ""
    of_class_en = f" (class {consumer_class})" if component.price_by_class else ""
    if isinstance(price, Free):
        german = f"{counted_de}{of_class_de}: ohne Entgelt, {price.reason}"
        english = f"{counted}{of_class_en}: free of charge, {price.reason}"
        return Line(component, tariff.version, quantity, 0, german, english)
    if not isinstance(price, PerUnit):
        raise ValueError(f"{component.id} has no price for class {consumer_class}")  # noqa: TRY004
    exact = Fraction(quantity) * Fraction(price.amount) * 100 / Fraction(price.per)
    cents = to_cents(exact)
    per = f"{_short(price.per)} " if price.per != 1 else ""
    version_de, version_en = f"Tarif Version {tariff.version}", f"tariff version {tariff.version}"
    unit_price = plain(price.amount)
    each_de = f"{_comma(unit_price)} € je {_comma(per)}{component.unit}{of_class_de}"
    each_en = f"€{unit_price} per {per}{component.unit}{of_class_en}"
    return Line(
        component,
        tariff.version,
        quantity,
        cents,
        f"{counted_de} × {each_de}, {version_de} = {euro(cents)}",
        f"{counted} × {each_en}, {version_en} = {euro(cents, language='en')}",
    )


def _short(number: Decimal) -> str:
    text = plain(number)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _comma(number: str) -> str:
    return number.replace(".", ",")
