"""Documents on a real PostgreSQL: numbered without a gap, written once."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

import asyncpg
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from support.bodies import NOT_TAXABLE, STANDARD, embodied
from support.builders import NOW, register, uid
from support.desk import Desk, NewDesk
from support.invoices import line, run

from allmende.schemas.billing import ChargeLine
from allmende.schemas.bodies import BudgetItem
from allmende.schemas.invoices import Invoice
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.invoicing import store
from allmende.services.billing.invoicing.budget import booked
from allmende.services.billing.invoicing.tax import treated

MEMBERS = ("desy", "lrz", "kit")
BODIES = embodied(register(*MEMBERS), desy={"budget_items": (BudgetItem(account="5271", limit_cents=1),)})


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    return await desk(BillingHandler(register(*MEMBERS), 60))


def ready(*lines: ChargeLine) -> list[ChargeLine]:
    return booked(treated(lines, BODIES)[0], BODIES)


async def issue(
    tx: AsyncConnection,
    settlement_id: str,
    lines: Sequence[ChargeLine],
    *,
    now: dt.datetime = NOW,
    period: str = "2026-04",
) -> tuple[Invoice, ...]:
    return await store.issue(
        tx, settlement_id=settlement_id, period=period, lines=lines, register=BODIES, now=now
    )


async def issued(
    desk: Desk, number: int, *lines: ChargeLine, now: dt.datetime = NOW, period: str | None = None
) -> tuple[Invoice, ...]:
    """A run of its own whose documents are issued."""
    name = period or f"{2000 + number}-04"
    async with desk.engine.begin() as tx:
        found = ready(*lines)
        return await issue(tx, await run(tx, number, name, found), found, now=now, period=name)


async def numbers(desk: Desk) -> list[str]:
    return [str(row[0]) for row in await desk.rows("select number from invoice order by number")]


async def test_documents_come_back_as_they_were(billing: Desk) -> None:
    lines = [
        line(1, 250, quantity=Decimal("2.5"), unit="hour", offering_id="lrz/vm"),
        line(2, -300, payer="kit"),
        line(3, 70, payee="office", kind="levy"),
        line(4, 0, payee="kit"),
    ]
    found = await issued(billing, 1, *lines)
    assert sorted(each.head.number for each in found) == [
        "kit/R/2026/000001",
        "lrz/G/2026/000001",
        "lrz/R/2026/000001",
        "office/U/2026/000001",
    ]
    async with billing.engine.connect() as connection:
        assert await store.of_settlement(connection, uid(1)) == sorted(found, key=lambda e: e.head.number)
        assert await store.of_settlement(connection, uid(2)) == []
        wanted = ["lrz/R/2026/000001", "lrz/R/2026/000002"]
        whole = await store.named(connection, wanted)
    assert whole == {each.head.number: each for each in found if each.head.number in wanted}
    assert whole[wanted[0]].lines[0].budget_item == "5271"


async def test_a_run_without_lines_has_no_documents(billing: Desk) -> None:
    assert await issued(billing, 1) == ()


async def test_numbers_go_on_within_their_year(billing: Desk) -> None:
    new_year = dt.datetime(2026, 12, 31, 23, 30, tzinfo=dt.UTC)  # 0:30 in Berlin
    for number, now in enumerate((NOW, NOW, new_year, NOW), 1):
        await issued(billing, number, line(1), now=now)
    assert await numbers(billing) == [
        *(f"lrz/R/2026/{place:06d}" for place in (1, 2, 3)),
        "lrz/R/2027/000001",
    ]


async def test_a_run_issues_once(billing: Desk) -> None:
    await issued(billing, 1, line(1))
    async with billing.engine.connect() as tx:
        with pytest.raises(IntegrityError):
            await issue(tx, uid(1), ready(line(1)))
    assert await numbers(billing) == ["lrz/R/2026/000001"]
    await issued(billing, 2, line(1))
    assert await numbers(billing) == ["lrz/R/2026/000001", "lrz/R/2026/000002"], "and leaves no gap"


async def test_what_is_rolled_back_leaves_no_gap(billing: Desk) -> None:
    for number in range(1, 7):
        async with billing.engine.connect() as tx:
            found = ready(line(1), line(2, payer="kit"))
            await issue(tx, await run(tx, number, f"{2000 + number}-04", found), found)
            await (tx.rollback() if number % 2 else tx.commit())
    assert await numbers(billing) == [f"lrz/R/2026/{place:06d}" for place in range(1, 7)]


async def test_two_at_once_wait_for_each_other(billing: Desk) -> None:
    def some(number: int) -> list[ChargeLine]:
        pairs = [(a, b) for a in MEMBERS for b in MEMBERS if a != b]
        turned = pairs if number % 2 else pairs[::-1]
        return [line(place, payer=a, payee=b) for place, (a, b) in enumerate(turned, 1)]

    await asyncio.gather(*(issued(billing, number, *some(number)) for number in range(1, 9)))
    assert await numbers(billing) == sorted(
        f"{member}/R/2026/{place:06d}" for member in MEMBERS for place in range(1, 17)
    )


async def test_without_the_lock_two_get_the_same_number(
    billing: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await issued(billing, 1, line(1))
    monkeypatch.setattr(store, "_LOCK_SERIES", text(str(store._LOCK_SERIES).replace(" for update of s", "")))
    found = await asyncio.gather(
        *(issued(billing, number, line(1)) for number in range(2, 12)), return_exceptions=True
    )
    assert any(isinstance(each, IntegrityError) and "invoice_number_key" in str(each) for each in found)


async def test_a_killed_transaction_leaves_no_gap(billing: Desk, superuser: asyncpg.Connection) -> None:
    async with billing.engine.connect() as killed:
        found = ready(line(1))
        await issue(killed, await run(killed, 1, "2026-04", found), found)
        pid = (await killed.exec_driver_sql("select pg_backend_pid()")).scalar_one()
        waiting = asyncio.create_task(issued(billing, 2, line(1)))
        assert await superuser.fetchval("select pg_terminate_backend($1, 5000)", pid)
        (only,) = await waiting
        assert only.head.number == "lrz/R/2026/000001"
        with pytest.raises(DBAPIError):
            await killed.commit()
    assert await numbers(billing) == ["lrz/R/2026/000001"]


async def test_a_run_of_any_size_is_one_statement_for_each_table(billing: Desk) -> None:
    said: list[str] = []
    event.listen(billing.engine.sync_engine, "before_cursor_execute", lambda *given: said.append(given[2]))
    for number, count in ((1, 1), (2, 50)):
        said.clear()
        await issued(billing, number, *(line(place, payer=MEMBERS[place % 2 * 2]) for place in range(count)))
        written = [each.split()[2] for each in said if each.lstrip().startswith("insert")]
        assert written == ["settlement", "charge_line", "invoice_series", "invoice", "invoice_line"]


async def test_a_reversal_finds_the_treatment_that_the_register_no_longer_has(billing: Desk) -> None:
    (first,) = await issued(billing, 1, line(1))
    (original,) = ready(line(1))
    taken_back = original.model_copy(update={"cause": "reversal", "amount_cents": -100, "line": 1})
    turned = embodied(register(*MEMBERS), lrz={"tax_rules": (STANDARD,)})
    lines, _ = treated([taken_back], turned)
    async with billing.engine.begin() as tx:
        id_ = await run(tx, 2, "2027-02", lines)
        (found,) = await store.issue(
            tx, settlement_id=id_, period="2027-02", lines=lines, register=turned, now=NOW
        )
    assert found.treatments == first.treatments
    assert found.treatments[0].basis == NOT_TAXABLE.basis
    assert (found.subtotals[0].reason_de, found.head.kind) == (NOT_TAXABLE.reason_de, "credit_note")


async def test_what_was_spent_counts_by_budget_item_and_year(billing: Desk) -> None:
    await issued(billing, 1, line(1, 100), line(2, 30), line(3, 9, payer="kit"), period="2026-04")
    await issued(billing, 2, line(1, -10), period="2026-12")
    await issued(billing, 3, line(1, 1000), period="2027-01")
    async with billing.engine.connect() as connection:
        assert await store.spent_in(connection, 2026, BODIES) == {("desy", "5271"): 120}
        assert await store.spent_in(connection, 2026, register(*MEMBERS)) == {}


@pytest.mark.parametrize("table", ["invoice", "invoice_line"])
async def test_documents_are_never_changed(billing: Desk, superuser: asyncpg.Connection, table: str) -> None:
    await issued(billing, 1, line(1))
    service = await asyncpg.connect(billing.url)
    change = f"update {table} set document = document"
    for statement in (change, f"delete from {table}"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute(statement)
    await superuser.execute(f"grant update on {table} to allmende_billing")
    with pytest.raises(asyncpg.RestrictViolationError, match="never changed"):
        await service.execute(change)
    await superuser.execute(f"drop trigger {table}_is_append_only on {table}")
    assert (await service.execute(change)).startswith("UPDATE"), "without both it is changed"
    await service.close()
