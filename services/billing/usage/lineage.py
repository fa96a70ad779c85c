"""Corrections, cancellations and contradictory records: what no longer counts, and what is unclear."""

import dataclasses
import datetime as dt
from collections.abc import Container, Iterable, Sequence
from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.billing import Clarification, UsageCancellation, UsageRecord
from allmende.servicekit.columns import joined

from .admission import State
from .store import SLICE, Key, record_of

Standing = Literal["recorded", "parked", "refused"]
_KEYS = """unnest(string_to_array(:sources, E'\\x1f'), string_to_array(:ids, E'\\x1f'))"""

# In the order of the key, so that two processes wait for each other in one order.
_LOCK = text(f"""
    select r.source, r.record_id, r.state, r.booking_id::text, r.period
    from usage_record r
    join {_KEYS} k (source, record_id) on r.source = k.source and r.record_id = k.record_id
    order by r.source, r.record_id for update of r
""")

_SUPERSEDE = text("""
    with given as (
        select * from unnest(string_to_array(:sources, E'\\x1f'), string_to_array(:ids, E'\\x1f'),
                             string_to_array(:kinds, E'\\x1f'), string_to_array(:by, E'\\x1f'))
                      u (source, record_id, kind, by_id)
    ), moved as (
        update usage_record r set state = g.kind from given g
        where r.source = g.source and r.record_id = g.record_id and r.state = 'recorded'
        returning r.record_id
    ), settled as (
        update usage_clarification c set settled_as = g.kind, settled_at = :now from given g
        where c.source = g.source and c.record_id = g.record_id and c.settled_as is null
          and c.offered is not null
    ), noted as (
        insert into usage_lineage (source, record_id, kind, by_id, noted_at)
        select source, record_id, kind, by_id, :now from given
    )
    select count(*) from moved
""")

_TAKE_CANCELLATIONS = text("""
    insert into usage_cancellation (source, cancellation_id, cancels, reason, state, parked_until,
                                    received_at)
    select source, id, cancels, reason, state,
           case when state = 'parked' then cast(:until as timestamptz) end, :now
    from unnest(string_to_array(:sources, E'\\x1f'), string_to_array(:ids, E'\\x1f'),
                string_to_array(:cancels, E'\\x1f'), string_to_array(:reasons, E'\\x1f'),
                string_to_array(:states, E'\\x1f')) u (source, id, cancels, reason, state)
    order by 1, 2
    on conflict do nothing
    returning 1
""")

_MOVE_CANCELLATIONS = text("""
    update usage_cancellation c
    set cancels = u.cancels, reason = u.reason, state = u.state,
        parked_until = case when u.state = 'parked' then cast(:until as timestamptz) end
    from unnest(string_to_array(:sources, E'\\x1f'), string_to_array(:ids, E'\\x1f'),
                string_to_array(:cancels, E'\\x1f'), string_to_array(:reasons, E'\\x1f'),
                string_to_array(:states, E'\\x1f')) u (source, id, cancels, reason, state)
    where c.source = u.source and c.cancellation_id = u.id and c.state <> 'recorded'
    returning 1
""")

_KNOWN_CANCELLATIONS = text(f"""
    select c.source, c.cancellation_id, c.cancels, c.reason, c.state
    from usage_cancellation c
    join {_KEYS} k (source, id) on c.source = k.source and c.cancellation_id = k.id
    order by 1, 2 for update of c
""")

_DECIDABLE = text("""
    select c.source, c.cancellation_id, c.cancels, c.reason
    from usage_cancellation c
    join usage_record r on r.source = c.source and r.record_id = c.cancels
    where c.state = 'parked' and r.state not in ('parked', 'refused')
    order by 1, 2 limit :limit for update of c skip locked
""")

_OVERDUE = text("""
    select c.source, c.cancellation_id, c.cancels, c.reason
    from usage_cancellation c
    where c.state = 'parked' and c.parked_until <= :now
    order by 1, 2 limit :limit for update of c skip locked
""")

