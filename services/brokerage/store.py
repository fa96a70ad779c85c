"""The brokerage's tables: read and written for a whole batch at once."""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.brokerage import BookingConfirmed, RequestBooking
from allmende.schemas.catalog import Offering

from .booking import CapacityKey, Listed

# Shared by all that book, so that a revision which limits a quantity finds every booking made before it.
_LOAD_OFFERINGS = text("""
    select o.offering_id, o.document::text, o.revision, o.revision <= coalesce(r.revision, 0)
    from offering o left join retired r using (offering_id)
    where o.offering_id = any(cast(:ids as text[]))
    order by o.offering_id for share of o
""")

_LOCK_OFFERINGS = text("""
    select offering_id, document::text from offering
    where offering_id = any(cast(:ids as text[]))
    order by offering_id for update
""")

# Locked in one order, so that two processes with overlapping batches cannot wait for each other in a circle.
_LOAD_CAPACITY = text("""
    select offering_id, plan_id, quantity_id, total - booked from capacity
    where offering_id = any(cast(:ids as text[]))
    order by offering_id, plan_id, quantity_id for update
""")

_TAKE_CAPACITY = text("""
    update capacity c set booked = c.booked + u.amount
    from unnest(cast(:offerings as text[]), cast(:plans as text[]), cast(:quantities as text[]),
                cast(:amounts as numeric[])) u (offering_id, plan_id, quantity_id, amount)
    where c.offering_id = u.offering_id and c.plan_id = u.plan_id and c.quantity_id = u.quantity_id
""")

_TAKEN_IDS = text("select booking_id::text from booking where booking_id = any(cast(:ids as uuid[]))")

_SAVE_BOOKINGS = text("""
    insert into booking (booking_id, consumer, provider, offering_id, plan_id, state, confirmed_at, terms)
    select u.id, u.consumer, u.provider, u.offering, u.plan, 'confirmed', :now, u.terms::json
    from unnest(cast(:ids as uuid[]), cast(:consumers as text[]), cast(:providers as text[]),
                cast(:offerings as text[]), cast(:plans as text[]), cast(:terms as text[]))
         u (id, consumer, provider, offering, plan, terms)
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
    insert into capacity (offering_id, plan_id, quantity_id, total)
    select * from unnest(cast(:offerings as text[]), cast(:plans as text[]), cast(:quantities as text[]),
                         cast(:totals as numeric[])) u (offering_id, plan_id, quantity_id, total)
    order by 1, 2, 3
    on conflict (offering_id, plan_id, quantity_id) do update
    set total = greatest(excluded.total, capacity.booked)
""")

_COUNT_BOOKED = text("""
    update capacity c set booked = n.booked, total = greatest(c.total, n.booked)
    from (
        select offering_id, plan_id, k.quantity_id,
               sum((b.terms -> 'quantities' ->> k.quantity_id)::numeric) as booked
        from unnest(cast(:offerings as text[]), cast(:plans as text[]), cast(:quantities as text[]))
             k (offering_id, plan_id, quantity_id)
        join booking b using (offering_id, plan_id)
        where b.terms -> 'quantities' ->> k.quantity_id is not null
        group by offering_id, plan_id, k.quantity_id
    ) n
    where c.offering_id = n.offering_id and c.plan_id = n.plan_id and c.quantity_id = n.quantity_id
""")

_RETIRE = text("""
    insert into retired (offering_id, revision)
    select u.id, u.revision from unnest(cast(:ids as text[]), cast(:revisions as int[])) u (id, revision)
    order by u.id
    on conflict (offering_id) do update set revision = greatest(retired.revision, excluded.revision)
""")

_PARK = text("""
    insert into parked (booking_id, sender, offering_id, traceparent, until, data)
    select u.id, u.sender, u.offering, u.traceparent, :until, u.data::json
    from unnest(cast(:ids as uuid[]), cast(:senders as text[]), cast(:offerings as text[]),
                cast(:traceparents as text[]), cast(:data as text[]))
         with ordinality u (id, sender, offering, traceparent, data, position)
    order by u.position
    on conflict do nothing
""")

_UNPARK = text("""
    delete from parked p using offering o
    where o.offering_id = p.offering_id and p.offering_id = any(cast(:ids as text[]))
    returning p.booking_id::text, p.sender, p.traceparent, p.data::text, p.until, p.number
""")

_UNPARK_KNOWN = text("""
    delete from parked p using offering o where o.offering_id = p.offering_id
    returning p.booking_id::text, p.sender, p.traceparent, p.data::text, p.until, p.number
""")

_OVERDUE = text("""
    delete from parked where ctid in (
        select ctid from parked where until <= :now order by until limit 500 for update skip locked)
    returning booking_id::text, sender, traceparent, data::text, until, number
""")

_PAGE = text("""
    select number, terms::text from booking
    where number > :after
      and ((:all_members) or (:as_consumer and consumer = :member) or (:as_provider and provider = :member))
    order by number limit :limit
""")


@dataclasses.dataclass(frozen=True)
class Parked:
    """A request that waits for its offering."""

    booking_id: str
    sender: str
    request: RequestBooking
    traceparent: str | None
    until: dt.datetime


async def load_offerings(tx: AsyncConnection, offering_ids: Iterable[str]) -> dict[str, Listed]:
    """Load the offerings that requests name, and keep them as they are until this transaction ends."""
    rows = await tx.execute(_LOAD_OFFERINGS, {"ids": sorted(set(offering_ids))})
    return {row[0]: Listed(Offering.model_validate_json(row[1]), row[2], row[3]) for row in rows}


