import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from allmende.schemas import generate
from allmende.schemas.compatibility import incompatibilities

Schema = dict[str, Any]
PUBLISHED = generate.schemas()

BASE: Schema = {
    "type": "object",
    "properties": {
        "plan": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 20},
        "count": {"type": "integer", "minimum": 1, "maximum": 10, "default": 1},
        "side": {"enum": ["consumer", "provider"], "type": "string"},
        "end": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}], "default": None},
        "price": {"oneOf": [{"$ref": "#/$defs/Free"}, {"$ref": "#/$defs/Unit"}]},
        "lines": {"type": "array", "items": {"type": "integer"}, "maxItems": 5},
        "values": {
            "type": "object",
            "patternProperties": {"^[a-z]+$": {"type": "integer"}},
            "additionalProperties": False,
        },
    },
    "required": ["plan", "side"],
    "additionalProperties": False,
    "$defs": {
        "Free": {
            "type": "object",
            "properties": {"kind": {"const": "free"}, "reason": {"type": "string"}},
            "required": ["kind"],
            "additionalProperties": False,
        },
        "Unit": {
            "type": "object",
            "properties": {"kind": {"const": "unit"}, "amount": {"type": "string"}},
            "required": ["kind", "amount"],
            "additionalProperties": False,
        },
    },
}


def opened(schema: Schema) -> Schema:
    """The same as an event: nothing is closed."""
    found = copy.deepcopy(schema)
    for part in generate._objects(found):
        if part.get("additionalProperties") is False:
            del part["additionalProperties"]
    return found


def changed(path: str, value: Any, *, base: Schema = BASE) -> Schema:
    """The base with one place set, or removed when the value is `...`."""
    found = copy.deepcopy(base)
    *way, last = path.split("/")
    place: Any = found
    for step in way:
        place = place[int(step) if isinstance(place, list) else step]
    if value is ...:
        del place[last]
    elif isinstance(place, list):
        place[int(last)] = value
    else:
        place[last] = value
    return found


BREAKS_COMMANDS = [
    ("required", ["plan", "side", "end"], "end: is required now"),
    ("properties/plan", ..., "plan: was removed"),
    ("properties/end", ..., "end: was removed"),
    ("properties/count/type", "string", "count: integer is no longer allowed, only string"),
    ("properties/end/anyOf", [{"type": "string", "format": "date"}], "end: null is no longer allowed"),
    ("properties/side/enum", ["consumer"], "side: 'provider' is no longer allowed"),
    ("properties/side", {"const": "consumer"}, "side: 'provider' is no longer allowed"),
    ("properties/plan/pattern", "^[a-y]+$", "plan: pattern '^[a-y]+$' is new"),
    ("properties/plan/maxLength", 19, "plan: maxLength is 19 now, was 20"),
    ("properties/plan/minLength", 1, "plan: minLength is 1 now, was none"),
    ("properties/plan/enum", ["a"], "plan: only ['a'] is allowed now"),
    ("properties/count/minimum", 2, "count: minimum is 2 now, was 1"),
    ("properties/count/exclusiveMinimum", 1, "count: exclusiveMinimum is 1 now, was none"),
    ("properties/count/maximum", 9, "count: maximum is 9 now, was 10"),
    ("properties/count/multipleOf", 2, "count: multipleOf 2 is new"),
    ("properties/count/default", 2, "count: left out, it means 2 now, not 1"),
    ("properties/lines/maxItems", 4, "lines: maxItems is 4 now, was 5"),
    ("properties/lines/items/type", "string", "lines[]: integer is no longer allowed, only string"),
    ("properties/values/maxProperties", 3, "values: maxProperties is 3 now, was none"),
    (
        "properties/values/patternProperties",
        {"^[a-y]+$": {"type": "integer"}},
        "values: the names allowed have changed",
    ),
    ("$defs/Free/required", ["kind", "reason"], "price.reason: is required now"),
    ("$defs/Free/properties/reason", ..., "price.reason: was removed"),
    ("properties/price/oneOf", [{"$ref": "#/$defs/Unit"}], "'free' is no longer allowed"),
]

