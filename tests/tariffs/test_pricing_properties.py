"""Laws of prices, and the same prices computed once more by an implementation that shares no code."""

import datetime as dt
import decimal
import random
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import component, tariff

from allmende.schemas.rejections import Rejected
from allmende.schemas.tariff import (
    AmountRule,
    Component,
    Included,
    PercentOf,
    PerUnit,
    PriceCell,
    Pricing,
    QuantityRounding,
    QuantityRule,
    Rounding,
    Tier,
    Tiered,
)
from allmende.tariffs import price as price_rules
from allmende.tariffs.pricing import Priced, price_quantity
from allmende.tariffs.rating import Line, Measured, rate_usage
from allmende.tariffs.rounding import to_integer, to_multiple

DAY = dt.date(2026, 5, 4)
Mode = Literal["up", "down", "nearest", "half_even"]
DECIMAL_MODES: dict[Mode, str] = {
    "up": decimal.ROUND_UP,
    "down": decimal.ROUND_DOWN,
    "nearest": decimal.ROUND_HALF_UP,
    "half_even": decimal.ROUND_HALF_EVEN,
}
AMOUNTS = st.decimals(0, 100, places=4)
QUANTITIES = st.decimals(0, 3000, places=3)
MULTIPLES = st.sampled_from(["0.05", "0.25", "1", "5", "100"]).map(Decimal)
MODES = st.sampled_from(list(DECIMAL_MODES))


def priced(pricing: Pricing, quantity: Decimal) -> Priced:
    found = price_quantity(pricing, quantity, {}, DAY)
    assert isinstance(found, Priced), found
    return found


def of(price: Any, **rules: Any) -> Pricing:
    return Pricing(unit="GB", price=price, **rules)


@st.composite
def staircases(draw: st.DrawFn, *, flats: bool = True, bounded: bool = True) -> tuple[Tier, ...]:
    ends = sorted(draw(st.sets(st.decimals(Decimal("0.001"), 2500, places=3), max_size=5)))
    last = [] if ends and bounded and draw(st.booleans()) else [None]
    flat = AMOUNTS if flats else st.just(Decimal(0))
    per = st.sampled_from(["1", "4", "0.5", "1000"]).map(Decimal)
    return tuple(
        Tier(up_to=end, amount=draw(AMOUNTS), per=draw(per), flat=draw(flat)) for end in [*ends, *last]
    )


@st.composite
def pricings(draw: st.DrawFn) -> Pricing:
    mode: Literal["graduated", "volume"] = draw(st.sampled_from(["graduated", "volume"]))
    price = draw(
        staircases().map(lambda tiers: Tiered(mode=mode, tiers=tiers))
        | AMOUNTS.map(lambda a: PerUnit(amount=a))
    )
    lowest, included = draw(st.none() | st.integers(1, 50)), draw(st.none() | st.integers(0, 500))
    rule = QuantityRule(
        round=QuantityRounding(to=draw(MULTIPLES), mode=draw(MODES)) if draw(st.booleans()) else None,
        at_least=Decimal(lowest) if lowest else None,
        included=Included(quantity=Decimal(included)) if included is not None else None,
    )
    limits: dict[str, Any] = {
        name: draw(st.none() | st.decimals(Decimal("0.01"), 500, places=2))
        for name in ("only_above", "at_least", "at_most")
    }
    rounding = Rounding(to=draw(MULTIPLES), mode=draw(MODES)) if draw(st.booleans()) else None
    return of(price, quantity=rule, amount=AmountRule(**limits, round=rounding))


def oracle(pricing: Pricing, quantity: Decimal) -> int | None:
    """The price in cents, step by step with the decimal module; None beyond the last tier."""
    assert pricing.quantity is not None
    assert pricing.amount is not None
    with decimal.localcontext(prec=120):
        euro = euro_for(pricing.price, charged(pricing.quantity, quantity))
        return None if euro is None else cents_of(pricing.amount, euro)


