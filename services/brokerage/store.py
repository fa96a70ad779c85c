"""The brokerage's tables: read and written for a whole batch at once.

Whatever locks, locks in one order: bookings by id, offerings, capacity, so that two processes with
overlapping batches cannot wait for each other in a circle.
"""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.brokerage import (
    Agreement,
    BookingChanged,
    BookingSummary,
    MaintenanceNotice,
    MessageWritten,
)
from allmende.schemas.catalog import Offering
from allmende.schemas.money import plain

from .booking import (
    NOTHING_SPECIAL,
    Availability,
    Booking,
    CapacityKey,
    LineKey,
    Listed,
    Progress,
    reserved,
    with_terms,
)
from .lifecycle import WITHOUT_CAPACITY

SLICE = 500
"""How many rows one transaction of the clock takes up."""

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

# Shared by all that book, so that a revision which limits a quantity finds every booking made before it.
_LOAD_OFFERINGS = text("""
    select o.offering_id, o.document::text, o.revision, coalesce(a.state, 'open')
    from offering o left join availability a using (offering_id)
    where o.offering_id = any(cast(:ids as text[]))
    order by o.offering_id for share of o
""")

_HOLD_OFFERINGS = text("""
    select from offering where offering_id = any(cast(:ids as text[])) order by offering_id for share
""")

# An offering that nobody has heard of has no row to lock, and yet only one may be the first to keep it.
_LOCK_NAMES = text("""
    select pg_advisory_xact_lock(hashtextextended('brokerage offering ' || id, 0))
    from (select id from unnest(cast(:ids as text[])) u (id) order by id) named
""")

_LOCK_OFFERINGS = text("""
    select offering_id, document::text from offering
    where offering_id = any(cast(:ids as text[]))
    order by offering_id for update
""")

_LOAD_CAPACITY = text("""
    select c.offering_id, c.plan_id, c.pool_id, c.quantity_id, c.total - c.booked, c.total
    from capacity c
    join unnest(cast(:offerings as text[]), cast(:plans as text[]), cast(:pools as text[]))
         k (offering_id, plan_id, pool_id) using (offering_id, plan_id, pool_id)
    order by c.offering_id, c.plan_id, c.pool_id, c.quantity_id for update of c
""")

_TAKE_CAPACITY = text("""
    update capacity c set booked = c.booked + u.amount
    from unnest(cast(:offerings as text[]), cast(:plans as text[]), cast(:pools as text[]),
                cast(:quantities as text[]), cast(:amounts as numeric[]))
         u (offering_id, plan_id, pool_id, quantity_id, amount)
    where c.offering_id = u.offering_id and c.plan_id = u.plan_id and c.pool_id = u.pool_id
      and c.quantity_id = u.quantity_id
""")

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

_SAVE_OFFERINGS = text("""
    insert into offering (offering_id, revision, document)
    select u.id, u.revision, u.document::jsonb
    from unnest(cast(:ids as text[]), cast(:revisions as int[]), cast(:documents as text[]))
         u (id, revision, document)
    order by u.id
    on conflict (offering_id) do update
    set revision = excluded.revision, document = excluded.document
    where offering.revision <= excluded.revision
    returning offering_id
""")

# A provider that lowers its capacity below what is booked keeps what is booked: nothing is taken back.
_SAVE_CAPACITY = text("""
    insert into capacity (offering_id, plan_id, pool_id, quantity_id, total)
    select * from unnest(cast(:offerings as text[]), cast(:plans as text[]), cast(:pools as text[]),
                         cast(:quantities as text[]), cast(:totals as numeric[]))
         u (offering_id, plan_id, pool_id, quantity_id, total)
    order by 1, 2, 3, 4
    on conflict (offering_id, plan_id, pool_id, quantity_id) do update
    set total = greatest(excluded.total, capacity.booked)
""")

# A quantity that is not limited any more; what is booked of it is counted anew if a limit comes back.
_DROP_CAPACITY = text("""
    delete from capacity c
    where c.offering_id = any(cast(:ids as text[])) and not exists (
        select from unnest(cast(:offerings as text[]), cast(:plans as text[]), cast(:pools as text[]),
                           cast(:quantities as text[])) u (offering_id, plan_id, pool_id, quantity_id)
        where (u.offering_id, u.plan_id, u.pool_id, u.quantity_id)
            = (c.offering_id, c.plan_id, c.pool_id, c.quantity_id))
""")

