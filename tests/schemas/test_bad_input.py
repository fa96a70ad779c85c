"""Bad input over a command with a map and one with a list: refused with a code, or brought into one form.

The second half shows that the guard matters: ordinary models of the same shape take many of the same bodies.
"""

import datetime as dt
import gzip
import json
import re
import unicodedata
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import examples

from allmende.schemas import registry
from allmende.schemas.contract import MESSAGE_BYTES_MAX, Unreadable, read
from allmende.schemas.rejections import SENTENCES

BOOKING = "brokerage.booking.request"
USAGE = "billing.usage.report"
UUID = "0196a3c4-7e1b-7c55-9d1e-3f5a6b7c8d9e"
DEEP = 100_000


def parsed(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(examples.sealed(name))
    return found


def having(name: str, path: str, value: Any) -> bytes:
    """The example with one place set."""
    body = parsed(name)
    *way, last = path.split("/")
    place: Any = body
    for step in way:
        place = place[int(step) if isinstance(place, list) else step]
    place[last] = value
    return json.dumps(body).encode()


def raw(name: str, path: str, text: bytes) -> bytes:
    """The example with one place spelled by hand."""
    return having(name, path, "@@").replace(b'"@@"', text)


def attempt(name: str, body: bytes) -> Any:
    return read(registry.message(name).envelope, body)


QUANTITY = {BOOKING: "data/quantities/vcpu", USAGE: "data/records/0/quantity"}
TEXT = {BOOKING: "data/reference", USAGE: "data/records/0/id"}
ID = {BOOKING: "id", USAGE: "data/records/0/booking_id"}
OBJECT = {BOOKING: "data/quantities", USAGE: "data/records/0"}

BAD_QUANTITIES: dict[str, Any] = {
    "nan": "NaN",
    "infinity": "Infinity",
    "minus infinity": "-Infinity",
    "exponent": "1e30",
    "10^30 in digits": "1" + "0" * 30,
    "5,000 digits": "9" * 5_000,
    "5,000 decimals": "0." + "1" * 5_000,
    "negative": "-1",
    "too fine": "0.0000000001",
    "bool": True,
    "whole number": 4,
    "float": 4.5,
    "null": None,
    "list": ["4"],
    "empty": "",
    "plus sign": "+4",
    "leading zero": "04",
    "no whole digit": ".5",
    "no decimal": "4.",
    "underscore": "1_000",
    "thousands separator": "1,000",
    "white space": " 4",
    "new line": "4\n",
    "full-width digit": "４",
    "arabic digit": "٤",
    "hexadecimal": "0x4",
}

BAD_NUMBERS: dict[str, bytes] = {
    "nan": b"NaN",
    "infinity": b"Infinity",
    "minus infinity": b"-Infinity",
    "beyond float": b"1e400",
    "5,000 digits": b"9" * 5_000,
}

BAD_DAYS: dict[str, Any] = {
    "year 1": "0001-01-01",
    "year 9999": "9999-12-31",
    "too early": "1989-12-31",
    "too late": "2200-01-01",
    "with a time": "2026-04-01T00:00:00Z",
    "seconds since 1970": 1_775_001_600,
    "seconds since 1970 as text": "1775001600",
    "without hyphens": "20260401",
    "a week": "2026-W14-3",
    "no such day": "2026-02-30",
    "full-width": "２０２６-04-01",
    "bool": True,
}

BAD_INSTANTS: dict[str, Any] = {
    "naive": "2026-04-01T10:00:00",
    "year 1": "0001-01-01T00:00:00Z",
    "year 1, earlier in UTC": "0001-01-01T00:00:00+14:00",
    "year 9999": "9999-12-31T23:59:59Z",
    "year 9999, later in UTC": "9999-12-31T23:59:59-14:00",
    "too early in UTC only": "1990-01-01T00:00:00+14:00",
    "too late in UTC only": "2199-12-31T23:00:00-12:00",
    "seconds since 1970": 1_775_001_600,
    "seconds since 1970 as text": "1775001600",
    "milliseconds as text": "1775001600000",
    "fraction as text": "1775001600.5",
    "a date": "2026-04-01",
    "a space": "2026-04-01 10:00:00Z",
    "an underscore": "2026-04-01_10:00:00Z",
    "a minus sign": "2026-04-01T10:00:00\N{MINUS SIGN}02:00",
    "no seconds": "2026-04-01T10:00Z",
    "hour 24": "2026-04-01T24:00:00Z",
    "second 60": "2026-04-01T10:00:60Z",
    "offset without colon": "2026-04-01T10:00:00+0200",
    "offset of 25 hours": "2026-04-01T10:00:00+25:00",
}

BAD_TEXTS: dict[str, str] = {
    "nul": "a\0b",
    "new line": "a\nb",
    "tab": "a\tb",
    "escape": "a\x1b[31mb",
    "delete": "a\x7fb",
    "next line": "a\x85b",
    "line separator": "a\u2028b",
    "paragraph separator": "a\u2029b",
    "right-to-left override": "a\u202eb",
    "isolate": "a\u2066b",
    "zero-width space": "a\u200bb",
    "zero-width joiner": "a\u200db",
    "byte order mark": "\ufeffa",
    "soft hyphen": "a\u00adb",
    "tag": "a\U000e0041b",
    "private use": "a\ue000b",
    "unassigned": "a\uffffb",
    "hangul filler": "a\u3164b",
    "empty": "",
    "blank": " ",
    "white space behind": "a ",
    "no-break space before": "\u00a0a",
    "long": "x" * 201,
    "long once composed": "\u0958" * 120,
    "piled up": "a" + "\u0301" * 31,
}

BAD_IDS: dict[str, Any] = {
    "upper case": UUID.upper(),
    "braces": f"{{{UUID}}}",
    "urn": f"urn:uuid:{UUID}",
    "no hyphens": UUID.replace("-", ""),
    "new line": f"{UUID}\n",
    "white space": f" {UUID}",
    "full-width": UUID.replace("0", "０"),
    "number": 1,
    "empty": "",
}

DUPLICATES: dict[str, Callable[[bytes], bytes]] = {
    "at the top": lambda body: body[:-1] + f',"id":"{UUID}"}}'.encode(),
    "spelled with an escape": lambda body: body[:-1] + f',"\\u0069d":"{UUID}"}}'.encode(),
    "in data": lambda body: re.sub(rb'"data":{("\w+":)', rb'"data":{\1null,\1', body),
}

WHOLE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "malformed_json"),
    "white space": (lambda _: b" \n", "malformed_json"),
    "null": (lambda _: b"null", "invalid_field"),
    "list": (lambda _: b"[]", "invalid_field"),
    "list around": (lambda body: b"[" + body + b"]", "invalid_field"),
    "text": (lambda body: json.dumps(body.decode()).encode(), "invalid_field"),
    "number": (lambda _: b"1", "invalid_field"),
    "byte order mark": (lambda body: b"\xef\xbb\xbf" + body, "malformed_json"),
    "utf-16": (lambda body: body.decode().encode("utf-16"), "malformed_json"),
    "utf-16 without mark": (lambda body: body.decode().encode("utf-16-le"), "malformed_json"),
    "utf-32": (lambda body: body.decode().encode("utf-32-be"), "malformed_json"),
    "compressed": (gzip.compress, "malformed_json"),
    "trailing data": (lambda body: body + b"x", "malformed_json"),
    "a second message": (lambda body: body + body, "malformed_json"),
    "trailing nul": (lambda body: body + b"\0", "malformed_json"),
    "comment": (lambda body: body + b"//", "malformed_json"),
    "cut off": (lambda body: body[:-1], "malformed_json"),
    "single quotes": (lambda body: body.replace(b'"', b"'"), "malformed_json"),
    "100,000 arrays": (lambda _: b"[" * DEEP + b"]" * DEEP, "malformed_json"),
    "100,000 arrays left open": (lambda _: b"[" * DEEP, "malformed_json"),
    "100,000 objects": (lambda _: b'{"a":' * (DEEP // 2) + b"1" + b"}" * (DEEP // 2), "malformed_json"),
    "1 MB": (lambda body: body + b" " * 2**20, "too_large"),
}


def refused(name: str, body: bytes, code: str = "invalid_field") -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        attempt(name, body)
    error = caught.value
    assert error.code == code
    assert error.code in SENTENCES
    assert str(error).isprintable()
    assert len(error.field) <= 300
    assert len(error.detail) <= 500
    return error


both = pytest.mark.parametrize("name", [BOOKING, USAGE])


@both
@pytest.mark.parametrize("value", BAD_QUANTITIES.values(), ids=BAD_QUANTITIES)
def test_quantity(name: str, value: Any) -> None:
    refused(name, having(name, QUANTITY[name], value))


@both
@pytest.mark.parametrize("text", BAD_NUMBERS.values(), ids=BAD_NUMBERS)
def test_quantity_as_a_number(name: str, text: bytes) -> None:
    code = "malformed_json" if len(text) > 1_000 else "invalid_field"
    refused(name, raw(name, QUANTITY[name], text), code)


@both
@pytest.mark.parametrize("text", ["0", "0.0", "-0", "-0.000000000"])
def test_zero_is_one_number_in_every_spelling(name: str, text: str) -> None:
    data = attempt(name, having(name, QUANTITY[name], text)).data
    found = data.quantities["vcpu"] if name == BOOKING else data.records[0].quantity
    assert found == 0
    assert not found.is_signed()
    assert b'"-' not in data.model_dump_json().encode()


def test_a_price_for_no_units_at_all_is_refused() -> None:
    name = "catalog.offering.publish"
    price = "data/offering/plans/0/tariffs/1/components/0/price/per"
    for text in ("0", "0.000", "-0"):
        refused(name, having(name, price, text))


@pytest.mark.parametrize("value", [True, "1", 1.0, 1.5, None, 10**15 + 1, -1, 0])
def test_cents_are_whole_numbers(value: Any) -> None:
    refused("billing.levy.charge", having("billing.levy.charge", "data/amount_cents", value))


@pytest.mark.parametrize("value", BAD_DAYS.values(), ids=BAD_DAYS)
def test_day(value: Any) -> None:
    assert refused(BOOKING, having(BOOKING, "data/start", value)).field == "data.start"


@both
@pytest.mark.parametrize("value", BAD_INSTANTS.values(), ids=BAD_INSTANTS)
def test_instant(name: str, value: Any) -> None:
    path = "time" if name == BOOKING else "data/records/0/end"
    assert refused(name, having(name, path, value)).field == path.replace("/", ".")


@both
@pytest.mark.parametrize("value", BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_text(name: str, value: str) -> None:
    assert refused(name, having(name, TEXT[name], value)).field == TEXT[name].replace("/", ".")


@pytest.mark.parametrize("value", BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_text_in_the_envelope(value: str) -> None:
    refused(BOOKING, having(BOOKING, "subject", value))
    if value != "x" * 201:
        refused(BOOKING, having(BOOKING, "dataschema", value))


@both
@pytest.mark.parametrize(
    "text",
    [
        b'"\\ud800"',
        b'"a\\udc00b"',
        b'"\\udc00\\ud800"',
        b'"\xed\xa0\x80"',
        b'"\xff"',
        b'"\xc0\xaf"',
        b'"\xc3"',
        b'"a\nb"',
        b'"\\x41"',
        b'"\xf4\x90\x80\x80"',
    ],
    ids=["high", "low", "swapped", "raw", "no UTF-8", "overlong", "cut", "raw new line", "escape", "beyond"],
)
def test_text_that_is_no_unicode(name: str, text: bytes) -> None:
    refused(name, raw(name, TEXT[name], text), "malformed_json")


@both
def test_a_surrogate_pair_is_its_character(name: str) -> None:
    data = attempt(name, raw(name, TEXT[name], b'"\\ud83d\\ude00"')).data
    assert (data.reference if name == BOOKING else data.records[0].id) == "\N{GRINNING FACE}"


@both
@pytest.mark.parametrize("text", ["Fo\u0308rde", "A\u030angstro\u0308m", "\u212bngstr\u00f6m"])
def test_decomposed_text_is_read_composed(name: str, text: str) -> None:
    data = attempt(name, having(name, TEXT[name], text)).data
    found = data.reference if name == BOOKING else data.records[0].id
    assert found == unicodedata.normalize("NFC", text) != text


def test_several_lines_are_for_descriptions_only() -> None:
    name = "catalog.offering.publish"
    read(registry.message(name).envelope, having(name, "data/offering/description", "a\n\tb"))
    for text in ("a\0b", "a\u202eb", "a\rb", "a\u2028b", "\u0958" * 6_000, "a" + "\u0301\u0327" * 3_000):
        refused(name, having(name, "data/offering/description", text))


@both
@pytest.mark.parametrize("value", BAD_IDS.values(), ids=BAD_IDS)
def test_uuid(name: str, value: Any) -> None:
    refused(name, having(name, ID[name], value))


@both
@pytest.mark.parametrize("twice", DUPLICATES.values(), ids=DUPLICATES)
def test_a_key_twice(name: str, twice: Callable[[bytes], bytes]) -> None:
    refused(name, twice(examples.sealed(name)), "duplicate_key")


@both
@pytest.mark.parametrize("spelling", [b"vcpu", b"\\u0076cpu", b"id", b"i\\u0064"])
def test_a_key_twice_deep_within(name: str, spelling: bytes) -> None:
    if (name == BOOKING) == spelling.endswith(b"cpu"):
        body = examples.sealed(name).replace(b'"vcpu":', b'"' + spelling + b'":"1","vcpu":')
        body = body.replace(b'{"id":"vm', b'{"' + spelling + b'":"r","id":"vm')
        refused(name, body, "duplicate_key")


def test_a_key_twice_in_two_spellings_of_unicode() -> None:
    name = "billing.levy.charge"
    body = examples.sealed(name).replace(b'"Bremen"', '"Thu\u0308ringen":"1","Th\u00fcringen"'.encode())
    assert "Thüringen" in refused(name, body, "duplicate_key").detail
    escaped = json.dumps(json.loads(body)).encode()
    refused(name, escaped, "duplicate_key")


@both
@pytest.mark.parametrize(("change", "code"), WHOLE.values(), ids=WHOLE)
def test_whole_body(name: str, change: Callable[[bytes], bytes], code: str) -> None:
    refused(name, change(examples.sealed(name)), code)


@both
@pytest.mark.parametrize(
    "text",
    [b"[" * DEEP + b"]" * DEEP, b'{"a":' * (DEEP // 2) + b"1" + b"}" * (DEEP // 2)],
    ids=["arrays", "objects"],
)
def test_100000_levels_within(name: str, text: bytes) -> None:
    refused(name, raw(name, "data", text), "malformed_json")
    refused(name, raw(name, TEXT[name], text), "malformed_json")
    refused(name, raw(name, "unknown", text), "malformed_json")


@both
def test_a_field_of_one_megabyte(name: str) -> None:
    refused(name, having(name, TEXT[name], "x" * 10**6), "too_large")
    refused(name, having(name, TEXT[name], "x" * (MESSAGE_BYTES_MAX - 2_000)))


@both
def test_unknown_fields_at_every_level(name: str) -> None:
    for path in ("unknown", "data/unknown"):
        assert refused(name, having(name, path, 1)).field == path.replace("/", ".")
    body = having(name, f"{OBJECT[name]}/Unknown field", "1")
    assert refused(name, body).field.startswith(OBJECT[name].replace("/", "."))


@both
@pytest.mark.parametrize("key", ["k\0\u202e" * 10_000, "\n", "\u2028" * 9])
def test_a_reason_names_the_place_in_printable_and_bounded_form(name: str, key: str) -> None:
    refused(name, having(name, key, 1))
    refused(name, having(name, f"{OBJECT[name]}/{key}", "1"))


def test_a_reason_quotes_a_tag_in_printable_and_bounded_form() -> None:
    name = "catalog.offering.publish"
    kind = "data/offering/plans/0/tariffs/1/components/0/price/kind"
    error = refused(name, having(name, kind, "x\0\u202e" * 10_000))
    assert "�" in error.detail


@both
@pytest.mark.parametrize("value", ["0.3", "1.1", "1", 1.0, 1, None, ""])
def test_specversion(name: str, value: Any) -> None:
    assert refused(name, having(name, "specversion", value)).field == "specversion"


@both
@pytest.mark.parametrize(
    "value",
    ["/members/", "members/alster-it", "/members/Alster", "/members/a/b", "/portal/x", "/members/a\0b", ""],
)
def test_source(name: str, value: str) -> None:
    assert refused(name, having(name, "source", value)).field == "source"


def test_an_empty_map_is_a_map() -> None:
    assert attempt(BOOKING, having(BOOKING, "data/quantities", {})).data.quantities == {}


def test_a_map_of_2000_entries() -> None:
    refused(BOOKING, having(BOOKING, "data/quantities", {f"q{n}": "1" for n in range(2_000)}))


@pytest.mark.parametrize("records", [[], {}, None, "[]", 1_001])
def test_lists_of_records_are_bounded(records: Any) -> None:
    if records == 1_001:
        records = parsed(USAGE)["data"]["records"][:1] * records
    refused(USAGE, having(USAGE, "data", {"records": records, "cancellations": []}))


@both
def test_spans_do_not_run_backwards(name: str) -> None:
    path, value = (
        ("data/end", "2026-03-31") if name == BOOKING else ("data/records/0/end", "2026-04-01T00:00:00Z")
    )
    refused(name, having(name, path, value))


def test_finer_fractions_than_microseconds_are_cut() -> None:
    # Clients in Go write nine digits, those in .NET seven.
    found = attempt(BOOKING, having(BOOKING, "time", "2026-04-01T12:00:00.123456789+02:00"))
    assert found.time.isoformat() == "2026-04-01T10:00:00.123456+00:00"


# -- the guard matters -----------------------------------------------------------------------------


class OrdinaryData(pydantic.BaseModel):
    offering_id: str
    plan_id: str
    quantities: dict[str, Decimal]
    start: dt.date
    end: dt.date | None = None
    reference: str | None = None


class Ordinary(pydantic.BaseModel):
    specversion: str
    id: uuid.UUID
    time: dt.datetime
    data: OrdinaryData


SLIP_THROUGH: dict[str, bytes] = {
    "exponent": having(BOOKING, QUANTITY[BOOKING], "1e30"),
    "5,000 digits": having(BOOKING, QUANTITY[BOOKING], "9" * 5_000),
    "negative": having(BOOKING, QUANTITY[BOOKING], "-1"),
    "float": having(BOOKING, QUANTITY[BOOKING], 4.1),
    "full-width digit": having(BOOKING, QUANTITY[BOOKING], "４"),
    "naive": having(BOOKING, "time", "2026-04-01T10:00:00"),
    "seconds since 1970": having(BOOKING, "time", "1775001600"),
    "year 9999": having(BOOKING, "time", "9999-12-31T23:59:59Z"),
    "nul": having(BOOKING, TEXT[BOOKING], "a\0b"),
    "right-to-left override": having(BOOKING, TEXT[BOOKING], "a\u202eb"),
    "key twice": DUPLICATES["at the top"](examples.sealed(BOOKING)),
    "unknown field": having(BOOKING, "unknown", 1),
    "uuid in braces": having(BOOKING, "id", f"{{{UUID}}}"),
    "map of 2,000 entries": having(BOOKING, "data/quantities", {f"q{n}": "1" for n in range(2_000)}),
}


@pytest.mark.parametrize("body", SLIP_THROUGH.values(), ids=SLIP_THROUGH)
def test_control_an_ordinary_model_takes_what_the_market_refuses(body: bytes) -> None:
    Ordinary.model_validate_json(body)
    with pytest.raises(Unreadable):
        attempt(BOOKING, body)


def test_control_text_that_looks_the_same_would_be_two_keys() -> None:
    names = ["Fo\u0308rde", "F\u00f6rde"]
    plain = {
        Ordinary.model_validate_json(having(BOOKING, TEXT[BOOKING], name)).data.reference for name in names
    }
    guarded = {attempt(BOOKING, having(BOOKING, TEXT[BOOKING], name)).data.reference for name in names}
    assert (len(plain), len(guarded)) == (2, 1)


# -- anything at all -------------------------------------------------------------------------------

MODELS = [message.envelope for message in registry.MESSAGES] + [query.request for query in registry.QUERIES]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([UUID, "1.0", "2026-04-01", "2026-04-01T10:00:00Z", "0.5"]),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=8), parts, max_size=3),
    max_leaves=12,
)


def survives(model: Any, body: bytes, *, tolerant: bool) -> None:
    try:
        found = read(model, body, tolerant=tolerant)
    except Unreadable as error:
        found = error
    if isinstance(found, Unreadable):
        assert found.code in SENTENCES
        assert str(found).isprintable()
    else:
        assert isinstance(found, model)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(MODELS), st.binary(max_size=200), st.booleans())
def test_any_bytes_are_read_or_refused(model: Any, body: bytes, tolerant: bool) -> None:
    survives(model, body, tolerant=tolerant)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(registry.MESSAGES), st.data(), st.booleans())
def test_any_change_to_a_message_is_read_or_refused(
    message: registry.MessageType, data: st.DataObject, tolerant: bool
) -> None:
    body = parsed(message.name)
    place: Any = body
    while True:
        keys = sorted(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(JSON)
    survives(message.envelope, json.dumps(body).encode(), tolerant=tolerant)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(registry.MESSAGES), st.data())
def test_any_damage_to_the_bytes_is_read_or_refused(
    message: registry.MessageType, data: st.DataObject
) -> None:
    body = bytearray(examples.sealed(message.name))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(body)))
        length = data.draw(st.integers(0, 8))
        body[start : start + length] = data.draw(st.binary(max_size=8))
    survives(message.envelope, bytes(body), tolerant=data.draw(st.booleans()))
