"""The journal on a real PostgreSQL: appended once, balanced, gapless and chained, whatever happens to it."""

import asyncio
import datetime as dt
import json
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from support.builders import NOW, booking, command, fact, record, register, report, uid
from support.desk import Desk, NewDesk

from allmende.schemas import chain
from allmende.schemas.billing import CloseSettlement
from allmende.schemas.journal import GENESIS, JournalEntry, JournalVerified, VerifyJournal
from allmende.schemas.permissions import Role
from allmende.schemas.rejections import Rejected
from allmende.servicekit.queries import Caller
from allmende.servicekit.testing import Templates
from allmende.services.billing import journal
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.ledger import entries_of
from allmende.services.billing.netting import Obligation
from allmende.services.billing.queries import verify_journal

MAY = dt.date(2026, 5, 31)
ASKING = Caller("desy", Role.MEMBER, sees_all=False)
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
async def superuser(billing: Desk, templates: Templates) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(templates.admin_url(billing.url))
    yield connection
    await connection.close()


@pytest.fixture
async def owner(superuser: asyncpg.Connection) -> asyncpg.Connection:
    await superuser.execute("set role allmende_billing_owner")
    return superuser


async def settle(
    tx: AsyncConnection, number: int, period: str, *owed: Obligation
) -> tuple[JournalEntry, ...]:
    """Post what is owed as the closing of a period does."""
    await tx.execute(
        text("insert into settlement values (:id, :name, :now, '{}')"),
        {"id": uid(number), "name": f"{number}", "now": NOW},
    )
    return await journal.save(tx, uid(number), entries_of(period, owed), NOW)


def owes(payer: str, payee: str = "lrz", cents: int = 100, kind: str = "charge") -> Obligation:
    return Obligation(kind, payer, payee, cents, 1)


async def entries(desk: Desk) -> list[JournalEntry]:
    async with desk.engine.connect() as connection:
        found, _ = await journal.links(connection, after=0, limit=10_000)
    return found


async def verified(desk: Desk, **asked: str | int) -> JournalVerified:
    async with desk.engine.connect() as connection:
        return await verify_journal(connection, ASKING, VerifyJournal.model_validate(asked))


def gapless(found: Sequence[JournalEntry]) -> bool:
    """No number of any body and year is missing or there twice."""
    series: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for each in found:
        for body, number in each.numbers.items():
            series[body, number.split("/")[0]].append(int(number.split("/")[1]))
    return all(sorted(numbers) == list(range(1, len(numbers) + 1)) for numbers in series.values())


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
        "Leistungen 2026-04: desy an lrz",
        "2026-04/charge/desy/lrz",
    )
    assert (entry.settlement_id, entry.previous_hash) == (uid(3), GENESIS)
    assert entry.numbers == {"desy": "2026/000001", "lrz": "2026/000001"}
    assert JournalEntry.model_validate_json(entry.model_dump_json()) == entry
    assert await billing.rows("select sequence, hash from ledger_head") == [(1, chain.hash_of(entry))]


