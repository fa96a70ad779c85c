"""Which version of a tariff holds, and which price within it."""

import datetime as dt

from allmende.schemas.catalog import Plan
from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.tariff import Component, NotOffered, Price, Tariff


def tariff_on(plan: Plan, day: dt.date) -> Tariff | None:
    """Find the version that holds on a day. The first and the last day of validity count."""
    for tariff in plan.tariffs:
        if tariff.valid_from <= day and (tariff.valid_to is None or day <= tariff.valid_to):
            return tariff
    return None


def price_of(component: Component, consumer_class: str | None) -> Price | None:
    """Find the price for a consumer of a class; None when the matrix has no cell for it."""
    if component.price is not None:
        return component.price
    matrix = component.price_by_class or {}
    return matrix.get(consumer_class) if consumer_class is not None else None


def refuse_class(tariff: Tariff, consumer_class: str | None) -> Rejected | None:
    """Refuse a consumer whose class is unknown or is not served, before anything is priced."""
    if tariff.class_scheme is not None and consumer_class is None:
        return rejected("class_unknown", scheme=tariff.class_scheme)
    for component in tariff.components:
        price = price_of(component, consumer_class)
        if price is None or isinstance(price, NotOffered):
            reason = price.reason if price is not None else "-"
            return rejected(
                "not_offered_to_class",
                component=component.title,
                consumer_class=consumer_class or "-",
                reason=reason,
            )
    return None
