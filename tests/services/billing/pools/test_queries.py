"""Who sees which pools, costs and keys, in answers of bounded size."""

import dataclasses
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from support import pooled
from support.builders import command, register
from support.desk import Desk, NewDesk

from allmende.schemas.clause import Charge, Input, Share, Step
from allmende.schemas.contract import EVENT_BYTES_MAX, Contract
from allmende.schemas.permissions import Role
from allmende.schemas.pools import (
    PARTICIPANTS_MAX,
    Costs,
    Keys,
    ListCosts,
    ListKeys,
    ListPools,
    Participant,
    Pools,
    PoolShown,
    ShowPool,
)
from allmende.schemas.rejections import Rejected
from allmende.servicekit.queries import Caller
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.pools.queries import answers

MEMBERS = register("desy", "gsi", "hzdr", "lrz")
OFFICE = Caller("office", Role.OFFICE, sees_all=True)

Ask = Callable[..., Any]


def member(name: str) -> Caller:
    return Caller(name, Role.MEMBER, sees_all=False)


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    found = await desk(BillingHandler(MEMBERS, 60))
    people = (Participant(member="desy"), Participant(member="gsi"))
    told = [
        ("office", pooled.published(desy=2, gsi=1)),
        ("office", pooled.published(2, 2026, desy=1, gsi=1)),
        ("office", pooled.opening(*people, bearers=("lrz",))),
        ("office", pooled.opening(Participant(member="gsi"), pool_id="other", bearers=())),
        ("lrz", pooled.cost("a", 1_000)),
        ("lrz", pooled.cost("b", 900, corrects="a")),
    ]
    await found.take(*(command(by, data, number) for number, (by, data) in enumerate(told, 1)))
    return found


async def ask(desk: Desk, name: str, caller: Caller, asked: Contract) -> Any:
    async with desk.engine.connect() as connection:
        return await answers(MEMBERS)[name](connection, caller, asked)


async def pools_of(desk: Desk, caller: Caller) -> list[str]:
    found = await ask(desk, "billing.pool.list", caller, ListPools())
    assert isinstance(found, Pools)
    return [each.pool_id for each in found.pools]


async def test_a_pool_is_seen_by_those_whom_it_concerns(billing: Desk) -> None:
    assert await pools_of(billing, member("desy")) == ["rz-2026"]
    assert await pools_of(billing, member("gsi")) == ["other", "rz-2026"]
    assert await pools_of(billing, member("lrz")) == ["rz-2026"]
    assert await pools_of(billing, member("hzdr")) == []
    assert await pools_of(billing, OFFICE) == ["other", "rz-2026"]
    for name, asked in (
        ("billing.pool.show", ShowPool(pool_id="rz-2026")),
        ("billing.cost.list", ListCosts(pool_id="rz-2026")),
    ):
        for caller in (member("desy"), member("lrz"), OFFICE):
            assert not isinstance(await ask(billing, name, caller, asked), Rejected)
        refused = await ask(billing, name, member("hzdr"), asked)
        # It is not even told that there is such a pool; the control is the caller who sees all.
        assert refused == await ask(
            billing, name, member("hzdr"), asked.model_copy(update={"pool_id": "rz-2026"})
        )
        assert refused.code == "unknown_cost_pool"
        seeing = dataclasses.replace(member("hzdr"), sees_all=True)
        assert not isinstance(await ask(billing, name, seeing, asked), Rejected)


async def test_a_list_is_told_page_by_page(billing: Desk) -> None:
    first = await ask(billing, "billing.pool.list", OFFICE, ListPools(limit=1))
    assert (first.next_after, first.pools[0].costs_cents) == ("other", 0)
    second = await ask(billing, "billing.pool.list", OFFICE, ListPools(limit=1, after="other"))
    assert (second.next_after, second.pools[0].costs_cents) == (None, 900)
    costs = await ask(billing, "billing.cost.list", OFFICE, ListCosts(pool_id="rz-2026", limit=1))
    assert isinstance(costs, Costs)
    assert (costs.costs[0].corrected_by, costs.next_after) == ("b", 1)
    rest = await ask(billing, "billing.cost.list", OFFICE, ListCosts(pool_id="rz-2026", after=1))
    assert [each.recorded.cost.evidence for each in rest.costs] == ["ER-b"]