async def test_the_same_messages_make_the_same_chain(billing: Desk, desk: NewDesk) -> None:
    again = await desk(BillingHandler(register("desy", "lrz"), 60))
    messages = fact(booking(), 1), command("lrz", report(record(amount=5)), 2)
    for message in (*messages, command("office", CloseSettlement(period="2026-04"), 3)):
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
    for statement in (*changes, f"truncate {table} cascade"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
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
        return await journal.reverse(tx, entry_id, reason="Doppelt", on=day, now=NOW)


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


# -- numbers without gaps -------------------------------------------------------------------------


class Died(Exception):  # noqa: N818 - what happens to a process
    """A process is gone."""


async def unlucky(desks: Sequence[Desk], templates: Templates, seed: int) -> list[str]:
    """Post from all sides; every third transaction is rolled back, every fifth loses its connection."""
    chance = random.Random(seed)  # noqa: S311 - the same draw every time
    killer = await asyncpg.connect(templates.admin_url(desks[0].url))
    ends: list[str] = []

    async def work(desk: Desk, start: int) -> None:
        for number in range(start, start + 12):
            payers = chance.sample(["desy", "kit", "gsi", "office"], 2)
            try:
                async with desk.engine.begin() as tx:
                    await settle(tx, number, chance.choice(["2025-12", "2026-05"]), *map(owes, payers))
                    await tx.execute(text("select nextval('plain')"))
                    if number % 3 == 0:
                        raise Died  # noqa: TRY301 - in the middle of the transaction
                    if number % 5 == 0:
                        pid = (await tx.execute(text("select pg_backend_pid()"))).scalar_one()
                        await killer.execute("select pg_terminate_backend($1)", pid)
            except (Died, DBAPIError) as error:
                ends.append(type(error).__name__)
            else:
                ends.append("posted")

    await asyncio.gather(*(work(each, 1000 * n) for n, each in enumerate(desks, 1)))
    await killer.close()
    return ends


async def test_numbers_have_no_gaps_whoever_dies(
    billing: Desk, desk: NewDesk, superuser: asyncpg.Connection, templates: Templates
) -> None:
    await superuser.execute("create sequence plain; grant usage, select on plain to allmende_billing")
    others = [await desk(BillingHandler(register("desy", "lrz"), 60), shares=billing) for _ in range(2)]
    ends = await unlucky([billing, *others], templates, seed=7)
    done = ends.count("posted")
    assert (len(ends), ends.count("Died")) == (36, 12)
    assert 12 < done < 24, "some were posted, some lost their connection"
    found = await entries(billing)
    assert len(found) == 1 + 2 * done
    assert gapless(found)
    rows = await billing.rows("select body, year, last_number from number_series where last_number > 0")
    counted: defaultdict[tuple[str, int], int] = defaultdict(int)
    for each in found:
        for body in each.numbers:
            counted[body, each.date.year] += 1
    assert {(body, year): last for body, year, last in rows} == counted
    assert (await verified(billing)).broken is None
    assert await superuser.fetchval("select last_value from plain") > done, "a plain sequence has gaps"


async def test_the_row_lock_keeps_two_from_taking_the_same_number(
    billing: Desk, desk: NewDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "_LOCK_HEAD", text("select sequence, hash from ledger_head"))
    monkeypatch.setattr(
        journal, "_LOCK_SERIES", text(str(journal._LOCK_SERIES).replace("for update of s", ""))
    )
    other = await desk(BillingHandler(register("desy", "lrz"), 60), shares=billing)
    async with billing.engine.connect() as first, other.engine.connect() as second:
        await settle(first, 100, "2026-05", owes("desy"))
        waiting = asyncio.create_task(settle(second, 101, "2026-05", owes("desy")))
        await asyncio.wait([waiting], timeout=0.5)
        await first.commit()
        with pytest.raises(DBAPIError, match="duplicate key"):
            await waiting


# -- the chain ------------------------------------------------------------------------------------


async def fill(desk: Desk, count: int = 9) -> list[JournalEntry]:
    async with desk.engine.begin() as tx:
        await settle(tx, 100, "2026-05", *(owes(f"m{number:02d}") for number in range(count)))
    return await entries(desk)


TAMPERED = {
    "narration": "update journal_entry set narration = 'Spende' where sequence = 5",
    "value date": "update journal_entry set value_date = value_date + 1 where sequence = 5",
    "booking date": "update journal_entry set booked_at = booked_at + interval '1 us' where sequence = 5",
    "kind": "update journal_entry set kind = 'levy' where sequence = 5",
    "reference": "update journal_entry set reference = '' where sequence = 5",
    "settlement": f"update journal_entry set settlement_id = '{uid(3)}' where sequence = 5",
    "reversal": f"update journal_entry set reverses = '{uid(3)}', reason = '' where sequence = 5",
    "id": f"update journal_entry set entry_id = '{uid(5)}' where sequence = 5",
    "hash": "update journal_entry set hash = reverse(hash) where sequence = 5",
    "amounts": "update posting p set amount_cents = 2 * amount_cents from journal_entry e"
    " where e.entry_id = p.entry_id and sequence = 5",
    "account": "update posting p set account = 'lrz:erträge:umlage' from journal_entry e"
    " where e.entry_id = p.entry_id and sequence = 5 and position = 4",
    "sides": "insert into posting select entry_id, v.position, 'lrz:erträge:umlage', 'lrz', v.cents"
    " from journal_entry, (values (5, 1), (6, -1)) v (position, cents) where sequence = 5",
    "postings": "delete from posting p using journal_entry e where e.entry_id = p.entry_id and sequence = 5",
    "number": "update entry_number n set number = 77 from journal_entry e"
    " where e.entry_id = n.entry_id and sequence = 5 and body = 'lrz'",
}


@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED)
async def test_what_a_superuser_changes_is_found_and_named(
    billing: Desk, superuser: asyncpg.Connection, change: str
) -> None:
    await fill(billing)
    await superuser.execute("set session_replication_role = replica")
    await superuser.execute(change)
    (changed,) = [each for each in await entries(billing) if each.sequence == 5]
    broken = (await verified(billing)).broken
    assert broken is not None
    assert (broken.sequence, broken.entry_id, broken.problem) == (5, changed.entry_id, "content")


