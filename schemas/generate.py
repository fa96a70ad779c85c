"""Writes the published contract: AsyncAPI, JSON Schemas and a page for developers of members.

Run as `python -m allmende.schemas.generate [--check] [--output DIR] [--allow-breaking]`.
"""

import argparse
import inspect
import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema

from . import permissions, registry, rejections, subjects
from .clause import Clause
from .clause_case import CaseDocument
from .compatibility import Kind, incompatibilities
from .contract import MESSAGE_BYTES_MAX
from .envelope import dataschema
from .registry import Audience, MessageType, QueryType
from .tariff import AllocationKey

VERSION = "1.0.0"
"""Of the contract as a whole: the first number rises with a message's version."""

OUTPUT = Path(__file__).parent / "generated"
_SCHEMA_FOLDER = "json-schema"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_NAME = "[a-z][a-z0-9-]{1,31}"
_MODE: dict[Kind, JsonSchemaMode] = {"command": "validation", "event": "serialization"}

Schema = dict[str, Any]


# -- JSON Schemas ----------------------------------------------------------------------------------


class _Described(GenerateJsonSchema):
    """Takes field descriptions from the models' docstrings and leaves out titles that repeat a name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        """Never: a title would only repeat the name."""
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Describe a model and its fields."""
        found = super().model_schema(schema)
        text, of_fields = _docstring(schema["cls"])
        if text:
            found["description"] = text
        for name, description in of_fields.items():
            if name in found.get("properties", {}):
                found["properties"][name]["description"] = description
        return found

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        """Leave out OpenAPI's `discriminator`: the constants in the options say the same."""
        found = super().tagged_union_schema(schema)
        found.pop("discriminator", None)
        return found


def _docstring(model: type[BaseModel]) -> tuple[str, dict[str, str]]:
    """Split a docstring into what it says of the model and of each attribute."""
    text, _, attributes = inspect.cleandoc(model.__doc__ or "").partition("\n\nAttributes:\n")
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", attributes, re.MULTILINE)
    return " ".join(text.split()), {name: " ".join(entry.split()) for name, entry in entries}


def _schema_of(model: type[BaseModel], kind: Kind) -> Schema:
    schema = model.model_json_schema(mode=_MODE[kind], schema_generator=_Described)
    for part in _objects(schema):
        for option in part.get("oneOf", ()):
            _require_tag(schema["$defs"][option["$ref"].rpartition("/")[2]])
        if kind == "event" and part.get("additionalProperties") is False:
            del part["additionalProperties"]
        if kind == "command" and "patternProperties" in part:
            part["additionalProperties"] = False
    return schema


def _require_tag(option: Schema) -> None:
    """A reader tells the options of a union apart by their constant, so it has no default."""
    for name, field in option["properties"].items():
        if "const" in field:
            field.pop("default", None)
            option["required"] = sorted({*option.get("required", ()), name})


def _objects(value: Any) -> Iterator[Schema]:
    """Every object within a document, the document first."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _objects(part)


def _kind_of(message: MessageType) -> Kind:
    return "command" if message.is_command else "event"


def message_schema(message: MessageType) -> Schema:
    """The JSON Schema of a whole message, envelope included."""
    kind = _kind_of(message)
    schema = _schema_of(message.envelope, kind)
    fields = schema["properties"]
    side = "members" if kind == "command" else "services"
    fields["source"] = {"type": "string", "pattern": f"^/{side}/{_NAME}$"}
    fields["type"] = {"type": "string", "const": message.type}
    fields["dataschema"] = {"type": "string", "const": dataschema(message.type)}
    fields["datacontenttype"] = {"type": "string", "const": "application/json"}
    if kind == "event":
        schema["required"] = [name for name in fields if name in {*schema["required"], *_ALWAYS_SEALED}]
    return _named(schema, f"{message.name}.v{message.version}", message.name, message.summary)


_ALWAYS_SEALED = frozenset({"datacontenttype", "dataschema"})


def query_schemas(query: QueryType) -> dict[str, tuple[Kind, Schema]]:
    """The JSON Schemas of a query's request and reply, by the last part of their names."""
    request, reply = _schema_of(query.request, "command"), _schema_of(query.reply, "event")
    return {
        "request": ("command", _named(request, f"{query.name}.request.v1", f"{query.name} request")),
        "reply": ("event", _named(reply, f"{query.name}.reply.v1", f"{query.name} reply")),
    }


