"""The collection as a table: every clause, what its examples expect, and what comes out."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from allmende.schemas.clause import Clause
from allmende.schemas.clause_case import Examples
from allmende.schemas.tariff import AllocationKey

from . import files
from .cases import Checked, check

SOURCED = 32
"""So many entries of the collection have a worked example of their own."""
ENTRIES = 45


@dataclasses.dataclass(frozen=True)
class Entry:
    """A clause with its examples and everything they expect."""

    clause: Clause
    examples: Examples
    checked: tuple[tuple[Checked, str], ...]
    excluded: str | None

    @property
    def agrees(self) -> bool:
        """Whether everything came out as expected."""
        return all(checked.agrees for checked, _ in self.checked)


def entries() -> list[Entry]:
    """Run the whole collection."""
    keys, excluded = files.published_keys(), {each.clause_id: each.reason for each in files.exclusions()}
    return [_entry(clause, keys, excluded) for clause in files.collection()]


def _entry(clause: Clause, keys: Sequence[AllocationKey], excluded: Mapping[str, str]) -> Entry:
    examples = files.examples_of(clause.clause_id)
    checked = tuple(
        (found, case.remark or "") for case in examples.cases for found in check(clause, case, keys)
    )
    return Entry(clause, examples, checked, excluded.get(clause.clause_id))


def report(say: Callable[[str], None]) -> int:
    """Tell the collection as tables, and in the last line how much of it is expressed and comes out."""
    found = entries()
    priced = [entry for entry in found if entry.excluded is None]
    left_out = {each.clause_id: each.reason for each in files.exclusions()}
    _table(say, [row for entry in priced for row in _rows(entry)])
    say("")
    say("No pricing matter:")
    for clause_id, reason in left_out.items():
        say(f"  {clause_id}: {reason}")
    _table(say, [row for entry in found if entry.excluded is not None for row in _rows(entry)])
    expressed = {entry.clause.clause_id for entry in found} | set(left_out)
    sourced = [entry for entry in found if entry.examples.sourced]
    exact = sum(entry.agrees for entry in sourced)
    say("")
    say(f"clauses: {len(expressed)} of {ENTRIES} expressed, {exact} of {SOURCED} examples to the cent")
    return 0 if all(entry.agrees for entry in found) and exact == SOURCED else 1


Row = tuple[str, str, str, str, str, str, str]


def _rows(entry: Entry) -> list[Row]:
    basis = entry.examples.basis if entry.examples.sourced else f"{entry.examples.basis} (ours)"
    return [
        (
            entry.clause.clause_id if not number else "",
            basis if not number else "",
            checked.name,
            checked.expected,
            checked.got if not checked.agrees or checked.name not in {"refused", "held"} else "as expected",
            "ok" if checked.agrees else "FAILED",
            remark,
        )
        for number, (checked, remark) in enumerate(entry.checked)
    ]


def _table(say: Callable[[str], None], rows: Sequence[Row]) -> None:
    head: Row = ("clause", "basis", "value", "expected", "got", "ok", "remark")
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
