"""The language holds more than the collection: clauses of the same families, reckoned by hand.

Every file is a clause and, as its second document, what must come out; its first lines tell the reckoning.
"""

from pathlib import Path

import pytest

from allmende.schemas.clause_case import Examples
from allmende.schemas.documents import read_documents
from allmende.tariffs.clause import Result
from allmende.tariffs.clauses.cases import Checked, check, run_case
from allmende.tariffs.clauses.files import published_keys, read_clauses

FOLDER = Path(__file__).parent / "invented"
KEYS = published_keys()


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_an_invented_clause(path: Path) -> None:
    first, second = path.read_text("utf-8").split("\n---\n")
    [clause] = read_clauses(first, path.name)
    [examples] = read_documents(Examples, second, path.name, none=("", ""))
    wrong: list[Checked] = []
    for case in examples.value.cases:
        wrong += (found for found in check(clause, case, KEYS) if not found.agrees)
        outcome = run_case(clause.versions[0], case, KEYS)
        if isinstance(outcome, Result):
            assert {told.step for told in outcome.story} <= {step.id for step in clause.versions[0].steps}
            assert all(told.german and told.english for told in outcome.story)
    assert wrong == []


def test_there_are_enough() -> None:
    assert len(list(FOLDER.glob("*.yaml"))) >= 12
