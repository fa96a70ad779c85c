"""Databases and roles on a real server: who may what, and what is said when something is wrong."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from urllib.parse import quote

import asyncpg
import pytest
from sqlalchemy import text

from allmende.servicekit import database
from allmende.servicekit.database import ServiceDatabase
from allmende.servicekit.embedded.postgres import EmbeddedPostgres
from allmende.servicekit.faults import Fault
from allmende.servicekit.migration import migrate
from allmende.servicekit.testing import Templates
from allmende.servicekit.up import installed_services


def fresh() -> str:
    return f"kit_{uuid.uuid4().hex[:12]}"


@pytest.fixture
async def admin(postgres: EmbeddedPostgres) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres.url())
    yield connection
    await connection.close()


# -- roles --------------------------------------------------------------------------------------------


async def test_a_database_with_an_owner_and_a_service(
    postgres: EmbeddedPostgres, admin: asyncpg.Connection
) -> None:
    mine = ServiceDatabase(postgres.url(), fresh())
    await database.create(mine)
    await database.create(mine)  # harmless
    owner = await admin.fetchval(
        "select pg_get_userbyid(datdba) from pg_database where datname = $1", mine.name
    )
    assert owner == mine.owner == f"{mine.name}_owner"
    rights = """
        select rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolbypassrls from pg_roles
        where rolname = $1
    """
    assert tuple(await admin.fetchrow(rights, mine.owner) or ()) == (False, False, False, False, False)
    assert tuple(await admin.fetchrow(rights, mine.name) or ()) == (True, False, False, False, False)


async def test_several_at_once_are_no_trouble(postgres: EmbeddedPostgres) -> None:
    mine = ServiceDatabase(postgres.url(), fresh())
    await database.create(mine)
    await asyncio.gather(*(database.create(mine) for _ in range(4)))


async def test_no_service_enters_anothers_database(postgres: EmbeddedPostgres) -> None:
    one, other = ServiceDatabase(postgres.url(), fresh()), ServiceDatabase(postgres.url(), fresh())
    await database.create(one)
    await database.create(other)
    connection = await asyncpg.connect(one.url)
    assert await connection.fetchval("select current_user") == one.name
    await connection.close()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(postgres.url(other.name, one.name))


async def test_a_service_may_not_make_tables_or_become_the_owner(postgres: EmbeddedPostgres) -> None:
    mine = ServiceDatabase(postgres.url(), fresh())
    await database.create(mine)
    connection = await asyncpg.connect(mine.url)
    for statement in (
        "create table t (id int)",
        "create schema s",
        "create temporary table t (id int)",
        f"set role {mine.owner}",
        "create role r",
        f"alter role {mine.name} superuser",
        "copy (select 1) to program 'id'",
        "select pg_read_file('/etc/passwd')",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.close()


@pytest.mark.parametrize("service", [service.name for service in installed_services()])
async def test_every_service_has_the_rights_its_tables_grant_and_no_more(
    templates: Templates, service: str
) -> None:
    url = await templates.copy(service)
    connection = await asyncpg.connect(url)
    granted = """
        select table_name, string_agg(privilege_type, ',' order by privilege_type) from
        information_schema.role_table_grants where grantee = current_user group by 1
    """
    found = {row[0]: set(row[1].split(",")) for row in await connection.fetch(granted)}
    assert found["fact"] == found["inbox"] == {"INSERT", "SELECT"}
    assert found["outbox"] == {"DELETE", "INSERT", "SELECT"}
    assert not {table for table, rights in found.items() if rights & {"TRUNCATE", "TRIGGER", "REFERENCES"}}
    public = """
        select count(*) from information_schema.role_table_grants
        where grantee = 'PUBLIC' and table_schema = 'public'
    """
    assert await connection.fetchval(public) == 0
    owners = "select distinct tableowner::text from pg_tables where schemaname = 'public'"
    assert [row[0] for row in await connection.fetch(owners)] == [f"allmende_{service}_owner"]
    await connection.close()


async def test_migrating_twice_and_at_once_is_harmless(postgres: EmbeddedPostgres) -> None:
    mine = ServiceDatabase(postgres.url(), fresh())
    (service,) = [service for service in installed_services() if service.name == "catalog"]
    await database.create(mine)
    for _ in range(2):
        await migrate(mine, service.migrations)
    connection = await asyncpg.connect(mine.url)
    assert await connection.fetchval("select count(*) from fact") == 0
    await connection.close()


# -- faults -------------------------------------------------------------------------------------------

SECRET = "correct-horse"  # noqa: S105 - of a role that lives for one test


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://postgres:{SECRET}@127.0.0.1:1/postgres",
        f"postgresql://postgres:{SECRET}@nowhere.invalid/postgres",
        f"postgresql://postgres:{SECRET}@/postgres?host=/nowhere/at/all",
    ],
)
async def test_an_unreachable_server_is_one_sentence_without_the_password(url: str) -> None:
    target = ServiceDatabase(url, fresh())
    (service,) = [service for service in installed_services() if service.name == "catalog"]
    for work in (database.create(target), migrate(target, service.migrations)):
        with pytest.raises(Fault, match=r"cannot be reached: .+ Check DATABASE_URL") as caught:
            await work
        assert SECRET not in str(caught.value)
        assert caught.value.exit_code == 6
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


@pytest.fixture
async def guarded(own_postgres: EmbeddedPostgres) -> str:
    """A server that wants passwords; the administrator's URL without one."""
    hba = own_postgres.data / "pg_hba.conf"
    connection = await asyncpg.connect(own_postgres.url())
    await connection.execute(f"create role boss superuser login password '{SECRET}'")
    await connection.execute("create role clerk login")
    hba.write_text("local all clerk trust\nlocal all all scram-sha-256\n")
    await connection.execute("select pg_reload_conf()")
    await connection.close()
    return f"postgresql://boss@/postgres?host={quote(str(own_postgres.socket_folder))}&port=5432"


