"""The market as a member's program sees it: commands with their outcomes, questions, events."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import hashlib
import json
import logging
import random
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import AuthorizationError
from nats.errors import Error as NatsError

from allmende.schemas import registry, subjects
from allmende.schemas.contract import Contract, Unreadable, read
from allmende.schemas.envelope import Event, seal
from allmende.schemas.rejections import Rejection

from .bookings import BookingRoom
from .catalogue import CatalogueRoom, Entry
from .correspondence import CorrespondenceRoom
from .ledger import LedgerRoom
from .offerings import OfferingRoom
from .payments import PaymentRoom
from .persons import Signer
from .pools import PoolRoom
from .reports import ReportRoom
from .review import ReviewRoom
from .room import M, Unanswered
from .sequences import Gap, Sequences
from .settlement import SettlementRoom
from .usage import UsageRoom

__all__ = ["Entry", "Gap", "Market", "Received", "Refused", "Signer", "Unanswered"]

log = logging.getLogger(__name__)

ANSWER_SECONDS = 60.0
_CONFIRM_SECONDS = 5.0
_REPEAT_SECONDS_MAX = 10.0
_REJECTED_HEADER = "Allmende-Rejected"


class Refused(Unanswered):
    """The market refused a question. `rejection` says why, for machines and for people."""

    def __init__(self, name: str, rejection: Rejection) -> None:
        super().__init__(f"{name}: {rejection.message_en}")
        self.rejection = rejection


@dataclasses.dataclass(frozen=True)
class Received:
    """An event from the member's stream.

    Attributes:
        name: `<service>.<noun>.<verb>`.
        event: the envelope with its data.
    """

    name: str
    event: Event[Any]

    @property
    def data(self) -> Any:
        """The payload."""
        return self.event.data


class Market(
    OfferingRoom,
    CatalogueRoom,
    BookingRoom,
    CorrespondenceRoom,
    LedgerRoom,
    UsageRoom,
    PoolRoom,
    SettlementRoom,
    ReviewRoom,
    PaymentRoom,
    ReportRoom,
):
    """A member's connection. Use it as `async with Market.connect(...) as market`.

    Refusals are values (`Rejection`); exceptions mean that the market could not be reached.
    """

    def __init__(self, url: str, member: str, seed: str, *, trace_ratio: float, name: str) -> None:
        self.member = member
        self._url = url
        self._seed = seed
        self._trace_ratio = trace_ratio
        self._name = name
        self._connection: Client | None = None
        self._waiting: dict[str, tuple[registry.MessageType, asyncio.Future[Contract]]] = {}

    @classmethod
    def connect(  # noqa: PLR0913 - what a connection is made of
        cls,
        url: str,
        *,
        member: str,
        seed: str | None = None,
        seed_file: str | Path | None = None,
        person: Signer | tuple[str, str | Path] | None = None,
        trace_ratio: float = 0.01,
        name: str = "allmende-client",
    ) -> Self:
        """Prepare a connection; entering the context opens it.

        Args:
            url: of the hub, such as `nats://hub.example.org:4222`.
            member: the id under which the register knows the key.
            seed: the private half of the member's NATS key; or
            seed_file: a file that holds it.
            person: who signs what needs a person's word: its id, and the file of its key.
            trace_ratio: the share of commands whose way through the services is traced.
            name: how the connection calls itself to the operators.
        """
        if seed is None:
            if seed_file is None:
                raise ValueError("give seed or seed_file")
            seed = Path(seed_file).read_text(encoding="ascii").strip()
        market = cls(url, member, seed, trace_ratio=trace_ratio, name=name)
        market.signer = Signer.read(*person) if isinstance(person, tuple) else person
        return market

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            Unanswered: the hub cannot be reached or refuses the key.
        """
        refused: list[Exception] = []

        async def listen(error: Exception) -> None:
            log.debug("connection: %s", error)
            if isinstance(error, AuthorizationError):
                refused.append(error)

        try:
            self._connection = await nats.connect(
                self._url,
                nkeys_seed_str=self._seed,
                name=self._name,
                error_cb=listen,
                connect_timeout=5,
                max_reconnect_attempts=3,
                reconnect_time_wait=0.5,
            )
        except (OSError, NatsError, TimeoutError) as error:
            cause = refused[0] if refused else error
            raise Unanswered(f"{self._url}: {str(cause) or type(cause).__name__}") from cause
        if self._url.startswith("tls://") and not self._connection._server_info.get("tls_required"):  # noqa: SLF001
            # The library goes on in clear text where the server does not ask for TLS.
            await self._connection.close()
            raise Unanswered(f"{self._url}: the server offers no TLS")
        # Once in, stay in: an outage of the hub is waited out.
        self._connection.options["max_reconnect_attempts"] = -1
        for subject in ("events.>", "bulletin.>"):
            await self._connection.subscribe(
                subject, cb=self._on_event, pending_msgs_limit=-1, pending_bytes_limit=-1
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    # -- commands -------------------------------------------------------------------------------

    async def command(
        self,
        data: Contract,
        *,
        id: str | None = None,  # noqa: A002
        answer_seconds: float = ANSWER_SECONDS,
    ) -> Contract:
        """Send any command and wait for its outcome, a fact or a `Rejection`.

        The command is repeated with the same id until the outcome comes; the market decides it once.

        Raises:
            Unanswered: no outcome came in time.
        """
        message = registry.message_of(data)
        command_id = id or str(uuid.uuid4())
        body, headers = self._seal(message, command_id, data)
        outcome: asyncio.Future[Contract] = asyncio.get_running_loop().create_future()
        self._waiting[command_id] = (message, outcome)
        try:
            async with asyncio.timeout(answer_seconds):
                return await self._repeat_until(outcome, f"{message.noun}.{message.verb}", body, headers)
        except TimeoutError:
            raise Unanswered(
                f"no outcome of {message.name} {command_id} within {answer_seconds:g} s"
            ) from None
        finally:
            self._waiting.pop(command_id, None)

    def _seal(self, message: registry.MessageType, id_: str, data: Contract) -> tuple[bytes, dict[str, str]]:
        traceparent = self._traceparent()
        data_json = data.model_dump_json().encode()
        body = seal(
            id=id_,
            source=f"/members/{self.member}",
            type=message.type,
            time=dt.datetime.now(dt.UTC),
            data_json=data_json,
            traceparent=traceparent,
        )
        message_id = f"{message.type}:{id_}:{hashlib.sha256(data_json).hexdigest()[:32]}"
        return body, {"Nats-Msg-Id": message_id, "traceparent": traceparent}

    def _traceparent(self) -> str:
        sampled = random.random() < self._trace_ratio  # noqa: S311 - not a secret
        return f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-{'01' if sampled else '00'}"

    async def _repeat_until(
        self, outcome: "asyncio.Future[Contract]", subject: str, body: bytes, headers: dict[str, str]
    ) -> Contract:
        message_id = headers["Nats-Msg-Id"]
        pause, name = 1.0, message_id
        while True:
            confirmed = await self._store(subject, body, headers | {"Nats-Msg-Id": name})
            if confirmed:
                # What the stream holds already it would swallow, and with it the wish to hear the outcome
                # again; so a repetition gets a name of its own. The services decide each command once,
                # whatever it is called.
                name = f"{message_id}:{uuid.uuid4().hex[:12]}"
            done, _ = await asyncio.wait({outcome}, timeout=0 if confirmed.get("duplicate") else pause)
            if done:
                return outcome.result()
            pause = min(pause * 2, _REPEAT_SECONDS_MAX)

    async def _store(self, subject: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
        """Give a command to the stream. Returns its confirmation, empty if it did not take it."""
        try:
            answer = await self._live.request(subject, body, headers=headers, timeout=_CONFIRM_SECONDS)
        except (NatsError, OSError, TimeoutError) as error:
            log.debug("%s is not stored yet: %s", subject, error or type(error).__name__)
            return {}
        confirmed: dict[str, Any] = json.loads(answer.data)
        if "error" in confirmed:
            log.debug("%s is not stored yet: %s", subject, confirmed["error"].get("description"))
            return {}
        return confirmed

    async def _on_event(self, message: Msg) -> None:
        if not self._waiting:
            return
        received = _received(message)
        if received is None or received.event.causationid is None:
            return
        if (
            message.subject.startswith("bulletin.")
            and getattr(received.data, "provider", None) != self.member
        ):
            return  # another member's command may have the same id
        waiting = self._waiting.get(received.event.causationid)
        if waiting is not None and received.name in waiting[0].outcomes and not waiting[1].done():
            waiting[1].set_result(received.event.data)

    # -- questions ------------------------------------------------------------------------------

    async def ask(self, name: str, request: Contract, reply: type[M]) -> M:
        """Ask any query of the registry.

        Raises:
            Refused: the question was refused.
            Unanswered: nobody answered.
        """
        found = await self._ask(name, request)
        if isinstance(found, Rejection):
            raise Refused(name, found)
        if not isinstance(found, reply):
            raise TypeError(f"{name} was answered by {type(found).__name__}")
        return found

    async def _ask(self, name: str, request: Contract) -> Any:
        query = registry.query(name)
        subject = subjects.member_query_subject(query.service, query.noun, query.verb)
        body = request.model_dump_json().encode()
        for pause in (0.2, 0.5, 1.0, 2.0, None):
            try:
                answer = await self._live.request(subject, body, timeout=_CONFIRM_SECONDS)
            except (NatsError, OSError, TimeoutError) as error:
                if pause is None:
                    raise Unanswered(f"{name}: {str(error) or type(error).__name__}") from error
                await asyncio.sleep(pause)
            else:
                refused = _REJECTED_HEADER in (answer.headers or {})
                return read(Rejection if refused else query.reply, answer.data, tolerant=True)
        raise AssertionError

    # -- events ---------------------------------------------------------------------------------

    async def events(
        self, *, idle_seconds: float | None = None, on_gap: Callable[[Gap], None] | None = None
    ) -> AsyncIterator[Received]:
        """Every event for this member, from where its durable consumer stands.

        An event is acknowledged when the next one is asked for, so a program that dies meets it again.

        Args:
            idle_seconds: end when nothing came for so long; None waits for ever.
            on_gap: told of events that are missing; by default a warning is logged.
        """
        durable = subjects.event_durable(self.member)
        stream = self._live.jetstream(prefix=subjects.MEMBER_API_PREFIX)
        pull = await stream.pull_subscribe_bind(durable, subjects.EVENT_STREAM)
        sequences = Sequences()
        quiet_since = asyncio.get_running_loop().time()
        try:
            while True:
                try:
                    messages = await pull.fetch(100, timeout=min(idle_seconds or 5.0, 5.0))
                except (TimeoutError, NatsError):
                    messages = []
                for message in messages:
                    received = _received(message)
                    if received is not None:
                        _note(sequences, received, message.subject, on_gap)
                        yield received
                    await message.ack()
                now = asyncio.get_running_loop().time()
                if messages:
                    quiet_since = now
                elif idle_seconds is not None and now - quiet_since >= idle_seconds:
                    return
        finally:
            with contextlib.suppress(NatsError):
                await pull.unsubscribe()

    @property
    def _live(self) -> Client:
        if self._connection is None:
            raise RuntimeError("enter the connection first: async with Market.connect(...) as market")
        return self._connection


def _received(message: Msg) -> Received | None:
    """Read an event; one of a kind this version does not know is passed over."""
    name = ".".join(message.subject.split(".")[-3:])
    try:
        kind = registry.message(name)
        return Received(name, read(kind.envelope, message.data, tolerant=True))
    except (KeyError, Unreadable) as error:
        log.warning("an event on %s cannot be read: %s", message.subject, error)
        return None


def _note(
    sequences: Sequences, received: Received, subject: str, on_gap: Callable[[Gap], None] | None
) -> None:
    event = received.event
    if event.producerinstance is None or event.sequence is None:
        return
    gap = sequences.see(event.producerinstance, subjects.audience_of(subject), int(event.sequence))
    if gap is None:
        return
    if on_gap is not None:
        on_gap(gap)
    else:
        log.warning("events %d to %d of %s are missing", gap.first, gap.last, gap.producer)
