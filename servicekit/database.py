"""PostgreSQL: a database and two roles for each service, and pools of connections.

The owner role owns the tables and is used for migrations only; the service's own role gets no more
than each table grants, so append-only tables are append-only to the service as well.
"""

import dataclasses
import re
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import asyncpg
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from .faults import Fault

_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")


@dataclasses.dataclass(frozen=True)
class ServiceDatabase:
    """One service's database on a server.

    Attributes:
        admin_url: the administrator's URL, of any database on the server.
        name: of the database; also of the service's role. The owner role is `<name>_owner`.
        password: of the service's role; the embedded server trusts its private socket and needs none.
    """

    admin_url: str
    name: str
    password: str | None = None

    @property
    def owner(self) -> str:
        """The role that owns the tables."""
        return f"{self.name}_owner"

    @property
    def url(self) -> str:
        """What the service connects by."""
        return _with(self.admin_url, database=self.name, user=self.name, password=self.password)

    @property
    def owner_admin_url(self) -> str:
        """What migrations connect by: the administrator, in the service's database."""
        return _with(self.admin_url, database=self.name)


def _with(url: str, *, database: str, user: str | None = None, password: str | None = None) -> str:
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    credentials = parts.netloc.rpartition("@")[0]
    if user is not None:
        credentials = user if password is None else f"{user}:{quote(password, safe='')}"
    netloc = f"{credentials}@{place}" if credentials else place
    query = f"?{urlencode(parse_qsl(parts.query))}" if parts.query else ""
    return f"{parts.scheme}://{netloc}/{database}{query}"


def async_url(url: str) -> URL:
    """Turn a libpq URL into SQLAlchemy's for asyncpg."""
    found = make_url(url.replace("postgres://", "postgresql://", 1))
    return found.set(drivername="postgresql+asyncpg")


def engine(url: str, *, pool_size: int = 5) -> AsyncEngine:
    """Open a pool of connections. Nothing is connected yet."""
    return create_async_engine(
        async_url(url),
        pool_size=pool_size,
        max_overflow=2,
        pool_pre_ping=False,
        pool_use_lifo=True,
        connect_args={"timeout": 10, "command_timeout": 600},
    )


async def create(database: ServiceDatabase) -> None:
    """Create roles and database where they are missing.

    Raises:
        Fault: the server cannot be reached, or the administrator may not.
    """
    if not _NAME.fullmatch(database.name):
        raise ValueError(f"{database.name!r} is no name for a database")
    try:
        admin = await asyncpg.connect(database.admin_url, timeout=10)
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        raise unreachable(database.admin_url, error) from None
    try:
        # Held until the connection closes: two who alter one role at once disturb each other.
        await admin.execute("select pg_advisory_lock(724584)")
        await _create_role(admin, database.owner, "nologin")
        password = f"password {_literal(database.password)}" if database.password else ""
        await _create_role(admin, database.name, f"login {password}")
        # A role that is not superuser may set the owner only as a member of it.
        await admin.execute(f"grant {database.owner} to current_user")
        if not await admin.fetchval("select 1 from pg_database where datname = $1", database.name):
            await admin.execute(f"create database {database.name} owner {database.owner}")
        await admin.execute(f"revoke all on database {database.name} from public")
        await admin.execute(f"grant connect on database {database.name} to {database.name}")
    except asyncpg.InsufficientPrivilegeError as error:
        raise Fault(
            f"The administrator of DATABASE_URL may not create roles and databases: {error}.", exit_code=4
        ) from None
    finally:
        await admin.close()


async def _create_role(admin: asyncpg.Connection, name: str, options: str) -> None:
    verb = "alter" if await admin.fetchval("select 1 from pg_roles where rolname = $1", name) else "create"
    await admin.execute(f"{verb} role {name} {options}")


def _literal(value: str) -> str:
    """Quote a text for statements that take no parameters, whatever is in it."""
    return "e'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def unreachable(url: str, error: BaseException) -> Fault:
    """Say that a database cannot be reached, without its password."""
    parts = urlsplit(url)
    place = parts.hostname or dict(parse_qsl(parts.query)).get("host", "?")
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return Fault(
        f"The database at {place} cannot be reached: {reason}. "
        "Check DATABASE_URL, or unset it to use the embedded PostgreSQL.",
        exit_code=6,
    )
