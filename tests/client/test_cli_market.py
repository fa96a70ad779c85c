import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import examples
from support.fake_market import FakeMarket, Run, refused, write_usage

from allmende.client.market import Received, Unanswered
from allmende.schemas.billing import UsageRecorded
from allmende.schemas.envelope import Event
from allmende.schemas.rejections import Rejection, rejected


def test_usage_goes_in_batches_with_ids_that_come_from_the_records(run: Run, fake: FakeMarket) -> None:
    code, out, err = run("usage", "submit", "-f", write_usage(2_500))
    assert (code, out) == (0, "")
    assert "2500 angenommen" in err
    assert [len(records) for _, records in fake.batches] == [1000, 1000, 500]
    first, fake.batches = fake.batches, []
    run("usage", "submit", "-f", "verbrauch.csv")
    assert fake.batches == first
    fake.batches = []
    run("usage", "submit", "-f", write_usage(2_500, quantity="1"))
    assert not {id_ for id_, _ in fake.batches} & {id_ for id_, _ in first}
    fake.batches = []
    run("usage", "submit", "--again", "-f", write_usage(2_500))
    assert not {id_ for id_, _ in fake.batches} & {id_ for id_, _ in first}


def test_a_batch_fits_into_a_message(run: Run, fake: FakeMarket) -> None:
    rows = [
        examples.usage_record().model_dump(mode="json") | {"id": f"{n}" + "💶" * 110} for n in range(1000)
    ]
    text = "\n".join(json.dumps(row) for row in rows)
    Path("v.jsonl").write_text(text)
    assert run("usage", "submit", "-f", "v.jsonl")[0] == 0
    assert len(fake.batches) == 2
    for _, records in fake.batches:
        assert sum(len(each.model_dump_json().encode()) + 1 for each in records) < 512 * 1024 - 8_192


def test_refused_usage_is_told_line_by_line(run: Run, fake: FakeMarket) -> None:
    german, english = rejected("unknown_meter", meter="x").sentences
    refusal = {"id": "r1", "code": "unknown_meter", "message_de": german, "message_en": english}
    fake.outcome = UsageRecorded.model_validate_json(
        json.dumps({"accepted": 1, "repeated": 0, "parked": 0, "refused": [refusal]})
    )
    file = write_usage(2)
    with Path(file).open("a") as more:
        more.write("r9;x\n")
    code, out, err = run("usage", "submit", "-f", file)
    assert code == 1
    assert "3       r1          unknown_meter   Der Tarif der Buchung kennt den Zähler x nicht." in out
    assert "4                   unreadable" in out
    assert "1 angenommen" in err
    assert "2 abgelehnt" in err
    report = json.loads(run("usage", "submit", "-f", file, "-o", "json", "--language", "en")[1])
    assert report["accepted"] == 1
    assert [each["line"] for each in report["refused"]] == [4, 3]


def test_a_batch_refused_as_a_whole(run: Run, fake: FakeMarket) -> None:
    fake.outcome = refused("not_a_member")
    code, _, err = run("usage", "submit", "-f", write_usage(3))
    assert code == 4
    assert err.startswith("Zeile 2 bis 4: Sie sind kein Mitglied")


def test_usage_without_an_answer_says_how_to_go_on(run: Run, fake: FakeMarket) -> None:
    fake.outcome = Unanswered("no outcome")
    code, _, err = run("usage", "submit", "-f", write_usage(3))
    assert code == 6
    assert "Gemeldet ist bis Zeile 0; derselbe Befehl meldet den Rest und nichts doppelt" in err


def test_a_missing_usage_file(run: Run) -> None:
    code, _, err = run("usage", "submit", "-f", "nix.csv")
    assert (code, err) == (1, "nix.csv ist nicht zu lesen: die Datei gibt es nicht.\n")


def test_the_settlements_show_ones_own_position(run: Run, fake: FakeMarket) -> None:
    code, out, err = run("settlement", "list")
    assert code == 0
    amounts = "2026-04 272,00 € 12.000,00 € 601,17 € 272,00 € -329,17 €"
    assert " ".join(out.splitlines()[2].split()).startswith(amounts)
    assert "allmende settlement show 2026-04" in err
    assert json.loads(run("settlement", "list", "-o", "json")[1])[0]["charges_cents"] == 27_200
    assert "2026-04;272,00;12000,00;601,17;272,00;-329,17" in run("settlement", "list", "-o", "csv")[1]


def test_a_statement(run: Run, fake: FakeMarket) -> None:
    code, out, err = run("settlement", "show", "2026-04", "--of", "alster-it")
    assert (code, fake.sent) == (0, [("2026-04", "alster-it")])
    assert "5.760 h zu 1,25 € je 100 h = 72,00 €" in out
    assert "Abrechnung 2026-04/002 für alster-it: 1.932,91 € zu zahlen an nordverbund" in err


@pytest.mark.parametrize(
    ("rejection", "code"),
    [(refused("no_statement", member="x", period="2026-04"), 3), (refused("not_yours", member="x"), 4)],
)
def test_a_statement_one_does_not_get(run: Run, fake: FakeMarket, rejection: Rejection, code: int) -> None:
    fake.outcome = rejection
    assert run("settlement", "show", "2026-04") == (code, "", f"{rejection.message_de}\n")


def received(name: str) -> Received:
    sealed = examples.sealed(name)
    return Received(
        name, Event[Any].model_validate_json(sealed).model_copy(update={"data": examples.payload(name)})
    )


def test_events_in_every_form(run: Run, fake: FakeMarket) -> None:
    fake.heard = [received("catalog.offering.published"), received("brokerage.booking.rejected")]
    code, out, _ = run("event", "tail", "--once")
    assert code == 0
    assert out.splitlines()[0].split()[2:] == ["catalog.offering.published", examples.BOOKING_ID]
    assert out.splitlines()[1].endswith("vcpu: 64 angefragt, 12 frei.")
    lines = run("event", "tail", "--once", "-o", "json")[1].splitlines()
    assert [json.loads(line)["id"] for line in lines] == [examples.EVENT_ID] * 2
    assert len(list(yaml.safe_load_all(run("event", "tail", "--once", "-o", "yaml")[1]))) == 2
    assert run("event", "tail", "--once", "-o", "csv")[1].startswith("\ufefftime;name;subject;message\r\n")
