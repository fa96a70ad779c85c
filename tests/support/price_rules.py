"""An offering whose prices have every rule by which an order is refused, and what becomes of orders."""

import datetime as dt
from decimal import Decimal
from typing import Any

from support.builders import component, decimals, offering, plan, quantity, tariff
from support.histories import flat

from allmende.schemas.tariff import (
    NotOffered,
    PerUnit,
    Price,
    PriceCell,
    QuantityRule,
    Tier,
    Tiered,
)

FORM = {"type": "object", "properties": {"site": {"type": "string"}}}


def _each(amount: str) -> PerUnit:
    return PerUnit(amount=Decimal(amount))


def _cell(price: Price, valid_to: dt.date | None = None, **when: str) -> PriceCell:
    return PriceCell(when=dict(when), price=price, valid_to=valid_to)


STAIRS = Tiered(mode="graduated", tiers=(Tier(up_to=Decimal(10), amount=Decimal(2)),))
BY_SITE = (
    _cell(NotOffered(reason="nur für Gründer"), consumer="kit", site="muc"),
    _cell(_each("3.00"), site="muc"),
    _cell(_each("2.00"), site="ham", valid_to=dt.date(2026, 12, 31)),
)
BY_DIMENSION = (_cell(_each("1.00"), tier="fast", site="muc"), _cell(_each("0.50"), tier="slow"))
SOLD = offering(
    plan(
        tariff(
            flat(STAIRS, "month", "cores", measure="cores"),
            component(
                "5.00",
                id="boxes",
                title="Postfächer",
                billing="one_time",
                measure="boxes",
                quantity=QuantityRule(at_least=Decimal(50), below="refuse"),
            ),
            flat("1.00", "month", "seat", prices=BY_SITE),
            component(id="traffic", prices=BY_DIMENSION),
        ),
        order=(quantity("cores"), quantity("boxes")),
        order_form=FORM,
    )
)
"""Up to ten cores, at least fifty boxes, seats by site and consumer, traffic by what a record says."""

_MUC = {"site": "muc"}
ORDERS: list[tuple[str | None, dict[str, Any]]] = [
    (None, {"quantities": decimals({"cores": 10, "boxes": 50}), "details": _MUC}),
    (None, {"quantities": decimals({"cores": 10}), "details": {"site": "ham"}}),
    ("beyond_last_tier", {"quantities": decimals({"cores": "10.5"}), "details": _MUC}),
    ("below_minimum", {"quantities": decimals({"boxes": 49}), "details": _MUC}),
    ("not_offered", {"details": _MUC, "member": "kit"}),
    (None, {"details": {"site": "ham"}, "member": "kit"}),
    ("not_offered", {"details": {"site": "ber"}}),
    ("not_offered", {"details": {}}),
    ("not_offered", {"details": {"site": "ham"}, "start": dt.date(2027, 1, 1)}),
]
"""What refuses an order, and the order."""
