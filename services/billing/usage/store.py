"""Usage records: taken in exactly once, parked, decided, marked as late; for a whole batch at once."""

import dataclasses
import datetime as dt
import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, cast

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.billing import UsageRecord
from allmende.servicekit.columns import joined

from .. import store as billing_store
from ..period import period_of
from .admission import Admission, State, admission_of

SLICE = 500
"""So many parked records are decided in one transaction."""
_BOOKINGS_AT_ONCE = 100
"""With their tariffs they take much room."""
_ADMISSIONS_MAX = 20_000

Key = tuple[str, str]
"""Provider and record id, unique for ever."""

# Only what has changed comes back: a batch names thousands of bookings of which hardly one has.
_CHANGED = text("""
    select id, terms, changes
    from (
        select k.id, k.known,
               (select count(*) from booking_terms t where t.booking_id = b.booking_id) as terms,
               (select count(*) from booking_change c where c.booking_id = b.booking_id) as changes
        from unnest(string_to_array(:ids, E'\\x1f'), string_to_array(:known, E'\\x1f')) k (id, known)
        join booking b on b.booking_id = k.id::uuid
    ) found
    where known <> terms || '/' || changes
""")

_GIVEN = """
    select source, record_id, booking_id::uuid, meter, quantity::numeric, started_at::timestamptz,
           ended_at::timestamptz, period, dimensions::jsonb, corrects, waits_for, n
    from unnest(string_to_array(:sources, E'\\x1f'),
                string_to_array(:ids, E'\\x1f'),
                string_to_array(:bookings, E'\\x1f'),
                string_to_array(:meters, E'\\x1f'),
                string_to_array(:quantities, E'\\x1f'),
                string_to_array(:starts, E'\\x1f'),
                string_to_array(:ends, E'\\x1f'),
                string_to_array(:periods, E'\\x1f'),
                string_to_array(:dimensions, E'\\x1f', E'\\x1e'),
                string_to_array(:corrects, E'\\x1f', E'\\x1e'),
                string_to_array(:waits, E'\\x1f', E'\\x1e')) with ordinality
         u (source, record_id, booking_id, meter, quantity, started_at, ended_at, period, dimensions,
            corrects, waits_for, n)
"""

# Those that the primary key keeps out come back: whoever else writes meanwhile, each id is taken once.
_TAKE = text(f"""
    with given as materialized ({_GIVEN}),
    taken as (
        insert into usage_record (source, record_id, booking_id, meter, quantity, started_at, ended_at,
                                  period, dimensions, corrects, waits_for, state, parked_until, received_at)
        select source, record_id, booking_id, meter, quantity, started_at, ended_at, period, dimensions,
               corrects, waits_for, case when waits_for is null then 'recorded' else 'parked' end,
               case when waits_for is not null then cast(:until as timestamptz) end, :now
        from given
        on conflict do nothing
        returning source, record_id
    )
    select g.n from given g
    where not exists (select from taken t where t.source = g.source and t.record_id = g.record_id)
""")

# A record that was refused after it waited counts for nothing, so it may be reported again.
_TAKE_AGAIN = text(f"""
    with given as materialized ({_GIVEN})
    update usage_record r
    set booking_id = g.booking_id, meter = g.meter, quantity = g.quantity, started_at = g.started_at,
        ended_at = g.ended_at, period = g.period, dimensions = g.dimensions, corrects = g.corrects,
        waits_for = g.waits_for, state = case when g.waits_for is null then 'recorded' else 'parked' end,
        parked_until = case when g.waits_for is not null then cast(:until as timestamptz) end,
        received_at = :now
    from given g
    where r.source = g.source and r.record_id = g.record_id and r.state = 'refused'
    returning g.n
""")

_STANDING = text(f"""
    select g.n, r.state,
           (r.booking_id, r.meter, r.quantity, r.started_at, r.ended_at, r.dimensions, r.corrects)
           is not distinct from
           (g.booking_id, g.meter, g.quantity, g.started_at, g.ended_at, g.dimensions, g.corrects)
    from ({_GIVEN}) g
    join usage_record r on r.source = g.source and r.record_id = g.record_id
""")

_COLUMNS = """r.source, r.record_id, r.booking_id::text, r.meter, r.quantity, r.started_at, r.ended_at,
           r.dimensions::text, r.corrects, r.waits_for"""

_PARKED_FOR = text(f"""
    select {_COLUMNS} from usage_record r
    where r.state = 'parked' and r.waits_for <> 'record'
      and r.booking_id = any(string_to_array(:ids, E'\\x1f')::uuid[])
    order by r.source, r.record_id limit :limit for update skip locked
""")

