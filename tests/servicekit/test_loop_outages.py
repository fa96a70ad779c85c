"""The database or the message server goes away in the middle and comes back."""

import asyncio
import datetime as dt
import os
import signal

import pytest
from support.broker import eventually, gaps, stored
from support.fixtures import Connect, NewMarket
from support.workshop import NewWorkshop, new_ids, request

from allmende.schemas.brokerage import BookingConfirmed, RequestBooking
from allmende.servicekit.embedded.postgres import EmbeddedPostgres
from allmende.servicekit.testing import Sandbox


async def test_the_database_goes_away_and_comes_back(
    workshop: NewWorkshop, own_market: Sandbox, own_postgres: EmbeddedPostgres
) -> None:
    shop = await workshop(market=own_market)
    before, during, after = new_ids(50), new_ids(50), new_ids(50)
    loop = await shop.start(batch_max=5)
    await shop.send(*(request(id_=id_) for id_ in before))
    await eventually(lambda: len(shop.handler.sizes) >= 2)
    await asyncio.to_thread(own_postgres.stop)  # in the middle of the batches
    await shop.send(*(request(id_=id_) for id_ in during))
    await eventually(lambda: loop.trouble is not None)
    assert loop.trouble is not None
    assert "database" in loop.trouble

    await asyncio.to_thread(own_postgres.start)
    await shop.send(*(request(id_=id_) for id_ in after))
    await shop.settled()
    assert await shop.complaints(*before, *during, *after) == []
    await eventually(lambda: loop.trouble is None)


async def test_an_idle_service_says_that_the_database_is_away(
    workshop: NewWorkshop, own_market: Sandbox, own_postgres: EmbeddedPostgres
) -> None:
    shop = await workshop(market=own_market)
    loop = await shop.start()
    await asyncio.to_thread(own_postgres.stop)
    await eventually(lambda: loop.trouble is not None)
    assert loop.trouble is not None
    assert "database" in loop.trouble
    await asyncio.to_thread(own_postgres.start)
    await eventually(lambda: loop.trouble is None)


async def test_told_to_stop_while_the_database_is_away(
    workshop: NewWorkshop,
    own_market: Sandbox,
    own_postgres: EmbeddedPostgres,
    caplog: pytest.LogCaptureFixture,
) -> None:
    shop = await workshop(market=own_market)
    ids = new_ids(10)
    loop = await shop.start()
    await asyncio.to_thread(own_postgres.stop)
    await shop.send(*(request(id_=id_) for id_ in ids))
    await eventually(lambda: "the database cannot be reached" in (loop.trouble or ""))
    await shop.stop()
    assert "cannot be processed" not in caplog.text, "an outage is nobody's fault"

    await asyncio.to_thread(own_postgres.start)
    await shop.start()
    await shop.settled()
    assert await shop.complaints(*ids) == []


# -- NATS ---------------------------------------------------------------------------------------------


async def kill_nats(market: Sandbox) -> None:
    assert market.nats.pid is not None
    os.kill(market.nats.pid, signal.SIGKILL)
    await asyncio.to_thread(market.nats.stop)


async def test_nats_is_killed_and_comes_back(workshop: NewWorkshop, member: Connect) -> None:
    shop = await workshop()
    desy = await member(shop.market, "desy")
    await shop.start(batch_max=5)
    ids = new_ids(60)

    async def book(id_: str) -> object:
        data = RequestBooking(offering_id="lrz/compute", plan_id="standard", start=dt.date(2026, 4, 1))
        return await desy.command(data, id=id_)

    waiting = [asyncio.create_task(book(id_)) for id_ in ids]
    await eventually(lambda: len(shop.handler.sizes) >= 3)
    await kill_nats(shop.market)
    await shop.market.start_nats()
    outcomes = await asyncio.gather(*waiting)

    assert [outcome.booking_id for outcome in outcomes if isinstance(outcome, BookingConfirmed)] == ids
    await shop.settled()
    assert await shop.complaints(*ids) == []
    assert gaps(await stored(shop.hub)) == []


async def test_nats_is_killed_again_and_again(workshop: NewWorkshop) -> None:
    shop = await workshop()
    await shop.start(batch_max=3)
    ids = []
    for _ in range(3):
        more = new_ids(30)
        await shop.send(*(request(id_=id_) for id_ in more))
        ids += more
        await shop.batches(len(shop.handler.sizes) + 1)
        await kill_nats(shop.market)
        await shop.market.start_nats()
        await eventually(lambda: shop.hub.is_connected)
    await shop.settled()
    assert await shop.complaints(*ids) == []


async def test_an_idle_service_says_that_nats_is_away(workshop: NewWorkshop) -> None:
    shop = await workshop()
    loop = await shop.start()
    await kill_nats(shop.market)
    await eventually(lambda: "message server" in (loop.trouble or ""))
    await shop.market.start_nats()
    await eventually(lambda: loop.trouble is None)


async def test_a_running_service_tells_its_health(sandbox: NewMarket) -> None:
    market = await sandbox("desy")
    await market.start("catalog")
    await eventually(lambda: market.running["catalog"].trouble() is None)
    await kill_nats(market)
    await eventually(lambda: "message server" in (market.running["catalog"].trouble() or ""))
    await market.start_nats()
    await eventually(lambda: market.running["catalog"].trouble() is None)
