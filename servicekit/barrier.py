"""Commands that must see every fact stored before them.

Streams race: when a period is closed, bookings told before may still wait for this service, which may just
have been started again. Such a command is held until the service has taken in every fact that the stream
of facts held when the command arrived. In the same way, what waits for a fact is refused only when every fact
told in time is taken in.
"""

import asyncio
import dataclasses
import datetime as dt
import json
import logging
import time
from collections.abc import Sequence
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError

from allmende.schemas import registry, subjects

from .messages import Delivery

log = logging.getLogger(__name__)

_IN_PROGRESS_SECONDS = 5.0
_ANSWER_SECONDS = 2.0
_SIGNAL_SECONDS = 0.02
_NEVER = dt.datetime(1990, 1, 1, tzinfo=dt.UTC)


@dataclasses.dataclass(slots=True)
class _Held:
    delivery: Delivery
    after: int | None = None
    told_at: float = 0.0


class FactBarrier:
    """Holds commands of one service back.

    Args:
        connection: of the service.
        service: whose commands.
        durable: by which it reads facts; None where it reads none, which holds nothing back.
    """

    def __init__(self, connection: Client, service: str, durable: str | None) -> None:
        self._connection = connection
        self._durable = durable
        self._held: list[_Held] = []
        self._informed_until = _NEVER
        self._mark: tuple[int, dt.datetime] | None = None
        names = (command.name for command in registry.commands() if command.after_facts)
        self._suffixes = tuple(f".{name}" for name in names if name.startswith(f"{service}.") and durable)

    @property
    def holds(self) -> bool:
        """Whether anything waits."""
        return bool(self._held)

    def hold(self, batch: Sequence[Delivery]) -> list[Delivery]:
        """Keep back what has to wait; return the others."""
        if not self._suffixes:
            return list(batch)
        passed = []
        for delivery in batch:
            if delivery.subject.endswith(self._suffixes):
                self._held.append(_Held(delivery, told_at=time.monotonic()))
            else:
                passed.append(delivery)
        return passed

    async def release(self) -> list[Delivery]:
        """Return what has waited long enough, in the order of arrival."""
        if not self._held:
            return []
        try:
            return await self._release()
        except (NatsError, OSError, TimeoutError) as error:
            log.warning("the position among the facts is not known: %s", error or type(error).__name__)
            return []

    async def _release(self) -> list[Delivery]:
        for held in self._held:
            if held.after is None:
                stream = await self._ask(f"STREAM.INFO.{subjects.FACT_STREAM}")
                held.after = int(stream["state"]["last_seq"])
            if time.monotonic() - held.told_at > _IN_PROGRESS_SECONDS:
                held.told_at = time.monotonic()
                await self._connection.publish(held.delivery.reply, b"+WPI")
        taken_in, idle = await self._position()
        released = [held for held in self._held if idle or taken_in >= (held.after or 0)]
        self._held = [held for held in self._held if held not in released]
        return [held.delivery for held in released]

    async def informed_until(self, now: dt.datetime) -> dt.datetime:
        """Tell the moment before which every fact that was told is taken in: now, or when it last was so.

        What was told comes in order, so what the stream held at a moment is known once its last fact is.
        """
        try:
            await self._look(now)
        except (NatsError, OSError, TimeoutError) as error:
            log.warning("the position among the facts is not known: %s", error or type(error).__name__)
        return self._informed_until

    async def _look(self, now: dt.datetime) -> None:
        if self._durable is None:
            self._informed_until = now
            return
        taken_in, idle = await self._position()
        if idle:
            self._informed_until, self._mark = now, None
            return
        if self._mark is not None and taken_in >= self._mark[0]:
            self._informed_until, self._mark = self._mark[1], None
        if self._mark is None:
            stream = await self._ask(f"STREAM.INFO.{subjects.FACT_STREAM}")
            self._mark = int(stream["state"]["last_seq"]), now

    async def _position(self) -> tuple[int, bool]:
        """Tell up to which fact of the stream all is taken in, and whether nothing is left.

        The server tells a consumer of a new message a moment after it has acknowledged its publication, so
        that a consumer which seems to have nothing left is asked a second time.
        """
        taken_in, idle = await self._consumer()
        if not idle:
            return taken_in, False
        await asyncio.sleep(_SIGNAL_SECONDS)
        return await self._consumer()

    async def _consumer(self) -> tuple[int, bool]:
        told = await self._ask(f"CONSUMER.INFO.{subjects.FACT_STREAM}.{self._durable}")
        idle = not told["num_pending"] and not told["num_ack_pending"]
        return int(told["ack_floor"]["stream_seq"]), idle

    async def _ask(self, call: str) -> dict[str, Any]:
        answer = await self._connection.request(f"$JS.API.{call}", b"", timeout=_ANSWER_SECONDS)
        found: dict[str, Any] = json.loads(answer.data)
        if "error" in found:
            raise NatsError(found["error"].get("description", "refused"))
        return found
