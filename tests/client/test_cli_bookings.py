import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support import booking_examples, examples
from support.fake_market import FakeMarket, Run, refused

from allmende.client.market import Unanswered
from allmende.schemas import registry
from allmende.schemas.brokerage import (
    AmendBooking,
    BookingStory,
    CancelBooking,
    ConcedeCancellation,
    ListBookings,
    ReportProgress,
    RequestBooking,
    ShowBooking,
    TerminateBooking,
    WriteMessage,
)
from allmende.schemas.rejections import Rejection

ID = examples.BOOKING_ID
BOOKING = ("booking", "request", "weser-it/virtual-machine", "standard", "--start", "2026-04-01")
MOVES: list[tuple[list[str], str]] = [
    (["accept", ID], "brokerage.booking.accept"),
    (["approve", ID], "brokerage.booking.approve"),
    (["decline", ID, "--reason", "Kein Platz"], "brokerage.booking.decline"),
    (["cancel", ID, "--reason", "Verschoben", "--compensation", "500"], "brokerage.booking.cancel"),
    (["concede", ID], "brokerage.booking.concede"),
    (["report", ID, "active"], "brokerage.booking.report"),
    (["suspend", ID, "--reason", "Umbau"], "brokerage.booking.suspend"),
    (["resume", ID], "brokerage.booking.resume"),
    (["amend", ID, "--effective-on", "2026-07-01", "--quantity", "vcpu=16"], "brokerage.booking.amend"),
    (["terminate", ID], "brokerage.booking.terminate"),
    (["write", ID, "Guten Tag"], "brokerage.booking.write"),
]


def test_a_booking(run: Run, fake: FakeMarket) -> None:
    given = ("--quantity", "vcpu=8", "--quantity", "ram=32.5", "--end", "2027-03-31", "--reference", "A 1")
    code, out, err = run(*BOOKING, *given, "--id", ID)
    assert code == 0
    assert ID in out
    assert "gebucht, in Betrieb" in out
    assert "01.04.2026" in out
    assert "-> allmende booking list" in err
    wanted = RequestBooking(
        offering_id="weser-it/virtual-machine",
        plan_id="standard",
        quantities={"vcpu": Decimal(8), "ram": Decimal("32.5")},
        start=dt.date(2026, 4, 1),
        end=dt.date(2027, 3, 31),
        reference="A 1",
    )
    assert fake.commands == [(ID, wanted)]


def test_a_booking_that_waits_says_for_whom_and_how_it_goes_on(run: Run, fake: FakeMarket) -> None:
    Path("formular.yaml").write_text("town: Musterstadt\nsince: 2026-01-01\nseats: 12\n")
    fake.outcome = booking_examples.acknowledged(examples.booking())
    more = ("--details", "formular.yaml", "--pool", "nord", "--wait-until", "2026-04-30")
    code, out, err = run(*BOOKING, *more, "--own-approval-hours", "48", "--interest")
    assert code == 0
    assert "wartet auf Zusage des Bereitstellers" in out
    assert "Bereitsteller" in out
    assert f"-> allmende booking show {ID}" in err
    [(_, asked)] = fake.commands
    assert isinstance(asked, RequestBooking)
    assert asked.details == {"town": "Musterstadt", "since": "2026-01-01", "seats": 12}
    assert (asked.pool_id, asked.own_approval_hours, asked.binding) == ("nord", 48, False)
    assert asked.wait_until == dt.date(2026, 4, 30)


