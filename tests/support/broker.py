"""The hub from inside: raw connections as anybody, what the streams hold, waiting for conditions."""

import asyncio
import dataclasses
import gc
import json
import time
import uuid
import warnings
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import nats
from nats.aio.client import Client
from nats.js.api import ConsumerInfo
from nats.js.errors import NotFoundError

from allmende.client.sequences import Gap, Sequences
from allmende.schemas import registry, subjects
from allmende.schemas.contract import Contract
from allmende.schemas.envelope import seal
from allmende.servicekit.clock import system_clock
from allmende.servicekit.settings import read_secret
from allmende.servicekit.testing import Sandbox


async def synced(connection: Client) -> None:
    """Wait until the server has dealt with all that was sent, and its complaints are here."""
    for _ in range(2):  # the client's ping overtakes what still waits to be sent
        await connection.flush()


async def eventually(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Wait until a condition holds; return what made it true."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if isinstance(found, Awaitable):
            found = await found
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"nothing came of {condition} within {seconds:g} s: {found!r}")
        await asyncio.sleep(0.02)


class Connections:
    """Raw connections to one or more markets, closed together; what the server refused is kept."""

    def __init__(self) -> None:
        self.open: list[Client] = []
        self.errors: list[str] = []

    async def member(self, market: Sandbox, name: str) -> Client:
        return await self._connect(market, read_secret(market.key_file(name)), f"_INBOX.{name}")

    async def service(self, market: Sandbox, name: str, **options: Any) -> Client:
        seed = read_secret(market.home.service_key(name))
        return await self._connect(market, seed, f"_INBOX_{name}", **options)

    async def provisioner(self, market: Sandbox) -> Client:
        return await self.service(market, "provisioner")

    async def _connect(self, market: Sandbox, seed: str, inbox: str, **options: Any) -> Client:
        async def keep(error: Exception) -> None:
            self.errors.append(str(error))

        connection = await nats.connect(
            market.url,
            nkeys_seed_str=seed,
            inbox_prefix=inbox,
            error_cb=keep,
            connect_timeout=5,
            max_reconnect_attempts=1,
            reconnect_time_wait=0.05,
            **options,
        )
        connection.options["max_reconnect_attempts"] = -1  # once in, stay in
        self.open.append(connection)
        return connection

    async def close(self) -> None:
        while self.open:
            await self.open.pop().close()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()  # the client leaves the sockets of refused connections to the collector


@dataclasses.dataclass(frozen=True)
class Stored:
    """A message as a stream holds it."""

    subject: str
    body: bytes
    headers: dict[str, str]

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def name(self) -> str:
        return ".".join(self.subject.split(".")[-3:])


async def stored(connection: Client, filter_: str = ">", stream: str | None = None) -> list[Stored]:
    """Everything a stream holds, in its order; as the provisioner. Facts and events where none is named."""
    if stream is None:
        both = (subjects.FACT_STREAM, subjects.EVENT_STREAM)
        roots = {subjects.FACT_STREAM: "fact.", subjects.EVENT_STREAM: "ev."}
        wanted = [each for each in both if filter_ == ">" or filter_.startswith(roots[each])]
        return [message for each in wanted for message in await _held(connection, filter_, each)]
    return await _held(connection, filter_, stream)


async def _held(connection: Client, filter_: str, stream: str) -> list[Stored]:
    jetstream = connection.jetstream()
    found: list[Stored] = []
    state = (await jetstream.stream_info(stream)).state
    for sequence in range(max(state.first_seq, 1), state.last_seq + 1):
        try:
            message = await jetstream.get_msg(stream, sequence)
        except NotFoundError:
            continue
        if filter_ == ">" or str(message.subject).startswith(filter_.removesuffix(">")):
            found.append(Stored(str(message.subject), message.data or b"", dict(message.headers or {})))
    return found


async def outcomes(connection: Client, member: str) -> dict[str, list[Stored]]:
    """The events that answer a member's commands, by the command's id ('' where none is named)."""
    found: dict[str, list[Stored]] = {}
    for message in await stored(connection, f"ev.{member}.>"):
        found.setdefault(message.event.get("causationid", ""), []).append(message)
    return found


def gaps(messages: Sequence[Stored]) -> list[Gap]:
    """What a reader of these messages notices to be missing."""
    seen = Sequences()
    found = []
    for message in messages:
        event = message.event
        audience = subjects.audience_of(message.subject)
        gap = seen.see(event["producerinstance"], audience, int(event["sequence"]))
        found += [gap] if gap else []
    return found


def sealed(member: str, data: Contract, id_: str | None = None, **attributes: Any) -> bytes:
    """A member's command as it travels."""
    given: dict[str, Any] = {
        "id": id_ or str(uuid.uuid4()),
        "source": f"/members/{member}",
        "type": registry.message_of(data).type,
        "time": system_clock(),
        "data_json": data.model_dump_json().encode(),
    }
    return seal(**(given | attributes))


async def send(connection: Client, subject: str, body: bytes, **headers: str) -> dict[str, Any]:
    """Store a message under a name of its own, as a member or the provisioner; return the confirmation."""
    named = {"Nats-Msg-Id": str(uuid.uuid4())} | {
        key.replace("_", "-"): text for key, text in headers.items()
    }
    answer = await connection.request(subject, body, headers=named, timeout=5)
    confirmed: dict[str, Any] = json.loads(answer.data)
    return confirmed


async def send_all(connection: Client, messages: Sequence[tuple[str, bytes]]) -> None:
    """Store many messages in their order."""
    for start in range(0, len(messages), 500):
        confirmed = await asyncio.gather(*(send(connection, *each) for each in messages[start : start + 500]))
        assert not [each for each in confirmed if "error" in each]


def command_subject(member: str, name: str) -> str:
    """Where the hub stores a command, by its name in the registry."""
    return subjects.command_subject(member, *name.split("."))


async def consumer(connection: Client, stream: str, durable: str) -> ConsumerInfo:
    """How a consumer stands."""
    found: ConsumerInfo = await connection.jetstream().consumer_info(stream, durable)
    return found
