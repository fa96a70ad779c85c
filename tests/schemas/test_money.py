import functools
import re
from decimal import Decimal
from typing import Any

import pydantic_core
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from allmende.schemas import money
from allmende.schemas.money import euro, plain

DECIMALS = st.decimals(
    allow_nan=False, allow_infinity=False, min_value=-(10**15) + 1, max_value=10**15 - 1, places=9
)


@functools.cache
def adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(getattr(money, name))


def read(name: str, value: object) -> Any:
    return adapter(name).validate_json(pydantic_core.to_json(value), strict=True)


def written(name: str, value: Decimal) -> str:
    return adapter(name).dump_json(value).decode().strip('"')


@given(DECIMALS)
def test_a_decimal_comes_back_as_it_was_written(value: Decimal) -> None:
    found = read("ExactDecimal", plain(value))
    assert found == value
    assert read("ExactDecimal", written("ExactDecimal", found)) == found
    assert (found != 0) or not found.is_signed()


@pytest.mark.parametrize(
    ("number", "text"),
    [("1E+3", "1000"), ("1.50", "1.50"), ("1E-9", "0.000000001"), ("0E+3", "0"), ("-1.25E+1", "-12.5")],
)
def test_a_decimal_is_written_without_exponent(number: str, text: str) -> None:
    assert plain(Decimal(number)) == text
    assert TypeAdapter(money.ExactDecimal).validate_python(Decimal(number)) == Decimal(number)


@pytest.mark.parametrize(
    "value", [Decimal("NaN"), Decimal("Infinity"), Decimal("1E-10"), Decimal("1E+15"), 1, 1.5, True]
)
def test_what_is_no_exact_decimal_is_refused_from_python_too(value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(money.ExactDecimal).validate_python(value)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("ExactDecimal", ["-1", "0", "999999999999999.999999999"], ["1000000000000000", "1.0000000000"]),
        ("Quantity", ["0", "-0", "0.5"], ["-1", "-0.000000001"]),
        ("PositiveQuantity", ["0.000000001", "1"], ["0", "0.000", "-0", "-1"]),
        ("UnitPrice", ["0", "0.000000001"], ["-0.01"]),
    ],
)
def test_bounds_are_those_of_the_published_schema(name: str, good: list[str], bad: list[str]) -> None:
    schema = adapter(name).json_schema()

    def published(text: str) -> bool:
        excluded = schema.get("not", {"pattern": "(?!)"})["pattern"]
        return bool(re.search(schema["pattern"], text)) and not re.search(excluded, text)

    for text in good:
        assert read(name, text) == Decimal(text)
        assert published(text) or text.startswith("-")
    for text in bad:
        assert not published(text)
        with pytest.raises(ValidationError):
            read(name, text)


@pytest.mark.parametrize("value", [0, -(10**15), 10**15])
def test_cents(value: int) -> None:
    assert read("Cents", value) == value


@pytest.mark.parametrize("value", [True, 1.0, "1", None, 10**18 + 1, -(10**18) - 1])
def test_what_is_no_amount_of_cents(value: object) -> None:
    with pytest.raises(ValidationError):
        read("Cents", value)


@pytest.mark.parametrize(
    ("cents", "german", "english"),
    [
        (0, "0,00 €", "€0.00"),
        (5, "0,05 €", "€0.05"),
        (-5, "-0,05 €", "-€0.05"),
        (123_456, "1.234,56 €", "€1,234.56"),
        (-100_000_000, "-1.000.000,00 €", "-€1,000,000.00"),
    ],
)
def test_cents_as_people_read_them(cents: int, german: str, english: str) -> None:
    assert euro(cents).replace("\u00a0", " ") == german
    assert euro(cents, language="en") == english


@given(st.integers(-(10**15), 10**15))
def test_no_cent_is_lost_in_writing(cents: int) -> None:
    digits = re.sub(r"[^0-9-]", "", euro(cents))
    assert int(digits) == cents
