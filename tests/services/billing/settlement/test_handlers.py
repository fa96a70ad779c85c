"""Closing a period while others report: what is acknowledged as accepted is in the settlement."""

import asyncio
import random
import re
from collections import Counter
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from support.bodies import closing
from support.broker import eventually
from support.builders import booking, command, fact, key, record, register, report, tariff, uid
from support.desk import Desk, NewDesk, codes, persistently
from support.histories import amended, changed, day, flat

from allmende.schemas.billing import (
    ChargeLevy,
    LevyCharged,
    SettlementClosed,
    UsageRecorded,
)
from allmende.servicekit.messages import Incoming
from allmende.services.billing import store
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.usage import lineage

EARLY, LATE = 10, 10
"""The closing waits for so many answers; of twelve reports of each process the last wait for the closing."""
KEY = key({"desy": 1, "lrz": 1})


async def desks(desk: NewDesk, count: int = 4) -> list[Desk]:
    first = await desk(BillingHandler(register("desy", "lrz"), 60))
    await first.take(fact(booking(1), 1))
    others = [await desk(BillingHandler(register("desy", "lrz"), 60), shares=first) for _ in range(count - 1)]
    return [first, *others]


def april(number: int) -> list[Incoming]:
    return closing("2026-04", number)


def levied(number: int) -> Incoming:
    return command("office", ChargeLevy(period="2026-04", title="Büro", amount_cents=number, key=KEY), number)


async def race(processes: list[Desk], seed: int = 4) -> tuple[int, SettlementClosed]:
    """Report and levy from all sides while the period is closed. Returns the records acknowledged."""
    chance = random.Random(seed)  # noqa: S311 - the same draw every time
    last, *rest = processes
    closed = asyncio.Event()

    async def reporting(each: Desk, start: int) -> None:
        for number in range(12):
            await (closed.wait() if number == LATE else asyncio.sleep(chance.uniform(0, 0.01)))
            message = command("lrz", report(record(f"{start + number}")), start + number)
            await persistently(lambda message=message: each.take(message))  # type: ignore[misc]
            if number % 4 == 0:
                levy = levied(start + 500 + number)
                await persistently(lambda levy=levy: each.take(levy))  # type: ignore[misc]

    async def settle(each: Desk) -> None:
        await eventually(lambda: sum(len(other.told) for other in rest) >= EARLY)
        await persistently(lambda: each.take(*april(1)))
        closed.set()

    await asyncio.gather(settle(last), *(reporting(each, 1000 * n) for n, each in enumerate(rest, 1)))
    told = [each.data for desk in processes for each in desk.told]
    (settled,) = [data for data in told if isinstance(data, SettlementClosed)]
    reports = [data for data in told if isinstance(data, UsageRecorded)]
    assert len(reports) == 12 * len(rest)
    assert all(each.accepted + len(each.refused) == 1 for each in reports)
    levies = sum(data.amount_cents for data in told if isinstance(data, LevyCharged))
    assert settled.levies_cents == levies
    return sum(each.accepted for each in reports), settled


async def test_what_is_acknowledged_is_in_the_settlement_and_nothing_else(desk: NewDesk) -> None:
    processes = await desks(desk)
    accepted, settled = await race(processes)
    assert accepted == 36, "usage comes at any time"
    assert settled.charges_cents == 100 * settled.usage_records
    assert EARLY / 2 < settled.usage_records <= 3 * LATE, "some came before, some after the closing"
    assert settled.usage_records + await late_marks(processes[0]) == accepted
    refused = Counter(code for each in processes for code in codes(each.told))
    assert refused["period_closed"] > 0, "levies came too late"


async def late_marks(desk: Desk) -> int:
    [(count,)] = await desk.rows(
        "select count(*) from usage_late where rated_in is null and period = '2026-04'"
    )
    return int(str(count))


