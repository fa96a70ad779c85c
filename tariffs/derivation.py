"""Prices taken from another provider's list: other price times factor, plus a surcharge."""

from collections.abc import Callable
from decimal import Decimal

from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.tariff import (
    Component,
    Derived,
    PerUnit,
    Price,
    Pricing,
    Tariff,
    Tier,
    Tiered,
    prices_of,
)

from .wording import EXACT

_PLACES = 9
"""Decimal places that a price can have; what needs more is priced for more units at once."""

Concrete = PerUnit | Tiered


def derive(price: Derived, unit: str, currency: str, source: Tariff) -> Concrete | Rejected:
    """Take a price from another tariff.

    Of tiers, every amount is multiplied and added to; flat amounts are multiplied only.

    Args:
        price: what is asked for.
        unit: of the component that takes it.
        currency: of the tariff that takes it.
        source: the tariff from which it is taken.

    Returns:
        The price, which names where it comes from; or why it cannot be taken.
    """
    about = {"offering": price.offering_id, "component": price.component}
    component = next((each for each in source.components if each.id == price.component), None)
    if component is None:
        return rejected("derived_unknown", "offering.plans", **about, plan=price.plan_id)
    found = component.price
    if not isinstance(found, Concrete) or component.quantity is not None or component.amount is not None:
        return rejected("derived_not_plain", "offering.plans", **about)
    if (component.unit, source.currency) != (unit, currency):
        there, here = f"{source.currency}/{component.unit}", f"{currency}/{unit}"
        return rejected("derived_unlike", "offering.plans", **about, there=there, here=here)
    try:
        return _derived(price, found, source.version)
    except ValueError:
        return rejected("derived_out_of_range", "offering.plans", **about)


def _derived(price: Derived, found: Concrete, version: int) -> Concrete:
    origin = {"derived_from": price, "derived_version": version}
    if isinstance(found, PerUnit):
        amount, per = _times(price, found.amount, found.per)
        return PerUnit(amount=amount, per=per, **origin)  # type: ignore[arg-type]
    tiers = []
    for tier in found.tiers:
        amount, per = _times(price, tier.amount, tier.per)
        flat = EXACT.multiply(tier.flat, price.factor)
        tiers.append(Tier(up_to=tier.up_to, amount=amount, per=per, flat=flat.normalize(EXACT)))
    return Tiered(mode=found.mode, tiers=tuple(tiers), **origin)  # type: ignore[arg-type]


def _times(price: Derived, amount: Decimal, per: Decimal) -> tuple[Decimal, Decimal]:
    exact = EXACT.add(EXACT.multiply(amount, price.factor), price.plus)
    exponent = exact.normalize(EXACT).as_tuple().exponent
    places = -exponent if isinstance(exponent, int) else 0
    more = max(places - _PLACES, 0)
    cents = Decimal("0.01") if places <= 2 else Decimal(1).scaleb(-min(places, _PLACES))
    return exact.scaleb(more, EXACT).quantize(cents, context=EXACT), per.scaleb(more, EXACT)


def derived_in(tariff: Tariff) -> list[Derived]:
    """All prices that a tariff takes, or says it has taken, from other lists."""
    return [
        origin
        for component in tariff.components
        for price in prices_of(component)
        if (origin := origin_of(price)) is not None
    ]


def origin_of(price: Price) -> Derived | None:
    """Where a price comes from."""
    if isinstance(price, Derived):
        return price
    return price.derived_from if isinstance(price, Concrete) else None


def with_prices(component: Component, exchange: Callable[[Price], Price]) -> Component:
    """The component with each of its prices exchanged."""
    changes: dict[str, object] = {}
    pricing: Pricing = component
    if pricing.price is not None:
        changes["price"] = exchange(pricing.price)
    if pricing.price_by_class is not None:
        changes["price_by_class"] = {name: exchange(each) for name, each in pricing.price_by_class.items()}
    if pricing.prices is not None:
        changes["prices"] = tuple(
            cell.model_copy(update={"price": exchange(cell.price)}) for cell in pricing.prices
        )
    return component.model_copy(update=changes)
