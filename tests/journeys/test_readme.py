"""The README's examples run as they stand, against a market with the members of the demonstration."""

import io
import os
import re
import sys
from pathlib import Path

from support.processes import output_of

from allmende.demo.play import play
from allmende.demo.register import prepare
from allmende.servicekit.testing import Sandbox, Templates

README = Path(__file__).parents[2] / "README.md"


async def test_the_example_books(tmp_path: Path, templates: Templates) -> None:
    tmp_path.chmod(0o711)
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    register = prepare(tmp_path)
    async with Sandbox(tmp_path, templates, (), register=register) as market:
        await market.start()
        assert await play(market.url, tmp_path, io.StringIO()) == 0
        there = example.replace("nats://127.0.0.1:4222", market.url).replace(".allmende", str(tmp_path))
        output = await output_of(sys.executable, "-c", there)

    assert re.fullmatch(r"[0-9a-f-]{36}\n", output)


async def test_the_walk_through_a_bookings_life(tmp_path: Path, templates: Templates) -> None:
    tmp_path.chmod(0o711)
    _, _, section = README.read_text(encoding="utf-8").partition("## The life of a booking\n")
    (walk,) = re.findall(r"```console\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    script = "set -euo pipefail\n" + re.sub(r"^\$ ", "", walk, flags=re.MULTILINE)
    register = prepare(tmp_path)
    async with Sandbox(tmp_path, templates, (), register=register) as market:
        await market.start()
        there = {"ALLMENDE_URL": market.url, "ALLMENDE_HOME": str(tmp_path), "ALLMENDE_LANGUAGE": "de"}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        output = await output_of(
            "env", "-C", str(README.parent), f"PATH={path}", *(f"{k}={v}" for k, v in there.items()),
            "bash", "-c", script,
        )  # fmt: skip

    story = output[output.rindex("Buchung  ") :]
    for words in ("Meilenstein", "prepared", "in Betrieb genommen", "gekündigt", "Welche Netze"):
        assert words in story
