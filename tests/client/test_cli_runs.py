"""Settlement runs on the command line, with a market that answers at once."""

import json
import re
from pathlib import Path

import pytest
from support import bodies, examples
from support.fake_market import FakeMarket, Run, refused

from allmende.client.market import Unanswered
from allmende.client.persons import Signer
from allmende.schemas.claims import Signable, is_signed
from allmende.schemas.settlements import (
    ApproveSettlement,
    DraftSettlement,
    ListAlerts,
    ReviewSettlement,
    RunAlerts,
    SettleAlerts,
    ShowMatrix,
    ShowRun,
)
from allmende.schemas.settlements import Run as SettlementRun

ANNA = ("--person", "anna")


def a_run(**changes: object) -> SettlementRun:
    found = examples.query_reply("billing.settlement.show")
    assert isinstance(found, SettlementRun)
    return found.model_copy(update=changes)


def test_a_month_is_drafted_and_the_next_step_named(run: Run, fake: FakeMarket) -> None:
    code, out, err = run("settlement", "draft", "2026-04", "--reason", "Zwei Nachmeldungen")
    assert (code, out) == (0, "2\n")
    assert "Entwurf 2 für 2026-04: 6 Zeilen, Leistungen 272,00 €" in err
    assert "Nachmeldungen seit dem ersten Entwurf: 2." in err
    assert "-> allmende settlement alerts 2026-04 zeigt offene Hinweise: 1" in err
    assert fake.commands[0][1] == DraftSettlement(period="2026-04", reason="Zwei Nachmeldungen")
    assert "Draft 2 of 2026-04" in run("settlement", "draft", "2026-04", "--language", "en")[2]
    fake.outcome = refused("period_not_over", period="2026-04")
    assert run("settlement", "draft", "2026-04")[0] == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"state": "draft", "open_alerts": 1}, "allmende settlement alerts 2026-04"),
        ({"state": "draft"}, "allmende settlement review 2026-04 2 --person NAME"),
        ({"state": "in_review"}, "allmende settlement approve 2026-04 2 --person NAME"),
        ({}, "allmende settlement documents 2026-04"),
    ],
)
def test_the_preview_names_what_comes_next(
    run: Run, fake: FakeMarket, changes: dict[str, object], said: str
) -> None:
    fake.outcome = a_run(**changes)
    code, out, err = run("settlement", "preview", "2026-04")
    assert (code, said in err) == (0, True)
    assert re.search(r"Leistungen +272,00 € +212,00 € +60,00 €", out)
    assert "Geprüft von anna" in err
    assert fake.asked == [ShowRun(period="2026-04")]
    assert json.loads(run("settlement", "preview", "2026-04", "-o", "json")[1])["revision"] == 2
    assert "Settlement run 2026-04" in run("settlement", "preview", "2026-04", "--language", "en")[2]


def test_alerts_are_listed_and_how_to_decide_is_told(run: Run, fake: FakeMarket) -> None:
    page = examples.query_reply("billing.settlement.alerts")
    assert isinstance(page, RunAlerts)
    open_one = page.alerts[0].model_copy(update={"decision": None, "decided_by": None})
    fake.answers = [RunAlerts(alerts=(open_one,), next_after=None)]
    code, out, err = run("settlement", "alerts", "2026-04", "--open")
    assert (code, "ungewöhnlicher Sprung" in out) == (0, True)
    assert "allmende settlement decide 2026-04 1 --hold" in err
    assert fake.asked == [ListAlerts(period="2026-04", open_only=True)]
    fake.answers = [page.model_copy(update={"next_after": None})]
    _, out, err = run("settlement", "alerts", "2026-04", "--language", "en")
    assert ("is charged" in out, err) == (True, "")
    fake.answers = [RunAlerts(alerts=(), next_after=None)]
    assert run("settlement", "alerts", "2026-04")[2] == "There is no alert.\n"