async def test_an_entry_that_is_removed_or_slipped_in_is_found(
    billing: Desk, superuser: asyncpg.Connection
) -> None:
    found = await fill(billing)
    await superuser.execute("set session_replication_role = replica")
    await superuser.execute("delete from journal_entry where sequence = 5")
    broken = (await verified(billing)).broken
    assert broken is not None
    assert (broken.sequence, broken.problem) == (6, "missing")
    await superuser.execute("update journal_entry set sequence = sequence - 1 where sequence > 5")
    broken = (await verified(billing)).broken
    assert broken is not None
    assert (broken.sequence, broken.entry_id, broken.problem) == (5, found[5].entry_id, "link")


async def test_removed_last_entries_are_found_by_the_head(
    billing: Desk, superuser: asyncpg.Connection
) -> None:
    found = await fill(billing)
    head = found[-1].hash
    assert (await verified(billing, head=head)).head_found
    assert (await verified(billing, head=found[3].hash)).head_found, (
        "later entries change nothing before them"
    )
    await superuser.execute("set session_replication_role = replica")
    await superuser.execute("delete from journal_entry where sequence > 8")
    broken = (await verified(billing)).broken
    assert broken is not None
    assert (broken.sequence, broken.problem) == (10, "end")
    await superuser.execute("update ledger_head set sequence = 8, hash = $1", found[7].hash)
    told = await verified(billing, head=head)
    assert (told.broken, told.checked, told.head_found) == (None, 8, False), "only who remembers can tell"


async def test_a_ledger_without_its_head_is_broken(billing: Desk, superuser: asyncpg.Connection) -> None:
    await superuser.execute("delete from ledger_head")
    broken = (await verified(billing)).broken
    assert broken is not None
    assert (broken.sequence, broken.problem) == (0, "end")


async def test_a_chain_that_is_written_anew_is_found_by_the_head(
    billing: Desk, superuser: asyncpg.Connection
) -> None:
    """A superuser who knows the format can compute every hash anew; the remembered head differs then."""
    found = await fill(billing)
    await superuser.execute("set session_replication_role = replica")
    previous = found[4].previous_hash
    for each in found[4:]:
        narration = "Spende" if each.sequence == 5 else each.narration
        forged = each.model_copy(update={"narration": narration, "previous_hash": previous})
        await superuser.execute(
            "update journal_entry set narration = $2, previous_hash = $3, hash = $4 where sequence = $1",
            each.sequence,
            narration,
            previous,
            previous := chain.hash_of(forged),
        )
    await superuser.execute("update ledger_head set hash = $1", previous)
    told = await verified(billing, head=found[-1].hash)
    assert (told.broken, told.head_found) == (None, False)


async def test_verification_goes_on_where_it_stopped(billing: Desk) -> None:
    found = await fill(billing)
    told = await verified(billing, limit=4)
    seen = [told]
    while told.next_after is not None:
        told = await verified(billing, limit=4, after=told.next_after, previous_hash=told.head)
        seen.append(told)
    assert [each.checked for each in seen] == [4, 4, 2]
    assert (told.broken, told.sequence, told.head) == (None, 10, found[-1].hash)
    wrong = await verified(billing, limit=4, after=4, previous_hash=GENESIS)
    assert wrong.broken is not None
    assert (wrong.broken.sequence, wrong.broken.problem) == (5, "link")


async def test_an_empty_ledger_is_in_order(desk: NewDesk) -> None:
    empty = await desk(BillingHandler(register("desy", "lrz"), 60))
    told = await verified(empty)
    assert (told.broken, told.checked, told.head, told.next_after) == (None, 0, GENESIS, None)


async def test_two_who_post_at_once_make_one_chain(billing: Desk, desk: NewDesk) -> None:
    others = [await desk(BillingHandler(register("desy", "lrz"), 60), shares=billing) for _ in range(3)]

    async def work(each: Desk, start: int) -> None:
        for number in range(start, start + 10):
            async with each.engine.begin() as tx:
                await settle(tx, number, "2026-05", owes("desy"), owes("kit"))

    await asyncio.gather(*(work(each, 1000 * n) for n, each in enumerate(others, 1)))
    told = await verified(billing)
    assert (told.broken, told.checked) == (None, 61)
    assert gapless(await entries(billing))


async def test_the_canonical_content_is_json_that_others_can_write(billing: Desk) -> None:
    (entry,) = await entries(billing)
    content = json.loads(chain.canonical(entry))
    assert (
        chain.canonical(entry)
        == json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    )
    assert content == json.loads(entry.model_dump_json(exclude={"hash"})) | {
        "booked_at": "2026-06-01T08:00:00.000000+00:00",
        "postings": [[each.account, each.amount_cents] for each in entry.postings],
    }
