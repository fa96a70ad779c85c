"""The tables of offerings and of what is left of what they limit."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.catalog import Offering

from ..booking import LineKey
from .listing import Availability, Listed, limits_of
from .reservation import CapacityKey

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
    limits = {key: total for id_ in saved for key, total in limits_of(listed[id_].offering).items()}
    known = [id_ for id_ in saved if id_ in before]
    if known:
        await tx.execute(_DROP_CAPACITY, {"ids": known, **_columns(limits)})
    if limits:
        await tx.execute(_SAVE_CAPACITY, {**_columns(limits), "totals": list(limits.values())})
    limited = {key for offering in before.values() for key in limits_of(offering)}
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


def _columns(keys: Iterable[CapacityKey]) -> dict[str, list[str]]:
    rows = list(keys)
    offerings, plans, pools, quantities = zip(*rows, strict=True) if rows else ((), (), (), ())
    return {
        "offerings": list(offerings),
        "plans": list(plans),
        "pools": list(pools),
        "quantities": list(quantities),
    }
