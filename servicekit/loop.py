"""The batch loop: whatever arrived while the last transaction ran is the next batch.

One transaction claims the ids, decides and writes; then the events are published and the messages
acknowledged while the next transaction runs already.
"""

import asyncio
import dataclasses
import datetime as dt
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import asyncpg
from nats.aio.client import Client
from nats.errors import Error as NatsError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from allmende.schemas import registry, subjects
from allmende.schemas.rejections import rejected

from . import inbox, outbox, telemetry, wire
from .barrier import FactBarrier
from .clock import Clock
from .dead_letters import DeadLetter, dead_letter
from .messages import Delivery, Incoming, Outgoing, Unprocessable, decode, refuse
from .outbox import Letter
from .publisher import NotStored, Publisher
from .pull import ContinuousPull, Inflow

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
LEFT_OVER_AGE_SECONDS = 3.0
"""Outbox rows older than this belong to a process that died, or to one that cannot reach the server."""
_LEFT_OVER_MOST = 500
_PAUSE_SECONDS_MAX = 5.0
_HELD_SECONDS = 0.02


class Handler(Protocol):
    """What a service decides, a whole batch at a time, inside the transaction."""

    async def handle(
        self, tx: AsyncConnection, messages: Sequence[Incoming], now: dt.datetime
    ) -> list[Outgoing]:
        """Decide messages that are new, in the order given."""
        ...

    async def tick(
        self, tx: AsyncConnection, now: dt.datetime, informed_until: dt.datetime
    ) -> list[Outgoing]:
        """Decide what is due by the clock. Every fact told before `informed_until` is taken in."""
        ...


class Interrupted(Exception):  # noqa: N818 - it is a state, told upwards
    """The service shall stop while the database is away: what it holds is delivered again to the next one."""


@dataclasses.dataclass(slots=True)
class Committed:
    """What a transaction left to be done."""

    letters: list[Letter]
    deliveries: list[Delivery]
    originals: list[Letter] = dataclasses.field(default_factory=list)

    def __add__(self, other: "Committed") -> "Committed":
        """Both together."""
        return Committed(
            self.letters + other.letters,
            self.deliveries + other.deliveries,
            self.originals + other.originals,
        )


