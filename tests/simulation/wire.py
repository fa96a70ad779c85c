"""A process's connection to the message server: what is sent arrives later, in order, or not at all."""

import asyncio
import collections
import itertools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NatsTimeoutError

from .clockwork import WORLD, Process
from .jetstream import Message, Publication, Server

Listener = Callable[[Msg], Awaitable[None]]


class Connection:
    """Offers what nats-py's client offers to the loop.

    A connection that breaks loses what is on its way in both directions; what is published meanwhile waits
    in a buffer, as nats-py does it.

    Args:
        process: whose connection it is; it ends with the process.
        on_reconnect: is called when the server is reached again.
    """

    def __init__(self, server: Server, process: Process, on_reconnect: Callable[[], Awaitable[None]]) -> None:
        self._server = server
        self._process = process
        self._on_reconnect = on_reconnect
        self._listeners: dict[str, asyncio.Queue[Msg]] = {}
        self._answers: dict[str, asyncio.Future[Msg]] = {}
        self._buffer: collections.deque[tuple[Publication, str]] = collections.deque()
        self._numbers = itertools.count(1)
        self._life = 0
        self._last_up = self._last_down = 0.0
        self.is_connected = server.is_up
        self.is_closed = False
        server.connections.append(self)
        if not server.is_up:
            self._process.spawn(self._reconnect())

    # -- the part of nats-py that services use --------------------------------------------------

    def new_inbox(self) -> str:
        """A subject that nobody else listens to."""
        return f"_INBOX.{self._process.name}.{next(self._numbers)}"

    async def subscribe(self, subject: str, cb: Listener, **_: Any) -> "Subscription":
        """Listen to `<inbox>.*`; messages are handed over one after the other."""
        inbox = subject.removesuffix(".*")
        queue: asyncio.Queue[Msg] = asyncio.Queue()
        self._listeners[inbox] = queue

        async def listen() -> None:
            while True:
                await cb(await queue.get())

        self._process.spawn(listen())
        return Subscription(self._listeners, inbox)

    async def publish(
        self, subject: str, payload: bytes = b"", reply: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        """Send; whether it arrives is not known."""
        self._hand_over(Publication(subject, payload, dict(headers or {})), reply)
        # nats-py writes from a task of its own, and a process may die before it does.
        await asyncio.sleep(0)

    def _hand_over(self, publication: Publication, reply: str) -> None:
        if self.is_connected:
            self._send(publication, reply)
        else:
            self._buffer.append((publication, reply))

    async def request(
        self,
        subject: str,
        payload: bytes,
        timeout: float,  # noqa: ASYNC109 - as in nats-py
        headers: Mapping[str, str] | None = None,
    ) -> Msg:
        """Send and wait for the answer."""
        reply = self.new_inbox()
        answer: asyncio.Future[Msg] = asyncio.get_running_loop().create_future()
        self._answers[reply] = answer
        try:
            await self.publish(subject, payload, reply, headers)
            return await asyncio.wait_for(answer, timeout)
        except TimeoutError:
            raise NatsTimeoutError from None
        finally:
            self._answers.pop(reply, None)

    async def _send_command(self, written: bytes) -> None:
        """Send messages that are written out in the client protocol already."""
        while written:
            line, _, rest = written.partition(b"\r\n")
            kind, subject, *_, size = line.decode().split()
            body, written = rest[: int(size)], rest[int(size) + 2 :]
            headers = {}
            if kind == "HPUB":
                head, _, body = body.partition(b"\r\n\r\n")
                headers = dict(each.split(": ", 1) for each in head.decode().split("\r\n")[1:])
            self._hand_over(Publication(subject, body, headers), "")

    async def _flush_pending(self) -> None:
        await asyncio.sleep(0)

    pending_data_size = 0
    _max_pending_size = 64 << 20

    # -- the way there and back -----------------------------------------------------------------

    @property
    def is_heard(self) -> bool:
        """Whether the server still has somebody at the other end."""
        return self.is_connected and not self.is_closed

    def _send(self, publication: Publication, reply: str) -> None:
        loop = asyncio.get_running_loop()
        self._last_up = max(self._last_up + 1e-6, loop.time() + self._server.fate.delay())
        self._in_the_world(self._last_up, self._arrive, self._life, publication, reply)

    def _arrive(self, life: int, publication: Publication, reply: str) -> None:
        if life == self._life and self._server.is_up:
            self._server.take(self, publication, reply)

    def hear(self, subject: str, message: Message, reply: str) -> None:
        """Have a message arrive here, a while later."""
        loop = asyncio.get_running_loop()
        self._last_down = max(self._last_down + 1e-6, loop.time() + self._server.fate.delay())
        shown = message.subject if reply else subject
        heard = Msg(cast("Client", self), shown, reply, message.body, dict(message.headers))
        self._in_the_world(self._last_down, self._receive, self._life, subject, heard)

    def _receive(self, life: int, subject: str, message: Msg) -> None:
        if life != self._life or self.is_closed:
            return
        if (answer := self._answers.get(subject)) is not None:
            if not answer.done():
                answer.set_result(message)
        elif (queue := self._listeners.get(subject.rpartition(".")[0])) is not None:
            queue.put_nowait(message)

    def _in_the_world(self, when: float, what: Callable[..., None], *arguments: object) -> None:
        """Do it even if the process is dead by then: what was sent travels on by itself."""
        asyncio.get_running_loop().call_at(when, what, *arguments, context=WORLD)

    # -- breaking and coming back ---------------------------------------------------------------

    def lose(self) -> None:
        """Break: what is on its way is gone."""
        if self.is_connected and not self.is_closed:
            self._life += 1
            self.is_connected = False
            self._process.spawn(self._reconnect())

    def close(self) -> None:
        """End with the process; a part of what it sent last still arrives."""
        self.is_closed = True
        self._server.connections.remove(self)
        when = asyncio.get_running_loop().time() + self._server.fate.delay()
        self._in_the_world(when, self._forget)

    def _forget(self) -> None:
        self._life += 1

    async def _reconnect(self) -> None:
        while not self._server.is_up:  # noqa: ASYNC110 - as nats-py does
            await asyncio.sleep(self._server.fate.delay(1.0) + 0.05)
        self.is_connected = True
        while self._buffer:
            self._send(*self._buffer.popleft())
        await self._on_reconnect()


class Subscription:
    """What `subscribe` returns."""

    def __init__(self, listeners: dict[str, asyncio.Queue[Msg]], inbox: str) -> None:
        self._listeners = listeners
        self._inbox = inbox

    async def unsubscribe(self) -> None:
        """Listen no more."""
        self._listeners.pop(self._inbox, None)
