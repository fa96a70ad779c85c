"""The table of maintenance notices."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.brokerage import MaintenanceNotice

from ..store import SLICE

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

_NOTICES = text("""
    select data::text from notice n
    where (:include_over or state in ('draft', 'scheduled', 'in_progress'))
      and (provider = :member or (state <> 'draft' and (:all_members or exists (
          select from booking b where b.consumer = :member and b.offering_id = any(n.offering_ids)
            and b.reserved is not null))))
    order by starts_at, notice_id limit :limit
""")


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


async def notices(
    connection: AsyncConnection, *, member: str, all_members: bool, include_over: bool, limit: int
) -> list[MaintenanceNotice]:
    """Read maintenance of what a member books or provides, the next first."""
    rows = await connection.execute(
        _NOTICES,
        {"member": member, "all_members": all_members, "include_over": include_over, "limit": limit},
    )
    return [MaintenanceNotice.model_validate_json(row[0]) for row in rows]
