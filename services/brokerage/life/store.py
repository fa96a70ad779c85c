"""The tables of bookings, their story and the lines in which they wait: whole batches at once."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.brokerage import Agreement, BookingChanged, BookingSummary, MessageWritten
from allmende.schemas.money import plain

from ..booking import NOTHING_SPECIAL, Booking, LineKey, Progress, with_terms
from ..capacity.reservation import reserved
from ..lifecycle import WITHOUT_CAPACITY
from ..store import SLICE

_BOOKING = """
    booking_id::text, state, instance, changes, waits_for, until, terms::text, progress::text, number
"""

_LOAD_BOOKINGS = text(f"""
    select {_BOOKING} from booking where booking_id = any(cast(:ids as uuid[]))
    order by booking_id for update
""")

_LOAD_DUE = text(f"""
    select {_BOOKING} from booking where booking_id in (
        select booking_id from booking where due_at <= :now order by due_at limit {SLICE})
    order by booking_id for update skip locked
""")

_LINES = text("""
    select distinct b.offering_id, b.plan_id, b.pool_id from booking b where b.state = 'held' and not exists (
        select from capacity c
        where (c.offering_id, c.plan_id, c.pool_id) = (b.offering_id, b.plan_id, b.pool_id)
          and c.booked >= c.total)
    limit 50
""")

_LOAD_LINE = text(f"""
    select {_BOOKING} from booking
    where state = 'held' and (offering_id, plan_id, pool_id) = (:offering, :plan, :pool)
    order by joined limit {SLICE} for update
""")

_WAITING = text("""
    select b.offering_id, b.plan_id, b.pool_id, count(*) from booking b
    where b.state = 'held' and b.offering_id = any(cast(:ids as text[]))
    group by 1, 2, 3
""")

_LOCK_LINES = text("select pg_try_advisory_xact_lock(hashtextextended('brokerage waiting lines', 0))")

_SAVE_NEW = text("""
    insert into booking (booking_id, consumer, provider, offering_id, plan_id, pool_id, state, instance,
                         changes, waits_for, until, due_at, requested_at, joined, reserved, progress, terms)
    select u.id, u.consumer, u.provider, u.offering, u.plan, u.pool, u.state, u.instance,
           u.changes, u.waits_for, u.until, u.due_at, :now,
           case when u.state = 'held' then nextval('waiting_line') end,
           u.reserved::jsonb, u.progress::json, u.terms::json
    from unnest(cast(:ids as uuid[]), cast(:consumers as text[]), cast(:providers as text[]),
                cast(:offerings as text[]), cast(:plans as text[]), cast(:pools as text[]),
                cast(:states as text[]), cast(:instances as text[]), cast(:changes as int[]),
                cast(:waits_for as text[]), cast(:until as timestamptz[]), cast(:due_at as timestamptz[]),
                cast(:reserved as text[]), cast(:progress as text[]), cast(:terms as text[]))
         u (id, consumer, provider, offering, plan, pool, state, instance, changes, waits_for, until,
            due_at, reserved, progress, terms)
""")

_SAVE_CHANGED = text("""
    update booking b
    set plan_id = u.plan, state = u.state, instance = u.instance, changes = u.changes,
        joined = case when u.state = 'held' then coalesce(b.joined, nextval('waiting_line')) end,
        waits_for = u.waits_for, until = u.until, due_at = u.due_at, reserved = u.reserved::jsonb,
        progress = u.progress::json, terms = u.terms::json
    from unnest(cast(:ids as uuid[]), cast(:plans as text[]), cast(:states as text[]),
                cast(:instances as text[]), cast(:changes as int[]), cast(:waits_for as text[]),
                cast(:until as timestamptz[]), cast(:due_at as timestamptz[]), cast(:reserved as text[]),
                cast(:progress as text[]), cast(:terms as text[]))
         u (id, plan, state, instance, changes, waits_for, until, due_at, reserved, progress, terms)
    where b.booking_id = u.id
