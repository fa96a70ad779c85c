"""Turnovers are declared and years closed, by persons, once."""

import asyncio
import datetime as dt

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError
from support import pooled
from support.bodies import UNSIGNED, closing, signed
from support.builders import booking, command, fact, key, record, report, uid
from support.desk import Desk, NewDesk, codes
from support.posting import owes
from support.reported import BODIES, IN_2027, april, closes, declares, pool

from allmende.schemas.billing import ChargeLevy
from allmende.schemas.reports import CloseYear, TurnoverDeclared, YearClosed
from allmende.schemas.statements import DecideObjection, RaiseObjection, ReverseLevy, WithdrawObjection
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.ledger import store as ledger_store
from allmende.services.billing.ledger.entries import entries_of


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    return await desk(BillingHandler(BODIES, 60), now=IN_2027)


# -- the end of a year ------------------------------------------------------------------------------


async def test_a_year_is_closed_once_and_says_where_its_ledger_ends(billing: Desk) -> None:
    await april(billing)
    message = closes()
    (told,) = await billing.take(message)
    ((sequence, hash_),) = await billing.rows("select sequence, hash from ledger_head")
    assert told.data == YearClosed(
        year=2026,
        periods=1,
        entries=1,
        last_sequence=1,
        last_hash=str(hash_),
        keep_books_until=dt.date(2036, 12, 31),
        keep_vouchers_until=dt.date(2034, 12, 31),
        closed_by="anna",
        closed_at=IN_2027,
    )
    assert sequence == 1
    assert await billing.take(message) == []
    assert codes(await billing.take(closes(number=901))) == ["year_closed"]


async def test_a_year_in_which_nothing_happened_is_closed(billing: Desk) -> None:
    (told,) = await billing.take(closes())
    assert isinstance(told.data, YearClosed)
    assert (told.data.periods, told.data.entries, told.data.last_sequence) == (0, 0, 0)


async def test_only_whoever_may_approve_closes_a_year_that_is_over(billing: Desk) -> None:
    unsigned = command("office", CloseYear(year=2026, claim=UNSIGNED), 901)
    assert codes(await billing.take(unsigned)) == ["unknown_person"]
    assert codes(await billing.take(closes(2027))) == ["year_not_over"]
    billing.now = dt.datetime(2026, 12, 31, 22, 59, tzinfo=dt.UTC)
    assert codes(await billing.take(closes(number=902))) == ["year_not_over"]
    billing.now = dt.datetime(2026, 12, 31, 23, 0, tzinfo=dt.UTC)
    assert codes(await billing.take(closes(number=903))) == ["YearClosed"]


LEVY = ChargeLevy(period="2026-05", title="Büro", amount_cents=300, key=key({"desy": 1, "gsi": 1, "lrz": 1}))


@pytest.mark.parametrize(
    ("told", "month"),
    [
        ([fact(booking(start=dt.date(2026, 12, 31)), 1)], "2026-12"),
        ([command("office", LEVY, 1)], "2026-05"),
        ([command("lrz", report(record()), 1)], "2026-04"),
    ],
)
async def test_a_year_waits_for_its_runs(billing: Desk, told: list[object], month: str) -> None:
    await billing.take(*told)  # type: ignore[arg-type]
    (refused,) = await billing.take(closes())
    assert codes([refused]) == ["year_not_issued"]
    assert month in refused.data.model_dump_json()


async def test_a_year_waits_for_a_run_that_is_not_approved(billing: Desk) -> None:
    draft, review, approve = closing("2026-04", 3)
    await billing.take(draft, review)
    assert codes(await billing.take(closes())) == ["year_not_issued"]
    await billing.take(approve)
    assert codes(await billing.take(closes(number=901))) == ["YearClosed"]


async def test_a_year_waits_for_its_pools(billing: Desk) -> None:
    await pool(billing, [("lrz", pooled.cost("a", 1_000))])
    assert codes(await billing.take(closes())) == ["year_with_open_pools"]
    await billing.take(command("office", pooled.settling("2027-01"), 200))
    await billing.take(command("lrz", pooled.cost("b", 100), 201))
    assert codes(await billing.take(closes(number=901))) == ["year_with_open_pools"], "a cost came late"
    await billing.take(command("office", pooled.settling("2027-01"), 202))
    assert codes(await billing.take(closes(number=902))) == ["YearClosed"]


async def test_a_year_waits_for_objections(billing: Desk) -> None:
    await april(billing)
    raised = RaiseObjection(period="2026-04", line=1, reason="Nicht bestellt", claim=UNSIGNED)
    assert codes(await billing.take(signed("desy", "anna", raised, 50))) == ["ObjectionRaised"]
    assert codes(await billing.take(closes())) == ["year_with_objections"]
    withdrawn = WithdrawObjection(objection_id=uid(50), reason="Doch bestellt", claim=UNSIGNED)
    assert codes(await billing.take(signed("desy", "anna", withdrawn, 51))) == ["ObjectionSettled"]
    assert codes(await billing.take(closes(number=901))) == ["YearClosed"]


async def test_a_year_waits_for_credits_that_no_run_has_given(billing: Desk) -> None:
    await april(billing)
    raised = RaiseObjection(period="2026-04", line=1, reason="Nicht bestellt", claim=UNSIGNED)
    upheld = DecideObjection(objection_id=uid(50), decision="upheld", reason="Stimmt", claim=UNSIGNED)
    told = await billing.take(signed("desy", "anna", raised, 50), signed("lrz", "anna", upheld, 51))
    assert codes(told) == ["ObjectionRaised", "ObjectionSettled"]
    (refused,) = await billing.take(closes())
    assert codes([refused]) == ["year_not_issued"]
    assert "2026-05" in refused.data.model_dump_json(), "its run gives the credit"
    await billing.take(*closing("2026-05", 60))
    assert codes(await billing.take(closes(number=901))) == ["YearClosed"]


