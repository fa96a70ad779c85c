"""Makes the reference of the language of tariffs and cost clauses from its JSON Schemas."""

from collections.abc import Iterator, Sequence
from typing import Any

from . import clause, clause_case, tariff
from .generate import DOCUMENTS, schemas

Schema = dict[str, Any]

SECTIONS: dict[str, Sequence[type]] = {
    "Clauses": (clause.Clause, clause.ClauseVersion, clause.Source, clause.Input),
    "Conditions": (clause.Condition, clause.Test, clause.Group, clause.Requirement),
    "Keys": (clause.Key, clause.KeyPart, tariff.AllocationKey),
    "Steps": (
        clause.Step,
        clause.Calculate,
        clause.PriceStep,
        clause.Share,
        clause.Part,
        clause.Keep,
        clause.Decide,
        clause.Row,
        clause.Otherwise,
        clause.DateStep,
        clause.Between,
        clause.Instalments,
        clause.Charge,
    ),
    "Prices": (
        tariff.PerUnit,
        tariff.Free,
        tariff.NotOffered,
        tariff.Tiered,
        tariff.Tier,
        tariff.PriceCell,
        tariff.QuantityRule,
        tariff.QuantityRounding,
        tariff.Included,
        tariff.AmountRule,
        tariff.Rounding,
        tariff.Indexation,
        tariff.IndexPoint,
        tariff.PercentOf,
        tariff.Derived,
    ),
    "Cases": (clause_case.CaseDocument, clause_case.Spell),
}

_INTRODUCTION = """\
# Every keyword of cost clauses and prices

Made from the models in [`schemas/clause.py`](../schemas/clause.py),
[`schemas/tariff.py`](../schemas/tariff.py) and [`schemas/clause_case.py`](../schemas/clause_case.py). How to
write a clause, with examples, stands in [clauses.md](clauses.md).

*number* is an exact decimal, *operand* the name of an input or step, `name.party`, a number, money such as
`650.00 EUR`, or a day; *name* has small letters, digits, `-` and `_`. What is not marked as required may be
left out.
"""


def page() -> str:
    """The page as it should stand."""
    definitions = _definitions()
    parts = [_INTRODUCTION]
    for title, models in SECTIONS.items():
        parts.append(f"## {title}\n")
        parts += ("\n".join(_section(model, definitions)) for model in models)
    return "\n".join(parts)


def _definitions() -> dict[str, Schema]:
    found: dict[str, Schema] = {}
    published = schemas()
    for name, model in DOCUMENTS.items():
        schema = published[name][1]
        found |= {model.__name__: schema, **schema.get("$defs", {})}
    # What other models extend stands in no document by itself.
    for base in (clause.Condition,):
        found[base.__name__] = found["Row"] | {"description": (base.__doc__ or "").strip()}
        found[base.__name__]["properties"] = {
            name: found["Row"]["properties"][name] for name in base.model_fields
        }
        found[base.__name__]["required"] = []
    return found


def _section(model: type, definitions: dict[str, Schema]) -> Iterator[str]:
    schema = definitions[model.__name__]
    yield f"### {model.__name__}\n"
    if text := schema.get("description"):
        yield f"{text}\n"
    yield "| keyword | value | meaning |"
    yield "|---|---|---|"
    for name, field in schema["properties"].items():
        required = " *(required)*" if name in schema.get("required", ()) else ""
        cells = (f"`{name}`{required}", _kind(field) + _otherwise(field), field.get("description", ""))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _kind(field: Schema) -> str:
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    either: list[Schema] = field.get("anyOf") or field.get("oneOf") or []
    options = [each for each in either if each.get("type") != "null"]
    if options:
        return " or ".join(dict.fromkeys(map(_kind, options)))
    if "enum" in field:
        return ", ".join(f"`{each}`" for each in field["enum"])
    if "const" in field:
        return f"`{str(field['const']).lower()}`"
    match field.get("type"):
        case "array":
            return f"list of {_kind(field['items'])}"
        case "object":
            values = [*field.get("patternProperties", {}).values(), field.get("additionalProperties")]
            return f"by name: {_kind(next(each for each in values if isinstance(each, dict)))}"
        case "integer":
            return "whole number"
        case "boolean":
            return "`true` or `false`"
    return _text(field)


_PATTERNS = {
    "[^\\s.]": "operand",
    "^-?(0|": "number",
    "^(0|": "number",
    "^[a-z0-9](": "name",
    "^(0[1-9]": "`MM-DD`",
    "^[A-Z]{2,4}": "`EUR`, or a unit of its own",
}


def _text(field: Schema) -> str:
    if field.get("format") == "date":
        return "day"
    pattern = field.get("pattern", "")
    return next((word for start, word in _PATTERNS.items() if start in pattern[: len(start) + 1]), "text")


def _otherwise(field: Schema) -> str:
    default = field.get("default")
    if default in (None, [], {}, ""):
        return ""
    return f"; `{str(default).lower() if isinstance(default, bool) else default}` unless said"