class BatchLoop:
    """Runs one handler over the consumers of one service."""

    def __init__(  # noqa: PLR0913 - wired once, by name
        self,
        *,
        service: str,
        office: str,
        connection: Client,
        engine: AsyncEngine,
        handler: Handler,
        consumers: Sequence[tuple[str, str]],
        clock: Clock,
        batch_max: int = 500,
    ) -> None:
        self._service = service
        self._office = office
        self._connection = connection
        self._engine = engine
        self._handler = handler
        self._clock = clock
        self._batch_max = batch_max
        self._inflow = Inflow()
        self._pulls = [
            ContinuousPull(connection, stream, durable, self._inflow) for stream, durable in consumers
        ]
        durables = [durable for stream, durable in consumers if stream == subjects.FACT_STREAM]
        self._barrier = FactBarrier(connection, service, durables[0] if durables else None)
        self._publisher = Publisher(connection, service)
        self._publishing: asyncio.Task[list[int]] | None = None
        self._published: list[int] = []
        self._next_tick = 0.0
        self._stopping = False
        self.trouble: str | None = "starting"
        """Why the service is not ready, in one sentence, or None."""

    async def run(self) -> None:
        """Work until `stop`."""
        for pull in self._pulls:
            await pull.start()
        self.trouble = None
        while not self._stopping:
            pause = _HELD_SECONDS if self._barrier.holds else TICK_SECONDS / 4
            batch = self._barrier.hold(await self._inflow.take(self._batch_max, pause))
            batch += await self._barrier.release()
            for pull in self._pulls:
                await pull.top_up()
            if batch:
                reading = asyncio.create_task(self._inflow.read_ahead())
                try:
                    committed = await self._persist(batch)
                except Interrupted:
                    break
                finally:
                    reading.cancel()
                await self._publish_after_the_last(committed)
            if asyncio.get_running_loop().time() >= self._next_tick:
                await self._tick()
        await self._finish_publishing()
        for pull in self._pulls:
            await pull.stop()

    def stop(self) -> None:
        """Finish the batch at hand and return from `run`."""
        self._stopping = True
        self._inflow.wake()

    async def reconnected(self) -> None:
        """Ask for messages again at once: requests do not outlive a connection."""
        self._publisher.reconnected()
        for pull in self._pulls:
            await pull.renew(now=True)

    # -- one transaction ------------------------------------------------------------------------

    async def _persist(self, batch: Sequence[Delivery]) -> Committed:
        """Commit a batch, whatever is in it; wait for the database as long as it takes."""
        readable: list[tuple[Delivery, Incoming]] = []
        unreadable: list[Unprocessable] = []
        for delivery in batch:
            message = decode(delivery)
            if isinstance(message, Incoming):
                readable.append((delivery, message))
            else:
                unreadable.append(message)
        return await self._commit_or_divide(readable, unreadable)

    async def _commit_or_divide(
        self,
        readable: Sequence[tuple[Delivery, Incoming]],
        unreadable: Sequence[Unprocessable],
        *,
        again: bool = True,
    ) -> Committed:
        """Commit; where the handler fails on the content, halve until the culprit stands alone.

        One that stands alone is tried twice: another process may have written the same key meanwhile,
        which the second try finds.
        """
        try:
            return await self._until_reachable(lambda: self._commit(readable, unreadable))
        except Interrupted:
            raise
        except Exception as error:
            if len(readable) > 1:
                middle = len(readable) // 2
                first = await self._commit_or_divide(readable[:middle], unreadable)
                second = await self._commit_or_divide(readable[middle:], ())
                return first + second
            if not readable:
                raise
            too_large = isinstance(error, outbox.TooLargeToTell)
            if again and not too_large:
                return await self._commit_or_divide(readable, unreadable, again=False)
            delivery, message = readable[0]
            log.exception("%s: %s cannot be processed", self._service, message.message.name)
            reason = rejected("too_large", detail=str(error)) if too_large else rejected("internal_error")
            culprit = Unprocessable(delivery, reason)
            if message.message.is_command:
                culprit = dataclasses.replace(
                    culprit, sender=message.sender, command=message.message, id=message.id, failed=message
                )
            return await self._commit_or_divide((), [*unreadable, culprit])

    async def _commit(
        self, readable: Sequence[tuple[Delivery, Incoming]], unreadable: Sequence[Unprocessable]
    ) -> Committed:
        now = self._clock()
        forgotten = list(self._published)
        with telemetry.batch(self._service, [message for _, message in readable]):
            async with self._engine.begin() as tx:
                failed = [each.failed for each in unreadable if each.failed is not None]
                claimed = await inbox.claim(tx, [*(message for _, message in readable), *failed])
                # A command that failed stays refused, even if it could be processed when it comes again.
                fresh = [each for each in claimed.fresh if each not in failed] if failed else claimed.fresh
                facts = await self._handler.handle(tx, fresh, now) if fresh else []
                facts += [
                    refuse(message, rejected("id_conflict", id=message.id)) for message in claimed.conflicting
                ]
                refused = [each for each in unreadable if not each.failed or each.failed in claimed.fresh]
                facts += [fact for each in refused if (fact := _refusal_of(each)) is not None]
                dead = [dead_letter(self._service, each) for each in refused if _is_kept(each)]
                originals = await outbox.originals(tx, claimed.repeated)
                letters = await outbox.repeat(tx, claimed.repeated, service=self._service, now=now)
                letters += await self._write(tx, facts, dead, now)
                await outbox.forget(tx, forgotten)
        del self._published[: len(forgotten)]
        deliveries = [delivery for delivery, _ in readable] + [each.delivery for each in unreadable]
        return Committed(letters, deliveries, originals)

    async def _write(
        self, tx: AsyncConnection, facts: Sequence[Outgoing], dead: Sequence[DeadLetter], now: dt.datetime
    ) -> list[Letter]:
        told = [outbox.tell(fact, service=self._service, office=self._office, now=now) for fact in facts]
        return await outbox.write(tx, told, dead, now)

    async def _until_reachable(self, work: Callable[[], Awaitable[Committed]]) -> Committed:
        """Repeat work that fails because the database is away; nothing is acknowledged meanwhile."""
        pause = 0.05
        while True:
            try:
                result = await work()
            except (OSError, DBAPIError, TimeoutError) as error:
                if not _is_infrastructure(error):
                    raise
                self.trouble = f"the database cannot be reached: {_first_line(error)}"
                log.warning("%s: %s", self._service, self.trouble)
                if self._stopping:
                    raise Interrupted from error
                await asyncio.sleep(pause)
                pause = min(pause * 2, _PAUSE_SECONDS_MAX)
            else:
                self.trouble = None
                return result

    # -- after the transaction ------------------------------------------------------------------

    async def _publish_after_the_last(self, committed: Committed) -> None:
        await self._finish_publishing()
        self._publishing = asyncio.create_task(self._publish(committed))

    async def _finish_publishing(self) -> None:
        if self._publishing is not None:
            self._published += await self._publishing
            self._publishing = None

    async def _publish(self, committed: Committed) -> list[int]:
        """Publish until stored, then acknowledge. Returns the outbox rows that can go."""
        pause = 0.05
        recovered, copies = False, None
        while True:
            try:
                if not recovered:
                    await self._publisher.recover(committed.originals)
                    recovered = True
                copies = copies or self._publisher.address(committed.letters)
                await self._publisher.publish(copies)
                done = [wire.acknowledged(delivery.reply) for delivery in committed.deliveries]
                await wire.send(self._connection, done)
                self._inflow.let_go(committed.deliveries)
            except (NotStored, NatsError, OSError) as error:
                self.trouble = f"the event stream cannot be reached: {_first_line(error)}"
                log.warning("%s: %s", self._service, self.trouble)
                if self._stopping:
                    return []
                await asyncio.sleep(pause)
                pause = min(pause * 2, _PAUSE_SECONDS_MAX)
            else:
                self.trouble = None
                return [letter.id for letter in (*committed.originals, *committed.letters)]

    async def _tick(self) -> None:
        """Deadlines, outbox rows left by a dead process, lost pull requests."""
        self._next_tick = asyncio.get_running_loop().time() + TICK_SECONDS
        await self._finish_publishing()
        try:
            left_over = await self._commit_tick()
            if left_over:
                await self._publisher.recover(left_over)
                self._published += [letter.id for letter in left_over]
        except (OSError, DBAPIError, TimeoutError, NotStored, NatsError) as error:
            away = not isinstance(error, (NotStored, NatsError)) and _is_infrastructure(error)
            what = "the database cannot be reached" if away else "the tick failed"
            self.trouble = f"{what}: {_first_line(error)}"
            log.warning("%s: %s", self._service, self.trouble)
        else:
            reachable = self._connection.is_connected
            self.trouble = None if reachable else "the message server cannot be reached"
        if self._connection.is_connected:
            for pull in self._pulls:
                await pull.renew()

    async def _commit_tick(self) -> list[Letter]:
        now = self._clock()
        forgotten = list(self._published)
        informed_until = await self._barrier.informed_until(now)
        async with self._engine.begin() as tx:
            await outbox.forget(tx, forgotten)
            left_over = await outbox.left_over(tx, age_seconds=LEFT_OVER_AGE_SECONDS, most=_LEFT_OVER_MOST)
            facts = await self._handler.tick(tx, now, informed_until)
            letters = await self._write(tx, facts, (), now)
        del self._published[: len(forgotten)]
        await self._publish_after_the_last(Committed(letters, []))
        await self._finish_publishing()
        return left_over


