"""Reads clauses, their cases and keys from files; every mistake names its file, line and reason."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from allmende.schemas.clause import Clause
from allmende.schemas.clause_case import CaseDocument, Examples, Exclusion
from allmende.schemas.documents import Document, Mistakes, read_documents
from allmende.schemas.mistakes import Mistake
from allmende.schemas.tariff import AllocationKey
from allmende.tariffs.clause_check import find_flaws

FOLDER = Path(__file__).parent
KEYS = FOLDER.parent / "published_keys"

M = TypeVar("M", bound=BaseModel)


def read_clauses(text: str, file: str) -> list[Clause]:
    """Read and check clauses.

    Raises:
        Mistakes: all that could be found at once.
    """
    none = ("Die Datei enthält keine Klausel", "The file holds no clause")
    return [each.value for each in read_documents(Clause, text, file, none=none, check=_flaws)]


def _flaws(document: Document[Clause]) -> Iterator[Mistake]:
    for flaw in find_flaws(document.value):
        yield document.mistake(flaw.path, flaw.german, flaw.english)


def read_cases(text: str, file: str) -> list[Document[CaseDocument]]:
    """Read cases to run a clause on.

    Raises:
        Mistakes: all that could be found at once.
    """
    none = ("Die Datei enthält keinen Fall", "The file holds no case")
    return read_documents(CaseDocument, text, file, none=none)


def read_keys(text: str, file: str) -> list[AllocationKey]:
    """Read versions of published keys; one that does not sum to 100 percent is a mistake.

    Raises:
        Mistakes: all that could be found at once.
    """
    none = ("Die Datei enthält keinen Schlüssel", "The file holds no key")
    return [each.value for each in read_documents(AllocationKey, text, file, none=none)]


def clause_of(path: Path) -> Clause:
    """The one clause of a file, which has its name.

    Raises:
        Mistakes: also if there are several, or it has another name.
    """
    clauses = read_clauses(path.read_text(encoding="utf-8"), path.name)
    if [clause.clause_id for clause in clauses] != [path.stem]:
        german = f"Die Datei enthält nicht genau die Klausel {path.stem}"
        raise Mistakes(path.name, [Mistake(1, 0, "", german, f"The file holds not just {path.stem}")])
    return clauses[0]


def collection() -> list[Clause]:
    """All clauses of this folder, by name."""
    return [clause_of(path) for path in sorted(FOLDER.glob("*.yaml")) if path.stem != "exclusions"]


def examples_of(clause_id: str) -> Examples:
    """The worked examples of a clause of this folder."""
    [examples] = _all(Examples, FOLDER / "examples" / f"{clause_id}.yaml")
    return examples


def exclusions() -> list[Exclusion]:
    """What of the collection is no pricing matter."""
    return _all(Exclusion, FOLDER / "exclusions.yaml")


def published_keys() -> list[AllocationKey]:
    """All published keys that come with the rules."""
    return [
        key
        for path in sorted(KEYS.glob("*.yaml"))
        for key in read_keys(path.read_text(encoding="utf-8"), path.name)
    ]


def _all(model: type[M], path: Path) -> list[M]:
    none = ("Die Datei ist leer", "The file is empty")
    return [
        each.value for each in read_documents(model, path.read_text(encoding="utf-8"), path.name, none=none)
    ]