# The bookings are looked up first, each once, however many records wait for it.
_DECIDABLE = text(f"""
    select {_COLUMNS} from usage_record r
    where r.state = 'parked' and (
        (r.waits_for = 'booking' and r.booking_id = any(array(
            select b.booking_id
            from (select distinct booking_id from usage_record
                  where state = 'parked' and waits_for <> 'record') w
            join booking b using (booking_id))))
        or (r.waits_for = 'record' and exists (
            select from usage_record o
            where o.source = r.source and o.record_id = r.corrects and o.state not in ('parked', 'refused'))))
    order by r.source, r.record_id limit :limit for update of r skip locked
""")

_OVERDUE = text(f"""
    select {_COLUMNS} from usage_record r
    where r.state = 'parked' and r.parked_until <= :now
    order by r.parked_until limit :limit for update skip locked
""")

_PARKED_IN = text(f"""
    select {_COLUMNS} from usage_record r
    where r.state = 'parked' and r.period = :period
    order by r.source, r.record_id for update
""")

_RESOLVE = text("""
    update usage_record r
    set state = u.state,
        waits_for = u.waits_for,
        parked_until = case when u.state = 'parked' then r.parked_until end
    from unnest(string_to_array(:sources, E'\\x1f'),
                string_to_array(:ids, E'\\x1f'),
                string_to_array(:states, E'\\x1f'),
                string_to_array(:waits, E'\\x1f', E'\\x1e')) u (source, id, state, waits_for)
    where r.source = u.source and r.record_id = u.id and r.state = 'parked'
""")

_MARK_LATE = text("""
    insert into usage_late (booking_id, period, noted_at)
    select booking_id::uuid, period, :now
    from unnest(string_to_array(:bookings, E'\\x1f'), string_to_array(:periods, E'\\x1f'))
         u (booking_id, period)
""")


class Reported(NamedTuple):
    """A usage record with the provider that reported it.

    Attributes:
        waits_for: what it names and is not known yet.
    """

    source: str
    record: UsageRecord
    waits_for: Literal["booking", "meter", "record"] | None = None

    @property
    def key(self) -> Key:
        """Unique for ever."""
        return (self.source, self.record.id)

    @property
    def period(self) -> str:
        """Its month in Berlin."""
        return period_of(self.record.start)


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """What is known under the id of a record that was reported."""

    state: State
    same: bool


class Admissions:
    """What bookings take in, read from the database when their facts have changed since."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, Admission]] = {}

    async def of(self, tx: AsyncConnection, booking_ids: Iterable[str]) -> Mapping[str, Admission]:
        """Find the admissions of those bookings that are known."""
        if not (ids := list(set(booking_ids))):
            return {}
        if len(self._known) > _ADMISSIONS_MAX:
            self._known.clear()
        known = [self._known[id_][0] if id_ in self._known else "-" for id_ in ids]
        rows = await tx.execute(_CHANGED, {"ids": joined(ids), "known": joined(known)})
        versions = {row[0]: f"{row[1]}/{row[2]}" for row in rows}
        stale = list(versions)
        for start in range(0, len(stale), _BOOKINGS_AT_ONCE):
            bookings = await billing_store.load_bookings(tx, stale[start : start + _BOOKINGS_AT_ONCE])
            for id_, booking in bookings.items():
                self._known[id_] = (versions[id_], admission_of(booking))
        return {id_: self._known[id_][1] for id_ in ids if id_ in self._known}


_TOUCHED = text("""
    select distinct u.booking_id::text, u.period
    from unnest(string_to_array(:bookings, E'\\x1f'), string_to_array(:periods, E'\\x1f'))
         a (booking_id, period)
    join usage_record u on u.booking_id = a.booking_id::uuid and u.period >= a.period
    where u.state = 'recorded'
""")

_TAKE_LATE = text("""
    update usage_late set rated_in = :period where rated_in is null returning booking_id::text, period
