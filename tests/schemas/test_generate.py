import hashlib
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from support import examples

from allmende.schemas import generate, permissions, registry, rejections, subjects
from allmende.schemas.envelope import dataschema

SCHEMAS = generate.schemas()
DOCUMENT = generate.asyncapi()
FILES = generate.files()


def objects(value: Any) -> Any:
    return list(generate._objects(value))


def resolved(reference: str) -> Any:
    found: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def members_view(message: registry.MessageType) -> str:
    return f"{message.name}.v{message.version}"


# -- JSON Schemas ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_a_schema_is_valid_and_names_itself(name: str) -> None:
    _, schema = SCHEMAS[name]
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:allmende:schema:{name}"
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    references = {part["$ref"] for part in objects(schema) if "$ref" in part}
    assert {reference.removeprefix("#/$defs/") for reference in references} == set(schema.get("$defs", ()))


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_what_is_sent_is_closed_and_what_is_received_is_open(name: str) -> None:
    kind, schema = SCHEMAS[name]
    for part in objects(schema):
        if kind == "event":
            assert part.get("additionalProperties") is not False
        elif part.get("type") == "object":
            assert part.get("additionalProperties", False) is not True
            assert "additionalProperties" in part


@pytest.mark.parametrize("message", registry.MESSAGES, ids=lambda message: message.name)
def test_a_message_says_what_it_is(message: registry.MessageType) -> None:
    fields = SCHEMAS[members_view(message)][1]["properties"]
    assert fields["type"]["const"] == message.type
    assert fields["dataschema"]["const"] == dataschema(message.type)
    side = "members" if message.is_command else "services"
    assert re.search(fields["source"]["pattern"], f"/{side}/abc")
    assert not re.search(fields["source"]["pattern"], "/portal/abc")


def test_nothing_of_other_dialects_is_left() -> None:
    for _, schema in SCHEMAS.values():
        assert not [part for part in objects(schema) if "discriminator" in part]


def test_fields_are_described_by_the_docstrings() -> None:
    component = SCHEMAS["catalog.offering.publish.v1"][1]["$defs"]["Component"]
    assert component["description"] == "One line of a tariff (TM Forum: product offering price)."
    assert component["properties"]["measure"]["description"].startswith("the quantity of the order form")
    assert component["properties"]["billing"]["description"].endswith(
        "whenever a booking changes to this plan."
    )


# -- AsyncAPI --------------------------------------------------------------------------------------


def test_every_reference_leads_somewhere() -> None:
    references = [part["$ref"] for part in objects(DOCUMENT) if isinstance(part.get("$ref"), str)]
    assert len(references) > 100
    for reference in references:
        assert resolved(reference) is not None


def test_every_schema_of_the_document_is_valid() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_entry_of_the_registry_stands_there_once() -> None:
    said = Counter(
        name
        for channel in DOCUMENT["channels"].values()
        for name in channel["messages"]
        if name != "query.refused"
    )
    wanted = [message.name for message in registry.MESSAGES]
    wanted += [f"{query.name}.{part}" for query in registry.QUERIES for part in ("request", "reply")]
    assert said == Counter(wanted)
    assert set(DOCUMENT["components"]["messages"]) == {*wanted, "query.refused"}
    assert set(DOCUMENT["operations"]) == {m.name for m in registry.MESSAGES} | {
        q.name for q in registry.QUERIES
    }


def test_addresses_are_the_members_own_and_each_leads_to_one_message() -> None:
    addresses = [channel["address"] for channel in DOCUMENT["channels"].values() if channel["address"]]
    assert len(set(addresses)) == len(addresses)
    assert DOCUMENT["channels"]["brokerage.booking.request"]["address"] == "booking.request"
    assert (
        DOCUMENT["channels"]["brokerage.booking.confirmed"]["address"] == "events.brokerage.booking.confirmed"
    )
    assert DOCUMENT["channels"]["billing.levy.charged"]["address"] == "bulletin.billing.levy.charged"
    assert DOCUMENT["channels"]["catalog.offering.list.request"]["address"] == "ask.catalog.offering.list"
    assert not [address for address in addresses if address.startswith(("cmd.", "ev.", "fact."))]


