"""The walk of docs/settlement.md from a draft to the payment, run as it stands on real servers."""

import io
import os
import re
import sys
from pathlib import Path

import pytest
from support.broker import eventually
from support.camt import camt
from support.processes import output_of

from allmende.client import Market
from allmende.demo.play import play
from allmende.demo.register import key_file, prepare
from allmende.schemas.register import MemberRegister
from allmende.servicekit.testing import Sandbox, Templates

WALK = Path(__file__).parents[2] / "docs/settlement.md"
OFFICE = "geschaeftsstelle"


def blocks() -> list[tuple[str, list[str]]]:
    """Every block as a script, and the lines that it is to write."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", WALK.read_text("utf-8"), re.DOTALL):
        lines = block.replace("\\\n", "").splitlines()
        script = "\n".join(line.removeprefix("$ ") for line in lines if line.startswith("$ "))
        found.append((script, [line for line in lines if not line.startswith("$ ")]))
    return found


def plain(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


async def statement_of_the_bank(market: Sandbox, register: MemberRegister) -> bytes:
    """The office's account, on which the payment of desy comes in."""
    assert register.office.body is not None
    key = key_file(market.home.path, OFFICE)
    async with Market.connect(market.url, member=OFFICE, seed_file=key) as found:
        open_ones = [each.payment async for each in found.payments(open_only=True, member="desy")]
    [arranged] = [each for each in open_ones if each.debtor == "desy"]
    entry = ("1", arranged.amount_cents, arranged.reference)
    return camt(register.office.body.iban, [entry], arranged.arranged_at.date())


@pytest.mark.timeout(300)
async def test_the_walk_from_a_draft_to_the_payment(tmp_path: Path, templates: Templates) -> None:
    tmp_path.chmod(0o711)
    register = prepare(tmp_path)
    async with Sandbox(tmp_path, templates, (), register=register) as market:
        await market.start()
        assert await play(market.url, tmp_path, io.StringIO()) == 0
        there = {
            "ALLMENDE_URL": market.url,
            "ALLMENDE_HOME": str(tmp_path),
            "ALLMENDE_LANGUAGE": "de",
            "ALLMENDE_MEMBER": OFFICE,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }

        async def files_are_made() -> bool:
            states = await market.rows("billing", "select distinct state from document_file")
            return {row["state"] for row in states} == {"made"}

        for script, wanted in blocks():
            if "settlement documents" in script:
                await eventually(files_are_made)
            if "payment import" in script:
                (tmp_path / "kontoauszug.xml").write_bytes(await statement_of_the_bank(market, register))
            told = [f"{name}={value}" for name, value in there.items()]
            set_up = f"exec 2>&1; set -euo pipefail\n{script}"
            output = await output_of("env", "-C", str(tmp_path), *told, "bash", "-c", set_up)
            for member in re.findall(r"export ALLMENDE_MEMBER=(\S+)", script):
                there["ALLMENDE_MEMBER"] = member  # the reader's shell remembers it
            written = plain(output)
            assert [line for line in plain("\n".join(wanted)) if line not in written] == []

        booked = await market.rows("billing", "select count(*) as n from bank_entry")
        assert booked[0]["n"] == 1
