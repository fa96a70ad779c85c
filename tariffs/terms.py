"""Which version of a tariff holds, which price within it, and whom it does not serve."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from allmende.schemas.catalog import Plan
from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.tariff import Component, NotOffered, Price, PriceCell, Pricing, Tariff

from .wording import Told

Attributes = Mapping[str, str]
"""What the cells of a table ask for: `class`, `consumer`, answers of the order form, dimensions of usage."""


def attributes_of(given: Attributes | str | None) -> Attributes:
    """What is known of a consumer of whom the class may be all that is known."""
    if isinstance(given, str):
        return {"class": given}
    return given or {}


def order_attributes(
    consumer: str, consumer_class: str | None, details: Mapping[str, Any] | None
) -> dict[str, str]:
    """What an order fixes: the text answers of its form, the consumer and its class."""
    answers = {name: answer for name, answer in (details or {}).items() if isinstance(answer, str)}
    answers.pop("class", None)
    known = {**answers, "consumer": consumer}
    return known if consumer_class is None else {**known, "class": consumer_class}


def tariff_on(plan: Plan, day: dt.date) -> Tariff | None:
    """Find the version that holds on a day. The first and the last day of validity count."""
    for tariff in plan.tariffs:
        if tariff.valid_from <= day and (tariff.valid_to is None or day <= tariff.valid_to):
            return tariff
    return None


def price_of(pricing: Pricing, known: Attributes | str | None, day: dt.date = dt.date.max) -> Price | None:
    """Find the price for what is known, on a day of service; None where no cell fits."""
    attributes = attributes_of(known)
    if pricing.price is not None:
        return pricing.price
    if pricing.price_by_class is not None:
        return pricing.price_by_class.get(attributes.get("class", ""))
    return next((cell.price for cell in _cells_on(pricing, day) if _fits(cell, attributes)), None)


def choice_of(pricing: Pricing, attributes: Attributes, day: dt.date) -> Told:
    """Say by what the price was chosen: ` (Klasse 2)`; nothing where it is the same for all."""
    if pricing.price_by_class is not None:
        name = attributes.get("class")
        return f" (Klasse {name})", f" (class {name})"
    cell = next((cell for cell in _cells_on(pricing, day) if _fits(cell, attributes)), None)
    if cell is None or not cell.when:
        return "", ""
    named = [_named(name, attributes[name]) for name in cell.when]
    return f" ({', '.join(each[0] for each in named)})", f" ({', '.join(each[1] for each in named)})"


def _named(name: str, value: str) -> Told:
    match name:
        case "class":
            return f"Klasse {value}", f"class {value}"
        case "consumer":
            return f"für {value}", f"for {value}"
        case _:
            return f"{name} {value}", f"{name} {value}"


def names_in(pricing: Pricing) -> tuple[str, ...]:
    """The attributes on which a price depends, in order."""
    if pricing.price_by_class is not None:
        return ("class",)
    return tuple(sorted({name for cell in pricing.prices or () for name in cell.when}))


def changes_in(pricing: Pricing) -> tuple[dt.date, ...]:
    """The days from which something else may be charged for the same: price steps and points of an index."""
    days: set[dt.date] = set()
    for cell in pricing.prices or ():
        days |= {cell.valid_from} if cell.valid_from is not None else set()
        days |= {cell.valid_to + dt.timedelta(days=1)} if cell.valid_to is not None else set()
    if pricing.amount is not None and pricing.amount.index is not None:
        days |= {point.valid_from for point in pricing.amount.index.points}
    return tuple(sorted(days))


def _cells_on(pricing: Pricing, day: dt.date) -> Iterator[PriceCell]:
    for cell in pricing.prices or ():
        begun = cell.valid_from is None or cell.valid_from <= day
        if begun and (cell.valid_to is None or day <= cell.valid_to):
            yield cell


def _fits(cell: PriceCell, attributes: Attributes) -> bool:
    return all(_admits(wanted, attributes.get(name)) for name, wanted in cell.when.items())


def _admits(wanted: str | tuple[str, ...], value: str | None) -> bool:
    return value == wanted if isinstance(wanted, str) else value in wanted


def refuse_class(
    tariff: Tariff, known: Attributes | str | None, day: dt.date | None = None
) -> Rejected | None:
    """Refuse a consumer whose class is unknown or is not served, before anything is priced.

    What a price depends on may not be known before usage is recorded: such cells are offered.

    Args:
        tariff: what would be charged by.
        known: the consumer's class, or all attributes that an order fixes.
        day: of the first service; the tariff's own first day unless told.
    """
    attributes = attributes_of(known)
    if tariff.class_scheme is not None and "class" not in attributes:
        return rejected("class_unknown", scheme=tariff.class_scheme)
    for component in tariff.components:
        possible = list(possible_prices(component, attributes, day or tariff.valid_from))
        if not possible or all(isinstance(price, NotOffered) for price in possible):
            reason = next((price.reason for price in possible if isinstance(price, NotOffered)), "-")
            return not_offered(component, attributes, reason)
    return None


def not_offered(component: Component, attributes: Attributes, reason: str) -> Rejected:
    """Refuse what is not supplied to these."""
    if "class" not in names_in(component):
        return rejected("not_offered", component=component.title, reason=reason)
    return rejected(
        "not_offered_to_class",
        component=component.title,
        consumer_class=attributes.get("class", "-"),
        reason=reason,
    )


def possible_prices(component: Component, attributes: Attributes, day: dt.date) -> Iterator[Price]:
    """Find the prices that may come to hold for an order, whatever is measured later."""
    if component.prices is None:
        if (price := price_of(component, attributes, day)) is not None:
            yield price
        return
    for cell in _cells_on(component, day):
        unknown = (
            {name for name in cell.when if name not in attributes} if component.billing == "usage" else set()
        )
        if all(
            _admits(wanted, attributes.get(name)) for name, wanted in cell.when.items() if name not in unknown
        ):
            yield cell.price
            if not unknown:
                return