@pytest.mark.parametrize(
    ("rejection", "code"),
    [
        (refused("unknown_offering", offering="x"), 3),
        (refused("no_capacity", quantity="vcpu", value=8, free=1), 1),
        (refused("id_conflict", id="x"), 5),
        (refused("not_eligible", offering="x", member="y"), 4),
    ],
)
def test_a_refused_booking(run: Run, fake: FakeMarket, rejection: Rejection, code: int) -> None:
    fake.outcome = rejection
    assert run(*BOOKING) == (code, "", f"{rejection.message_de}\n")
    assert run(*BOOKING, "--language", "en") == (code, "", f"{rejection.message_en}\n")


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--quantity", "vcpu", "NAME=WERT"),
        ("--quantity", "vcpu=acht", "quantities.vcpu: Hier muss eine Dezimalzahl"),
        ("--start", "1.4.2026", "start: Hier muss ein Datum"),
        ("--start", "2026-02-30", "start: Den Tag gibt es nicht"),
        ("--end", "2026-03-31", "Die Buchung endet vor ihrem Beginn"),
        ("--id", "1", "eine UUID"),
        ("--own-approval-hours", "0", "own_approval_hours: Der Wert muss mindestens 1 sein"),
        ("--details", "kaputt.json", "kaputt.json: weder JSON noch YAML"),
    ],
)
def test_a_booking_that_cannot_be_meant(
    run: Run, fake: FakeMarket, option: str, value: str, sentence: str
) -> None:
    Path("kaputt.json").write_text('{"town": ')
    code, _, err = run(*BOOKING, option, value)
    assert (code, fake.commands) == (2, [])
    assert sentence in err


def test_a_booking_without_an_answer_can_be_repeated(run: Run, fake: FakeMarket) -> None:
    fake.outcome = Unanswered("no outcome")
    code, _, err = run(*BOOKING)
    [(command_id, _)] = fake.commands
    assert code == 6
    assert f"--id {command_id} wirkt nicht doppelt" in err


def test_the_bookings(run: Run, fake: FakeMarket) -> None:
    code, out, _ = run("booking", "list", "--state", "in_progress", "--waiting")
    assert code == 0
    assert "vcpu=8, ram=32.5" in out
    assert "wird eingerichtet, im Aufbau" in out
    assert "being set up, being created" in run("booking", "list", "--language", "en")[1]
    assert fake.asked[0] == ListBookings(state="in_progress", waiting_for_me=True)
    assert json.loads(run("booking", "list", "-o", "json")[1])[0]["state"] == "in_progress"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "Es gibt noch keine Buchung."),
        (["--waiting"], "Keine Buchung wartet auf Sie."),
        (["--state", "held"], "In diesem Stand ist keine Buchung."),
    ],
)
def test_no_bookings(run: Run, fake: FakeMarket, options: list[str], sentence: str) -> None:
    empty = examples.query_reply("brokerage.booking.list").model_copy(update={"bookings": ()})
    fake.outcome = empty
    code, out, err = run("booking", "list", *options)
    assert (code, out) == (0, "")
    assert err.startswith(sentence)


def test_an_unknown_state_is_wrong_usage(run: Run, fake: FakeMarket) -> None:
    code, _, err = run("booking", "list", "--state", "fertig")
    assert code == 2
    assert "»fertig« ist kein Stand; es gibt interested, held, offered" in err


# -- the story ----------------------------------------------------------------------------------


def test_a_story_says_who_must_act_and_what_happened(run: Run, fake: FakeMarket) -> None:
    code, out, err = run("booking", "show", ID)
    assert code == 0
    assert fake.asked == [ShowBooking(booking_id=ID)]
    for words in (
        "wird eingerichtet, im Aufbau",
        "Bereitsteller weser-it bis 22.03.2026",
        "Meilenstein",
        "prepared; Netz und Verzeichnis sind eingerichtet.",
        "Der ausgefüllte Fragebogen.",
        "Netze.csv",
    ):
        assert words in out
    assert f"-> Sie sind am Zug: allmende booking report {ID}" in err
    english = run("booking", "show", ID, "--language", "en")
    assert "provider weser-it until 2026-03-22" in english[1]
    assert "It is your turn" in english[2]


def test_a_story_for_programs(run: Run, fake: FakeMarket) -> None:
    whole = json.loads(run("booking", "show", ID, "-o", "json")[1])
    assert whole["consumer_sealing_key"] == booking_examples.SEALING_KEY
    assert whole["messages"][0]["document"]["name"] == "Netze.csv"
    assert run("booking", "show", ID, "-o", "csv")[1].startswith(
        "\ufeffnumber;changed_at;by;trigger;state;remark\r\n"
    )


