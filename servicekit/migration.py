"""Migrations: applying them, and what the `env.py` and the versions of every service use."""

from collections.abc import Mapping
from pathlib import Path

from alembic import command, context, op
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from .database import ServiceDatabase, async_url, unreachable
from .ddl import MESSAGING_V1, MESSAGING_V1_GRANTS


async def migrate(database: ServiceDatabase, migrations: Path) -> None:
    """Bring the tables to the newest version, as their owner.

    Several processes at once wait for each other; within one process, call it one after the other, since
    Alembic's context is one for the whole process.

    Raises:
        Fault: the server cannot be reached.
    """
    url = async_url(database.owner_admin_url)
    admin = create_async_engine(url)
    try:
        connection = await _connect(database, admin)
        try:
            async with connection.begin():
                await connection.exec_driver_sql("select pg_advisory_xact_lock(724583)")
                await connection.exec_driver_sql(f"set local role {database.owner}")
                await connection.run_sync(_upgrade, database, migrations)
        finally:
            await connection.close()
    finally:
        await admin.dispose()


async def _connect(database: ServiceDatabase, admin: AsyncEngine) -> AsyncConnection:
    try:
        return await admin.connect()
    except (OSError, TimeoutError) as error:
        raise unreachable(database.admin_url, error) from None
    except DBAPIError as error:
        raise unreachable(database.admin_url, error.orig or error) from None


def _upgrade(connection: Connection, database: ServiceDatabase, migrations: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations))
    config.attributes["connection"] = connection
    config.attributes["service_role"] = database.name
    command.upgrade(config, "head")


def run() -> None:
    """Apply the migrations on the connection that `database.migrate` opened."""
    context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
    context.run_migrations()


def create_messaging_v1() -> None:
    """Create inbox, facts and outbox."""
    script(MESSAGING_V1)
    grant(MESSAGING_V1_GRANTS)


def script(statements: str) -> None:
    """Run several statements at once, which the driver allows without parameters only."""
    connection = op.get_bind().connection.dbapi_connection
    if connection is None:
        raise RuntimeError("migrations need an open connection")
    connection.run_async(lambda driver: driver.execute(statements))


def grant(rights: Mapping[str, str]) -> None:
    """Give the service's own role its rights on tables, and the use of their sequences."""
    role = context.config.attributes["service_role"]
    for table, what in rights.items():
        op.execute(f"grant {what} on {table} to {role}")
    op.execute(f"grant usage on all sequences in schema public to {role}")


def make_append_only(*tables: str) -> None:
    """Let nobody, not even the owner by mistake, change or remove rows of these tables."""
    for table in tables:
        op.execute(
            f"create trigger {table}_is_append_only before update or delete on {table} "
            "for each row execute function refuse_change()"
        )
        op.execute(
            f"create trigger {table}_is_never_emptied before truncate on {table} "
            "for each statement execute function refuse_change()"
        )
