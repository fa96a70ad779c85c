"""What may be booked: the order form and its technical limits, checked before anything is priced."""

import dataclasses
import datetime as dt
from collections.abc import Mapping
from decimal import Decimal

from allmende.schemas.catalog import Plan
from allmende.schemas.money import euro, plain
from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.tariff import Component, PerUnit, Price, Tariff, Tiered

from .rating import Line, rate
from .terms import Attributes, attributes_of, possible_prices

AMOUNT_CENTS_MAX = 10**11
"""A billion euro: more in one booking or record is a slip of the pen and would spoil the sums."""


def refuse_order(plan: Plan, quantities: Mapping[str, Decimal]) -> Rejected | None:
    """Refuse quantities that the form does not have, or that lie outside its limits.

    A quantity that is left out counts as zero.
    """
    fields = {field.id: field for field in plan.order}
    for name in quantities:
        if name not in fields:
            return rejected("unknown_quantity", f"quantities.{name}", quantity=name)
    for field in plan.order:
        value = quantities.get(field.id, Decimal(0))
        place = f"quantities.{field.id}"
        if value < field.minimum:
            return rejected(
                "below_minimum", place, quantity=field.id, value=plain(value), limit=plain(field.minimum)
            )
        if field.maximum is not None and value > field.maximum:
            return rejected(
                "above_maximum", place, quantity=field.id, value=plain(value), limit=plain(field.maximum)
            )
    return None


def refuse_amount(
    tariff: Tariff,
    known: Attributes | str | None,
    billing: str,
    measured: Mapping[str, Decimal],
    day: dt.date | None = None,
) -> Rejected | None:
    """Refuse quantities without a price, or that no statement could hold, before they are booked or recorded.

    What an order fixes must have a price: not below a smallest quantity that is supplied, and not beyond the
    last tier. Usage has happened; of it, only what cannot be true is refused.

    Args:
        tariff: what is charged by.
        known: the consumer's class, or all attributes that an order fixes.
        billing: `usage` for what meters counted; any other looks at everything that an order fixes, which
            is the components of all other kinds.
        measured: quantities by meter, or by the order form's fields.
        day: of the first service; the tariff's own first day unless told.
    """
    attributes, day = attributes_of(known), day or tariff.valid_from
    for component in tariff.components:
        quantity = Decimal(1) if component.measure is None else measured.get(component.measure)
        if quantity is None or (component.billing == "usage") != (billing == "usage"):
            continue
        if billing == "usage":
            prices = possible_prices(component, attributes, day)
            refused = any(_implausible(price, quantity) for price in prices)
        elif component.is_percentage:
            continue
        else:
            line = rate(tariff, component, attributes, quantity, day, order_quantities=measured)
            if not isinstance(line, Line):
                return dataclasses.replace(line.reason, field=_field(component))
            refused = line.amount_cents > AMOUNT_CENTS_MAX
        if refused:
            name = component.measure or component.id
            limit = euro(AMOUNT_CENTS_MAX)
            return rejected("implausible_amount", measure=name, value=plain(quantity), limit=limit)
    return None


def _field(component: Component) -> str:
    return f"quantities.{component.measure}" if component.measure else ""


def _implausible(price: Price, quantity: Decimal) -> bool:
    match price:
        case PerUnit():
            return quantity * price.amount * 100 > AMOUNT_CENTS_MAX * price.per
        case Tiered():
            dearest = max(tier.amount / tier.per for tier in price.tiers)
            return quantity * dearest * 100 > AMOUNT_CENTS_MAX
        case _:
            return False
