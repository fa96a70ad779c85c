"""Several processes at one booking, one line, one deadline; and what each guard is there for.

Every guard has a control run without it: a test that still passed then would prove nothing.
"""

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import Awaitable, Sequence
from types import ModuleType
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from support.builders import NOW, command, fact, offering, plan, published, register, request, uid
from support.desk import Desk, NewDesk, codes, persistently

from allmende.schemas.brokerage import (
    AcceptBooking,
    BookingChanged,
    BookingConfirmed,
    CancelBooking,
    DeclineBooking,
)
from allmende.schemas.conditions import Conditions
from allmende.servicekit.messages import Incoming, Outgoing
from allmende.servicekit.testing import Templates
from allmende.services.brokerage.capacity import store as capacity_store
from allmende.services.brokerage.handlers import BrokerageHandler
from allmende.services.brokerage.life import store as life_store

PROCESSES = 4
MEMBERS = register("desy", "kit", "lrz")
TODAY = NOW.date()
NEXT_MONTH = TODAY + dt.timedelta(days=30)


async def processes(desk: NewDesk, capacity: int, **conditions: Any) -> list[Desk]:
    """Several desks on one database, with one offering of so many cores."""
    first = await desk(BrokerageHandler(MEMBERS, 60, 36_500))
    document = offering(plan(capacity={"cores": capacity}, conditions=Conditions(**conditions)))
    await first.take(fact(published(document), 0))
    return [
        first,
        *[await desk(BrokerageHandler(MEMBERS, 60, 36_500), shares=first) for _ in range(PROCESSES - 1)],
    ]


async def at_once(*work: Awaitable[list[Outgoing]]) -> tuple[list[Outgoing], int]:
    """Do all of it at once. Returns what was told, and how often the last guard, a key, had to refuse."""
    done = await asyncio.gather(*work, return_exceptions=True)
    refused = [each for each in done if isinstance(each, IntegrityError)]
    others = [each for each in done if isinstance(each, BaseException) and each not in refused]
    assert not others
    return [fact for each in done if isinstance(each, list) for fact in each], len(refused)


def without(
    guard: str, statement: str, monkeypatch: pytest.MonkeyPatch, store: ModuleType = life_store
) -> None:
    """Take a guard out of a statement of a store."""
    found = str(getattr(store, statement))
    assert guard in found
    monkeypatch.setattr(store, statement, text(found.replace(guard, "")))


async def unguard(templates: Templates, desk: Desk, table: str, constraint: str) -> None:
    """Take a constraint away."""
    admin = await asyncpg.connect(templates.admin_url(desk.url))
    await admin.execute(f"alter table {table} drop constraint {constraint}")
    await admin.close()


def dawdle(function: str, monkeypatch: pytest.MonkeyPatch, store: ModuleType = life_store) -> None:
    """Make whoever has read wait until everybody has read, or cannot for the locks of the others."""
    read = getattr(store, function)
    readers = 0

    async def slowly(*arguments: object) -> object:
        nonlocal readers
        found = await read(*arguments)
        readers += 1
        for _ in range(20):
            if readers >= PROCESSES:
                break
            await asyncio.sleep(0.005)
        return found

    monkeypatch.setattr(store, function, slowly)


def asked(number: int, **wanted: Any) -> Incoming:
    member = "desy" if number % 2 else "kit"
    return command(member, request(**{"cores": 1, "start": TODAY, **wanted}), number)


def on(number: int, data: Any, sender: str | None = None) -> Incoming:
    """A command about a booking, with an id of its own."""
    made = data(booking_id=uid(number), reason="anders")
    return command(sender or ("desy" if number % 2 else "kit"), made, 500_000 + number)


async def capacity(desk: Desk) -> tuple[Any, Any, Any]:
    """Total, booked, and what the bookings say themselves."""
    ((total, booked),) = await desk.rows("select total, booked from capacity")
    ((held,),) = await desk.rows(
        "select coalesce(sum((reserved->>'standard//cores')::numeric), 0) from booking"
    )
    return total, booked, held