@pytest.mark.parametrize(("option", "decision"), [("--release", "released"), ("--hold", "held")])
def test_alerts_are_decided_on(run: Run, fake: FakeMarket, option: str, decision: str) -> None:
    reason = ("--reason", "so gebucht")
    code, _, err = run("settlement", "decide", "2026-04", "1", "2", option, *reason, *ANNA)
    assert (code, "Hinweise entschieden von anna" in err) == (0, True)
    sent = fake.commands[0][1]
    assert isinstance(sent, SettleAlerts)
    assert (sent.alerts, sent.decision, sent.claim.person) == ((1, 2), decision, "anna")
    assert run("settlement", "decide", "2026-04", "1", *reason, *ANNA)[0] == 2


@pytest.mark.parametrize(
    ("command", "sent", "said"),
    [
        ("review", ReviewSettlement, "ist geprüft von anna"),
        ("approve", ApproveSettlement, "2026-04 ist freigegeben"),
    ],
)
def test_two_persons_sign_with_the_id_of_the_command(
    run: Run,
    fake: FakeMarket,
    command: str,
    sent: type[ReviewSettlement | ApproveSettlement],
    said: str,
) -> None:
    code, _, err = run("settlement", command, "2026-04", "2", *ANNA)
    assert (code, said in err) == (0, True)
    [(command_id, data)] = fake.commands
    assert isinstance(data, sent)
    assert command_id is not None
    key = bodies.person("weser-it", "anna").key
    assert is_signed(Signable("weser-it", f"billing.settlement.{command}", command_id, data), data.claim, key)
    fake.outcome = refused("duty_missing", person="anna", duty=command)
    code, _, err = run("settlement", command, "2026-04", "2", *ANNA)
    assert (code, "anna" in err) == (4, True)


def test_a_repetition_sends_the_same_claim(run: Run, fake: FakeMarket) -> None:
    fake.outcome = Unanswered("no outcome")
    code, _, err = run("settlement", "review", "2026-04", "2", *ANNA)
    found = re.search(r"--id (\S+)", err)
    assert code == 6
    assert found is not None
    fake.outcome = None
    assert run("settlement", "review", "2026-04", "2", *ANNA, "--id", found[1])[0] == 0
    assert fake.commands[0] == fake.commands[1]


def test_who_signs_is_found_like_the_member(
    run: Run, fake: FakeMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = run("settlement", "review", "2026-04", "2")
    assert (code, fake.commands) == (2, [])
    assert "Hier zeichnet eine Person: --person NAME angeben" in err
    assert "Schlüssel liegen hier für: anna, bela." in err
    code, _, err = run("settlement", "review", "2026-04", "2", "--person", "carl")
    assert (code, "weser-it/carl.nk gibt es nicht" in err) == (2, True)
    Path("geheim.nk").write_text("nichts")
    code, _, err = run("settlement", "review", "2026-04", "2", *ANNA, "--person-key", "geheim.nk")
    assert (code, "geheim.nk enthält keinen geheimen NATS-Schlüssel" in err) == (1, True)
    Path("geheim.nk").write_text(bodies.seed("weser-it", "bela"))
    monkeypatch.setenv("ALLMENDE_PERSON", "bela")
    monkeypatch.setenv("ALLMENDE_PERSON_KEY", "geheim.nk")
    assert run("settlement", "review", "2026-04", "2")[0] == 0
    assert fake.signer == Signer("bela", bodies.seed("weser-it", "bela"))


def test_what_needs_no_person_asks_for_none(run: Run, fake: FakeMarket) -> None:
    fake.outcome = a_run()
    run("settlement", "preview", "2026-04")
    assert fake.signer is None


def test_who_charges_whom(run: Run, fake: FakeMarket) -> None:
    code, out, _ = run("settlement", "matrix", "2026-04", "-o", "csv")
    assert (code, out.splitlines()[1]) == (0, "weser-it;alster-it;272,00;0,00;0,00;272,00;2")
    assert fake.asked == [ShowMatrix(period="2026-04")]
    fake.outcome = refused("no_statement", period="2026-04", member="weser-it")
    assert run("settlement", "matrix", "2026-04")[0] == 3