_COUNT_BOOKED = text("""
    update capacity c set booked = n.booked, total = greatest(c.total, n.booked)
    from (
        select offering_id, k.plan_id, k.pool_id, k.quantity_id,
               sum((b.reserved ->> k.key)::numeric) as booked
        from (select *, plan_id || '/' || pool_id || '/' || quantity_id as key
              from unnest(cast(:offerings as text[]), cast(:plans as text[]), cast(:pools as text[]),
                          cast(:quantities as text[])) u (offering_id, plan_id, pool_id, quantity_id)) k
        join booking b using (offering_id)
        where b.reserved ? k.key
        group by offering_id, k.plan_id, k.pool_id, k.quantity_id
    ) n
    where (c.offering_id, c.plan_id, c.pool_id, c.quantity_id)
        = (n.offering_id, n.plan_id, n.pool_id, n.quantity_id)
""")

_SAVE_AVAILABILITY = text("""
    insert into availability (offering_id, position, state)
    select u.id, u.position, u.state
    from unnest(cast(:ids as text[]), cast(:positions as bigint[]), cast(:states as text[]))
         u (id, position, state)
    order by u.id
    on conflict (offering_id) do update set position = excluded.position, state = excluded.state
    where availability.position <= excluded.position
""")

_PARK = text("""
    insert into parked (command_id, sender, message, awaited, traceparent, until, data)
    select u.id, u.sender, u.message, u.awaited, u.traceparent, :until, u.data::json
    from unnest(cast(:ids as uuid[]), cast(:senders as text[]), cast(:messages as text[]),
                cast(:awaited as text[]), cast(:traceparents as text[]), cast(:data as text[]))
         with ordinality u (id, sender, message, awaited, traceparent, data, position)
    order by u.position
    on conflict do nothing
""")

_PARKED = "command_id::text, sender, message, awaited, traceparent, data::text, until, number"

# Whoever waits for the same thing is decided in the order of arrival: the first ones are taken.
_UNPARK = text(f"""
    delete from parked where ctid in (
        select p.ctid from parked p join offering o on o.offering_id = p.awaited
        where p.awaited = any(cast(:ids as text[])) order by p.number limit {SLICE} for update of p)
    returning {_PARKED}
""")

_UNPARK_KNOWN = text(f"""
    delete from parked where ctid in (
        select p.ctid from parked p
        where exists (select from offering o where o.offering_id = p.awaited)
           or exists (select from booking b where b.booking_id =
                      case when p.awaited not like '%/%' then p.awaited::uuid end)
        order by p.number limit {SLICE} for update of p)
    returning {_PARKED}
""")

_OVERDUE = text(f"""
    delete from parked where ctid in (
        select ctid from parked where until <= :now order by until limit {SLICE} for update skip locked)
    returning {_PARKED}
""")

_LOAD_NOTICES = text("""
    select data::text from notice where notice_id = any(cast(:ids as uuid[])) order by notice_id for update
""")

_NOTICES_DUE = text(f"""
    select data::text from notice where due_at <= :now order by due_at limit {SLICE} for update skip locked
""")

_SAVE_NOTICES = text("""
    insert into notice (notice_id, provider, offering_ids, state, starts_at, due_at, data)
    select u.id, u.provider, string_to_array(u.offerings, ' '), u.state, u.starts_at, u.due_at, u.data::json
    from unnest(cast(:ids as uuid[]), cast(:providers as text[]), cast(:offerings as text[]),
                cast(:states as text[]), cast(:starts_at as timestamptz[]), cast(:due_at as timestamptz[]),
                cast(:data as text[]))
         u (id, provider, offerings, state, starts_at, due_at, data)
    on conflict (notice_id) do update
    set state = excluded.state, starts_at = excluded.starts_at, due_at = excluded.due_at,
        data = excluded.data
""")

_CONSUMERS_OF = text("""
    select distinct consumer from booking
    where offering_id = any(cast(:ids as text[])) and reserved is not null
    order by consumer
""")


