"""Messages that no service could read or process, kept with the reason and all that a replay needs."""

import base64
import dataclasses
import hashlib
import json

from allmende.schemas import subjects

from .messages import Delivery, Unprocessable

_KEPT_BYTES_MAX = 600 * 1024
"""A larger body would not fit into a message again; it is found by its position in the event stream."""


@dataclasses.dataclass(frozen=True, slots=True)
class DeadLetter:
    """A document in the dead-letter stream."""

    message_id: str
    subject: str
    body: bytes


def dead_letter(service: str, unprocessable: Unprocessable) -> DeadLetter:
    """Wrap a message with its reason. The same message delivered twice is one letter."""
    delivery = unprocessable.delivery
    document: dict[str, object] = {
        "service": service,
        "code": unprocessable.reason.code,
        "reason_de": unprocessable.reason.sentences[0][:2000],
        "reason_en": unprocessable.reason.sentences[1][:2000],
        "subject": delivery.subject,
        "headers": dict(delivery.headers or {}),
        "position": _position(delivery),
        "sha256": hashlib.sha256(delivery.body).hexdigest(),
    }
    if len(delivery.body) <= _KEPT_BYTES_MAX:
        document["body_base64"] = base64.b64encode(delivery.body).decode()
    fingerprint = hashlib.sha256(f"{service} {_position(delivery)}".encode() + delivery.body).hexdigest()[:32]
    return DeadLetter(
        message_id=f"dead:{fingerprint}",
        subject=subjects.dead_letter_subject(service, unprocessable.sender or delivery.origin),
        body=json.dumps(document, ensure_ascii=False).encode(),
    )


def _position(delivery: Delivery) -> str:
    """Where the message stands in its stream, from the acknowledgement subject (stream, stream sequence)."""
    tokens = delivery.reply.split(".")
    return f"{tokens[2]}:{tokens[5]}" if len(tokens) >= 9 else delivery.subject
