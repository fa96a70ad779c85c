"""Batches about pools, with a real database: whole, in pieces, twice, by two processes at once."""

import asyncio
import dataclasses
import datetime as dt
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError
from support import pooled
from support.bodies import closing
from support.builders import command, register
from support.desk import Desk, NewDesk, codes, persistently, said

from allmende.schemas.billing import ChargeLine, SettlementClosed, StatementIssued
from allmende.schemas.contract import Contract
from allmende.schemas.documents import read_documents
from allmende.schemas.pools import (
    AdvancePool,
    CarryForward,
    CostRecorded,
    OpenPool,
    Participant,
    PoolAdvanced,
    PoolSettled,
    PublishKey,
    ReportCost,
    SettlePool,
)
from allmende.schemas.registry import Audience
from allmende.schemas.tariff import AllocationKey
from allmende.servicekit.messages import Incoming, Outgoing
from allmende.services.billing.handlers import BillingHandler

EXAMPLES = Path(__file__).parents[4] / "docs/examples/pools"
MEMBERS = register("desy", "gsi", "hzdr", "lrz")
WRITTEN_ONCE = (
    "allocation_key",
    "pool",
    "pool_change",
    "pool_participant",
    "pool_cost",
    "pool_run",
    "pool_charge",
)
TABLES = {name: f"select t::text from {name} t order by 1" for name in (*WRITTEN_ONCE, "charge_line")}


def handler() -> BillingHandler:
    return BillingHandler(MEMBERS, 60)


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    return await desk(handler())


async def tables(desk: Desk) -> dict[str, list[str]]:
    return {name: [repr(row) for row in await desk.rows(statement)] for name, statement in TABLES.items()}


def office(number: int, data: Contract) -> Incoming:
    return command("office", data, number)


OPEN = [office(1, pooled.published()), office(2, pooled.opening())]
BATCH = [
    *OPEN,
    office(3, pooled.published()),
    office(4, pooled.published(desy=1)),
    office(5, pooled.opening()),
    office(6, pooled.advancing(100_000)),
    command("lrz", pooled.cost("a", 60_000), 7),
    command("gsi", pooled.cost("a", 30_000), 8),
    command("lrz", pooled.cost("b", 55_000, corrects="a"), 9),
    command("lrz", pooled.cost("c", 1, corrects="a"), 10),
    command("lrz", pooled.cost("a", 1), 11),
    command("lrz", pooled.cost("b", 55_000, corrects="a"), 12),
    command("desy", pooled.cost("a", 1), 13),
    command("lrz", pooled.cost("x", 1, pool_id="none"), 14),
    office(15, pooled.published(2, 2026, desy=40, gsi=40, lrz=20)),
    office(16, pooled.joining(Participant(member="hzdr", since=dt.date(2026, 7, 2)), bearers=("hzdr",))),
    office(17, pooled.published(3, 2026, desy=40, gsi=40, lrz=20, hzdr=20)),
    office(18, pooled.settling()),
    command("hzdr", pooled.cost("late", 5_000), 19),
    office(20, pooled.settling()),
    office(21, pooled.settling(pool_id="none")),
    office(22, pooled.advancing(1)),
]
TOLD = [
    "KeyPublished",
    "PoolOpened",
    "KeyPublished",
    "key_version_taken",
    "cost_pool_exists",
    "PoolAdvanced",
    "CostRecorded",
    "CostRecorded",
    "CostRecorded",
    "cost_corrected",
    "cost_conflict",
    "CostRecorded",
    "not_a_bearer",
    "unknown_cost_pool",
    "KeyPublished",
    "PoolChanged",
    "KeyPublished",
    "PoolSettled",
    "CostRecorded",
    "PoolSettled",
    "unknown_cost_pool",
    "pool_settled",
]


@pytest.mark.parametrize("size", [1, 2, 5])
async def test_a_batch_comes_to_the_same_whole_or_in_pieces(desk: NewDesk, size: int) -> None:
    whole, pieces = [await desk(handler()) for _ in range(2)]
    assert codes(await whole.deliver(BATCH)) == TOLD
    await pieces.deliver(BATCH, size)
    assert await tables(pieces) == await tables(whole)
    assert said(pieces.told) == said(whole.told)


@pytest.mark.parametrize("size", [None, 1])
async def test_a_batch_delivered_twice_has_one_effect(billing: Desk, size: int | None) -> None:
    await billing.take(*BATCH, *(dataclasses.replace(message) for message in BATCH))
    before = await tables(billing)
    assert await billing.deliver(BATCH, size) == []
    assert await tables(billing) == before