@dataclasses.dataclass(frozen=True)
class Parked:
    """A command that waits for what it names.

    Attributes:
        awaited: the offering or the booking.
        data: the command's payload as JSON.
    """

    command_id: str
    sender: str
    message: str
    awaited: str
    data: str
    traceparent: str | None
    until: dt.datetime


# -- bookings -----------------------------------------------------------------------------------


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


# -- offerings and capacity ---------------------------------------------------------------------


async def load_offerings(tx: AsyncConnection, offering_ids: Iterable[str]) -> dict[str, Listed]:
    """Load the offerings that commands name, and keep them as they are until this transaction ends."""
    rows = await tx.execute(_LOAD_OFFERINGS, {"ids": sorted(set(offering_ids))})
    return {row[0]: Listed(Offering.model_validate_json(row[1]), row[2], row[3]) for row in rows}


async def hold_offerings(tx: AsyncConnection, offering_ids: Iterable[str]) -> None:
    """Keep limits as they are until this transaction ends: whoever gives back is counted, or was not."""
    if ids := sorted(set(offering_ids)):
        await tx.execute(_HOLD_OFFERINGS, {"ids": ids})


async def load_capacity(
    tx: AsyncConnection, lines: Iterable[LineKey]
) -> tuple[dict[CapacityKey, Decimal], dict[CapacityKey, Decimal]]:
    """Load and lock what is left of every limited quantity, and what there is in all."""
    keys = sorted(set(lines))
    if not keys:
        return {}, {}
    offerings, plans, pools = zip(*keys, strict=True)
    rows = list(
        await tx.execute(
            _LOAD_CAPACITY, {"offerings": list(offerings), "plans": list(plans), "pools": list(pools)}
        )
    )
    return {tuple(row[:4]): row[4] for row in rows}, {tuple(row[:4]): row[5] for row in rows}


async def take_capacity(tx: AsyncConnection, taken: Mapping[CapacityKey, Decimal]) -> None:
    """Book what is taken; the table's constraint refuses more than there is."""
    if taken:
        await tx.execute(_TAKE_CAPACITY, {**_columns(taken), "amounts": list(taken.values())})


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


async def save_offerings(tx: AsyncConnection, listed: Mapping[str, Listed]) -> None:
    """Keep the picture of the catalogue; an older revision that comes late changes nothing."""
    if not listed:
        return
    ids = sorted(listed)
    await tx.execute(_LOCK_NAMES, {"ids": ids})
    rows = await tx.execute(_LOCK_OFFERINGS, {"ids": ids})
    before = {row[0]: Offering.model_validate_json(row[1]) for row in rows}
    rows = await tx.execute(
        _SAVE_OFFERINGS,
        {
            "ids": ids,
            "revisions": [listed[id_].revision for id_ in ids],
            "documents": [listed[id_].offering.model_dump_json() for id_ in ids],
        },
    )
    saved = [row[0] for row in rows]
    limits = {key: total for id_ in saved for key, total in _limits(listed[id_].offering).items()}
    known = [id_ for id_ in saved if id_ in before]
    if known:
        await tx.execute(_DROP_CAPACITY, {"ids": known, **_columns(limits)})
    if limits:
        await tx.execute(_SAVE_CAPACITY, {**_columns(limits), "totals": list(limits.values())})
    limited = {key for offering in before.values() for key in _limits(offering)}
    # What was booked while nothing limited it was not counted then.
    if new := [key for key in limits if key[0] in before and key not in limited]:
        await tx.execute(_COUNT_BOOKED, _columns(new))


async def save_availability(tx: AsyncConnection, news: Mapping[str, tuple[int, Availability]]) -> None:
    """Open, pause and retire offerings by the newest change of each, in whatever order they come."""
    if news:
        ids = sorted(news)
        await tx.execute(
            _SAVE_AVAILABILITY,
            {
                "ids": ids,
                "positions": [news[id_][0] for id_ in ids],
                "states": [news[id_][1] for id_ in ids],
            },
        )


def _limits(offering: Offering) -> dict[CapacityKey, Decimal]:
    return {
        (offering.offering_id, plan.plan_id, pool, quantity): total
        for plan in offering.plans
        for pool, quantity, total in plan.limited
    }


def _columns(keys: Iterable[CapacityKey]) -> dict[str, list[str]]:
    rows = list(keys)
    offerings, plans, pools, quantities = zip(*rows, strict=True) if rows else ((), (), (), ())
    return {
        "offerings": list(offerings),
        "plans": list(plans),
        "pools": list(pools),
        "quantities": list(quantities),
    }


