"""A service whose effects can be counted: the real loop on real servers, its handler steered by a test."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, Self

from nats.aio.client import Client
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from support import broker, examples
from support.broker import Connections, Stored, eventually

from allmende.schemas import registry, subjects
from allmende.schemas.brokerage import RequestBooking
from allmende.schemas.registry import Audience
from allmende.servicekit import database
from allmende.servicekit.clock import system_clock
from allmende.servicekit.loop import BatchLoop
from allmende.servicekit.messages import Incoming, Outgoing
from allmende.servicekit.testing import Sandbox

SERVICE = "brokerage"
REQUEST = "brokerage.booking.request"
ACK_WAIT_SECONDS = 1.0
_EFFECT = text("insert into effect select * from unnest(cast(:ids as uuid[]), cast(:senders as text[]))")


class Crash(BaseException):
    """The process dies here."""


class Counting:
    """Handles every message by one row in a table that allows repetitions, and confirms every request."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.seconds = 0.0
        self.poison: Callable[[Incoming], bool] = lambda _: False
        self.statements: dict[str, tuple[str, dict[str, object]]] = {}
        self.before_return: Callable[[], None] = lambda: None

    async def handle(
        self, tx: AsyncConnection, messages: Sequence[Incoming], now: dt.datetime
    ) -> list[Outgoing]:
        self.sizes.append(len(messages))
        await asyncio.sleep(self.seconds)
        ids, senders = [message.id for message in messages], [message.sender for message in messages]
        await tx.execute(_EFFECT, {"ids": ids, "senders": senders})
        for message in messages:
            if message.id in self.statements:
                statement, values = self.statements[message.id]
                await tx.execute(text(statement), values)
            if self.poison(message):
                raise RuntimeError(f"{message.id} is poison")
        self.before_return()
        return [_confirmed(message, now) for message in messages if message.message.is_command]

    async def tick(
        self, tx: AsyncConnection, now: dt.datetime, informed_until: dt.datetime
    ) -> list[Outgoing]:
        del tx, now, informed_until
        return []


def _confirmed(message: Incoming, now: dt.datetime) -> Outgoing:
    assert isinstance(message.data, RequestBooking)
    parties = {"consumer": message.sender, "provider": "lrz"}
    fact = examples.booking().model_copy(
        update={"booking_id": message.id, "reference": message.data.reference, "confirmed_at": now, **parties}
    )
    audiences = {Audience.CONSUMER: message.sender, Audience.PROVIDER: "lrz"}
    return Outgoing(fact, cause=message, subject=message.id, parties=audiences)


def request(member: str = "desy", id_: str | None = None, reference: str | None = None, **more: Any) -> bytes:
    """A request for a booking as it travels."""
    data = RequestBooking(
        offering_id="lrz/compute", plan_id="standard", start=dt.date(2026, 4, 1), reference=reference
    )
    return broker.sealed(member, data, id_, **more)


@dataclasses.dataclass
class _Running:
    loop: BatchLoop
    connection: Client
    engine: AsyncEngine
    task: "asyncio.Task[None]"


