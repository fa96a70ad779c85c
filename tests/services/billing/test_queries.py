"""Statements and the journal are answered page by page, in answers that can be read."""

import json

import pytest
from sqlalchemy import text
from support.builders import NOW, booking, command, component, decimals, fact, register, tariff, uid
from support.desk import Desk, NewDesk
from support.histories import changed

from allmende.schemas.billing import CloseSettlement, ShowStatement, Statement
from allmende.schemas.journal import ExportJournal, JournalEntry, JournalPage
from allmende.schemas.permissions import Role
from allmende.schemas.rejections import Rejected
from allmende.schemas.tariff import Free
from allmende.servicekit.queries import PAGE_BYTES_MAX, Caller
from allmende.services.billing import journal
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.ledger import entries_of
from allmende.services.billing.netting import Obligation
from allmende.services.billing.queries import export_journal, show_statement

WIDE = "\N{OLD ITALIC LETTER A}" * 200


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    """A hundred bookings whose components are taken back, in the longest words there are."""
    found = await desk(BillingHandler(register("desy", "lrz"), 60))
    priced = tariff(
        *(
            component(Free(reason=WIDE), id=f"c{n}", title=WIDE, billing="one_time", measure="cores")
            for n in range(3)
        )
    )
    bookings = [booking(n, tariff=priced, quantities=decimals({"cores": 1})) for n in range(1, 101)]
    await found.take(*(fact(each, n) for n, each in enumerate(bookings)))
    await found.take(command("office", CloseSettlement(period="2026-04"), 1))
    withdrawn = [changed(1, each, state="failed", reason=WIDE) for each in bookings]
    await found.take(*(fact(each, 1_000 + n) for n, each in enumerate(withdrawn)))
    await found.take(command("office", CloseSettlement(period="2026-05"), 2))
    return found


async def test_every_line_of_a_statement_comes_in_answers_that_can_be_read(billing: Desk) -> None:
    seen: list[int] = []
    after: int | None = 0
    async with billing.engine.connect() as connection:
        while after is not None:
            asked = ShowStatement(period="2026-05", after=after)
            page = await show_statement(connection, Caller("desy", Role.MEMBER, sees_all=False), asked)
            assert isinstance(page, Statement)
            body = page.model_dump_json().encode()
            assert len(body) < PAGE_BYTES_MAX + 16 * 1024
            assert json.loads(body)["statement"]["member"] == "desy"
            seen += [line.line for line in page.lines]
            after = page.next_after
    assert seen == list(range(1, 301))


@pytest.fixture
async def ledger(desk: NewDesk) -> Desk:
    """Three months of two years, in which everybody owes everybody something, by names of any length."""
    found = await desk(BillingHandler(register("desy", "lrz"), 60))
    members = ["desy", "gsi", "kit", "lrz", *(f"m{n:02d}{'x' * 29}" for n in range(12))]
    owed = [Obligation("charge", a, b, 100, 1) for a in members for b in members if a != b]
    async with found.engine.begin() as tx:
        for number, period in enumerate(("2025-12", "2026-01", "2026-02"), 1):
            await tx.execute(
                text("insert into settlement values (:id, :period, :now, '{}')"),
                {"id": uid(number), "period": period, "now": NOW},
            )
            await journal.save(tx, uid(number), entries_of(period, owed), NOW)
    return found


MEMBER = Caller("desy", Role.MEMBER, sees_all=False)
OFFICE = Caller("office", Role.OFFICE, sees_all=True)


async def exported(desk: Desk, caller: Caller, **asked: object) -> list[JournalEntry]:
    found: list[JournalEntry] = []
    after: int | None = 0
    totals = set()
    async with desk.engine.connect() as connection:
        while after is not None:
            page = await export_journal(
                connection, caller, ExportJournal.model_validate({**asked, "after": after})
            )
            assert isinstance(page, JournalPage)
            assert len(page.model_dump_json().encode()) < PAGE_BYTES_MAX + 16 * 1024
            found += page.entries
            totals.add(page.total)
            after = page.next_after
    assert totals == {len(found)}
    return found


async def test_the_office_reads_the_whole_journal_page_by_page(ledger: Desk) -> None:
    everything = await exported(ledger, OFFICE)
    assert [entry.sequence for entry in everything] == list(range(1, 3 * 16 * 15 + 1))
    assert await exported(ledger, OFFICE, limit=7) == everything
    years = [await exported(ledger, OFFICE, year=year) for year in (2025, 2026)]
    assert years[0] + years[1] == everything
    months = [await exported(ledger, OFFICE, period=period) for period in ("2026-01", "2026-02")]
    assert months[0] + months[1] == years[1]
    assert await exported(ledger, OFFICE, period="2026-01", year=2025) == []
    own = await exported(ledger, OFFICE, body="kit")
    assert own == [entry for entry in everything if "kit" in entry.numbers]


async def test_a_member_reads_the_entries_that_touch_it(ledger: Desk) -> None:
    everything = await exported(ledger, OFFICE)
    own = await exported(ledger, MEMBER)
    assert own == [entry for entry in everything if "desy" in entry.numbers]
    assert len(own) == 3 * 30
    assert await exported(ledger, MEMBER, body="desy") == own
    assert await exported(ledger, MEMBER, year=2025) == own[:30]
    async with ledger.engine.connect() as connection:
        refusal = await export_journal(connection, MEMBER, ExportJournal(body="kit"))
    assert isinstance(refusal, Rejected)
    assert refusal.code == "not_your_journal"
