import io
import json
import sys
import typing
from pathlib import Path

import pytest
from support import examples
from support.fake_market import FakeMarket, Run, listed, refused, write_offering

from allmende.client.market import Unanswered
from allmende.schemas.catalog import (
    Category,
    DiscardDraft,
    PauseOffering,
    ResumeOffering,
    RetireOffering,
    SearchOfferings,
)
from allmende.schemas.contract import Contract
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
        ["angebot.yaml:84:8", "title"],
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


def test_the_prices_of_an_offering_are_told_in_words(run: Run, fake: FakeMarket) -> None:
    fake.listed = [listed(examples.offering())]
    code, out, _ = run("offer", "prices", examples.OFFERING_ID)
    assert code == 0
    assert "nach Verbrauch" in out
    assert "nicht angeboten" in out
    assert run("offer", "prices", "weser-it/nix")[0] == 3


def test_an_offering_is_shown_as_it_is_applied(run: Run, fake: FakeMarket) -> None:
    fake.listed = [listed(examples.offering()), listed(examples.draft(), "draft")]
    code, out, _ = run("offer", "show", examples.OFFERING_ID)
    assert code == 0
    Path("shown.yaml").write_text(out, encoding="utf-8")
    assert "unverändert" in run("offer", "apply", "-f", "shown.yaml")[1]
    assert run("offer", "show", "weser-it/nix")[0] == 3
    code, out, err = run("offer", "show", "weser-it/housing", "--draft")
    assert (code, "Entwurf" in err) == (0, True)
    Path("shown.yaml").write_text(out, encoding="utf-8")
    assert run("offer", "draft", "-f", "shown.yaml")[0] == 0
    assert fake.sent == [examples.draft()], "everything that can be said comes back as it was"
    run("offer", "show", examples.OFFERING_ID, "--revision", "2")
    assert fake.looked[-1] == (examples.OFFERING_ID, 2, False)


def test_the_categories_of_the_help_are_those_of_the_contract(run: Run) -> None:
    assert "|".join(typing.get_args(Category)) in run("offer", "list", "--help")[1]


def test_a_draft_is_kept_and_not_published(run: Run, fake: FakeMarket) -> None:
    fake.listed = [listed(examples.draft(), "draft")]
    code, out, err = run("offer", "draft", "-f", write_offering())
    assert (code, fake.sent) == (0, [examples.offering()])
    assert "Entwurf abgelegt   4" in out
    assert "offer diff ANGEBOT --draft" in err
    assert "weser-it/housing" in run("offer", "list", "--drafts")[1]
    fake.outcome = refused("form_invalid", plan="standard", detail="x")
    code, out, err = run("offer", "draft", "-f", "angebot.yaml", "--language", "en")
    assert (code, "refused" in out, "order form of plan standard" in err) == (1, True, True)


@pytest.mark.parametrize(
    ("move", "sent", "said"),
    [
        (("pause", "--reason", "Umzug"), PauseOffering, "nimmt vorerst keine Buchungen an"),
        (("resume",), ResumeOffering, "nimmt wieder Buchungen an"),
        (("retire",), RetireOffering, "geschlossen; bestehende laufen weiter"),
        (("discard",), DiscardDraft, "verworfen"),
    ],
)
def test_moves(run: Run, fake: FakeMarket, move: tuple[str, ...], sent: type[Contract], said: str) -> None:
    name, *options = move
    code, out, err = run("offer", name, examples.OFFERING_ID, *options, "--id", examples.BOOKING_ID)
    assert (code, out) == (0, "")
    assert said in err
    command_id, command = fake.commands[0]
    assert isinstance(command, sent)
    assert command_id == examples.BOOKING_ID
    assert run("offer", name, "keins", *options)[0] == 2
    fake.outcome = refused("not_published", offering="x")
    assert run("offer", name, examples.OFFERING_ID, *options)[0] == 1


def test_the_history_and_a_difference(run: Run, fake: FakeMarket) -> None:
    fake.listed = [listed(examples.offering())]
    code, out, _ = run("offer", "history", examples.OFFERING_ID)
    assert (code, "standard 2" in out) == (0, True)
    code, out, _ = run("offer", "diff", examples.OFFERING_ID)
    assert code == 0
    assert "plans[standard].tariffs[1].valid_to" in out
    assert fake.looked[-1] == (examples.OFFERING_ID, 2, None, {"draft": False}), (
        "the newest and the one before"
    )
    run("offer", "diff", examples.OFFERING_ID, "--draft")
    assert fake.looked[-1] == (examples.OFFERING_ID, 3, None, {"draft": True})
    run("offer", "diff", examples.OFFERING_ID, "--from", "1", "--to", "2")
    assert fake.looked[-1] == (examples.OFFERING_ID, 1, 2, {"draft": False})
    assert json.loads(run("offer", "diff", examples.OFFERING_ID, "-o", "json")[1])["later"] == 3
    fake.outcome = refused("unknown_revision", offering="x", revision=9)
    assert run("offer", "diff", examples.OFFERING_ID, "--from", "9")[0] == 3
    assert run("offer", "history", examples.OFFERING_ID)[0] == 3