def _named(schema: Schema, name: str, title: str, description: str | None = None) -> Schema:
    identity = {"$schema": _DIALECT, "$id": dataschema(name), "title": title}
    return {**schema, **identity, **({"description": description} if description else {})}


DOCUMENTS: dict[str, type[BaseModel]] = {
    "document.clause.v1": Clause,
    "document.clause-case.v1": CaseDocument,
    "document.allocation-key.v1": AllocationKey,
}
"""What people write in files; as JSON, where every number but a counted one is text."""


def schemas() -> dict[str, tuple[Kind, Schema]]:
    """Every published JSON Schema by its name, such as `brokerage.booking.request.v1`."""
    found: dict[str, tuple[Kind, Schema]] = {
        name: ("command", _named(_schema_of(model, "command"), name, model.__name__))
        for name, model in DOCUMENTS.items()
    }
    found |= {
        f"{message.name}.v{message.version}": (_kind_of(message), message_schema(message))
        for message in registry.MESSAGES
    }
    for query in registry.QUERIES:
        for part, schema in query_schemas(query).items():
            found[f"{query.name}.{part}.v1"] = schema
    return found


# -- what a member's developer has to know ---------------------------------------------------------


def member_command_subject(message: MessageType) -> str:
    """Say where a member sends a command, within its own account."""
    return f"{message.noun}.{message.verb}"


def member_live_roots(message: MessageType) -> tuple[str, ...]:
    """Say under which roots a member hears an event live: what is for everybody has one of its own."""
    if Audience.CIRCLE in message.audiences:
        return (_BULLETIN, _EVENTS)
    return (_BULLETIN,) if Audience.EVERYONE in message.audiences else (_EVENTS,)


_BULLETIN = "bulletin"
_EVENTS = "events"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


_LIFE = _table(
    ("State", "Instance", "Who acts", "How"),
    (
        ("`offered`", "", "consumer", "`booking.accept` what the waiting list offers, or `booking.decline`"),
        ("`pending_consumer`", "", "consumer", "`booking.approve` its own order, or `booking.decline`"),
        ("`pending_provider`", "", "provider", "`booking.approve` or `booking.decline`"),
        ("`in_progress`", "`creating`", "provider", "`booking.report`: `accepted`, milestones, `active`"),
        ("`completed`, `partial`", "`active`, `suspended`", "provider", "the same, about a change"),
        ("`completed`, `partial`", "`updating`", "provider", "`booking.report`: `active` or `failed`"),
        ("`completed`, `partial`", "`terminating`", "provider", "`booking.report`: `dismantled`"),
        ("`assessing_cancellation`", "`creating`", "provider", "`booking.concede` or `booking.decline`"),
        ("`pending_cancellation`", "`terminating`", "provider", "`booking.report`: `dismantled`"),
    ),
)

