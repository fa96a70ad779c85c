"""Several brokerage processes at once, and what happens when the guards are taken away."""

import asyncio
from collections.abc import Iterable, Sequence
from decimal import Decimal

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from support.builders import command, fact, offering, plan, published, register, request, uid
from support.desk import Desk, NewDesk, codes, persistently

from allmende.servicekit.messages import Incoming
from allmende.servicekit.testing import Templates
from allmende.services.brokerage.booking import LineKey
from allmende.services.brokerage.capacity import store
from allmende.services.brokerage.capacity.listing import Listed
from allmende.services.brokerage.capacity.reservation import CapacityKey
from allmende.services.brokerage.handlers import BrokerageHandler
from allmende.services.brokerage.life import store as life_store

Capacity = tuple[dict[CapacityKey, Decimal], dict[CapacityKey, Decimal]]

PROCESSES = 4
CAPACITY = 30
HOT = offering(plan(capacity={"cores": CAPACITY}))
MEMBERS = register("desy", "kit", "lrz")


def asked(number: int, cores: int = 1, id_: str = "lrz/vm") -> Incoming:
    return command("desy" if number % 2 else "kit", request(id_, cores), number)


async def processes(desk: NewDesk, count: int = PROCESSES) -> list[Desk]:
    first = await desk(BrokerageHandler(MEMBERS, 60, 36_500))
    return [
        first,
        *[await desk(BrokerageHandler(MEMBERS, 60, 36_500), shares=first) for _ in range(count - 1)],
    ]


async def race(desks: Sequence[Desk]) -> int:
    """Book the hot offering from everywhere at once. Returns how many batches the database refused."""
    await desks[0].take(fact(published(HOT), 0))
    refused = 0
    together = asyncio.Barrier(len(desks))

    async def work(desk: Desk, start: int) -> None:
        nonlocal refused
        for batch in range(8):
            messages = [asked(start + batch * 5 + number) for number in range(5)]
            await together.wait()
            try:
                await persistently(lambda messages=messages: desk.take(*messages))  # type: ignore[misc]
            except IntegrityError:
                refused += 1

    await asyncio.gather(*(work(each, 1000 * (number + 1)) for number, each in enumerate(desks)))
    return refused


async def booked(desk: Desk) -> Decimal:
    """What is booked, by the bookings themselves."""
    ((total,),) = await desk.rows(
        "select coalesce(sum((terms->'quantities'->>'cores')::numeric), 0) from booking"
    )
    assert isinstance(total, Decimal)
    return total


