"""One process of a service without the loop: a handler, its database, a batch in one transaction."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from support.builders import NOW

from allmende.servicekit import database, inbox
from allmende.servicekit.loop import Handler
from allmende.servicekit.messages import Incoming, Outgoing

Told = tuple[str, str, str]
"""The id of the command it answers, the kind of payload, the payload."""

T = TypeVar("T")


class Desk:
    """Takes batches as the loop does: ids are claimed in the same transaction in which the handler decides.

    Attributes:
        told: everything the handler said, in order.
    """

    def __init__(self, handler: Handler, url: str, *, now: dt.datetime = NOW) -> None:
        self.handler = handler
        self.url = url
        self.now = now
        self.told: list[Outgoing] = []
        self.engine: AsyncEngine = database.engine(url, pool_size=2)

    async def take(self, *messages: Incoming) -> list[Outgoing]:
        """Decide one batch and commit."""
        async with self.engine.begin() as tx:
            claimed = await inbox.claim(tx, messages)
            facts = await self.handler.handle(tx, claimed.fresh, self.now) if claimed.fresh else []
        self.told += facts
        return facts

    async def deliver(self, messages: Sequence[Incoming], size: int | None = None) -> list[Outgoing]:
        """Decide messages in batches of a size, or in one."""
        step = size or len(messages)
        batches = [messages[start : start + step] for start in range(0, len(messages), step)]
        return [fact for batch in batches for fact in await self.take(*batch)]

    async def tick(self, informed_until: dt.datetime | None = None) -> list[Outgoing]:
        """Decide what is due by the clock, and commit; every fact told until now is known unless said."""
        async with self.engine.begin() as tx:
            facts = await self.handler.tick(tx, self.now, informed_until or self.now)
        self.told += facts
        return facts

    async def later(self, seconds: float) -> list[Outgoing]:
        """Let time pass, then tick."""
        self.now += dt.timedelta(seconds=seconds)
        return await self.tick()

    async def rows(self, statement: str, **parameters: object) -> list[tuple[object, ...]]:
        """Look into the database with the rights of the service."""
        async with self.engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(statement), parameters)]

    async def close(self) -> None:
        await self.engine.dispose()


class NewDesk(Protocol):
    """Make a desk, with a database of its own unless it shares another desk's."""

    def __call__(
        self, handler: Handler, *, now: dt.datetime = NOW, shares: Desk | None = None
    ) -> Awaitable[Desk]: ...


def said(facts: Sequence[Outgoing]) -> list[Told]:
    """What was told, in an order of its own, so that whole and divided batches compare."""
    return sorted(
        (fact.cause.id if fact.cause else "", type(fact.data).__name__, fact.data.model_dump_json())
        for fact in facts
    )


def codes(facts: Sequence[Outgoing]) -> list[str]:
    """What was told, in order: the code of a rejection, the name of any other payload."""
    return [str(getattr(fact.data, "code", type(fact.data).__name__)) for fact in facts]


async def persistently(work: Callable[[], Awaitable[T]]) -> T:
    """Repeat, as the loop does, what another process got in the way of: deadlocks, keys written meanwhile."""
    for _ in range(20):
        try:
            return await work()
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", "") not in {"40P01", "40001", "23505"}:
                raise
            await asyncio.sleep(0.02)
    raise AssertionError("twenty tries were not enough")