def settled(facts: list[Outgoing]) -> PoolSettled:
    found = facts[-1].data
    assert isinstance(found, PoolSettled), facts
    return found


async def test_a_late_cost_charges_the_difference_in_the_next_settlement(billing: Desk) -> None:
    facts = await billing.deliver(BATCH)
    first, second = [each.data for each in facts if isinstance(each.data, PoolSettled)]
    assert (first.proof.costs_cents, second.proof.costs_cents) == (85_000, 90_000)
    assert (first.proof.charged_before_cents, first.proof.true_up_cents) == (100_000, -15_000)
    assert (second.proof.charged_before_cents, second.proof.true_up_cents) == (85_000, 5_000)
    assert second.proof.exact
    assert (first.reimbursed_cents, second.reimbursed_cents) == (85_000, 5_000)


async def test_nothing_half_is_done_when_it_is_refused(billing: Desk) -> None:
    await billing.take(OPEN[1])
    before = await tables(billing)
    facts = await billing.take(office(3, pooled.advancing(100)))
    assert codes(facts) == ["pool_held"]
    assert await tables(billing) == before
    assert codes(await billing.take(OPEN[0], office(4, pooled.advancing(100)))) == [
        "KeyPublished",
        "PoolAdvanced",
    ]


async def test_a_closed_month_takes_no_more(billing: Desk) -> None:
    await billing.take(*OPEN, *closing("2026-02", 3))
    assert codes(await billing.take(office(4, pooled.advancing(100)))) == ["period_closed"]
    await billing.take(command("lrz", pooled.cost("a", 100), 5))
    assert codes(await billing.take(office(6, pooled.settling("2026-02")))) == ["period_closed"]
    assert codes(await billing.take(office(7, pooled.settling("2026-03")))) == ["PoolSettled"]


async def test_statements_carry_what_pools_charge_and_positions_sum_to_zero(billing: Desk) -> None:
    await billing.deliver(BATCH)
    facts = await billing.take(*closing("2026-02", 30))
    facts += await billing.take(*closing("2026-04", 31))
    february, april = [each.data for each in facts if isinstance(each.data, SettlementClosed)]
    assert {each.party: each.net_cents for each in february.positions} == {
        "desy": -50_000,
        "gsi": -30_000,
        "hzdr": 0,
        "lrz": -20_000,
        "office": 100_000,
    }
    assert sum(each.net_cents for each in april.positions) == 0
    assert next(each for each in april.positions if each.party == "office").net_cents == -100_000
    lines = [
        ChargeLine.model_validate_json(str(row[0]))
        for row in await billing.rows("select document::text from charge_line order by settlement_id, line")
    ]
    causes = {each.cause for each in lines}
    assert causes == {"advance", "true_up", "reimbursement"}
    assert all(each.trace_de and each.trace_en and each.pool_id == "rz-2026" for each in lines)
    both = [each for each in facts if isinstance(each.data, StatementIssued) and each.data.member == "lrz"]
    assert [bool(each.data.payable and each.data.receivable) for each in both] == [False, True]  # type: ignore[attr-defined]


async def test_the_office_bears_its_own_share_and_costs_without_a_claim(billing: Desk) -> None:
    people = (Participant(member="desy"), Participant(member="office"))
    await billing.take(office(1, pooled.published(desy=1, office=1)), office(2, pooled.opening(*people)))
    await billing.take(office(3, pooled.cost("a", 1_000)), office(4, pooled.settling()))
    facts = await billing.take(*closing("2026-04", 5))
    closed = next(each.data for each in facts if isinstance(each.data, SettlementClosed))
    assert {each.party: each.net_cents for each in closed.positions if each.net_cents} == {
        "desy": -500,
        "office": 500,
    }
    assert closed.levies_cents == 500


async def test_a_surplus_carried_into_another_pool_lowers_its_advance(billing: Desk) -> None:
    await billing.take(
        *OPEN, office(3, pooled.opening(pool_id="rz-2027")), office(4, pooled.advancing(1_000))
    )
    await billing.take(command("lrz", pooled.cost("a", 900), 5))
    wish = CarryForward(what="surplus", into="rz-2027")
    for number, bad in enumerate(["rz-2026", "none"], 6):
        wrong = wish.model_copy(update={"into": bad})
        facts = await billing.take(office(number, pooled.settling(carry_forward=wrong)))
        assert codes(facts) == [["carry_into_itself", "unknown_cost_pool"][number - 6]]
    assert (
        settled(await billing.take(office(9, pooled.settling(carry_forward=wish)))).carried_into == "rz-2027"
    )
    [fact] = await billing.take(office(10, pooled.advancing(500, pool_id="rz-2027")))
    assert isinstance(fact.data, PoolAdvanced)
    assert (fact.data.amount_cents, fact.data.carried_cents) == (500, -100)


