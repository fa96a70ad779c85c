"""The tables of offerings and of what is left of them, on a real PostgreSQL."""

from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from sqlalchemy.exc import IntegrityError
from support.builders import NOW, agreement, decimals, offering, plan, quantity, register
from support.desk import Desk, NewDesk

from allmende.schemas.catalog import Offering
from allmende.servicekit.testing import Templates
from allmende.services.brokerage.booking import Booking
from allmende.services.brokerage.capacity import store
from allmende.services.brokerage.capacity.listing import Listed
from allmende.services.brokerage.handlers import BrokerageHandler
from allmende.services.brokerage.life.store import save_new

LINE = ("lrz/vm", "standard", "")
CORES = (*LINE, "cores")


@pytest.fixture
async def brokerage(desk: NewDesk) -> Desk:
    found = await desk(BrokerageHandler(register("desy", "lrz"), 60, 36_500))
    await learn(found, 1, capacity=10)
    return found


def limited(capacity: int, **changes: str) -> Offering:
    return offering(plan(capacity={"cores": capacity}), **changes)


def standing(number: int, **changes: Any) -> Booking:
    return Booking(agreement(number, **changes), "completed", "active")


async def learn(desk: Desk, revision: int, *, capacity: int, **changes: str) -> None:
    async with desk.engine.begin() as tx:
        await store.save_offerings(tx, {"lrz/vm": Listed(limited(capacity, **changes), revision)})


async def take(desk: Desk, amount: int | str) -> None:
    async with desk.engine.begin() as tx:
        await store.take_capacity(tx, {CORES: Decimal(amount)})


async def capacity(desk: Desk) -> list[tuple[object, ...]]:
    return await desk.rows("select total, booked from capacity")


async def test_the_database_refuses_to_oversell_whatever_the_code_does(brokerage: Desk) -> None:
    await take(brokerage, "9.5")
    with pytest.raises(IntegrityError, match="capacity_check"):
        await take(brokerage, 1)
    assert await capacity(brokerage) == [(10, Decimal("9.5"))]


async def test_without_the_constraint_it_oversells(brokerage: Desk, templates: Templates) -> None:
    admin = await asyncpg.connect(templates.admin_url(brokerage.url))
    await admin.execute("alter table capacity drop constraint capacity_check")
    await admin.close()
    await take(brokerage, 11)
    assert await capacity(brokerage) == [(10, 11)]


async def test_free_is_total_less_booked(brokerage: Desk) -> None:
    await take(brokerage, "2.25")
    async with brokerage.engine.begin() as tx:
        free, total = await store.load_capacity(tx, [LINE, ("kit/none", "standard", "")])
    assert (free, total) == ({CORES: Decimal("7.75")}, {CORES: Decimal(10)})


async def test_a_lowered_capacity_keeps_what_is_booked(brokerage: Desk) -> None:
    await take(brokerage, 6)
    await learn(brokerage, 2, capacity=4)
    assert await capacity(brokerage) == [(6, 6)]
    await learn(brokerage, 3, capacity=8)
    assert await capacity(brokerage) == [(8, 6)]


async def test_an_older_revision_that_comes_late_changes_nothing(brokerage: Desk) -> None:
    await learn(brokerage, 3, capacity=5, title="Drei")
    await learn(brokerage, 2, capacity=50, title="Zwei")
    async with brokerage.engine.begin() as tx:
        found = await store.load_offerings(tx, ["lrz/vm"])
    assert found == {"lrz/vm": Listed(limited(5, title="Drei"), 3)}
    assert await capacity(brokerage) == [(5, 0)]


async def test_only_newer_news_open_what_is_retired(brokerage: Desk) -> None:
    async def tell(position: int, state: str) -> object:
        async with brokerage.engine.begin() as tx:
            await store.save_availability(tx, {"lrz/vm": (position, state), "kit/none": (position, state)})
            return (await store.load_offerings(tx, ["lrz/vm"]))["lrz/vm"].availability

    assert await tell(7, "retired") == "retired"
    assert await tell(6, "open") == "retired", "old news that come late"
    assert await tell(7, "retired") == "retired"
    assert await tell(9, "open") == "open"
    assert await tell(10, "paused") == "paused"


async def test_a_limit_added_later_counts_what_is_booked_already(brokerage: Desk) -> None:
    two = (quantity("cores"), quantity("ram"))
    cores, ram = decimals({"cores": 4, "ram": "8.5"}), decimals({"ram": 1})
    async with brokerage.engine.begin() as tx:
        await save_new(tx, [standing(1, quantities=cores), standing(2, quantities=ram)], NOW)
        await save_new(tx, [standing(3, plan_id="other", quantities=ram)], NOW)
        both = offering(plan(order=two, capacity={"cores": 10, "ram": 20}))
        await store.save_offerings(tx, {"lrz/vm": Listed(both, 2)})
    rows = await brokerage.rows("select quantity_id, total, booked from capacity order by 1")
    assert rows[1] == ("ram", 20, Decimal("9.5"))


async def test_a_limit_below_what_is_booked_already_leaves_nothing_free(brokerage: Desk) -> None:
    async with brokerage.engine.begin() as tx:
        await save_new(tx, [standing(1, plan_id="neu", quantities=decimals({"cores": 40}))], NOW)
        more = offering(plan(capacity={"cores": 10}), plan(plan_id="neu", capacity={"cores": 30}))
        await store.save_offerings(tx, {"lrz/vm": Listed(more, 2)})
    rows = await brokerage.rows("select plan_id, total, booked from capacity order by 1")
    assert rows == [("neu", 40, 40), ("standard", 10, 0)]
