"""Real servers for every test: one PostgreSQL for all, a NATS server and copied databases for each."""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.fixtures import Connect, NewMarket

from allmende.client import Market
from allmende.servicekit.embedded.postgres import EmbeddedPostgres
from allmende.servicekit.testing import Sandbox, Someone, Templates
from allmende.servicekit.up import installed_services


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    folder = Path(tempfile.mkdtemp(prefix="allmende-tests-"))
    folder.chmod(0o711)
    with EmbeddedPostgres(folder / "postgres", durable=False) as server:
        yield server
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def templates(postgres: EmbeddedPostgres) -> Templates:
    found = Templates(postgres, installed_services())
    asyncio.run(found.prepare())
    return found


@pytest.fixture
async def sandbox(tmp_path: Path, templates: Templates) -> AsyncIterator[NewMarket]:
    """Make a market: `market = await sandbox("desy", "lrz")`. Only NATS and the databases run in it."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(*members: Someone | str, **options: Any) -> Sandbox:
            folder = Path(tempfile.mkdtemp(dir=tmp_path))
            return await stack.enter_async_context(Sandbox(folder, templates, members, **options))

        yield make


@pytest.fixture
async def member() -> AsyncIterator[Connect]:
    """Connect as a member: `desy = await member(market, "desy")`."""
    async with contextlib.AsyncExitStack() as stack:

        async def connect(market: Sandbox, name: str) -> Market:
            connection = Market.connect(market.url, member=name, seed_file=market.key_file(name))
            return await stack.enter_async_context(connection)

        yield connect
