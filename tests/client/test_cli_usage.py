"""Bringing a file in: in pieces, from where it ended, with a report of what was refused."""

import csv
import json
import tracemalloc
from pathlib import Path

import pytest
from support import examples
from support.fake_market import FakeMarket, Run, refused, write_usage

from allmende.schemas.billing import (
    Clarification,
    Clarifications,
    ListClarifications,
    UsageCancellation,
    UsageRecord,
    UsageRecorded,
)

STATE, REPORT = Path("verbrauch.csv.progress.json"), Path("verbrauch.csv.refused.csv")


def reported(fake: FakeMarket) -> list[str]:
    return [each.id for _, entries in fake.batches for each in entries]


def refusals() -> list[list[str]]:
    with REPORT.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file, delimiter=";"))


@pytest.mark.parametrize("sent_first", [0, 1, 2])
def test_a_second_start_goes_on_where_the_first_ended(run: Run, fake: FakeMarket, sent_first: int) -> None:
    file = write_usage(2_500)
    fake.reports_left = sent_first
    code, _, err = run("usage", "import", file)
    assert code == 6
    assert f"Gemeldet ist bis Zeile {sent_first * 1000 + bool(sent_first)};" in err
    assert STATE.exists() == bool(sent_first)
    fake.reports_left = -1
    code, _, err = run("usage", "import", file)
    assert code == 0
    assert ("Weiter nach Zeile" in err) == bool(sent_first)
    assert "2500 angenommen" in err
    assert reported(fake) == [f"r{n}" for n in range(2_500)]
    assert not STATE.exists()
    assert not REPORT.exists()


def test_a_file_that_changed_begins_anew(run: Run, fake: FakeMarket) -> None:
    fake.reports_left = 1
    run("usage", "import", write_usage(1_500))
    fake.reports_left = -1
    run("usage", "import", write_usage(1_501))
    assert reported(fake) == [f"r{n}" for n in [*range(1_000), *range(1_501)]]


def test_again_begins_anew(run: Run, fake: FakeMarket) -> None:
    fake.reports_left = 1
    run("usage", "import", write_usage(1_500))
    fake.reports_left = -1
    run("usage", "import", "--again", "verbrauch.csv")
    assert len(reported(fake)) == 2_500


def test_what_was_refused_is_reported_once_for_each_line(run: Run, fake: FakeMarket) -> None:
    file = write_usage(1_200)
    text = Path(file).read_text(encoding="utf-8").splitlines()
    text.insert(5, "r;x")
    text.append("r;y")
    Path(file).write_text("\n".join(text), encoding="utf-8")
    fake.reports_left = 1
    run("usage", "import", file)
    assert [row[0] for row in refusals()] == ["line", "6", "1203"] or [row[0] for row in refusals()] == [
        "line",
        "6",
    ]
    fake.reports_left = -1
    code, out, err = run("usage", "import", file)
    assert code == 1
    assert [row[0] for row in refusals()] == ["line", "6", "1203"]
    assert refusals()[2][2] == "unreadable"
    assert "2 abgelehnt" in err
    assert "verbrauch.csv.refused.csv nennt jede abgelehnte Zeile" in err
    assert "1203" in out


def test_the_report_goes_where_it_is_asked_to(run: Run, fake: FakeMarket) -> None:
    fake.outcome = UsageRecorded.model_validate_json(
        json.dumps(
            {"accepted": 0, "repeated": 0, "parked": 0}
            | {"refused": [{"id": "r0", "code": "already_corrected", "message_de": "d", "message_en": "e"}]}
        )
    )
    assert run("usage", "import", write_usage(1), "--report", "b.csv", "--language", "en")[0] == 1
    assert Path("b.csv").read_text(encoding="utf-8-sig").splitlines() == [
        "line;id;code;message",
        "2;r0;already_corrected;e",
    ]


def test_corrections_and_cancellations_go_with_the_records(run: Run, fake: FakeMarket) -> None:
    one = examples.usage_record().model_dump(mode="json")
    lines = [one, one | {"id": "b", "corrects": one["id"]}, {"id": "c", "cancels": "b", "reason": "doppelt"}]
    Path("v.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert run("usage", "import", "v.jsonl")[0] == 0
    [(_, [first, second, third])] = fake.batches
    assert isinstance(second, UsageRecord)
    assert second.corrects == first.id
    assert third == UsageCancellation(id="c", cancels="b", reason="doppelt")


def test_a_refused_batch_can_be_gone_on_from(run: Run, fake: FakeMarket) -> None:
    fake.outcome = refused("not_a_member")
    assert run("usage", "import", write_usage(3))[0] == 4


def test_memory_stays_flat_however_many_lines_are_refused(run: Run, fake: FakeMarket) -> None:
    def peak(lines: int) -> int:
        Path("verbrauch.csv").write_text("id;booking_id;meter;quantity;start;end\n" + "r;x\n" * lines)
        tracemalloc.start()
        run("usage", "import", "verbrauch.csv")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10)
    few = peak(100)
    assert peak(20_000) - few < 200_000
    assert not fake.batches
    assert REPORT.stat().st_size > 1_000_000


CLARIFICATION = Clarification(
    clarification=7,
    provider="weser-it",
    record_id="r1",
    standing=examples.usage_record(),
    offered_cancellation=UsageCancellation(id="r1", cancels="r0", reason="doppelt"),
    noted_at=examples.NOW,
)


def test_what_is_unclear_is_listed_page_by_page_and_settled(run: Run, fake: FakeMarket) -> None:
    fake.answers = [
        Clarifications(clarifications=(CLARIFICATION,), next_after=7),
        Clarifications(clarifications=(), next_after=None),
    ]
    code, out, err = run("usage", "clarifications")
    assert (code, fake.asked) == (0, [ListClarifications(), ListClarifications(after=7)])
    assert "vcpu_hours 192" in out
    assert "r0: doppelt" in out
    assert "allmende usage settle NUMMER" in err
    fake.outcome = examples.payload("billing.clarification.settled")
    assert run("usage", "settle", "7", "--reason", "Erstmeldung stimmt")[0] == 0
    [(_, command)] = fake.commands
    assert command.model_dump() == {"clarification": 7, "reason": "Erstmeldung stimmt"}
