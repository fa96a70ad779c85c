"""A database of the first release is brought to the newest tables, and what it holds stays."""

import uuid
from collections.abc import AsyncIterator

import asyncpg
import pytest
from alembic import command as alembic
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from support.bodies import closing
from support.builders import NOW, command, component, fact, record, register, report, tariff, uid
from support.desk import Desk
from support.histories import amended, changed, day, flat, noon

from allmende.schemas import chain
from allmende.schemas.billing import ChargeLine
from allmende.schemas.brokerage import BookingConfirmed
from allmende.servicekit import database
from allmende.servicekit.database import ServiceDatabase, async_url
from allmende.servicekit.migration import migrate
from allmende.servicekit.testing import Templates
from allmende.services.billing.app import service
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.ledger import store as ledger_store
from allmende.services.billing.ledger.entries import Obligation, entries_of

LATER = noon("2026-12-01")
OLD_BOOKING = """
{"booking_id": "%s", "offering_id": "lrz/vm", "offering_revision": 1, "plan_id": "standard",
 "provider": "lrz", "consumer": "desy", "consumer_class": null, "quantities": {"cores": "4"},
 "start": "2026-04-01", "end": null, "reference": null, "confirmed_at": "2026-03-01T08:00:00Z",
 "tariff": {"version": 1, "valid_from": "2005-01-01", "valid_to": null, "currency": "EUR",
  "class_scheme": null, "source": null, "components": [
   {"id": "setup", "title": "Einrichtung", "billing": "one_time", "measure": "cores", "unit": "Kern",
    "price": {"kind": "per_unit", "amount": "25.00", "per": "1"}, "price_by_class": null},
   {"id": "hours", "title": "Stunden", "billing": "usage", "measure": "hours", "unit": "h",
    "price": {"kind": "per_unit", "amount": "1.00", "per": "1"}, "price_by_class": null}]}}
"""
"""As the first release wrote it."""
OLD_LINE = """
{"line": %d, "kind": "charge", "payer": "desy", "payee": "lrz", "title": "Einrichtung",
 "booking_id": "%s", "offering_id": "lrz/vm", "component": "%s", "tariff_version": 1, "quantity": "4",
 "unit": "Kern", "records": 0, "service_from": "2026-04-01", "service_to": "2026-04-01",
 "amount_cents": 10000, "trace_de": "4 Kern", "trace_en": "4 Kern"}
"""
OLD_ENTRIES = [
    (93, "Umlage 2026-04: desy an office", 5_000),
    (92, "Leistungen 2026-04: desy an lrz", 20_000),
    (91, "Leistungen 2026-04: kit an lrz", -7),
]


@pytest.fixture
async def first_release(templates: Templates) -> ServiceDatabase:
    """As the first release made and filled it: booking 1 is charged for its setup, 2 is not yet."""
    found = ServiceDatabase(templates.postgres.url(), f"test_migration_{uuid.uuid4().hex[:12]}")
    await database.create(found)
    engine = create_async_engine(async_url(found.owner_admin_url))
    async with engine.begin() as connection:
        await connection.exec_driver_sql(f"set local role {found.owner}")
        await connection.run_sync(upgrade, found.name, "0001")
    await engine.dispose()
    await fill(found.url)
    return found


def upgrade(connection: Connection, role: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(service.migrations))
    config.attributes["connection"] = connection
    config.attributes["service_role"] = role
    alembic.upgrade(config, revision)


async def fill(url: str) -> None:
    old = await asyncpg.connect(url)
    for number, charged in [(1, "2026-04"), (2, None)]:
        await old.execute(
            "insert into booking values ($1, 'lrz', 'desy', $2, null, $3, $4)",
            uid(number),
            day("2026-04-01"),
            OLD_BOOKING % uid(number),
            charged,
        )
    await old.execute("insert into settlement values ($1, '2026-04', $2, '{}')", uid(50), NOW)
    for line, name in [(1, "setup"), (2, "hours")]:
        await old.execute(
            "insert into charge_line values ($1, $2, 'desy', 'lrz', 10000, $3)",
            uid(50),
            line,
            OLD_LINE % (line, uid(1), name),
        )
    await old.execute("insert into accounting_period values ('2026-04', $1)", NOW)
    async with old.transaction():
        for number, said, cents in OLD_ENTRIES:
            payer, payee = said.split(": ")[1].split(" an ")
            await old.execute(
                "insert into journal_entry values ($1, $2, '2026-04', $3, $4)",
                uid(number),
                uid(50),
                said,
                NOW,
            )
            await old.execute("insert into posting values ($1, 1, $2, $3)", uid(number), payer, -cents)
            await old.execute("insert into posting values ($1, 2, $2, $3)", uid(number), payee, cents)
    await old.close()


async def snapshot(found: ServiceDatabase) -> dict[str, list[tuple[object, ...]]]:
    connection = await asyncpg.connect(found.url)
    statements = {
        "booking": "select booking_id, provider, consumer, start_day, end_day, terms from booking order by 1",
        "charge_line": "select * from charge_line order by 1, 2",
        "settlement": "select settlement_id, period, closed_at, document from settlement",
        "accounting_period": "select period, closed_at from accounting_period",
    }
    rows = {table: await connection.fetch(statement) for table, statement in statements.items()}
    await connection.close()
    return {table: [tuple(row) for row in each] for table, each in rows.items()}


