"""What a clause is fed with: read exactly or refused by name, and written as people read it."""

import datetime as dt
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmende.schemas.clause import Input
from allmende.schemas.rejections import Rejected
from allmende.tariffs.values import Unit, Value, each_of, labels, number_text, read, single

EUR = Unit()
AE = Unit("AE", 0)


def part(told: Any, **asked: Any) -> object:
    """What becomes of one value, or the code of its refusal."""
    found = read({"x": told}, {"x": Input(**asked)}, EUR)
    return found.code if isinstance(found, Rejected) else found["x"].one


@pytest.mark.parametrize(
    ("kind", "told", "found"),
    [
        ("money", 1250, Fraction(1250)),
        ("money", "12.50 EUR", Fraction(1250)),
        ("money", "-0.01 EUR", Fraction(-1)),
        ("money", "12.505 EUR", "input_invalid"),
        ("money", "12.50 CHF", "input_invalid"),
        ("money", Fraction(1, 2), "input_invalid"),
        ("number", Decimal("0.1"), Fraction(1, 10)),
        ("number", "15/52", Fraction(15, 52)),
        ("number", "1/0", "input_invalid"),
        ("number", Decimal("NaN"), "input_invalid"),
        ("number", 0.1, "input_invalid"),
        ("number", True, "input_invalid"),
        ("flag", "true", True),
        ("flag", 1, "input_invalid"),
        ("date", "2026-03-31", dt.date(2026, 3, 31)),
        ("date", "2026-02-30", "input_invalid"),
        ("date", dt.datetime(2026, 3, 31, tzinfo=dt.UTC), "input_invalid"),
        ("text", 7, "input_invalid"),
    ],
)
def test_a_value_is_read_exactly_or_refused(kind: str, told: object, found: object) -> None:
    assert part(told, kind=kind) == found


def test_limits_hold_at_their_edge() -> None:
    limits = {"kind": "money", "at_least": Decimal(500), "at_most": Decimal(600)}
    assert [part(cents, **limits) for cents in (49_999, 50_000, 60_000, 60_001)] == [
        "input_limit",
        50_000,
        60_000,
        "input_limit",
    ]
    assert part("C", kind="text", one_of=("A", "B")) == "input_not_known"


def test_what_is_missing_unknown_or_of_the_wrong_shape_is_refused_by_name() -> None:
    asked = {"costs": Input(kind="money"), "heads": Input(kind="number", each=True, default="1")}
    refused: list[tuple[dict[str, Any], str, str]] = [
        ({}, "input_missing", "costs"),
        ({"costs": 1, "cost": 1}, "input_unknown", "cost"),
        ({"costs": {"a": 1}}, "input_invalid", "costs"),
        ({"costs": 1, "heads": 3}, "input_invalid", "heads"),
        ({"costs": 1, "heads": {"a": "many"}}, "input_invalid", "heads.a"),
    ]
    for told, code, field in refused:
        found = read(told, asked, EUR)
        assert isinstance(found, Rejected)
        assert (found.code, found.field) == (code, field)
        assert all("{" not in sentence or code == "input_invalid" for sentence in found.sentences)
    found = read({"costs": 1, "heads": {"a": 4}}, asked, EUR)
    assert isinstance(found, dict)
    assert [found["heads"].number(party) for party in ("a", "b")] == [4, 1]
    assert found["heads"].filled(["b"]).total == 5


def test_a_default_of_money_is_in_the_currency_itself() -> None:
    assert part(None, kind="money", default="12.50") == 1250


def test_parts_are_those_of_parties_or_one_for_everybody() -> None:
    own = each_of("number", {"b": Fraction(2), "a": Fraction(1)})
    whole = single("number", Fraction(7))
    assert [own.of("a"), own.of("c"), own.number("c"), whole.of("c")] == [1, None, 0, 7]
    assert (labels([whole, own]), labels([whole])) == (["a", "b"], [""])
    assert Value("text", {"a": "x"}, each=True).total == 0


@pytest.mark.parametrize(
    ("amount", "unit", "german", "english"),
    [
        (Fraction(123456), EUR, "1.234,56 €", "€1,234.56"),
        (Fraction(-5), EUR, "-0,05 €", "-€0.05"),
        (Fraction(14000), AE, "14.000 AE", "14,000 AE"),
        (Fraction(1, 2), EUR, "0,01 €", "€0.01"),
    ],
)
def test_money_is_written_as_people_read_it(amount: Fraction, unit: Unit, german: str, english: str) -> None:
    assert (unit.text(amount, "de"), unit.text(amount, "en")) == (german, english)


@given(st.fractions(max_denominator=10**12))
def test_a_number_that_is_written_is_the_number(number: Fraction) -> None:
    assert Fraction(number_text(number, "en")) == number
    assert number_text(number, "de").replace(",", ".") == number_text(number, "en")
