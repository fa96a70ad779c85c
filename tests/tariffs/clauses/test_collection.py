"""The collection of real clauses: all of it is there, and nothing that it expects is left out."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from allmende.schemas.clause_case import Examples, WorkedCase
from allmende.tariffs.clause import Result
from allmende.tariffs.clauses import collection, files
from allmende.tariffs.clauses.cases import check, run_case, version_for

COLLECTION = Path(__file__).parents[1] / "data/clauses.yaml"
SOURCE: dict[str, Any] = {
    entry["id"]: entry for entry in yaml.safe_load(COLLECTION.read_text("utf-8"))["clauses"]
}
WITH_EXAMPLE = sorted(name for name, entry in SOURCE.items() if "example" in entry)
REFUSED = ("rejected", "refused", "not offered", "booking refused")
KEYS = files.published_keys()


def outcomes(expected: Any) -> Iterator[str]:
    """Everything that an example of the collection expects, one by one, as documents write it."""
    if isinstance(expected, dict):
        for value in expected.values():
            yield from outcomes(value)
    elif isinstance(expected, list):
        for value in expected:
            yield from outcomes(value)
    elif isinstance(expected, str) and expected.startswith(REFUSED):
        yield "refused"
    else:
        yield str(expected)


def expected_of(entry: dict[str, Any]) -> Counter[str]:
    """What the example and its `also` expect; of a text, what it says."""
    example = entry["example"]
    found = list(outcomes({k: v for k, v in example.items() if k.startswith("expected")}))
    also = example.get("also", [])
    for each in also if isinstance(also, list) else [also]:
        found += outcomes(each["expected"])
    return Counter(found)


# Expectations in words, with the values that say the same.
IN_WORDS = {
    "notification + 1 month": ["2024-10-10"],
    "accepted 2:1 although the no-side is the largest": [
        "accepted although the no-side is the largest",
        "2",
        "1",
    ],
    "returned to Bund, no redistribution": ["6499999"],
}


def checked_of(examples: Examples) -> Counter[str]:
    found: Counter[str] = Counter()
    for case in examples.cases:
        found.update(["refused"] if case.refused is not None else [])
        found.update(str(value) for value in (case.expect or {}).values())
    return found


def missing(entry: dict[str, Any], examples: Examples) -> Counter[str]:
    """What the collection expects and the document does not."""
    wanted: Counter[str] = Counter()
    for text, times in expected_of(entry).items():
        for each in IN_WORDS.get(text, [text]):
            wanted[each] += times
    return wanted - checked_of(examples)


def test_every_entry_is_a_document_with_its_source() -> None:
    clauses = {clause.clause_id: clause for clause in files.collection()}
    assert set(clauses) | {each.clause_id for each in files.exclusions()} == set(SOURCE)
    for name, clause in clauses.items():
        assert clause.source.title == SOURCE[name]["source"]["title"]
        assert clause.provider == SOURCE[name]["provider"]


def test_at_most_three_are_excluded_and_each_with_a_reason() -> None:
    assert len(files.exclusions()) <= 3
    assert all(len(each.reason) > 20 for each in files.exclusions())


def test_the_counts_are_those_of_the_collection() -> None:
    assert (len(SOURCE), len(WITH_EXAMPLE)) == (collection.ENTRIES, collection.SOURCED)
    sourced = [name for name in SOURCE if files.examples_of(name).sourced]
    assert sorted(sourced) == WITH_EXAMPLE


@pytest.mark.parametrize("name", WITH_EXAMPLE)
def test_everything_the_collection_expects_is_checked(name: str) -> None:
    examples = files.examples_of(name)
    assert missing(SOURCE[name], examples) == Counter()
    assert examples.basis == SOURCE[name]["example"]["basis"]


def test_an_expectation_left_out_is_found() -> None:
    examples = files.examples_of("vkfv")
    first = examples.cases[0]
    assert first.expect is not None
    shorter = {key: value for key, value in first.expect.items() if key != "fte"}
    cut = examples.model_copy(update={"cases": (first.model_copy(update={"expect": shorter}),)})
    assert missing(SOURCE["vkfv"], cut) == Counter({"15/52": 1})


@pytest.mark.parametrize("entry", collection.entries(), ids=lambda entry: entry.clause.clause_id)
def test_every_example_comes_out(entry: collection.Entry) -> None:
    assert [found for found, _ in entry.checked if not found.agrees] == []
    assert entry.checked


@pytest.mark.parametrize("name", ["itplr-geschaeftsstelle-50-50", "xplanung-82-17", "koenigsteiner-gafinhg"])
@pytest.mark.parametrize("amount", [1, 99, 25_000_000, 80_000_000, 123_456_789])
def test_what_is_shared_sums_to_the_cent(name: str, amount: int) -> None:
    [clause] = [each for each in files.collection() if each.clause_id == name]
    told: dict[str, Any] = {"total" if name == "koenigsteiner-gafinhg" else "cost": str(amount)}
    result = run_case(clause.versions[0], WorkedCase(told=told, held="-"), KEYS)
    assert isinstance(result, Result)
    assert result.values["part"].total == amount


def test_a_wrong_expectation_fails_and_says_what_came_out() -> None:
    [clause] = [each for each in files.collection() if each.clause_id == "nuernberger-land-dsb"]
    case = WorkedCase(told={"inhabitants": "10412"}, expect={"total": "1041201", "nothing": "1"})
    wrong, unknown = check(clause, case, KEYS)
    assert (wrong.agrees, wrong.got) == (False, "1041200")
    assert (unknown.agrees, unknown.got) == (False, "-")


def test_a_result_where_a_refusal_is_expected_fails() -> None:
    [clause] = [each for each in files.collection() if each.clause_id == "muenster-nwz-vm"]
    told: dict[str, Any] = {"cores": "6", "memory": "16", "disk": "200"}
    [found] = check(clause, WorkedCase(told=told, refused="limit"), KEYS)
    assert not found.agrees
    [found] = check(clause, WorkedCase(told=told | {"cores": "7"}, held="limit"), KEYS)
    assert not found.agrees


def test_a_case_in_a_gap_has_no_version() -> None:
    [clause] = [each for each in files.collection() if each.clause_id == "lev-brandenburg"]
    case = WorkedCase(first_day=dt.date(2009, 1, 1), expect={"total": "1"})
    assert version_for(clause, case) is None
    assert version_for(clause, case.model_copy(update={"version": 2})) is clause.versions[1]
    [found] = check(clause, case, KEYS)
    assert not found.agrees


def test_the_keys_are_those_of_the_sources() -> None:
    versions = {key.version: key for key in KEYS if key.key_id == "koenigsteiner"}
    assert set(versions) == {2015, 2016, 2019}
    assert {sum(map(Fraction, key.values.values())) for key in versions.values()} == {Fraction(100)}
    assert "official" in versions[2019].source
    assert "secondary" in versions[2015].source
