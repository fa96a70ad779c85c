"""What two documents differ in. What has an id is found by it, wherever it stands."""

import json
from collections.abc import Iterator, Sequence

from allmende.schemas.catalog import Differing, Json, Offering

_NAMED_BY = ("plan_id", "pool_id", "version", "id", "name")
"""Fields by which the entries of a list are told apart: plans, pools, tariffs, components, certificates."""


def difference(before: Offering, after: Offering) -> list[Differing]:
    """Compare two revisions of an offering, in the order of the document."""
    return list(_differing("", _document(before), _document(after)))


def _document(offering: Offering) -> Json:
    document: Json = offering.model_dump(mode="json", exclude_none=True)
    return document


def _differing(path: str, before: Json, after: Json) -> Iterator[Differing]:
    # Compared as they are written: to Python, 1 and true are equal.
    if json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True):
        return
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _of_fields(path, before, after, "{path}.{name}")
    elif (old := _by_name(before)) is not None and (new := _by_name(after)) is not None:
        yield from _of_fields(path, old, new, "{path}[{name}]")
    else:
        yield Differing(path=path, before=before, after=after)


def _of_fields(path: str, before: dict[str, Json], after: dict[str, Json], form: str) -> Iterator[Differing]:
    for name in dict.fromkeys((*before, *after)):
        place = form.format(path=path, name=name).removeprefix(".")
        if name not in after:
            yield Differing(path=place, before=before[name])
        elif name not in before:
            yield Differing(path=place, after=after[name])
        else:
            yield from _differing(place, before[name], after[name])


def _by_name(value: Json) -> dict[str, Json] | None:
    """The entries of a list by what names them; None where something has no name or shares it."""
    if not isinstance(value, list):
        return None
    found = {name: entry for entry in value if (name := _name_of(entry)) is not None}
    return found if len(found) == len(value) else None


def _name_of(entry: Json) -> str | None:
    if not isinstance(entry, dict):
        return None
    return next((str(entry[field]) for field in _NAMED_BY if field in entry), None)


def fitting(found: Sequence[Differing], bytes_max: int) -> tuple[Differing, ...]:
    """Take as many differences, from the first, as fit into one answer."""
    size = 0
    for count, each in enumerate(found):
        size += len(each.model_dump_json())
        if size > bytes_max:
            return tuple(found[:count])
    return tuple(found)
