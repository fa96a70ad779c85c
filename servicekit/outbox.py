"""Facts and the messages that tell them, written in the transaction that decides them."""

import dataclasses
import datetime as dt
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas import registry, subjects
from allmende.schemas.contract import EVENT_BYTES_MAX
from allmende.schemas.envelope import seal
from allmende.schemas.registry import Audience, MessageType

from .columns import joined
from .messages import Incoming, Outgoing

if TYPE_CHECKING:
    from .dead_letters import DeadLetter

_WRITE_FACTS = text("""
    insert into fact (id, type, subject, causation_id, caused_by, subjects, traceparent, recorded_at, data)
    select id::uuid, type, subject, causation_id::uuid, caused_by,
           coalesce(string_to_array(subjects, ' '), '{}'), traceparent, :recorded_at, data::json
    from unnest(string_to_array(:ids, E'\\x1f', E'\\x1e'),
                string_to_array(:types, E'\\x1f', E'\\x1e'),
                string_to_array(:business_keys, E'\\x1f', E'\\x1e'),
                string_to_array(:causation_ids, E'\\x1f', E'\\x1e'),
                string_to_array(:senders, E'\\x1f', E'\\x1e'),
                string_to_array(:subjects, E'\\x1f', E'\\x1e'),
                string_to_array(:traceparents, E'\\x1f', E'\\x1e'),
                string_to_array(:data, E'\\x1f', E'\\x1e'))
         u (id, type, subject, causation_id, caused_by, subjects, traceparent, data)
""")

_WRITE_OUTBOX = text("""
    insert into outbox (message_id, subjects, body)
    select message_id, string_to_array(subjects, ' '), body
    from unnest(string_to_array(:message_ids, E'\\x1f', E'\\x1e'),
                string_to_array(:subjects, E'\\x1f', E'\\x1e'),
                cast(:bodies as bytea[]))
         u (message_id, subjects, body)
    returning id
""")

_DELETE = text("delete from outbox where id = any(cast(:ids as bigint[]))")

_LEFT_OVER = text("""
    select id, message_id, subjects, body from outbox
    where created_at < now() - make_interval(secs => :age_seconds)
    order by id limit :most
""")

# The refusal of another body under the same id answers that body, not the first.
_OUTCOMES = text("""
    select causation_id::text, caused_by, type, subject, traceparent, data::text
    from fact
    where causation_id = any(cast(:ids as uuid[])) and data->>'code' is distinct from 'id_conflict'
    order by position
""")

_ORIGINALS = text("""
    select o.id, o.message_id, o.subjects, o.body
    from outbox o join fact f on o.message_id = f.type || ':' || f.id
    where f.causation_id = any(cast(:ids as uuid[])) order by o.id
""")

_DATA_BYTES_MAX = EVENT_BYTES_MAX - 8 * 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Letter:
    """One row of the outbox: a body and where its copies go.

    Attributes:
        message_id: what the stream recognises a repeated copy by; the subject is added to it.
    """

    id: int
    message_id: str
    subjects: tuple[str, ...]
    body: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Told:
    """An outgoing fact made ready: its envelope, its subjects."""

    id: str
    message: MessageType
    outgoing: Outgoing
    subjects: tuple[str, ...]
    body: bytes
    data_json: str


class TooLargeToTell(Exception):  # noqa: N818 - it is said to the sender
    """A command whose outcome no stream would take; it is refused instead."""


def address(message: MessageType, outgoing: Outgoing, office: str) -> tuple[str, ...]:
    """Resolve the audiences the registry names into subjects, each once."""
    found: dict[str, None] = {}
    parts = (message.service, message.noun, message.verb)
    for audience in message.audiences:
        match audience:
            case Audience.SERVICES:
                found[subjects.fact_subject(*parts)] = None
            case Audience.EVERYONE:
                found[subjects.event_subject(subjects.EVERYONE, *parts)] = None
            case Audience.OFFICE:
                found[subjects.event_subject(office, *parts)] = None
            case Audience.SENDER:
                if outgoing.cause is not None:
                    found[subjects.event_subject(outgoing.cause.sender, *parts)] = None
            case _:
                meant = outgoing.parties[audience]
                for member in (meant,) if isinstance(meant, str) else meant:
                    found[subjects.event_subject(member, *parts)] = None
    return tuple(found)


def tell(outgoing: Outgoing, *, service: str, office: str, now: dt.datetime) -> Told:
    """Give a fact its identity, its envelope and its subjects."""
    message = outgoing.message or registry.message_of(outgoing.data)
    data_json = outgoing.data.model_dump_json()
    if len(data_json) > _DATA_BYTES_MAX // 4 and len(data_json.encode()) > _DATA_BYTES_MAX:
        raise TooLargeToTell(f"{message.name} would take {len(data_json.encode())} bytes")
    event_id = _new_id()
    cause = outgoing.cause
    body = seal(
        id=event_id,
        source=f"/services/{service}",
        type=message.type,
        time=now,
        data_json=data_json.encode(),
        subject=outgoing.subject,
        traceparent=cause.traceparent if cause else None,
        causationid=_command_id(cause),
    )
    return Told(event_id, message, outgoing, address(message, outgoing, office), body, data_json)


