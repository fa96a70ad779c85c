"""Double entry: balanced in code and in the database, written once and never changed."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from support.builders import NOW, booking, command, fact, record, register, report, uid
from support.desk import Desk, NewDesk

from allmende.schemas.billing import CloseSettlement
from allmende.servicekit.testing import Templates
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.ledger import Entry, Posting, entries_of
from allmende.services.billing.netting import Obligation

APPEND_ONLY = (
    "levy",
    "settlement",
    "statement",
    "charge_line",
    "journal_entry",
    "posting",
    "component_charge",
    "fact",
)


def test_an_entry_that_does_not_balance_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="sum to 1 cents, not to zero"):
        Entry("Leistungen", (Posting("desy", -99), Posting("lrz", 100)))


def test_each_obligation_is_booked_between_its_parties() -> None:
    obligations = [
        Obligation("charge", "desy", "lrz", 100, 2),
        Obligation("levy", "desy", "office", 50, 1),
        Obligation("levy", "kit", "office", 0, 1),
        Obligation("charge", "kit", "lrz", -7, 1),
    ]
    assert entries_of("2026-04", obligations) == [
        Entry("Leistungen 2026-04: desy an lrz", (Posting("desy", -100), Posting("lrz", 100))),
        Entry("Umlage 2026-04: desy an office", (Posting("desy", -50), Posting("office", 50))),
        Entry("Leistungen 2026-04: kit an lrz", (Posting("kit", 7), Posting("lrz", -7))),
    ]


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    """A closed period with one charge."""
    found = await desk(BillingHandler(register("desy", "lrz"), 60))
    await found.take(
        fact(booking(), 1),
        command("lrz", report(record(amount=5)), 2),
        command("office", CloseSettlement(period="2026-04"), 3),
    )
    return found


@pytest.fixture
async def service(billing: Desk) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(billing.url)
    yield connection
    await connection.close()


@pytest.fixture
async def owner(billing: Desk, templates: Templates) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(templates.admin_url(billing.url))
    await connection.execute("set role allmende_billing_owner")
    yield connection
    await connection.close()


async def post(connection: asyncpg.Connection, *postings: tuple[str, int]) -> None:
    entry = uid(500)
    async with connection.transaction():
        await connection.execute(
            "insert into journal_entry select $1, settlement_id, period, 'von Hand', $2 from settlement",
            entry,
            NOW,
        )
        for position, (party, cents) in enumerate(postings, 1):
            await connection.execute(
                "insert into posting values ($1, $2, $3, $4)", entry, position, party, cents
            )


async def test_a_closed_period_leaves_a_ledger_that_sums_to_zero(billing: Desk) -> None:
    rows = await billing.rows("select party, amount_cents from posting order by 1")
    assert rows == [("desy", -500), ("lrz", 500)]
    assert await billing.rows("select narration, posted_at from journal_entry") == [
        ("Leistungen 2026-04: desy an lrz", NOW)
    ]


@pytest.mark.parametrize(
    "amounts", [[("desy", 1)], [("desy", -100), ("lrz", 99)], [("desy", 2**62), ("lrz", 2**62)]]
)
async def test_the_database_refuses_an_entry_that_does_not_balance(
    service: asyncpg.Connection, owner: asyncpg.Connection, amounts: list[tuple[str, int]]
) -> None:
    for connection in (service, owner):
        with pytest.raises(asyncpg.CheckViolationError, match="not to zero"):
            await post(connection, *amounts)
    assert await service.fetchval("select count(*) from journal_entry") == 1


async def test_the_database_takes_an_entry_that_balances(service: asyncpg.Connection) -> None:
    await post(service, ("desy", -100), ("lrz", 60), ("kit", 40))
    assert await service.fetchval("select sum(amount_cents) from posting") == 0


async def test_without_the_trigger_an_unbalanced_entry_stands(
    service: asyncpg.Connection, owner: asyncpg.Connection
) -> None:
    await owner.execute("drop trigger entry_balances on posting")
    await post(service, ("desy", 1))
    assert await service.fetchval("select sum(amount_cents) from posting") == 1


async def test_an_entry_cannot_be_unbalanced_afterwards(service: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="sum to 5 cents"):
        await service.execute("insert into posting select entry_id, 3, 'kit', 5 from journal_entry")


@pytest.mark.parametrize("table", APPEND_ONLY)
async def test_what_is_written_is_never_changed_or_removed(
    service: asyncpg.Connection, owner: asyncpg.Connection, table: str
) -> None:
    column = await service.fetchval(
        "select column_name from information_schema.columns where table_name = $1 and is_identity = 'NO'",
        table,
    )
    changes = [f"update {table} set {column} = {column}", f"delete from {table}"]
    for statement in (*changes, f"truncate {table} cascade"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute(statement)
    if await service.fetchval(f"select count(*) from {table}"):
        for statement in changes:
            with pytest.raises(asyncpg.RestrictViolationError, match=f"rows of {table} are never changed"):
                await owner.execute(statement)
    with pytest.raises(asyncpg.RestrictViolationError, match="never changed"):
        await owner.execute(f"truncate {table} cascade")


async def test_the_service_may_not_remove_usage_or_take_the_guards_away(service: asyncpg.Connection) -> None:
    for statement in (
        "delete from usage_record",
        "truncate usage_record",
        "alter table posting disable trigger all",
        "drop trigger posting_is_append_only on posting",
        "set session_replication_role = replica",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute(statement)