async def test_a_year_waits_for_levies_that_no_run_has_taken_back(billing: Desk) -> None:
    await billing.take(command("office", LEVY, 1), *closing("2026-05", 3))
    back = ReverseLevy(levy_id=uid(1), period="2026-09", reason="Schlüssel falsch", claim=UNSIGNED)
    assert codes(await billing.take(signed("office", "anna", back, 10))) == ["LevyReversed"]
    (refused,) = await billing.take(closes())
    assert codes([refused]) == ["year_not_issued"]
    assert "2026-09" in refused.data.model_dump_json()
    await billing.take(*closing("2026-09", 60))
    assert codes(await billing.take(closes(number=901))) == ["YearClosed"]


async def test_nothing_comes_into_a_closed_year(billing: Desk) -> None:
    await billing.take(closes())
    assert codes(await billing.take(command("office", LEVY, 1))) == ["period_closed"]
    assert codes(await billing.take(*closing("2026-06", 3)))[0] == "period_closed"
    async with billing.engine.connect() as tx:
        with pytest.raises(ValueError, match="period_closed"):
            await ledger_store.save(tx, uid(7), entries_of("2026-08", [owes("desy")]), IN_2027)


async def test_usage_that_comes_after_the_year_is_charged_in_the_next(billing: Desk) -> None:
    await billing.take(fact(booking(end=dt.date(2026, 4, 30)), 1), *closing("2026-04", 3))
    await billing.take(closes())
    await billing.take(command("lrz", report(record(amount=7)), 20))
    await billing.take(*closing("2027-01", 21))
    assert await billing.rows(
        "select i.period, i.net_cents, l.service_year from invoice i join invoice_line l using (invoice_id)"
    ) == [("2027-01", 700, 2026)]


async def posted(connection: asyncpg.Connection, day: dt.date) -> None:
    """Post by hand, past all rules in Python."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(
            "insert into journal_entry (entry_id, sequence, value_date, booked_at, kind, narration,"
            " reference, reverses, reason, previous_hash, hash)"
            " select gen_random_uuid(), max(sequence) + 1, $1, now(), 'reversal', 'von Hand',"
            " '-', min(entry_id::text)::uuid, '-', '', '' from journal_entry",
            day,
        )
    finally:
        await transaction.rollback()


async def test_the_database_keeps_a_closed_year_on_its_own(
    billing: Desk, superuser: asyncpg.Connection
) -> None:
    await april(billing)
    await billing.take(closes())
    await superuser.execute("update accounting_period set issued_at = null")
    with pytest.raises(asyncpg.CheckViolationError, match="the year 2026 is closed"):
        await posted(superuser, dt.date(2026, 12, 31))
    await posted(superuser, dt.date(2027, 1, 1))
    await superuser.execute("drop trigger entry_is_of_open_year on journal_entry")
    await posted(superuser, dt.date(2026, 12, 31))


async def test_who_posts_while_a_year_is_closed_waits_and_is_refused(billing: Desk) -> None:
    await april(billing)
    handler = BillingHandler(BODIES, 60)
    async with billing.engine.connect() as tx:
        assert codes(await handler.handle(tx, [closes()], IN_2027)) == ["YearClosed"]

        async def post() -> None:
            async with billing.engine.begin() as other:
                await ledger_store.save(other, uid(3), entries_of("2026-08", [owes("desy")]), IN_2027)

        posting = asyncio.create_task(post())
        done, _ = await asyncio.wait({posting}, timeout=0.3)
        assert not done, "it waits for the ledger"
        await tx.commit()
    with pytest.raises((ValueError, DBAPIError), match="closed"):
        await posting


@pytest.mark.parametrize("table", ["turnover", "accounting_year"])
async def test_what_is_told_and_closed_is_never_changed(
    billing: Desk, superuser: asyncpg.Connection, table: str
) -> None:
    await billing.take(closes(), declares("lrz", 2026, 5, 1))
    service = await asyncpg.connect(billing.url)
    change = f"update {table} set year = 2020"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute(f"delete from {table}")
    await superuser.execute(f"grant update on {table} to allmende_billing")
    with pytest.raises(asyncpg.RestrictViolationError, match="never changed"):
        await service.execute(change)
    await superuser.execute(f"drop trigger {table}_is_append_only on {table}")
    assert await service.execute(change) == "UPDATE 1"
    await service.close()


# -- turnovers --------------------------------------------------------------------------------------


async def test_a_turnover_is_declared_by_a_person_and_may_be_declared_again(billing: Desk) -> None:
    first, second = declares("lrz", 2026, 500, 1), declares("lrz", 2026, 700, 2)
    (told,) = await billing.take(first)
    assert told.data == TurnoverDeclared(
        member="lrz",
        year=2026,
        open_market_cents=500,
        evidence="Jahresabschluss",
        declared_by="anna",
        declared_at=IN_2027,
    )
    assert await billing.take(first) == []
    await billing.take(second)
    assert await billing.rows("select open_market_cents from turnover order by number") == [(500,), (700,)]
    refused = await billing.take(
        declares("lrz", 2027, 5, 3),
        signed("lrz", "bela", first.data, 4),
        command("gsi", first.data, 5),
    )
    assert codes(refused) == ["year_not_over", "TurnoverDeclared", "claim_invalid"]
