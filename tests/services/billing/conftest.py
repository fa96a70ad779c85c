"""A desk whose ledger holds something, and the administrator of the database of a module's desk."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from support.bodies import closing
from support.builders import booking, command, fact, record, register, report
from support.desk import Desk, NewDesk

from allmende.servicekit.testing import Templates
from allmende.services.billing.handlers import BillingHandler


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    """A closed period with one charge; a module that needs another desk makes its own."""
    found = await desk(BillingHandler(register("desy", "lrz"), 60))
    await found.take(
        fact(booking(), 1),
        command("lrz", report(record(amount=5)), 2),
        *closing("2026-04", 3),
    )
    return found


@pytest.fixture
async def superuser(billing: Desk, templates: Templates) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(templates.admin_url(billing.url))
    yield connection
    await connection.close()
