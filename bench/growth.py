"""What a booking costs with few and with many bookings stored: the transactions alone, without NATS."""

import statistics
import time
from collections.abc import Sequence

from allmende.servicekit import database, outbox
from allmende.servicekit.testing import Sandbox
from bench import recording

_WARM_UP = 2
"""Batches in which plans are made and pages are read for the first time."""


async def microseconds_each(market: Sandbox, members: Sequence[str], count: int) -> float:
    """The median batch, per booking."""
    seconds = await decide(market, members, count + _WARM_UP * recording.BATCH)
    return statistics.median(seconds[_WARM_UP:]) / recording.BATCH * 1e6


async def decide(market: Sandbox, members: Sequence[str], count: int) -> list[float]:
    """Decide so many bookings. Returns the seconds of each batch."""
    engine = database.engine(market.databases["brokerage"])
    handler = recording.handler_of(market)
    load = recording.messages(members, count)
    published: list[int] = []
    seconds = []
    for position in range(0, len(load), recording.BATCH):
        started = time.perf_counter()
        async with engine.begin() as tx:
            batch = load[position : position + recording.BATCH]
            letters = await recording.transact(tx, handler, batch, published)
        seconds.append(time.perf_counter() - started)
        published = [letter.id for letter in letters]
    async with engine.begin() as tx:
        await outbox.forget(tx, published)
    await engine.dispose()
    return seconds
