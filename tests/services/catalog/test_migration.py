"""The second migration on a database that the first release has filled."""

import datetime as dt
from pathlib import Path

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from support.builders import NOW, offering, published, register
from support.builders import command as sent
from support.desk import Desk

from allmende.schemas.catalog import (
    Changes,
    Found,
    ListOfferings,
    OfferingPaused,
    OfferingPublished,
    Offerings,
    PauseOffering,
    ReplayChanges,
    SearchOfferings,
)
from allmende.schemas.permissions import Role
from allmende.servicekit import database, migration
from allmende.servicekit.database import ServiceDatabase, async_url
from allmende.servicekit.queries import Caller
from allmende.servicekit.testing import Templates
from allmende.services.catalog import app
from allmende.services.catalog.handlers import CatalogHandler
from allmende.services.catalog.queries import ANSWERS

OLD = """
insert into offering (offering_id, provider, category, state, revision, document, changed_at) values
    ('lrz/vm', 'lrz', 'compute', 'published', 2, $1::jsonb, $3),
    ('kit/alt', 'kit', 'hosting', 'retired', 1, $2::jsonb, $3)
"""
OLD_REVISIONS = """
insert into offering_revision (offering_id, revision, document, published_at) values
    ('lrz/vm', 1, $1::jsonb, $3::timestamptz - interval '2 days'),
    ('kit/alt', 1, $2::jsonb, $3::timestamptz - interval '1 day'),
    ('lrz/vm', 2, $1::jsonb, $3::timestamptz - interval '1 hour')
"""


def _to_the_first(connection: Connection, target: ServiceDatabase) -> None:
    config = Config()
    config.set_main_option("script_location", str(app.service.migrations))
    config.attributes |= {"connection": connection, "service_role": target.name}
    command.upgrade(config, "0001")


@pytest.fixture
async def old(templates: Templates, tmp_path: Path) -> Desk:
    """A market of the first release with three revisions and a retirement, brought to the newest tables."""
    name = f"old_{tmp_path.name[:20].lower().replace('-', '_')}"
    target = ServiceDatabase(templates.postgres.url(), name)
    await database.create(target)
    admin = create_async_engine(async_url(target.owner_admin_url))
    async with admin.begin() as connection:
        await connection.exec_driver_sql(f"set local role {target.owner}")
        await connection.run_sync(_to_the_first, target)
    await admin.dispose()
    service = await asyncpg.connect(target.url)
    documents = [
        offering(title="Maschine in Köln").model_dump_json(),
        offering(id_="kit/alt", category="hosting").model_dump_json(),
    ]
    for statement in (OLD, OLD_REVISIONS):
        await service.execute(statement, *documents, NOW)
    await service.close()
    await migration.migrate(target, app.service.migrations)
    return Desk(CatalogHandler(register("lrz", "kit")), target.url)


async def test_nothing_of_the_first_release_is_lost(old: Desk) -> None:
    caller = Caller("kit", Role.MEMBER, sees_all=False)
    async with old.engine.connect() as connection:
        listed = await ANSWERS["catalog.offering.list"](connection, caller, ListOfferings())
        changes = await ANSWERS["catalog.change.replay"](connection, caller, ReplayChanges())
        found = await ANSWERS["catalog.offering.search"](connection, caller, SearchOfferings(text="koln"))
    assert isinstance(listed, Offerings)
    assert [(each.offering.offering_id, each.state, each.position) for each in listed.offerings] == [
        ("kit/alt", "retired", 4),
        ("lrz/vm", "published", 3),
    ]
    assert isinstance(changes, Changes)
    assert [(type(each).__name__, each.position, each.revision) for each in changes.changes] == [
        ("OfferingPublished", 1, 1),
        ("OfferingPublished", 2, 1),
        ("OfferingPublished", 3, 2),
        ("OfferingRetired", 4, 1),
    ]
    third = changes.changes[2]
    assert isinstance(third, OfferingPublished)
    assert third == published(offering(title="Maschine in Köln"), revision=2, position=3).model_copy(
        update={"published_at": NOW - dt.timedelta(hours=1)}
    )
    assert isinstance(found, Found)
    assert [(hit.offering_id, hit.bookable) for hit in found.hits] == [("lrz/vm", True)]
    await old.close()


async def test_the_count_goes_on(old: Desk) -> None:
    [paused] = await old.take(sent("lrz", PauseOffering(offering_id="lrz/vm", reason="Umzug")))
    assert isinstance(paused.data, OfferingPaused)
    assert paused.data.position == 5
    await old.close()


async def test_changes_are_never_changed(old: Desk, templates: Templates) -> None:
    service = await asyncpg.connect(old.url)
    admin = await asyncpg.connect(templates.admin_url(old.url))
    for statement in ("update change set position = 9", "delete from change", "truncate change"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute(statement)
        with pytest.raises(asyncpg.RestrictViolationError, match="never changed"):
            await admin.execute(statement)
    await service.close()
    await admin.close()
    await old.close()
