"""Raw connections and a workshop for the tests of the kit."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.broker import Connections
from support.fixtures import NewMarket
from support.workshop import NewWorkshop, Workshop

from allmende.servicekit import loop
from allmende.servicekit.testing import Sandbox


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
