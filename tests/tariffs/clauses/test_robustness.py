"""Whatever a clause is fed with, it comes to a result, a reason to wait, or a refusal, and never to less."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmende.schemas.clause import Clause
from allmende.schemas.clause_case import WorkedCase
from allmende.schemas.rejections import Rejected
from allmende.tariffs.clause import Held, Result
from allmende.tariffs.clauses import files
from allmende.tariffs.clauses.cases import run_case, version_for

KEYS = files.published_keys()
CLAUSES = files.collection()
ODD: tuple[Any, ...] = (
    "0",
    "-1",
    "1",
    "0.5",
    "1/3",
    "",
    "x",
    "999999999999999",
    True,
    "2024-02-29",
    "1990-01-01",
)


def mutants(case: WorkedCase) -> Iterator[WorkedCase]:
    """The case with one input, or one party's part of it, told otherwise or not at all."""
    for name, value in case.told.items():
        if isinstance(value, dict):
            others: list[Any] = [{}, {**value, "Neu": next(iter(value.values()), "1")}, "1"]
            others += [{**value, party: odd} for party in list(value)[:2] for odd in ODD]
        else:
            others = [*ODD, {"A": value}]
        yield from (case.model_copy(update={"told": {**case.told, name: odd}}) for odd in others)
        yield case.model_copy(update={"told": {key: told for key, told in case.told.items() if key != name}})
    yield case.model_copy(update={"parties": ("Niemand",)})
    yield case.model_copy(update={"told": {**case.told, "unknown": "1"}})


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.clause_id)
def test_odd_inputs(clause: Clause) -> None:
    seen = 0
    for case in files.examples_of(clause.clause_id).cases:
        version = version_for(clause, case)
        assert version is not None
        for mutant in mutants(case):
            outcome = run_case(version, mutant, KEYS)
            assert isinstance(outcome, Result | Held | Rejected)
            if isinstance(outcome, Rejected | Held):
                continue
            seen += 1
            assert all(isinstance(charged.amount, int) for charged in outcome.charges)
            if version.exact_cost is not None:
                charged_ = sum(charged.amount for charged in outcome.charges)
                assert charged_ == outcome.values[version.exact_cost].total
    assert seen


@given(st.dictionaries(st.sampled_from("ABCDE"), st.integers(0, 10**12), min_size=1), st.integers(0, 10**14))
def test_the_order_of_the_inputs_changes_nothing(spend: dict[str, int], levy: int) -> None:
    [clause] = [each for each in CLAUSES if each.clause_id == "vtg-rlp-16"]
    told: dict[str, Any] = {party: str(amount) for party, amount in spend.items()}
    one = WorkedCase(told={"levy": str(levy), "spend": told}, held="-")
    other = WorkedCase(told={"spend": dict(reversed(told.items())), "levy": str(levy)}, held="-")
    first, second = (run_case(clause.versions[0], case, KEYS) for case in (one, other))
    assert type(first) is type(second)
    if isinstance(first, Result) and isinstance(second, Result):
        assert dict(first.values["part"].parts) == dict(second.values["part"].parts)
        assert first.charges == second.charges
        assert first.values["part"].total == Fraction(levy)