async def test_everybody_sees_every_version_of_a_key(billing: Desk) -> None:
    page = await ask(billing, "billing.key.list", member("hzdr"), ListKeys(limit=1))
    assert isinstance(page, Keys)
    assert (page.keys[0].key.version, page.next_after) == (1, "einwohner/1")
    rest = await ask(billing, "billing.key.list", member("hzdr"), ListKeys(after=page.next_after))
    assert [each.key.version for each in rest.keys] == [2]
    none = await ask(billing, "billing.key.list", member("hzdr"), ListKeys(key_id="none"))
    assert none.keys == ()


async def test_the_outlook_runs_the_clause_on_what_is_known(billing: Desk) -> None:
    shown = await ask(billing, "billing.pool.show", member("desy"), ShowPool(pool_id="rz-2026"))
    assert isinstance(shown, PoolShown)
    assert shown.outlook.amounts == {"desy": 450, "gsi": 450}
    assert [story.count("desy") for story in shown.outlook.story_de] == [1]
    assert shown.settled is None
    assert shown.clause is not None
    twice = ShowPool(pool_id="rz-2026", inputs={"costs": 1})
    held = await ask(billing, "billing.pool.show", OFFICE, twice)
    assert "costs" in held.outlook.held_de
    assert held.outlook.held_en


async def test_an_internal_currency_is_shown_and_never_charged(billing: Desk) -> None:
    units = pooled.clause(
        Step(id="share", share=Share(amount="costs", by="people")),
        inputs={"costs": Input(kind="money")},
        cash=False,
        currency="AE",
        decimals=3,
    )
    opened = pooled.opening(
        Participant(member="desy"), Participant(member="gsi"), clause=units, pool_id="units"
    )
    await billing.take(command("office", opened, 50))
    asked = ShowPool(pool_id="units", inputs={"costs": 14_001})
    shown = await ask(billing, "billing.pool.show", member("gsi"), asked)
    assert shown.outlook.amounts == {"desy": 7_001, "gsi": 7_000}
    assert "AE" in shown.outlook.story_de[0]
    [refused] = await billing.take(command("office", pooled.settling(pool_id="units"), 51))
    assert refused.data.code == "pool_not_cash"  # type: ignore[attr-defined]


async def test_the_largest_pool_fits_into_an_event_and_an_answer(billing: Desk) -> None:
    wide = "\N{OLD ITALIC LETTER A}" * 190
    names = [f"{wide}{number:03d}" for number in range(PARTICIPANTS_MAX)]
    people = tuple(Participant(member="desy", party=name) for name in names)
    key = pooled.inhabitants(1, 2020, desy=1).model_copy(
        update={"key_id": "wide", "values": dict.fromkeys(names, Decimal(1))}
    )
    shared = Step(id="share", title="Umlage", share=Share(amount="costs", by="people"))
    charge = Charge(step="share", title="Umlage")
    keys = {"people": pooled.clause().versions[0].keys["people"].model_copy(update={"published": "wide"})}
    opened = pooled.opening(
        *people[:250], clause=pooled.clause(shared, charges=(charge,), keys=keys), pool_id="wide"
    )
    told = [
        ("office", type(pooled.published())(key=key)),
        ("office", opened),
        ("office", pooled.joining(*people[250:], pool_id="wide")),
        ("lrz", pooled.cost("w", 10**13, pool_id="wide")),
        ("office", pooled.settling(pool_id="wide")),
    ]
    facts = await billing.take(*(command(by, data, 60 + n) for n, (by, data) in enumerate(told)))
    assert "PoolSettled" in [type(each.data).__name__ for each in facts]
    assert all(len(each.data.model_dump_json().encode()) < EVENT_BYTES_MAX - 4096 for each in facts)
    shown = await ask(billing, "billing.pool.show", member("desy"), ShowPool(pool_id="wide"))
    assert len(shown.model_dump_json().encode()) < EVENT_BYTES_MAX
