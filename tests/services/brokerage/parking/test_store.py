"""The table of parked commands on a real PostgreSQL."""

import datetime as dt
from typing import Any

import pytest
from support.builders import NOW, agreement, decimals, offering, plan, register, request, uid
from support.desk import Desk, NewDesk

from allmende.schemas.brokerage import RequestBooking
from allmende.services.brokerage.booking import Booking
from allmende.services.brokerage.capacity import store as capacity_store
from allmende.services.brokerage.capacity.listing import Listed
from allmende.services.brokerage.handlers import BrokerageHandler
from allmende.services.brokerage.life import store as life_store
from allmende.services.brokerage.parking import store
from allmende.services.brokerage.parking.store import Parked


@pytest.fixture
async def brokerage(desk: NewDesk) -> Desk:
    """A desk that knows one offering."""
    found = await desk(BrokerageHandler(register("desy", "lrz"), 60, 36_500))
    async with found.engine.begin() as tx:
        await capacity_store.save_offerings(tx, {"lrz/vm": Listed(offering(plan()), 1)})
    return found


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
        await capacity_store.save_offerings(tx, {"kit/disk": Listed(offering(id_="kit/disk"), 1)})
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
        await life_store.save_new(tx, [Booking(agreement(9), "completed", "active")], NOW)
        assert await store.unpark_known(tx) == [awaiting]