def test_a_search(run: Run, fake: FakeMarket) -> None:
    code, out, err = run("offer", "search", "virtuelle Maschine", "--category", "compute", "--limit", "1")
    assert code == 0
    assert "weser-it/virtual-machine   Virtuelle Maschine   compute   veröffentlicht   ja" in out
    assert "2 Treffer" in err
    assert "Region: bremen 1" in err
    [asked] = fake.asked
    assert isinstance(asked, SearchOfferings)
    assert (asked.text, asked.filter.category, asked.limit) == ("virtuelle Maschine", ("compute",), 1)
    run("offer", "search", "--region", "bremen", "--certificate", "BSI C5", "--bookable", "--language", "en")
    further = fake.asked[-1]
    assert isinstance(further, SearchOfferings)
    assert not further.facets, "further pages count nothing"
    assert run("offer", "search", "--category", "cloud")[0] == 2
    found = json.loads(run("offer", "search", "x", "--limit", "3", "-o", "json")[1])
    assert len(found["hits"]) == 3
    assert found["facets"]["category"] == [{"value": "compute", "count": 2}]


ESTIMATE = ("offer", "estimate", examples.OFFERING_ID, "standard", "--start", "2026-04-01")


def test_an_estimate(run: Run, fake: FakeMarket) -> None:
    Path("angaben.yaml").write_text("purpose: Test", encoding="utf-8")
    given = (
        "--quantity",
        "vcpu=8",
        "--usage",
        "vcpu_hours=5760",
        "--months",
        "2",
        "--details",
        "angaben.yaml",
    )
    code, out, err = run(*ESTIMATE, *given)
    assert code == 0
    assert "Laufzeit        2   2026-04   2026-05   72,00 €   144,00 €" in out
    assert "Zusammen 144,00 € in 2 Monaten" in err
    [((id_, plan, quantities), named)] = fake.looked
    assert (id_, plan, quantities) == (examples.OFFERING_ID, "standard", {"vcpu": 8})
    assert named["usage_per_month"] == {"vcpu_hours": 5760}
    assert named["details"] == {"purpose": "Test"}
    assert "€144.00 in 2 months" in run(*ESTIMATE, "--language", "en", "--months", "2")[2]
    fake.outcome = refused("above_maximum", quantity="vcpu", value=65, limit=64)
    assert run(*ESTIMATE)[0] == 1
    assert run(*ESTIMATE, "--usage", "x")[0] == 2


def test_attachments(run: Run, fake: FakeMarket) -> None:
    fake.listed = [listed(examples.offering())]
    Path("avv.pdf").write_bytes(b"%PDF")
    Path("avv.exe").write_bytes(b"MZ")
    assert run("offer", "attach", examples.OFFERING_ID, "avv.pdf")[0] == 0
    assert fake.sent == [(examples.OFFERING_ID, b"%PDF")]
    for file, sentence in (("avv.exe", "keine Art von Datei"), ("nix.pdf", "die Datei gibt es nicht")):
        code, _, err = run("offer", "attach", examples.OFFERING_ID, file)
        assert (code, sentence in err) == (1, True)
    code, out, _ = run("offer", "attachment", examples.OFFERING_ID)
    assert (code, "Auftragsverarbeitung.pdf" in out) == (0, True)
    fetch = ("offer", "attachment", examples.OFFERING_ID, "Auftragsverarbeitung.pdf")
    assert run(*fetch)[0] == 0
    assert Path("Auftragsverarbeitung.pdf").read_bytes() == b"%PDF"
    assert run(*fetch)[0] == 2, "what is there is not overwritten unasked"
    assert run(*fetch, "--to", "ziel.pdf")[0] == 0
    assert run("offer", "attachment", examples.OFFERING_ID, "9f86", "--remove")[0] == 0
    assert fake.sent[-1] == (examples.OFFERING_ID, examples.attachment().sha256)
    assert run("offer", "attachment", examples.OFFERING_ID, "nix")[0] == 3


def test_a_name_that_another_gave_decides_no_folder(
    run: Run, fake: FakeMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    climbing = examples.attachment().model_copy(update={"name": "../../etc/cron.d/x"})
    monkeypatch.setattr(examples, "attachment", lambda: climbing)
    fake.listed = [listed(examples.offering())]
    assert run("offer", "attachment", examples.OFFERING_ID, climbing.name)[0] == 0
    assert Path("x").read_bytes() == b"%PDF"
