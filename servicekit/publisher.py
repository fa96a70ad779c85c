"""From the outbox into the stream: atomic batches, and one by one where a batch is refused."""

import asyncio
import json
import uuid
from collections import defaultdict
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError

from allmende.schemas import subjects
from allmende.schemas.envelope import number

from . import telemetry, wire
from .outbox import Letter

ATOMIC_BATCH_MAX = 1000
"""The server's limit for one atomic batch."""
_FEW = 4
_ACK_SECONDS = 10.0


class NotStored(Exception):  # noqa: N818 - it is a state, told upwards
    """The stream did not take a message; it stays in the outbox and is tried again."""


class Copy:
    """One message for one subject, numbered once and the same at every try.

    Attributes:
        sealed: the body before it was numbered.
    """

    __slots__ = ("body", "message_id", "sealed", "subject", "traceparent")

    def __init__(
        self, subject: str, message_id: str, body: bytes, traceparent: str | None, sealed: bytes
    ) -> None:
        self.subject = subject
        self.message_id = message_id
        self.body = body
        self.traceparent = traceparent
        self.sealed = sealed

    @property
    def headers(self) -> dict[str, str]:
        """What the stream recognises it by, and its trace if somebody follows it."""
        if self.traceparent is None:
            return {"Nats-Msg-Id": self.message_id}
        return {"Nats-Msg-Id": self.message_id, "traceparent": self.traceparent}

    def in_batch(self, batch_id: str, position: int) -> bytes:
        """What is sent of it within an atomic batch."""
        trace = f"traceparent: {self.traceparent}\r\n" if self.traceparent else ""
        headers = (
            f"Nats-Msg-Id: {self.message_id}\r\n{trace}"
            f"Nats-Batch-Id: {batch_id}\r\nNats-Batch-Sequence: {position}\r\n"
        )
        return wire.encoded(self.subject, self.body, headers)