SUITS_COMMANDS = [
    ("required", ["plan"]),
    ("properties/note", {"type": "string"}),
    ("properties/count/type", "number"),
    ("properties/count/minimum", 0),
    ("properties/count/maximum", ...),
    ("properties/side/enum", ["consumer", "provider", "both"]),
    ("properties/side/enum", ...),
    ("properties/plan/pattern", ...),
    ("properties/plan/maxLength", 21),
    ("properties/plan/type", ["string", "null"]),
    ("properties/lines/items", True),
    ("properties/values/patternProperties/^[0-9]+$", {"type": "integer"}),
    ("$defs/Free/properties/reason/type", ["string", "null"]),
    ("additionalProperties", True),
    ("description", "Told better."),
    ("properties/plan/title", "Plan"),
]

BREAKS_EVENTS = [
    ("properties/plan", ..., "plan: was removed"),
    ("properties/end", ..., "end: was removed"),
    ("required", ["plan"], "side: is no longer always there"),
    ("properties/count/type", "number", "count: number is new beside integer"),
    ("properties/plan/type", ["string", "null"], "plan: null is new beside string"),
    ("properties/side/enum", ["consumer", "provider", "both"], "side: 'both' is new"),
    ("properties/side/enum", ..., "side: others than ['consumer', 'provider'] are new"),
    ("properties/plan/pattern", ..., "plan: pattern '^[a-z]+$' no longer holds"),
    ("properties/plan/maxLength", 21, "plan: maxLength was 20, is 21 now"),
    ("properties/count/maximum", ..., "count: maximum was 10, is none now"),
    ("properties/lines/items", True, "lines[]: any type is new beside integer"),
    ("$defs/Unit/required", ["kind"], "price.amount: is no longer always there"),
    ("$defs/Free/properties/kind/const", "gratis", "'gratis' is new"),
]

SUITS_EVENTS = [
    ("properties/note", {"type": "string"}),
    ("required", ["plan", "side", "end", "count"]),
    ("properties/side/enum", ["consumer"]),
    ("properties/side", {"const": "provider"}),
    ("properties/end/anyOf", [{"type": "string", "format": "date"}]),
    ("properties/count/maximum", 9),
    ("properties/count/exclusiveMinimum", 3),
    ("properties/plan/minLength", 1),
    ("properties/plan/enum", ["basic", "large"]),
    ("properties/count/default", 2),
    ("properties/price", {"$ref": "#/$defs/Unit"}),
    ("$defs/Unit/properties/per", {"type": "string"}),
]


@pytest.mark.parametrize(("path", "value", "reason"), BREAKS_COMMANDS)
def test_a_command_breaks(path: str, value: Any, reason: str) -> None:
    found = incompatibilities(BASE, changed(path, value), "command")
    assert reason in "\n".join(found)


@pytest.mark.parametrize(("path", "value"), SUITS_COMMANDS)
def test_a_command_goes_on(path: str, value: Any) -> None:
    assert incompatibilities(BASE, changed(path, value), "command") == []


@pytest.mark.parametrize(("path", "value", "reason"), BREAKS_EVENTS)
def test_an_event_breaks(path: str, value: Any, reason: str) -> None:
    base = opened(BASE)
    found = incompatibilities(base, changed(path, value, base=base), "event")
    assert reason in "\n".join(found)


@pytest.mark.parametrize(("path", "value"), SUITS_EVENTS)
def test_an_event_goes_on(path: str, value: Any) -> None:
    base = opened(BASE)
    assert incompatibilities(base, changed(path, value, base=base), "event") == []


def test_a_new_required_field_is_told_from_one_that_became_required() -> None:
    new = changed("properties/note", {"type": "string"})
    new["required"] = ["plan", "side", "note"]
    assert incompatibilities(BASE, new, "command") == ["note: is new and required"]


def test_a_field_that_an_event_always_had_is_missed_once() -> None:
    base = opened(BASE)
    new = changed("properties/side", ..., base=base)
    new["required"] = ["plan"]
    assert incompatibilities(base, new, "event") == ["side: was removed"]


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_every_published_schema_suits_itself(name: str) -> None:
    kind, schema = PUBLISHED[name]
    assert incompatibilities(schema, schema, kind) == []


