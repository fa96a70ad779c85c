"""Bookings per second, beside the two limits of the same run."""

import asyncio
import random
import time
from collections.abc import Sequence

import nats
from nats.aio.client import Client

from allmende.schemas import subjects
from allmende.servicekit import database, hub, inbox, outbox
from allmende.servicekit.clock import system_clock
from allmende.servicekit.messages import Incoming, digest_of
from allmende.servicekit.settings import read_secret
from allmende.servicekit.testing import Sandbox
from allmende.services.brokerage.handlers import BrokerageHandler
from bench import commands
from bench.market import MEMBERS

BATCH = 500


def messages(count: int, seed: int) -> list[Incoming]:
    """Requests as the loop hands them to the handler."""
    generator = random.Random(seed)  # noqa: S311 - load, not a secret
    found = []
    for number in range(count):
        data = commands.request(generator)
        id_, _, _ = commands.sealed(MEMBERS[0], generator)
        member = MEMBERS[number % len(MEMBERS)]
        found.append(Incoming(commands.MESSAGE, member, id_, data, digest_of(data), None))
    return found


async def postgres_limit(market: Sandbox, count: int, seed: int) -> float:
    """Transactions of the brokerage without NATS, in bookings/s."""
    engine = database.engine(market.databases["brokerage"])
    handler = BrokerageHandler(market.register, 60, 36_500)
    load = messages(count, seed)
    published: list[int] = []
    started = time.perf_counter()
    for position in range(0, count, BATCH):
        now = system_clock()
        async with engine.begin() as tx:
            claimed = await inbox.claim(tx, load[position : position + BATCH])
            facts = await handler.handle(tx, claimed.fresh, now)
            told = [outbox.tell(fact, service="brokerage", office="office", now=now) for fact in facts]
            letters = await outbox.write(tx, told, (), now)
            await outbox.forget(tx, published)
        published = [letter.id for letter in letters]
    elapsed = time.perf_counter() - started
    async with engine.begin() as tx:
        await outbox.forget(tx, published)
    await engine.dispose()
    return count / elapsed


async def stream_limit(connection: Client, count: int) -> float:
    """Single publishes into one stream, each acknowledged, in messages/s."""
    load = [
        (str(number), b"x" * 500, {"Nats-Msg-Id": f"limit-{time.time_ns()}-{number}"})
        for number in range(count)
    ]
    started = time.perf_counter()
    await commands.publish(connection, f"ev.{MEMBERS[0]}.bench.limit.publish", load, window=500)
    return count / (time.perf_counter() - started)


async def bookings(market: Sandbox, provisioner: Client, count: int, seed: int) -> float:
    """Waiting commands until decided, told and acknowledged, in bookings/s."""
    generator = random.Random(seed)  # noqa: S311 - load, not a secret
    share = count // len(MEMBERS)
    await asyncio.gather(*(_send(market, member, share, generator.random()) for member in MEMBERS))
    before = await _stored(market)
    started = time.perf_counter()
    await market.start("brokerage")
    target = before + share * len(MEMBERS)
    while await _stored(market) < target or await _unacknowledged(provisioner):
        await asyncio.sleep(0.02)
    elapsed = time.perf_counter() - started
    await market.stop("brokerage")
    return share * len(MEMBERS) / elapsed


async def _send(market: Sandbox, member: str, count: int, seed: float) -> None:
    generator = random.Random(seed)  # noqa: S311 - load, not a secret
    connection = await nats.connect(market.url, nkeys_seed_str=read_secret(market.key_file(member)))
    load = [commands.sealed(member, generator) for _ in range(count)]
    await commands.publish(connection, commands.SUBJECT, load)
    await connection.close()


async def _stored(market: Sandbox) -> int:
    return int((await market.rows("brokerage", "select count(*) from booking"))[0][0])


async def _unacknowledged(provisioner: Client) -> int:
    stream = provisioner.jetstream()
    names = [subjects.command_stream(shard) for shard in range(subjects.SHARDS)]
    infos = await asyncio.gather(*(stream.consumer_info(name, "brokerage") for name in names))
    return sum((info.num_pending or 0) + (info.num_ack_pending or 0) for info in infos)


async def connect_provisioner(market: Sandbox) -> Client:
    """Connect as the hub's provisioner."""
    seed = read_secret(market.home.service_key(hub.PROVISIONER))
    return await nats.connect(market.url, nkeys_seed_str=seed)


def spread(values: Sequence[float]) -> str:
    """Write a median with its range."""
    ordered = sorted(values)
    return f"{ordered[len(ordered) // 2]:,.0f}/s [{ordered[0]:,.0f} to {ordered[-1]:,.0f}]"
