"""Order forms: what a provider may ask beside quantities, and whether the answers fit.

A form is a JSON Schema (draft 2020-12) without references. Its patterns are matched in linear time, so that
no form makes checking an answer expensive, and nothing is ever fetched.
"""

import functools
import json
from collections.abc import Iterator, Mapping

from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

from allmende.schemas.catalog import Json, Plan
from allmende.schemas.rejections import Rejected, rejected

DIALECT = "https://json-schema.org/draft/2020-12/schema"
PATTERNS_MAX = 20
_PATTERN_BYTES_MAX = 128 * 1024
"""Of a compiled pattern, and of what matching may keep."""
_FORMS_KEPT = 64
_DETAIL_MAX = 300


def refuse_schema(plan: Plan) -> Rejected | None:
    """Refuse a form that is no schema, or one that could not be checked within bounds."""
    if plan.order_form is None:
        return None
    reason = _fault(plan.order_form)
    return rejected("form_invalid", "offering.plans", plan=plan.plan_id, detail=reason) if reason else None


def refuse_details(plan: Plan, details: Mapping[str, Json] | None) -> Rejected | None:
    """Refuse answers that do not fit the form. No answers are an empty object."""
    if plan.order_form is None:
        return rejected("details_not_asked", "details", plan=plan.plan_id) if details else None
    # A form is kept by its text: equal forms of any number of bookings are compiled once.
    validator = _compiled(json.dumps(plan.order_form, sort_keys=True))
    try:
        error = next(validator.iter_errors(dict(details or {})), None)
    except ValueError as unreadable:  # nested beyond what the checker follows
        return rejected("details_invalid", "details", detail=str(unreadable)[:_DETAIL_MAX])
    if error is None:
        return None
    place = "".join(f".{part}" for part in error.instance_path)
    return rejected("details_invalid", f"details{place}"[:300], detail=error.message[:_DETAIL_MAX])


def _fault(form: dict[str, Json]) -> str | None:
    if form.get("$schema", DIALECT) != DIALECT:
        return f"$schema must be {DIALECT}"
    if sum(1 for _ in _patterns(form)) > PATTERNS_MAX:
        return f"more than {PATTERNS_MAX} patterns"
    try:
        _compiled(json.dumps(form, sort_keys=True))
    except ValidationError as error:
        return error.message[:_DETAIL_MAX]
    except ValueError as error:
        return str(error).splitlines()[0][:_DETAIL_MAX]
    return None


def _patterns(value: Json) -> Iterator[Json]:
    """Everything that may be compiled as a pattern; what is only called so counts too."""
    if isinstance(value, dict):
        for key, below in value.items():
            if key == "pattern":
                yield below
            if key == "patternProperties" and isinstance(below, dict):
                yield from below
            yield from _patterns(below)
    elif isinstance(value, list):
        for below in value:
            yield from _patterns(below)


@functools.lru_cache(maxsize=_FORMS_KEPT)
def _compiled(form: str) -> Draft202012Validator:
    return Draft202012Validator(
        json.loads(form),
        validate_formats=True,
        offline=True,
        pattern_options=RegexOptions(size_limit=_PATTERN_BYTES_MAX, dfa_size_limit=_PATTERN_BYTES_MAX),
    )
