"""When something holds: each comparison at its edge, `all` and `any`, one party or all."""

import datetime as dt
import json
from fractions import Fraction
from typing import Any

import pytest

from allmende.schemas.clause import Condition, Group
from allmende.tariffs.conditions import holds, is_each, members_of, operand
from allmende.tariffs.values import Unit, each_of, single

EUR = Unit()
VALUES = {
    "costs": single("money", Fraction(65_000)),
    "heads": each_of("number", {"bonn": Fraction(300), "kiel": Fraction(200)}),
    "kind": each_of("text", {"bonn": "city", "kiel": "district"}),
    "paid": single("flag", part=True),
    "due": single("date", dt.date(2026, 7, 15)),
}


def when(value: str, **comparison: object) -> dict[str, object]:
    return {"value": value, **comparison}


def test_an_operand_is_a_number_money_a_date_a_value_or_one_party_s_part() -> None:
    texts = ("0.5", "650.00 EUR", "2026-07-15", "costs", "heads.bonn", "heads.nobody", "kind.kiel")
    found = [operand(text, VALUES, EUR).of("kiel") for text in texts]
    assert found == [Fraction(1, 2), 65_000, dt.date(2026, 7, 15), 65_000, 300, 0, "district"]
    assert operand("kind.nobody", VALUES, EUR).of("kiel") is None
    with pytest.raises(KeyError):
        operand("cost", VALUES, EUR)


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        (when("costs", above="650.00 EUR"), False),
        (when("costs", at_least="650.00 EUR"), True),
        (when("costs", below="650.00 EUR"), False),
        (when("costs", at_most="650.00 EUR"), True),
        (when("costs", above="649.99 EUR"), True),
        (when("costs", equals="65000"), True),
        (when("heads", above="heads.kiel"), True),
        (when("kind", equals="city"), True),
        (when("kind", one_of=["town", "district"]), False),
        (when("paid", equals=True), True),
        (when("paid", equals="false"), False),
        (when("due", at_most="2026-07-15"), True),
        (when("due", below="2026-07-15"), False),
    ],
)
def test_a_comparison_holds_up_to_its_edge(test: dict[str, object], expected: bool) -> None:
    assert holds(Condition.model_validate_json(json.dumps({"when": [test]})), VALUES, EUR, "bonn") is expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({}, ["bonn", "kiel"]),
        ({"when": [when("heads", above="100"), when("kind", equals="city")]}, ["bonn"]),
        ({"when_any": [[when("heads", below="250")], [when("kind", equals="city")]]}, ["bonn", "kiel"]),
        ({"when": [when("paid", equals=True)], "when_any": [[when("heads", below="250")]]}, ["kiel"]),
        ({"when": [when("paid", equals=False)], "when_any": [[when("heads", below="250")]]}, []),
        ({"without": ["bonn"]}, ["kiel"]),
        ({"parties": ["kiel", "mainz"]}, ["kiel", "mainz"]),
        ({"parties": ["kiel", "mainz"], "when": [when("heads", above="0")]}, ["kiel"]),
    ],
)
def test_a_group_is_those_for_whom_its_condition_holds(
    condition: dict[str, Any], expected: list[str]
) -> None:
    group = Group.model_validate_json(json.dumps(condition))
    assert members_of(group, ["bonn", "kiel"], VALUES, EUR) == expected


def test_nothing_is_told_of_a_party_and_no_comparison_holds() -> None:
    for comparison in ({"equals": "city"}, {"one_of": ["city"]}):
        asked = Condition.model_validate_json(json.dumps({"when": [when("kind", **comparison)]}))
        assert not holds(asked, VALUES, EUR, "mainz")


def test_a_condition_is_asked_for_every_party_where_one_of_its_values_is() -> None:
    def asks(*names: str) -> bool:
        tests = [when(name, above="1") for name in names]
        return is_each(Condition.model_validate_json(json.dumps({"when": tests})), VALUES, EUR)

    assert (asks("costs"), asks("costs", "heads"), asks("heads.bonn")) == (False, True, False)
