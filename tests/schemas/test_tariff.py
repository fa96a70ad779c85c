import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError
from support import examples

from allmende.schemas.tariff import (
    AllocationKey,
    Component,
    Free,
    NotOffered,
    OrderQuantity,
    PercentOf,
    PerUnit,
    Tariff,
)

PRICE = PerUnit(amount=Decimal(1))


def component(**changes: Any) -> Component:
    attributes: dict[str, Any] = {
        "id": "runtime",
        "title": "Laufzeit",
        "billing": "usage",
        "measure": "hours",
        "unit": "h",
        "price": PRICE,
    }
    return Component(**(attributes | changes))


def tariff(**changes: Any) -> Tariff:
    attributes: dict[str, Any] = {
        "version": 1,
        "valid_from": dt.date(2026, 1, 1),
        "components": (component(),),
    }
    return Tariff(**(attributes | changes))


def key(**changes: Any) -> AllocationKey:
    return AllocationKey.model_validate({**dict(examples.allocation_key()), **changes})


def test_a_price_is_told_by_its_kind() -> None:
    text = examples.tariff().model_dump_json()
    assert Tariff.model_validate_json(text) == examples.tariff()
    cells = examples.tariff().components[1].price_by_class
    assert cells is not None
    assert [type(price) for price in cells.values()] == [Free, PerUnit, NotOffered]
    with pytest.raises(ValidationError):
        Component.model_validate_json(component().model_dump_json().replace('"per_unit"', '"gift"'))


@pytest.mark.parametrize("prices", [{"price": None}, {"price_by_class": {"A": PRICE}}])
def test_a_component_has_one_kind_of_price(prices: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="one of price, price_by_class and prices"):
        component(**prices)


def test_prices_by_class_need_a_scheme_and_a_cell() -> None:
    by_class = component(price=None, price_by_class={"A": PRICE})
    assert tariff(class_scheme="weser", components=(by_class,)).class_scheme == "weser"
    with pytest.raises(ValidationError, match="names no class_scheme"):
        tariff(components=(by_class,))
    with pytest.raises(ValidationError):
        component(price=None, price_by_class={})


def test_a_price_counts_in_positive_units() -> None:
    with pytest.raises(ValidationError):
        PerUnit(amount=Decimal(1), per=Decimal(0))
    with pytest.raises(ValidationError):
        PerUnit(amount=Decimal(-1))


def test_a_tariff_does_not_end_before_it_begins() -> None:
    assert tariff(valid_to=dt.date(2026, 1, 1)).valid_to == dt.date(2026, 1, 1)
    with pytest.raises(ValidationError, match="ends before it begins"):
        tariff(valid_to=dt.date(2025, 12, 31))


def test_a_tariff_names_each_component_once() -> None:
    with pytest.raises(ValidationError, match="names a component twice"):
        tariff(components=(component(), component()))
    with pytest.raises(ValidationError):
        tariff(components=())


@pytest.mark.parametrize("unit", ["h", "GiB", "µs", "%", "100 GB", "GB/month"])
def test_units(unit: str) -> None:
    assert component(unit=unit).unit == unit


@pytest.mark.parametrize("unit", ["", " h", "h\n", "€", "μs", "x" * 33])
def test_what_is_no_unit(unit: str) -> None:
    with pytest.raises(ValidationError):
        component(unit=unit)


def test_an_order_quantity_has_its_limits_in_order() -> None:
    assert OrderQuantity(id="vcpu", title="vCPU", unit="vCPU", maximum=Decimal(0)).maximum == 0
    with pytest.raises(ValidationError, match="maximum is below minimum"):
        OrderQuantity(id="vcpu", title="vCPU", unit="vCPU", minimum=Decimal(2), maximum=Decimal(1))


def test_percentages_sum_to_a_hundred_exactly() -> None:
    third = {"a": Decimal("33.333333333"), "b": Decimal("33.333333333"), "c": Decimal("33.333333334")}
    assert key(unit="percent", values=third).unit == "percent"
    with pytest.raises(ValidationError, match=r"sums to 99\.999999999 percent"):
        key(unit="percent", values=third | {"c": Decimal("33.333333333")})


def test_weights_may_sum_to_anything_but_each_is_positive() -> None:
    assert key(values={"a": Decimal("0.000000001")}).unit == "weight"
    for values in ({}, {"a": Decimal(0)}, {"a": Decimal(-1)}, {f"x{n}": Decimal(1) for n in range(2_001)}):
        with pytest.raises(ValidationError):
            key(values=values)


def test_a_percentage_falls_due_with_what_it_is_of() -> None:
    monthly = component(id="base", billing="fixed", period="month", measure=None)
    share = {"price": PercentOf(percent=Decimal(5), of=("base",)), "measure": None, "id": "fee"}
    assert tariff(components=(monthly, component(**share, billing="fixed", period="month")))
    assert tariff(components=(monthly, component(**share))), "of usage it may be of everything in the month"
    with pytest.raises(ValidationError, match="fee is a percentage of base, which falls due at another time"):
        tariff(components=(monthly, component(**share, billing="fixed", period="year")))
    with pytest.raises(ValidationError, match="does not stand before it"):
        tariff(components=(component(**share, billing="fixed", period="month"), monthly))
