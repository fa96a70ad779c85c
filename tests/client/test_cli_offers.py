import io
import json
import sys
import typing
from pathlib import Path

import pytest
from support import examples
from support.fake_market import FakeMarket, Run, listed, refused, write_offering

from allmende.client.market import Unanswered
from allmende.schemas.catalog import Category
from allmende.schemas.rejections import Rejection

EXAMPLE = Path(__file__).parents[2] / "docs/examples/offering.yaml"


def test_the_example_is_checked_without_a_market(run: Run, fake: FakeMarket) -> None:
    fake.unreachable = Unanswered("nobody")
    code, out, err = run("offer", "apply", "-f", str(EXAMPLE), "--dry-run")
    assert code == 0
    assert "weser-it/webhosting   geprüft" in out
    assert "nicht mit dem Markt verglichen" in err


def test_a_dry_run_shows_the_difference_and_sends_nothing(run: Run, fake: FakeMarket) -> None:
    fake.listed = [listed(examples.offering())]
    code, out, _ = run("offer", "apply", "--dry-run", "-f", write_offering(title="Neuer Name"))
    assert (code, fake.sent) == (0, [])
    assert "geändert" in out
    assert "\n-title: Virtuelle Maschine\n+title: Neuer Name\n" in out
    code, out, _ = run("offer", "apply", "--dry-run", "-f", "angebot.yaml", "-o", "json")
    assert "+title: Neuer Name" in json.loads(out)[0]["difference"]


def test_applying_again_changes_nothing(run: Run, fake: FakeMarket) -> None:
    fake.listed = [listed(examples.offering())]
    code, out, _ = run("offer", "apply", "-f", write_offering())
    assert (code, fake.sent) == (0, [])
    assert "unverändert   3" in out


def test_a_retired_offering_is_published_anew(run: Run, fake: FakeMarket) -> None:
    fake.listed = [listed(examples.offering(), "retired")]
    assert run("offer", "apply", "-f", write_offering())[0] == 0
    assert fake.sent == [examples.offering()]


@pytest.mark.parametrize(
    ("rejection", "code"),
    [
        (refused("not_your_offering", offering="x", member="y"), 4),
        (refused("tariff_version_changed", version=1, plan="x"), 5),
        (refused("offering_retired", offering="x"), 1),
        (refused("unavailable"), 6),
    ],
)
def test_a_refused_offering(run: Run, fake: FakeMarket, rejection: Rejection, code: int) -> None:
    fake.outcome = rejection
    found, out, err = run("offer", "apply", "-f", write_offering())
    assert found == code
    assert "abgelehnt" in out
    assert err == f"{rejection.message_de}\n"


def test_a_foreign_offering_is_told_by_the_dry_run(run: Run, fake: FakeMarket) -> None:
    code, _, err = run("offer", "apply", "--dry-run", "-f", write_offering(), "--member", "alster-it")
    assert code == 4
    assert "gehört nicht zum Mitglied alster-it" in err


def test_all_mistakes_of_a_file_are_told(run: Run) -> None:
    code, out, err = run("offer", "apply", "-f", write_offering(category="x", title=" y"))
    assert (code, out) == (1, "")
    assert [line.split(": ")[0:2] for line in err.splitlines()] == [
        ["angebot.yaml:1:11", "category"],
        ["angebot.yaml:67:8", "title"],
    ]


def test_offerings_come_from_stdin(run: Run, fake: FakeMarket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(EXAMPLE.read_bytes())))
    code, out, _ = run("offer", "apply", "-f", "-", "-o", "csv")
    assert code == 0
    assert out == "\ufeffoffering;state;revision\r\nweser-it/webhosting;new;4\r\n".replace("new", "neu")


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("nix.yaml", "nix.yaml ist nicht zu lesen: die Datei gibt es nicht."),
        (".", ". ist nicht zu lesen: das ist ein Ordner."),
        ("latin.yaml", "latin.yaml:2: Die Datei ist nicht in UTF-8 geschrieben."),
        ("huge.yaml", "huge.yaml: Die Datei hat mehr als"),
    ],
)
def test_a_file_that_cannot_be_read(run: Run, file: str, sentence: str) -> None:
    Path("latin.yaml").write_bytes("a: 1\nb: ü".encode("latin-1"))
    Path("huge.yaml").write_bytes(b"#" * 9_000_000)
    code, _, err = run("offer", "apply", "-f", file)
    assert code == 1
    assert err.startswith(sentence)


def test_the_catalogue(run: Run, fake: FakeMarket) -> None:
    fake.listed = [listed(examples.offering())]
    code, out, err = run("offer", "list")
    assert code == 0
    assert "weser-it/virtual-machine   Virtuelle Maschine   compute   standard   veröffentlicht   3" in out
    assert "allmende booking request" in err
    assert json.loads(run("offer", "list", "-o", "json")[1])[0]["revision"] == 3
    assert json.loads(run("offer", "list", "-o", "json", "--category", "hosting")[1]) == []


def test_an_offering_is_shown_as_it_is_applied(run: Run, fake: FakeMarket) -> None:
    fake.listed = [listed(examples.offering())]
    code, out, _ = run("offer", "show", examples.OFFERING_ID)
    assert code == 0
    Path("shown.yaml").write_text(out, encoding="utf-8")
    assert "unverändert" in run("offer", "apply", "-f", "shown.yaml")[1]
    assert run("offer", "show", "weser-it/nix")[0] == 3


def test_the_categories_of_the_help_are_those_of_the_contract(run: Run) -> None:
    assert "|".join(typing.get_args(Category)) in run("offer", "list", "--help")[1]