""")


async def take(
    tx: AsyncConnection, reported: Sequence[Reported], *, until: dt.datetime, now: dt.datetime
) -> list[int]:
    """Store records, each id at most once for ever; those with `waits_for` are parked until a moment.

    Returns:
        The places of those whose id is known already and that were not stored.
    """
    if not reported:
        return []
    rows = await tx.execute(_TAKE, {"until": until, "now": now, **_columns(reported)})
    return [row[0] - 1 for row in rows]


async def take_again(
    tx: AsyncConnection, reported: Sequence[Reported], *, until: dt.datetime, now: dt.datetime
) -> None:
    """Store records whose ids stand for refused ones.

    Raises:
        RuntimeError: another process stored one of them meanwhile.
    """
    if reported:
        rows = await tx.execute(_TAKE_AGAIN, {"until": until, "now": now, **_columns(reported)})
        if len(rows.all()) < len(reported):
            raise RuntimeError("another process stored a record meanwhile")


async def standing(tx: AsyncConnection, reported: Sequence[Reported]) -> dict[int, Standing]:
    """Find what is known under the ids of records, by their places."""
    if not reported:
        return {}
    rows = await tx.execute(_STANDING, _columns(reported))
    return {row[0] - 1: Standing(cast("State", row[1]), row[2]) for row in rows}


def _columns(reported: Sequence[Reported]) -> dict[str, str | None]:
    records = [each.record for each in reported]
    return {
        "sources": joined([each.source for each in reported]),
        "ids": joined([record.id for record in records]),
        "bookings": joined([record.booking_id for record in records]),
        "meters": joined([record.meter for record in records]),
        "quantities": joined([str(record.quantity) for record in records]),
        "starts": joined([_written(record.start) for record in records]),
        "ends": joined([_written(record.end) for record in records]),
        "periods": joined([period_of(record.start) for record in records]),
        "dimensions": _seldom([json.dumps(r.dimensions) if r.dimensions else None for r in records]),
        "corrects": _seldom([record.corrects for record in records]),
        "waits": _seldom([each.waits_for for each in reported]),
    }


@functools.lru_cache(maxsize=8_192)
def _written(instant: dt.datetime) -> str:
    """Write a moment; a thousand records share few of them."""
    return instant.isoformat()


def _seldom(values: list[str | None]) -> str | None:
    """Write a column that mostly holds nothing; then it is left out, which reads the same."""
    return joined(values) if any(values) else None


async def parked_for(tx: AsyncConnection, booking_ids: Iterable[str]) -> list[Reported]:
    """Find and lock some of the records that wait for these bookings or for a meter of theirs."""
    rows = await tx.execute(_PARKED_FOR, {"ids": joined(set(booking_ids)), "limit": SLICE})
    return [_reported(row) for row in rows]


async def decidable(tx: AsyncConnection, overdue_at: dt.datetime) -> tuple[list[Reported], bool]:
    """Find and lock some of the records for which came what they name, or else overdue ones.

    Returns:
        The records, and whether they are overdue.
    """
    rows = (await tx.execute(_DECIDABLE, {"limit": SLICE})).all()
    overdue = not rows
    if overdue:
        rows = (await tx.execute(_OVERDUE, {"now": overdue_at, "limit": SLICE})).all()
    return [_reported(row) for row in rows], overdue


async def parked_in(tx: AsyncConnection, period: str) -> list[Reported]:
    """Find and lock the records of a period that are parked."""
    return [_reported(row) for row in await tx.execute(_PARKED_IN, {"period": period})]


async def resolve(tx: AsyncConnection, resolved: Sequence[tuple[Reported, State]]) -> None:
    """Move parked records on; those that stay parked may wait for something else from now on."""
    if resolved:
        await tx.execute(
            _RESOLVE,
            {
                "sources": joined([each.source for each, _ in resolved]),
                "ids": joined([each.record.id for each, _ in resolved]),
                "states": joined([state for _, state in resolved]),
                "waits": joined([each.waits_for if state == "parked" else None for each, state in resolved]),
            },
        )


async def mark_late(tx: AsyncConnection, late: Sequence[tuple[str, str]], now: dt.datetime) -> None:
    """Note bookings with closed periods of which their usage changed. They are rated again."""
    if late:
        columns = {"bookings": joined(each[0] for each in late), "periods": joined(each[1] for each in late)}
        await tx.execute(_MARK_LATE, {"now": now, **columns})


async def take_late(tx: AsyncConnection, period: str) -> list[tuple[str, str]]:
    """Take the marks of what must be rated again, each once; the records are to be read afterwards."""
    return sorted({(row[0], row[1]) for row in await tx.execute(_TAKE_LATE, {"period": period})})


async def touched(tx: AsyncConnection, since: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Find the months from one on in which bookings have usage."""
    columns = {"bookings": joined(each[0] for each in since), "periods": joined(each[1] for each in since)}
    return [(row[0], row[1]) for row in await tx.execute(_TOUCHED, columns)]


def record_of(row: Sequence[object]) -> UsageRecord:
    """Read a record from its columns: id, booking, meter, quantity, start, end, dimensions, original."""
    id_, booking_id, meter, quantity, start, end, dimensions, corrects = row
    return UsageRecord.model_validate(
        {
            "id": id_,
            "booking_id": booking_id,
            "meter": meter,
            "quantity": quantity,
            "start": start,
            "end": end,
            "dimensions": json.loads(str(dimensions)) if dimensions else {},
            "corrects": corrects,
        }
    )


def _reported(row: Sequence[object]) -> Reported:
    source, *columns, waits_for = row
    return Reported(str(source), record_of(columns), cast('Literal["booking", "meter", "record"]', waits_for))
