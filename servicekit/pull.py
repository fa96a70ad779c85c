"""Continuous pull from JetStream consumers, taken out fairly: from each sender in turn."""

import asyncio
import collections
import itertools
import json
import time
from collections.abc import Iterable, Mapping

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from .messages import Delivery, decode

EXPIRES_SECONDS = 5.0
"""How long a pull request lives. Bounds the silence after a request was lost on the way."""

BATCH_BYTES_MAX = 768 << 10
"""One batch is at most so large, since a message may hold a thousand usage records, which take many times
the room once they are read."""

WAITING_MAX = 5_000
WAITING_BYTES_MAX = 4 << 20
FACTS = "fact"
"""The origin of what services tell each other."""
_READ_AHEAD_BYTES_MAX = BATCH_BYTES_MAX
"""So much of what waits is read while the database works on an earlier batch."""
_READ_AT_ONCE_BYTES = 64 << 10
_READ_AHEAD_PAUSE_SECONDS = 0.003
_REQUEST_BYTES_MAX = 1 << 20
_REFUSED_PAUSE_SECONDS = 0.25
_OPEN_MAX = 2
_FULFILLED = frozenset({"Batch Completed", "Message Size Exceeds MaxBytes"})
"""What the server says when a request has brought all that it may; the other reasons are refusals."""


class Inflow:
    """Messages that arrived and wait for the next batch, in one queue for each sender."""

    def __init__(self) -> None:
        self._count = 0
        self._bytes = 0
        self._in_hand: set[tuple[str, str]] = set()
        self._queues: collections.OrderedDict[str, collections.deque[Delivery]] = collections.OrderedDict()
        self._arrived = asyncio.Event()

    def put(self, delivery: Delivery) -> None:
        """Add a message, unless it is in hand already: the slow must not drown in repetitions."""
        place = _place(delivery)
        if place in self._in_hand:
            return
        self._in_hand.add(place)
        self._count += 1
        self._bytes += len(delivery.body)
        self._queues.setdefault(delivery.origin, collections.deque()).append(delivery)
        self._arrived.set()
        if self._bytes < _READ_AHEAD_BYTES_MAX:
            decode(delivery)

    async def read_ahead(self) -> None:
        """Read what the next batch will hold while the database works on this one; cancelled at its end.

        A little at a time and after a pause, so that it fills long waits and does not lengthen short ones.
        """
        coming = [queue for origin, queue in self._queues.items() if origin != FACTS]
        in_turn = itertools.chain(self._queues.get(FACTS, ()), *itertools.zip_longest(*coming))
        size = read = 0
        for delivery in [each for each in in_turn if each is not None]:
            size += len(delivery.body)
            if size > _READ_AHEAD_BYTES_MAX:
                return
            if delivery.read is None:
                if not read or read >= _READ_AT_ONCE_BYTES:
                    read = 0
                    await asyncio.sleep(_READ_AHEAD_PAUSE_SECONDS)
                decode(delivery)
                read += len(delivery.body)

    def let_go(self, deliveries: Iterable[Delivery]) -> None:
        """These are acknowledged: if they come again, the acknowledgement was lost."""
        self._in_hand.difference_update(map(_place, deliveries))

    @property
    def has_room(self) -> bool:
        """Whether more should be asked for; while the database is away, messages would pile up here."""
        return self._count < WAITING_MAX and self._bytes < WAITING_BYTES_MAX

    def wake(self) -> None:
        """Let a waiting `take` return with what there is."""
        self._arrived.set()

    def _next(self) -> tuple[str, collections.deque[Delivery]]:
        """Whose turn it is: facts first, which other messages may wait for, then the senders in turn."""
        facts = self._queues.get(FACTS)
        return (FACTS, facts) if facts else next(iter(self._queues.items()))

    async def take(
        self, most: int, wait_seconds: float, *, bytes_max: int = BATCH_BYTES_MAX
    ) -> list[Delivery]:
        """Take up to `most` messages, one from each sender in turn; wait for the first only."""
        if not self._queues:
            self._arrived.clear()
            try:
                async with asyncio.timeout(wait_seconds):
                    await self._arrived.wait()
            except TimeoutError:
                return []
        batch: list[Delivery] = []
        size = 0
        while self._queues and len(batch) < most and size < bytes_max:
            origin, queue = self._next()
            batch.append(queue.popleft())
            size += len(batch[-1].body)
            if queue:
                self._queues.move_to_end(origin)
            else:
                del self._queues[origin]
        self._count -= len(batch)
        self._bytes -= size
        return batch