async def test_without_the_lock_on_the_period_an_acknowledged_record_is_lost(
    desk: NewDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    statement = str(store._CLOSED_SHARED)
    assert "for share" in statement
    monkeypatch.setattr(store, "_CLOSED_SHARED", text(statement.replace("for share", "")))
    reporting, closer = await desks(desk, 2)
    await reporting.take(command("lrz", report(record("early")), 4))
    supersede = lineage.supersede
    decided, go_on = asyncio.Event(), asyncio.Event()

    async def hesitating(*arguments: object, **named: object) -> None:
        decided.set()
        await go_on.wait()
        await supersede(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(lineage, "supersede", hesitating)
    task = asyncio.create_task(reporting.take(command("lrz", report(), 5)))
    await decided.wait()
    async with asyncio.timeout(20):
        settled = (await closer.take(*april(1)))[-1].data
    go_on.set()
    (answer,) = await task
    assert isinstance(answer.data, UsageRecorded)
    assert isinstance(settled, SettlementClosed)
    assert (answer.data.accepted, settled.usage_records) == (1, 1), "of two acknowledged, one is settled"
    assert await late_marks(closer) == 0, "and nobody looks at the other again"


async def test_a_period_is_closed_by_one_of_two(desk: NewDesk) -> None:
    first, second = await desks(desk, 2)
    await asyncio.gather(first.take(*april(1)), second.take(*april(2)))
    told = Counter(codes(first.told + second.told))
    assert (told["SettlementClosed"], told["period_closed"]) == (1, 1)
    assert await first.rows("select count(*) from settlement") == [(1,)]


async def test_one_record_reported_to_two_processes_counts_once(desk: NewDesk) -> None:
    first, second = await desks(desk, 2)

    async def work(each: Desk, start: int) -> None:
        for number in range(15):
            message = command("lrz", report(record(f"r{number}"), record(f"s{number}")), start + number)
            await persistently(lambda message=message: each.take(message))  # type: ignore[misc]

    await asyncio.gather(work(first, 100), work(second, 200))
    told = [each.data for each in first.told + second.told if isinstance(each.data, UsageRecorded)]
    assert (sum(each.accepted for each in told), sum(each.repeated for each in told)) == (30, 30)
    assert await first.rows("select count(*) from usage_record") == [(30,)]


async def test_reports_and_closings_in_one_batch_come_to_an_end(desk: NewDesk) -> None:
    first, second = await desks(desk, 2)

    async def work(each: Desk, start: int) -> None:
        batch = [command("lrz", report(record(f"{start}")), start), *april(start + 1)]
        await persistently(lambda: each.take(*batch))

    async with asyncio.timeout(30):
        await asyncio.gather(work(first, 10), work(second, 20))
    told = Counter(codes(first.told + second.told))
    assert (told["SettlementClosed"], told["UsageRecorded"]) == (1, 2)


# -- months closed by several processes at once ---------------------------------------------------

MONTHLY = booking(tariff=tariff(flat("10.00", "month")), start=day("2025-01-01"))
YEAR = [f"2025-{month:02d}" for month in range(1, 13)]


async def charged(desk: Desk) -> Counter[str]:
    rows = await desk.rows("select document->>'charged_for', amount_cents from charge_line")
    found: Counter[str] = Counter()
    for charged_for, cents in rows:
        found[str(charged_for)] += int(str(cents))
    return found


def months(period: str) -> list[Incoming]:
    return closing(period, 100 + int(period[:4]) * 12 + int(period[5:]))


async def test_months_closed_at_once_charge_each_month_once(desk: NewDesk) -> None:
    processes = await desks(desk)
    await processes[0].take(fact(MONTHLY.model_copy(update={"booking_id": uid(5)}), 50))

    async def close(each: Desk, period: str) -> None:
        await persistently(lambda: each.take(*months(period)))

    await asyncio.gather(*(close(processes[n % 4], period) for n, period in enumerate(reversed(YEAR))))
    assert await charged(processes[0]) == Counter(dict.fromkeys(YEAR, 1_000))


async def test_terms_told_while_months_close_are_charged_in_the_end(desk: NewDesk) -> None:
    closer, *others = await desks(desk, 3)
    mine = MONTHLY.model_copy(update={"booking_id": uid(5)})
    cheaper = {"tariff": tariff(flat("4.00", "month")), "end": day("2025-10-15")}
    told = [mine, changed(1, mine, end=day("2025-10-15")), amended(2, "2025-03-01", mine, **cheaper)]

    async def close() -> None:
        for period in YEAR:
            await persistently(lambda period=period: closer.take(*months(period)))  # type: ignore[misc]

    async def tell(each: Desk, start: int) -> None:
        for number, data in enumerate(told):
            await eventually(lambda number=number: len(closer.told) >= 12 * number)  # type: ignore[misc]
            message = fact(data, start + number)
            await persistently(lambda message=message: each.take(message))  # type: ignore[misc]

    await asyncio.gather(close(), *(tell(each, 60 + 10 * n) for n, each in enumerate(others)))
    await closer.take(*months("2026-01"))
    prices = {"2025-01": 1_000, "2025-02": 1_000} | dict.fromkeys(YEAR[2:10], 400)
    assert {each: cents for each, cents in (await charged(closer)).items() if cents} == prices


async def test_without_looking_at_what_was_told_late_it_is_lost(
    desk: NewDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = await desks(desk, 1)
    mine = MONTHLY.model_copy(update={"booking_id": uid(5)})
    await first.take(fact(mine, 50), *months("2025-12"))
    statement = str(store._LOCK_OPEN)
    assert statement.count("or exists") == 2
    with monkeypatch.context() as blinded:
        blinded.setattr(store, "_LOCK_OPEN", text(re.sub(r"(?m)^ +or exists .*$", "", statement)))
        await first.take(fact(changed(1, mine, state="cancelled"), 51), *months("2025-01"))
    assert (await charged(first)).total() == 12_000
    await first.take(*months("2025-02"))
    assert (await charged(first)).total() == 0


async def test_a_span_that_comes_to_another_amount_is_taken_back_and_charged_again(desk: NewDesk) -> None:
    (first,) = await desks(desk, 1)
    by_day = tariff(flat("0.005", "month", measure="cores", proration="day"))
    mine = booking(booking_id=uid(5), start=day("2025-04-01"), end=None, tariff=by_day)
    one = {"quantities": {"cores": Decimal(1)}}
    mine = mine.model_copy(update=one)
    await first.take(fact(mine, 50), fact(amended(2, "2025-04-11", mine), 51), *months("2025-04"))
    assert (await charged(first)).total() == 1, "nothing for ten days, and one cent for the whole month"
    # What is told late was agreed earlier: nothing is reserved before the eleventh.
    before = amended(1, "2025-04-01", mine, quantities={"cores": Decimal(0)})
    await first.take(fact(before, 52), *months("2025-05"))
    lines = await first.rows(
        "select component, charged_for, step, l.amount_cents from component_charge"
        " join charge_line l using (settlement_id, line) where terms = 2 and charged_for like '2025-04%'"
        " order by step"
    )
    span = ("base", "2025-04 (2025-04-11/2025-04-30)")
    assert [tuple(row) for row in lines] == [(*span, 1, 1), (*span, 2, -1), (*span, 3, 0)]
    await first.take(*months("2025-06"))
    assert (await charged(first)).total() == 2, "nothing but the months of May and June is charged"


async def test_the_database_refuses_to_charge_a_component_twice(desk: NewDesk) -> None:
    (first,) = await desks(desk, 1)
    mine = MONTHLY.model_copy(update={"booking_id": uid(5)})
    await first.take(fact(mine, 50), *months("2025-01"))
    with pytest.raises(IntegrityError, match="component_charge_pkey"):
        async with first.engine.begin() as tx:
            await tx.execute(text("insert into component_charge select * from component_charge"))
