"""The journal on a real PostgreSQL: appended and never changed, balanced, reversed at most once."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import event
from support.bodies import closing
from support.builders import NOW, booking, command, fact, record, register, report, uid
from support.desk import Desk, NewDesk
from support.posting import entries, gapless, owes, settle, verified

from allmende.schemas import chain
from allmende.schemas.journal import GENESIS, JournalEntry
from allmende.schemas.rejections import Rejected
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.ledger import store as ledger_store

MAY = dt.date(2026, 5, 31)
APPEND_ONLY = (
    "levy",
    "settlement",
    "statement",
    "charge_line",
    "journal_entry",
    "posting",
    "entry_number",
    "component_charge",
    "fact",
)
TRIGGERED = ("levy", "settlement", "charge_line", "component_charge")
"""The service may lock levies, remove lines of drafts, take runs a step further; triggers hold the rest."""


@pytest.fixture
async def service(billing: Desk) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(billing.url)
    yield connection
    await connection.close()


@pytest.fixture
async def owner(superuser: asyncpg.Connection) -> asyncpg.Connection:
    await superuser.execute("set role allmende_billing_owner")
    return superuser


# -- closings -------------------------------------------------------------------------------------


async def test_a_closed_period_leaves_a_ledger_that_sums_to_zero(billing: Desk) -> None:
    assert await billing.rows("select account, amount_cents from posting order by position") == [
        ("desy:aufwendungen:leistungen", 500),
        ("desy:verbindlichkeiten:lrz", -500),
        ("lrz:forderungen:desy", 500),
        ("lrz:erträge:leistungen", -500),
    ]
    (entry,) = await entries(billing)
    assert (entry.sequence, entry.date, entry.booked_at) == (1, dt.date(2026, 4, 30), NOW)
    assert (entry.narration, entry.reference) == (
        "Leistungen 2026-04, lrz/R/2026/000001: desy an lrz",
        "2026-04/charge/desy/lrz",
    )
    assert (entry.settlement_id, entry.previous_hash) == (uid(3), GENESIS)
    assert entry.numbers == {"desy": "2026/000001", "lrz": "2026/000001"}
    assert JournalEntry.model_validate_json(entry.model_dump_json()) == entry
    assert await billing.rows("select sequence, hash from ledger_head") == [(1, chain.hash_of(entry))]


async def test_the_same_messages_make_the_same_chain(billing: Desk, desk: NewDesk) -> None:
    again = await desk(BillingHandler(register("desy", "lrz"), 60))
    messages = fact(booking(), 1), command("lrz", report(record(amount=5)), 2)
    for message in (*messages, *closing("2026-04", 3)):
        await again.take(message)
    assert await entries(again) == await entries(billing)


async def test_a_closing_of_any_size_is_one_statement_for_each_table(billing: Desk) -> None:
    said: list[str] = []
    event.listen(
        billing.engine.sync_engine, "before_cursor_execute", lambda *given: said.append(given[2].split()[2])
    )
    members = [f"m{number:02d}" for number in range(40)]
    owed = [owes(a, b, 7) for a in members for b in members if a != b]
    for number, some in enumerate((owed[:1], owed)):
        said.clear()
        async with billing.engine.begin() as tx:
            assert len(await settle(tx, 100 + number, "2026-05", *some)) == len(some)
        written = [table for table in said if table in {"journal_entry", "posting", "entry_number"}]
        assert written == ["journal_entry", "posting", "entry_number"]
    found = await verified(billing, limit=5000)
    assert (found.broken, found.checked) == (None, 2 + 40 * 39)
    assert gapless(await entries(billing))


async def test_a_closing_that_makes_a_wrong_entry_fails_as_a_whole(billing: Desk) -> None:
    with pytest.raises(ValueError, match="period_closed: The period 2026-04 is closed"):
        async with billing.engine.begin() as tx:
            await settle(tx, 100, "2026-04", owes("desy"))
    assert len(await entries(billing)) == 1


# -- appended, never changed ----------------------------------------------------------------------


@pytest.mark.parametrize("table", APPEND_ONLY)
async def test_what_is_written_is_never_changed_or_removed(
    service: asyncpg.Connection, owner: asyncpg.Connection, table: str
) -> None:
    column = await service.fetchval(
        "select column_name from information_schema.columns where table_name = $1 and is_identity = 'NO'",
        table,
    )
    changes = [f"update {table} set {column} = {column}", f"delete from {table}"]
    await owner.execute("insert into levy values ($1, '2026-04', 'Büro', 1, $2, '{}', '[]')", uid(9), NOW)
    refused = (asyncpg.InsufficientPrivilegeError, asyncpg.RestrictViolationError)
    for statement in (*changes, f"truncate {table} cascade"):
        with pytest.raises(refused if table in TRIGGERED else asyncpg.InsufficientPrivilegeError):
            await service.execute(statement)
    if await service.fetchval(f"select count(*) from {table}"):
        for statement in changes:
            with pytest.raises(asyncpg.RestrictViolationError, match=f"rows of {table} are never changed"):
                await owner.execute(statement)
    with pytest.raises(asyncpg.RestrictViolationError, match="never changed"):
        await owner.execute(f"truncate {table} cascade")


LEDGER = ("journal_entry", "posting", "entry_number")
COLUMN = {"journal_entry": "narration", "posting": "account", "entry_number": "body"}


@pytest.mark.parametrize("table", LEDGER)
async def test_grants_and_triggers_hold_each_on_their_own(
    service: asyncpg.Connection, superuser: asyncpg.Connection, table: str
) -> None:
    change = f"update {table} set {COLUMN[table]} = {COLUMN[table]}"
    await superuser.execute(f"grant update on {table} to allmende_billing")
    with pytest.raises(asyncpg.RestrictViolationError, match="never changed"):
        await service.execute(change)
    await superuser.execute(f"drop trigger {table}_is_append_only on {table}")
    await superuser.execute(f"revoke update on {table} from allmende_billing")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute(change)
    await superuser.execute(f"grant update on {table} to allmende_billing")
    assert (await service.execute(change)).startswith("UPDATE"), "without both, what is written is changed"


async def test_the_service_may_not_remove_usage_or_take_the_guards_away(service: asyncpg.Connection) -> None:
    for statement in (
        "delete from usage_record",
        "truncate usage_record",
        "delete from number_series",
        "delete from ledger_head",
        "insert into ledger_head (only_one, sequence, hash) values (true, 0, '')",
        "alter table posting disable trigger all",
        "drop trigger posting_is_append_only on posting",
        "set session_replication_role = replica",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute(statement)


# -- balance --------------------------------------------------------------------------------------


async def post(
    connection: asyncpg.Connection,
    *postings: tuple[str, int],
    day: dt.date = MAY,
    number: int = 500,
    **more: str,
) -> None:
    """Write an entry by hand, past all rules in Python."""
    async with connection.transaction():
        await connection.execute(
            "insert into journal_entry select $1, (select max(sequence) + 1 from journal_entry), $2, $3,"
            " 'charge', 'von Hand', '-', settlement_id, $4, $5, '', '' from settlement",
            uid(number),
            day,
            NOW,
            more.get("reverses"),
            more.get("reason"),
        )
        for position, (account, cents) in enumerate(postings, 1):
            await connection.execute(
                "insert into posting values ($1, $2, $3, split_part($3, ':', 1), $4)",
                uid(number),
                position,
                account,
                cents,
            )


@pytest.mark.parametrize(
    "amounts",
    [
        [("desy:a:b", 1)],
        [("desy:a:b", -100), ("desy:a:c", 99)],
        [("desy:a:b", 2**62), ("desy:a:c", 2**62)],
        [("desy:a:b", -100), ("lrz:a:b", 100)],
        [("desy:a:b", -100), ("lrz:a:b", 100), ("kit:a:b", -5), ("kit:a:c", 5)],
    ],
    ids=["one side", "a cent", "overflow", "body", "two of three bodies"],
)
async def test_the_database_refuses_an_entry_that_does_not_balance(
    service: asyncpg.Connection, owner: asyncpg.Connection, amounts: list[tuple[str, int]]
) -> None:
    for connection in (service, owner):
        with pytest.raises(asyncpg.CheckViolationError, match="not to zero"):
            await post(connection, *amounts)
    assert await service.fetchval("select count(*) from journal_entry") == 1


async def test_the_database_takes_an_entry_that_balances(service: asyncpg.Connection) -> None:
    await post(service, ("desy:a:b", -100), ("desy:a:c", 100), ("lrz:a:b", 40), ("lrz:a:c", -40))
    assert await service.fetchval("select sum(amount_cents) from posting") == 0


async def test_without_the_trigger_an_unbalanced_entry_stands(
    service: asyncpg.Connection, owner: asyncpg.Connection
) -> None:
    await owner.execute("drop trigger entry_balances on posting")
    await post(service, ("desy:a:b", 1))
    assert await service.fetchval("select sum(amount_cents) from posting") == 1


async def test_an_entry_cannot_be_unbalanced_afterwards(service: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="sum to 5 cents"):
        await service.execute(
            "insert into posting select entry_id, 9, 'kit:a:b', 'kit', 5 from journal_entry"
        )


async def test_an_account_stands_in_the_books_of_its_body(service: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="posting_check"):
        await service.execute(
            "insert into posting select entry_id, 9, 'kit:a:b', 'lrz', 5 from journal_entry"
        )


# -- reversals and closed periods -----------------------------------------------------------------


async def reverse(desk: Desk, entry_id: str, day: dt.date = MAY) -> JournalEntry | Rejected:
    async with desk.engine.begin() as tx:
        return await ledger_store.reverse(tx, entry_id, reason="Doppelt", on=day, now=NOW)


async def test_an_entry_is_reversed_once_and_its_reversal_never(billing: Desk) -> None:
    (first,) = await entries(billing)
    storno = await reverse(billing, first.entry_id)
    assert isinstance(storno, JournalEntry)
    assert (storno.sequence, storno.reverses, storno.reason) == (2, first.entry_id, "Doppelt")
    assert storno.numbers == {"desy": "2026/000002", "lrz": "2026/000002"}
    for id_, day, code in [
        (first.entry_id, MAY, "entry_reversed"),
        (storno.entry_id, MAY, "entry_is_reversal"),
        (uid(99), MAY, "unknown_entry"),
    ]:
        refusal = await reverse(billing, id_, day)
        assert isinstance(refusal, Rejected)
        assert refusal.code == code
    assert await billing.rows("select sum(amount_cents) from posting group by account") == [(0,)] * 4
    assert (await verified(billing)).broken is None
    assert await billing.rows("select distinct last_number from number_series") == [(2,)], (
        "nothing is used up"
    )


async def test_a_closed_period_takes_no_reversal(billing: Desk) -> None:
    (first,) = await entries(billing)
    refusal = await reverse(billing, first.entry_id, dt.date(2026, 4, 30))
    assert isinstance(refusal, Rejected)
    assert refusal.code == "period_closed"


async def test_of_two_who_reverse_at_once_one_does(billing: Desk, desk: NewDesk) -> None:
    other = await desk(BillingHandler(register("desy", "lrz"), 60), shares=billing)
    (first,) = await entries(billing)
    found = await asyncio.gather(reverse(billing, first.entry_id), reverse(other, first.entry_id))
    assert sorted(getattr(each, "code", "posted") for each in found) == ["entry_reversed", "posted"]


BALANCED = (("desy:a:b", 1), ("desy:a:c", -1))


async def test_the_database_refuses_a_second_reversal_and_one_of_a_reversal(
    billing: Desk, service: asyncpg.Connection, superuser: asyncpg.Connection
) -> None:
    (first,) = await entries(billing)
    storno = await reverse(billing, first.entry_id)
    assert isinstance(storno, JournalEntry)
    with pytest.raises(asyncpg.UniqueViolationError, match="journal_entry_reverses_key"):
        await post(service, *BALANCED, reverses=first.entry_id, reason="noch einmal")
    with pytest.raises(asyncpg.CheckViolationError, match="entry 2 is a reversal, which is not reversed"):
        await post(service, *BALANCED, reverses=storno.entry_id, reason="zurück")
    await superuser.execute("alter table journal_entry drop constraint journal_entry_reverses_key")
    await superuser.execute("drop trigger entry_is_in_order on journal_entry")
    await post(service, *BALANCED, reverses=first.entry_id, reason="noch einmal")
    await post(service, *BALANCED, reverses=storno.entry_id, reason="zurück", number=501)


async def test_the_database_refuses_entries_in_a_closed_period(
    service: asyncpg.Connection, superuser: asyncpg.Connection
) -> None:
    april = dt.date(2026, 4, 1)
    with pytest.raises(asyncpg.CheckViolationError, match="the period 2026-04 is closed"):
        await post(service, *BALANCED, day=april)
    await superuser.execute("drop trigger entry_is_in_order on journal_entry")
    await post(service, *BALANCED, day=april)
