import datetime as dt
import json
from typing import Any

import pytest
from support import examples

from allmende.schemas import registry
from allmende.schemas.contract import Unreadable, read
from allmende.schemas.envelope import dataschema, number, seal

COMMAND = registry.message("brokerage.booking.request")
EVENT = registry.message("brokerage.booking.confirmed")


def sealed(**changes: Any) -> bytes:
    attributes: dict[str, Any] = {
        "id": examples.BOOKING_ID,
        "source": "/services/brokerage",
        "type": EVENT.type,
        "time": examples.NOW,
        "data_json": examples.booking().model_dump_json().encode(),
    }
    return seal(**(attributes | changes))


def test_what_is_not_given_is_left_out() -> None:
    found = json.loads(sealed())
    assert list(found) == [
        "specversion", "id", "source", "type", "time", "datacontenttype", "dataschema", "data",
    ]  # fmt: skip
    assert (
        found["dataschema"] == dataschema(EVENT.type) == "urn:allmende:schema:brokerage.booking.confirmed.v1"
    )


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (dt.datetime(2026, 4, 1, tzinfo=dt.UTC), "2026-04-01T00:00:00Z"),
        (dt.datetime(2026, 4, 1, 0, 0, 0, 5, tzinfo=dt.UTC), "2026-04-01T00:00:00.000005Z"),
        (
            dt.datetime(2026, 4, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))),
            "2026-03-31T22:00:00Z",
        ),
    ],
)
def test_time_is_written_in_utc(time: dt.datetime, text: str) -> None:
    body = sealed(time=time)
    assert json.loads(body)["time"] == text
    assert read(EVENT.envelope, body).time == time


def test_data_travels_byte_by_byte() -> None:
    data = examples.booking().model_dump_json().encode()
    assert sealed(data_json=data).endswith(b',"data":' + data + b"}")


def test_text_is_not_escaped_but_quoted() -> None:
    body = sealed(subject='Förde "1" \\ €')
    assert "Förde".encode() in body
    assert read(EVENT.envelope, body).subject == 'Förde "1" \\ €'


def test_a_number_is_added_and_nothing_else() -> None:
    body = number(sealed(), sequence=7, producerinstance="brokerage-1")
    found = json.loads(body)
    assert (found.pop("sequence"), found.pop("producerinstance")) == ("7", "brokerage-1")
    assert found == json.loads(sealed())
    read(EVENT.envelope, body)


@pytest.mark.parametrize("sequence", [0, -1, 10**19])
def test_a_sequence_counts_from_one(sequence: int) -> None:
    with pytest.raises(Unreadable):
        read(EVENT.envelope, number(sealed(), sequence=sequence, producerinstance="brokerage-1"))


def test_a_number_given_twice_is_noticed() -> None:
    once = number(sealed(), sequence=1, producerinstance="brokerage-1")
    with pytest.raises(Unreadable) as caught:
        read(EVENT.envelope, number(once, sequence=2, producerinstance="brokerage-1"))
    assert caught.value.code == "duplicate_key"


def test_a_command_has_no_cause_and_no_number() -> None:
    body = examples.sealed(COMMAND.name)
    for name in ("causationid", "sequence", "producerinstance"):
        with pytest.raises(Unreadable) as caught:
            read(COMMAND.envelope, body[:-1] + f',"{name}":"1"}}'.encode())
        assert caught.value.field == name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("type", "allmende.brokerage.booking.confirmed"),
        ("type", "allmende.brokerage.booking.confirmed.v0"),
        ("type", "allmende.Brokerage.booking.confirmed.v1"),
        ("traceparent", "00-0-0-01"),
        ("traceparent", ""),
        ("dataschema", "a b"),
        ("dataschema", ""),
        ("datacontenttype", "text/plain"),
        ("id", "1"),
    ],
)
def test_attributes_keep_to_their_form(name: str, value: str) -> None:
    found = json.loads(sealed())
    found[name] = value
    with pytest.raises(Unreadable) as caught:
        read(EVENT.envelope, json.dumps(found).encode())
    assert caught.value.field == name


def test_optional_attributes_may_be_null() -> None:
    found = json.loads(sealed()) | dict.fromkeys(("subject", "traceparent", "causationid", "dataschema"))
    assert read(EVENT.envelope, json.dumps(found).encode()).subject is None
