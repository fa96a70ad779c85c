"""Opening pools, who takes part, which costs are recorded."""

import datetime as dt
from typing import Any

import pytest
from support import pooled
from support.builders import NOW

from allmende.schemas.clause import Charge, Input, Key, Share, Step
from allmende.schemas.pools import (
    PARTICIPANTS_MAX,
    CostRecorded,
    Participant,
    PoolChanged,
    PoolOpened,
    PublishKey,
    ReportCost,
)
from allmende.schemas.rejections import Rejected
from allmende.services.billing.pools import pool
from allmende.services.billing.pools.pool import Cost, Pool

MEMBERS = {"desy", "gsi", "lrz", "office"}


def opened(*participants: Participant, **changes: Any) -> Pool:
    found = pool.open_(pooled.opening(*participants, **changes), members=MEMBERS, exists=False, now=NOW)
    assert isinstance(found, PoolOpened)
    return Pool(found)


def refused(**changes: Any) -> str:
    found = pool.open_(pooled.opening(**changes), members=MEMBERS, exists=False, now=NOW)
    assert isinstance(found, Rejected)
    assert all(found.sentences)
    return found.code


def test_the_version_of_the_first_day_is_frozen() -> None:
    given = pooled.clause()
    old = given.versions[0].model_copy(update={"valid_to": dt.date(2026, 5, 31)})
    new = given.versions[0].model_copy(update={"version": 2, "valid_from": dt.date(2026, 6, 1)})
    both = given.model_copy(update={"versions": (old, new)})
    assert opened(clause=both).version == old
    assert opened(clause=both, first_day=dt.date(2026, 6, 1)).version == new


def test_what_cannot_work_is_refused_with_its_reason() -> None:
    assert refused(clause=pooled.clause(valid_from=dt.date(2026, 1, 2))) == "clause_not_in_force"
    assert refused(clause=pooled.clause(charges=())) == "clause_without_charges"
    assert refused(clause=pooled.clause(exact_cost="none")) == "clause_flawed"
    itself = Charge(step="share", title="Abschlag", kind="advance")
    assert refused(clause=pooled.clause(charges=(itself,))) == "clause_charges_advances"
    assert refused(clause=pooled.clause(decimals=3)) == "pool_not_in_euro"
    assert refused(bearers=("nobody",)) == "not_a_member_of_market"
    assert refused(participants=(Participant(member="nobody"),)) == "not_a_member_of_market"
    again = pool.open_(pooled.opening(), members=MEMBERS, exists=True, now=NOW)
    assert isinstance(again, Rejected)
    assert again.code == "cost_pool_exists"


def test_an_internal_currency_may_have_decimals_of_its_own() -> None:
    assert not opened(clause=pooled.clause(cash=False, currency="AE", decimals=3)).version.cash


def test_a_flaw_names_its_place() -> None:
    shared = Step(id="share", share=Share(amount="costs", by="unknown"))
    found = pool.open_(pooled.opening(clause=pooled.clause(shared)), members=MEMBERS, exists=False, now=NOW)
    assert isinstance(found, Rejected)
    assert found.field == "clause.versions.0.steps.0.share.by"
    assert "unknown" in found.sentences[0]


def test_a_change_replaces_what_was_known_of_a_party() -> None:
    found = opened()
    told = pooled.joining(
        Participant(member="gsi", until=dt.date(2025, 12, 31)),
        Participant(member="desy", party="Hafen", since=dt.date(2026, 7, 2)),
        bearers=("desy",),
    )
    changed = pool.change(told, found, members=MEMBERS, now=NOW)
    assert isinstance(changed, PoolChanged)
    now = Pool(found.opened, (changed,))
    assert list(now.parties) == ["Hafen", "desy", "lrz"]
    assert now.spells == {"Hafen": (dt.date(2026, 7, 2), None)}
    assert now.circle == ("desy", "gsi", "lrz")
    assert now.bearers == {"lrz", "gsi", "desy"}


def test_a_pool_has_room_for_so_many_participants() -> None:
    found = opened()
    names = [f"Amt {number}" for number in range(PARTICIPANTS_MAX - 3)]
    told = pooled.joining(*(Participant(member="desy", party=name) for name in names))
    assert isinstance(pool.change(told, found, members=MEMBERS, now=NOW), PoolChanged)
    more = pooled.joining(*told.participants, Participant(member="desy", party="Amt"))
    refused = pool.change(more, found, members=MEMBERS, now=NOW)
    assert isinstance(refused, Rejected)
    assert refused.code == "too_many_participants"


def test_a_published_version_never_changes() -> None:
    first = pooled.inhabitants()
    assert pool.publish(PublishKey(key=first), None) == first
    assert pool.publish(PublishKey(key=first), first) == first
    other = pool.publish(PublishKey(key=pooled.inhabitants(desy=1)), first)
    assert isinstance(other, Rejected)
    assert other.code == "key_version_taken"


# -- costs -----------------------------------------------------------------------------------------


def recorded(
    told: ReportCost | None = None,
    *,
    by: str = "lrz",
    known: dict[str, Cost] | None = None,
    into: Pool | None = None,
) -> CostRecorded | str:
    given = told or pooled.cost("a", 100)
    found = pool.record(given, by, into or opened(), office="office", known=known or {}, number=1, now=NOW)
    return found.code if isinstance(found, Rejected) else found


def test_bearers_and_the_office_report_costs() -> None:
    for reporter in ("lrz", "gsi", "office"):
        assert isinstance(recorded(by=reporter), CostRecorded)
    assert recorded(by="desy") == "not_a_bearer"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"input": "none"}, "not_a_cost"),
        ({"input": "heads"}, "not_a_cost"),
        ({"party": "desy"}, "cost_party_not_asked"),
        ({"input": "own"}, "cost_party_missing"),
        ({"corrects": "b"}, "unknown_cost"),
    ],
)
def test_a_cost_that_no_input_takes_is_refused(changes: dict[str, str], code: str) -> None:
    inputs = {"costs": pooled.COST, "heads": Input(kind="number"), "own": Input(kind="money", each=True)}
    into = opened(clause=pooled.clause(inputs=inputs))
    assert recorded(pooled.cost("a", 1, **changes), into=into) == code
    assert isinstance(recorded(pooled.cost("a", 1, input="own", party="desy"), into=into), CostRecorded)


def test_a_correction_replaces_once_and_keeps_what_it_replaced() -> None:
    first = recorded()
    assert isinstance(first, CostRecorded)
    assert recorded(known={"a": Cost(first)}) == first
    assert recorded(pooled.cost("a", 2), known={"a": Cost(first)}) == "cost_conflict"
    second = recorded(pooled.cost("b", 70, corrects="a"), known={"a": Cost(first)})
    assert isinstance(second, CostRecorded)
    replaced = Cost(first, "b")
    assert recorded(pooled.cost("c", 1, corrects="a"), known={"a": replaced}) == "cost_corrected"
    assert pool.sums([replaced, Cost(second)]) == {"costs": {None: 70}}


def test_a_key_of_the_clause_alone_needs_nothing_published() -> None:
    equal = pooled.clause(keys={"people": Key(equal=True)})
    assert opened(clause=equal).version.keys["people"].published is None
