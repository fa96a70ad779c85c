"""The table of transitions itself: complete, reachable, with an end to every wait."""

import datetime as dt
import functools
import itertools
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

import pytest
from support.builders import NOW, agreement, decimals, offering, plan
from support.market_walk import commands

from allmende.schemas.brokerage import BookingChanged, Side
from allmende.schemas.conditions import Conditions
from allmende.services.brokerage import lifecycle
from allmende.services.brokerage.booking import Amendment, Booking, Progress, waiting_in
from allmende.services.brokerage.capacity.listing import Listed
from allmende.services.brokerage.life import change, deadline
from allmende.services.brokerage.life.move import Moved, Surroundings
from allmende.services.brokerage.life.request import Consumer
from allmende.services.brokerage.lifecycle import TABLE, Phase, Row

LASTING: set[Phase] = {
    (state, instance) for state in ("completed", "partial") for instance in ("active", "suspended")
}
"""Nobody must act: a service runs, or rests, for as long as both want it."""


def test_every_trigger_of_an_actor_leads_one_way_from_a_phase() -> None:
    keys = Counter((row.trigger, actor, row.source) for row in TABLE for actor in row.by)
    assert [key for key, count in keys.items() if count > 1] == []
    assert all(lifecycle.find(*key) for key in keys)


def test_every_phase_is_reached_from_a_request() -> None:
    reached: set[Phase] = set()
    border = {target for row in TABLE if row.source is None for target in row.targets}
    while border:
        reached |= border
        border = {t for row in TABLE if row.source in border for t in row.targets} - reached
    assert reached == set(lifecycle.phases())


@pytest.mark.parametrize("phase", list(lifecycle.phases()), ids=lifecycle.name_of)
def test_whatever_waits_is_ended_by_the_clock(phase: Phase) -> None:
    by_clock = [row for row in TABLE if row.source == phase and "clock" in row.by]
    ways = [row for row in TABLE if row.source == phase]
    if phase in lifecycle.FINAL:
        assert ways == []
    elif phase in LASTING:
        assert {"end", "renew"} <= {row.trigger for row in by_clock}
    else:
        assert any(set(row.targets) != {phase} for row in by_clock)


@pytest.mark.parametrize("phase", list(lifecycle.phases()), ids=lifecycle.name_of)
def test_from_every_phase_an_end_can_be_reached(phase: Phase) -> None:
    reached, border = {phase}, {phase}
    while border:
        border = {t for row in TABLE if row.source in border for t in row.targets} - reached
        reached |= border
    assert reached & lifecycle.FINAL


ROWS = [(row, actor) for row in TABLE if row.source is not None for actor in row.by]
PATIENT = Conditions(
    provider_approval_hours=24, provisioning_hours=24, dismantling_hours=24, waiting_list=True
)
RENEWING = Conditions(renewal_months=1)


def variants(phase: Phase) -> Iterator[Booking]:
    """Bookings in a phase, with everything that can be remembered of one."""
    days = dt.timedelta(days=1)
    today = NOW.date()
    for conditions in (PATIENT, Conditions(), RENEWING):
        for end in (None, today - days, today + 90 * days):
            terms = agreement(conditions=conditions, quantities=decimals({"cores": 2}), end=end)
            changed = terms.model_copy(update={"quantities": decimals({"cores": 3})})
            changes = [
                None,
                Amendment(agreement=changed, effective_on=today, agreed=True),
                Amendment(agreement=changed, effective_on=today + days, agreed=False, until=NOW - days),
            ]
            sides: tuple[Side | None, ...] = (None, "consumer", "provider")
            for change_, side in itertools.product(changes, sides):
                can_change = phase[1] in {"active", "suspended", "updating"}
                must_change = phase[1] == "updating"
                if (change_ is None and must_change) or (change_ is not None and not can_change):
                    continue
                waits = today if side else today - days
                progress = Progress(wait_until=waits, suspended_by=side, amendment=change_)
                made = Booking(terms, *phase, progress=progress)
                yield waiting_in(made, NOW - 200 * days)
                yield waiting_in(made, NOW)


def moves_of(found: Booking) -> Iterator[BookingChanged]:
    """Everything that can become of a booking at once."""
    moved = deadline.fall_due(found, NOW)
    outcomes: list[object] = [moved] if moved else []
    if found.state == "held":
        free = {(*found.line, "cores"): Decimal(5)}
        outcomes = [*outcomes, *deadline.offer_in_line([found], free, free, NOW)]
    listed = Listed(offering(plan(plan_id="standard"), plan(plan_id="undone")), 1)
    around = Surroundings(NOW, {}, {}, listed, Consumer("desy"))
    sides: tuple[Side, ...] = ("consumer", "provider")
    for side, command in itertools.product(sides, commands(found.id, NOW, 0, 2)):
        outcomes.append(change.decide(found, side, command, around))
    for outcome in outcomes:
        if isinstance(outcome, Moved):
            fact = outcome.facts[-1]
            assert isinstance(fact, BookingChanged)
            yield fact


@functools.cache
def ways_from(phase: Phase) -> set[tuple[str, str, Phase]]:
    return {
        (fact.trigger, fact.by, (fact.state, fact.instance))
        for variant in variants(phase)
        for fact in moves_of(variant)
    }


@pytest.mark.parametrize(("row", "actor"), ROWS, ids=lambda x: x if isinstance(x, str) else x.trigger)
def test_every_row_can_happen(row: Row, actor: str) -> None:
    source = row.source
    assert source is not None
    found = {phase for trigger, by, phase in ways_from(source) if (trigger, by) == (row.trigger, actor)}
    assert found
    assert found <= set(row.targets)


def test_an_unknown_way_is_none() -> None:
    assert lifecycle.find("approve", "consumer", lifecycle.PENDING_PROVIDER) is None
    assert lifecycle.find("approve", "provider", lifecycle.PENDING_PROVIDER) is not None
