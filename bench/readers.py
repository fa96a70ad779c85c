"""Members that read their events, each through its durable consumer, as a process of its own."""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import nats
import uvloop
from nats.aio.client import Client
from nats.aio.msg import Msg

from allmende.schemas import subjects
from allmende.servicekit.settings import read_secret
from allmende.servicekit.testing import Sandbox

_REQUEST = json.dumps({"batch": 500, "expires": 60_000_000_000}).encode()
_MORE_AT = 250
_IDLE_SECONDS = 60.0


class Reader:
    """One member, who takes in and acknowledges whatever comes."""

    def __init__(self, member: str, tally: "Tally") -> None:
        durable = f"{subjects.EVENT_STREAM}.{subjects.event_durable(member)}"
        self._next = f"{subjects.MEMBER_API_PREFIX}.CONSUMER.MSG.NEXT.{durable}"
        self._tally = tally
        self._credit = 0
        self._connection: Client

    async def start(self, url: str, seed: str) -> None:
        """Connect and ask for the first events."""
        self._connection = await nats.connect(url, nkeys_seed_str=seed)
        self._inbox = self._connection.new_inbox()
        await self._connection.subscribe(
            self._inbox, cb=self._on_event, pending_msgs_limit=-1, pending_bytes_limit=-1
        )
        await self._ask()

    async def _ask(self) -> None:
        self._credit += 500
        await self._connection.publish(self._next, _REQUEST, reply=self._inbox)

    async def _on_event(self, message: Msg) -> None:
        if not message.reply:
            self._credit = 0
        else:
            await self._connection.publish(message.reply, b"+ACK")
            self._credit -= 1
            self._tally.count()
        if self._credit <= _MORE_AT:
            await self._ask()


class Tally:
    """Counts what all readers have read."""

    def __init__(self) -> None:
        self.read = 0
        self.first_at = self.last_at = 0.0

    def count(self) -> None:
        """One event more."""
        self.last_at = time.perf_counter()
        self.first_at = self.first_at or self.last_at
        self.read += 1


@contextlib.asynccontextmanager
async def reading(market: Sandbox, members: Sequence[str], events: int) -> AsyncIterator[asyncio.Task[float]]:
    """Let members read in another process. Gives a task that tells events per second once all are read."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.readers",
        market.url,
        str(market.home.path / "keys"),
        str(events),
        *members,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    await process.stdout.readline()  # all are connected

    async def result() -> float:
        output, _ = await process.communicate()
        found = json.loads(output)
        assert found["read"] == events, f"{found['read']} of {events} events were read"
        return float(found["per_second"])

    task = asyncio.create_task(result())
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _read(url: str, keys: Path, events: int, members: Sequence[str]) -> None:
    tally = Tally()
    for member in members:
        await Reader(member, tally).start(url, read_secret(keys / f"{member}.nk"))
    print("connected", flush=True)
    before = -1
    idle_since = time.perf_counter()
    while tally.read < events and time.perf_counter() - idle_since < _IDLE_SECONDS:
        if tally.read != before:
            before, idle_since = tally.read, time.perf_counter()
        await asyncio.sleep(0.02)
    per_second = tally.read / ((tally.last_at - tally.first_at) or 1)
    print(json.dumps({"read": tally.read, "per_second": per_second}), flush=True)


if __name__ == "__main__":
    hub_url, key_folder, expected, *names = sys.argv[1:]
    uvloop.run(_read(hub_url, Path(key_folder), int(expected), names))
