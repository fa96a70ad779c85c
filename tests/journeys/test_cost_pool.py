"""A cost pool through its year, on real servers: advance, costs, joiner, true-up, late cost, statements."""

import datetime as dt
from collections.abc import Awaitable
from typing import Any, TypeVar

from support import pooled
from support.fixtures import Connect, NewMarket
from support.issuing import issue

from allmende.client.market import Market
from allmende.schemas.billing import Statement
from allmende.schemas.pools import KeyPublished, Participant, PoolShown
from allmende.schemas.rejections import Rejection

T = TypeVar("T")
SPAN: dict[str, Any] = {"first_day": dt.date(2025, 1, 1), "last_day": dt.date(2025, 12, 31)}


async def done(work: Awaitable[T | Rejection]) -> T:
    found = await work
    assert not isinstance(found, Rejection), found.message_en
    return found


async def statement(of: Market, period: str) -> Statement:
    return await done(of.statement(period))


async def test_a_pool_from_its_first_advance_to_the_cent(  # noqa: PLR0915 - a year in its order
    sandbox: NewMarket, member: Connect
) -> None:
    market = await sandbox("desy", "gsi", "hzdr", "lrz")
    await market.start()
    desy, gsi, hzdr, lrz, office = [
        await member(market, name) for name in ("desy", "gsi", "hzdr", "lrz", "office")
    ]

    # The key of the year is not known yet: the advance is on the old one.
    await done(office.publish_key(pooled.inhabitants(1, 2020, desy=50, gsi=30, lrz=20)))
    await done(office.open_pool(pooled.opening(**SPAN)))
    advanced = await done(office.advance_pool(pooled.advancing(100_000, "2025-02")))
    assert [(each.member, each.charged_cents) for each in advanced.shares] == [
        ("desy", 50_000),
        ("gsi", 30_000),
        ("lrz", 20_000),
    ]
    first = await issue(market, office, "2025-02")
    refused = await office.advance_pool(pooled.advancing(1, "2025-02"))
    assert isinstance(refused, Rejection)
    assert refused.code == "period_closed"

    # Two bear costs, a fourth joins on 20 October (73 of 365 days), the key comes after the year.
    await done(lrz.report_cost(pooled.cost("a", 100_000)))
    await done(lrz.report_cost(pooled.cost("b", 90_000, corrects="a")))
    await done(gsi.report_cost(pooled.cost("a", 30_000)))
    foreign = await desy.report_cost(pooled.cost("a", 1))
    assert isinstance(foreign, Rejection)
    assert foreign.code == "not_a_bearer"
    joiner = Participant(member="hzdr", since=dt.date(2025, 10, 20))
    await done(office.change_pool(pooled.joining(joiner)))
    held = await hzdr.pool("rz-2026")
    assert isinstance(held, PoolShown)
    assert held.settled is None
    await done(office.publish_key(pooled.inhabitants(2, 2025, desy=40, gsi=40, lrz=18, hzdr=10)))
    settled = await done(office.settle_pool(pooled.settling("2026-01")))
    assert [each.version for each in settled.keys] == [2]
    assert {each.party: each.share_cents for each in settled.shares} == {
        "desy": 48_000,
        "gsi": 48_000,
        "hzdr": 2_400,
        "lrz": 21_600,
    }
    assert settled.proof.exact
    assert (settled.proof.costs_cents, settled.reimbursed_cents) == (120_000, 120_000)
    again = await done(office.settle_pool(pooled.settling("2026-01")))
    assert (again.proof.true_up_cents, again.reimbursed_cents) == (0, 0)
    january = await issue(market, office, "2026-01")

    # A cost comes late: the difference alone is charged, in the month of the second settlement.
    await done(lrz.report_cost(pooled.cost("late", 1_000)))
    late = await done(office.settle_pool(pooled.settling("2026-02")))
    assert (late.proof.costs_cents, late.proof.true_up_cents, late.proof.exact) == (121_000, 1_000, True)
    february = await issue(market, office, "2026-02")

    closed = (first, january, february)
    for each in closed:
        assert sum(position.net_cents for position in each.positions) == 0
    net: dict[str, int] = {}
    for each in closed:
        for position in each.positions:
            net[position.party] = net.get(position.party, 0) + position.net_cents
    assert net == {
        "desy": -48_400,
        "gsi": 30_000 - 48_400,
        "hzdr": -2_420,
        "lrz": 91_000 - 21_780,
        "office": 0,
    }
    lines = [
        line for period in ("2025-02", "2026-01", "2026-02") for line in (await statement(lrz, period)).lines
    ]
    assert {line.cause for line in lines} == {"advance", "true_up", "reimbursement"}
    assert any("ER-late" in line.trace_de for line in lines)
    assert any("Version 2 (Stichtag 30.06.2024" in line.trace_de for line in lines)

    shown = await done(desy.pool("rz-2026"))
    assert shown.settled == late
    assert shown.outlook.amounts["desy"] == 48_400
    assert "desy" in shown.outlook.story_en[0]
    costs = [each async for each in desy.pool_costs("rz-2026")]
    assert [(each.recorded.cost.cost_id, each.corrected_by) for each in costs] == [
        ("a", "b"),
        ("b", None),
        ("a", None),
        ("late", None),
    ]
    keys = [each async for each in hzdr.keys("einwohner")]
    assert all(isinstance(each, KeyPublished) for each in keys)
    assert [each.key.version for each in keys] == [1, 2]
    assert [each.pool_id async for each in hzdr.pools()] == ["rz-2026"]