CONNECTING = f"""\
**Connection.** Plain NATS. A member proves itself with an NKey (Ed25519), whose public half stands in the
register of members; the key leads to an account of the member's own. In that account only the subjects
named here exist. Nobody can speak for another member: the server puts the sender's name in, and a `source`
that says otherwise is refused.

**Messages.** CloudEvents 1.0 in structured JSON mode: UTF-8 without a byte order mark, at most
{MESSAGE_BYTES_MAX:,} bytes, no key twice in one object, depth below 200. Commands are closed: an unknown
field is refused. Events are open: pass over fields you do not know, and acknowledge and pass over types you
do not know. Quantities and prices are decimal numbers written as text: calculate with them as decimals.
Other numbers are integers, save in the answers to an order form; money is a number of euro cents. All but
sums of money stay within 2^53: a reader that holds integers as floating point must refuse what is beyond.
Days are those of Europe/Berlin, moments carry their offset (RFC 3339), text for people is in Unicode NFC
without hidden characters and without white space around it, UUIDs are in lower case with hyphens.

**Sending a command.** Publish it to its subject as a JetStream publish, with a UUID of your own as `id` and
the header `Nats-Msg-Id: <type>:<id>:<digest>`, where the digest is the first 32 hexadecimal digits of the
SHA-256 of the bytes of `data` as they stand in the body. The acknowledgement says that the command is
stored, a duplicate included; it is not the outcome. Without an acknowledgement it may be stored or not.

**Repeat until you see the outcome.** Send the command again with the same `id`, for instance after 5, 10,
20, ... seconds, until an event arrives whose `causationid` is the command's `id` and whose type is one of
the command's outcomes (others may have given the same id to commands of theirs). The same `id` with the
same `data` leads to the same outcome, however often it is sent, by whichever of your processes; `time` and
trace may differ. The same `id` with other `data` is refused (`id_conflict`). So derive the `id` from what
is to be done, or keep it before you send, and with it whatever you could not make again, such as sealed
data.

For two minutes the stream takes a repetition under the same header for what it has already: its
acknowledgement says `duplicate`, and nobody hears the repetition. To hear an outcome again sooner, as after
a restart, append a colon and a text of your own to the header. An outcome told again goes to the sender
only and is an event with an `id` of its own; its `causationid` is the same.

**Receiving events.** Set the JetStream API prefix `{subjects.MEMBER_API_PREFIX}` and pull from the durable
consumer `{subjects.event_durable("<member>")}` of the stream `{subjects.EVENT_STREAM}`, which exists
already; acknowledge each event explicitly (`AckExplicit`) once it is stored on your side. What is not
acknowledged within 30 seconds comes again, and then not in its place. There is one durable consumer for
each member: programs that pull from it share the events. Subscribe to `{_EVENTS}.>` for what is meant for
you, and to `{_BULLETIN}.>` for what is meant for everybody, to hear it live, without a guarantee. An event
may come twice: its `id` tells.

**Noticing a loss.** The durable consumer delivers at `ev.<audience>.<service>.<noun>.<verb>`, where the
audience is you or `{subjects.EVERYONE}`. `sequence` counts 1, 2, 3, ... for each `producerinstance` and
audience; take the first number that you see of an instance as it is, and pass over those you have seen. A
gap is a loss, to be made good by the queries.

**Asking.** Send the plain JSON of the request to the query's subject with a reply inbox. The answer is
plain JSON; a refusal comes with the header `Allmende-Rejected` and the body of a rejection. Ask again when
nobody answers within some seconds, and after the refusal `unavailable`. A page names in `next_after` what
to send as `after` for the next one; on the last page it is null.

**The life of a booking.** The `id` of `booking.request` becomes the booking's id. `state` tells where the
order stands, `instance` where the service does; `waits_for` says which side must act, `until` by when,
before the clock decides. Act on what `ask.brokerage.booking.show` tells rather than on an event alone,
which may be late: its `number` counts the changes, so that an id derived from booking, number and step is
the same whenever the decision is.

{_LIFE}
**Sealed access data.** A member's public X25519 key for it stands in the register; a provider finds that of
the consumer in `consumer_sealing_key` of `ask.brokerage.booking.show`. `access.share` carries a sealed box
of libsodium (`crypto_box_seal`) in base64, with padding, and names the key in `sealed_to`. No query tells
it again: keep `access.shared` when it comes.
"""

_AUDIENCES = {
    Audience.SENDER: "the sender of the command",
    Audience.CONSUMER: "the consumer",
    Audience.PROVIDER: "the provider",
    Audience.MEMBER: "the member concerned",
    Audience.EVERYONE: "every member",
    Audience.OFFICE: "the office",
    Audience.CIRCLE: "those whom it concerns",
}


def _heard_by(message: MessageType) -> list[str]:
    return [_AUDIENCES[audience] for audience in message.audiences if audience in _AUDIENCES]


def _roles(name: str) -> list[dict[str, str]]:
    return [
        {"role": permission.role.value, "scope": permission.scope}
        for permission in permissions.TABLE
        if permission.name == name
    ]


def _said(roles: Iterable[dict[str, str]]) -> str:
    return ", ".join(f"{entry['role']} ({entry['scope']})" for entry in roles)


def _rejection_table() -> str:
    rows = ((f"`{code}`", *sentences) for code, sentences in sorted(rejections.SENTENCES.items()))
    return _table(("Code", "German", "English"), rows)


