"""The demonstration on real servers: its figures are the independent ones, whatever happens."""

import asyncio
import contextlib
import functools
import io
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from support.demonstration import expected

from allmende.demo.play import play
from allmende.demo.register import prepare
from allmende.servicekit import up
from allmende.servicekit.loop import BatchLoop, Committed
from allmende.servicekit.messages import Delivery
from allmende.servicekit.testing import Sandbox, Templates

EXPECTED = expected()


@contextlib.asynccontextmanager
async def running_market() -> AsyncIterator[up.Market]:
    """The market as `make run` starts it: every server and service a process of its own, durable."""
    with tempfile.TemporaryDirectory(prefix="allmende-journey-") as folder:
        home = up.Home(Path(folder))
        home.path.chmod(0o711)
        prepare(home.path)
        market = await up.start(home, environment=up.DEMONSTRATION_SETTINGS)
        try:
            yield market
        finally:
            await market.stop()


async def figures(market: up.Market) -> dict[str, Any]:
    """What the ledger holds, read from the database and not from the demonstration's output."""
    connection = await asyncpg.connect(market.admin_url("billing"))
    try:
        positions = await connection.fetch(
            "select body, sum(amount_cents)::bigint as net from posting"
            " where account ~ ':(forderungen|verbindlichkeiten):' group by body"
        )
        lines = await connection.fetchval("select count(*) from charge_line")
        records = await connection.fetchval("select sum((document->>'records')::int) from charge_line")
        outbox = await connection.fetchval("select count(*) from outbox")
    finally:
        await connection.close()
    return {
        "positions": {row["body"]: row["net"] for row in positions},
        "lines": lines,
        "usage_records": records,
        "outbox": outbox,
    }


def agrees(found: dict[str, Any]) -> bool:
    """Compare with the independent computation; a party that nothing was posted for stands at zero."""
    positions = {party: cents for party, cents in EXPECTED["positions"].items() if cents}
    nonzero = {party: cents for party, cents in found["positions"].items() if cents}
    return (
        nonzero == positions
        and sum(found["positions"].values()) == 0
        and found["lines"] == EXPECTED["lines"]
        and found["usage_records"] == EXPECTED["usage_records"]
    )


async def test_figures_are_those_of_the_independent_computation() -> None:
    async with running_market() as market:
        page = io.StringIO()
        assert await play(market.url, market.home.path, page) == 0

        assert agrees(await figures(market))
        assert "DEMONSTRATION" in page.getvalue()
        assert "Summe der Nettopositionen: 0,00 €" in page.getvalue()

        # Played once more it changes nothing and tells the same.
        again = io.StringIO()
        assert await play(market.url, market.home.path, again) == 0
        assert again.getvalue() == page.getvalue()
        assert agrees(await figures(market))


Count = Callable[[], Awaitable[int]]


@pytest.mark.parametrize("victim", ["catalog", "brokerage", "billing", "nats", "postgres"])
async def test_killing_a_process_changes_no_figure(victim: str) -> None:
    """Each victim dies while bookings are made and again while usage is reported."""
    async with running_market() as market:
        playing = asyncio.create_task(play(market.url, market.home.path, io.StringIO()))
        for service, table, rows in (("brokerage", "booking", 8), ("billing", "usage_record", 150)):
            await until(functools.partial(count, market, service, table), rows, playing)
            pid = market.supervisor.pid(victim)
            assert pid is not None
            os.kill(pid, signal.SIGKILL)

        async with asyncio.timeout(90):
            code = await playing
            while code:  # a part that gave up in the outage is continued, as a user would
                code = await play(market.url, market.home.path, io.StringIO())
        assert agrees(await figures(market))


async def until(rows: Count, least: int, playing: "asyncio.Task[int]") -> None:
    """Wait until there are so many rows; the database may be away meanwhile."""
    async with asyncio.timeout(60):
        while not playing.done():
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                if await rows() >= least:
                    return
            await asyncio.sleep(0.01)


async def count(market: up.Market, service: str, table: str) -> int:
    connection = await asyncpg.connect(market.admin_url(service), timeout=2)
    try:
        return int(await connection.fetchval(f"select count(*) from {table}"))
    finally:
        await connection.close()


async def test_every_batch_delivered_twice_changes_no_figure(
    tmp_path: Path, templates: Templates, monkeypatch: pytest.MonkeyPatch
) -> None:
    persist = BatchLoop._persist

    async def persist_twice(self: BatchLoop, batch: Sequence[Delivery]) -> Committed:
        first = await persist(self, batch)
        second = await persist(self, batch)
        return Committed(first.letters + second.letters, first.deliveries, first.originals + second.originals)

    monkeypatch.setattr(BatchLoop, "_persist", persist_twice)
    tmp_path.chmod(0o711)
    register = prepare(tmp_path)
    async with Sandbox(tmp_path, templates, (), register=register) as market:
        await market.start()
        assert await play(market.url, tmp_path, io.StringIO()) == 0
        positions = await market.rows(
            "billing",
            "select body, sum(amount_cents)::bigint as net from posting"
            " where account ~ ':(forderungen|verbindlichkeiten):' group by body",
        )
        found = {row["body"]: row["net"] for row in positions if row["net"]}
    assert found == {party: cents for party, cents in EXPECTED["positions"].items() if cents}