# -- a thousand requests ------------------------------------------------------------------------


async def trade(desks: Sequence[Desk]) -> Counter[str]:
    """Every process takes 250 requests and cancels half of what it could book. Counts what was told."""

    async def work(each: Desk, start: int) -> list[Outgoing]:
        told = []
        for batch in range(start, start + 250, 25):
            asking = [asked(number, start=NEXT_MONTH) for number in range(batch, batch + 25)]
            facts = await persistently(lambda asking=asking: each.take(*asking))  # type: ignore[misc]
            booked = [fact.data.booking_id for fact in facts if isinstance(fact.data, BookingConfirmed)]
            numbers = [int(id_[-12:], 16) for id_ in booked]
            cancelling = [on(number, CancelBooking) for number in numbers[::2]]
            told += facts
            told += await persistently(lambda cancelling=cancelling: each.take(*cancelling))  # type: ignore[misc]
        return told

    told, _ = await at_once(*(work(each, 1000 * place) for place, each in enumerate(desks, 1)))
    return Counter(codes(told))


async def test_a_thousand_requests_and_cancellations_leave_the_books_in_order(desk: NewDesk) -> None:
    desks = await processes(desk, 40)
    said = await trade(desks)
    total, booked, held = await capacity(desks[0])
    assert said["BookingConfirmed"] + said["no_capacity"] == 1000
    assert said["BookingConfirmed"] - said["BookingChanged"] == booked == held <= total == 40
    assert said["BookingChanged"] > 30
    assert await desks[0].rows("select count(*) from booking") == [(said["BookingConfirmed"],)]


async def test_without_lock_and_check_a_thousand_requests_take_more_than_there_is(
    desk: NewDesk, monkeypatch: pytest.MonkeyPatch, templates: Templates
) -> None:
    without("for update of c", "_LOAD_CAPACITY", monkeypatch, capacity_store)
    dawdle("load_capacity", monkeypatch, capacity_store)
    desks = await processes(desk, 40)
    await unguard(templates, desks[0], "capacity", "capacity_check")
    said = await trade(desks)
    assert said["BookingConfirmed"] - said["BookingChanged"] > 40


# -- a waiting line -----------------------------------------------------------------------------


async def queue(desks: Sequence[Desk]) -> tuple[list[Outgoing], int]:
    """Twelve wait for three places that become free, and every process serves the line."""
    await desks[0].take(asked(1, cores=3, start=NEXT_MONTH))
    waiting = [asked(number, wait_until=NEXT_MONTH) for number in range(2, 14)]
    assert set(codes(await desks[0].take(*waiting))) == {"BookingAcknowledged"}
    await desks[0].take(on(1, CancelBooking))
    return await at_once(*(each.tick() for each in desks))


def moved(told: Sequence[Outgoing]) -> list[str]:
    """The bookings that moved, once for each move."""
    return sorted(fact.data.booking_id for fact in told if isinstance(fact.data, BookingChanged))


