"""The ledger on the command line, with a market that answers at once."""

import io
import json
import sys
from pathlib import Path

import pytest
from support.fake_market import FakeMarket, Run, refused
from support.journals import some_entries

from allmende.client.market import Refused
from allmende.schemas.journal import (
    BrokenPlace,
    ExportJournal,
    JournalPage,
    JournalVerified,
    VerifyJournal,
)

ENTRIES = some_entries()
PAGES = [
    JournalPage(entries=ENTRIES[:5], total=9, next_after=5),
    JournalPage(entries=ENTRIES[5:], total=9, next_after=None),
]
LINES = "".join(each.model_dump_json() + "\n" for each in ENTRIES)
HEAD = ENTRIES[-1].hash


def verified(checked: int, sequence: int, **changes: object) -> JournalVerified:
    given = {"head": ENTRIES[sequence - 1].hash, "head_found": False, "broken": None, "next_after": None}
    return JournalVerified.model_validate({"checked": checked, "sequence": sequence, **given, **changes})


def test_the_journal_is_written_page_by_page(run: Run, fake: FakeMarket) -> None:
    fake.answers = [*PAGES]
    code, out, err = run("ledger", "export")
    assert (code, out) == (0, LINES)
    assert err.startswith("9 Buchungssätze\n")
    assert f"allmende ledger verify --head {HEAD}" in err
    assert fake.asked == [ExportJournal(), ExportJournal(after=5)]


def test_people_who_watch_see_how_far_it_is(
    run: Run, fake: FakeMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    fake.answers = [*PAGES]
    code, out, err = run("ledger", "export")
    assert (code, out) == (0, LINES)
    assert "Journal, Buchungssatz 9" in err


def test_a_year_or_a_month_goes_into_a_file(run: Run, fake: FakeMarket) -> None:
    fake.answers = [*PAGES]
    code, out, err = run("ledger", "export", "--format", "csv", "--year", "2026", "--to", "j.csv")
    assert (code, out, err) == (0, "", "9 Buchungssätze nach j.csv\n")
    assert Path("j.csv").read_bytes().startswith("\ufeffsequence;".encode())
    fake.answers = [JournalPage(entries=(), total=0, next_after=None)]
    assert run("ledger", "export", "--period", "2026-03", "--language", "en") == (0, "", "0 entries\n")
    assert fake.asked[-1] == ExportJournal(period="2026-03")
    assert fake.asked[0] == ExportJournal(year=2026)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--period", "2026-13"), 2, "»2026-13« ist kein Monat wie 2026-03."),
        (("--format", "xml"), 2, "»xml« ist nicht erlaubt"),
        (("--to", "nix/j.csv"), 1, "nix/j.csv ist nicht zu schreiben: die Datei gibt es nicht."),
    ],
)
def test_what_cannot_be_exported(
    run: Run, fake: FakeMarket, arguments: tuple[str, ...], code: int, said: str
) -> None:
    ended, _, err = run("ledger", "export", *arguments)
    assert (ended, said in err) == (code, True)


def test_another_members_journal_is_denied(run: Run, fake: FakeMarket) -> None:
    fake.outcome = Refused("billing.journal.export", refused("not_your_journal", member="kit"))
    assert run("ledger", "export") == (4, "", "Das Journal von kit ist nicht Ihres.\n")


def test_the_ledger_checks_itself_piece_by_piece(run: Run, fake: FakeMarket) -> None:
    fake.answers = [verified(5, 5, next_after=5, head_found=True), verified(4, 9)]
    remembered = ENTRIES[2].hash
    code, out, err = run("ledger", "verify", "--head", remembered)
    assert (code, out) == (0, f"{HEAD}\n")
    assert err.startswith("9 Buchungssätze geprüft, die Kette hält.\n")
    assert fake.asked == [
        VerifyJournal(head=remembered),
        VerifyJournal(head=remembered, after=5, previous_hash=ENTRIES[4].hash),
    ]


