"""A durable market in a scratch folder, for measuring. All SQL on the brokerage's tables stands here."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from pathlib import Path

import asyncpg

from allmende.schemas.catalog import Offering, Plan
from allmende.schemas.tariff import Component, OrderQuantity, PerUnit, Tariff
from allmende.servicekit.embedded.postgres import EmbeddedPostgres
from allmende.servicekit.testing import Sandbox, Templates
from allmende.servicekit.up import installed_services

OFFERINGS = 100_000
PROVIDERS = 16
START = dt.date(2026, 1, 1)
_PATTERN = "dz-000/vm-000000"


def names(count: int) -> list[str]:
    """Members; the first `PROVIDERS` of them offer."""
    return [f"dz-{number:03d}" for number in range(count)]


def offering_id(number: int) -> str:
    """One of the offerings, which belong to the providers in turn."""
    return f"dz-{number % PROVIDERS:03d}/vm-{number:06d}"


def offering() -> Offering:
    """What every offering looks like, with capacity enough for every booking of a run."""
    component = Component(
        id="vcpu",
        title="vCPU",
        billing="one_time",
        measure="vcpu",
        unit="core",
        price=PerUnit(amount=Decimal("42.00")),
    )
    plan = Plan(
        plan_id="standard",
        title="Standard",
        order=(OrderQuantity(id="vcpu", title="vCPU", unit="core", minimum=Decimal(1), maximum=Decimal(6)),),
        capacity={"vcpu": Decimal(1_000_000)},
        tariffs=(Tariff(version=1, valid_from=dt.date(2020, 1, 1), components=(component,)),),
    )
    return Offering(offering_id=_PATTERN, title="VM", category="hosting", plans=(plan,))


@dataclasses.dataclass(frozen=True)
class Servers:
    """PostgreSQL with databases to be copied, the brokerage's filled with offerings."""

    folder: Path
    templates: Templates
    databases: dict[str, str]

    @contextlib.asynccontextmanager
    async def market(self, members: int, name: str = "hub") -> AsyncIterator[Sandbox]:
        """A hub of its own for so many members, on the databases that all markets of a run share."""
        folder = self.folder / f"{name}-{members}"
        folder.mkdir(mode=0o711)
        async with Sandbox(folder, self.templates, names(members)) as market:
            market.databases = self.databases
            yield market

    @contextlib.asynccontextmanager
    async def admin(self) -> AsyncIterator[asyncpg.Connection]:
        """The administrator's connection to the brokerage's database."""
        connection = await asyncpg.connect(self.templates.admin_url(self.databases["brokerage"]))
        try:
            yield connection
        finally:
            await connection.close()


@contextlib.asynccontextmanager
async def servers(*, offerings: int = OFFERINGS) -> AsyncIterator[Servers]:
    """Start PostgreSQL and list so many offerings."""
    folder = Path(tempfile.mkdtemp(prefix="allmende-bench-"))
    folder.chmod(0o711)
    try:
        with EmbeddedPostgres(folder / "postgres", durable=True) as postgres:
            templates = Templates(postgres, installed_services())
            await templates.prepare()
            services = [service.name for service in templates.services]
            copies = await asyncio.gather(*map(templates.copy, services))
            found = Servers(folder, templates, dict(zip(services, copies, strict=True)))
            async with found.admin() as admin:
                await _list_offerings(admin, offerings)
            yield found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _list_offerings(admin: asyncpg.Connection, count: int) -> None:
    await admin.execute(
        f"""
        create temp table listed as
        select format('dz-%s/vm-%s', to_char(n % {PROVIDERS}, 'FM000'), to_char(n, 'FM000000')) as id
        from generate_series(0, {count - 1}) n
        """
    )
    await admin.execute(
        "insert into offering (offering_id, revision, document)"
        " select id, 1, replace($1, $2, id)::jsonb from listed",
        offering().model_dump_json(),
        _PATTERN,
    )
    await admin.execute(
        "insert into capacity (offering_id, plan_id, quantity_id, total)"
        " select id, 'standard', 'vcpu', 1000000 from listed"
    )
    await settle(admin)


async def settle(admin: asyncpg.Connection) -> None:
    """Let what was filled in not be paid for by what is measured."""
    await admin.execute("vacuum analyze")
    await admin.execute("checkpoint")


async def stored(admin: asyncpg.Connection) -> int:
    """How many bookings there are."""
    return int(await admin.fetchval("select count(*) from booking"))


async def fill(admin: asyncpg.Connection, bookings: int) -> None:
    """Bring the number of bookings up to so many, by rows like those decided before, inbox and facts too."""
    missing = bookings - await stored(admin)
    if missing <= 0:
        return
    await admin.execute("set synchronous_commit = off")
    await admin.execute("drop table if exists pattern, fresh")
    await admin.execute(
        """
        create temp table pattern as
        select row_number() over () - 1 as k, booking_id as old
        from (select booking_id from booking limit 1000) b
        """
    )
    await admin.execute(
        f"""
        create temp table fresh as
        select gen_random_uuid() as id, n % (select count(*) from pattern) as k
        from generate_series(1, {missing}) n
        """
    )
    renamed = "replace(p.{0}::text, old::text, f.id::text)::json"
    await _copy(admin, "booking", "booking_id", {"booking_id": "f.id", "terms": renamed.format("terms")})
    await _copy(admin, "inbox", "id", {"id": "f.id"})
    await _copy(
        admin,
        "fact",
        "causation_id",
        {
            "id": "gen_random_uuid()",
            "causation_id": "f.id",
            "subject": "f.id::text",
            "data": renamed.format("data"),
        },
    )
    await settle(admin)


async def _copy(admin: asyncpg.Connection, table: str, key: str, changed: Mapping[str, str]) -> None:
    """Repeat rows of a table under fresh ids; every other column is as in the row it is made from."""
    rows = await admin.fetch(
        "select attname from pg_attribute"
        " where attrelid = $1::text::regclass and attnum > 0 and not attisdropped and attidentity = ''",
        table,
    )
    columns = [str(row[0]) for row in rows]
    values = [changed.get(column, f"p.{column}") for column in columns]
    await admin.execute(
        f"insert into {table} ({', '.join(columns)}) select {', '.join(values)}"
        f" from fresh f join pattern using (k) join {table} p on p.{key} = old",
        timeout=600,
    )