def _place(delivery: Delivery) -> tuple[str, str]:
    """Where a message stands: its stream and its number there, from the subject of its acknowledgement."""
    tokens = delivery.reply.split(".", 6)
    return tokens[2], tokens[5]


class ContinuousPull:
    """Keeps pull requests outstanding on one durable consumer.

    A request is renewed when half its messages came, when the server ends it, when it must have
    expired, and after a reconnect; so no lost request stops the flow for longer than its life. Nothing is
    asked for while enough waits already.
    """

    def __init__(
        self, connection: Client, stream: str, durable: str, inflow: Inflow, batch: int = 250
    ) -> None:
        self._connection = connection
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"
        self._request = json.dumps(
            {"batch": batch, "max_bytes": _REQUEST_BYTES_MAX, "expires": int(EXPIRES_SECONDS * 1e9)}
        ).encode()
        self._batch = batch
        self._inflow = inflow
        self._credit = 0
        self._asked_at = 0.0
        self._not_before = 0.0
        self._subscription: Subscription | None = None
        self._inbox = ""
        self._asked = 0
        self._open: set[str] = set()

    async def start(self) -> None:
        """Subscribe and ask for the first messages."""
        self._inbox = self._connection.new_inbox()
        self._subscription = await self._connection.subscribe(
            f"{self._inbox}.*", cb=self._on_message, pending_msgs_limit=-1, pending_bytes_limit=-1
        )
        await self._ask()

    async def renew(self, *, now: bool = False) -> None:
        """Ask again if the last request is over by the clock, or at once."""
        if now or time.monotonic() - self._asked_at > EXPIRES_SECONDS:
            # The older requests may live on at the server; their ends are not renewed, so they never pile up.
            self._open.clear()
            self._credit = 0
            await self.top_up()

    async def top_up(self) -> None:
        """Ask for more when little is outstanding and there is room."""
        little = self._credit <= self._batch // 2 and len(self._open) < _OPEN_MAX
        if little and self._inflow.has_room and time.monotonic() >= self._not_before:
            await self._ask()

    async def stop(self) -> None:
        """Take no more messages; those in flight are delivered again to whoever asks next."""
        if self._subscription is not None and not self._connection.is_closed:
            await self._subscription.unsubscribe()

    async def _ask(self) -> None:
        self._credit += self._batch
        self._asked_at = time.monotonic()
        self._asked += 1
        reply = f"{self._inbox}.{self._asked}"
        self._open.add(reply)
        await self._connection.publish(self._next, self._request, reply=reply)

    async def _on_message(self, message: Msg) -> None:
        if message.reply:
            self._credit -= 1
            self._inflow.put(Delivery(message.subject, message.data, message.reply, message.headers))
            if self._credit <= 0:
                self._open.clear()  # all came that was asked for
        elif message.subject in self._open:
            self._end(message.subject, message.headers or {})
        if self._credit <= self._batch // 2:
            await self.top_up()

    def _end(self, request: str, headers: Mapping[str, str]) -> None:
        """A request is over, with so many messages left that will not come."""
        self._open.discard(request)
        self._credit -= int(headers.get("Nats-Pending-Messages", 0))
        if not self._open:
            self._credit = 0
        if headers.get("Status") != "408" and headers.get("Description") not in _FULFILLED:
            # Asking again at once would make a tight circle.
            self._not_before = time.monotonic() + _REFUSED_PAUSE_SECONDS