@pytest.mark.parametrize(
    ("problem", "german", "english"),
    [
        ("content", "Buchungssatz 7 (x) wurde verändert", "entry 7 (x) was changed"),
        ("link", "Buchungssatz 7 (x) schließt nicht an", "entry 7 (x) does not follow"),
        ("missing", "vor Buchungssatz 7 (x) fehlt etwas", "something is missing before entry 7 (x)"),
        ("end", "das Hauptbuch endet nicht mit Buchungssatz 7", "the ledger does not end with entry 7"),
    ],
)
def test_a_broken_chain_is_told(run: Run, fake: FakeMarket, problem: str, german: str, english: str) -> None:
    place = BrokenPlace.model_validate({"sequence": 7, "entry_id": "x", "problem": problem})
    for language, said in (("de", german), ("en", english)):
        fake.answers = [verified(6, 6, broken=place)]
        code, out, err = run("ledger", "verify", "--language", language)
        assert (code, out) == (5, "")
        assert said in err


def test_a_file_is_verified_without_any_market(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALLMENDE_MEMBER")
    Path("j.jsonl").write_text(LINES, "utf-8")
    code, out, _ = run("ledger", "verify", "j.jsonl", "--head", HEAD)
    assert (code, out) == (0, f"{HEAD}\n")
    with monkeypatch.context() as piped:
        piped.setattr(sys, "stdin", io.StringIO(LINES))
        assert run("ledger", "verify", "-")[:2] == (0, f"{HEAD}\n")
    Path("j.jsonl").write_text(LINES.replace("Versehen", "Absicht"), "utf-8")
    code, out, err = run("ledger", "verify", "j.jsonl")
    assert (code, out) == (5, "")
    assert f"Buchungssatz 9 ({ENTRIES[-1].entry_id}) wurde verändert" in err
    assert "Bis dahin stimmen 8 Buchungssätze." in err


def test_removed_last_entries_are_found_by_the_remembered_head(run: Run) -> None:
    Path("j.jsonl").write_text("".join(LINES.splitlines(keepends=True)[:7]), "utf-8")
    assert run("ledger", "verify", "j.jsonl")[0] == 0
    code, out, err = run("ledger", "verify", "j.jsonl", "--head", HEAD)
    assert (code, out) == (5, "")
    assert f"Den gemerkten Stand {HEAD} gibt es nicht mehr" in err


def test_an_extract_has_gaps(run: Run) -> None:
    Path("j.jsonl").write_text("".join(LINES.splitlines(keepends=True)[3::2]), "utf-8")
    code, _, err = run("ledger", "verify", "j.jsonl")
    assert (code, "vor Buchungssatz 4" in err) == (5, True)
    assert run("ledger", "verify", "j.jsonl", "--extract")[0] == 0


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (None, 1, "j.jsonl ist nicht zu lesen: die Datei gibt es nicht."),
        (b"{}\n", 5, "j.jsonl:1: "),
        (LINES.encode() + b"nichts\n", 5, "j.jsonl:10: Hier steht kein Buchungssatz"),
        (b"\xff\xfe", 1, "j.jsonl ist nicht in UTF-8 geschrieben."),
    ],
)
def test_a_file_that_holds_no_journal(run: Run, content: bytes | None, code: int, said: str) -> None:
    if content is not None:
        Path("j.jsonl").write_bytes(content)
    ended, out, err = run("ledger", "verify", "j.jsonl")
    assert (ended, out) == (code, "")
    assert said in err


def test_the_exported_file_is_the_one_that_is_verified(run: Run, fake: FakeMarket) -> None:
    fake.answers = [*PAGES]
    assert run("ledger", "export", "--to", "j.jsonl")[0] == 0
    lines = Path("j.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["sequence"] for line in lines] == [*range(1, 10)]
    assert run("ledger", "verify", "j.jsonl")[:2] == (0, f"{HEAD}\n")
