"""The journal is answered page by page, in answers that can be read, to those whom it concerns."""

import pytest
from sqlalchemy import text
from support.builders import NOW, register, uid
from support.desk import Desk, NewDesk

from allmende.schemas.journal import ExportJournal, JournalEntry, JournalPage
from allmende.schemas.permissions import Role
from allmende.schemas.rejections import Rejected
from allmende.servicekit.queries import PAGE_BYTES_MAX, Caller
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.ledger import store as ledger_store
from allmende.services.billing.ledger.entries import Obligation, entries_of
from allmende.services.billing.ledger.queries import export_journal


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
            await ledger_store.save(tx, uid(number), entries_of(period, owed), NOW)
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