def test_what_is_told_to_a_circle_is_heard_in_one_of_two_places() -> None:
    channel = DOCUMENT["channels"]["catalog.offering.published"]
    assert channel["address"] == "{root}.catalog.offering.published"
    assert channel["parameters"]["root"]["enum"] == ["bulletin", "events"]
    assert (
        "| `bulletin.catalog.offering.published`, `events.catalog.offering.published` |" in FILES["README.md"]
    )


def test_everybody_who_hears_an_event_is_named() -> None:
    for message in registry.MESSAGES:
        if not message.is_command:
            assert generate._heard_by(message)


@pytest.mark.parametrize("message", registry.MESSAGES, ids=lambda message: message.name)
def test_a_message_is_told_from_the_members_side(message: registry.MessageType) -> None:
    operation = DOCUMENT["operations"][message.name]
    assert operation["action"] == ("send" if message.is_command else "receive")
    told = resolved(resolved(operation["messages"][0]["$ref"])["$ref"])
    assert told["name"] == message.type
    payload = resolved(told["payload"]["$ref"])
    assert payload["properties"]["type"]["const"] == message.type
    kind = "sent" if message.is_command else "received"
    data = payload["properties"]["data"]["$ref"]
    assert data == f"#/components/schemas/{message.data.__name__}.{kind}"
    if message.is_command:
        assert operation["x-allmende-outcomes"] == list(message.outcomes)


def test_a_query_is_a_request_with_a_reply_in_an_inbox() -> None:
    for query in registry.QUERIES:
        operation = DOCUMENT["operations"][query.name]
        assert operation["action"] == "send"
        assert resolved(operation["reply"]["channel"]["$ref"])["address"] is None
        names = [reference["$ref"].rpartition("/")[2] for reference in operation["reply"]["messages"]]
        assert names == [f"{query.name}.reply", "query.refused"]


def test_roles_are_those_of_the_permission_table() -> None:
    told = {
        (entry["role"], name, entry["scope"])
        for name, operation in DOCUMENT["operations"].items()
        for entry in operation.get("x-allmende-roles", ())
    }
    assert told == {(row.role.value, row.name, row.scope) for row in permissions.TABLE}


def test_the_message_id_is_that_of_the_description() -> None:
    name = "brokerage.booking.request"
    headers = DOCUMENT["components"]["messages"][name]["headers"]
    digest = hashlib.sha256(examples.payload(name).model_dump_json().encode()).hexdigest()[:32]
    header = f"{registry.message(name).type}:{examples.BOOKING_ID}:{digest}"
    for said in (header, f"{header}:once-more"):
        assert re.search(headers["properties"]["Nats-Msg-Id"]["pattern"], said)
    assert headers["required"] == ["Nats-Msg-Id"]


def test_every_reason_for_a_refusal_is_told() -> None:
    assert set(DOCUMENT["x-allmende-rejections"]) == set(rejections.SENTENCES)
    for code in rejections.SENTENCES:
        assert f"| `{code}` |" in DOCUMENT["info"]["description"]
        assert f"| `{code}` |" in FILES["README.md"]


def test_the_connection_is_described() -> None:
    for word in (
        subjects.MEMBER_API_PREFIX,
        "ev_<member>",
        "NKey",
        "events.>",
        "bulletin.>",
        "causationid",
        "Nats-Msg-Id",
    ):
        assert word in DOCUMENT["info"]["description"]
        assert word in FILES["README.md"]


def test_links_of_the_page_lead_to_files() -> None:
    links = re.findall(r"\]\(([^)]+)\)", FILES["README.md"])
    assert len(links) == len(SCHEMAS)
    assert set(links) <= set(FILES)


