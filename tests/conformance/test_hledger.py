"""The exported journal, judged by hledger."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from support.closed_period import CONSUMERS, ENTRIES, exported, settled
from support.fixtures import Connect, NewMarket
from support.journals import WICKED, wicked_entries

from allmende.client.journal_file import JournalFormat, head_of, writer

UNBALANCED = re.compile("could not balance|unbalanced")  # as older and newer releases say it


def hledger(file: Path, text: str, *arguments: str) -> tuple[int, str]:
    """The exit code of hledger, and what it says."""
    file.write_text(text, "utf-8")
    done = subprocess.run(
        ["hledger", "--file", file, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"LANG": "C.UTF-8", "PATH": "/usr/local/bin:/usr/bin:/bin"},
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
async def journal(sandbox: NewMarket, member: Connect, tmp_path: Path) -> str:
    return await exported(await settled(sandbox, member), "hledger", tmp_path / "export.journal")


async def test_hledger_accepts_the_journal_and_no_broken_one(journal: str, tmp_path: Path) -> None:
    file = tmp_path / "j.journal"
    assert hledger(file, journal, "check") == (0, "")
    assert hledger(file, journal, "check", "--strict") == (0, "")
    lines = journal.splitlines(keepends=True)
    postings = [n for n, line in enumerate(lines) if re.fullmatch(r"    [a-z]\S+  -?\S+ EUR\n", line)]
    assert len(postings) == 4 * ENTRIES
    dropped = "".join(lines[: postings[0]] + lines[postings[0] + 1 :])
    code, found = hledger(file, dropped, "check")
    assert (code, bool(UNBALANCED.search(found))) == (1, True)
    code, found = hledger(file, journal.replace("30.21 EUR", "30.22 EUR", 1), "check")
    assert (code, bool(UNBALANCED.search(found))) == (1, True)
    undeclared = re.sub(r"(?m)^account desy:verbindlichkeiten:lrz .*\n", "", journal)
    assert hledger(file, undeclared, "check")[0] == 0
    code, found = hledger(file, undeclared, "check", "--strict")
    assert (code, "desy:verbindlichkeiten:lrz" in found) == (1, True)


def test_hledger_reads_every_narration_and_reason(tmp_path: Path) -> None:
    write = writer(JournalFormat.HLEDGER)
    text = head_of(JournalFormat.HLEDGER) + "".join(write(each) for each in wicked_entries())
    file = tmp_path / "j.journal"
    assert hledger(file, text, "check", "--strict") == (0, "")
    code, found = hledger(file, text, "print", "--output-format", "json")
    assert (code, [len(each["tpostings"]) for each in json.loads(found)]) == (0, [4] * len(WICKED))


async def test_hledger_knows_the_kinds_of_accounts_and_every_body_balances(
    journal: str, tmp_path: Path
) -> None:
    file = tmp_path / "j.journal"
    for body in (*CONSUMERS, "lrz", "office"):
        code, found = hledger(file, journal, "balance", f"^{body}:", "--format", "%(total)")
        assert (code, found.split()[-1]) == (0, "0"), body
    code, found = hledger(file, journal, "incomestatement", "--depth", "2")
    assert code == 0
    assert "lrz:erträge" in found
    assert "desy:aufwendungen" in found
