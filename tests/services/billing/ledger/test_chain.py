"""Numbers without gaps and an unbroken chain on a real PostgreSQL, whoever dies and whoever tampers."""

import asyncio
import json
import random
import sys
from collections import defaultdict
from collections.abc import Sequence

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from support.broker import eventually
from support.builders import register, uid
from support.desk import Desk, NewDesk
from support.posting import entries, gapless, owes, settle, verified

from allmende.schemas import chain
from allmende.schemas.journal import GENESIS, JournalEntry
from allmende.servicekit.testing import Templates
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.ledger import store as ledger_store

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


async def somebody_waits(superuser: asyncpg.Connection) -> None:
    """Wait until a transaction waits for another."""
    waiting = """
        select count(*) from pg_stat_activity
        where wait_event_type = 'Lock' and datname = current_database()
    """
    await eventually(lambda: superuser.fetchval(waiting))


POSTER = """
import asyncio, datetime, sys
from sqlalchemy import text
from allmende.servicekit import database
from allmende.services.billing.ledger import store
from allmende.services.billing.ledger.entries import Obligation, entries_of

async def hold(url, id_):
    async with database.engine(url).begin() as tx:
        now = datetime.datetime.now(datetime.UTC)
        settlement = text("insert into settlement values (:id, '2026-05', :now, '{}')")
        await tx.execute(settlement, {"id": id_, "now": now})
        owed = Obligation("charge", "desy", "lrz", 100, 1)
        await store.save(tx, id_, entries_of("2026-05", [owed]), now)
        print("holds", flush=True)
        sys.stdin.read()

asyncio.run(hold(*sys.argv[1:]))
"""


async def test_a_process_that_is_killed_with_a_number_in_its_hand_leaves_no_gap(
    billing: Desk, superuser: asyncpg.Connection
) -> None:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", POSTER, billing.url, uid(100), stdin=pipe, stdout=pipe
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"holds\n"

    async def go_on() -> None:
        async with billing.engine.begin() as tx:
            await settle(tx, 101, "2026-05", owes("desy"))

    waiting = asyncio.create_task(go_on())
    await somebody_waits(superuser)
    process.kill()
    await process.wait()
    await waiting
    assert [entry.numbers["desy"] for entry in await entries(billing)] == ["2026/000001", "2026/000002"]
    assert (await verified(billing)).broken is None


async def test_without_the_locks_two_take_the_same_number(
    billing: Desk, desk: NewDesk, superuser: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_store, "_LOCK_HEAD", text("select sequence, hash from ledger_head"))
    monkeypatch.setattr(
        ledger_store, "_LOCK_SERIES", text(str(ledger_store._LOCK_SERIES).replace("for update of s", ""))
    )
    other = await desk(BillingHandler(register("desy", "lrz"), 60), shares=billing)
    async with billing.engine.connect() as first, other.engine.connect() as second:
        await settle(first, 100, "2026-05", owes("desy"))
        waiting = asyncio.create_task(settle(second, 101, "2026-05", owes("desy")))
        await somebody_waits(superuser)
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
