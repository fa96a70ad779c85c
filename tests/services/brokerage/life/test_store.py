"""The tables of bookings on a real PostgreSQL."""

import dataclasses
import datetime as dt
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from support.builders import NOW, agreement, decimals, register, uid
from support.desk import Desk, NewDesk

from allmende.services.brokerage.booking import Amendment, Booking, Progress
from allmende.services.brokerage.handlers import BrokerageHandler
from allmende.services.brokerage.life import store


@pytest.fixture
async def brokerage(desk: NewDesk) -> Desk:
    return await desk(BrokerageHandler(register("desy", "lrz"), 60, 36_500))


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
