"""Raw connections and a workshop for the tests of the kit."""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.broker import Connections
from support.fixtures import NewMarket
from support.workshop import NewWorkshop, Workshop

from allmende.servicekit import loop
from allmende.servicekit.embedded.postgres import EmbeddedPostgres
from allmende.servicekit.testing import Sandbox, Templates
from allmende.servicekit.up import installed_services


@pytest.fixture
async def connections() -> AsyncIterator[Connections]:
    found = Connections()
    yield found
    await found.close()


@pytest.fixture
async def workshop(
    sandbox: NewMarket, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[NewWorkshop]:
    """Take the brokerage's place in a market: `shop = await workshop()`."""
    monkeypatch.setattr(loop, "TICK_SECONDS", 0.1)  # published rows are removed so much sooner
    async with contextlib.AsyncExitStack() as stack:

        async def make(*members: str, market: Sandbox | None = None, **options: Any) -> Workshop:
            if market is None:
                market = await sandbox(*(members or ("desy", "lrz")), **options)
            return await stack.enter_async_context(Workshop(market, connections))

        yield make


@pytest.fixture
async def own_postgres() -> AsyncIterator[EmbeddedPostgres]:
    """A database server that may be stopped."""
    folder = Path(tempfile.mkdtemp(prefix="allmende-outage-"))
    folder.chmod(0o711)
    server = EmbeddedPostgres(folder / "postgres", durable=False)
    await asyncio.to_thread(server.start)
    yield server
    await asyncio.to_thread(server.stop)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def own_market(own_postgres: EmbeddedPostgres, tmp_path: Path) -> AsyncIterator[Sandbox]:
    """A market on that server."""
    templates = Templates(own_postgres, installed_services())
    await templates.prepare()
    async with Sandbox(tmp_path, templates, ["desy", "lrz"]) as found:
        yield found
