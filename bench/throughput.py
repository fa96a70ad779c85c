"""Bookings per second: waiting commands until decided, stored as events and acknowledged."""

import asyncio
import contextlib
import dataclasses
import random
import time
from collections.abc import AsyncIterator, Sequence

import nats
from nats.aio.client import Client

from allmende.schemas import subjects
from allmende.servicekit import database, hub
from allmende.servicekit.settings import read_secret
from allmende.servicekit.testing import Sandbox
from bench import commands, recording
from bench.processes import Cost, cost, memory_mib, serving

_LOOK_SECONDS = 0.05
_STALLED_SECONDS = 60.0


@dataclasses.dataclass(frozen=True)
class Reached:
    """What one run reached."""

    bookings: int
    seconds: float
    spent: Cost
    memory_mib: tuple[float, float]

    @property
    def per_second(self) -> float:
        """Bookings per second."""
        return self.bookings / self.seconds


async def postgres_limit(market: Sandbox, members: Sequence[str], count: int) -> float:
    """The brokerage's statements alone, in bookings per second."""
    engine = database.engine(market.databases["brokerage"])
    load = recording.messages(members, count)
    seconds = await recording.replay(engine, await recording.record(engine, market, load))
    await engine.dispose()
    return len(load) / seconds


async def bookings(
    market: Sandbox, provisioner: Client, members: Sequence[str], count: int, traces: str
) -> Reached:
    """Let a brokerage that just started decide waiting commands.

    The clock starts when the first batch is done, since starting the process is not what is measured, and
    stops when no command waits or is unacknowledged; a command is acknowledged when its events are stored.
    """
    await _send_all(market, members, count)
    before = await waiting(provisioner, "brokerage")
    async with serving(market, "brokerage", traces) as pid:
        while (left := await waiting(provisioner, "brokerage")) >= before:
            await asyncio.sleep(_LOOK_SECONDS / 5)
        started, spent = time.perf_counter(), cost(market, pid)
        decided = left
        while left := await waiting(provisioner, "brokerage"):
            if time.perf_counter() - started > _STALLED_SECONDS:
                raise TimeoutError(f"{left} commands are still open")
            await asyncio.sleep(_LOOK_SECONDS)
        elapsed = time.perf_counter() - started
        return Reached(decided, elapsed, cost(market, pid).since(spent), memory_mib(pid))


async def _send_all(market: Sandbox, members: Sequence[str], count: int) -> None:
    """Store commands in the shards, as many of each member."""
    shares = [count // len(members) + (number < count % len(members)) for number in range(len(members))]
    await asyncio.gather(
        *(_send(market, member, share) for member, share in zip(members, shares, strict=True))
    )


async def _send(market: Sandbox, member: str, count: int) -> None:
    generator = random.Random()  # noqa: S311 - load, not a secret
    connection = await nats.connect(market.url, nkeys_seed_str=read_secret(market.key_file(member)))
    load = [commands.sealed(member, generator) for _ in range(count)]
    await commands.publish(connection, commands.SUBJECT, load)
    await connection.close()


async def waiting(provisioner: Client, service: str) -> int:
    """How many commands of a service wait or are in hand."""
    stream = provisioner.jetstream()
    names = [subjects.command_stream(shard) for shard in range(subjects.SHARDS)]
    infos = await asyncio.gather(*(stream.consumer_info(name, service) for name in names))
    return sum((info.num_pending or 0) + (info.num_ack_pending or 0) for info in infos)


@contextlib.asynccontextmanager
async def provisioner_of(market: Sandbox) -> AsyncIterator[Client]:
    """Connect as the hub's provisioner, who may look at every consumer."""
    seed = read_secret(market.home.service_key(hub.PROVISIONER))
    connection = await nats.connect(market.url, nkeys_seed_str=seed)
    yield connection
    await connection.close()


async def taken_in(provisioner: Client, service: str, seconds: float = 20.0) -> None:
    """Wait until a service has taken in the facts that wait for it, or so long."""
    stream = provisioner.jetstream()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while (await stream.consumer_info(subjects.FACT_STREAM, hub.fact_durable(service))).num_pending:
                await asyncio.sleep(0.2)
