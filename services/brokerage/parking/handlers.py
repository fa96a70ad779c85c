"""Commands that have overtaken what they name: kept, taken up again, refused when their time is over."""

import datetime as dt
from collections.abc import Iterable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas import registry
from allmende.servicekit.messages import Incoming, Outgoing, refuse

from . import store
from .awaited import Unknown, refusal_of


async def park(tx: AsyncConnection, early: Iterable[tuple[Incoming, Unknown]], until: dt.datetime) -> None:
    """Keep commands until what they name is known, or until then."""
    await store.park(tx, [_to_be_parked(command, unknown, until) for command, unknown in early])


async def unpark(tx: AsyncConnection, offering_ids: Sequence[str]) -> list[Incoming]:
    """Take up commands that waited for these offerings."""
    return [_as_message(parked) for parked in await store.unpark(tx, offering_ids)]


async def unpark_known(tx: AsyncConnection) -> list[Incoming]:
    """Take up commands whose offering or booking another process has made known."""
    return [_as_message(parked) for parked in await store.unpark_known(tx)]


async def refuse_overdue(tx: AsyncConnection, now: dt.datetime) -> list[Outgoing]:
    """Refuse what waited too long."""
    return [
        refuse(_as_message(parked), refusal_of(parked.awaited)) for parked in await store.overdue(tx, now)
    ]


def _to_be_parked(command: Incoming, unknown: Unknown, until: dt.datetime) -> store.Parked:
    return store.Parked(
        command_id=command.id,
        sender=command.sender,
        message=command.message.name,
        awaited=unknown.awaited,
        data=command.data.model_dump_json(),
        traceparent=command.traceparent,
        until=until,
    )


def _as_message(parked: store.Parked) -> Incoming:
    """The command as it came in; its id was claimed then."""
    message = registry.message(parked.message)
    data = message.data.model_validate_json(parked.data)
    return Incoming(message, parked.sender, parked.command_id, data, b"", parked.traceparent)