@pytest.mark.parametrize(
    ("changes", "remark"),
    [
        ({"trigger": "concede", "compensation_cents": 120_000}, "Abnehmer zahlt 1.200,00 €"),
        ({"trigger": "cancel", "compensation_cents": -50_000}, "Bereitsteller zahlt 500,00 €"),
        ({"trigger": "terminate", "end": dt.date(2026, 12, 31)}, "Ende 31.12.2026"),
        ({"trigger": "amend", "effective_on": dt.date(2026, 7, 1)}, "zum 01.07.2026"),
        ({"trigger": "partial", "delivered": {"vcpu": Decimal(4)}}, "geliefert vcpu=4"),
    ],
)
def test_remarks(run: Run, fake: FakeMarket, changes: dict[str, Any], remark: str) -> None:
    story = examples.query_reply("brokerage.booking.show")
    assert isinstance(story, BookingStory)
    change = story.changes[0].model_copy(update={"milestone": None, "note": None, **changes})
    fake.outcome = story.model_copy(update={"changes": (change,), "messages": ()})
    assert remark in run("booking", "show", ID)[1]


@pytest.mark.parametrize(
    ("state", "instance", "side", "command"),
    [
        ("offered", None, "provider", "accept|decline"),
        ("pending_provider", None, "provider", "approve|decline"),
        ("assessing_cancellation", "creating", "provider", "concede|decline"),
        ("completed", "active", "provider", "approve|decline"),
        ("completed", "updating", "provider", "report"),
        ("partial", "terminating", "provider", "report"),
        ("pending_consumer", None, "consumer", None),
    ],
)
def test_whoever_must_act_is_told_how(
    run: Run, fake: FakeMarket, state: str, instance: str | None, side: str, command: str | None
) -> None:
    story = examples.query_reply("brokerage.booking.show")
    assert isinstance(story, BookingStory)
    booking = story.booking.model_copy(update={"state": state, "instance": instance, "waits_for": side})
    fake.outcome = story.model_copy(update={"booking": booking})
    err = run("booking", "show", ID)[2]
    assert (f"allmende booking {command} {ID}" in err) if command else not err


def test_documents_are_saved_where_they_are_wanted_and_nowhere_else(run: Run, fake: FakeMarket) -> None:
    story = examples.query_reply("brokerage.booking.show")
    assert isinstance(story, BookingStory)
    message = story.messages[0]
    assert message.document is not None
    evil = message.document.model_copy(update={"name": "../../.ssh/authorized keys"})
    fake.outcome = story.model_copy(
        update={"messages": (message, message.model_copy(update={"document": evil}))}
    )
    assert run("booking", "show", ID, "--documents", "ablage")[0] == 0
    assert sorted(path.name for path in Path("ablage").iterdir()) == [
        "01-Netze.csv",
        "02-_.._.ssh_authorized_keys",
    ]
    assert Path("ablage/01-Netze.csv").read_bytes() == b"Netz;Zweck\n10.1.0.0/16;Rathaus\n"
    code, _, err = run("booking", "show", ID, "--documents", "ablage")
    assert code == 1
    assert "01-Netze.csv" in err, "nothing is overwritten"


# -- moving one on ------------------------------------------------------------------------------


@pytest.mark.parametrize(("arguments", "name"), MOVES)
def test_every_move(run: Run, fake: FakeMarket, arguments: list[str], name: str) -> None:
    code, out, _ = run("booking", *arguments, "--id", examples.UNKNOWN_BOOKING_ID)
    assert (code, ID in out) == (0, True)
    [(command_id, sent)] = fake.commands
    assert command_id == examples.UNKNOWN_BOOKING_ID
    assert registry.message_of(sent).name == name
    for form in ("json", "yaml", "csv"):
        assert ID in run("booking", *arguments, "-o", form)[1]


