import json
import unicodedata
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from allmende.schemas.contract import MESSAGE_BYTES_MAX, Contract, Unreadable, read, unchecked
from allmende.schemas.rejections import SENTENCES


class Inner(Contract):
    count: Annotated[int, Field(ge=0)] = 0


class Outer(Contract):
    name: str
    inner: Inner = Inner()


def refused(body: bytes, *, tolerant: bool = False) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        read(Outer, body, tolerant=tolerant)
    return caught.value


def test_a_model_is_closed_frozen_and_strict() -> None:
    found = read(Outer, b'{"name":"a","inner":{"count":1}}')
    with pytest.raises(ValidationError):
        found.name = "b"  # type: ignore[misc]
    for body in (
        b'{"name":1}',
        b'{"name":"a","inner":{"count":"1"}}',
        b'{"name":"a","inner":{"count":true}}',
    ):
        assert refused(body).code == "invalid_field"


def test_the_place_is_named() -> None:
    error = refused(b'{"name":"a","inner":{"count":-1}}')
    assert (error.code, error.field) == ("invalid_field", "inner.count")
    assert str(error).startswith("inner.count: ")
    assert refused(b"[]").field == ""


def test_the_input_is_not_repeated() -> None:
    assert "secret" not in str(refused(b'{"name":["secret"]}'))


@pytest.mark.parametrize("body", [b'{"name":"a","x":1}', b'{"name":"a","inner":{"x":{"y":[1]}}}'])
def test_unknown_fields_are_refused_or_passed_over_at_every_level(body: bytes) -> None:
    assert refused(body).code == "invalid_field"
    assert read(Outer, body, tolerant=True) == Outer(name="a")


@pytest.mark.parametrize("tolerant", [False, True])
@pytest.mark.parametrize(
    "body",
    [
        b'{"name":"a","name":"a"}',
        b'{"name":"a","n\\u0061me":"b"}',
        b'{"name":"a","inner":{"count":1,"count":2}}',
    ],
)
def test_keys_that_stand_twice(body: bytes, tolerant: bool) -> None:
    error = refused(body, tolerant=tolerant)
    assert error.code == "duplicate_key"
    assert "name" in error.detail or "count" in error.detail


def test_keys_that_stand_twice_are_seen_in_what_is_passed_over() -> None:
    assert refused(b'{"name":"a","x":[{"y":1,"y":2}]}', tolerant=True).code == "duplicate_key"
    twice = '{"name":"a","x":{"e\u0301":1,"\u00e9":2}}'.encode()
    assert refused(twice, tolerant=True).code == "duplicate_key"


def test_size_is_bounded_before_anything_is_read() -> None:
    body = b'{"name":"' + b"x" * MESSAGE_BYTES_MAX + b'"}'
    assert refused(body).code == "too_large"
    padded = b'{"name":"a"}'.ljust(MESSAGE_BYTES_MAX)
    assert read(Outer, padded).name == "a"
    assert refused(padded + b" ").code == "too_large"


@pytest.mark.parametrize("depth", [10, 198, 250, 5_000])
def test_depth_is_bounded_also_in_what_is_passed_over(depth: int) -> None:
    body = b'{"name":"a","x":' + b"[" * depth + b"]" * depth + b"}"
    if depth < 199:
        assert read(Outer, body, tolerant=True).name == "a"
    else:
        assert refused(body, tolerant=True).code == "malformed_json"


@pytest.mark.parametrize("digits", [4_300, 4_301, 100_000])
def test_numbers_are_bounded_also_in_what_is_passed_over(digits: int) -> None:
    # Both readers share the limit; a number that only the second one refuses would be a crash.
    body = b'{"name":"a","x":-' + b"9" * digits + b"}"
    if digits == 4_300:
        assert read(Outer, body, tolerant=True).name == "a"
    else:
        assert refused(body, tolerant=True).code == "malformed_json"


def test_what_is_said_is_printable_and_bounded() -> None:
    error = Unreadable("invalid_field", "a\0\u202eb" * 1_000, "c\n" * 1_000)
    assert error.detail.isprintable()
    assert error.field.isprintable()
    assert str(error).isprintable()
    assert (len(error.detail), len(error.field)) == (500, 300)


def test_every_code_has_its_sentences() -> None:
    codes = {
        refused(body).code
        for body in (b"", b"[]", b'{"name":"a","name":"a"}', b" " * (MESSAGE_BYTES_MAX + 1))
    }
    assert codes == {"malformed_json", "invalid_field", "duplicate_key", "too_large"}
    assert codes <= set(SENTENCES)


def test_text_outside_ascii_is_read_as_written() -> None:
    assert read(Outer, json.dumps({"name": "Förde €"}).encode()).name == "Förde €"
    assert read(Outer, json.dumps({"name": "Förde €"}, ensure_ascii=False).encode()).name == "Förde €"


# -- equal keys -----------------------------------------------------------------------------------------

_WORDS = st.sampled_from(['"a"', '"b"', '":"', '"a:"', '""', '","', '"\\u0061"', '"\\""', '"ü"', '"u\u0308"'])
_GAPS = st.sampled_from(["", " ", "\n", "\t "])


def _objects(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """JSON texts of objects, whose keys may be alike in several spellings."""
    pairs = st.tuples(_WORDS, _GAPS, _GAPS, values).map(lambda part: f"{part[0]}{part[1]}:{part[2]}{part[3]}")
    return st.lists(pairs, max_size=4).map(lambda found: "{" + ",".join(found) + "}")


_TEXTS = st.recursive(
    _WORDS | st.sampled_from(["1", "null", "[]"]),
    lambda inner: _objects(inner) | st.lists(inner, max_size=3).map(lambda found: f"[{','.join(found)}]"),
    max_leaves=12,
)


def _repeats_a_key(text: str) -> bool:
    found: list[bool] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        names = [unicodedata.normalize("NFC", name) for name, _ in pairs]
        found.append(len(set(names)) < len(names))

    json.loads(text, object_pairs_hook=look)
    return any(found)


class Anything(Contract):
    pass


@given(_objects(_TEXTS))
def test_equal_keys_are_found_in_any_text(text: str) -> None:
    code = None
    try:
        read(Anything, text.encode(), tolerant=True)
    except Unreadable as error:
        code = error.code
    assert code == ("duplicate_key" if _repeats_a_key(text) else None)


def test_a_contract_of_checked_values_equals_the_checked_one() -> None:
    checked = Outer(name="a", inner=Inner(count=3))
    made = unchecked(Outer, {"name": "a", "inner": Inner(count=3)})
    assert made == checked
    assert made.model_dump_json() == checked.model_dump_json()
    assert unchecked(Outer, {"name": "a"}) == Outer(name="a"), "with defaults"
    assert unchecked(Outer, {"name": "b"}) != checked
