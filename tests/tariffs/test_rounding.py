"""Amounts become cents: a line rounded once, a whole shared out without losing any."""

import itertools
import random
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.keys import KOENIGSTEINER_2019

from allmende.tariffs.rounding import share_out, to_cents

TOTALS = st.integers(-(10**12), 10**12)
WEIGHTS = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=4),
    st.fractions(min_value=0, max_value=10**6, max_denominator=1000),
    min_size=1,
    max_size=12,
).filter(lambda weights: any(weights.values()))


def naive(total_cents: int, weights: dict[str, Fraction]) -> dict[str, int]:
    whole = sum(weights.values())
    return {name: to_cents(total_cents * weight / whole) for name, weight in weights.items()}


@given(st.decimals(-(10**15), 10**15, places=6))
def test_a_line_is_rounded_commercially(amount: Decimal) -> None:
    with localcontext(prec=60):
        expected = int(amount.quantize(Decimal(1), ROUND_HALF_UP))
    assert to_cents(Fraction(amount)) == expected


@pytest.mark.parametrize(
    ("amount", "cents"),
    [("1/2", 1), ("-1/2", -1), ("5/2", 3), ("-5/2", -3), ("1/3", 0), ("-2/3", -1), ("0", 0), ("7", 7)],
)
def test_half_a_cent_goes_away_from_zero(amount: str, cents: int) -> None:
    assert to_cents(Fraction(amount)) == cents


@given(st.fractions(-(10**9), 10**9))
def test_rounding_moves_a_line_by_half_a_cent_at_most(amount: Fraction) -> None:
    assert abs(to_cents(amount) - amount) <= Fraction(1, 2)
    assert to_cents(-amount) == -to_cents(amount)


@settings(max_examples=60)
@given(TOTALS, WEIGHTS)
def test_shares_sum_to_the_total_and_lie_within_a_cent_of_the_exact(
    total: int, weights: dict[str, Fraction]
) -> None:
    shares = share_out(total, weights)
    whole = sum(weights.values())
    assert sum(shares.values()) == total
    assert list(shares) == list(weights)
    for name, cents in shares.items():
        assert abs(cents - total * weights[name] / whole) < 1
        assert weights[name] or cents == 0


@settings(max_examples=60)
@given(TOTALS, WEIGHTS, st.randoms(use_true_random=False))
def test_the_order_of_the_input_changes_nothing(
    total: int, weights: dict[str, Fraction], chance: random.Random
) -> None:
    names = list(weights)
    chance.shuffle(names)
    assert share_out(total, {name: weights[name] for name in names}) == share_out(total, weights)


@settings(max_examples=60)
@given(TOTALS, WEIGHTS, st.fractions(min_value=Fraction(1, 10**6), max_value=10**6))
def test_scaling_all_weights_changes_nothing(
    total: int, weights: dict[str, Fraction], factor: Fraction
) -> None:
    scaled = {name: weight * factor for name, weight in weights.items()}
    assert share_out(total, scaled) == share_out(total, weights)


@settings(max_examples=60)
@given(TOTALS, WEIGHTS)
def test_a_credit_mirrors_the_charge(total: int, weights: dict[str, Fraction]) -> None:
    mirrored = {name: -cents for name, cents in share_out(total, weights).items()}
    assert share_out(-total, weights) == mirrored


@settings(max_examples=60)
@given(st.integers(0, 10**12), WEIGHTS)
def test_who_weighs_more_never_gets_less(total: int, weights: dict[str, Fraction]) -> None:
    shares = share_out(total, weights)
    in_order = sorted(weights, key=lambda name: weights[name])
    assert all(shares[less] <= shares[more] for less, more in itertools.pairwise(in_order))


@pytest.mark.parametrize(
    ("total", "weights", "expected"),
    [
        (100, {"c": 1, "a": 1, "b": 1}, {"c": 33, "a": 34, "b": 33}),  # equal weights: by name
        (2, {"a": 1, "b": 3}, {"a": 0, "b": 2}),  # equal remainders: the larger weight first
        (2, {"a": 3, "b": 1}, {"a": 2, "b": 0}),
        (1, {"ä": 1, "z": 1}, {"ä": 0, "z": 1}),  # by name means by code point
        (-100, {"c": 1, "a": 1, "b": 1}, {"c": -33, "a": -34, "b": -33}),
    ],
)
def test_ties_are_broken_in_the_documented_order(
    total: int, weights: dict[str, int], expected: dict[str, int]
) -> None:
    assert share_out(total, {name: Fraction(weight) for name, weight in weights.items()}) == expected


@pytest.mark.parametrize("weights", [{}, {"a": 0}, {"a": 2, "b": -1}])
def test_shares_need_weights(weights: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="weights"):
        share_out(100, {name: Fraction(weight) for name, weight in weights.items()})


def test_ten_shares_on_half_a_cent_have_one_definite_result() -> None:
    total = 25_000_000
    weights = {land: Fraction(percent) for land, percent in KOENIGSTEINER_2019.items()}
    exact = {land: total * weight / 100 for land, weight in weights.items()}
    halves = {land for land, share in exact.items() if share % 1 == Fraction(1, 2)}
    assert len(halves) == 10
    assert len({share % 1 for share in exact.values()}) == 2, "the other shares are whole cents"

    shares = share_out(total, weights)

    assert sum(shares.values()) == total
    rounded_up = {land for land in halves if shares[land] > exact[land]}
    assert rounded_up == {"Baden-Württemberg", "Niedersachsen", "Hessen", "Berlin", "Brandenburg"}, (
        "of equal remainders the five largest weights come first"
    )
    assert sum(naive(total, weights).values()) == total + 5, "rounded one by one, five cents appear"


def test_rounding_one_by_one_misses_most_totals() -> None:
    chance = random.Random(2019)  # noqa: S311 - the same draw every time
    missed = 0
    for _ in range(200):
        weights = {f"m{number:02d}": Fraction(chance.randint(1, 10**6)) for number in range(25)}
        total = chance.randint(10**6, 10**8)
        assert sum(share_out(total, weights).values()) == total
        missed += sum(naive(total, weights).values()) != total
    assert missed > 100


@settings(max_examples=30)
@given(st.integers(0, 10**12))
def test_a_key_of_one_takes_all(total: int) -> None:
    assert share_out(total, {"desy": Fraction(3, 7)}) == {"desy": total}
