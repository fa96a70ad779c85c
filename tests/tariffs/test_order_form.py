"""Order forms: JSON Schemas without references, checked within bounds."""

import time
from typing import Any

import pytest
from support.builders import plan

from allmende.schemas.rejections import Rejected
from allmende.tariffs import order_form
from allmende.tariffs.order_form import PATTERNS_MAX, refuse_details, refuse_schema

FORM = {
    "$schema": order_form.DIALECT,
    "type": "object",
    "required": ["zweck"],
    "additionalProperties": False,
    "properties": {
        "zweck": {"type": "string", "minLength": 3, "title": "Wofür"},
        "kostenstelle": {"type": "string", "pattern": "^[0-9]{4}$"},
        "ansprechstelle": {"type": "string", "format": "email"},
        "kerne": {"type": "integer", "maximum": 6},
    },
}


def code(outcome: Rejected | None) -> str | None:
    return outcome.code if outcome else None


@pytest.mark.parametrize(
    ("form", "detail"),
    [
        (FORM, None),
        ({}, None),
        ({"type": "objekt"}, "objekt"),
        ({"properties": {"a": {"minLength": "drei"}}}, "drei"),
        ({"pattern": "(("}, "(("),
        ({"pattern": "(?=a)b"}, "(?=a)b"),  # looks ahead, which takes more than linear time
        ({"patternProperties": {"(a)\\1": {}}}, "regex"),
        ({"pattern": "[a-z]{1000}{1000}"}, "regex"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "2020-12"),
        ({"allOf": [{"pattern": "a"}] * (PATTERNS_MAX + 1)}, "patterns"),
        ({"properties": {"pattern": {"type": "string"}}}, None),
    ],
)
def test_a_form_is_a_schema(form: dict[str, Any], detail: str | None) -> None:
    refused = refuse_schema(plan(order_form=form))
    if detail is None:
        assert refused is None
    else:
        assert refused is not None
        assert refused.code == "form_invalid"
        assert detail in str(refused.parameters["detail"])


def test_a_plan_without_a_form_needs_none() -> None:
    assert refuse_schema(plan()) is None


@pytest.mark.parametrize(
    ("details", "field"),
    [
        ({"zweck": "Fachverfahren", "kostenstelle": "0815", "kerne": 6}, None),
        (None, "details"),
        ({}, "details"),
        ({"zweck": "ja"}, "details.zweck"),
        ({"zweck": "Fachverfahren", "kerne": 7}, "details.kerne"),
        ({"zweck": "Fachverfahren", "kerne": 1.5}, "details.kerne"),
        ({"zweck": "Fachverfahren", "kostenstelle": "815"}, "details.kostenstelle"),
        ({"zweck": "Fachverfahren", "ansprechstelle": "niemand"}, "details.ansprechstelle"),
        ({"zweck": "Fachverfahren", "mehr": 1}, "details"),
    ],
)
def test_answers_fit_the_form(details: dict[str, Any] | None, field: str | None) -> None:
    refused = refuse_details(plan(order_form=FORM), details)
    assert (code(refused), refused and refused.field) == ("details_invalid" if field else None, field)


def test_without_a_form_nothing_is_asked() -> None:
    assert refuse_details(plan(), None) is None
    assert refuse_details(plan(), {}) is None
    assert code(refuse_details(plan(), {"a": 1})) == "details_not_asked"


def test_no_answers_are_an_empty_object() -> None:
    assert refuse_details(plan(order_form={"type": "object"}), None) is None


def test_a_form_without_bounds_of_its_own_costs_no_more_than_linear_time() -> None:
    # Searched step by step, this pattern takes two to the power of the length.
    form = {"properties": {"a": {"pattern": "^(a+)+$"}}}
    started = time.process_time()
    assert code(refuse_details(plan(order_form=form), {"a": "a" * 15_000 + "!"})) == "details_invalid"
    assert time.process_time() - started < 1


def test_answers_nested_beyond_reason_are_refused_and_not_an_error() -> None:
    below: Any = 1
    for _ in range(2_000):
        below = [below]
    form = {"properties": {"a": {"uniqueItems": True}}}
    assert code(refuse_details(plan(order_form=form), {"a": [below, below]})) == "details_invalid"


def test_equal_forms_are_compiled_once_and_only_so_many_are_kept() -> None:
    kept = order_form._compiled
    kept.cache_clear()
    for number in range(3):
        refuse_details(plan(plan_id=f"p{number}", order_form=FORM), {})
    assert kept.cache_info().misses == 1
    for number in range(200):
        refuse_details(plan(order_form={"title": str(number)}), {})
    assert kept.cache_info().currsize <= 64