class Publisher:
    """Publishes for one producer instance, whose sequences start at 1 for each audience."""

    def __init__(self, connection: Client, service: str) -> None:
        self._connection = connection
        self._service = service
        self._attempt: asyncio.Task[None] | None = None
        self._begin()

    def _begin(self) -> None:
        """Count anew: numbers that may not have been used, or by another process, leave no gap to readers."""
        self.instance = f"{self._service}-{uuid.uuid4().hex[:12]}"
        self._sequences: defaultdict[str, int] = defaultdict(int)
        self._is_doubtful = False

    def reconnected(self) -> None:
        """Give up what is under way: its confirmation went astray with the connection."""
        if self._attempt is not None:
            self._attempt.cancel()

    def address(self, letters: Sequence[Letter]) -> list[Copy]:
        """Make the copies of letters. Every copy takes the next number of its audience."""
        if self._is_doubtful:
            self._begin()
        return [copy for letter in letters for copy in self._copies(letter)]

    async def publish(self, copies: Sequence[Copy]) -> None:
        """Store the copies in their streams, in order. Safe to repeat with the same copies.

        Raises:
            NotStored: the server did not confirm; what was stored already is recognised at the next try.
        """
        await self._unless_reconnected(self._publish(copies))

    async def _publish(self, copies: Sequence[Copy]) -> None:
        # A batch is atomic within one stream; services hear first, so that nobody acts on what they lack.
        for root in ("fact.", "ev."):
            events = [copy for copy in copies if copy.subject.startswith(root)]
            for start in range(0, len(events), ATOMIC_BATCH_MAX):
                if not await self._publish_events(events[start : start + ATOMIC_BATCH_MAX]):
                    await self._renumbered(events[start:])
                    break
        await self._one_by_one([copy for copy in copies if copy.subject.startswith("dead.")])

    async def recover(self, letters: Sequence[Letter]) -> None:
        """Publish what an earlier process may have published already.

        One at a time: a copy that the stream knows takes no number, so that readers see no gap.
        """
        await self._unless_reconnected(self._recover(letters))

    async def _recover(self, letters: Sequence[Letter]) -> None:
        if self._is_doubtful:
            self._begin()
        for letter in letters:
            for copy in self._copies(letter):
                await self._unless_known(copy)

    async def _unless_known(self, copy: Copy) -> None:
        if await self._one(copy) and not copy.subject.startswith("dead."):
            self._sequences[subjects.audience_of(copy.subject)] -= 1

    async def _unless_reconnected(self, work: Coroutine[Any, Any, None]) -> None:
        self._attempt = asyncio.create_task(work)
        try:
            await self._attempt
        except asyncio.CancelledError:
            this = asyncio.current_task()
            if this is None or this.cancelling():
                raise
            self._is_doubtful = True
            raise NotStored("the connection was lost meanwhile") from None
        except NotStored:
            self._is_doubtful = True
            raise
        finally:
            self._attempt = None

    def _copies(self, letter: Letter) -> Iterator[Copy]:
        traceparent = telemetry.sampled_in(letter.body)
        for subject in letter.subjects:
            body = self._numbered(subject, letter.body)
            yield Copy(subject, f"{letter.message_id}:{subject}", body, traceparent, letter.body)

    def _numbered(self, subject: str, sealed: bytes) -> bytes:
        if subject.startswith("dead."):
            return sealed
        audience = subjects.audience_of(subject)
        self._sequences[audience] += 1
        return number(sealed, sequence=self._sequences[audience], producerinstance=self.instance)

    async def _publish_events(self, copies: Sequence[Copy]) -> bool:
        """Store copies; False when the stream knows some, told by this or another process."""
        audiences = {subjects.audience_of(copy.subject) for copy in copies}
        if len(copies) > min(_FEW, len(audiences)):
            return await self._atomically(copies)
        if any(await self._one_by_one(copies)):
            self._is_doubtful = True
        return True

    async def _renumbered(self, copies: Sequence[Copy]) -> None:
        """Store what the stream does not know, under numbers of its own.

        The old numbers end here: those of copies that another process told would be missing to readers.
        """
        self._begin()
        for copy in copies:
            body = self._numbered(copy.subject, copy.sealed)
            await self._unless_known(Copy(copy.subject, copy.message_id, body, copy.traceparent, copy.sealed))

    async def _atomically(self, copies: Sequence[Copy]) -> bool:
        """Store all or nothing; False when the server refuses, as it does when it knows one of the ids."""
        batch_id = uuid.uuid4().hex
        headers = copies[-1].headers | {
            "Nats-Batch-Id": batch_id,
            "Nats-Batch-Sequence": str(len(copies)),
            "Nats-Batch-Commit": "1",
        }
        try:
            await wire.send(
                self._connection,
                [copy.in_batch(batch_id, position) for position, copy in enumerate(copies[:-1], 1)],
            )
            answer = await self._connection.request(
                copies[-1].subject, copies[-1].body, headers=headers, timeout=_ACK_SECONDS
            )
        except (TimeoutError, NatsError, OSError) as error:
            raise NotStored(str(error) or type(error).__name__) from error
        return "error" not in json.loads(answer.data)

    async def _one_by_one(self, copies: Sequence[Copy]) -> list[bool]:
        # Sent in order on one connection, so stored in order; only the confirmations overlap.
        known: list[bool] = []
        for start in range(0, len(copies), 500):
            known += await asyncio.gather(*(self._one(copy) for copy in copies[start : start + 500]))
        return known

    async def _one(self, copy: Copy) -> bool:
        """Store one copy; True when the stream had it already."""
        try:
            answer = await self._connection.request(
                copy.subject, copy.body, headers=copy.headers, timeout=_ACK_SECONDS
            )
        except (TimeoutError, NatsError, OSError) as error:
            raise NotStored(str(error) or type(error).__name__) from error
        confirmed = json.loads(answer.data)
        if "error" in confirmed:
            raise NotStored(confirmed["error"].get("description", "refused"))
        return bool(confirmed.get("duplicate"))