@pytest.mark.parametrize(("arguments", "name"), MOVES)
def test_every_move_may_be_refused(run: Run, fake: FakeMarket, arguments: list[str], name: str) -> None:
    fake.outcome = refused("not_now", state="held", action="approve")
    assert run("booking", *arguments)[0] == 5
    fake.outcome = refused("unknown_booking", booking=ID)
    assert run("booking", *arguments)[0] == 3
    fake.outcome = Unanswered("no outcome")
    code, _, err = run("booking", *arguments)
    assert code == 6
    assert "wirkt nicht doppelt" in err


def test_every_outcome_of_every_move_can_be_shown(run: Run, fake: FakeMarket) -> None:
    for arguments, name in MOVES:
        for outcome in registry.message(name).outcomes[:-1]:
            fake.outcome = examples.payload(outcome)
            assert run("booking", *arguments)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        (
            ["cancel", ID, "--reason", "x", "--compensation", "1500,5"],
            CancelBooking(booking_id=ID, reason="x", compensation_cents=150_050),
        ),
        (["concede", ID, "--reason", "x"], ConcedeCancellation(booking_id=ID, reason="x")),
        (
            ["report", ID, "milestone", "--milestone", "moved", "--note", "Alles da."],
            ReportProgress(booking_id=ID, step="milestone", milestone="moved", note="Alles da."),
        ),
        (
            ["report", ID, "partial", "--delivered", "vcpu=4"],
            ReportProgress(booking_id=ID, step="partial", delivered={"vcpu": Decimal(4)}),
        ),
        (
            ["amend", ID, "--effective-on", "2026-07-01", "--plan", "gross"],
            AmendBooking(booking_id=ID, effective_on=dt.date(2026, 7, 1), plan_id="gross"),
        ),
        (
            ["terminate", ID, "--on", "2026-12-31"],
            TerminateBooking(booking_id=ID, on=dt.date(2026, 12, 31)),
        ),
        (["write", ID, "Guten Tag"], WriteMessage(booking_id=ID, text="Guten Tag")),
    ],
)
def test_what_is_typed_is_what_is_sent(
    run: Run, fake: FakeMarket, arguments: list[str], sent: object
) -> None:
    assert run("booking", *arguments)[0] == 0
    assert [data for _, data in fake.commands] == [sent]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["accept", "x"], "booking_id: Hier muss eine UUID"),
        (["decline", ID], "--reason"),
        (
            ["cancel", ID, "--reason", "x", "--compensation", "1.500,00"],
            "--compensation 1.500,00: einen Betrag",
        ),
        (["report", ID, "fertig"], "step: Erlaubt ist nur"),
        (["report", ID, "milestone"], "milestone nennt einen Meilenstein"),
        (["report", ID, "partial"], "partial sagt, was geliefert ist"),
        (["amend", ID, "--effective-on", "2026-07-01"], "Es soll sich nichts ändern"),
        (["write", ID, ""], "text: Der Text ist leer"),
        (["write", ID, "x", "--document", "gross.bin"], "gross.bin passt nicht in eine Nachricht"),
    ],
)
def test_a_move_that_cannot_be_meant(run: Run, fake: FakeMarket, arguments: list[str], sentence: str) -> None:
    Path("gross.bin").write_bytes(bytes(288 * 1024 + 1))
    code, _, err = run("booking", *arguments)
    assert (code, fake.commands) == (2, [])
    assert sentence in err


def test_a_document_goes_with_a_message(run: Run, fake: FakeMarket) -> None:
    Path("Fragebogen.pdf").write_bytes(b"%PDF-1.7")
    assert run("booking", "write", ID, "Anbei.", "--document", "Fragebogen.pdf")[0] == 0
    [(_, sent)] = fake.commands
    assert isinstance(sent, WriteMessage)
    assert sent.document is not None
    assert (sent.document.name, sent.document.media_type) == ("Fragebogen.pdf", "application/pdf")
    code, _, err = run("booking", "write", ID, "Anbei.", "--document", "nix.pdf")
    assert (code, err) == (1, "nix.pdf ist nicht zu lesen: die Datei gibt es nicht.\n")
