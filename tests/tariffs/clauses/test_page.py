"""The examples of the page about clauses are run, and the reference has every keyword."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from allmende.schemas import clause, clause_reference, tariff
from allmende.schemas.clause_case import WorkedCase
from allmende.schemas.contract import Contract
from allmende.schemas.documents import read_documents
from allmende.tariffs.clauses.cases import check
from allmende.tariffs.clauses.files import published_keys, read_clauses

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "clauses.md").read_text("utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
FIRST, CASE, *PIECES = BLOCKS
KEYS = published_keys()

HEAD = """\
clause_id: example
title: Beispiel
source: {title: Handbuch}
versions:
  - version: 1
    valid_from: 2026-01-01
"""


def wrong(text: str, case: str) -> list[Any]:
    [document] = read_documents(WorkedCase, case, "case", none=("", ""))
    [found] = read_clauses(text, "clauses.md")
    return [each for each in check(found, document.value, KEYS) if not each.agrees]


def test_the_whole_example() -> None:
    assert wrong(FIRST, CASE) == []


@pytest.mark.parametrize("piece", PIECES, ids=lambda piece: re.findall(r"id: (\w+)", piece)[0])
def test_a_piece(piece: str) -> None:
    version, case = piece.split("case:\n")
    text = HEAD + "".join(f"    {line}\n" for line in version.splitlines())
    assert wrong(text, "\n".join(line.removeprefix("  ") for line in case.splitlines())) == []


def test_every_kind_of_step_and_key_has_an_example() -> None:
    assert len(PIECES) >= 12
    text = "\n".join(BLOCKS)
    for keyword in (*clause.STEPS, "published", "values", "measured", "equal", "composite", "requires"):
        assert re.search(rf"\b{keyword}:", text), keyword


def test_the_examples_are_yaml_as_others_read_it() -> None:
    assert all(isinstance(yaml.safe_load(block), dict) for block in BLOCKS)


def test_the_reference_has_every_model_and_keyword() -> None:
    page = (DOCS / "clause-reference.md").read_text("utf-8")
    assert page == clause_reference.page()
    models = {
        each
        for module in (clause, tariff)
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Contract) and each.__module__ == module.__name__
    }
    # A tariff's own frame is described where tariffs are, a base where what extends it is.
    models -= {tariff.Plain, tariff.Tariff, tariff.Component, tariff.Pricing, tariff.OrderQuantity}
    listed = {each for models_ in clause_reference.SECTIONS.values() for each in models_}
    assert models <= listed
    for model in models:
        section = page.split(f"### {model.__name__}\n")[1].split("\n##")[0]
        assert [name for name in model.model_fields if f"| `{name}`" not in section] == []