def _refusal_of(unprocessable: Unprocessable) -> Outgoing | None:
    """Tell the sender, when one is known."""
    command = unprocessable.command
    if unprocessable.sender is None or command is None:
        return None
    cause = Incoming(command, unprocessable.sender, unprocessable.id or "", _NOTHING, b"", None)
    return Outgoing(
        data=unprocessable.reason.as_rejection(command.name),
        cause=cause,
        message=registry.rejection_of(command),
    )


_NOTHING = rejected("internal_error").as_rejection("")


def _is_kept(unprocessable: Unprocessable) -> bool:
    """Keep what nobody could be told of, and what failed by our own fault."""
    return unprocessable.sender is None or unprocessable.reason.code == "internal_error"


def _is_infrastructure(error: BaseException) -> bool:
    if isinstance(error, DBAPIError):
        # A lost connection, a shutdown, a full disk or a deadlock passes; a constraint does not.
        if isinstance(getattr(error.orig, "__cause__", None), asyncpg.DataError):
            return False  # the driver refused a value; asyncpg calls that an interface error
        state = str(getattr(error.orig, "sqlstate", "") or "")
        return (
            error.connection_invalidated
            or isinstance(error, (OperationalError, InterfaceError))
            or state[:2] in {"08", "53", "57", "58", "40", "55"}
        )
    return True


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
