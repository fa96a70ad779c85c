"""The message server: streams that recognise repetitions, atomic batches, consumers that deliver again."""

import asyncio
import collections
import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from allmende.schemas import subjects

from .fate import Fate

if TYPE_CHECKING:
    from .wire import Connection

# Shorter than the real ones, so that a run outlives them often.
ACK_WAIT_SECONDS = 5.0
DEDUPE_SECONDS = {"CMD": 3.0}
DEDUPE_SECONDS_ELSE = 15.0
FORGETTABLE_SECONDS = 2.0
"""Acknowledgements of the last moments are not on disk: a server that fails forgets them."""

Headers = Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Message:
    """A message as it is stored."""

    sequence: int
    subject: str
    body: bytes
    headers: Headers


@dataclasses.dataclass(frozen=True)
class Publication:
    """A message on its way into a stream."""

    subject: str
    body: bytes
    headers: Headers

    @property
    def id(self) -> str | None:
        """What the stream recognises it by."""
        return self.headers.get("Nats-Msg-Id")


class Stream:
    """Messages in the order in which they were stored."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.messages: list[Message] = []
        self.consumers: list[Consumer] = []
        self._window = DEDUPE_SECONDS.get(name.split("_", 1)[0], DEDUPE_SECONDS_ELSE)
        self._known: dict[str, tuple[float, int]] = {}

    def known(self, publication: Publication) -> int | None:
        """The number under which a message was stored not long ago."""
        at, sequence = self._known.get(publication.id or "", (float("-inf"), 0))
        return sequence if asyncio.get_running_loop().time() - at < self._window else None

    def store(self, *publications: Publication) -> int:
        """Store messages that are new. Returns the last one's number."""
        for each in publications:
            sequence = len(self.messages) + 1
            self.messages.append(Message(sequence, each.subject, each.body, each.headers))
            if each.id is not None:
                self._known[each.id] = asyncio.get_running_loop().time(), sequence
        for consumer in self.consumers:
            consumer.deliver()
        return len(self.messages)


@dataclasses.dataclass
class _Request:
    """What a process asked for."""

    connection: "Connection"
    reply: str
    most: int


class Consumer:
    """A durable place in a stream, shared by all processes of a service."""

    def __init__(self, stream: Stream, durable: str, wanted: Callable[[Message], bool]) -> None:
        self._stream = stream
        self._durable = durable
        self._wanted = wanted
        self._requests: collections.deque[_Request] = collections.deque()
        self._next = 0
        self._due: dict[int, float] = {}
        self._again: collections.deque[int] = collections.deque()
        self._acknowledged: collections.deque[tuple[float, int]] = collections.deque()
        self.redelivered = 0
        stream.consumers.append(self)

    @property
    def is_idle(self) -> bool:
        """Whether everything was delivered and acknowledged."""
        return not self._due and not self._again and self._next == len(self._stream.messages)

    @property
    def info(self) -> dict[str, object]:
        """What the server tells of it."""
        outstanding = [*self._due, *self._again]
        pending = sum(map(self._wanted, self._stream.messages[self._next :]))
        return {
            "num_pending": pending,
            "num_ack_pending": len(outstanding),
            "ack_floor": {"stream_seq": min(outstanding) - 1 if outstanding else self._next},
        }

    def ask(self, connection: "Connection", reply: str, most: int, seconds: float) -> None:
        """Take a pull request in."""
        request = _Request(connection, reply, most)
        self._requests.append(request)
        asyncio.get_running_loop().call_later(seconds, self._expire, request)
        self.deliver()

    def deliver(self) -> None:
        """Deliver what there is to those who ask, in turn."""
        self._requests = collections.deque(each for each in self._requests if each.connection.is_heard)
        while self._requests and (message := self._take()):
            request = self._requests.popleft()
            self._due[message.sequence] = asyncio.get_running_loop().time() + ACK_WAIT_SECONDS
            asyncio.get_running_loop().call_later(ACK_WAIT_SECONDS, self._redeliver, message.sequence)
            request.connection.hear(request.reply, message, self._ack_subject(message.sequence))
            request.most -= 1
            if request.most:
                self._requests.append(request)

    def acknowledge(self, sequence: int) -> None:
        """This one was dealt with."""
        if self._due.pop(sequence, None) is not None:
            self._acknowledged.append((asyncio.get_running_loop().time(), sequence))

    def fail(self) -> None:
        """The server fails: requests are gone, and the acknowledgements of the last moments."""
        self._requests.clear()
        since = asyncio.get_running_loop().time() - FORGETTABLE_SECONDS
        while self._acknowledged and self._acknowledged[-1][0] > since:
            self._again.append(self._acknowledged.pop()[1])
        self._again.extend(self._due)
        self._due.clear()

    def _take(self) -> Message | None:
        if self._again:
            self.redelivered += 1
            return self._stream.messages[self._again.popleft() - 1]
        while self._next < len(self._stream.messages):
            message = self._stream.messages[self._next]
            self._next += 1
            if self._wanted(message):
                return message
        return None

    def _redeliver(self, sequence: int) -> None:
        due = self._due.get(sequence)
        if due is not None and due <= asyncio.get_running_loop().time():
            del self._due[sequence]
            self._again.append(sequence)
            self.deliver()

    def _expire(self, request: _Request) -> None:
        if request in self._requests:
            self._requests.remove(request)
            headers = {
                "Status": "408",
                "Description": "Request Timeout",
                "Nats-Pending-Messages": str(request.most),
            }
            request.connection.hear(request.reply, Message(0, request.reply, b"", headers), "")

    def _ack_subject(self, sequence: int) -> str:
        return f"$JS.ACK.{self._stream.name}.{self._durable}.1.{sequence}.{sequence}.0.0"


