"""The command that works out the collection, or any document."""

from pathlib import Path

import pytest

from allmende.tariffs.clauses import collection, files
from allmende.tariffs.clauses.__main__ import main

CLAUSE = """\
clause_id: strom
title: Strom
source: {title: Beispiel}
versions:
  - version: 1
    valid_from: 2026-01-01
    inputs:
      cost: {kind: money}
      racks: {kind: number, each: true}
      approved: {kind: flag, default: true}
    keys:
      by_racks: {measured: racks}
    requires:
      - {when: [{value: approved, equals: true}], reason: Noch nicht genehmigt}
    steps:
      - {id: part, title: Anteil, share: {amount: cost, by: by_racks}}
    charges:
      - {step: part, title: Strom, payee: Rechenzentrum}
"""


def written(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_collection_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[-1] == "clauses: 45 of 45 expressed, 32 of 32 examples to the cent"
    assert any(line.startswith("  kopit-eine-stimme: ") for line in told)
    assert any(line.startswith("kopit-eine-stimme") for line in told[told.index("No pricing matter:") :])


def test_a_failing_example_fails_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    right = files.examples_of("nuernberger-land-dsb")
    case = right.cases[0].model_copy(update={"expect": {"total": "1"}})
    wrong = right.model_copy(update={"cases": (case,)})
    real = files.examples_of
    monkeypatch.setattr(files, "examples_of", lambda name: wrong if name == right.clause_id else real(name))
    said: list[str] = []
    assert collection.report(said.append) == 1
    assert said[-1] == "clauses: 45 of 45 expressed, 31 of 32 examples to the cent"
    assert any("FAILED" in line for line in said)


def test_a_file_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([written(tmp_path, "strom.yaml", CLAUSE)]) == 0
    assert capsys.readouterr().out.endswith("strom.yaml: strom: ohne Fehler\n")


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("de", ["Anteil: B: 3 von 4, nach racks, von 100,00 € = 75,00 €", "Strom (levy): A → Rechenzentrum"]),
        ("en", ["Anteil: B: 3 of 4, by racks, of €100.00 = €75.00", "Charges:"]),
    ],
)
def test_a_file_is_run_and_tells_its_story(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], language: str, said: list[str]
) -> None:
    clause = written(tmp_path, "strom.yaml", CLAUSE)
    inputs = written(tmp_path, "fall.yaml", "told: {cost: 10000, racks: {A: 1, B: 3}}")
    assert main([clause, "--inputs", inputs, "--language", language]) == 0
    out = capsys.readouterr().out
    assert [text for text in said if text not in out] == []


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("told: {cost: 10000}", "fall.yaml:1:7: told.racks: Die Angabe racks fehlt."),
        ("told:\n  racks: {A: 1}\n  cost: 1.5", "fall.yaml:3:9: told.cost: Die Angabe cost ist ungültig"),
        ("told:\n  racks:\n    A: viele\n  cost: 1", "fall.yaml:3:8: told.racks.A: Die Angabe racks.A ist"),
        ("tolled: {}", "fall.yaml:1:9: tolled: Das Feld ist nicht bekannt"),
        ("first_day: 2020-01-01", "fall.yaml:1:12: first_day: Für diesen Fall gibt es keine Fassung"),
        ("", "fall.yaml: Die Datei enthält keinen Fall"),
    ],
)
def test_wrong_inputs_are_told_with_their_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], told: str, said: str
) -> None:
    clause = written(tmp_path, "strom.yaml", CLAUSE)
    assert main([clause, "--inputs", written(tmp_path, "fall.yaml", told)]) == 1
    assert said in capsys.readouterr().err


def test_what_is_held_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clause = written(tmp_path, "strom.yaml", CLAUSE)
    inputs = written(tmp_path, "fall.yaml", "told: {cost: 1, racks: {A: 1}, approved: false}")
    assert main([clause, "--inputs", inputs]) == 1
    assert "Zurückgestellt: Noch nicht genehmigt" in capsys.readouterr().out


def test_more_keys_can_be_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clause = written(tmp_path, "s.yaml", CLAUSE.replace("{measured: racks}", "{published: kreise}"))
    key = (
        "{key_id: kreise, version: 1, title: Kreisschlüssel, holders: member, unit: percent,"
        " spread_over: all, key_date: 2025-06-30, published_on: 2025-10-01, effective_from: 2026-01-01,"
        " source: Satzung, values: {A: 40, B: 59.9}}"
    )
    inputs = written(tmp_path, "fall.yaml", "told: {cost: 1000, racks: {A: 1, B: 1}}")
    keys = written(tmp_path, "keys.yaml", key)
    assert main([clause, "--inputs", inputs, "--keys", keys]) == 1
    assert "keys.yaml:1:1: Der Schlüssel kreise ergibt 99.9 Prozent statt 100" in capsys.readouterr().err
    keys = written(tmp_path, "keys.yaml", key.replace("59.9", "60"))
    assert main([clause, "--inputs", inputs, "--keys", keys]) == 0
    assert "part.B: 6,00 €" in capsys.readouterr().out


def test_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nirgends.yaml"]) == 1
    assert "nirgends.yaml" in capsys.readouterr().err


def test_a_refusal_within_a_step_names_the_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clause = written(tmp_path, "strom.yaml", CLAUSE.replace("by: by_racks", "by: by_racks, caps: 1.00 EUR"))
    inputs = written(tmp_path, "fall.yaml", "told: {cost: 10000, racks: {A: 1, B: 3}}")
    assert main([clause, "--inputs", inputs]) == 1
    assert (
        "fall.yaml:1:1: part: Die Obergrenzen ergeben €2.00, zu verteilen sind €100.00."
        in capsys.readouterr().err
    )