def _new_id() -> str:
    """Draw a random UUID (RFC 9562, section 5.4), without the object around it that costs more than it."""
    drawn = os.urandom(16).hex()
    variant = "89ab"[int(drawn[16], 16) % 4]
    return f"{drawn[:8]}-{drawn[8:12]}-4{drawn[13:16]}-{variant}{drawn[17:20]}-{drawn[20:]}"


def _command_id(cause: Incoming | None) -> str | None:
    return cause.id if cause is not None and cause.id else None


async def write(
    tx: AsyncConnection, told: Sequence[Told], dead: Sequence["DeadLetter"], now: dt.datetime
) -> list[Letter]:
    """Store facts and outbox rows, one statement for each table."""
    if told:
        causes = [fact.outgoing.cause for fact in told]
        await tx.execute(
            _WRITE_FACTS,
            {
                "recorded_at": now,
                "ids": joined(fact.id for fact in told),
                "types": joined(fact.message.type for fact in told),
                "business_keys": joined(fact.outgoing.subject for fact in told),
                "causation_ids": joined(map(_command_id, causes)),
                "senders": joined(cause.sender if cause else None for cause in causes),
                "subjects": joined(" ".join(fact.subjects) or None for fact in told),
                "traceparents": joined(cause.traceparent if cause else None for cause in causes),
                "data": joined(fact.data_json for fact in told),
            },
        )
    letters = [(f"{fact.message.type}:{fact.id}", fact.subjects, fact.body) for fact in told if fact.subjects]
    letters += [(letter.message_id, (letter.subject,), letter.body) for letter in dead]
    return await _write_letters(tx, letters)


async def repeat(
    tx: AsyncConnection, repeated: Sequence[Incoming], *, service: str, now: dt.datetime
) -> list[Letter]:
    """Tell the senders of repeated commands their outcome again, each as an event with a new id."""
    by_id: dict[str, list[Incoming]] = {}
    for cause in repeated:
        if cause.message.is_command:
            by_id.setdefault(cause.id, []).append(cause)
    if not by_id:
        return []
    letters = []
    for causation_id, caused_by, type_, subject, traceparent, data in await tx.execute(
        _OUTCOMES, {"ids": list(by_id)}
    ):
        outcome = registry.message(type_.removeprefix("allmende.").rsplit(".", 1)[0])
        for cause in by_id[causation_id]:
            if caused_by != cause.sender or outcome.name not in cause.message.outcomes:
                continue  # the same id of another sender or another command
            to_sender = subjects.event_subject(cause.sender, outcome.service, outcome.noun, outcome.verb)
            event_id = _new_id()
            body = seal(
                id=event_id,
                source=f"/services/{service}",
                type=type_,
                time=now,
                data_json=data.encode(),
                subject=subject,
                traceparent=traceparent,
                causationid=causation_id,
            )
            letters.append((f"{type_}:{event_id}", (to_sender,), body))
    return await _write_letters(tx, letters)


async def _write_letters(
    tx: AsyncConnection, letters: Sequence[tuple[str, tuple[str, ...], bytes]]
) -> list[Letter]:
    if not letters:
        return []
    rows = await tx.execute(
        _WRITE_OUTBOX,
        {
            "message_ids": joined(letter[0] for letter in letters),
            "subjects": joined(" ".join(letter[1]) for letter in letters),
            "bodies": [letter[2] for letter in letters],
        },
    )
    return [Letter(row[0], *letter) for row, letter in zip(rows, letters, strict=True)]


async def originals(tx: AsyncConnection, repeated: Sequence[Incoming]) -> list[Letter]:
    """Find what was decided for repeated commands and is perhaps not in the stream yet.

    A process may have died between its transaction and publishing. Whoever tells an outcome again tells the
    others first, so that nobody acts on an outcome before the services can know of it.
    """
    ids = [message.id for message in repeated if message.message.is_command]
    if not ids:
        return []
    rows = await tx.execute(_ORIGINALS, {"ids": ids})
    return [Letter(row[0], row[1], tuple(row[2]), row[3]) for row in rows]


async def forget(tx: AsyncConnection, ids: Sequence[int]) -> None:
    """Remove rows whose messages are in the stream."""
    if ids:
        await tx.execute(_DELETE, {"ids": list(ids)})


async def left_over(tx: AsyncConnection, *, age_seconds: float, most: int) -> list[Letter]:
    """Find rows that a process wrote and did not publish, oldest first."""
    rows = await tx.execute(_LEFT_OVER, {"age_seconds": age_seconds, "most": most})
    return [Letter(row[0], row[1], tuple(row[2]), row[3]) for row in rows]
