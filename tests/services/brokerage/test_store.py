"""The brokerage's tables on a real PostgreSQL."""

import dataclasses
import datetime as dt
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from sqlalchemy.exc import IntegrityError
from support.builders import NOW, agreement, decimals, offering, plan, quantity, register, request, uid
from support.desk import Desk, NewDesk

from allmende.schemas.brokerage import RequestBooking
from allmende.schemas.catalog import Offering
from allmende.servicekit.testing import Templates
from allmende.services.brokerage import store
from allmende.services.brokerage.booking import Amendment, Booking, Listed, Progress
from allmende.services.brokerage.handlers import BrokerageHandler
from allmende.services.brokerage.store import Parked

LINE = ("lrz/vm", "standard", "")
CORES = (*LINE, "cores")


@pytest.fixture
async def brokerage(desk: NewDesk) -> Desk:
    found = await desk(BrokerageHandler(register("desy", "lrz"), 60, 36_500))
    await learn(found, 1, capacity=10)
    return found


def limited(capacity: int, **changes: str) -> Offering:
    return offering(plan(capacity={"cores": capacity}), **changes)


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


def standing(number: int = 1, **changes: Any) -> Booking:
    return Booking(agreement(number, **changes), "completed", "active")


async def test_bookings_come_back_by_side_and_in_pages(brokerage: Desk) -> None:
    there = [
        standing(3, consumer="desy", provider="lrz", quantities=decimals({"cores": "1.50"})),
        standing(1, consumer="kit", provider="lrz"),
        standing(2, consumer="lrz", provider="desy", offering_id="desy/vm"),
    ]
    async with brokerage.engine.begin() as tx:
        await store.save_new(tx, there, NOW)

    async def page(member: str, side: str, *, all_: bool = False, after: int = 0, **more: Any) -> list[str]:
        given: dict[str, Any] = {"state": None, "waiting": False, **more}
        async with brokerage.engine.connect() as connection:
            found = await store.page(
                connection, member=member, all_members=all_, side=side, after=after, limit=2, **given
            )
        assert [number for number, _ in found] == sorted(number for number, _ in found)
        return [each.booking_id for _, each in found]

    assert await page("desy", "both") == [uid(3), uid(2)]
    assert await page("desy", "consumer") == [uid(3)]
    assert await page("desy", "provider") == [uid(2)]
    assert await page("desy", "provider", all_=True) == [uid(3), uid(1)]
    assert await page("lrz", "both", after=2) == [uid(2)]
    assert await page("gsi", "both") == []
    assert await page("desy", "both", state="held") == []
    assert await page("desy", "both", waiting=True) == []


async def test_a_booking_comes_back_as_it_was_saved_and_changed(brokerage: Desk) -> None:
    later = agreement(1, quantities=decimals({"cores": 4}), end=dt.date(2027, 1, 1))
    change = Amendment(agreement=later, effective_on=dt.date(2026, 9, 1), agreed=False, until=NOW)
    before = standing(1, quantities=decimals({"cores": "1.50"}))
    after = dataclasses.replace(
        before,
        agreement=later,
        instance="suspended",
        number=3,
        waits_for="provider",
        until=NOW,
        progress=Progress(suspended_by="consumer", notice_given=True, amendment=change),
    )
    async with brokerage.engine.begin() as tx:
        await store.save_new(tx, [before], NOW)
        assert await store.load_bookings(tx, [uid(1), uid(2)]) == {uid(1): before}
        await store.save_changed(tx, [after])
        assert await store.load_bookings(tx, [uid(1)]) == {uid(1): after}
        assert await store.load_due(tx, NOW) == [after]
        assert await store.load_due(tx, NOW - dt.timedelta(microseconds=1)) == []


async def test_a_booking_id_is_taken_once(brokerage: Desk) -> None:
    for taken in (False, True):
        async with brokerage.engine.connect() as connection:
            if taken:
                with pytest.raises(IntegrityError, match="booking_pkey"):
                    await store.save_new(connection, [standing(1)], NOW)
            else:
                await store.save_new(connection, [standing(1)], NOW)
                await connection.commit()


def parked(number: int, sender: str, asked: RequestBooking, until: dt.datetime, **more: Any) -> Parked:
    data = asked.model_dump_json()
    return Parked(
        uid(number), sender, "brokerage.booking.request", asked.offering_id, data, **more, until=until
    )


async def test_parked_requests_come_back_once_and_as_they_were(brokerage: Desk) -> None:
    until = NOW + dt.timedelta(seconds=60)
    rich = request("kit/disk", end=dt.date(2027, 1, 1), quantities=decimals({"tb": "1.500"}), reference="ä")
    waiting = [
        parked(2, "desy", rich, until, traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01"),
        parked(1, "desy", request("kit/disk"), until, traceparent=None),
        parked(1, "gsi", request("kit/tape"), until, traceparent=None),
    ]
    async with brokerage.engine.begin() as tx:
        await store.park(tx, waiting)
        await store.park(tx, waiting)
        assert await store.unpark_known(tx) == []
        assert await store.unpark(tx, ["kit/disk", "kit/none"]) == [], "not known yet"
        await store.save_offerings(tx, {"kit/disk": Listed(offering(id_="kit/disk"), 1)})
        assert await store.unpark(tx, ["kit/disk", "kit/none"]) == waiting[:2], "in the order they came"
        assert await store.unpark(tx, ["kit/disk"]) == []
        assert await store.overdue(tx, until - dt.timedelta(microseconds=1)) == []
        assert await store.overdue(tx, until) == waiting[2:]
        assert await store.overdue(tx, until) == []


async def test_what_is_known_by_now_is_found(brokerage: Desk) -> None:
    known = parked(1, "desy", request(), NOW, traceparent=None)
    awaiting = Parked(uid(4), "lrz", "brokerage.booking.report", uid(9), "{}", None, NOW)
    async with brokerage.engine.begin() as tx:
        await store.park(tx, [known, parked(2, "desy", request("kit/disk"), NOW, traceparent=None), awaiting])
        assert await store.unpark_known(tx) == [known]
        await store.save_new(tx, [standing(9)], NOW)
        assert await store.unpark_known(tx) == [awaiting]


async def test_a_limit_added_later_counts_what_is_booked_already(brokerage: Desk) -> None:
    two = (quantity("cores"), quantity("ram"))
    cores, ram = decimals({"cores": 4, "ram": "8.5"}), decimals({"ram": 1})
    async with brokerage.engine.begin() as tx:
        await store.save_new(tx, [standing(1, quantities=cores), standing(2, quantities=ram)], NOW)
        await store.save_new(tx, [standing(3, plan_id="other", quantities=ram)], NOW)
        both = offering(plan(order=two, capacity={"cores": 10, "ram": 20}))
        await store.save_offerings(tx, {"lrz/vm": Listed(both, 2)})
    rows = await brokerage.rows("select quantity_id, total, booked from capacity order by 1")
    assert rows[1] == ("ram", 20, Decimal("9.5"))


async def test_a_limit_below_what_is_booked_already_leaves_nothing_free(brokerage: Desk) -> None:
    async with brokerage.engine.begin() as tx:
        await store.save_new(tx, [standing(1, plan_id="neu", quantities=decimals({"cores": 40}))], NOW)
        more = offering(plan(capacity={"cores": 10}), plan(plan_id="neu", capacity={"cores": 30}))
        await store.save_offerings(tx, {"lrz/vm": Listed(more, 2)})
    rows = await brokerage.rows("select plan_id, total, booked from capacity order by 1")
    assert rows == [("neu", 40, 40), ("standard", 10, 0)]
