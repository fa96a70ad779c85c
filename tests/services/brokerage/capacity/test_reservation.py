"""What a booking holds, what a move takes or gives back, and what is refused."""

import dataclasses
import datetime as dt
from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import agreement, decimals

from allmende.services.brokerage import lifecycle
from allmende.services.brokerage.booking import Amendment, Booking, Progress
from allmende.services.brokerage.capacity.reservation import CapacityKey, difference, reserved, shortage
from allmende.services.brokerage.lifecycle import Phase

CORES: CapacityKey = ("lrz/vm", "standard", "", "cores")
RAM: CapacityKey = ("lrz/vm", "standard", "", "ram")


def holding(amounts: Mapping[str, int | str], phase: Phase = lifecycle.ACTIVE) -> Booking:
    return Booking(agreement(1, quantities=decimals(amounts)), *phase)


def changing(before: Mapping[str, int | str], after: Mapping[str, int | str]) -> Booking:
    """A booking with a change that is not in effect yet."""
    terms = agreement(1, quantities=decimals(after))
    change = Amendment(agreement=terms, effective_on=dt.date(2026, 9, 1), agreed=True)
    return dataclasses.replace(holding(before), progress=Progress(amendment=change))


def test_what_is_ordered_is_reserved_and_given_back() -> None:
    booked = holding({"cores": 2, "ram": 64})
    assert reserved(booked) == difference(None, booked) == {CORES: 2, RAM: 64}
    over = dataclasses.replace(booked, instance="terminated")
    assert reserved(over) == {}
    assert difference(booked, over) == {CORES: -2, RAM: -64}


def test_of_a_change_the_greater_of_both_is_reserved() -> None:
    assert reserved(changing({"cores": 2, "ram": 64}, {"cores": 5, "ram": 8})) == {CORES: 5, RAM: 64}


@pytest.mark.parametrize("phase", sorted(lifecycle.WITHOUT_CAPACITY, key=str), ids=lifecycle.name_of)
def test_who_waits_or_is_done_holds_nothing(phase: Phase) -> None:
    assert reserved(holding({"cores": 2}, phase)) == {}


def test_only_what_is_more_than_is_left_is_refused() -> None:
    before, after = holding({"cores": 2}), holding({"cores": "5.5"})
    assert shortage(after, before, {CORES: Decimal("3.5")}) is None
    refused = shortage(after, before, {CORES: Decimal(3)})
    assert refused is not None
    assert (refused.code, refused.field) == ("no_capacity", "quantities.cores")
    assert refused.sentences[1] == "cores: 3.5 requested, 3 free."
    assert shortage(before, after, {CORES: Decimal(0)}) is None, "giving back needs no room"
    assert shortage(after, before, {}) is None, "nothing limits it"


AMOUNTS = st.dictionaries(st.sampled_from(["cores", "ram"]), st.integers(0, 9))
STEPS = st.lists(st.tuples(AMOUNTS, st.sampled_from(list(lifecycle.phases()))), min_size=1, max_size=6)


@given(STEPS)
def test_the_differences_of_all_moves_come_to_what_is_reserved_in_the_end(
    steps: list[tuple[dict[str, int], Phase]],
) -> None:
    taken: dict[CapacityKey, Decimal] = {}
    before: Booking | None = None
    for amounts, phase in steps:
        after = holding(amounts, phase)
        for key, amount in difference(before, after).items():
            taken[key] = taken.get(key, Decimal(0)) + amount
        before = after
    assert {key: amount for key, amount in taken.items() if amount} == reserved(before)
