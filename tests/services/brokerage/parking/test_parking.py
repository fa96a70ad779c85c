"""Requests that overtook their offering: parked, decided when it comes, refused once when it does not."""

import asyncio
import datetime as dt
from collections.abc import Iterable, Sequence

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection
from support.builders import NOW, command, fact, offering, plan, published, register, request, retired, uid
from support.desk import Desk, NewDesk, codes

from allmende.schemas.brokerage import BookingConfirmed, CancelBooking
from allmende.servicekit.messages import Incoming
from allmende.services.brokerage.capacity import store
from allmende.services.brokerage.capacity.listing import Listed
from allmende.services.brokerage.handlers import BrokerageHandler

VM = offering(plan(capacity={"cores": 10}))
KNOWN = fact(published(VM), 1)
MEMBERS = register("desy", "kit", "gsi", "lrz")


@pytest.fixture
async def brokerage(desk: NewDesk) -> Desk:
    return await desk(BrokerageHandler(MEMBERS, 60, 36_500))


def asked(number: int, cores: int = 4, member: str = "desy") -> Incoming:
    return command(member, request(cores=cores), number)


async def parked(desk: Desk) -> int:
    return len(await desk.rows("select 1 from parked"))


@pytest.mark.parametrize(
    "batches",
    [
        [[KNOWN, asked(1)]],
        [[asked(1), KNOWN]],
        [[KNOWN], [asked(1)]],
        [[asked(1)], [KNOWN]],
        [[asked(1)], [asked(1)], [KNOWN], [KNOWN]],
    ],
    ids=["after, one batch", "before, one batch", "after", "before", "before, twice"],
)
async def test_wherever_the_offering_comes_the_request_is_confirmed_once(
    brokerage: Desk, batches: Sequence[Sequence[Incoming]]
) -> None:
    for batch in batches:
        await brokerage.take(*batch)
    assert codes(brokerage.told) == ["BookingConfirmed"]
    assert await brokerage.rows("select booked from capacity") == [(4,)]
    assert await parked(brokerage) == 0
    assert await brokerage.later(3600) == []


async def test_those_that_waited_come_first_and_in_the_order_they_came(brokerage: Desk) -> None:
    await brokerage.take(asked(9, 4, "kit"), asked(5, 4, "gsi"))
    await brokerage.take(asked(7, 4))
    facts = await brokerage.take(asked(1, 2), KNOWN)
    assert [(each.cause.id, code) for each, code in zip(facts, codes(facts), strict=True) if each.cause] == [
        (uid(9), "BookingConfirmed"),
        (uid(5), "BookingConfirmed"),
        (uid(7), "no_capacity"),
        (uid(1), "BookingConfirmed"),
    ]


async def test_a_request_keeps_its_trace_while_it_waits(brokerage: Desk) -> None:
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    waiting = asked(1)
    await brokerage.take(Incoming(waiting.message, "desy", waiting.id, waiting.data, waiting.digest, trace))
    (confirmed,) = await brokerage.take(KNOWN)
    assert confirmed.cause is not None
    assert (confirmed.cause.sender, confirmed.cause.traceparent) == ("desy", trace)
    assert isinstance(confirmed.data, BookingConfirmed)
    assert confirmed.data.confirmed_at == NOW


async def test_what_waited_for_a_retired_offering_is_refused(brokerage: Desk) -> None:
    await brokerage.take(asked(1))
    assert codes(await brokerage.take(KNOWN, fact(retired(), 2))) == ["offering_retired"]
    assert await parked(brokerage) == 0


async def test_the_deadline_is_kept_though_an_unknown_offering_is_retired(brokerage: Desk) -> None:
    await brokerage.take(asked(1))
    brokerage.now += dt.timedelta(seconds=59)
    await brokerage.take(fact(retired(), 2))
    assert codes(await brokerage.later(1)) == ["unknown_offering"]