_CLARIFY = text("""
    insert into usage_clarification (source, record_id, offered, offered_cancellation, noted_at)
    select source, id, offered::jsonb, cancellation::jsonb, :now
    from unnest(string_to_array(:sources, E'\\x1f'), string_to_array(:ids, E'\\x1f'),
                string_to_array(:offered, E'\\x1f', E'\\x1e'),
                string_to_array(:cancellations, E'\\x1f', E'\\x1e')) u (source, id, offered, cancellation)
    order by 1, 2
    on conflict do nothing
""")

_CLARIFICATIONS = text("""
    select c.clarification, c.source, c.record_id, c.offered::text, c.offered_cancellation::text, c.noted_at,
           c.settled_as, c.settled_at, c.reason,
           r.record_id, r.booking_id::text, r.meter, r.quantity, r.started_at, r.ended_at,
           r.dimensions::text, r.corrects
    from usage_clarification c
    left join usage_record r
      on r.source = c.source and r.record_id = c.record_id and c.offered is not null
    where c.clarification > :after and (cast(:source as text) is null or c.source = :source)
      and (not :open_only or c.settled_as is null)
    order by c.clarification limit :limit
""")

_LOCK_CLARIFICATION = text("""
    select source, record_id, settled_as from usage_clarification
    where clarification = :clarification for update
""")

_SETTLE = text("""
    update usage_clarification set settled_as = 'settled', settled_at = :now, reason = :reason
    where clarification = :clarification
""")


@dataclasses.dataclass(frozen=True, slots=True)
class Cancelling:
    """A cancellation with the provider that reported it."""

    source: str
    cancellation: UsageCancellation

    @property
    def key(self) -> Key:
        """Unique for ever, apart from the ids of records."""
        return (self.source, self.cancellation.id)

    @property
    def original(self) -> Key:
        """The record that shall no longer count."""
        return (self.source, self.cancellation.cancels)


@dataclasses.dataclass(frozen=True, slots=True)
class Original:
    """A record that shall be corrected or cancelled."""

    state: State
    booking_id: str
    period: str


@dataclasses.dataclass(frozen=True, slots=True)
class Superseded:
    """A record that no longer counts, and the record or cancellation that sees to it."""

    key: Key
    kind: Literal["corrected", "cancelled"]
    by_id: str


async def lock(tx: AsyncConnection, keys: Iterable[Key]) -> dict[Key, Original]:
    """Find records and keep them as they are until this transaction ends."""
    if not (ordered := sorted(set(keys))):
        return {}
    rows = await tx.execute(_LOCK, _keys(ordered))
    return {(row[0], row[1]): Original(row[2], row[3], row[4]) for row in rows}


async def supersede(tx: AsyncConnection, superseded: Sequence[Superseded], now: dt.datetime) -> None:
    """Let records count no longer, and settle what was unclear about them.

    Raises:
        RuntimeError: one of them did not count.
    """
    if not superseded:
        return
    moved = await tx.execute(
        _SUPERSEDE,
        {
            **_keys([each.key for each in superseded]),
            "kinds": joined(each.kind for each in superseded),
            "by": joined(each.by_id for each in superseded),
            "now": now,
        },
    )
    if moved.scalar_one() < len(superseded):
        raise RuntimeError("a record that counts no longer was to be corrected or cancelled")


async def known_cancellations(
    tx: AsyncConnection, cancelling: Sequence[Cancelling]
) -> dict[Key, tuple[UsageCancellation, Standing]]:
    """Find cancellations by their ids, with their states, and keep them as they are."""
    if not cancelling:
        return {}
    rows = await tx.execute(_KNOWN_CANCELLATIONS, _keys([each.key for each in cancelling]))
    return {(row[0], row[1]): (_cancelling(row[:4]).cancellation, row[4]) for row in rows}