def page() -> str:
    """Write the contract as a Markdown page."""
    commands = [
        (
            f"`{member_command_subject(message)}`",
            f"[`{message.type}`]({_SCHEMA_FOLDER}/{message.name}.v{message.version}.json)",
            _said(_roles(message.name)),
            ", ".join(f"`{name}`" for name in message.outcomes),
            message.summary,
        )
        for message in registry.commands()
    ]
    events = [
        (
            ", ".join(f"`{root}.{message.name}`" for root in member_live_roots(message)),
            f"[`{message.type}`]({_SCHEMA_FOLDER}/{message.name}.v{message.version}.json)",
            ", ".join(_heard_by(message)),
            message.summary,
        )
        for message in registry.MESSAGES
        if not message.is_command
    ]
    queries = [
        (
            f"`{subjects.member_query_subject(query.service, query.noun, query.verb)}`",
            ", ".join(
                f"[{part}]({_SCHEMA_FOLDER}/{query.name}.{part}.v1.json)" for part in ("request", "reply")
            ),
            _said(_roles(query.name)),
            query.summary,
        )
        for query in registry.QUERIES
    ]
    documents = [
        (f"[`{name}`]({_SCHEMA_FOLDER}/{name}.json)", _docstring(model)[0])
        for name, model in DOCUMENTS.items()
    ]
    return (
        "# The messages of the market\n\n"
        "Generated by `python -m allmende.schemas.generate`; `asyncapi.json` and `json-schema/` say the same"
        " to machines.\n\n"
        f"{CONNECTING}\n"
        "## Commands\n\n"
        f"{_table(('Subject', 'Type', 'Who (whose)', 'Outcomes', 'What'), commands)}\n"
        "## Events\n\n"
        f"{_table(('Live subject', 'Type', 'Heard by', 'What'), events)}\n"
        "## Queries\n\n"
        f"{_table(('Subject', 'Schemas', 'Who (whose)', 'What'), queries)}\n"
        "## Documents\n\n"
        f"{_table(('Schema', 'What'), documents)}\n"
        "## Why something is refused\n\n"
        f"{_rejection_table()}"
    )


# -- AsyncAPI --------------------------------------------------------------------------------------


def asyncapi() -> Schema:
    """The AsyncAPI 3.0.0 document, told from the member's point of view."""
    channels: Schema = {}
    operations: Schema = {}
    messages: Schema = {}
    for message in registry.MESSAGES:
        channels[message.name] = _channel(message)
        operations[message.name] = _operation(message)
        messages[message.name] = _message(message)
    for query in registry.QUERIES:
        request, reply = f"{query.name}.request", f"{query.name}.reply"
        channels[request] = {
            "address": subjects.member_query_subject(query.service, query.noun, query.verb),
            "messages": {request: _ref("messages", request)},
        }
        channels[reply] = {
            "address": None,
            "description": "The inbox that the request names.",
            "messages": {reply: _ref("messages", reply), _REFUSED: _ref("messages", _REFUSED)},
        }
        operations[query.name] = _query_operation(query)
        for name, what in ((request, query.summary), (reply, f"Answer: {query.summary}")):
            messages[name] = {
                "name": name,
                "title": name,
                "summary": what,
                "contentType": "application/json",
                "payload": _ref("schemas", f"{name}.v1"),
                "tags": [{"name": query.service}],
            }
    messages[_REFUSED] = _refused_query()
    return {
        "asyncapi": "3.0.0",
        "id": "urn:allmende:market",
        "info": {
            "title": "Allmende",
            "version": VERSION,
            "description": f"{CONNECTING}\n## Why something is refused\n\n{_rejection_table()}",
            "license": {"name": "EUPL-1.2"},
        },
        "defaultContentType": "application/cloudevents+json",
        "servers": {
            "hub": {
                "host": "{host}",
                "protocol": "nats",
                "description": "The market's hub. A member's key leads to an account of its own.",
                "variables": {
                    "host": {"description": "Name and port of the hub.", "default": "localhost:4222"}
                },
                "security": [_ref("securitySchemes", "nkey")],
            }
        },
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": _components(),
            "securitySchemes": {
                "nkey": {
                    "type": "asymmetricEncryption",
                    "description": "NATS NKey (Ed25519); the register of members holds the public half.",
                }
            },
        },
        "x-allmende-rejections": {
            code: {"de": german, "en": english} for code, (german, english) in rejections.SENTENCES.items()
        },
    }


