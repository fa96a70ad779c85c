import datetime as dt
import functools
import unicodedata
from typing import Any

import pydantic_core
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from allmende.schemas import identifiers

UUID = "0196a3c4-7e1b-7c55-9d1e-3f5a6b7c8d9e"


@functools.cache
def adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(getattr(identifiers, name))


def from_json(name: str, value: object) -> Any:
    kind = adapter(name)
    return kind.validate_json(pydantic_core.to_json(value), strict=True)


GOOD: dict[str, list[Any]] = {
    "Uuid": [UUID, "00000000-0000-0000-0000-000000000000"],
    "MemberId": ["abc", "weser-it", "a1b", "a" + "b" * 31],
    "Slug": ["a", "1", "vcpu_hours", "a-b", "x" * 48],
    "OfferingId": ["weser-it/vm", "abc/x_1"],
    "ClassName": ["B", "Land-1", "0"],
    "Period": ["1990-01", "2026-12", "2199-10"],
    "TraceParent": ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
    "Line": ["a", "Förde-IT", "x" * 200, "a\u00a0b", "½ €"],
    "RecordId": ["a", "vm-0815/2026-04-01", "x" * 120],
    "Text": ["", " a\n\tb ", "x" * 8_000],
    "Count": [0, 2**53],
}

BAD: dict[str, list[Any]] = {
    "Uuid": [UUID.upper(), f"{{{UUID}}}", f"urn:uuid:{UUID}", UUID.replace("-", ""), f"{UUID}\n", ""],
    "MemberId": ["ab", "1bc", "-bc", "ab-", "Abc", "a.b", "a b", "a*c", "a>c", "a" * 33, "äbc", "abc\n"],
    "Slug": ["", "-a", "a-", "A", "a.b", "x" * 49, "a\n", "ａ"],
    "OfferingId": ["vm", "weser-it/", "/vm", "weser-it/vm/x", "Weser-IT/vm", "weser-it//vm"],
    "ClassName": ["", "-a", "a b", "x" * 33, "ä"],
    "Period": [
        "1989-12",
        "2200-01",
        "2026-00",
        "2026-13",
        "2026-1",
        "202\u0666-01",
        "\u0661\u0669\u0669\u0669-01",
    ],
    "TraceParent": ["01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0AF7-b7ad-01", ""],
    "Line": ["", "x" * 201, "a\nb", "a\tb", "a\0", "\u202ea", "a\u200b", "a\u2028", " a", "a ", "\ufeffa"],
    "RecordId": ["", "x" * 121, "a ", "a\n", "a\u200b", "\u3164"],
    "Text": ["x" * 8_001, "a\0", "a\r\n", "a\u202e", "a\u2029"],
    "Count": [-1, 2**53 + 1, 1.0, True, "1", None],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in GOOD.items() for value in values]
)
def test_taken_as_it_is(name: str, value: object) -> None:
    assert from_json(name, value) == value


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD.items() for value in values]
)
def test_refused(name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        from_json(name, value)


@given(st.text(min_size=1, max_size=200))
def test_a_line_is_legible_and_reading_it_again_changes_nothing(text: str) -> None:
    try:
        found = from_json("Line", text)
    except (ValidationError, ValueError):
        return
    assert found == unicodedata.normalize("NFC", text)
    assert found == found.strip() != ""
    assert not {unicodedata.category(c) for c in found} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert from_json("Line", found) == found


def test_the_character_refused_is_named() -> None:
    with pytest.raises(ValidationError, match=r"U\+202E"):
        from_json("Line", "a\u202eb")


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-04-01T00:00:00+02:00", "2026-03-31T22:00:00+00:00"),
        ("2026-04-01T00:00:00Z", "2026-04-01T00:00:00+00:00"),
        ("2026-04-01T00:00:00.5-03:30", "2026-04-01T03:30:00.500000+00:00"),
        ("1990-01-01T00:00:00Z", "1990-01-01T00:00:00+00:00"),
        ("2199-12-31T23:59:59.999999Z", "2199-12-31T23:59:59.999999+00:00"),
    ],
)
def test_an_instant_is_kept_in_utc(text: str, utc: str) -> None:
    found = from_json("Instant", text)
    assert found.isoformat() == utc
    assert found.tzinfo is dt.UTC


@given(
    st.datetimes(dt.datetime(1989, 12, 1), dt.datetime(2200, 1, 31)),  # noqa: DTZ001 - the zone is drawn below
    st.integers(-23 * 60, 23 * 60),
)
def test_an_instant_that_was_read_can_be_written_and_read_again(moment: dt.datetime, offset: int) -> None:
    given_ = moment.replace(tzinfo=dt.timezone(dt.timedelta(minutes=offset)))
    try:
        found = from_json("Instant", given_.isoformat())
    except ValidationError:
        return
    assert found == given_
    assert from_json("Instant", found.isoformat()) == found
    assert adapter("Instant").validate_json(adapter("Instant").dump_json(found), strict=True) == found


def test_days_and_instants_of_python_are_taken() -> None:
    day, instant = dt.date(2026, 4, 1), dt.datetime(2026, 4, 1, tzinfo=dt.UTC)
    assert adapter("Day").validate_python(day, strict=True) == day
    assert adapter("Instant").validate_python(instant, strict=True) == instant
    for kind, value in (
        ("Day", instant),
        ("Day", dt.date(1989, 12, 31)),
        ("Instant", instant.replace(tzinfo=None)),
        ("Instant", day),
    ):
        with pytest.raises(ValidationError):
            adapter(kind).validate_python(value, strict=True)


@given(st.dates(dt.date(1990, 1, 1), dt.date(2199, 12, 31)))
def test_every_day_in_bounds_is_taken(day: dt.date) -> None:
    assert from_json("Day", day.isoformat()) == day