@pytest.fixture
async def billing(first_release: ServiceDatabase) -> AsyncIterator[Desk]:
    await migrate(first_release, service.migrations)
    found = Desk(BillingHandler(register("desy", "lrz"), 60), first_release.url, now=LATER)
    yield found
    await found.close()


async def close(billing: Desk, period: str, number: int) -> list[ChargeLine]:
    told = await billing.take(*closing(period, number))
    assert type(told[-1].data).__name__ == "SettlementClosed"
    rows = await billing.rows(
        "select l.document::text from charge_line l join settlement s using (settlement_id)"
        " where s.period = :period order by line",
        period=period,
    )
    return [ChargeLine.model_validate_json(str(row[0])) for row in rows]


async def test_rows_survive(first_release: ServiceDatabase) -> None:
    before = await snapshot(first_release)
    assert [len(rows) for rows in before.values()] == [2, 2, 1, 1]
    await migrate(first_release, service.migrations)
    assert await snapshot(first_release) == before
    await migrate(first_release, service.migrations)
    assert await snapshot(first_release) == before


async def test_what_was_charged_once_is_not_charged_again(billing: Desk) -> None:
    rows = await billing.rows(
        "select booking_id::text, component, charged_for, line, metered from component_charge order by line"
    )
    assert rows == [(uid(1), "setup", "total", 1, False), (uid(1), "hours", "2026-04", 2, True)]
    lines = await close(billing, "2026-05", 1)
    assert [(line.booking_id, line.component, line.amount_cents) for line in lines] == [
        (uid(2), "setup", 10_000)
    ]
    assert await close(billing, "2026-06", 2) == []


async def test_what_was_charged_once_can_be_taken_back(billing: Desk) -> None:
    await billing.take(fact(changed(1, state="cancelled"), 1))
    lines = await close(billing, "2026-05", 1)
    assert [(line.booking_id, line.amount_cents, line.cause, line.charged_for) for line in lines] == [
        (uid(1), -10_000, "reversal", "total"),
        (uid(2), 10_000, "regular", "total"),
    ]
    assert lines[0].trace_de.startswith("Storno der Position 1 aus 2026-04 (")


async def test_usage_charged_by_the_first_release_is_rated_again_when_more_comes(billing: Desk) -> None:
    await billing.take(command("lrz", report(record("late", 5)), 1))
    lines = await close(billing, "2026-05", 2)
    assert [(line.component, line.amount_cents, line.cause, line.charged_for) for line in lines] == [
        ("hours", -10_000, "reversal", "2026-04"),
        ("hours", 500, "regular", "2026-04"),
        ("setup", 10_000, "regular", "total"),
    ]


async def test_bookings_of_the_first_release_can_be_read_and_live_on(billing: Desk) -> None:
    old = BookingConfirmed.model_validate_json(OLD_BOOKING % uid(1))
    assert (old.instance, old.state, old.pool_id) == ("active", "completed", None)
    monthly = tariff(component(), flat("10.00", "month"), version=2)
    await billing.take(fact(amended(1, "2026-06-01", old, tariff=monthly), 1), fact(old, 2))
    lines = await close(billing, "2026-06", 1)
    assert [(line.booking_id, line.component, line.charged_for) for line in lines] == [
        (uid(1), "base", "2026-06"),
        (uid(2), "setup", "total"),
    ]


async def test_the_old_ledger_is_numbered_and_chained_in_the_order_of_posting(billing: Desk) -> None:
    async with billing.engine.connect() as connection:
        entries, head = await ledger_store.links(connection, after=0, limit=10)
    found = chain.verify(entries)
    assert (found.broken, found.checked, (found.sequence, found.head)) == (None, 3, head)
    owed = [
        Obligation("charge", "desy", "lrz", 20_000, 1),
        Obligation("charge", "kit", "lrz", -7, 1),
        Obligation("levy", "desy", "office", 5_000, 1),
    ]
    for entry, made in zip(entries, entries_of("2026-04", owed), strict=True):
        assert (entry.date, entry.kind, entry.reference) == (made.date, made.kind, made.reference)
        assert (entry.narration, entry.booked_at) == (made.narration, NOW)
        assert [(p.account, p.amount_cents) for p in entry.postings] == [
            (p.account, p.amount_cents) for p in made.postings
        ]
    assert [entry.entry_id for entry in entries] == [uid(92), uid(91), uid(93)]
    assert [entry.numbers for entry in entries] == [
        {"desy": "2026/000001", "lrz": "2026/000001"},
        {"kit": "2026/000001", "lrz": "2026/000002"},
        {"desy": "2026/000002", "office": "2026/000001"},
    ]


async def test_the_old_ledger_is_gone_on_with(billing: Desk) -> None:
    await close(billing, "2026-05", 1)
    async with billing.engine.connect() as connection:
        entries, head = await ledger_store.links(connection, after=0, limit=10)
    assert (chain.verify(entries).broken, len(entries), head[0]) == (None, 4, 4)
    assert entries[-1].numbers == {"desy": "2026/000003", "lrz": "2026/000003"}
