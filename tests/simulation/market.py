"""A whole market in memory: the real brokerage in several processes, everything around it simulated."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import logging
import os
import types
import uuid
from collections.abc import Callable, Collection, Iterator
from typing import Any, cast
from unittest import mock

from nats.aio.client import Client
from sqlalchemy.ext.asyncio import AsyncEngine
from support.builders import NOW, OFFICE, register

from allmende.schemas import subjects
from allmende.servicekit import barrier, loop, pull
from allmende.servicekit.loop import BatchLoop
from allmende.services.brokerage.handlers import BrokerageHandler

from . import clockwork
from .clockwork import WORLD, Process, Standstill
from .database import Database
from .fate import ROUGH, Fate, Rates
from .jetstream import Server
from .members import Catalogue, Member, Post
from .promises import Broken, Promises
from .wire import Connection

PROCESSES = 3
CONSUMERS = ("desy", "kit", "gsi")
PROVIDER = "lrz"
TICK_SECONDS = 0.4
"""More often than in earnest, so that ticks of several processes meet."""
SPEED = 6 * 3600
"""Seconds of the market's clock in one second of the loop, so that time limits run out while others act."""
DURABLES = [
    *((subjects.command_stream(shard), "brokerage", "cmd.") for shard in range(subjects.SHARDS)),
    (subjects.FACT_STREAM, "svc_brokerage", "fact.catalog."),
]
REST_SECONDS_MAX = 400.0
LEAPS = 6
LEAP = dt.timedelta(days=120)


@dataclasses.dataclass(frozen=True)
class Setting:
    """How a market is set up.

    Attributes:
        steps: how often every member acts.
        loop, handler: the classes that run, or variants of them.
        without: the database's guards that are taken away.
    """

    steps: int = 120
    changes: int = 8
    rates: Rates = ROUGH
    loop: type[BatchLoop] = BatchLoop
    handler: type[BrokerageHandler] = BrokerageHandler
    without: Collection[str] = ()


@dataclasses.dataclass
class Report:
    """What happened in one run."""

    seed: int
    broken: list[Broken]
    trace: list[str]
    counts: dict[str, int]

    @property
    def promises(self) -> set[str]:
        """The names of the promises that were broken."""
        return {each.promise for each in self.broken}

    def __str__(self) -> str:
        lines = [f"seed {self.seed}: {self.counts}", *map(str, self.broken[:10])]
        return "\n".join(lines)


class Brokerage:
    """One place where a brokerage process runs, dies and is started again."""

    def __init__(self, name: str, market: "Market") -> None:
        self._name = name
        self._market = market
        self._lives = 0
        self.process = Process(name)
        self.start()

    def start(self) -> None:
        """Start a process."""
        self._lives += 1
        market, fate = self._market, self._market.fate
        mortality = 0.0 if fate.is_calm else fate.rates.death
        process = Process(f"{self._name}.{self._lives}", mortality, self._died)
        self.process = process
        self._connection = Connection(market.server, process, self._reconnected)
        self._loop = market.setting.loop(
            service="brokerage",
            office=OFFICE,
            connection=cast("Client", self._connection),
            engine=cast("AsyncEngine", market.database.engine(process)),
            handler=market.setting.handler(market.register, park_seconds=8.0 * SPEED, backdate_days=36_500),
            consumers=[(stream, durable) for stream, durable, _ in DURABLES],
            clock=market.clock,
            batch_max=fate.chance.choice([3, 8, 20]),
        )
        process.spawn(self._run())

    async def _run(self) -> None:
        """A process whose loop ends by itself is started again, as the supervisor does."""
        try:
            await self._loop.run()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no part of a good run
            self._market.promises.breaks("R0", f"{self.process.name} failed: {error!r}")
        self.process.die()

    async def _reconnected(self) -> None:
        await self._loop.reconnected()

    def _died(self) -> None:
        market = self._market
        market.note(f"{self.process.name} dies")
        market.deaths += 1
        self._connection.close()
        market.database.hang_up(self.process)
        delay = 0.05 + market.fate.delay(1.0)
        asyncio.get_running_loop().call_later(delay, self.start, context=WORLD)