def test_a_schema_that_refers_to_itself_comes_to_an_end() -> None:
    tree: Schema = {
        "$ref": "#/$defs/Node",
        "$defs": {
            "Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}},
        },
    }
    assert incompatibilities(tree, copy.deepcopy(tree), "event") == []


# Whatever is called compatible has to be: judged by jsonschema over small schemas and values.

_NAMES = st.sampled_from(["a", "b", "c"])
_LEAVES = st.one_of(
    st.builds(
        lambda low, high: {"type": "integer", "minimum": low, "maximum": high},
        st.integers(-2, 1),
        st.integers(0, 3),
    ),
    st.builds(lambda low: {"type": "number", "exclusiveMinimum": low}, st.integers(-1, 1)),
    st.builds(lambda n: {"type": "string", "maxLength": n}, st.integers(0, 2)),
    st.builds(lambda n: {"type": "string", "minLength": n}, st.integers(0, 2)),
    st.lists(st.sampled_from(["", "x", "xy", 0, 1, None]), min_size=1, max_size=3, unique=True).map(
        lambda values: {"enum": values}
    ),
    st.sampled_from(
        [{"type": "null"}, {"type": "boolean"}, {"type": ["string", "null"]}, {"const": "x"}, True]
    ),
)


def _objects(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda fields, required, rest: {
            "type": "object",
            "properties": fields,
            "required": sorted(required),
            **rest,
        },
        st.dictionaries(_NAMES, parts, max_size=3),
        st.sets(_NAMES, max_size=2),
        st.sampled_from([{}, {"additionalProperties": False}, {"additionalProperties": {"type": "integer"}}]),
    )


_SCHEMAS = st.recursive(
    _LEAVES,
    lambda parts: st.one_of(
        _objects(parts),
        st.builds(
            lambda items, n: {"type": "array", "items": items, "maxItems": n}, parts, st.integers(0, 2)
        ),
        st.lists(parts, min_size=1, max_size=2).map(lambda options: {"anyOf": options}),
    ),
    max_leaves=4,
)
_VALUES = st.recursive(
    st.sampled_from([None, True, 0, 1, 2, -1, 0.5, "", "x", "xy"]),
    lambda parts: st.one_of(st.lists(parts, max_size=2), st.dictionaries(_NAMES, parts, max_size=3)),
    max_leaves=4,
)


@st.composite
def _pairs(draw: st.DrawFn) -> tuple[Any, Any]:
    """Two schemas; often the second differs from the first in one leaf only."""
    old = draw(_SCHEMAS)
    if draw(st.integers(0, 3)) == 0:
        return old, draw(_SCHEMAS)
    new = copy.deepcopy(old)
    parts = [part for part in generate._objects(new) if "type" in part and isinstance(part["type"], str)]
    if parts:
        part = draw(st.sampled_from(parts))
        limit = draw(
            st.sampled_from(["minimum", "maximum", "maxLength", "minLength", "required", "maxItems"])
        )
        if limit == "required":
            if part["type"] == "object":
                part["required"] = sorted(draw(st.sets(_NAMES, max_size=2)))
        else:
            part[limit] = draw(st.integers(0, 3))
    return old, new


@settings(max_examples=120, deadline=None)
@given(_pairs(), st.lists(_VALUES, min_size=1, max_size=8))
def test_what_goes_on_as_a_command_is_understood(pair: tuple[Any, Any], values: list[Any]) -> None:
    old, new = pair
    for value in [] if incompatibilities(old, new, "command") else values:
        if Draft202012Validator(old).is_valid(value):
            assert Draft202012Validator(new).is_valid(value)


@settings(max_examples=120, deadline=None)
@given(_pairs(), st.lists(_VALUES, min_size=1, max_size=8))
def test_what_goes_on_as_an_event_is_understood(pair: tuple[Any, Any], values: list[Any]) -> None:
    old, new = (opened({"x": schema})["x"] for schema in pair)
    for value in [] if incompatibilities(old, new, "event") else values:
        if Draft202012Validator(new).is_valid(value):
            assert Draft202012Validator(old).is_valid(value)
