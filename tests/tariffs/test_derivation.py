"""Prices taken from another provider's list."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import component, tariff

from allmende.schemas.money import plain
from allmende.schemas.rejections import Rejected
from allmende.schemas.tariff import (
    AmountRule,
    Component,
    Derived,
    Free,
    PerUnit,
    QuantityRule,
    Tier,
    Tiered,
)
from allmende.tariffs.derivation import Concrete, derive


def asking(factor: str = "1", plus: str = "0", name: str = "hours") -> Derived:
    return Derived(
        offering_id="dfn/netz", plan_id="s", component=name, factor=Decimal(factor), plus=Decimal(plus)
    )


def taken(asked: Derived, source: Component) -> Concrete | Rejected:
    return derive(asked, "h", "EUR", tariff(source, version=4))


@pytest.mark.parametrize(
    ("amount", "per", "factor", "plus", "expected"),
    [
        ("12.00", "1", "1", "0", ("12.00", "1")),
        ("12.00", "4", "1.05", "0.10", ("12.70", "4")),
        ("0.000000123", "1", "0.5", "0", ("0.000000615", "10")),
        ("100", "1", "1", "-99.5", ("0.50", "1")),
    ],
)
def test_a_price_is_multiplied_and_added_to(
    amount: str, per: str, factor: str, plus: str, expected: tuple[str, str]
) -> None:
    asked = asking(factor, plus)
    found = taken(asked, component(amount, per))
    assert isinstance(found, PerUnit)
    assert (plain(found.amount), plain(found.per)) == expected
    assert (found.derived_from, found.derived_version) == (asked, 4)


def test_a_staircase_is_taken_tier_by_tier() -> None:
    stairs = Tiered(
        mode="volume",
        tiers=(Tier(up_to=Decimal(10), amount=Decimal(2), flat=Decimal(5)), Tier(amount=Decimal(1))),
    )
    found = taken(asking("1.5", "0.25"), component(stairs))
    assert isinstance(found, Tiered)
    assert [(tier.up_to, tier.amount, tier.flat) for tier in found.tiers] == [
        (Decimal(10), Decimal("3.25"), Decimal("7.5")),
        (None, Decimal("1.75"), Decimal(0)),
    ]
    assert found.mode == "volume"


@pytest.mark.parametrize(
    ("asked", "source", "code"),
    [
        (asking(name="gb"), component(), "derived_unknown"),
        (asking(), component(Free(reason="Grundversorgung")), "derived_not_plain"),
        (asking(), component(price_by_class={"a": PerUnit(amount=Decimal(1))}), "derived_not_plain"),
        (asking(), component(quantity=QuantityRule(at_least=Decimal(1))), "derived_not_plain"),
        (asking(), component(amount=AmountRule(at_least=Decimal(1))), "derived_not_plain"),
        (asking(), component(unit="GB"), "derived_unlike"),
        (asking(plus="-2"), component(), "derived_out_of_range"),
        (asking(factor="999999999999999"), component("999999999999999"), "derived_out_of_range"),
    ],
)
def test_what_cannot_be_taken_says_why(asked: Derived, source: Component, code: str) -> None:
    scheme = "lrz" if source.price_by_class else None
    refused = derive(asked, "h", "EUR", tariff(source, class_scheme=scheme))
    assert isinstance(refused, Rejected)
    assert refused.code == code
    assert all(refused.sentences)


def test_another_currency_is_another_price() -> None:
    refused = derive(asking(), "h", "AE", tariff())
    assert isinstance(refused, Rejected)
    assert refused.parameters["there"] == "EUR/h"


PRICES = st.decimals(0, 10**6, places=9)


@given(PRICES, st.decimals(Decimal("0.000000001"), 1000, places=9), st.decimals(0, 100, places=9))
def test_nothing_is_rounded(amount: Decimal, factor: Decimal, plus: Decimal) -> None:
    found = taken(asking(str(factor), str(plus)), component(str(amount)))
    if isinstance(found, Rejected):
        assert found.code == "derived_out_of_range"
    else:
        assert isinstance(found, PerUnit)
        assert found.amount == (amount * factor + plus) * found.per
