"""An amount shared by weights within caps and floors: exact, in any order, and nobody out of bounds."""

import random
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from allmende.schemas.rejections import Rejected
from allmende.tariffs import rounding
from allmende.tariffs.sharing import Allotment, Bounds, allot

AMOUNTS = st.integers(-(10**12), 10**12)
WEIGHTS = st.dictionaries(
    st.sampled_from("ABCDEFGHIJ"),
    st.fractions(0, 10**6, max_denominator=1000),
    min_size=1,
).filter(lambda weights: any(weights.values()))
LIMITS = st.dictionaries(st.sampled_from("ABCDEFGHIJ"), st.integers(0, 10**9).map(Fraction), max_size=5)


def shared(
    amount: int,
    weights: dict[str, Fraction],
    bounds: Bounds | None = None,
    **rule: object,
) -> dict[str, int]:
    found = allot(amount, weights, bounds or Bounds(), **rule)  # type: ignore[arg-type]
    assert not isinstance(found, Rejected), found
    return {party: each.amount for party, each in found.items()}


@given(AMOUNTS, WEIGHTS, st.sampled_from([1, 100, 5000]))
def test_the_shares_sum_to_the_amount(amount: int, weights: dict[str, Fraction], unit: int) -> None:
    found = shared(amount, weights, unit=unit)
    assert sum(found.values()) == amount
    broken = [cents for cents in found.values() if cents % unit]
    assert len(broken) <= 1, "at most one share is no full multiple"


@given(AMOUNTS, WEIGHTS, LIMITS, LIMITS, st.randoms(use_true_random=False))
def test_bounds_hold_sums_are_exact_and_no_order_matters(
    amount: int,
    weights: dict[str, Fraction],
    caps: dict[str, Fraction],
    floors: dict[str, Fraction],
    chance: random.Random,
) -> None:
    found = allot(amount, weights, Bounds(caps, floors))
    names = list(weights)
    chance.shuffle(names)
    assert allot(amount, {name: weights[name] for name in names}, Bounds(caps, floors)) == found
    assume(not isinstance(found, Rejected))
    assert not isinstance(found, Rejected)
    assert sum(each.amount for each in found.values()) == amount
    for party, each in found.items():
        assert abs(each.amount) <= caps.get(party, Fraction(10**18))
        assert abs(each.amount) >= floors.get(party, Fraction(0))
    free = [party for party, each in found.items() if each.limit is None and weights[party]]
    levels = {found[party].exact / weights[party] for party in free}
    assert len(levels) <= 1, "whoever is at no bound bears the same multiple of its weight"


@given(AMOUNTS, WEIGHTS, LIMITS)
def test_what_caps_cut_off_may_stay_over(
    amount: int, weights: dict[str, Fraction], caps: dict[str, Fraction]
) -> None:
    found = shared(amount, weights, Bounds(caps, redistribute=False))
    assert abs(sum(found.values())) <= abs(amount)
    whole = sum(weights.values())
    for party, cents in found.items():
        uncapped = abs(amount) * weights[party] / whole
        assert abs(cents) <= min(uncapped, caps.get(party, uncapped)) + 1


@given(st.integers(0, 10**9), WEIGHTS)
def test_credits_mirror_charges(amount: int, weights: dict[str, Fraction]) -> None:
    assert shared(-amount, weights) == {party: -cents for party, cents in shared(amount, weights).items()}


@pytest.mark.parametrize(
    ("bounds", "code"),
    [
        (Bounds(caps={"A": Fraction(10), "B": Fraction(10)}), "caps_below_amount"),
        (Bounds(floors={"A": Fraction(60), "B": Fraction(60)}), "floors_above_amount"),
        (Bounds(caps={"A": Fraction(1)}, floors={"A": Fraction(2)}), "cap_below_floor"),
    ],
)
def test_bounds_that_cannot_hold_are_refused(bounds: Bounds, code: str) -> None:
    found = allot(100, {"A": Fraction(1), "B": Fraction(1)}, bounds)
    assert isinstance(found, Rejected)
    assert found.code == code
    assert all(found.sentences)


def test_nobody_to_share_is_refused() -> None:
    for weights in ({}, {"A": Fraction(0)}):
        found = allot(100, weights)
        assert isinstance(found, Rejected)
        assert found.code == "nobody_to_share"


def test_what_rounding_leaves_goes_to_whoever_is_named_for_it() -> None:
    thirds = dict.fromkeys("ABC", Fraction(1))
    assert shared(1_000, thirds, remainder="C") == {"A": 333, "B": 333, "C": 334}
    assert shared(1_000, thirds, remainder="Kasse") == {"A": 333, "B": 333, "C": 333, "Kasse": 1}
    assert allot(1_000, thirds) == {
        "A": Allotment(334, Fraction(1000, 3), None, 1),
        "B": Allotment(333, Fraction(1000, 3)),
        "C": Allotment(333, Fraction(1000, 3)),
    }


def test_rounding_each_share_for_itself_would_lose_cents(monkeypatch: pytest.MonkeyPatch) -> None:
    def each_for_itself(_: int, exact: dict[str, Fraction], __: object) -> dict[str, int]:
        return {party: rounding.to_cents(share) for party, share in exact.items()}

    monkeypatch.setattr("allmende.tariffs.sharing.apportion", each_for_itself)
    assert sum(shared(1_000, dict.fromkeys("ABC", Fraction(1))).values()) == 999
