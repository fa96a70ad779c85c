"""CloudEvents 1.0 in structured JSON mode, as used on the market (CloudEvents specification, section 3)."""

import datetime as dt
import json
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import StringConstraints

from .contract import Contract
from .identifiers import Instant, Line, TraceParent, Uuid

D = TypeVar("D", bound=Contract)

_quoted = json.encoder.encode_basestring
"""What the writer of JSON does with a text; it would be made anew for every envelope."""

Source = Annotated[str, StringConstraints(pattern=r"^/(members|services)/[a-z][a-z0-9-]{1,31}$")]
Type = Annotated[str, StringConstraints(pattern=r"^allmende(\.[a-z_]+){3}\.v[1-9][0-9]?$")]


class CloudEvent(Contract, Generic[D]):
    """What commands and events share."""

    specversion: Literal["1.0"]
    id: Uuid
    source: Source
    type: Type
    time: Instant
    subject: Line | None = None
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: Annotated[str, StringConstraints(pattern=r"^[!-~]{1,200}$")] | None = None
    traceparent: TraceParent | None = None
    data: D


class Command(CloudEvent[D], Generic[D]):
    """A request to a service. Its id is chosen by the caller: same id and body, same outcome."""


class Event(CloudEvent[D], Generic[D]):
    """A fact or a rejection, told by the service that owns it.

    Attributes:
        causationid: the id of the command it answers, when a command caused it.
        sequence: counts 1, 2, 3, ... what one producer instance published for one audience.
        producerinstance: the instance that counts; a gap within it is a loss.
    """

    causationid: Uuid | None = None
    sequence: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,18}$")] | None = None
    producerinstance: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,64}$")] | None = None


def dataschema(message_type: str) -> str:
    """Name the JSON Schema of a message type."""
    return f"urn:allmende:schema:{message_type.removeprefix('allmende.')}"


def seal(  # noqa: PLR0913 - the attributes of the specification
    *,
    id: str,  # noqa: A002 - CloudEvents calls it so
    source: str,
    type: str,  # noqa: A002 - the same
    time: dt.datetime,
    data_json: bytes,
    subject: str | None = None,
    traceparent: str | None = None,
    causationid: str | None = None,
) -> bytes:
    """Write an envelope around data that is JSON already, so that data is serialised once."""
    attributes = {
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": type,
        "time": time.astimezone(dt.UTC).isoformat().replace("+00:00", "Z"),
        "subject": subject,
        "datacontenttype": "application/json",
        "dataschema": dataschema(type),
        "traceparent": traceparent,
        "causationid": causationid,
    }
    present = [f'"{name}": {_quoted(value)}' for name, value in attributes.items() if value is not None]
    return f"{{{', '.join(present)}".encode() + b',"data":' + data_json + b"}"


def number(sealed: bytes, *, sequence: int, producerinstance: str) -> bytes:
    """Add the sequence given at publication to a sealed event."""
    return sealed[:-1] + b',"sequence":"%d","producerinstance":"%b"}' % (sequence, producerinstance.encode())
