"""Steps of a clause that would never come to an end are refused."""

import pytest

from allmende.schemas.clause_case import CaseDocument
from allmende.schemas.rejections import Rejected
from allmende.tariffs import steps
from allmende.tariffs.clause import Held, Result
from allmende.tariffs.clauses.cases import run_case
from allmende.tariffs.clauses.files import read_clauses

DEPTH, TIMES = 4, 20


def _run(start: str) -> Result | Held | Rejected:
    """Each step multiplies the one before by itself twenty times."""
    lines = [
        "clause_id: growing",
        "title: Wachsend",
        "source: {title: Erfundenes Beispiel}",
        "versions:",
        "  - version: 1",
        "    valid_from: 2026-01-01",
        "    inputs: {n: {kind: number}}",
        "    steps:",
        f"      - {{id: s0, calculate: {{multiply: [{', '.join(['n'] * TIMES)}]}}}}",
    ]
    lines += [
        f"      - {{id: s{number}, calculate: {{multiply: [{', '.join([f's{number - 1}'] * TIMES)}]}}}}"
        for number in range(1, DEPTH)
    ]
    [clause] = read_clauses("\n".join(lines) + "\n", "growing.yaml")
    return run_case(clause.versions[0], CaseDocument(told={"n": start}), ())


def test_a_number_that_grows_without_end_is_refused() -> None:
    outcome = _run("3")
    assert isinstance(outcome, Rejected)
    assert (outcome.code, outcome.field) == ("number_too_long", "s1")
    assert all("s1" in sentence for sentence in outcome.sentences)


def test_a_number_that_stays_is_not() -> None:
    assert isinstance(_run("1"), Result)


def test_without_the_guard_it_cannot_even_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "_BITS_MAX", 10**9)
    with pytest.raises(ValueError, match="digits"):
        _run("3")