def charged(rule: QuantityRule, quantity: Decimal) -> Decimal:
    if rule.round is not None:
        steps = (quantity / rule.round.to).to_integral_value(DECIMAL_MODES[rule.round.mode])
        quantity = steps * rule.round.to
    if rule.at_least is not None and quantity:
        quantity = max(quantity, rule.at_least)
    if rule.included is not None:
        quantity = max(quantity - rule.included.quantity, Decimal(0))
    return quantity


def euro_for(price: object, quantity: Decimal) -> Decimal | None:
    if isinstance(price, PerUnit):
        return quantity * price.amount / price.per
    assert isinstance(price, Tiered)
    euro, start, ended = Decimal(0), Decimal(0), False
    for tier in price.tiers:
        end = tier.up_to if tier.up_to is not None else Decimal(10**9)
        within = max(min(quantity, end) - start, Decimal(0))
        if price.mode == "graduated":
            euro += within * tier.amount / tier.per + (tier.flat if within else 0)
        elif start < quantity <= end:
            euro = quantity * tier.amount / tier.per + tier.flat
        ended, start = quantity <= end, end
    return euro if ended else None


def cents_of(limits: AmountRule, euro: Decimal) -> int:
    if limits.only_above is not None and euro <= limits.only_above:
        return 0
    if limits.at_least is not None and euro:
        euro = max(euro, limits.at_least)
    if limits.at_most is not None:
        euro = min(euro, limits.at_most)
    if limits.round is not None:
        steps = (euro / limits.round.to).to_integral_value(DECIMAL_MODES[limits.round.mode])
        euro = steps * limits.round.to
    return int((euro * 100).to_integral_value(decimal.ROUND_HALF_UP))


@given(pricings(), QUANTITIES)
def test_another_implementation_comes_to_the_same_cents(pricing: Pricing, quantity: Decimal) -> None:
    found = price_quantity(pricing, quantity, {}, DAY)
    expected = oracle(pricing, quantity)
    if expected is None:
        assert isinstance(found, Rejected)
        assert found.code == "beyond_last_tier"
    else:
        assert isinstance(found, Priced)
        assert found.amount == expected


def test_the_other_implementation_would_notice_a_wrong_tier(monkeypatch: pytest.MonkeyPatch) -> None:
    stairs = Tiered(
        mode="volume", tiers=(Tier(up_to=Decimal(10), amount=Decimal(2)), Tier(amount=Decimal(1)))
    )
    pricing = of(stairs, quantity=QuantityRule(), amount=AmountRule())
    assert priced(pricing, Decimal(10)).amount == oracle(pricing, Decimal(10)) == 2_000
    monkeypatch.setattr(price_rules, "bisect_left", lambda *_: 1)
    assert priced(pricing, Decimal(10)).amount != oracle(pricing, Decimal(10))


@given(staircases(flats=False, bounded=False), QUANTITIES)
def test_a_graduated_price_is_the_sum_of_its_parts(tiers: tuple[Tier, ...], quantity: Decimal) -> None:
    ends = [Decimal(0), *(tier.up_to for tier in tiers if tier.up_to is not None), Decimal(10**6)]
    parts = [max(min(quantity, end) - start, Decimal(0)) for start, end in pairwise(ends)]
    assert sum(parts) == quantity
    by_part = (
        priced(of(PerUnit(amount=tier.amount, per=tier.per)), part).exact
        for tier, part in zip(tiers, parts, strict=True)
    )
    assert priced(of(Tiered(mode="graduated", tiers=tiers)), quantity).exact == sum(by_part)


