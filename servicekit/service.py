"""One service as one FastStream application: its loop, its queries, its health, wired once."""

import asyncio
import dataclasses
import gc
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from faststream.asgi import AsgiFastStream
from faststream.nats import NatsBroker
from faststream.nats.security import NatsNKey
from nats.micro import add_service
from nats.micro.service import ServiceConfig
from sqlalchemy.ext.asyncio import AsyncEngine

from allmende.schemas import subjects

from . import database, health, hub, queries, telemetry
from .clock import Clock, system_clock
from .loop import BatchLoop, Handler
from .queries import Answer
from .settings import Settings

log = logging.getLogger(__name__)

STOP_SECONDS_MAX = 8.0


@dataclasses.dataclass(frozen=True)
class Service:
    """What a service's `app.py` declares.

    Attributes:
        facts: what it reads of other services, as `<service>.<noun>.<verb>` or with a trailing `>`.
        handler: makes the decider of batches from the settings.
        answers: makes what answers its queries, by name, from the settings.
        background: makes work that goes on beside the loop until it is cancelled, if there is any.
    """

    name: str
    facts: tuple[str, ...]
    migrations: Path
    handler: Callable[[Settings], Handler]
    answers: Callable[[Settings], Mapping[str, Answer]]
    background: Callable[[Settings, AsyncEngine, Clock], Awaitable[None]] | None = None

    @property
    def consumed(self) -> hub.Consumed:
        """What the hub must deliver to it."""
        return hub.Consumed(self.name, self.facts)

    @property
    def consumers(self) -> list[tuple[str, str]]:
        """Streams and durables it pulls from."""
        found = [(subjects.command_stream(shard), self.name) for shard in range(subjects.SHARDS)]
        if self.facts:
            found.append((subjects.FACT_STREAM, hub.fact_durable(self.name)))
        return found


class Runtime:
    """The running parts of a service process."""

    def __init__(self, service: Service, settings: Settings, clock: Clock) -> None:
        self._service = service
        self._settings = settings
        self._clock = clock
        self._engine: AsyncEngine = database.engine(settings.database_url)
        self._loop: BatchLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._background: asyncio.Future[None] | None = None
        self.broker = NatsBroker(
            settings.nats_url,
            name=f"allmende-{service.name}",
            security=NatsNKey.from_seed(settings.nats_seed),
            inbox_prefix=f"_INBOX_{service.name}",
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            connect_timeout=5,
            pending_size=64 << 20,
            reconnected_cb=self._reconnected,
            log_level=logging.DEBUG,
        )
        queries.answer_all(self.broker, self._engine, settings.register, service.answers(settings))
        self.app = AsgiFastStream(
            self.broker,
            asgi_routes=health.routes(service.name, self.trouble),
            after_startup=[self._start],
            on_shutdown=[self._stop],
        )

    async def start(self) -> None:
        """Start without a health server, in the caller's own event loop."""
        await self.broker.start()
        await self._start()

    async def stop(self) -> None:
        """Stop what `start` started."""
        await self._stop()
        await self.broker.stop()

    def trouble(self) -> str | None:
        """Why the service is not ready, or None."""
        return self._loop.trouble if self._loop is not None else "starting"

    async def _start(self) -> None:
        telemetry.configure(self._service.name, otlp_endpoint=self._settings.trace_endpoint)
        connection = await self.broker.connect()
        await add_service(
            connection, config=ServiceConfig(name=f"allmende-{self._service.name}", version="1.0.0")
        )
        self._loop = BatchLoop(
            service=self._service.name,
            office=self._settings.register.office.id,
            connection=connection,
            engine=self._engine,
            handler=self._service.handler(self._settings),
            consumers=self._service.consumers,
            clock=self._clock,
            batch_max=self._settings.batch_max,
        )
        self._task = asyncio.create_task(self._loop.run(), name=f"{self._service.name} batch loop")
        self._task.add_done_callback(self._ended)
        if self._service.background is not None:
            beside = self._service.background(self._settings, self._engine, self._clock)
            self._background = asyncio.ensure_future(beside)
            self._background.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Future[None]") -> None:
        """End the process when its work ends by itself: a supervisor starts it afresh."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical(
                "%s: the batch loop or what runs beside it failed", self._service.name, exc_info=error
            )
            self.failed = True
            self.app.exit()

    failed = False

    async def _reconnected(self) -> None:
        if self._loop is not None:
            await self._loop.reconnected()

    async def _stop(self) -> None:
        if self._background is not None:
            self._background.cancel()
            await asyncio.wait({self._background}, timeout=STOP_SECONDS_MAX / 2)
        if self._loop is not None and self._task is not None:
            self._loop.stop()
            done, _ = await asyncio.wait({self._task}, timeout=STOP_SECONDS_MAX)
            if not done:
                self._task.cancel()
        await self._engine.dispose()
        telemetry.shut_down()


def _collect_seldom() -> None:
    """Look for unreachable cycles less often; messages are none and go by themselves.

    With the defaults every batch is walked through many times while it grows, for a sixth of all the work.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


async def run(service: Service, settings: Settings, clock: Clock = system_clock) -> int:
    """Run a service until it is told to stop.

    Returns:
        The exit code.
    """
    _collect_seldom()
    runtime = Runtime(service, settings, clock)
    options: dict[str, object] = {
        "host": settings.health_host,
        "port": settings.health_port,
        "access_log": "false",
        "timeout_graceful_shutdown": 3,
    }
    await runtime.app.run(log_level=logging.WARNING, run_extra_options=options)  # type: ignore[arg-type]
    return 1 if runtime.failed else 0