async def load_free(tx: AsyncConnection, offering_ids: Iterable[str]) -> dict[CapacityKey, Decimal]:
    """Load and lock what is left of every limited quantity."""
    rows = await tx.execute(_LOAD_CAPACITY, {"ids": sorted(set(offering_ids))})
    return {(row[0], row[1], row[2]): row[3] for row in rows}


async def taken_ids(tx: AsyncConnection, booking_ids: Sequence[str]) -> set[str]:
    """Find ids that bookings have already."""
    return {row[0] for row in await tx.execute(_TAKEN_IDS, {"ids": list(booking_ids)})}


async def take_capacity(tx: AsyncConnection, taken: Mapping[CapacityKey, Decimal]) -> None:
    """Book what is taken; the table's constraint refuses more than there is."""
    if taken:
        await tx.execute(_TAKE_CAPACITY, {**_columns(taken), "amounts": list(taken.values())})


async def save_bookings(tx: AsyncConnection, bookings: Sequence[BookingConfirmed], now: dt.datetime) -> None:
    """Store confirmed bookings."""
    if bookings:
        await tx.execute(
            _SAVE_BOOKINGS,
            {
                "now": now,
                "ids": [booking.booking_id for booking in bookings],
                "consumers": [booking.consumer for booking in bookings],
                "providers": [booking.provider for booking in bookings],
                "offerings": [booking.offering_id for booking in bookings],
                "plans": [booking.plan_id for booking in bookings],
                "terms": [booking.model_dump_json() for booking in bookings],
            },
        )


async def save_offerings(tx: AsyncConnection, listed: Mapping[str, Listed]) -> None:
    """Keep the picture of the catalogue; an older revision that comes late changes nothing."""
    if not listed:
        return
    ids = sorted(listed)
    rows = await tx.execute(_LOCK_OFFERINGS, {"ids": ids})
    before = {row[0]: Offering.model_validate_json(row[1]) for row in rows}
    saved = await tx.execute(
        _SAVE_OFFERINGS,
        {
            "ids": ids,
            "revisions": [listed[id_].revision for id_ in ids],
            "documents": [listed[id_].offering.model_dump_json() for id_ in ids],
        },
    )
    limits = {key: total for row in saved for key, total in _limits(listed[row[0]].offering).items()}
    if limits:
        await tx.execute(_SAVE_CAPACITY, {**_columns(limits), "totals": list(limits.values())})
    limited = {key for offering in before.values() for key in _limits(offering)}
    # What was booked while nothing limited it was not counted then.
    if new := [key for key in limits if key[0] in before and key not in limited]:
        await tx.execute(_COUNT_BOOKED, _columns(new))


def _limits(offering: Offering) -> dict[CapacityKey, Decimal]:
    return {
        (offering.offering_id, plan.plan_id, quantity): total
        for plan in offering.plans
        for quantity, total in plan.capacity.items()
    }


def _columns(keys: Iterable[CapacityKey]) -> dict[str, list[str]]:
    offerings, plans, quantities = zip(*keys, strict=True)
    return {"offerings": list(offerings), "plans": list(plans), "quantities": list(quantities)}


async def retire(tx: AsyncConnection, revisions: Mapping[str, int]) -> None:
    """Close offerings up to a revision for new bookings, in whatever order the facts come."""
    if revisions:
        ids = sorted(revisions)
        await tx.execute(_RETIRE, {"ids": ids, "revisions": [revisions[id_] for id_ in ids]})


async def park(tx: AsyncConnection, parked: Sequence[Parked]) -> None:
    """Keep requests until their offering is known or their time is over."""
    if parked:
        await tx.execute(
            _PARK,
            {
                "until": parked[0].until,
                "ids": [each.booking_id for each in parked],
                "senders": [each.sender for each in parked],
                "offerings": [each.request.offering_id for each in parked],
                "traceparents": [each.traceparent for each in parked],
                "data": [each.request.model_dump_json() for each in parked],
            },
        )


async def unpark(tx: AsyncConnection, offering_ids: Sequence[str]) -> list[Parked]:
    """Take out the requests that waited for these offerings."""
    return _parked(await tx.execute(_UNPARK, {"ids": list(offering_ids)})) if offering_ids else []


async def unpark_known(tx: AsyncConnection) -> list[Parked]:
    """Take out the requests whose offering is known by now."""
    return _parked(await tx.execute(_UNPARK_KNOWN))


async def overdue(tx: AsyncConnection, now: dt.datetime) -> list[Parked]:
    """Take out the requests whose time is over."""
    return _parked(await tx.execute(_OVERDUE, {"now": now}))


def _parked(rows: Iterable[Sequence[Any]]) -> list[Parked]:
    """In the order in which they came."""
    return [
        Parked(row[0], row[1], RequestBooking.model_validate_json(row[3]), row[2], row[4])
        for row in sorted(rows, key=lambda row: row[5])
    ]


async def page(  # noqa: PLR0913 - a query's own parameters
    connection: AsyncConnection, *, member: str, all_members: bool, side: str, after: int, limit: int
) -> list[tuple[int, BookingConfirmed]]:
    """Read bookings, oldest first, with their numbers."""
    rows = await connection.execute(
        _PAGE,
        {
            "member": member,
            "all_members": all_members,
            "as_consumer": side in {"consumer", "both"},
            "as_provider": side in {"provider", "both"},
            "after": after,
            "limit": limit,
        },
    )
    return [(row[0], BookingConfirmed.model_validate_json(row[1])) for row in rows]
