"""The limit that PostgreSQL sets: the brokerage's own statements again, without NATS and without deciding.

Batches are decided and rolled back while every statement is written down with its parameters as the driver
gets them; then the same statements run again, timed. Their ids are fresh, since nothing of them was kept.
Only the outbox rows to be removed are others, since the database counts them: those of the batch before.
"""

import contextlib
import dataclasses
import random
import time
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from allmende.schemas import subjects
from allmende.servicekit import inbox, outbox
from allmende.servicekit.clock import system_clock
from allmende.servicekit.messages import Delivery, Incoming, decode
from allmende.servicekit.outbox import Letter
from allmende.servicekit.testing import Sandbox
from allmende.services.brokerage.handlers import BrokerageHandler
from bench import commands

BATCH = 500


@dataclasses.dataclass(frozen=True)
class Statement:
    """One statement as the driver gets it."""

    sql: str
    parameters: tuple[Any, ...]


def messages(members: Sequence[str], count: int) -> list[Incoming]:
    """Requests as the loop hands them to the handler."""
    generator = random.Random()  # noqa: S311 - load, not a secret
    found = []
    for number in range(count):
        member = members[number % len(members)]
        _, body, _ = commands.sealed(member, generator)
        subject = subjects.command_subject(member, "brokerage", "booking", "request")
        message = decode(Delivery(subject, body, ""))
        assert isinstance(message, Incoming), message
        found.append(message)
    return found


async def transact(
    tx: AsyncConnection, handler: BrokerageHandler, batch: Sequence[Incoming], published: Sequence[int]
) -> list[Letter]:
    """What the loop does in one transaction."""
    now = system_clock()
    claimed = await inbox.claim(tx, batch)
    facts = await handler.handle(tx, claimed.fresh, now)
    told = [outbox.tell(fact, service="brokerage", office="office", now=now) for fact in facts]
    letters = await outbox.write(tx, told, (), now)
    await outbox.forget(tx, published)
    return letters


def handler_of(market: Sandbox) -> BrokerageHandler:
    """The brokerage's decider."""
    return BrokerageHandler(market.register, 60, 36_500)


async def record(engine: AsyncEngine, market: Sandbox, load: Sequence[Incoming]) -> list[list[Statement]]:
    """Write down what each batch does to the database, and undo it."""
    handler = handler_of(market)
    batches = []
    published = [0]
    for position in range(0, len(load), BATCH):
        async with engine.connect() as tx:
            with _written_down(tx) as statements:
                letters = await transact(tx, handler, load[position : position + BATCH], published)
            await tx.rollback()
        assert len(letters) == len(load[position : position + BATCH]), "every request must be decided"
        published = [letter.id for letter in letters]
        batches.append(statements)
    return batches


@contextlib.contextmanager
def _written_down(tx: AsyncConnection) -> Iterator[list[Statement]]:
    found: list[Statement] = []

    def note(_: Any, __: Any, sql: str, parameters: Any, *___: Any) -> None:
        found.append(Statement(sql, tuple(parameters)))

    event.listen(tx.sync_connection, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(tx.sync_connection, "before_cursor_execute", note)


async def replay(engine: AsyncEngine, batches: Sequence[Sequence[Statement]]) -> float:
    """Run the statements again, each batch in a transaction. Returns seconds."""
    published: list[int] = []
    started = time.perf_counter()
    for statements in batches:
        async with engine.begin() as tx:
            told = published
            for statement in statements:
                parameters: tuple[Any, ...] = statement.parameters
                if "delete from outbox" in statement.sql:
                    parameters = (told,)
                result = await tx.exec_driver_sql(statement.sql, parameters)
                rows = result.all() if result.returns_rows else []
                if "insert into outbox" in statement.sql:
                    published = [row[0] for row in rows]
    elapsed = time.perf_counter() - started
    async with engine.begin() as tx:
        await outbox.forget(tx, published)
    return elapsed
