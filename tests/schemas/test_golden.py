"""What travels stays as it is: every message and query against a file that was read by people.

New files are written by `UPDATE_GOLDEN=1 pytest tests/schemas/test_golden.py`, on purpose only.
"""

import json
import os
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from support import examples

from allmende.schemas import generate, registry
from allmende.schemas.contract import Contract, read
from allmende.schemas.envelope import number, seal

GOLDEN = Path(__file__).parent / "golden"
MESSAGES = [message.name for message in registry.MESSAGES]
QUERIES = [query.name for query in registry.QUERIES]
SCHEMAS = {name: schema for name, (_, schema) in generate.schemas().items()}

if os.environ.get("UPDATE_GOLDEN"):

    def written(body: bytes) -> str:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False) + "\n"

    for name in MESSAGES:
        (GOLDEN / f"{name}.json").write_text(written(examples.sealed(name)), "utf-8")
    for name in QUERIES:
        for part, model in (("request", examples.query_request(name)), ("reply", examples.query_reply(name))):
            (GOLDEN / f"{name}.{part}.json").write_text(written(model.model_dump_json().encode()), "utf-8")


def golden(name: str) -> object:
    return json.loads((GOLDEN / f"{name}.json").read_text("utf-8"))


def compact(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def ordered(body: bytes) -> object:
    """JSON in which the order of keys counts."""
    return json.loads(body, object_pairs_hook=list)


def against_schema(value: object, schema: str) -> list[str]:
    validator = Draft202012Validator(SCHEMAS[schema], format_checker=FormatChecker())
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def test_every_entry_of_the_registry_has_a_golden_file_and_nothing_else_has() -> None:
    wanted = {*MESSAGES, *(f"{name}.{part}" for name in QUERIES for part in ("request", "reply"))}
    assert {path.name.removesuffix(".json") for path in GOLDEN.iterdir()} == wanted


@pytest.mark.parametrize("name", MESSAGES)
def test_the_example_is_sealed_as_it_was(name: str) -> None:
    assert ordered(examples.sealed(name)) == ordered(compact(golden(name)))


@pytest.mark.parametrize("name", MESSAGES)
def test_reading_and_sealing_again_changes_nothing(name: str) -> None:
    body = examples.sealed(name)
    message = registry.message(name)
    found = read(message.envelope, compact(golden(name)), tolerant=not message.is_command)
    again = seal(
        id=found.id,
        source=found.source,
        type=found.type,
        time=found.time,
        data_json=found.data.model_dump_json().encode(),
        subject=found.subject,
        traceparent=found.traceparent,
        causationid=None if message.is_command else found.causationid,
    )
    assert again == body
    assert found.data == examples.payload(name)
    assert found.type == message.type


@pytest.mark.parametrize("name", [name for name in MESSAGES if not registry.message(name).is_command])
def test_a_numbered_event_is_valid_and_otherwise_the_same(name: str) -> None:
    body = number(examples.sealed(name), sequence=2**63 - 1, producerinstance="brokerage-0196a3c4")
    envelope = registry.message(name).envelope
    found, before = read(envelope, body), read(envelope, examples.sealed(name))
    assert (found.sequence, found.producerinstance) == (str(2**63 - 1), "brokerage-0196a3c4")
    assert found.model_copy(update={"sequence": None, "producerinstance": None}) == before
    assert against_schema(json.loads(body), f"{name}.v1") == []


@pytest.mark.parametrize("name", MESSAGES)
def test_the_golden_message_keeps_to_the_published_schema(name: str) -> None:
    assert against_schema(golden(name), f"{name}.v1") == []


@pytest.mark.parametrize("part", ["request", "reply"])
@pytest.mark.parametrize("name", QUERIES)
def test_a_query_is_written_as_it_was(name: str, part: str) -> None:
    example = examples.query_request(name) if part == "request" else examples.query_reply(name)
    query = registry.query(name)
    model: type[Contract] = query.request if part == "request" else query.reply
    found = golden(f"{name}.{part}")
    assert ordered(example.model_dump_json().encode()) == ordered(compact(found))
    assert read(model, compact(found)) == example
    assert against_schema(found, f"{name}.{part}.v1") == []


@pytest.mark.parametrize("name", MESSAGES)
def test_the_schema_refuses_what_the_reader_refuses(name: str) -> None:
    message = registry.message(name)
    for key in ("specversion", "id", "source", "type", "time", "data"):
        body = {k: v for k, v in golden(name).items() if k != key}  # type: ignore[attr-defined]
        assert against_schema(body, f"{name}.v1")
        with pytest.raises(ValueError, match=rf"^{key}: Field required"):
            read(message.envelope, compact(body))


@pytest.mark.parametrize("name", MESSAGES)
def test_unknown_fields_are_refused_in_commands_and_passed_over_in_events(name: str) -> None:
    message = registry.message(name)
    body = golden(name)
    assert isinstance(body, dict)
    for changed in ({**body, "new": 1}, {**body, "data": {**body["data"], "new": 1}}):
        if message.is_command:
            assert against_schema(changed, f"{name}.v1")
            with pytest.raises(ValueError, match="Extra inputs"):
                read(message.envelope, compact(changed))
        else:
            assert against_schema(changed, f"{name}.v1") == []
            assert read(message.envelope, compact(changed), tolerant=True).data == examples.payload(name)