def _ref(section: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{section}/{name}"}


def _channel(message: MessageType) -> Schema:
    parts = (message.service, message.noun, message.verb)
    parameters: Schema = {}
    if message.is_command:
        address, where = member_command_subject(message), "Answered with a JetStream acknowledgement."
    else:
        roots = member_live_roots(message)
        address = f"{roots[0] if len(roots) == 1 else '{root}'}.{message.name}"
        if len(roots) > 1:
            told = f"{_BULLETIN}, if it is told to every member, else {_EVENTS}."
            parameters = {"root": {"enum": list(roots), "description": told}}
        where = (
            f"Live, without a guarantee. The durable consumer {subjects.event_durable('<member>')} delivers"
            f" the same body at {subjects.event_subject('<audience>', *parts)}."
        )
    return {
        "address": address,
        "summary": message.summary,
        "description": where,
        "messages": {message.name: _ref("messages", message.name)},
        **({"parameters": parameters} if parameters else {}),
    }


def _operation(message: MessageType) -> Schema:
    found: Schema = {
        "action": "send" if message.is_command else "receive",
        "channel": {"$ref": f"#/channels/{message.name}"},
        "summary": message.summary,
        "messages": [{"$ref": f"#/channels/{message.name}/messages/{message.name}"}],
        "tags": [{"name": message.service}],
    }
    if message.is_command:
        roles = _roles(message.name)
        found["description"] = (
            f"May be sent by: {_said(roles)}. Repeat with the same id until one of "
            f"{', '.join(message.outcomes)} arrives with this id as its causationid."
        )
        found["x-allmende-roles"] = roles
        found["x-allmende-outcomes"] = list(message.outcomes)
    else:
        found["description"] = f"Heard by: {', '.join(_heard_by(message))}."
        found["x-allmende-audiences"] = [audience.value for audience in message.audiences]
    return found


def _query_operation(query: QueryType) -> Schema:
    request, reply = f"{query.name}.request", f"{query.name}.reply"
    roles = _roles(query.name)
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{request}"},
        "summary": query.summary,
        "description": f"May be asked by: {_said(roles)}.",
        "messages": [{"$ref": f"#/channels/{request}/messages/{request}"}],
        "reply": {
            "address": {"location": "$message.header#/reply", "description": "The request's reply inbox."},
            "channel": {"$ref": f"#/channels/{reply}"},
            "messages": [{"$ref": f"#/channels/{reply}/messages/{name}"} for name in (reply, _REFUSED)],
        },
        "tags": [{"name": query.service}],
        "x-allmende-roles": roles,
    }


def _message(message: MessageType) -> Schema:
    headers: Schema = {
        "type": "object",
        "properties": {
            "traceparent": {"type": "string", "description": "W3C trace context, as in the body."}
        },
    }
    if message.is_command:
        headers["properties"]["Nats-Msg-Id"] = {
            "type": "string",
            "pattern": f"^{re.escape(message.type)}:{_UUID}:[0-9a-f]{{32}}(:[!-~]{{1,64}})?$",
            "description": (
                "The type, the id and the first 32 hexadecimal digits of the SHA-256 of data's bytes; "
                "to hear an outcome again within two minutes, a text of one's own behind them."
            ),
        }
        headers["required"] = ["Nats-Msg-Id"]
    return {
        "name": message.type,
        "title": message.name,
        "summary": message.summary,
        "contentType": "application/cloudevents+json",
        "headers": headers,
        "payload": _ref("schemas", f"{message.name}.v{message.version}"),
        "correlationId": {
            "location": f"$message.payload#/{'id' if message.is_command else 'causationid'}",
            "description": "A command's id; the causationid of the events that it leads to.",
        },
        "tags": [{"name": message.service}],
    }


_REFUSED = "query.refused"


def _refused_query() -> Schema:
    return {
        "name": _REFUSED,
        "title": _REFUSED,
        "summary": "A query was refused.",
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "properties": {
                "Allmende-Rejected": {"type": "string", "description": "A code of x-allmende-rejections."}
            },
            "required": ["Allmende-Rejected"],
        },
        "payload": _ref("schemas", f"{rejections.Rejection.__name__}.received"),
    }