class Workshop:
    """The brokerage's place in a market, taken by a handler that counts."""

    def __init__(self, market: Sandbox, connections: Connections) -> None:
        self.market = market
        self.connections = connections
        self.handler = Counting()
        self.hub: Client
        self._running: _Running | None = None

    async def __aenter__(self) -> Self:
        async with self.market.admin(SERVICE) as admin:
            await admin.execute("create table if not exists effect (id uuid, sender text)")
            await admin.execute("grant select, insert on effect to public")
        self.hub = await self.connections.provisioner(self.market)
        await self.redeliver_after(ACK_WAIT_SECONDS)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def redeliver_after(self, seconds: float) -> None:
        """Have what a dead process did not acknowledge delivered again soon."""
        jetstream = self.hub.jetstream()
        for stream, config in self.market.hub.consumers():
            if config.durable_name in {SERVICE, f"svc_{SERVICE}"}:
                await jetstream.add_consumer(stream, dataclasses.replace(config, ack_wait=seconds))

    # -- the process ----------------------------------------------------------------------------

    async def start(self, kind: type[BatchLoop] = BatchLoop, **options: Any) -> BatchLoop:
        """Start a process."""
        loop: BatchLoop

        async def reconnected() -> None:
            await loop.reconnected()

        connection = await self.connections.service(self.market, SERVICE, reconnected_cb=reconnected)
        engine = database.engine(self.market.databases[SERVICE], pool_size=2)
        given: dict[str, Any] = {
            "service": SERVICE,
            "office": "office",
            "connection": connection,
            "engine": engine,
            "handler": self.handler,
            "consumers": [
                *((subjects.command_stream(shard), SERVICE) for shard in range(subjects.SHARDS)),
                (subjects.FACT_STREAM, f"svc_{SERVICE}"),
            ],
            "clock": system_clock,
        } | options
        loop = kind(**given)
        self._running = _Running(loop, connection, engine, asyncio.create_task(loop.run()))
        await eventually(lambda: loop.trouble is None)
        return loop

    @property
    def loop(self) -> BatchLoop:
        assert self._running is not None
        return self._running.loop

    @property
    def connection(self) -> Client:
        assert self._running is not None
        return self._running.connection

    async def died(self) -> None:
        """Wait until the process died of a planted crash, and clear away."""
        assert self._running is not None
        await asyncio.wait({self._running.task}, timeout=20)
        assert isinstance(self._running.task.exception(), Crash)
        await self.kill()

    async def stop(self) -> None:
        """End the process in an orderly way."""
        if self._running is not None:
            self._running.loop.stop()
            await asyncio.wait_for(self._running.task, 20)
            await self.kill()

    async def kill(self) -> None:
        """End the process where it stands: nothing is finished, acknowledged or said."""
        if self._running is not None:
            running, self._running = self._running, None
            tasks = [running.task, running.loop._publishing]
            for task in tasks:
                # The client may swallow a cancellation that meets an answer.
                while task is not None and not task.done():
                    task.cancel()
                    await asyncio.wait({task}, timeout=0.2)
                if task is not None and not task.cancelled():
                    task.exception()  # a planted crash was meant, and is not to be reported
            with contextlib.suppress(OSError):
                await running.connection.close()
            await running.engine.dispose()

    # -- what it is given and what became of it -------------------------------------------------

    async def send(self, *bodies: bytes, member: str = "desy", name: str = REQUEST, **headers: str) -> None:
        """Store commands of a member, in this order, each under a name of its own."""
        subject = broker.command_subject(member, name)
        for start in range(0, len(bodies), 500):
            stored = await asyncio.gather(
                *(broker.send(self.hub, subject, body, **headers) for body in bodies[start : start + 500])
            )
            assert not [each for each in stored if "error" in each]

    async def tell(self, body: bytes, name: str = "catalog.offering.published") -> None:
        """Store a fact for services."""
        await broker.send(self.hub, subjects.fact_subject(*name.split(".")), body)

    async def batches(self, count: int) -> None:
        """Wait until the handler has been given so many batches."""
        await eventually(lambda: len(self.handler.sizes) >= count)

    async def settled(self) -> None:
        """Wait until every command is acknowledged and the outbox is empty."""
        open_: list[str] = []

        async def nothing_is_open() -> bool:
            open_[:] = await self._open()
            return not open_

        try:
            await eventually(nothing_is_open)
        except AssertionError:
            raise AssertionError(f"never settled: {open_}") from None

    async def _open(self) -> list[str]:
        found = []
        for stream, config in self.market.hub.consumers():
            if config.durable_name in {SERVICE, f"svc_{SERVICE}"}:
                info = await broker.consumer(self.hub, stream, config.durable_name)
                if info.num_pending or info.num_ack_pending:
                    counts = f"{info.num_pending} waiting, {info.num_ack_pending} unacknowledged"
                    found.append(f"{stream}: {counts}, {info.num_waiting} requests")
        rows = await self.rows("select id from outbox")
        return [*found, f"outbox: {len(rows)} rows"] if rows else found

    async def rows(self, statement: str) -> list[Any]:
        return await self.market.rows(SERVICE, statement)

    async def effects(self) -> list[str]:
        """The ids of the messages that had their effect, in order."""
        return [str(row[0]) for row in await self.rows("select id from effect order by 1")]

    async def complaints(self, *ids: str, member: str = "desy") -> list[str]:
        """Say what is wrong with the promise that each command has one effect, one fact and one outcome."""
        found = []
        effects = await self.effects()
        facts = [str(row[0]) for row in await self.rows("select causation_id from fact")]
        events = await broker.stored(self.hub)
        heard = [message for message in events if message.subject.startswith("fact.brokerage.")]
        told = await broker.outcomes(self.hub, member)
        for id_ in ids:
            counted = {"effect": effects.count(id_), "fact": facts.count(id_)}
            counted["fact for services"] = len(
                {e.event["id"] for e in heard if e.event["causationid"] == id_}
            )
            counted["outcome"] = len({_content(event) for event in told.get(id_, [])})
            found += [f"{count} times: {what} of {id_}" for what, count in counted.items() if count != 1]
        return found + [f"missing: {gap}" for gap in broker.gaps(events)]


def _content(event: Stored) -> str:
    """What an outcome says, without what tells one telling from another."""
    return f"{event.name} {registry.message(event.name).envelope.model_validate_json(event.body).data!r}"


def new_ids(count: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(count)]


class NewWorkshop(Protocol):
    def __call__(self, *members: str, **options: Any) -> Awaitable[Workshop]: ...
