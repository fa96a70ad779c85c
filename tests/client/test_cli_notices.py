import json
import stat
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from support import booking_examples, examples
from support.fake_market import FakeMarket, Run, refused

from allmende.client.market import Unanswered
from allmende.client.sealing import key_pair_of, new_key_pair, seal, unseal
from allmende.schemas import registry
from allmende.schemas.brokerage import (
    AccessShared,
    AnnounceMaintenance,
    BookingStory,
    ListMaintenance,
    ReportBreach,
    ShareAccess,
    UpdateMaintenance,
)
from allmende.schemas.envelope import seal as envelope

ID = examples.BOOKING_ID
NOTICE = booking_examples.NOTICE_ID
ANNOUNCE = (
    *("maintenance", "announce", "Neue Speicher", "--offering", "weser-it/virtual-machine"),
    *("--starts-at", "2026-05-02T20:00:00+02:00", "--ends-at", "2026-05-03T06:00:00+02:00"),
)
BREACH = (
    *("breach", "report", ID, "--measure", "availability_percent", "--promised", "99.5"),
    *("--measured", "98.71", "--first-day", "2026-05-01", "--last-day", "2026-05-31"),
    *("--credit", "36", "--reason", "Ausfall"),
)
KEY = Path(".allmende/keys/weser-it.sealing")


# -- access data --------------------------------------------------------------------------------


def test_a_key_is_made_once_and_only_its_owner_can_read_it(run: Run) -> None:
    code, out, err = run("access", "key", "-o", "json")
    assert code == 0
    assert stat.S_IMODE(KEY.stat().st_mode) == 0o600
    pair = key_pair_of(KEY.read_text())
    assert json.loads(out) == {"sealing_key": pair.public}
    assert pair.private not in out + err
    code, again, err = run("access", "key", "-o", "json")
    assert (code, again) == (0, out)
    assert "gibt es schon" in err
    assert key_pair_of(KEY.read_text()) == pair


def test_a_key_may_lie_elsewhere_and_needs_no_member_then(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALLMENDE_MEMBER")
    assert run("access", "key")[0] == 2
    assert run("access", "key", "--sealing-key", "tief/drin.key")[0] == 0
    assert Path("tief/drin.key").exists()


def test_what_is_no_key_stays_as_it_is(run: Run) -> None:
    KEY.write_text("kein Schlüssel")
    code, out, err = run("access", "key")
    assert (code, out) == (1, "")
    assert "enthält keinen geheimen Schlüssel zum Versiegeln" in err
    assert KEY.read_text() == "kein Schlüssel"


def story_with(key: str | None) -> BookingStory:
    story = examples.query_reply("brokerage.booking.show")
    assert isinstance(story, BookingStory)
    return story.model_copy(update={"consumer_sealing_key": key})


def test_access_data_leaves_sealed(run: Run, fake: FakeMarket) -> None:
    pair = new_key_pair()
    fake.answers = [story_with(pair.public)]
    Path("zugang.txt").write_text("Kennwort: süß\n")
    code, out, err = run("access", "share", ID, "--label", "Verwaltung", "-f", "zugang.txt")
    assert (code, err) == (0, "")
    assert "Verwaltung" in out
    [(_, sent)] = fake.commands
    assert isinstance(sent, ShareAccess)
    assert sent.sealed_to == pair.public
    assert unseal(sent.sealed, pair.private) == "Kennwort: süß"


def test_without_a_key_in_the_register_nothing_is_sent(run: Run, fake: FakeMarket) -> None:
    fake.answers = [story_with(None)]
    Path("zugang.txt").write_text("geheim")
    code, _, err = run("access", "share", ID, "--label", "x", "-f", "zugang.txt")
    assert (code, fake.commands) == (1, [])
    assert "Für alster-it ist kein Schlüssel zum Versiegeln eingetragen." in err


def test_sharing_may_be_refused_or_unanswered(run: Run, fake: FakeMarket) -> None:
    Path("zugang.txt").write_text("geheim")
    share = ("access", "share", ID, "--label", "x", "-f", "zugang.txt")
    fake.outcome = refused("unknown_booking", booking=ID)
    assert run(*share)[0] == 3
    fake.outcome = Unanswered("no outcome")
    assert run(*share)[0] == 6
    Path("zugang.txt").write_text("\n")
    assert run(*share)[::2] == (2, "zugang.txt ist leer.\n")


def event_of(label: str, text: str, public_key: str) -> str:
    shared = AccessShared(
        booking_id=ID,
        provider=examples.PROVIDER,
        consumer=examples.CONSUMER,
        label=label,
        sealed=seal(text, public_key),
        sealed_to=public_key,
        shared_at=examples.NOW,
    )
    return envelope(
        id=examples.EVENT_ID,
        source="/services/brokerage",
        type=registry.message("brokerage.access.shared").type,
        time=examples.NOW,
        data_json=shared.model_dump_json().encode(),
        subject=ID,
    ).decode()


def test_access_data_is_opened_from_events(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("access", "key")
    public = key_pair_of(KEY.read_text()).public
    lines = [
        event_of("Verwaltung", "Kennwort: süß", public),
        examples.sealed("billing.statement.issued").decode(),
    ]
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO("\n".join(lines).encode())))
    code, out, _ = run("access", "open", "-o", "json")
    assert code == 0
    assert json.loads(out) == [{"booking": ID, "label": "Verwaltung", "text": "Kennwort: süß"}]
    Path("ereignisse.jsonl").write_text("\n".join(lines))
    assert "Kennwort: süß" in run("access", "open", "-f", "ereignisse.jsonl")[1]


