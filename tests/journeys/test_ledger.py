"""The ledger of a settled market: exported by the command line, judged by others, verified without it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.closed_period import CONSUMERS, ENTRIES, command, exported, settled
from support.fixtures import Connect, NewMarket

from allmende.client.market import Refused
from allmende.servicekit.testing import Sandbox


@pytest.fixture
async def market(sandbox: NewMarket, member: Connect) -> Sandbox:
    return await settled(sandbox, member)


def bean_check(file: Path, text: str) -> tuple[int, str]:
    """The exit code of `bean-check`, and what it finds."""
    file.write_text(text, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "beancount.scripts.check", "--no-cache", file],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def without(text: str, line: int) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(lines[:line] + lines[line + 1 :])


async def test_bean_check_accepts_the_journal_and_no_broken_one(market: Sandbox, tmp_path: Path) -> None:
    text = await exported(market, "beancount", tmp_path / "journal.beancount")
    assert bean_check(tmp_path / "j.beancount", text) == (0, "")
    assert text.count("\n2005-11-30 * ") == text.count("\n2005-12-31 * ") == ENTRIES // 2
    postings = [n for n, line in enumerate(text.splitlines()) if re.fullmatch(r"  \S+:\S+  -?\S+ EUR", line)]
    assert len(postings) == 4 * ENTRIES
    for place in (postings[0], postings[-1]):
        code, found = bean_check(tmp_path / "dropped.beancount", without(text, place))
        assert (code, "Transaction does not balance" in found) == (1, True)
    code, found = bean_check(tmp_path / "changed.beancount", text.replace("30.21 EUR", "30.22 EUR", 1))
    assert (code, "Transaction does not balance" in found) == (1, True)
    account = re.search(r"\n\S+ open (\S+) EUR", text)
    assert account is not None
    code, found = bean_check(tmp_path / "closed.beancount", text.replace(account[0], ""))
    assert (code, f"unknown account '{account[1]}'" in found) == (1, True)


async def test_the_journal_is_written_the_same_again(market: Sandbox, tmp_path: Path) -> None:
    for form in ("beancount", "hledger", "csv", "jsonl"):
        first = await exported(market, form, tmp_path / f"first.{form}")
        assert await exported(market, form, tmp_path / f"second.{form}") == first
    everything = await exported(market, "jsonl", tmp_path / "all.jsonl")
    parts = [
        await exported(market, "jsonl", tmp_path / "part.jsonl", *only)
        for only in (("--period", "2005-11"), ("--period", "2005-12"), ("--year", "2006"))
    ]
    assert "".join(parts) == everything
    assert len(everything.splitlines()) == ENTRIES


async def test_a_file_is_verified_without_the_market(
    market: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "journal.jsonl"
    text = await exported(market, "jsonl", file)
    head = json.loads(text.splitlines()[-1])["hash"]
    capsys.readouterr()
    assert await command(market, "desy", "ledger", "verify", "--head", head) == 0
    assert capsys.readouterr().out == f"{head}\n", "any member verifies the whole ledger"
    for name in list(market.running):
        await market.stop(name)
    assert await command(market, "office", "ledger", "verify", str(file), "--head", head) == 0
    out, err = capsys.readouterr()
    assert out == f"{head}\n"
    assert f"{ENTRIES} Buchungssätze geprüft, die Kette hält." in err
    lines = text.splitlines(keepends=True)
    broken = next(n for n, line in enumerate(lines, 1) if re.search(r"Umlage 2005-12\b[^:]*: gsi", line))
    changed = lines[broken - 1].replace("Umlage 2005-12", "Spende 2005-12")
    file.write_text("".join([*lines[: broken - 1], changed, *lines[broken:]]), "utf-8")
    assert await command(market, "office", "ledger", "verify", str(file)) == 5
    assert f"Die Kette ist gebrochen: Buchungssatz {broken} (" in capsys.readouterr().err
    file.write_text("".join(text.splitlines(keepends=True)[:-1]), "utf-8")
    assert await command(market, "office", "ledger", "verify", str(file), "--head", head) == 5
    assert f"Den gemerkten Stand {head} gibt es nicht mehr" in capsys.readouterr().err


async def test_members_see_the_entries_of_their_own_body(
    market: Sandbox, member: Connect, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in CONSUMERS:
        file = tmp_path / f"{name}.jsonl"
        entries = [
            json.loads(line) for line in (await exported(market, "jsonl", file, who=name)).splitlines()
        ]
        assert all(name in entry["numbers"] for entry in entries)
        own = [entry["numbers"][name] for entry in entries]
        assert own[:4] == [f"2005/{number:06d}" for number in range(1, 5)]
        assert await command(market, name, "ledger", "verify", str(file)) == 5, (
            "entries of others are missing"
        )
        assert await command(market, name, "ledger", "verify", str(file), "--extract") == 0
        connection = await member(market, name)
        assert [entry.entry_id async for entry in connection.journal()] == [e["entry_id"] for e in entries]
        month = [entry async for entry in connection.journal(period="2005-12")]
        assert [entry.sequence for entry in month] == [e["sequence"] for e in entries[2:4]]
    assert "Buchungssätze geprüft" in capsys.readouterr().err
    desy = await member(market, "desy")
    with pytest.raises(Refused, match="journal of lrz is not yours"):
        _ = [entry async for entry in desy.journal(body="lrz")]
