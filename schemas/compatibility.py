"""Tells whether a changed schema breaks those who know the old one.

A command is said by members who know the old schema and heard by a market that follows the new one; an
event is said by the market and heard by members who know the old one and pass over unknown fields.
Either way, everything that may be said has to be understood. What cannot be judged counts as a break.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

Kind = Literal["command", "event"]
Schema = Mapping[str, Any] | bool

_SILENT = frozenset(
    {
        "$comment",
        "$defs",
        "$id",
        "$ref",
        "$schema",
        "default",
        "deprecated",
        "description",
        "examples",
        "title",
    }
)
_LOWER = ("minLength", "minItems", "minProperties")
_UPPER = ("maxLength", "maxItems", "maxProperties")
_BOUNDS = frozenset({"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", *_LOWER, *_UPPER})
_STRUCTURE = frozenset(
    {"type", "const", "enum", "anyOf", "oneOf", "properties", "required"}
    | {"additionalProperties", "patternProperties", "propertyNames", "items"}
)
_TYPES: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def incompatibilities(old_schema: Schema, new_schema: Schema, kind: Kind) -> list[str]:
    """Say what breaks when a schema is replaced, place by place; nothing when nothing does.

    A command may gain optional fields and wider values. An event may gain fields and narrower values.

    Args:
        old_schema: what is published; `$ref` within the document only.
        new_schema: what is to replace it.
        kind: `command` for what members send, queries included; `event` for what they receive, replies
            included.
    """
    if kind == "command":
        return _Comparison(old_schema, new_schema, kind).differences(old_schema, new_schema, "")
    return _Comparison(new_schema, old_schema, kind).differences(new_schema, old_schema, "")


class _Comparison:
    """Finds what one schema says that another does not understand."""

    def __init__(self, said: Schema, heard: Schema, kind: Kind) -> None:
        self._said_root = said
        self._heard_root = heard
        self._kind = kind
        self._under_way: set[tuple[str, str]] = set()

    def differences(self, said: Schema, heard: Schema, place: str) -> list[str]:
        refs = (_reference(said), _reference(heard))
        if refs in self._under_way and all(refs):
            return []
        self._under_way.add(refs)
        try:
            return list(self._between_branches(said, heard, place))
        finally:
            self._under_way.discard(refs)

    def _between_branches(self, said: Schema, heard: Schema, place: str) -> Iterator[str]:
        heard_branches = list(_branches(heard, self._heard_root))
        for branch in _branches(said, self._said_root):
            candidates = [list(self._between(branch, other, place)) for other in heard_branches]
            if not candidates:
                yield self._break(place, "is no longer allowed", "is new")
            elif all(candidates):
                # The branch of the same type is the one that was meant.
                likeness = [_likeness(branch, other) for other in heard_branches]
                yield from min(zip(likeness, candidates, strict=True), key=lambda c: (c[0], len(c[1])))[1]

    def _between(self, said: Mapping[str, Any], heard: Mapping[str, Any], place: str) -> Iterator[str]:
        if "enum" in said:
            for value in said["enum"]:
                if not _takes(heard, value):
                    yield self._break(place, f"{value!r} is no longer allowed", f"{value!r} is new")
        elif _type_taken(said, heard):
            yield from self._details(said, heard, place)
        else:
            given = said.get("type", "any type")
            yield self._break(
                place,
                f"{given} is no longer allowed, only {heard['type']}",
                f"{given} is new beside {heard['type']}",
            )

    def _details(self, said: Mapping[str, Any], heard: Mapping[str, Any], place: str) -> Iterator[str]:
        if not _spoken(heard):
            return
        if "enum" in heard:
            yield self._break(
                place, f"only {heard['enum']} is allowed now", f"others than {heard['enum']} are new"
            )
        yield from self._bounds(said, heard, place)
        for key, value in heard.items():
            if key not in _SILENT | _BOUNDS | _STRUCTURE and said.get(key) != value:
                yield self._break(place, f"{key} {value!r} is new", f"{key} {value!r} no longer holds")
        if "items" in heard:
            yield from self.differences(said.get("items", True), heard["items"], f"{place}[]")
        if said.get("type") in {None, "object"}:
            yield from self._objects(said, heard, place)

    def _bounds(self, said: Mapping[str, Any], heard: Mapping[str, Any], place: str) -> Iterator[str]:
        for key in _BOUNDS & heard.keys():
            if not _within(said, key, heard[key]):
                was = said.get(key, "none")
                yield self._break(
                    place,
                    f"{key} is {heard[key]} now, was {was}",
                    f"{key} was {heard[key]}, is {was} now",
                )

    def _objects(self, said: Mapping[str, Any], heard: Mapping[str, Any], place: str) -> Iterator[str]:
        said_fields, heard_fields = said.get("properties", {}), heard.get("properties", {})
        always = set(said.get("required", ()))
        for name in heard.get("required", ()):
            if name not in always:
                there = name in said_fields
                yield self._break(
                    _join(place, name),
                    "is required now" if there else "is new and required",
                    "is no longer always there" if there else "was removed",
                )
        for name, field in said_fields.items():
            if name in heard_fields:
                yield from self._field(field, heard_fields[name], _join(place, name))
            elif (otherwise := self._otherwise(heard, name)) is False:
                yield f"{_join(place, name)}: was removed"
            else:
                yield from self.differences(field, otherwise, _join(place, name))
        for name in heard_fields:
            missed_already = name in heard.get("required", ()) and name not in always
            if name in said_fields or missed_already:
                continue
            if self._kind == "event":
                yield f"{_join(place, name)}: was removed"
            elif (otherwise := self._otherwise(said, name)) is not False:
                yield from self.differences(otherwise, heard_fields[name], _join(place, name))
        yield from self._maps(said, heard, place)

    def _field(self, said: Schema, heard: Schema, place: str) -> Iterator[str]:
        yield from self.differences(said, heard, place)
        if self._kind == "command" and isinstance(said, Mapping) and isinstance(heard, Mapping):
            was = said.get("default")
            if "default" in said and was != heard.get("default", was):
                yield f"{place}: left out, it means {heard['default']!r} now, not {was!r}"

    def _otherwise(self, schema: Mapping[str, Any], name: str) -> Schema:
        """What holds for a field that the schema does not name."""
        for pattern, found in schema.get("patternProperties", {}).items():
            if re.search(pattern, name):
                return found  # type: ignore[no-any-return]
        found = schema.get("additionalProperties", True)
        return True if found is False and self._kind == "event" else found

    def _maps(self, said: Mapping[str, Any], heard: Mapping[str, Any], place: str) -> Iterator[str]:
        said_patterns, heard_patterns = said.get("patternProperties", {}), heard.get("patternProperties", {})
        names = self._break(place, "the names allowed have changed", "the names used have changed")
        place = f"{place}.*"
        for pattern, field in said_patterns.items():
            if pattern in heard_patterns:
                yield from self.differences(field, heard_patterns[pattern], place)
            elif self.differences(field, self._rest(heard), place):
                yield names
        # A name may fit several patterns, and then has to fit each of their schemas.
        any_name = [*said_patterns.values(), self._rest(said)]
        for pattern, field in heard_patterns.items():
            if pattern not in said_patterns and any(self.differences(one, field, place) for one in any_name):
                yield names
        yield from self.differences(self._rest(said), self._rest(heard), place)
        if "propertyNames" in heard:
            keys = {**said.get("propertyNames", {}), "type": "string"}
            yield from self.differences(keys, heard["propertyNames"], f"{place} (names)")

    def _rest(self, schema: Mapping[str, Any]) -> Schema:
        found: Schema = schema.get("additionalProperties", True)
        # Readers of events pass over what they do not know.
        return True if self._kind == "event" and found is False else found

    def _break(self, place: str, of_command: str, of_event: str) -> str:
        return f"{place or 'the whole'}: {of_command if self._kind == 'command' else of_event}"


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _reference(schema: Schema) -> str:
    return str(schema.get("$ref", "")) if isinstance(schema, Mapping) else ""


def _branches(schema: Schema, root: Schema) -> Iterator[Mapping[str, Any]]:
    """Take alternatives apart, so that each has one type at most; `false` has none."""
    if isinstance(schema, bool):
        yield from [{}] if schema else []
    elif "$ref" in schema:
        yield from _branches(_both(_spoken(schema), _target(schema["$ref"], root)), root)
    elif several := next((key for key in ("anyOf", "oneOf") if key in schema), None):
        rest = {key: value for key, value in _spoken(schema).items() if key != several}
        for option in schema[several]:
            yield from _branches(_both(rest, option), root)
    elif "const" in schema:
        yield {**{key: value for key, value in schema.items() if key != "const"}, "enum": [schema["const"]]}
    elif isinstance(schema.get("type"), list):
        yield from ({**schema, "type": type_} for type_ in schema["type"])
    else:
        yield schema


def _spoken(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key not in _SILENT}


def _target(reference: str, root: Any) -> Schema:
    found = root
    for part in reference.removeprefix("#/").split("/"):
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return found  # type: ignore[no-any-return]


def _both(rest: Mapping[str, Any], option: Schema) -> Schema:
    if isinstance(option, bool):
        return rest if option else False
    if clash := [key for key in rest if key in option and rest[key] != option[key]]:
        raise NotImplementedError(f"{clash[0]} stands beside a reference or alternative that has it too")
    return {**rest, **option}


def _likeness(one: Mapping[str, Any], other: Mapping[str, Any]) -> int:
    """Smaller is liker: the same type, then the same fixed values, such as the tag of a union."""
    tags = [
        [
            (name, field["const"])
            for name, field in fields.items()
            if isinstance(field, Mapping) and "const" in field
        ]
        for fields in (one.get("properties", {}), other.get("properties", {}))
    ]
    return 2 * (one.get("type") != other.get("type")) + (tags[0] != tags[1])


def _type_taken(said: Mapping[str, Any], heard: Mapping[str, Any]) -> bool:
    given, wanted = said.get("type"), heard.get("type")
    return wanted is None or given == wanted or (given, wanted) == ("integer", "number")


def _takes(schema: Mapping[str, Any], value: Any) -> bool:
    """Tell whether a schema takes one value; for compound values only if it names that value."""
    if "enum" in schema:
        return any(value == known and type(value) is type(known) for known in schema["enum"])
    if "type" in schema and not _TYPES[schema["type"]](value):
        return False
    if isinstance(value, dict | list) or schema.keys() - _SILENT - _BOUNDS - {"type", "pattern"}:
        return not schema.keys() - _SILENT - {"type"}
    if isinstance(value, str):
        exact = {"minLength": len(value), "maxLength": len(value)}
        if "pattern" in schema and not re.search(schema["pattern"], value):
            return False
    else:
        exact = {"minimum": value, "maximum": value}
    return all(_within(exact, key, schema[key]) for key in _BOUNDS & schema.keys() if _concerns(key, value))


def _concerns(bound: str, value: Any) -> bool:
    if isinstance(value, str):
        return bound in {"minLength", "maxLength"}
    return bound.endswith("imum") and isinstance(value, int | float) and not isinstance(value, bool)


def _within(said: Mapping[str, Any], key: str, limit: float) -> bool:
    """Tell whether what is said keeps to one limit of the hearer."""
    if key in _LOWER:
        return bool(said.get(key, 0) >= limit)
    if key in _UPPER:
        return key in said and bool(said[key] <= limit)
    end = "Minimum" if key.endswith("inimum") else "Maximum"
    sign = 1 if end == "Minimum" else -1
    closed, opened = said.get(end.lower()), said.get(f"exclusive{end}")
    if opened is not None and sign * opened >= sign * limit:
        return True
    if closed is None:
        return False
    if key.startswith("exclusive"):
        return bool(sign * closed > sign * limit)
    return bool(sign * closed >= sign * limit)
