"""Bugs as they are easily made, to see that the simulation catches them."""

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any
from unittest import mock

from sqlalchemy.exc import DBAPIError

from allmende.servicekit import inbox, outbox
from allmende.servicekit.inbox import Claimed
from allmende.servicekit.loop import BatchLoop, Committed
from allmende.servicekit.messages import Delivery, Incoming
from allmende.servicekit.outbox import Letter
from allmende.services.brokerage.capacity import store as capacity_store
from allmende.services.brokerage.life import store as life_store

from .market import Setting


@contextlib.contextmanager
def _nothing_replaced() -> Iterator[None]:
    yield


def _dawdling(store: ModuleType, function: str) -> Callable[[], contextlib.AbstractContextManager[Any]]:
    """Leave time between reading and writing, so that others come between where nothing keeps them out."""
    read = getattr(store, function)

    async def slowly(*arguments: object) -> object:
        found = await read(*arguments)
        await asyncio.sleep(0.3)
        return found

    return lambda: mock.patch.object(store, function, slowly)


@dataclasses.dataclass(frozen=True)
class Bug:
    """A bug, and which promises it may break.

    Attributes:
        replaced: what is replaced while it is there.
    """

    name: str
    breaks: frozenset[str]
    setting: Setting = dataclasses.field(default_factory=Setting)
    replaced: Callable[[], contextlib.AbstractContextManager[Any]] = _nothing_replaced


async def _claim_nothing(tx: object, messages: Sequence[Incoming]) -> Claimed:
    """Take every delivery for a new one."""
    return Claimed(list(messages), [], [])


async def _write_no_letters(
    tx: object, letters: Sequence[tuple[str, tuple[str, ...], bytes]]
) -> list[Letter]:
    """Publish straight from memory, as if the process could not die before."""
    return [Letter(0, *letter) for letter in letters]


class AcknowledgesFirst(BatchLoop):
    """Thanks for the messages, then works."""

    async def _persist(self, batch: Sequence[Delivery]) -> Committed:
        for delivery in batch:
            await self._connection.publish(delivery.reply, b"+ACK")
        return await super()._persist(batch)


class ForgetsBeforePublishing(BatchLoop):
    """Clears the outbox as soon as it is written."""

    async def _publish_after_the_last(self, committed: Committed) -> None:
        with contextlib.suppress(DBAPIError):
            async with self._engine.begin() as tx:
                await outbox.forget(tx, [letter.id for letter in committed.letters])
        await super()._publish_after_the_last(committed)


class SwallowsExceptions(BatchLoop):
    """Logs what went wrong, acknowledges, and goes on."""

    async def _commit_or_divide(self, readable: Any, unreadable: Any, *, again: bool = True) -> Committed:  # noqa: ARG002 - the signature of the mended one
        try:
            return await self._commit(readable, unreadable)
        except Exception:  # noqa: BLE001 - that is the bug
            return Committed([], [delivery for delivery, _ in readable])


BUGS = (
    Bug("no inbox", frozenset({"R1"}), replaced=lambda: mock.patch.object(inbox, "claim", _claim_nothing)),
    Bug("acknowledged before the commit", frozenset({"R1", "R7"}), Setting(loop=AcknowledgesFirst)),
    Bug(
        "capacity read without lock and check",
        frozenset({"R3"}),
        Setting(without=("lock of capacity", "check of capacity")),
        _dawdling(capacity_store, "load_capacity"),
    ),
    Bug(
        "outbox not written",
        frozenset({"R1", "R2", "R8"}),
        replaced=lambda: mock.patch.object(outbox, "_write_letters", _write_no_letters),
    ),
    Bug(
        "outbox forgotten before it is published",
        frozenset({"R1", "R2", "R8"}),
        Setting(loop=ForgetsBeforePublishing),
    ),
    Bug("exceptions swallowed", frozenset({"R1", "R7"}), Setting(loop=SwallowsExceptions)),
    Bug(
        "due bookings moved by two at once",
        frozenset({"R3", "R8"}),
        Setting(without=("lock of due bookings", "key of changes", "check of capacity")),
    ),
    Bug(
        "a waiting line served by two at once",
        frozenset({"R3", "R8"}),
        Setting(without=("lock of the lines", "lock of a line", "key of changes", "check of capacity")),
        _dawdling(life_store, "load_line"),
    ),
    Bug(
        "bookings read without a lock",
        frozenset({"R3", "R8"}),
        Setting(without=("lock of bookings", "key of changes", "check of capacity")),
        _dawdling(life_store, "load_bookings"),
    ),
)