# -- what waits for what it names ---------------------------------------------------------------


async def park(tx: AsyncConnection, parked: Sequence[Parked]) -> None:
    """Keep commands until what they name is known or their time is over."""
    if parked:
        await tx.execute(
            _PARK,
            {
                "until": parked[0].until,
                "ids": [each.command_id for each in parked],
                "senders": [each.sender for each in parked],
                "messages": [each.message for each in parked],
                "awaited": [each.awaited for each in parked],
                "traceparents": [each.traceparent for each in parked],
                "data": [each.data for each in parked],
            },
        )


async def unpark(tx: AsyncConnection, offering_ids: Sequence[str]) -> list[Parked]:
    """Take out commands that waited for these offerings; more than a slice is left to the clock."""
    return _parked(await tx.execute(_UNPARK, {"ids": list(offering_ids)})) if offering_ids else []


async def unpark_known(tx: AsyncConnection) -> list[Parked]:
    """Take out commands whose offering or booking is known by now."""
    return _parked(await tx.execute(_UNPARK_KNOWN))


async def overdue(tx: AsyncConnection, now: dt.datetime) -> list[Parked]:
    """Take out the commands whose time is over."""
    return _parked(await tx.execute(_OVERDUE, {"now": now}))


def _parked(rows: Iterable[Sequence[Any]]) -> list[Parked]:
    """In the order in which they came."""
    return [
        Parked(row[0], row[1], row[2], row[3], row[5], row[4], row[6])
        for row in sorted(rows, key=lambda row: row[7])
    ]


# -- maintenance --------------------------------------------------------------------------------


async def load_notices(tx: AsyncConnection, notice_ids: Iterable[str]) -> dict[str, MaintenanceNotice]:
    """Load and lock maintenance notices."""
    return _notices(await tx.execute(_LOAD_NOTICES, {"ids": sorted(set(notice_ids))}))


async def notices_due(tx: AsyncConnection, now: dt.datetime) -> dict[str, MaintenanceNotice]:
    """Load and lock notices that the clock moves on."""
    return _notices(await tx.execute(_NOTICES_DUE, {"now": now}))


def _notices(rows: Iterable[Sequence[Any]]) -> dict[str, MaintenanceNotice]:
    found = [MaintenanceNotice.model_validate_json(row[0]) for row in rows]
    return {notice.notice_id: notice for notice in found}


async def save_notices(
    tx: AsyncConnection, notices: Sequence[MaintenanceNotice], due: Sequence[dt.datetime | None]
) -> None:
    """Store maintenance notices."""
    if notices:
        await tx.execute(
            _SAVE_NOTICES,
            {
                "ids": [notice.notice_id for notice in notices],
                "providers": [notice.provider for notice in notices],
                "offerings": [" ".join(notice.offering_ids) for notice in notices],
                "states": [notice.state for notice in notices],
                "starts_at": [notice.starts_at for notice in notices],
                "due_at": list(due),
                "data": [notice.model_dump_json() for notice in notices],
            },
        )


async def consumers_of(tx: AsyncConnection, offering_ids: Sequence[str]) -> tuple[str, ...]:
    """Everybody who has a booking of these offerings."""
    return tuple(row[0] for row in await tx.execute(_CONSUMERS_OF, {"ids": list(offering_ids)}))


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

_NOTICES = text("""
    select data::text from notice n
    where (:include_over or state in ('draft', 'scheduled', 'in_progress'))
      and (provider = :member or (state <> 'draft' and (:all_members or exists (
          select from booking b where b.consumer = :member and b.offering_id = any(n.offering_ids)
            and b.reserved is not null))))
    order by starts_at, notice_id limit :limit
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


async def notices(
    connection: AsyncConnection, *, member: str, all_members: bool, include_over: bool, limit: int
) -> list[MaintenanceNotice]:
    """Read maintenance of what a member books or provides, the next first."""
    rows = await connection.execute(
        _NOTICES,
        {"member": member, "all_members": all_members, "include_over": include_over, "limit": limit},
    )
    return [MaintenanceNotice.model_validate_json(row[0]) for row in rows]


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
