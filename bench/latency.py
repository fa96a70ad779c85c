"""From a member's publish to the outcome at its own connection, at a fixed rate (open loop).

Run as a process of its own, so that the load does not share an interpreter with what it measures.
"""

import asyncio
import json
import random
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import nats
import uvloop
from nats.aio.msg import Msg

from allmende.servicekit.settings import read_secret
from allmende.servicekit.testing import Sandbox
from bench import commands

_CAUSE = re.compile(rb'"causationid": ?"([0-9a-f-]{36})"')


async def measure(url: str, keys: Path, members: list[str], rate: int, seconds: float) -> dict[str, float]:
    """Send at the rate for so long; tell p50 and p99 in milliseconds, and how many came back."""
    sent: dict[bytes, float] = {}
    milliseconds: list[float] = []

    async def on_event(message: Msg) -> None:
        found = _CAUSE.search(message.data)
        if found and (start := sent.pop(found[1], None)) is not None:
            milliseconds.append((time.perf_counter() - start) * 1000)

    connections = []
    for member in members:
        connection = await nats.connect(url, nkeys_seed_str=read_secret(keys / f"{member}.nk"))
        await connection.subscribe("events.>", cb=on_event, pending_msgs_limit=-1, pending_bytes_limit=-1)
        connections.append((member, connection))
    generator = random.Random()  # noqa: S311 - load, not a secret
    total = int(rate * seconds)
    load = [commands.sealed(members[number % len(members)], generator) for number in range(total)]
    started = time.perf_counter()
    number = 0
    while number < total:
        due = min(total, int((time.perf_counter() - started) * rate) + 1)
        while number < due:
            id_, body, headers = load[number]
            sent[id_.encode()] = time.perf_counter()
            await connections[number % len(members)][1].publish(commands.SUBJECT, body, headers=headers)
            number += 1
        await asyncio.sleep(0.001)
    deadline = time.perf_counter() + 20
    while sent and time.perf_counter() < deadline:
        await asyncio.sleep(0.01)
    for _, connection in connections:
        await connection.close()
    warm = sorted(milliseconds[len(milliseconds) // 10 :])
    return {
        "sent": total,
        "answered": len(milliseconds),
        "p50": warm[len(warm) // 2],
        "p99": warm[int(len(warm) * 0.99)],
    }


async def at_rate(market: Sandbox, members: Sequence[str], rate: int, seconds: float) -> dict[str, float]:
    """Measure in another process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.latency",
        market.url,
        str(market.home.path / "keys"),
        str(rate),
        str(seconds),
        *members,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    found: dict[str, float] = json.loads(output)
    return found


if __name__ == "__main__":
    hub_url, key_folder, rate_per_second, duration, *names = sys.argv[1:]
    result = uvloop.run(measure(hub_url, Path(key_folder), names, int(rate_per_second), float(duration)))
    print(json.dumps(result))
