"""Whatever the two sides and the clock do, in any order: the table holds, capacity adds up."""

import dataclasses
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.market_walk import Dice, Walk

from allmende.services.brokerage import lifecycle
from allmende.services.brokerage.booking import Booking, waiting_in
from allmende.services.brokerage.life import request
from allmende.services.brokerage.life.working_set import WorkingSet


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_happens_the_rules_hold(data: st.DataObject) -> None:
    walk = Walk()
    dice = Dice(lambda least, most: data.draw(st.integers(least, most)))
    for _ in range(data.draw(st.integers(1, 25))):
        dice.walk(walk)


def stroll(seed: int, steps: int) -> Walk:
    walk = Walk()
    dice = Dice(random.Random(seed).randint)  # noqa: S311 - a walk, not a secret
    for _ in range(steps):
        dice.walk(walk)
    return walk


def test_a_walk_goes_only_where_the_table_leads() -> None:
    table = {
        (row.trigger, actor, row.source, target)
        for row in lifecycle.TABLE
        for actor in row.by
        for target in row.targets
    }
    walked: set[object] = set()
    refused: set[str] = set()
    for seed in range(12):
        walk = stroll(seed, 150)
        walked |= set(walk.steps)
        refused |= set(walk.refusals)
    assert walked <= table
    assert len(walked) > 60
    assert refused >= {"no_capacity", "not_now", "notice_too_short", "line_before_you"}


def test_in_the_end_nothing_is_left_waiting() -> None:
    walk = stroll(7, 200)
    for _ in range(40):
        walk.sleep(24 * 31)
    open_ = [b for b in walk.books.bookings.values() if b.phase not in lifecycle.FINAL]
    assert all(b.instance in {"active", "suspended"} for b in open_)
    assert all(b.waits_for is None for b in open_)


# -- the walk notices when a rule is wrong ------------------------------------------------------


def test_a_phase_without_a_time_limit_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(found: Booking, now: object) -> Booking:
        made = waiting_in(found, now)  # type: ignore[arg-type]
        return dataclasses.replace(made, until=None) if made.state == "pending_provider" else made

    monkeypatch.setattr(request, "waiting_in", forgetful)
    with pytest.raises(AssertionError, match="pending_provider"):
        stroll(1, 150)


def test_capacity_that_is_not_given_back_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    put = WorkingSet._put

    def keeping(self: WorkingSet, before: Booking | None, after: Booking) -> None:
        free = dict(self.free)
        put(self, before, after)
        if after.state == "cancelled":
            self.free = free

    monkeypatch.setattr(WorkingSet, "_put", keeping)
    with pytest.raises(AssertionError):
        stroll(1, 300)


def test_a_request_that_is_not_checked_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request, "shortage", lambda *_: None)
    with pytest.raises(AssertionError):
        stroll(1, 150)
