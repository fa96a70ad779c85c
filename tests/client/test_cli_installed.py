from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from support.fake_market import Run

from allmende.client.commands import installed


def entry_of(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    entry = EntryPoint(name, value, installed.GROUP)
    monkeypatch.setattr(installed, "entry_points", lambda group: [entry] if group == installed.GROUP else [])


def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)


def test_a_function_becomes_a_command(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module(
        tmp_path,
        monkeypatch,
        "brought_function",
        "def greet(name: str = 'x') -> None:\n    print('hallo', name)\n",
    )
    entry_of(monkeypatch, "greet", "brought_function:greet")
    assert run("greet", "--name", "du") == (0, "hallo du\n", "")
    assert "Aufruf: allmende greet" in run("greet", "--help")[1]


def test_a_typer_app_becomes_a_group_and_its_faults_are_sentences(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """\
import typer

app = typer.Typer()

class Fault(Exception):
    sentence = "Die Platte ist voll"
    exit_code = 6

@app.command()
def upgrade() -> None:
    raise Fault

@app.command()
def other() -> None:
    raise typer.Exit(4)
"""
    module(tmp_path, monkeypatch, "brought_app", text)
    entry_of(monkeypatch, "db", "brought_app:app")
    assert run("db", "upgrade") == (6, "", "Die Platte ist voll\n")
    assert run("db", "other")[0] == 4


def test_a_missing_extra_is_one_sentence(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module(tmp_path, monkeypatch, "brought_half", "import not_installed_anywhere\n")
    entry_of(monkeypatch, "up", "brought_half:up")
    code, out, err = run("up", "--help")
    assert (code, out) == (1, "")
    assert err == "Der Befehl up braucht not_installed_anywhere: pip install 'allmende[embedded]'\n"


def test_what_is_damaged_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    entry_of(monkeypatch, "up", "allmende.nowhere:up")
    assert run("up") == (1, "", "Der Befehl up lässt sich nicht laden: No module named 'allmende.nowhere'.\n")


def test_nobody_replaces_a_command_of_the_member(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    entry_of(monkeypatch, "offer", "nowhere:offer")
    assert run("offer", "--help")[0] == 0