# -- files -----------------------------------------------------------------------------------------


def test_the_published_contract_is_up_to_date() -> None:
    assert generate.drift() == []
    assert generate.breaks() == []


def test_files_end_with_a_new_line_and_hold_sorted_json() -> None:
    for name, text in FILES.items():
        assert text.endswith("\n")
        assert "\r" not in text
        if name.endswith(".json"):
            found = json.loads(text)
            assert list(found) == sorted(found)
    order = list(json.loads(FILES["json-schema/brokerage.booking.request.v1.json"])["properties"])
    assert order[:5] == ["specversion", "id", "source", "type", "time"]


def test_writing_twice_gives_the_same_files(tmp_path: Path) -> None:
    assert generate.main(["--output", str(tmp_path)]) == 0
    first = generate._present(tmp_path)
    assert generate.main(["--output", str(tmp_path)]) == 0
    assert generate._present(tmp_path) == first == FILES
    assert generate.main(["--check", "--output", str(tmp_path)]) == 0


def test_drift_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate.write(tmp_path)
    (tmp_path / "README.md").unlink()
    (tmp_path / "asyncapi.json").write_text("{}\n", "utf-8")
    (tmp_path / "json-schema" / "old.txt").write_text("", "utf-8")
    assert generate.main(["--check", "--output", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        "missing: README.md\nchanged: asyncapi.json\nsuperfluous: json-schema/old.txt\n"
    )


def test_an_empty_folder_is_drift(tmp_path: Path) -> None:
    assert generate.main(["--check", "--output", str(tmp_path / "nothing")]) == 1


def published_otherwise(output: Path, name: str, change: Any) -> Path:
    """A published contract in which one schema said something else."""
    generate.write(output)
    path = output / "json-schema" / f"{name}.json"
    schema = json.loads(path.read_text("utf-8"))
    change(schema)
    path.write_text(generate._written(schema), "utf-8")
    return path


def test_a_break_is_refused_unless_allowed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "brokerage.booking.request.v1"

    def once_had_a_note(schema: Any) -> None:
        schema["$defs"]["RequestBooking"]["properties"]["note"] = {"type": "string"}

    path = published_otherwise(tmp_path, name, once_had_a_note)
    before = path.read_text("utf-8")
    for arguments in ([], ["--check"]):
        assert generate.main([*arguments, "--output", str(tmp_path)]) == 1
        told = capsys.readouterr().err
        assert f"breaking: {name}: data.note: was removed\n" in told
        assert "new version" in told
        assert path.read_text("utf-8") == before
    assert generate.main(["--allow-breaking", "--output", str(tmp_path)]) == 0
    assert generate._present(tmp_path) == FILES


def test_an_event_that_was_narrower_is_a_break(tmp_path: Path) -> None:
    def was_always_there(schema: Any) -> None:
        schema["$defs"]["BookingConfirmed"]["required"].append("reference")

    published_otherwise(tmp_path, "brokerage.booking.confirmed.v1", was_always_there)
    assert generate.breaks(tmp_path) == [
        "brokerage.booking.confirmed.v1: data.reference: is no longer always there"
    ]


def test_what_goes_on_is_written(tmp_path: Path) -> None:
    def had_no_reference(schema: Any) -> None:
        del schema["$defs"]["RequestBooking"]["properties"]["reference"]

    published_otherwise(tmp_path, "brokerage.booking.request.v1", had_no_reference)
    assert generate.main(["--check", "--output", str(tmp_path)]) == 1
    assert generate.main(["--output", str(tmp_path)]) == 0


def test_a_message_that_vanishes_is_a_break(tmp_path: Path) -> None:
    generate.write(tmp_path)
    (tmp_path / "json-schema" / "catalog.offering.praise.v1.json").write_text("{}", "utf-8")
    assert generate.breaks(tmp_path) == ["catalog.offering.praise.v1: is no longer there"]
