import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError
from support import examples

from allmende.schemas.catalog import ListOfferings, Offering, Plan
from allmende.schemas.tariff import Component, OrderQuantity, PerUnit, Tariff


def tariff(version: int, valid_from: int, valid_to: int | None = None, measure: str = "vcpu") -> Tariff:
    return Tariff(
        version=version,
        valid_from=dt.date(valid_from, 1, 1),
        valid_to=dt.date(valid_to, 12, 31) if valid_to else None,
        components=(
            Component(
                id="setup",
                title="Einrichtung",
                billing="one_time",
                measure=measure,
                unit="vCPU",
                price=PerUnit(amount=Decimal(1)),
            ),
        ),
    )


def plan(*tariffs: Tariff, **changes: Any) -> Plan:
    attributes: dict[str, Any] = {
        "plan_id": "standard",
        "title": "Standard",
        "order": (OrderQuantity(id="vcpu", title="Kerne", unit="vCPU"),),
        "tariffs": tariffs or (tariff(1, 2026),),
    }
    return Plan(**(attributes | changes))


def test_the_provider_stands_in_the_name() -> None:
    assert examples.offering().provider == "weser-it"


def test_tariffs_follow_each_other_with_or_without_a_gap() -> None:
    assert plan(tariff(1, 2026, 2026), tariff(2, 2027, 2027), tariff(9, 2030))


@pytest.mark.parametrize(
    ("tariffs", "reason"),
    [
        ((tariff(2, 2026, 2026), tariff(1, 2027)), "must rise"),
        ((tariff(1, 2026, 2026), tariff(1, 2027)), "must rise"),
        ((tariff(1, 2026), tariff(2, 2027)), "must end before version 2 begins"),
        ((tariff(1, 2026, 2027), tariff(2, 2027)), "must end before version 2 begins"),
        ((tariff(1, 2027, 2027), tariff(2, 2026)), "must end before version 2 begins"),
        ((tariff(1, 2026, measure="ram"),), "the order form does not ask for"),
    ],
)
def test_tariffs_that_contradict_each_other(tariffs: tuple[Tariff, ...], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        plan(*tariffs)


def test_capacity_is_of_what_is_ordered() -> None:
    assert plan(capacity={"vcpu": Decimal(8)}).capacity == {"vcpu": 8}
    with pytest.raises(ValidationError, match="has capacity for ram"):
        plan(capacity={"ram": Decimal(8)})
    with pytest.raises(ValidationError):
        plan(capacity={"vcpu": Decimal(0)})


def test_an_order_quantity_stands_once() -> None:
    quantity = OrderQuantity(id="vcpu", title="Kerne", unit="vCPU")
    with pytest.raises(ValidationError, match="names an order quantity twice"):
        plan(order=(quantity, quantity))


def test_a_plan_stands_once() -> None:
    with pytest.raises(ValidationError, match="names a plan twice"):
        Offering(offering_id="abc/x", title="x", category="compute", plans=(plan(), plan()))
    with pytest.raises(ValidationError):
        Offering(offering_id="abc/x", title="x", category="compute", plans=())


@pytest.mark.parametrize("limit", [0, 501, -1, True, 1.0])
def test_a_page_has_its_limits(limit: Any) -> None:
    assert ListOfferings(limit=500).limit == 500
    with pytest.raises(ValidationError):
        ListOfferings(limit=limit)
