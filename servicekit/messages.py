"""What comes in and what goes out of a batch, and the way from bytes to the one."""

import dataclasses
import functools
import hashlib
import json
import re
from collections.abc import Mapping

from allmende.schemas import registry, subjects
from allmende.schemas.contract import Contract, Unreadable, read
from allmende.schemas.envelope import CloudEvent
from allmende.schemas.registry import Audience, MessageType
from allmende.schemas.rejections import Rejected, rejected

_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclasses.dataclass(slots=True)
class Delivery:
    """A message as the stream delivered it.

    Attributes:
        read: what `decode` made of it, once it has.
    """

    subject: str
    body: bytes
    reply: str
    headers: Mapping[str, str] | None = None
    read: "Incoming | Unprocessable | None" = dataclasses.field(default=None, compare=False, repr=False)

    @property
    def origin(self) -> str:
        """Whose turn it is in the loop: the member of a command, the service of a fact."""
        tokens = self.subject.split(".", 3)
        return tokens[2] if tokens[0] == "cmd" and len(tokens) > 3 else tokens[0]


@dataclasses.dataclass(frozen=True, slots=True)
class Incoming:
    """A message that could be read, with its sender as the connection proved it.

    Attributes:
        digest: of the normalised data; equal ids with other digests are a conflict.
    """

    message: MessageType
    sender: str
    id: str
    data: Contract
    digest: bytes
    traceparent: str | None

    @property
    def key(self) -> tuple[str, str, str]:
        """What is unique for ever."""
        return (self.id, self.sender, self.message.type)


@dataclasses.dataclass(frozen=True, slots=True)
class Unprocessable:
    """A message that could not be read.

    Attributes:
        sender: the member to tell, when the subject names one.
        command: what it tried to be.
        id: its id, when that much could be made out.
        failed: the command that could be read and yet not be processed; its id is taken.
    """

    delivery: Delivery
    reason: Rejected
    sender: str | None = None
    command: MessageType | None = None
    id: str | None = None
    failed: Incoming | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Outgoing:
    """A fact or a rejection to be told.

    Attributes:
        data: the payload.
        cause: the command it answers, if any.
        subject: the business key, for people and filters.
        parties: the members behind the audiences that the registry names; one, or several where an audience
            is a circle. A circle of everybody is `subjects.EVERYONE`.
        message: only needed where the payload does not tell (rejections).
    """

    data: Contract
    cause: Incoming | None = None
    subject: str | None = None
    parties: Mapping[Audience, str | tuple[str, ...]] = dataclasses.field(default_factory=dict)
    message: MessageType | None = None


def refuse(cause: Incoming, reason: Rejected) -> Outgoing:
    """Tell the sender of a command that it is refused."""
    return Outgoing(
        data=reason.as_rejection(cause.message.name),
        cause=cause,
        message=registry.rejection_of(cause.message),
    )


def digest_of(data: Contract) -> bytes:
    """Digest a payload, independent of white space, key order and optional fields left out."""
    return hashlib.sha256(data.model_dump_json(exclude_defaults=True).encode()).digest()[:16]


def decode(delivery: Delivery) -> Incoming | Unprocessable:
    """Read a delivery. The sender is taken from the subject, which the server wrote, never from the body."""
    if delivery.read is None:
        is_command = delivery.subject.startswith("cmd.")
        delivery.read = _decode_command(delivery) if is_command else _decode_fact(delivery)
    return delivery.read


@functools.lru_cache(maxsize=4096)
def _command_on(subject: str) -> tuple[str, MessageType] | str:
    """Tell the member and the command of a subject, or the command's name if there is no such command."""
    try:
        parts = subjects.CommandSubject.parse(subject)
    except ValueError:
        return subject
    name = f"{parts.service}.{parts.noun}.{parts.verb}"
    try:
        message = registry.message(name)
    except KeyError:
        return name
    return (parts.member, message) if message.is_command else name


def _decode_command(delivery: Delivery) -> Incoming | Unprocessable:
    command = _command_on(delivery.subject)
    if isinstance(command, str):
        return Unprocessable(delivery, rejected("unknown_command", command=command[:100]))
    member, message = command
    try:
        envelope: CloudEvent[Contract] = read(message.envelope, delivery.body)
    except Unreadable as error:
        reason = rejected(error.code, error.field, field=error.field, detail=error.detail)
        return Unprocessable(delivery, reason, member, message, _id_in(delivery.body))
    if envelope.type != message.type:
        reason = rejected("wrong_type", "type", found=envelope.type, expected=message.type)
        return Unprocessable(delivery, reason, member, message, envelope.id)
    if envelope.source != (expected := f"/members/{member}"):
        reason = rejected("foreign_source", "source", found=envelope.source, expected=expected)
        return Unprocessable(delivery, reason, member, message, envelope.id)
    traceparent = envelope.traceparent or _traceparent_in(delivery.headers)
    return Incoming(message, member, envelope.id, envelope.data, digest_of(envelope.data), traceparent)


def _decode_fact(delivery: Delivery) -> Incoming | Unprocessable:
    try:
        _, service, noun, verb = delivery.subject.split(".")
        message = registry.message(f"{service}.{noun}.{verb}")
        envelope: CloudEvent[Contract] = read(message.envelope, delivery.body, tolerant=True)
    except (ValueError, KeyError) as error:
        reason = rejected("invalid_field", field=delivery.subject[:100], detail=str(error)[:500])
        return Unprocessable(delivery, reason)
    return Incoming(message, service, envelope.id, envelope.data, b"", envelope.traceparent)


def _traceparent_in(headers: Mapping[str, str] | None) -> str | None:
    """Take the trace from the headers, which nobody has checked; what is none would spoil the events."""
    found = headers.get("traceparent") if headers else None
    return found if found and _TRACEPARENT.fullmatch(found) else None


def _id_in(body: bytes) -> str | None:
    """Make out the id of a body that is wrong elsewhere, so that its sender can match the refusal."""
    try:
        found = json.loads(body[: 1 << 20]).get("id")
    except (ValueError, AttributeError, RecursionError):
        return None
    return found if isinstance(found, str) and _UUID.fullmatch(found) else None