async def test_overdue_is_refused_exactly_once_and_not_a_moment_early(brokerage: Desk) -> None:
    await brokerage.take(asked(1), asked(2, 1, "kit"))
    assert await brokerage.later(59.999999) == []
    facts = await brokerage.later(0.000001)
    assert codes(facts) == ["unknown_offering"] * 2
    assert {(each.cause.id, each.cause.sender) for each in facts if each.cause} == {
        (uid(1), "desy"),
        (uid(2), "kit"),
    }
    assert await brokerage.later(3600) == []
    assert await brokerage.take(asked(1), KNOWN) == [], "decided is decided"
    assert await brokerage.rows("select booked from capacity") == [(0,)]


async def test_two_processes_refuse_what_is_overdue_once(brokerage: Desk, desk: NewDesk) -> None:
    other = await desk(brokerage.handler, shares=brokerage)
    await brokerage.take(*(asked(number, 1) for number in range(50)))
    for _ in range(3):
        await asyncio.gather(brokerage.later(60), other.later(60))
    assert sorted(each.cause.id for each in brokerage.told + other.told if each.cause) == [
        uid(number) for number in range(50)
    ]


async def test_an_offering_learned_by_another_process_meanwhile_is_found_at_the_next_tick(
    brokerage: Desk, desk: NewDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await desk(brokerage.handler, shares=brokerage)
    loaded, learned = asyncio.Event(), asyncio.Event()
    load_offerings = store.load_offerings

    async def slowly(tx: AsyncConnection, ids: Iterable[str]) -> dict[str, Listed]:
        found = await load_offerings(tx, ids)
        loaded.set()
        await learned.wait()
        return found

    monkeypatch.setattr(store, "load_offerings", slowly)
    deciding = asyncio.create_task(brokerage.take(asked(1)))
    await loaded.wait()
    assert await other.take(KNOWN) == [], "the request is not committed yet"
    learned.set()
    assert await deciding == []
    assert await parked(brokerage) == 1

    assert codes(await other.tick()) == ["BookingConfirmed"]
    assert await brokerage.tick() == []
    assert await parked(brokerage) == 0


async def test_two_processes_decide_a_request_that_waited_once(brokerage: Desk, desk: NewDesk) -> None:
    other = await desk(brokerage.handler, shares=brokerage)
    await brokerage.take(*(asked(number, 1) for number in range(20)))
    async with brokerage.engine.begin() as tx:
        await store.save_offerings(tx, {"lrz/vm": Listed(VM, 1)})
    await asyncio.gather(brokerage.tick(), other.tick(), other.take(KNOWN))
    assert len(brokerage.told + other.told) == 20
    assert await brokerage.rows("select total, booked from capacity") == [(10, 10)]
    assert codes(brokerage.told + other.told).count("BookingConfirmed") == 10


# -- commands that overtake their booking -------------------------------------------------------


async def test_a_command_that_overtakes_its_booking_waits_for_it(brokerage: Desk) -> None:
    cancel = command("desy", CancelBooking(booking_id=uid(1), reason="doch nicht"), 9)
    assert await brokerage.take(cancel) == []
    tomorrow = NOW.date() + dt.timedelta(days=1)
    await brokerage.take(KNOWN, command("desy", request(start=tomorrow), 1))
    assert codes(await brokerage.tick()) == ["BookingChanged"]
    assert await brokerage.rows("select state from booking") == [("cancelled",)]
    assert await parked(brokerage) == 0


async def test_a_command_about_no_booking_is_refused_in_the_end(brokerage: Desk) -> None:
    await brokerage.take(command("desy", CancelBooking(booking_id=uid(77), reason="x"), 9))
    assert await brokerage.later(59) == []
    (refused,) = await brokerage.later(1)
    assert codes([refused]) == ["unknown_booking"]
    assert refused.cause is not None
    assert (refused.cause.id, refused.cause.sender) == (uid(9), "desy")