class Market:
    """Servers, processes, members, and the weather."""

    def __init__(self, fate: Fate, setting: Setting) -> None:
        self.fate = fate
        self.setting = setting
        self.trace: list[str] = []
        self.deaths = self.outages = 0
        self.leapt = dt.timedelta()
        self.register = register(*CONSUMERS, PROVIDER)
        self.database = Database(fate, setting.without)
        self.server = Server(fate)
        for durable in DURABLES:
            self.server.consumer(*durable)
        self.promises = Promises(self.database, self.server)
        self.post = Post(self.server, fate, self.clock)
        self.catalogue = Catalogue(self.post)
        self.members = [Member(name, "consumer", self.post) for name in CONSUMERS]
        self.members.append(Member(PROVIDER, "provider", self.post))
        self._watch_commits()

    def clock(self) -> dt.datetime:
        """The market's time."""
        seconds = asyncio.get_running_loop().time() * SPEED
        return NOW + self.leapt + dt.timedelta(seconds=seconds)

    def note(self, what: str) -> None:
        """Write a line of the trace."""
        self.trace.append(f"{asyncio.get_running_loop().time():.6f} {what}")

    def _watch_commits(self) -> None:
        check = self.database.on_commit

        def watch(tx: Any, before: Any) -> None:
            self.note(f"{tx.process.name} commits {len(tx.written)} rows")
            check(tx, before)

        self.database.on_commit = watch

    async def live(self) -> None:
        """Trade in rough weather, then come to rest."""
        self.processes = [Brokerage(f"brokerage-{number}", self) for number in range(1, PROCESSES + 1)]
        listening = [member.process.spawn(member.listen()) for member in self.members]
        weather = [
            asyncio.create_task(self._come_and_go(self.server.fail, self.server.recover)),
            asyncio.create_task(self._come_and_go(self.database.fail, self.database.recover)),
            asyncio.create_task(self._break_connections()),
        ]
        work = [member.process.spawn(member.live(self.setting.steps)) for member in self.members]
        work.append(self.catalogue.process.spawn(self.catalogue.live(self.setting.changes)))
        await asyncio.gather(*work)
        for task in weather:
            task.cancel()
        await self._calm_down()
        for task in listening:
            task.cancel()
        self.promises.at_the_end(
            [command for member in self.members for command in member.sent], self.catalogue
        )

    # -- the weather ----------------------------------------------------------------------------

    async def _come_and_go(self, fail: Callable[[], None], recover: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(self.fate.chance.random() * self.fate.rates.between_outages_seconds)
            self.note(fail.__qualname__)
            self.outages += 1
            fail()
            await asyncio.sleep(self.fate.chance.random() * self.fate.rates.outage_seconds)
            recover()

    async def _break_connections(self) -> None:
        while True:
            await asyncio.sleep(self.fate.chance.random() * self.fate.rates.between_outages_seconds)
            connection = self.fate.chance.choice([None, *self.server.connections])
            if connection is not None:
                connection.lose()

    # -- coming to rest -------------------------------------------------------------------------

    async def _calm_down(self) -> None:
        """Let everything come to its end, then let so much time pass that every waiting ends."""
        self.fate.is_calm = True
        self.server.recover()
        self.database.recover()
        for each in self.processes:
            each.process.mortality = 0.0
        await self._rest()
        self.note("comes to rest")
        for _ in range(LEAPS):
            self.leapt += LEAP
            await asyncio.sleep(3 * TICK_SECONDS)
        await self._rest()

    async def _rest(self) -> None:
        until = asyncio.get_running_loop().time() + REST_SECONDS_MAX
        await asyncio.sleep(2.0)
        while not self._is_at_rest():
            await asyncio.sleep(0.5)
            if asyncio.get_running_loop().time() > until:
                self.promises.breaks("R7", "it does not come to rest")
                return

    def _is_at_rest(self) -> bool:
        return (
            self.server.is_idle
            and not self.database.tables["outbox"]
            and all(member.is_done for member in self.members)
        )

    def counts(self) -> dict[str, int]:
        """How much happened."""
        return {
            "commands": sum(len(member.sent) for member in self.members),
            "bookings": len(self.database.tables["booking"]),
            "deaths": self.deaths,
            "outages": self.outages,
            "redelivered": sum(each.redelivered for each in self.server.consumers.values()),
            "deadlocks": self.database.deadlocks,
            "commits": self.database.commits,
        }


def simulate(seed: int, setting: Setting = Setting()) -> Report:
    """Run one market by its seed."""
    fate = Fate(seed, setting.rates)

    async def live() -> Report:
        with _repeatable(fate):
            market = Market(fate, setting)
            try:
                await market.live()
            except Standstill as error:
                market.promises.breaks("R7", str(error))
            return Report(seed, market.promises.broken, market.trace, market.counts())

    with _quietly():
        return clockwork.run(live(), fate.chance)


@contextlib.contextmanager
def _repeatable(fate: Fate) -> Iterator[None]:
    """Take identifiers and time from the seed."""
    time = types.SimpleNamespace(monotonic=asyncio.get_running_loop().time)
    with (
        mock.patch.object(uuid, "uuid4", fate.new_id),
        mock.patch.object(os, "urandom", fate.chance.randbytes),
        mock.patch.object(pull, "time", time),
        mock.patch.object(barrier, "time", time),
        mock.patch.object(loop, "TICK_SECONDS", TICK_SECONDS),
    ):
        yield


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Thousands of outages are no news here."""
    logger = logging.getLogger("allmende")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