@pytest.fixture
def dawdling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave time between reading what is free and writing what is taken."""
    load_capacity = store.load_capacity

    async def slowly(tx: AsyncConnection, lines: Iterable[LineKey]) -> Capacity:
        found = await load_capacity(tx, lines)
        await asyncio.sleep(0.005)
        return found

    monkeypatch.setattr(store, "load_capacity", slowly)


def without_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    statement = str(store._LOAD_CAPACITY)
    assert "for update of c" in statement
    monkeypatch.setattr(store, "_LOAD_CAPACITY", text(statement.replace("for update of c", "")))


@pytest.mark.usefixtures("dawdling")
async def test_a_hot_offering_is_never_oversold(desk: NewDesk) -> None:
    desks = await processes(desk)
    assert await race(desks) == 0
    assert await booked(desks[0]) == CAPACITY
    assert await desks[0].rows("select total, booked from capacity") == [(CAPACITY, CAPACITY)]
    told = [code for each in desks for code in codes(each.told)]
    assert (told.count("BookingConfirmed"), told.count("no_capacity")) == (CAPACITY, 160 - CAPACITY)
    assert all("BookingConfirmed" in codes(each.told) for each in desks), "all of them took part"


@pytest.mark.usefixtures("dawdling")
async def test_without_the_lock_the_constraint_still_refuses_to_oversell(
    desk: NewDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_lock(monkeypatch)
    desks = await processes(desk)
    assert await race(desks) > 0
    assert await booked(desks[0]) <= CAPACITY


@pytest.mark.usefixtures("dawdling")
async def test_without_lock_and_constraint_it_is_oversold(
    desk: NewDesk, monkeypatch: pytest.MonkeyPatch, templates: Templates
) -> None:
    without_lock(monkeypatch)
    desks = await processes(desk)
    admin = await asyncpg.connect(templates.admin_url(desks[0].url))
    await admin.execute("alter table capacity drop constraint capacity_check")
    await admin.close()
    await race(desks)
    assert await booked(desks[0]) > CAPACITY


async def test_batches_over_the_same_offerings_do_not_wait_in_a_circle(desk: NewDesk) -> None:
    desks = await processes(desk, 2)
    ids = [f"lrz/vm{number}" for number in range(6)]
    limited = plan(capacity={"cores": 1000})
    await desks[0].take(
        *(fact(published(offering(limited, id_=id_)), number) for number, id_ in enumerate(ids))
    )

    async def work(each: Desk, order: Sequence[str], start: int) -> None:
        for batch in range(10):
            numbered = enumerate(order, start + batch * 10)
            await each.take(*(asked(number, 1, id_) for number, id_ in numbered))

    async with asyncio.timeout(30):
        await asyncio.gather(work(desks[0], ids, 1000), work(desks[1], ids[::-1], 2000))
    assert await booked(desks[0]) == 120


async def test_facts_and_requests_crosswise_come_to_an_end(desk: NewDesk) -> None:
    desks = await processes(desk, 2)
    here, there = offering(plan(capacity={"cores": 99}), id_="lrz/a"), offering(id_="lrz/b")
    await desks[0].take(fact(published(here), 0), fact(published(there), 1))

    async def work(each: Desk, told: list[str], number: int) -> None:
        learned, wanted = told
        documents = {"lrz/a": here, "lrz/b": there}
        for revision in range(2, 6):
            batch = [
                fact(published(documents[learned], revision), number + revision),
                asked(number + revision, 1, wanted),
            ]
            await persistently(lambda batch=batch: each.take(*batch))  # type: ignore[misc]

    async with asyncio.timeout(60):
        await asyncio.gather(work(desks[0], ["lrz/a", "lrz/b"], 100), work(desks[1], ["lrz/b", "lrz/a"], 200))
    assert await booked(desks[0]) == 8
    assert await desks[0].rows("select total, booked from capacity") == [(99, 4)]
    assert await desks[0].rows("select distinct revision from offering") == [(5,)]


async def test_a_new_limit_counts_the_booking_that_another_process_is_about_to_commit(
    desk: NewDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desks = await processes(desk, 2)
    await desks[0].take(fact(published(offering()), 0))
    save_new = life_store.save_new
    deciding, go_on = asyncio.Event(), asyncio.Event()

    async def hesitating(*arguments: object) -> None:
        deciding.set()
        await go_on.wait()
        await save_new(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(life_store, "save_new", hesitating)
    booking = asyncio.create_task(desks[0].take(asked(1, 30)))
    await deciding.wait()
    limiting = asyncio.create_task(desks[1].take(fact(published(HOT, 2), 1)))
    await asyncio.sleep(0.1)
    assert not limiting.done()
    go_on.set()
    await asyncio.gather(booking, limiting)
    assert await desks[0].rows("select total, booked from capacity") == [(CAPACITY, 30)]


async def test_a_limit_counts_what_another_process_books_when_it_first_hears_of_the_offering(
    desk: NewDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desks = await processes(desk, 2)
    save_new = life_store.save_new
    deciding, go_on = asyncio.Event(), asyncio.Event()

    async def hesitating(*arguments: object) -> None:
        deciding.set()
        await go_on.wait()
        await save_new(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(life_store, "save_new", hesitating)
    learning = asyncio.create_task(desks[0].take(fact(published(offering()), 0), asked(1, 30)))
    await deciding.wait()
    limiting = asyncio.create_task(desks[1].take(fact(published(HOT, 2), 1)))
    await asyncio.sleep(0.1)
    assert not limiting.done()
    go_on.set()
    await asyncio.gather(learning, limiting)
    assert await desks[0].rows("select total, booked from capacity") == [(CAPACITY, 30)]


async def test_one_booking_id_of_two_members_in_two_processes_is_given_once(desk: NewDesk) -> None:
    desks = await processes(desk, 2)
    async with desks[0].engine.begin() as tx:
        await store.save_offerings(tx, {"lrz/vm": Listed(HOT, 1)})

    async def work(each: Desk, member: str) -> None:
        for number in range(20):
            message = command(member, request(cores=1), number)
            await persistently(lambda message=message: each.take(message))  # type: ignore[misc]

    await asyncio.gather(work(desks[0], "desy"), work(desks[1], "kit"))
    told = [code for each in desks for code in codes(each.told)]
    assert (told.count("BookingConfirmed"), told.count("booking_id_taken")) == (20, 20)
    assert await desks[0].rows("select booking_id::text from booking order by 1") == [
        (uid(number),) for number in range(20)
    ]
