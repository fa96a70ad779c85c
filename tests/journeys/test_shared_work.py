"""Several brokerage processes on the same shards: they share the work, one may be killed at any moment."""

import asyncio
import contextlib
import datetime as dt
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

from support.broker import eventually
from support.builders import offering, plan, quantity
from support.fixtures import Connect, NewMarket

from allmende.client import Market
from allmende.schemas.brokerage import BookingConfirmed
from allmende.schemas.catalog import OfferingPublished
from allmende.schemas.rejections import Rejection
from allmende.servicekit.testing import Sandbox

MEMBERS = ("desy", "kit", "gsi", "dkrz", "hzb", "ufz")
EACH = 60
CAPACITY = 100
HOT = offering(
    plan(capacity={"cores": CAPACITY}, order=(quantity("cores", 1, 2),)), id_="lrz/hot", category="compute"
)


@contextlib.asynccontextmanager
async def brokerage_process(market: Sandbox) -> AsyncIterator[asyncio.subprocess.Process]:
    """One brokerage as a process of its own, ready to work."""
    environment = {
        **os.environ,
        "ALLMENDE_NATS_URL": market.url,
        "ALLMENDE_NATS_SEED_FILE": str(market.home.service_key("brokerage")),
        "ALLMENDE_DATABASE_URL": market.databases["brokerage"],
        "ALLMENDE_REGISTER": str(market.home.register),
        "ALLMENDE_BATCH_MAX": "20",
    }
    command = [str(Path(sys.executable).with_name("allmende")), "serve", "brokerage"]
    process = await asyncio.create_subprocess_exec(*command, env=environment, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def book(member: Market, today: dt.date) -> BookingConfirmed | Rejection:
    outcome = await member.book("lrz/hot", "standard", {"cores": 1}, start=today)
    assert isinstance(outcome, BookingConfirmed | Rejection)
    return outcome


async def batches_of(market: Sandbox) -> int:
    """How many transactions decided bookings, each of one process."""
    rows = await market.rows("brokerage", "select count(distinct xmin::text) from booking")
    return int(rows[0][0])


async def test_processes_share_the_work_and_one_may_be_killed(sandbox: NewMarket, member: Connect) -> None:
    market = await sandbox("lrz", *MEMBERS)
    await market.start("catalog")
    today = dt.datetime.now(dt.UTC).date()
    consumers = [await member(market, name) for name in MEMBERS]
    lrz = await member(market, "lrz")
    assert isinstance(await lrz.publish(HOT), OfferingPublished)
    async with brokerage_process(market), brokerage_process(market) as victim:
        asking = [asyncio.create_task(book(each, today)) for each in consumers for _ in range(EACH)]
        await eventually(lambda: batches_of(market), 30)
        os.killpg(victim.pid, signal.SIGKILL)
        outcomes = await asyncio.gather(*asking)

    confirmed = [each for each in outcomes if isinstance(each, BookingConfirmed)]
    refused = Counter(each.code for each in outcomes if isinstance(each, Rejection))
    assert len(confirmed) == CAPACITY
    assert refused == {"no_capacity": len(MEMBERS) * EACH - CAPACITY}
    rows = await market.rows("brokerage", "select total, booked from capacity")
    assert [tuple(row) for row in rows] == [(Decimal(CAPACITY), Decimal(CAPACITY))]
    stored = await market.rows("brokerage", "select booking_id::text from booking")
    assert {row[0] for row in stored} == {each.booking_id for each in confirmed}
