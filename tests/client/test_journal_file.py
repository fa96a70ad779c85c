"""The journal in four formats: complete, the same every time, and read back from lines of JSON."""

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.builders import NOW
from support.journals import WICKED, some_entries, wicked_entries

from allmende.client.journal_file import JournalFormat, beancount_account, head_of, read_entries, writer
from allmende.schemas import chain
from allmende.schemas.contract import Unreadable
from allmende.schemas.journal import HEADINGS

ENTRIES = some_entries()


def written(form: JournalFormat) -> str:
    write = writer(form)
    return head_of(form) + "".join(write(each) for each in ENTRIES)


@pytest.mark.parametrize("form", JournalFormat)
def test_the_same_entries_make_the_same_file(form: JournalFormat) -> None:
    assert written(form) == written(form)
    assert all(each.hash in written(form) for each in ENTRIES)


@pytest.mark.parametrize(
    ("name", "account"),
    [
        ("desy-zeuthen:forderungen:lrz", "Assets:Desy-zeuthen:Forderungen:Lrz"),
        ("lrz:erträge:leistungen", "Income:Lrz:Ertraege:Leistungen"),
        ("lrz:erhaltene-anzahlungen:kit", "Liabilities:Lrz:Erhaltene-anzahlungen:Kit"),
        ("office:eigenkapital:kit", "Equity:Office:Eigenkapital:Kit"),
        ("kit:aufwendungen:umlage", "Expenses:Kit:Aufwendungen:Umlage"),
    ],
)
def test_accounts_as_beancount_names_them(name: str, account: str) -> None:
    assert beancount_account(name) == account


def test_every_heading_of_the_chart_has_an_account_in_ascii() -> None:
    names = [beancount_account(f"lrz:{heading}:kit") for heading in HEADINGS]
    assert len(set(names)) == len(HEADINGS)
    assert all(re.fullmatch(r"[A-Z][a-z]+(:[A-Z0-9][A-Za-z0-9-]*)+", name) for name in names)


def test_beancount() -> None:
    text = written(JournalFormat.BEANCOUNT)
    assert text.startswith('option "title" "Allmende"\n')
    opened = re.findall(r"(?m)^1990-01-01 open (\S+) EUR$", text)
    assert len(opened) == len(set(opened)) == len({p.account for each in ENTRIES for p in each.postings})
    assert '\n2026-05-31 * "Storno 1: Abschlag 2026-04: desy-zeuthen an lrz"\n' in text
    assert '\n  number-desy-zeuthen: "2026/000009"\n' in text
    assert '\n  reason: "Versehen"\n' in text


def test_bean_check_reads_every_narration_and_reason(tmp_path: Path) -> None:
    write = writer(JournalFormat.BEANCOUNT)
    file = tmp_path / "wicked.beancount"
    text = head_of(JournalFormat.BEANCOUNT) + "".join(write(each) for each in wicked_entries())
    file.write_text(text, "utf-8")
    check = [sys.executable, "-m", "beancount.scripts.check", "--no-cache", str(file)]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_hledger() -> None:
    text = written(JournalFormat.HLEDGER)
    assert "account lrz:erträge:leistungen  ; type: R\n" in text
    assert "\n2026-05-31 * (9) Storno 1: Abschlag 2026-04: desy-zeuthen an lrz\n    ; sequence: 9\n" in text
    assert "\n    lrz:forderungen:desy-zeuthen  -10.02 EUR\n" in text


def test_csv_as_german_excel_reads_it() -> None:
    text = written(JournalFormat.CSV)
    assert text.startswith("\ufeffsequence;date;")
    rows = list(csv.DictReader(io.StringIO(text[1:]), delimiter=";"))
    assert len(rows) == 4 * len(ENTRIES)
    assert rows[0]["amount_eur"] == "10,02"
    assert rows[1]["amount_eur"] == "-10,02"
    assert rows[0]["numbers"] == "desy-zeuthen:2026/000001 lrz:2026/000001"
    cents = [int(row["amount_eur"].replace(",", "")) for row in rows]
    assert cents == [posting.amount_cents for each in ENTRIES for posting in each.postings]
    said = "".join(writer(JournalFormat.CSV)(each) for each in wicked_entries())
    told = [row[5] for row in csv.reader(io.StringIO(said), delimiter=";")][::4]
    assert [cell.removeprefix("'") for cell in told] == list(WICKED)
    assert not any(cell.startswith(("=", "@")) for cell in told)


def test_lines_of_json_are_read_back_and_verified() -> None:
    lines = written(JournalFormat.JSONL).splitlines(keepends=True)
    assert tuple(read_entries([*lines, "\n"])) == ENTRIES
    assert chain.verify(read_entries(lines)).broken is None
    assert len(lines) == len(ENTRIES)


def test_the_page_about_the_journal_computes_the_same_hashes() -> None:
    page = (Path(__file__).parents[2] / "docs" / "journal.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(example, names)  # noqa: S102 - the page's own example
    for each in (*ENTRIES, ENTRIES[0].model_copy(update={"booked_at": NOW.replace(microsecond=40)})):
        assert names["hash_of"](json.loads(each.model_dump_json())) == chain.hash_of(each)
    for heading in HEADINGS:
        assert f"`{heading}`" in page
    assert f"`{beancount_account('lrz:erträge:leistungen')}`" in page


@pytest.mark.parametrize("line", ["{}", "[1]", "kein JSON", '{"sequence": 1}', "\ufeff{}"])
def test_a_line_that_is_no_entry_is_named(line: str) -> None:
    good = written(JournalFormat.JSONL).splitlines()[0]
    with pytest.raises(Unreadable) as error:
        list(read_entries([good, line]))
    assert error.value.field.startswith("2")