async def test_a_wrong_password_is_told_without_it(guarded: str) -> None:
    wrong = guarded.replace("boss@", "boss:wrong-horse@")
    (service,) = [service for service in installed_services() if service.name == "catalog"]
    target = ServiceDatabase(wrong, fresh())
    for work in (database.create(target), migrate(target, service.migrations)):
        with pytest.raises(Fault, match="password authentication failed") as caught:
            await work
        assert "wrong-horse" not in str(caught.value)


async def test_an_administrator_without_rights_is_told_what_is_missing(guarded: str) -> None:
    with pytest.raises(Fault, match="may not create roles") as caught:
        await database.create(ServiceDatabase(guarded.replace("boss@", "clerk@"), fresh()))
    assert caught.value.exit_code == 4


async def test_passwords_are_set_and_renewed(guarded: str) -> None:
    admin_url = guarded.replace("boss@", f"boss:{SECRET}@")
    name = fresh()
    for password in ("first'; drop role boss; --", "second\\'"):
        mine = ServiceDatabase(admin_url, name, password)
        await database.create(mine)
        connection = await asyncpg.connect(mine.url)
        assert await connection.fetchval("select current_user") == name
        await connection.close()


@pytest.mark.parametrize("name", ["", "1", "a b", "a;drop", 'a"b', "A", "ä", "a" * 60])
async def test_a_name_that_is_none_is_refused(postgres: EmbeddedPostgres, name: str) -> None:
    with pytest.raises(ValueError, match="is no name"):
        await database.create(ServiceDatabase(postgres.url(), name))


# -- URLs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("admin", "expected"),
    [
        ("postgresql://a:b@h:5/x", "postgresql://svc:p%40ss@h:5/svc"),
        ("postgres://a@h/x?sslmode=require", "postgres://svc:p%40ss@h/svc?sslmode=require"),
        ("postgresql://a@/x?host=%2Ftmp%2Fy&port=5", "postgresql://svc:p%40ss@/svc?host=%2Ftmp%2Fy&port=5"),
        ("postgresql://a@[::1]:5/x", "postgresql://svc:p%40ss@[::1]:5/svc"),
    ],
)
def test_the_services_own_url(admin: str, expected: str) -> None:
    assert ServiceDatabase(admin, "svc", "p@ss").url == expected


def test_the_drivers_url_hides_the_password() -> None:
    url = database.async_url("postgres://a:geheim@h/x?sslmode=require")
    assert url.drivername == "postgresql+asyncpg"
    assert "geheim" not in repr(url)


async def test_the_pool_connects_when_it_is_used(postgres: EmbeddedPostgres) -> None:
    engine = database.engine(postgres.url())
    async with engine.connect() as connection:
        assert (await connection.execute(text("select 1"))).scalar() == 1
    await engine.dispose()
