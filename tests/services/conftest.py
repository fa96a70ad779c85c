"""Desks: handlers on databases of their own."""

import datetime as dt
from collections.abc import AsyncIterator

import pytest
from support.builders import NOW
from support.desk import Desk, NewDesk

from allmende.servicekit.loop import Handler
from allmende.servicekit.testing import Templates


@pytest.fixture
async def desk(templates: Templates) -> AsyncIterator[NewDesk]:
    """Make a desk: `desk = await desk(CatalogHandler())`; its service is that of the handler's package."""
    opened: list[Desk] = []

    async def make(handler: Handler, *, now: dt.datetime = NOW, shares: Desk | None = None) -> Desk:
        service = type(handler).__module__.split(".")[-2]
        url = shares.url if shares else await templates.copy(service)
        opened.append(Desk(handler, url, now=now))
        return opened[-1]

    yield make
    for each in opened:
        await each.close()
