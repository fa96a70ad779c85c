"""The table of commands that wait for what they name."""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from ..store import SLICE

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
