"""Until when a service is informed: what waits for a fact is refused only when it cannot come any more."""

import datetime as dt
import json
import types
import uuid
from typing import cast

from nats.aio.client import Client
from support import examples
from support.broker import eventually
from support.workshop import SERVICE, NewWorkshop

from allmende.schemas import subjects
from allmende.servicekit.barrier import FactBarrier

EARLY = dt.datetime(2026, 4, 1, tzinfo=dt.UTC)
HOURS = [EARLY + dt.timedelta(hours=hour) for hour in range(9)]
NAME = "catalog.offering.published"


def published() -> bytes:
    return examples.sealed(NAME).replace(examples.EVENT_ID.encode(), str(uuid.uuid4()).encode())


async def test_a_service_is_informed_until_now_once_it_has_taken_everything_in(workshop: NewWorkshop) -> None:
    shop = await workshop()
    barrier = FactBarrier(shop.hub, SERVICE, f"svc_{SERVICE}")
    assert await barrier.informed_until(HOURS[0]) == HOURS[0], "nothing was told yet"
    await shop.tell(published())
    assert await barrier.informed_until(HOURS[1]) == HOURS[0], "something waits"
    assert await barrier.informed_until(HOURS[2]) == HOURS[0]
    await shop.start()
    await shop.settled()
    assert await barrier.informed_until(HOURS[3]) == HOURS[3]


async def test_under_steady_load_it_follows_behind(workshop: NewWorkshop) -> None:
    shop = await workshop()
    barrier = FactBarrier(shop.hub, SERVICE, f"svc_{SERVICE}")
    pull = await shop.hub.jetstream().pull_subscribe_bind(f"svc_{SERVICE}", subjects.FACT_STREAM)
    for hour in HOURS[1:5]:
        await shop.tell(published())
        assert await barrier.informed_until(hour) <= HOURS[0], "the first of them still waits"
    first, second, third, _ = await pull.fetch(4, timeout=5)
    await first.ack_sync()
    assert await barrier.informed_until(HOURS[5]) == HOURS[1], (
        "what was told by then is known, though more waits"
    )
    for each in (second, third):
        await each.ack_sync()
    assert await barrier.informed_until(HOURS[6]) == HOURS[1], "up to the fact that was the last at five"


async def test_a_service_that_reads_no_facts_misses_none(workshop: NewWorkshop) -> None:
    shop = await workshop()
    await shop.tell(published())
    assert await FactBarrier(shop.hub, SERVICE, None).informed_until(HOURS[1]) == HOURS[1]


async def test_a_server_that_does_not_answer_informs_nobody(workshop: NewWorkshop) -> None:
    shop = await workshop()
    barrier = FactBarrier(shop.hub, SERVICE, "svc_nobody")
    assert await barrier.informed_until(HOURS[1]) < EARLY


async def test_the_loop_tells_the_handler_how_far_it_is_informed(workshop: NewWorkshop) -> None:
    shop = await workshop()
    seen: list[tuple[dt.datetime, dt.datetime]] = []

    async def tick(_: object, now: dt.datetime, informed_until: dt.datetime) -> list[object]:
        seen.append((now, informed_until))
        return []

    shop.handler.tick = tick  # type: ignore[assignment, method-assign]
    await shop.start()
    await eventually(lambda: len(seen) > 1)
    assert all(now == informed_until for now, informed_until in seen)


class _Signalled:
    """A server that tells its consumer of a stored fact only after it was asked about it once."""

    def __init__(self) -> None:
        self.asked = 0

    async def request(self, subject: str, *_: object, **__: object) -> types.SimpleNamespace:
        if ".STREAM.INFO." in subject:
            return types.SimpleNamespace(data=json.dumps({"state": {"last_seq": 1}}).encode())
        self.asked += 1
        told = {"num_pending": int(self.asked > 1), "num_ack_pending": 0, "ack_floor": {"stream_seq": 0}}
        return types.SimpleNamespace(data=json.dumps(told).encode())


async def test_a_consumer_that_is_told_a_moment_later_is_not_taken_for_idle() -> None:
    barrier = FactBarrier(cast("Client", _Signalled()), SERVICE, f"svc_{SERVICE}")
    assert await barrier.informed_until(HOURS[1]) < HOURS[0], "a fact waits, though it seemed that none did"
