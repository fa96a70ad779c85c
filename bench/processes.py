"""Services as processes of their own, and what processes cost: processor time and memory."""

import asyncio
import contextlib
import dataclasses
import os
import sys
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

from allmende.servicekit.testing import Sandbox
from allmende.servicekit.up import free_port

_TICKS = os.sysconf("SC_CLK_TCK")
_READY_SECONDS = 30.0


@contextlib.asynccontextmanager
async def serving(market: Sandbox, service: str, traces: str) -> AsyncIterator[int]:
    """Run `allmende serve` until it is ready, and end it afterwards. Gives the process's id.

    It sends its telemetry to `traces`.
    """
    port = free_port()
    log = (market.home.path / f"{service}.log").open("ab")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "allmende.servicekit",
        "serve",
        service,
        env={
            **os.environ,
            "ALLMENDE_NATS_URL": market.url,
            "ALLMENDE_NATS_SEED_FILE": str(market.home.service_key(service)),
            "ALLMENDE_DATABASE_URL": market.databases[service],
            "ALLMENDE_REGISTER": str(market.home.register),
            "ALLMENDE_HEALTH_PORT": str(port),
            "ALLMENDE_BACKDATE_DAYS": "36500",
            "OTEL_EXPORTER_OTLP_ENDPOINT": traces,
        },
        stdout=log,
        stderr=log,
    )
    try:
        async with asyncio.timeout(_READY_SECONDS):
            while not await asyncio.to_thread(_is_ready, f"http://127.0.0.1:{port}/health/ready"):
                if process.returncode is not None:
                    said = Path(log.name).read_text(encoding="utf-8")[-2_000:]
                    raise RuntimeError(f"{service} ended with code {process.returncode}: {said}")
                await asyncio.sleep(0.05)
        yield process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        log.close()


def _is_ready(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310
        return bool(answer.status == 200)
    return False


@contextlib.asynccontextmanager
async def trace_receiver() -> AsyncIterator[str]:
    """Take in telemetry and throw it away, so that services pay for sending it. Gives the address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                lengths = [
                    line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
                ]
                await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@dataclasses.dataclass(frozen=True)
class Cost:
    """Seconds of processor time."""

    service: float
    nats: float
    postgres: float

    def since(self, before: "Cost") -> "Cost":
        """What was spent meanwhile."""
        return Cost(self.service - before.service, self.nats - before.nats, self.postgres - before.postgres)

    def each(self, count: int) -> str:
        """Write it per piece."""
        parts = dataclasses.asdict(self).items()
        return ", ".join(f"{name} {seconds / count * 1e6:,.0f} µs" for name, seconds in parts)


def cost(market: Sandbox, service: int) -> Cost:
    """What the processes have spent so far."""
    postmaster = int((market.templates.postgres.data / "postmaster.pid").read_text().split()[0])
    server = market.nats.pid
    return Cost(_spent(service), _spent(server) if server else 0.0, _spent_with_children(postmaster))


def _spent(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _spent_with_children(pid: int) -> float:
    own = _stat(pid)
    total = sum(map(int, own[11:15])) / _TICKS  # with those that have ended
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = _stat(int(entry.name))
            if int(fields[1]) == pid:
                total += (int(fields[11]) + int(fields[12])) / _TICKS
    return total


def _stat(pid: int) -> list[str]:
    """The fields of proc(5) from `state` on, which is the third."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def memory_mib(pid: int) -> tuple[float, float]:
    """Resident memory now, and at most so far."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = {name: value for name, _, value in (line.partition(":") for line in lines)}
    return int(found["VmRSS"].split()[0]) / 1024, int(found["VmHWM"].split()[0]) / 1024