@given(staircases(flats=False, bounded=False), QUANTITIES, st.booleans())
def test_a_volume_price_is_bounded_by_the_graduated_one(
    tiers: tuple[Tier, ...], quantity: Decimal, falling: bool
) -> None:
    amounts = sorted((tier.amount for tier in tiers), reverse=falling)
    ordered = tuple(
        Tier(up_to=tier.up_to, amount=amount) for tier, amount in zip(tiers, amounts, strict=True)
    )
    volume = priced(of(Tiered(mode="volume", tiers=ordered)), quantity).exact
    graduated = priced(of(Tiered(mode="graduated", tiers=ordered)), quantity).exact
    assert volume <= graduated if falling else volume >= graduated
    lowest, highest = (
        100 * Fraction(quantity) * Fraction(extreme) for extreme in (min(amounts), max(amounts))
    )
    assert lowest <= min(volume, graduated) <= max(volume, graduated) <= highest


@given(staircases(), QUANTITIES, QUANTITIES)
def test_more_never_costs_less_when_graduated(tiers: tuple[Tier, ...], one: Decimal, other: Decimal) -> None:
    pricing = of(Tiered(mode="graduated", tiers=tiers))
    less, more = (price_quantity(pricing, each, {}, DAY) for each in sorted((one, other)))
    if isinstance(more, Priced):
        assert isinstance(less, Priced)
        assert less.exact <= more.exact


@given(st.fractions(-(10**6), 10**6), MODES)
def test_rounding_to_integers_is_that_of_the_decimal_module(number: Fraction, mode: Mode) -> None:
    with decimal.localcontext(prec=100):
        expected = (Decimal(number.numerator) / number.denominator).to_integral_value(DECIMAL_MODES[mode])
    assert to_integer(number.numerator, number.denominator, mode) == expected


@given(st.integers(-(10**6), 10**6), st.integers(1, 50), MODES)
def test_halves_are_where_the_modes_differ(count: int, to: int, mode: Mode) -> None:
    half = Fraction(2 * count + 1, 2) * to
    expected = (Decimal(2 * count + 1) / 2).to_integral_value(DECIMAL_MODES[mode]) * to
    assert to_multiple(half, Fraction(to), mode) == expected


SEVERAL = (
    component("0.123"),
    component("2.50", id="gb", title="GB", measure="gb", quantity=QuantityRule(at_least=Decimal(3))),
    component(Tiered(mode="graduated", tiers=(Tier(amount=Decimal(1), flat=Decimal(7)),)), id="again"),
    component(
        prices=(
            PriceCell(when={"site": "a"}, price=PerUnit(amount=Decimal(9))),
            PriceCell(price=PerUnit(amount=Decimal(1))),
        ),
        id="site",
    ),
)
FEE = component(PercentOf(percent=Decimal("12.5"), of=("gb", "site")), id="fee", measure=None)


@given(st.randoms(use_true_random=False), st.lists(QUANTITIES, min_size=5, max_size=5))
def test_no_order_of_components_or_measurements_matters(
    chance: random.Random, counted: list[Decimal]
) -> None:
    dimensions = [(), (), (), (("site", "a"),), (("site", "b"),)]
    ids = ["hours", "gb", "again", "site", "site"]
    measured = [
        Measured(id_, quantity, DAY, DAY, 1, which)
        for id_, quantity, which in zip(ids, counted, dimensions, strict=True)
    ]
    shuffled: list[Component] = list(SEVERAL)
    chance.shuffle(shuffled)
    told = list(measured)
    chance.shuffle(told)

    def rated(components: tuple[Component, ...], each: list[Measured]) -> list[tuple[str, Any, int, str]]:
        lines = rate_usage(tariff(*components, FEE), {}, each)
        assert all(isinstance(line, Line) for line in lines)
        return sorted(
            (line.component.id, line.measured and line.measured.dimensions, line.amount_cents, line.trace_de)
            for line in lines
            if isinstance(line, Line)
        )

    before = rated(SEVERAL, measured)
    assert rated(tuple(shuffled), told) == before
    fee = next(cents for id_, _, cents, _ in before if id_ == "fee")
    base = sum(cents for id_, _, cents, _ in before if id_ in {"gb", "site"})
    assert fee == int((Decimal(base) / 8).to_integral_value(decimal.ROUND_HALF_UP))
