"""The README's Python example runs as it stands, against the market of the demonstration."""

import io
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