""")

_SAVE_CHANGES = text("""
    insert into change (booking_id, number, data)
    select * from unnest(cast(:ids as uuid[]), cast(:numbers as int[]), cast(:data as json[]))
""")

_SAVE_MESSAGES = text("""
    insert into message (booking_id, data)
    select * from unnest(cast(:ids as uuid[]), cast(:data as json[]))
""")


async def load_bookings(tx: AsyncConnection, booking_ids: Iterable[str]) -> dict[str, Booking]:
    """Load and lock bookings."""
    rows = await tx.execute(_LOAD_BOOKINGS, {"ids": sorted(set(booking_ids))})
    return {row[0]: booking_of(row) for row in rows}


async def load_due(tx: AsyncConnection, now: dt.datetime) -> list[Booking]:
    """Load and lock bookings that the clock moves on; what another process has in hand is left to it."""
    return [booking_of(row) for row in await tx.execute(_LOAD_DUE, {"now": now})]


def booking_of(row: Sequence[Any]) -> Booking:
    """Read a booking from the columns of `_BOOKING`. Fields of older terms that are gone are passed over."""
    return Booking(
        agreement=Agreement.model_validate_json(row[6], extra="ignore"),
        state=row[1],
        instance=row[2],
        number=row[3],
        waits_for=row[4],
        until=row[5],
        progress=Progress.model_validate_json(row[7], extra="ignore") if row[7] else NOTHING_SPECIAL,
    )


async def save_new(tx: AsyncConnection, bookings: Sequence[Booking], now: dt.datetime) -> None:
    """Store bookings made in this batch."""
    if not bookings:
        return
    terms = [booking.agreement for booking in bookings]
    await tx.execute(
        _SAVE_NEW,
        {
            "now": now,
            "consumers": [each.consumer for each in terms],
            "providers": [each.provider for each in terms],
            "offerings": [each.offering_id for each in terms],
            "pools": [each.pool_id or "" for each in terms],
            **_state_columns(bookings),
        },
    )


async def save_changed(tx: AsyncConnection, bookings: Sequence[Booking]) -> None:
    """Store bookings as they have become."""
    if bookings:
        await tx.execute(_SAVE_CHANGED, _state_columns(bookings))


def _state_columns(bookings: Sequence[Booking]) -> dict[str, list[Any]]:
    return {
        "ids": [booking.id for booking in bookings],
        "plans": [booking.agreement.plan_id for booking in bookings],
        "states": [booking.state for booking in bookings],
        "instances": [booking.instance for booking in bookings],
        "changes": [booking.number for booking in bookings],
        "waits_for": [booking.waits_for for booking in bookings],
        "until": [booking.until for booking in bookings],
        "due_at": [booking.due for booking in bookings],
        "reserved": [_reserved_json(booking) for booking in bookings],
        "progress": [
            None if booking.progress is NOTHING_SPECIAL else booking.progress.model_dump_json()
            for booking in bookings
        ],
        "terms": [booking.agreement.model_dump_json() for booking in bookings],
    }


def _reserved_json(booking: Booking) -> str | None:
    # Names are slugs and amounts plain decimals: nothing in them needs to be escaped.
    if booking.phase in WITHOUT_CAPACITY:
        return None
    held = reserved(booking).items()
    parts = (f'"{plan}/{pool}/{name}":"{plain(amount)}"' for (_, plan, pool, name), amount in held)
    return "{" + ",".join(parts) + "}"


async def save_story(tx: AsyncConnection, story: Sequence[BookingChanged | MessageWritten]) -> None:
    """Store how bookings came to stand where they stand, and what was written about them."""
    changes = [each for each in story if isinstance(each, BookingChanged)]
    if changes:
        await tx.execute(
            _SAVE_CHANGES,
            {
                "ids": [each.booking_id for each in changes],
                "numbers": [each.number for each in changes],
                "data": [each.model_dump_json() for each in changes],
            },
        )
    messages = [each for each in story if isinstance(each, MessageWritten)]
    if messages:
        await tx.execute(
            _SAVE_MESSAGES,
            {
                "ids": [each.booking_id for each in messages],
                "data": [each.model_dump_json() for each in messages],
            },
        )


# -- waiting lines ------------------------------------------------------------------------------


async def count_waiting(tx: AsyncConnection, offering_ids: Iterable[str]) -> dict[LineKey, int]:
    """Count who waits in the lines of offerings."""
    rows = await tx.execute(_WAITING, {"ids": sorted(set(offering_ids))})
    return {(row[0], row[1], row[2]): row[3] for row in rows}


async def lock_lines(tx: AsyncConnection) -> bool:
    """Be the one process that serves the waiting lines until this transaction ends."""
    return bool((await tx.execute(_LOCK_LINES)).scalar())


async def lines(tx: AsyncConnection) -> list[LineKey]:
    """Find lines in which somebody waits while something is free."""
    return [(row[0], row[1], row[2]) for row in await tx.execute(_LINES)]


async def load_line(tx: AsyncConnection, line: LineKey) -> list[Booking]:
    """Load and lock those who wait in a line, the first first."""
    offering, plan, pool = line
    rows = await tx.execute(_LOAD_LINE, {"offering": offering, "plan": plan, "pool": pool})
    return [booking_of(row) for row in rows]


# -- reading ------------------------------------------------------------------------------------

_SUMMARY = f"""
    select {_BOOKING}, case when state = 'held' then (
        select count(*) from booking l where l.state = 'held'
          and (l.offering_id, l.plan_id, l.pool_id) = (b.offering_id, b.plan_id, b.pool_id)
          and l.joined <= b.joined) end
    from booking b
