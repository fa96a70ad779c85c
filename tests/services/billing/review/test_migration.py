"""What was settled before there were reviews can be certified, disputed and taken back."""

import uuid

import asyncpg
import pytest
from alembic import command as alembic
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from support.builders import NOW, OFFICE, command, uid
from support.desk import Desk, codes
from support.reviews import by, certifying, issued, levying, market, objecting, ordering, reversing

from allmende.servicekit import database
from allmende.servicekit.database import ServiceDatabase, async_url
from allmende.servicekit.migration import migrate
from allmende.servicekit.testing import Templates
from allmende.services.billing.app import service
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.review import store
from allmende.services.billing.settlement import levy
from allmende.services.billing.settlement import store as settlement_store

ROWS = ("settlement", "statement", "charge_line", "levy", "accounting_period")


def upgrade(connection: Connection, role: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(service.migrations))
    config.attributes["connection"] = connection
    config.attributes["service_role"] = role
    alembic.upgrade(config, revision)


@pytest.fixture
async def before(templates: Templates) -> ServiceDatabase:
    """As the version before left it: a levy whose lines do not name it, issued in April."""
    found = ServiceDatabase(templates.postgres.url(), f"test_review_{uuid.uuid4().hex[:12]}")
    await database.create(found)
    owner = create_async_engine(async_url(found.owner_admin_url))
    async with owner.begin() as connection:
        await connection.exec_driver_sql(f"set local role {found.owner}")
        await connection.run_sync(upgrade, found.name, "0007")
    await owner.dispose()
    charged = levy.charge(
        levying(), uid(7), lands=dict.fromkeys(("desy", "kit", "lrz")), period_is_closed=False
    )
    assert isinstance(charged, levy.Levy)
    lines = [
        each.model_copy(update={"line": number, "levy_id": None})
        for number, each in enumerate(levy.lines_of(charged, OFFICE), 1)
    ]
    own = create_async_engine(async_url(found.url))
    async with own.begin() as tx:
        await settlement_store.save_levy(tx, charged, NOW)
        await issued(tx, 50, lines)
    await own.dispose()
    return found


async def snapshot(found: ServiceDatabase) -> dict[str, list[str]]:
    connection = await asyncpg.connect(found.url)
    rows = {name: await connection.fetch(f"select t::text from {name} t order by 1") for name in ROWS}
    await connection.close()
    return {name: [row[0] for row in each] for name, each in rows.items()}


async def test_rows_survive_and_are_reviewed(before: ServiceDatabase) -> None:
    rows = await snapshot(before)
    assert [len(each) for each in rows.values()] == [1, 4, 3, 1, 1]
    await migrate(before, service.migrations)
    assert await snapshot(before) == rows
    billing = Desk(BillingHandler(market(), 60), before.url)
    facts = await billing.take(
        by("desy/anna", certifying(), 1),
        by("desy/bela", ordering(), 2),
        by("desy/anna", objecting(1), 3),
        by("office/anna", reversing(7), 4),
        command(OFFICE, levying("2026-05", replaces=uid(7)), 5),
    )
    assert codes(facts) == [
        "StatementCertified",
        "StatementOrdered",
        "ObjectionRaised",
        "LevyReversed",
        "LevyCharged",
    ]
    async with billing.engine.connect() as connection:
        back = await store.lines_of(connection, "2026-05")
    assert [each.amount_cents for each in back] == [-3_334, -3_333, -3_333]
    await billing.close()


async def test_a_levy_that_is_taken_back_stays_so(before: ServiceDatabase) -> None:
    await migrate(before, service.migrations)
    billing = Desk(BillingHandler(market(), 60), before.url)
    await billing.take(
        by("office/anna", reversing(7), 1), command(OFFICE, levying("2026-05", replaces=uid(7)), 2)
    )
    await billing.close()
    connection = await asyncpg.connect(before.url)
    for table in ("levy_reversal", "levy_replacement"):
        for statement in (f"update {table} set levy_id = levy_id", f"delete from {table}"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("update statement_review set certified_by = 'zoe'")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("update objection set payer = 'kit'")
    await connection.close()
