"""Exactly once: an id is claimed in the same transaction as what it causes.

Delivery is at least once and acknowledgements are not durable, so the database decides what is new.
"""

import dataclasses
from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from .columns import joined
from .messages import Incoming

_CLAIM = text("""
    insert into inbox (id, sender, type, digest)
    select id::uuid, sender, type, digest::bytea
    from unnest(string_to_array(:ids, E'\\x1f', E'\\x1e'),
                string_to_array(:senders, E'\\x1f', E'\\x1e'),
                string_to_array(:types, E'\\x1f', E'\\x1e'),
                string_to_array(:digests, E'\\x1f', E'\\x1e')) u (id, sender, type, digest)
    on conflict do nothing
    returning id::text, sender, type
""")

_KNOWN = text("""
    select i.id::text, i.sender, i.type, i.digest
    from inbox i
    join unnest(string_to_array(:ids, E'\\x1f', E'\\x1e'),
                string_to_array(:senders, E'\\x1f', E'\\x1e'),
                string_to_array(:types, E'\\x1f', E'\\x1e')) k (id, sender, type)
      on i.id = k.id::uuid and i.sender = k.sender and i.type = k.type
""")


@dataclasses.dataclass(frozen=True, slots=True)
class Claimed:
    """A batch sorted by what the inbox knows.

    Attributes:
        fresh: seen for the first time, each id once.
        repeated: seen before with the same body; the outcome is told again.
        conflicting: seen before with another body.
    """

    fresh: list[Incoming]
    repeated: list[Incoming]
    conflicting: list[Incoming]


async def claim(tx: AsyncConnection, messages: Sequence[Incoming]) -> Claimed:
    """Claim the ids of a batch."""
    first: dict[tuple[str, str, str], Incoming] = {}
    for message in messages:
        first.setdefault(message.key, message)
    # Sorted, so that two processes with overlapping batches wait for each other in one order.
    ordered = sorted(first)
    if not ordered:
        return Claimed([], [], [])
    names = {
        "ids": joined(key[0] for key in ordered),
        "senders": joined(key[1] for key in ordered),
        "types": joined(key[2] for key in ordered),
    }
    digests = joined(f"\\x{first[key].digest.hex()}" for key in ordered)
    rows = await tx.execute(_CLAIM, {**names, "digests": digests})
    new = {tuple(row) for row in rows}
    known: dict[tuple[str, str, str], bytes] = {}
    if len(new) < len(first):
        known = {(row[0], row[1], row[2]): row[3] for row in await tx.execute(_KNOWN, names)}
    return _sort(messages, first, new, known)


def _sort(
    messages: Sequence[Incoming],
    first: dict[tuple[str, str, str], Incoming],
    new: set[tuple[str, ...]],
    known: dict[tuple[str, str, str], bytes],
) -> Claimed:
    sorted_ = Claimed([], [], [])
    for message in messages:
        original = first[message.key]
        if message.key in new:
            if message is original:
                sorted_.fresh.append(message)
            elif message.digest != original.digest:
                sorted_.conflicting.append(message)
            # Twice in one batch: the outcome of the first is told anyway.
        elif known.get(message.key) == message.digest:
            sorted_.repeated.append(message)
        else:
            sorted_.conflicting.append(message)
    return sorted_