class Server:
    """Takes what connections send, as NATS with JetStream does.

    Attributes:
        is_up: whether anybody can reach it.
    """

    def __init__(self, fate: Fate) -> None:
        self.fate = fate
        self.is_up = True
        names = [subjects.command_stream(shard) for shard in range(subjects.SHARDS)]
        names += [subjects.FACT_STREAM, subjects.EVENT_STREAM, subjects.DEAD_LETTER_STREAM]
        self.streams = {name: Stream(name) for name in names}
        self.consumers: dict[tuple[str, str], Consumer] = {}
        self.connections: list[Connection] = []
        self._batches: dict[str, list[Publication]] = {}

    @property
    def events(self) -> list[Message]:
        """What members hear, in order."""
        return self.streams[subjects.EVENT_STREAM].messages

    @property
    def facts(self) -> list[Message]:
        """What services hear, in order."""
        return self.streams[subjects.FACT_STREAM].messages

    @property
    def is_idle(self) -> bool:
        """Whether every consumer has dealt with everything."""
        return all(consumer.is_idle for consumer in self.consumers.values())

    def consumer(self, stream: str, durable: str, prefix: str) -> None:
        """Provide a durable consumer of what begins so."""
        self.consumers[stream, durable] = Consumer(
            self.streams[stream], durable, lambda message: message.subject.startswith(prefix)
        )

    def fail(self) -> None:
        """Go down: connections break, batches under way are gone."""
        self.is_up = False
        self._batches.clear()
        for connection in list(self.connections):
            connection.lose()
        for consumer in self.consumers.values():
            consumer.fail()

    def recover(self) -> None:
        """Come back with everything that was confirmed."""
        self.is_up = True

    def take(self, connection: "Connection", publication: Publication, reply: str) -> None:
        """Take what a connection sent."""
        subject = publication.subject
        if subject.startswith("$JS.API.CONSUMER.MSG.NEXT."):
            stream, durable = subject.split(".")[-2:]
            asked = json.loads(publication.body)
            self.consumers[stream, durable].ask(connection, reply, asked["batch"], asked["expires"] / 1e9)
        elif subject.startswith("$JS.API.CONSUMER.INFO."):
            stream, durable = subject.split(".")[-2:]
            self._tell(connection, reply, self.consumers[stream, durable].info)
        elif subject.startswith("$JS.API.STREAM.INFO."):
            last = len(self.streams[subject.split(".")[-1]].messages)
            self._tell(connection, reply, {"state": {"last_seq": last}})
        elif subject.startswith("$JS.ACK."):
            tokens = subject.split(".")
            self.consumers[tokens[2], tokens[3]].acknowledge(int(tokens[5]))
        else:
            answer = self.publish(publication)
            if reply and answer is not None:
                self._tell(connection, reply, answer)

    def _tell(self, connection: "Connection", reply: str, answer: Mapping[str, object]) -> None:
        connection.hear(reply, Message(0, reply, json.dumps(answer).encode(), {}), "")

    def publish(self, publication: Publication) -> dict[str, object] | None:
        """Store a message, or keep it for its batch. Returns the server's answer."""
        stream = self._stream_of(publication.subject)
        batch = publication.headers.get("Nats-Batch-Id")
        if batch is not None:
            return self._publish_in_batch(stream, batch, publication)
        known = stream.known(publication)
        if known is not None:
            return {"stream": stream.name, "seq": known, "duplicate": True}
        return {"stream": stream.name, "seq": stream.store(publication)}

    def _publish_in_batch(
        self, stream: Stream, batch: str, publication: Publication
    ) -> dict[str, object] | None:
        together = self._batches.setdefault(batch, [])
        together.append(publication)
        if "Nats-Batch-Commit" not in publication.headers:
            return None
        del self._batches[batch]
        if len(together) != int(publication.headers["Nats-Batch-Sequence"]):
            return _refusal("batch publish is incomplete")
        if any(stream.known(each) is not None for each in together):
            return _refusal("batch publish contains duplicate message id")
        return {"stream": stream.name, "seq": stream.store(*together), "batch": batch, "count": len(together)}

    def _stream_of(self, subject: str) -> Stream:
        root, second, *_ = subject.split(".")
        if root == "cmd":
            return self.streams[f"CMD_{second}"]
        return self.streams[_STREAMS[root]]


_STREAMS = {
    "fact": subjects.FACT_STREAM,
    "ev": subjects.EVENT_STREAM,
    "dead": subjects.DEAD_LETTER_STREAM,
}


def _refusal(description: str) -> dict[str, object]:
    return {"error": {"code": 400, "description": description}}