"""

_PAGE = text(f"""
    {_SUMMARY}
    where number > :after
      and ((:all_members) or (:as_consumer and consumer = :member) or (:as_provider and provider = :member))
      and (cast(:state as text) is null or state = :state)
      and (not :waiting or waits_for = case when consumer = :member then 'consumer' else 'provider' end)
    order by number limit :limit
""")

_SHOW = text(f"{_SUMMARY} where booking_id = cast(:id as uuid)")
_CHANGES = text(
    "select data::text from change where booking_id = cast(:id as uuid) order by number limit 1000"
)
_MESSAGES = text("""
    select data::text from message where booking_id = cast(:id as uuid) order by number desc limit 100
""")


async def page(  # noqa: PLR0913 - a query's own parameters
    connection: AsyncConnection,
    *,
    member: str,
    all_members: bool,
    side: str,
    state: str | None,
    waiting: bool,
    after: int,
    limit: int,
) -> list[tuple[int, BookingSummary]]:
    """Read bookings, oldest first, with their numbers."""
    rows = await connection.execute(
        _PAGE,
        {
            "member": member,
            "all_members": all_members,
            "as_consumer": side in {"consumer", "both"},
            "as_provider": side in {"provider", "both"},
            "state": state,
            "waiting": waiting,
            "after": after,
            "limit": limit,
        },
    )
    return [(row[8], _summary(row)) for row in rows]


async def show(connection: AsyncConnection, booking_id: str) -> BookingSummary | None:
    """Read one booking."""
    row = (await connection.execute(_SHOW, {"id": booking_id})).first()
    return None if row is None else _summary(row)


async def story(
    connection: AsyncConnection, booking_id: str
) -> tuple[list[BookingChanged], list[MessageWritten]]:
    """Read what became of a booking, and the newest messages about it; both oldest first."""
    changes = await connection.execute(_CHANGES, {"id": booking_id})
    messages = await connection.execute(_MESSAGES, {"id": booking_id})
    return (
        [BookingChanged.model_validate_json(row[0], extra="ignore") for row in changes],
        [MessageWritten.model_validate_json(row[0], extra="ignore") for row in messages][::-1],
    )


def _summary(row: Sequence[Any]) -> BookingSummary:
    booking = booking_of(row)
    return with_terms(
        BookingSummary,
        booking,
        state=booking.state,
        instance=booking.instance,
        number=booking.number,
        waits_for=booking.waits_for,
        until=booking.act_by,
        place=row[9],
    )