async def test_a_waiting_line_is_served_once_and_in_its_order(
    desk: NewDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    dawdle("load_line", monkeypatch)
    desks = await processes(desk, 3, waiting_list=True)
    told, refused = await queue(desks)
    assert (moved(told), refused) == ([uid(2), uid(3), uid(4)], 0)
    assert await capacity(desks[0]) == (3, 3, 3)


async def test_who_states_an_interest_does_not_overtake_those_in_line(desk: NewDesk) -> None:
    desks = await processes(desk, 1, waiting_list=True)
    await desks[0].take(asked(1, start=NEXT_MONTH))
    await desks[0].take(asked(2, binding=False, wait_until=NEXT_MONTH), asked(3, wait_until=NEXT_MONTH))
    await desks[0].take(command("kit", AcceptBooking(booking_id=uid(2)), 4))
    await desks[0].take(on(1, CancelBooking))
    assert moved(await desks[0].tick()) == [uid(3)]


async def test_without_its_lock_a_line_is_served_by_the_next_as_soon_as_the_first_is_done(
    desk: NewDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows' own locks still keep it right; the lock of the lines spares the waiting."""
    served = 0
    load_line = life_store.load_line

    async def counting(*arguments: Any) -> Any:
        nonlocal served
        served += 1
        return await load_line(*arguments)

    monkeypatch.setattr(life_store, "load_line", counting)
    monkeypatch.setattr(life_store, "_LOCK_LINES", text("select true"))
    dawdle("lock_lines", monkeypatch)
    desks = await processes(desk, 3, waiting_list=True)
    told, refused = await queue(desks)
    assert (moved(told), refused) == ([uid(2), uid(3), uid(4)], 0)
    assert served == PROCESSES


async def test_without_any_lock_several_processes_serve_one_line_at_once(
    desk: NewDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(life_store, "_LOCK_LINES", text("select true"))
    without("for update", "_LOAD_LINE", monkeypatch)
    without("for update of c", "_LOAD_CAPACITY", monkeypatch, capacity_store)
    dawdle("load_line", monkeypatch)
    _, refused = await queue(await processes(desk, 3, waiting_list=True))
    assert refused > 0


# -- deadlines ----------------------------------------------------------------------------------


async def lapse(desks: Sequence[Desk]) -> tuple[list[Outgoing], int]:
    """Thirty requests that nobody approved in time fall due, and every process has its tick."""
    await desks[0].take(*(asked(number) for number in range(1, 31)))
    for each in desks:
        each.now += dt.timedelta(hours=49)
    return await at_once(*(each.tick() for each in desks))


async def test_what_is_due_is_moved_once(desk: NewDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    dawdle("load_due", monkeypatch)
    desks = await processes(desk, 100, provider_approval_hours=48)
    told, refused = await lapse(desks)
    assert (moved(told), refused) == ([uid(number) for number in range(1, 31)], 0)
    assert await capacity(desks[0]) == (100, 0, 0)


async def test_without_skipping_what_is_locked_due_bookings_are_moved_by_several(
    desk: NewDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    without("for update skip locked", "_LOAD_DUE", monkeypatch)
    dawdle("load_due", monkeypatch)
    _, refused = await lapse(await processes(desk, 100, provider_approval_hours=48))
    assert refused > 0, "only the key of the changes is left to notice"


# -- both sides at one booking ------------------------------------------------------------------


async def collide(desks: Sequence[Desk]) -> tuple[list[Outgoing], int]:
    """The consumer cancels while the provider declines, twenty times."""
    await desks[0].take(*(asked(number) for number in range(1, 21)))
    told, refused = [], 0
    for number in range(1, 21):
        facts, keys = await at_once(
            desks[0].take(on(number, CancelBooking)), desks[1].take(on(number, DeclineBooking, "lrz"))
        )
        told += facts
        refused += keys
    return told, refused


async def test_of_two_sides_at_one_booking_one_wins_and_the_table_refuses_the_other(desk: NewDesk) -> None:
    desks = await processes(desk, 100, provider_approval_hours=48)
    told, refused = await collide(desks)
    assert refused == 0
    assert Counter(codes(told)) == {"BookingChanged": 20, "not_now": 20}
    assert moved(told) == [uid(number) for number in range(1, 21)]
    assert await capacity(desks[0]) == (100, 0, 0)


async def test_without_locks_both_sides_move_one_booking(
    desk: NewDesk, monkeypatch: pytest.MonkeyPatch, templates: Templates
) -> None:
    without("for update", "_LOAD_BOOKINGS", monkeypatch)
    without("for update of c", "_LOAD_CAPACITY", monkeypatch, capacity_store)
    dawdle("load_bookings", monkeypatch)
    desks = await processes(desk, 100, provider_approval_hours=48)
    await unguard(templates, desks[0], "change", "change_pkey")
    await unguard(templates, desks[0], "capacity", "capacity_booked_check")
    told, _ = await collide(desks)
    assert Counter(codes(told))["BookingChanged"] > 20
    assert len(moved(told)) > len(set(moved(told)))