async def save_cancellations(
    tx: AsyncConnection,
    decided: Sequence[tuple[Cancelling, Standing]],
    *,
    known: Container[Key] = (),
    until: dt.datetime,
    now: dt.datetime,
) -> None:
    """Store cancellations, and move those on that were parked or refused.

    Raises:
        RuntimeError: another process stored one of them meanwhile.
    """
    new = [each for each in decided if each[0].key not in known]
    old = [each for each in decided if each[0].key in known]
    for statement, some, more in ((_TAKE_CANCELLATIONS, new, {"now": now}), (_MOVE_CANCELLATIONS, old, {})):
        if not some:
            continue
        columns = {
            **_keys([each.key for each, _ in some]),
            "cancels": joined(each.cancellation.cancels for each, _ in some),
            "reasons": joined(each.cancellation.reason for each, _ in some),
            "states": joined(state for _, state in some),
        }
        rows = await tx.execute(statement, {**columns, "until": until, **more})
        if len(rows.all()) < len(some):
            raise RuntimeError("another process stored a cancellation meanwhile")


async def decidable_cancellations(
    tx: AsyncConnection, overdue_at: dt.datetime
) -> tuple[list[Cancelling], bool]:
    """Find and lock some of the parked cancellations whose record came, or else overdue ones.

    Returns:
        The cancellations, and whether they are overdue.
    """
    rows = (await tx.execute(_DECIDABLE, {"limit": SLICE})).all()
    overdue = not rows
    if overdue:
        rows = (await tx.execute(_OVERDUE, {"now": overdue_at, "limit": SLICE})).all()
    return [_cancelling(row) for row in rows], overdue


async def clarify(
    tx: AsyncConnection, unclear: Sequence[tuple[str, UsageRecord | UsageCancellation]], now: dt.datetime
) -> None:
    """Keep what was reported under ids that are known with other content, each content once."""
    if not unclear:
        return
    documents = [each.model_dump_json(exclude_defaults=True) for _, each in unclear]
    of_records = [isinstance(each, UsageRecord) for _, each in unclear]
    await tx.execute(
        _CLARIFY,
        {
            **_keys([(source, each.id) for source, each in unclear]),
            "offered": joined(d if is_ else None for d, is_ in zip(documents, of_records, strict=True)),
            "cancellations": joined(None if is_ else d for d, is_ in zip(documents, of_records, strict=True)),
            "now": now,
        },
    )


async def clarifications(
    tx: AsyncConnection, *, source: str | None, open_only: bool, after: int, limit: int
) -> list[Clarification]:
    """List what is unclear, oldest first."""
    rows = await tx.execute(
        _CLARIFICATIONS, {"source": source, "open_only": open_only, "after": after, "limit": limit}
    )
    return [
        Clarification(
            clarification=row[0],
            provider=row[1],
            record_id=row[2],
            offered=UsageRecord.model_validate_json(row[3]) if row[3] else None,
            offered_cancellation=UsageCancellation.model_validate_json(row[4]) if row[4] else None,
            noted_at=row[5],
            settled_as=row[6],
            settled_at=row[7],
            reason=row[8],
            standing=record_of(row[9:]) if row[9] else None,
        )
        for row in rows
    ]


async def lock_clarification(tx: AsyncConnection, clarification: int) -> tuple[str, str, str | None] | None:
    """Find an entry of the list: its provider, its record, how it was settled."""
    row = (await tx.execute(_LOCK_CLARIFICATION, {"clarification": clarification})).one_or_none()
    return (row[0], row[1], row[2]) if row else None


async def settle(tx: AsyncConnection, clarification: int, reason: str, now: dt.datetime) -> None:
    """Close an entry of the list."""
    await tx.execute(_SETTLE, {"clarification": clarification, "reason": reason, "now": now})


def _keys(keys: Sequence[Key]) -> dict[str, str]:
    return {"sources": joined(key[0] for key in keys), "ids": joined(key[1] for key in keys)}


def _cancelling(row: Sequence[object]) -> Cancelling:
    source, id_, cancels, reason = map(str, row)
    return Cancelling(source, UsageCancellation(id=id_, cancels=cancels, reason=reason))