async def test_whom_a_pool_concerns_hears_of_it(billing: Desk) -> None:
    facts = await billing.deliver(
        [*OPEN, office(6, pooled.advancing(100)), command("lrz", pooled.cost("a", 1), 7)]
    )
    circles = [each.parties.get(Audience.CIRCLE) for each in facts]
    assert circles == [None, ("desy", "gsi", "lrz"), ("desy", "gsi", "lrz"), None]


async def test_the_examples_of_the_documentation_go_through(desk: NewDesk) -> None:
    billing = await desk(BillingHandler(register("weser-it", "alster-it", "foerde-it"), 60))

    def read(model: type[Contract], name: str) -> list[Contract]:
        text = (EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8")
        return [each.value for each in read_documents(model, text, name, none=("", ""))]

    [key], [pool] = read(AllocationKey, "key"), read(OpenPool, "pool")
    [advance], [settle] = read(AdvancePool, "advance"), read(SettlePool, "settle")
    assert isinstance(key, AllocationKey)
    told = [("office", each) for each in (PublishKey(key=key), pool, advance)]
    told += [("weser-it", each) for each in read(ReportCost, "costs")]
    told.append(("office", settle))
    facts = await billing.take(*(command(by, data, number) for number, (by, data) in enumerate(told, 1)))
    proof = settled(facts).proof
    assert (proof.costs_cents, proof.cost_by_clause_cents, proof.exact) == (1_240_000, 1_140_000, True)
    assert (proof.charged_before_cents, proof.true_up_cents) == (3_000_000, -1_860_000)


# -- several processes -----------------------------------------------------------------------------


async def test_two_processes_settle_at_once_and_nobody_is_charged_twice(desk: NewDesk) -> None:
    first = await desk(handler())
    second = await desk(handler(), shares=first)
    await first.take(*OPEN, command("lrz", pooled.cost("a", 1_000), 3))

    async def settle(desk: Desk, number: int) -> None:
        for place in range(5):
            await desk.take(office(number + place, pooled.settling()))

    await asyncio.gather(settle(first, 100), settle(second, 200))
    found = [each.data for each in (*first.told, *second.told) if isinstance(each.data, PoolSettled)]
    assert sorted(each.number for each in found) == list(range(1, 11))
    assert sorted(each.proof.true_up_cents for each in found) == [*[0] * 9, 1_000]
    assert await first.rows("select sum(amount_cents) from pool_charge where cost_id is null") == [(1_000,)]
    assert await first.rows("select sum(amount_cents) from pool_charge where cost_id is not null") == [
        (1_000,)
    ]


async def test_two_processes_record_costs_and_correct_them_at_once(desk: NewDesk) -> None:
    first = await desk(handler())
    second = await desk(handler(), shares=first)
    await first.take(*OPEN, command("lrz", pooled.cost("a", 1_000), 3))

    async def report(desk: Desk, number: int) -> None:
        for place in range(6):
            told = pooled.cost(f"n{place}", 10)
            await persistently(lambda told=told, place=place: desk.take(command("lrz", told, number + place)))  # type: ignore[misc]
        again = pooled.cost(f"fix{number}", 5, corrects="a")
        await persistently(lambda: desk.take(command("lrz", again, number + 50)))

    await asyncio.gather(report(first, 100), report(second, 200))
    told = codes([*first.told, *second.told])
    assert told.count("cost_corrected") == 1
    assert await first.rows("select count(*), max(number) from pool_cost") == [(8, 8)]
    assert all(isinstance(each.data, CostRecorded) or each.data for each in second.told)


@pytest.mark.parametrize("table", WRITTEN_ONCE)
async def test_what_is_written_of_a_pool_stays(
    billing: Desk, superuser: asyncpg.Connection, table: str
) -> None:
    await billing.deliver(BATCH)
    column = "document" if table != "pool_participant" else "member"
    change = f"update {table} set {column} = {column}"
    with pytest.raises(DBAPIError):
        await billing.rows(change)
    for statement in (change, f"delete from {table}", f"truncate {table} cascade"):
        with pytest.raises(asyncpg.RestrictViolationError, match="never changed"):
            await superuser.execute(statement)
    # The control: without the trigger the same statement goes through.
    await superuser.execute(f"drop trigger {table}_is_append_only on {table}")
    await superuser.execute(change)
