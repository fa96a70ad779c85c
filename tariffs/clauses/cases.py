"""Runs clauses on cases, and compares what comes out with what must."""

import dataclasses
import datetime as dt
from collections.abc import Iterator, Sequence
from fractions import Fraction

from allmende.schemas.clause import Clause, ClauseVersion
from allmende.schemas.clause_case import CaseDocument, WorkedCase
from allmende.schemas.rejections import Rejected
from allmende.schemas.tariff import AllocationKey
from allmende.tariffs.clause import Case, Held, Outcome, Result, run
from allmende.tariffs.values import Scalar


@dataclasses.dataclass(frozen=True)
class Checked:
    """One expected outcome beside the one that came out.

    Attributes:
        name: of a value, or `refused` or `held`.
    """

    name: str
    expected: str
    got: str
    agrees: bool


def version_for(clause: Clause, case: CaseDocument) -> ClauseVersion | None:
    """Find the version a case is about, as far as there is one."""
    if case.version is not None:
        return next((each for each in clause.versions if each.version == case.version), None)
    if case.first_day is None:
        return clause.versions[-1]
    for version in reversed(clause.versions):
        if version.valid_from <= case.first_day <= (version.valid_to or dt.date.max):
            return version
    return None


def run_case(version: ClauseVersion, case: CaseDocument, keys: Sequence[AllocationKey]) -> Outcome:
    """Run a version on a case."""
    first_day = case.first_day or version.valid_from
    year_end = dt.date(first_day.year, 12, 31)
    return run(
        version,
        Case(
            told=case.told,
            first_day=first_day,
            last_day=case.last_day or min(year_end, version.valid_to or year_end),
            parties=case.parties,
            keys=keys,
            taking_part={
                party: (spell.first_day, spell.last_day) for party, spell in case.taking_part.items()
            },
            holder_of=case.holder_of,
        ),
    )


def check(clause: Clause, case: WorkedCase, keys: Sequence[AllocationKey]) -> Iterator[Checked]:
    """Compare everything that a worked case expects."""
    version = version_for(clause, case)
    if version is None:
        yield Checked("version", str(case.version or case.first_day), "-", agrees=False)
        return
    outcome = run_case(version, case, keys)
    words = case.refused if case.refused is not None else case.held
    if words is not None:
        wanted = Rejected if case.refused is not None else Held
        told = told_outcome(outcome)
        name = "refused" if case.refused is not None else "held"
        yield Checked(name, words, told, isinstance(outcome, wanted) and words in told)
        return
    for name, expected in (case.expect or {}).items():
        if isinstance(outcome, Result):
            found = _value(outcome, name)
            yield Checked(name, written(expected), written(found), _equal(found, expected))
        else:
            yield Checked(name, written(expected), told_outcome(outcome), agrees=False)


def told_outcome(outcome: Outcome) -> str:
    """What became of a run that came to no result, in German and English."""
    if isinstance(outcome, Held):
        return f"{outcome.german} / {outcome.english}"
    if isinstance(outcome, Rejected):
        return f"{outcome.code}: {' / '.join(outcome.sentences)}"
    return "-"


def _value(result: Result, name: str) -> Scalar | None:
    try:
        return result.of(name)
    except KeyError:
        return None


def _equal(found: Scalar | None, expected: Scalar) -> bool:
    if isinstance(found, Fraction) and isinstance(expected, str):
        try:
            return found == Fraction(expected)
        except ValueError:
            return False
    return found is not None and written(found) == written(expected)


def written(value: Scalar | None) -> str:
    """A value as documents write it."""
    if value is None:
        return "-"
    return str(value).lower() if isinstance(value, bool) else str(value)