_SUFFIX: dict[Kind, str] = {"command": "sent", "event": "received"}


def _components() -> Schema:
    """All schemas in one place. What is sent is closed, what is received is open, so both stand there."""
    found: Schema = {}
    for name, (kind, schema) in schemas().items():
        suffix = _SUFFIX[kind]
        for part in _objects(schema):
            if "$ref" in part:
                definition = part["$ref"].removeprefix("#/$defs/")
                part["$ref"] = f"#/components/schemas/{definition}.{suffix}"
        for definition, part in schema.pop("$defs", {}).items():
            if found.setdefault(f"{definition}.{suffix}", part) != part:
                raise ValueError(f"two different schemas are called {definition}")
        found[name] = {key: value for key, value in schema.items() if key not in {"$schema", "$id"}}
    return found


# -- files -----------------------------------------------------------------------------------------


def _written(document: Schema) -> str:
    return json.dumps(_ordered(document), indent=2, ensure_ascii=False) + "\n"


def _ordered(value: Any, *, fields: bool = False) -> Any:
    """Sort keys, except for the fields of a model, which stand as people read them."""
    if isinstance(value, dict):
        keys = value if fields else sorted(value)
        return {key: _ordered(value[key], fields=not fields and key == "properties") for key in keys}
    if isinstance(value, list):
        return [_ordered(part) for part in value]
    return value


def files() -> dict[str, str]:
    """Every generated file: its path below the output folder, and its text."""
    found = {f"{_SCHEMA_FOLDER}/{name}.json": _written(schema) for name, (_, schema) in schemas().items()}
    return found | {"asyncapi.json": _written(asyncapi()), "README.md": page()}


def _present(output: Path) -> dict[str, str]:
    return {
        path.relative_to(output).as_posix(): path.read_text("utf-8")
        for path in sorted(output.rglob("*"))
        if path.is_file()
    }


def drift(output: Path = OUTPUT) -> list[str]:
    """Name the files that are missing, changed or superfluous."""
    wanted, present = files(), _present(output)
    return [
        *(f"missing: {name}" for name in sorted(wanted.keys() - present.keys())),
        *(
            f"changed: {name}"
            for name in sorted(wanted.keys() & present.keys())
            if wanted[name] != present[name]
        ),
        *(f"superfluous: {name}" for name in sorted(present.keys() - wanted.keys())),
    ]


def breaks(output: Path = OUTPUT) -> list[str]:
    """Say what in the present code breaks the contract published in a folder."""
    found = []
    new = schemas()
    for path in sorted((output / _SCHEMA_FOLDER).glob("*.json")):
        name = path.name.removesuffix(".json")
        if name not in new:
            found.append(f"{name}: is no longer there")
            continue
        kind, schema = new[name]
        old = json.loads(path.read_text("utf-8"))
        found += [f"{name}: {reason}" for reason in incompatibilities(old, schema, kind)]
    return found


def write(output: Path = OUTPUT) -> None:
    """Write every file and remove what no longer belongs there."""
    wanted = files()
    for name in _present(output).keys() - wanted.keys():
        (output / name).unlink()
    for name, text in wanted.items():
        path = output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8", newline="\n")


_NEW_VERSION = (
    "This breaks members who know the published contract. Give the message a new version beside the old one "
    "(registry: version=2), or use --allow-breaking as long as nobody relies on it.\n"
)


def main(arguments: list[str] | None = None) -> int:
    """Write or check the published contract; 1 when it drifts or would break."""
    parser = argparse.ArgumentParser(prog="python -m allmende.schemas.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, list what differs")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="the folder of the published contract")
    parser.add_argument("--allow-breaking", action="store_true", help="overwrite even what members rely on")
    options = parser.parse_args(arguments)
    broken = [] if options.allow_breaking else breaks(options.output)
    if broken:
        sys.stderr.write("".join(f"breaking: {line}\n" for line in broken) + _NEW_VERSION)
    if options.check:
        differences = drift(options.output)
        sys.stderr.write("".join(f"{line}\n" for line in differences))
        return 1 if broken or differences else 0
    if broken:
        return 1
    write(options.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