def test_what_cannot_be_opened_says_why(run: Run) -> None:
    run("access", "key")
    Path("fremd.jsonl").write_text(event_of("Verwaltung", "x", new_key_pair().public))
    code, out, err = run("access", "open", "-f", "fremd.jsonl")
    assert (code, out) == (1, "")
    assert "fremd.jsonl: »Verwaltung« ist für " in err
    Path("kaputt.jsonl").write_text("\nnix")
    code, _, err = run("access", "open", "-f", "kaputt.jsonl")
    assert (code, "kaputt.jsonl:1: kein Ereignis" in err) == (1, True)
    Path("leer.jsonl").write_text("")
    code, _, err = run("access", "open", "-f", "leer.jsonl")
    assert (code, "event tail --once -o json | allmende access open" in err) == (0, True)
    code, _, err = run("access", "open", "-f", "leer.jsonl", "--sealing-key", "nix.key")
    assert (code, err) == (1, "nix.key ist nicht zu lesen: die Datei gibt es nicht.\n")


# -- maintenance and breaches -------------------------------------------------------------------


def test_maintenance_is_announced(run: Run, fake: FakeMarket) -> None:
    code, out, err = run(*ANNOUNCE, "--impact", "degraded", "--id", NOTICE)
    assert (code, err) == (0, "")
    assert "geplant" in out
    [(command_id, sent)] = fake.commands
    assert command_id == NOTICE
    assert isinstance(sent, AnnounceMaintenance)
    assert (sent.impact, sent.text, sent.as_draft) == ("degraded", "", False)


def test_a_draft_says_how_it_is_announced(run: Run, fake: FakeMarket) -> None:
    fake.outcome = booking_examples.notice(examples.booking()).model_copy(update={"state": "draft"})
    code, out, err = run(*ANNOUNCE, "--draft")
    assert (code, "Entwurf" in out) == (0, True)
    assert f"allmende maintenance update {NOTICE} --state scheduled" in err


def test_maintenance_is_changed(run: Run, fake: FakeMarket) -> None:
    assert run("maintenance", "update", NOTICE, "--state", "cancelled", "--text", "Entfällt")[0] == 0
    assert [sent for _, sent in fake.commands] == [
        UpdateMaintenance(notice_id=NOTICE, state="cancelled", text="Entfällt")
    ]
    fake.outcome = refused("notice_over", notice=NOTICE)
    assert run("maintenance", "update", NOTICE, "--state", "cancelled")[0] == 5


def test_the_maintenance_ahead(run: Run, fake: FakeMarket) -> None:
    code, out, _ = run("maintenance", "list", "--all")
    assert code == 0
    assert fake.asked == [ListMaintenance(include_over=True)]
    assert "Ausfall" in out
    assert "outage" in run("maintenance", "list", "--language", "en")[1]
    empty = examples.query_reply("brokerage.maintenance.list").model_copy(update={"notices": ()})
    fake.outcome = empty
    assert run("maintenance", "list", "--language", "de") == (0, "", "Es steht keine Wartung an.\n")


def test_a_breach_is_owned_up_to(run: Run, fake: FakeMarket) -> None:
    code, out, err = run(*BREACH)
    assert code == 0
    assert "36,00 €" in out
    assert "die Gutschrift steht in der Abrechnung" in err
    [(_, sent)] = fake.commands
    assert isinstance(sent, ReportBreach)
    assert sent.credit_cents == 3_600
    fake.outcome = refused("provider_only", booking=ID)
    assert run(*BREACH)[0] == 4


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((*ANNOUNCE, "--impact", "laut"), "impact: Erlaubt ist nur"),
        ((*ANNOUNCE[:-1], "2026-05-02T19:00:00+02:00"), "Die Wartung endet vor ihrem Beginn"),
        ((*ANNOUNCE[:-1], "2026-05-03 06:00"), "ends_at: Hier muss ein Zeitpunkt"),
        ((*BREACH, "--last-day", "2026-04-30"), "Der Zeitraum endet vor seinem Beginn"),
        ((*BREACH, "--credit", "-5"), "--credit -5: einen Betrag in Euro"),
        ((*BREACH, "--measured", "98,71"), "measured: Hier muss eine Dezimalzahl"),
    ],
)
def test_what_cannot_be_meant(run: Run, fake: FakeMarket, arguments: tuple[str, ...], sentence: str) -> None:
    code, _, err = run(*arguments)
    assert (code, fake.commands) == (2, [])
    assert sentence in err
