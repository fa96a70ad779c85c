"""Levies, settlements and statements on a real PostgreSQL."""

from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from support.builders import NOW, booking, key, register, uid
from support.desk import Desk, NewDesk
from support.settled import Closing, close
from support.usage import rated

from allmende.schemas.billing import ChargeLevy, ChargeLine
from allmende.schemas.brokerage import BookingConfirmed
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.rating.metering import Sum, plan, span_with
from allmende.services.billing.rating.rerating import rate
from allmende.services.billing.settlement import levy
from allmende.services.billing.settlement import store as settlement_store
from allmende.services.billing.settlement.statements import Issued


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    return await desk(BillingHandler(register("desy", "lrz"), 60))


async def test_a_levy_comes_back_as_it_was(billing: Desk) -> None:
    command = ChargeLevy(period="2026-04", title="Büro", amount_cents=10**15, key=key({"desy": 1, "lrz": 2}))
    charged = levy.charge(command, uid(5), lands={"desy": None, "lrz": None}, period_is_closed=False)
    assert isinstance(charged, levy.Levy)
    async with billing.engine.begin() as tx:
        await settlement_store.save_levy(tx, charged, NOW)
        assert await settlement_store.levies_of(tx, "2026-04") == [charged]
        assert await settlement_store.levies_of(tx, "2026-05") == []


def charged(each: BookingConfirmed, hours: int) -> list[ChargeLine]:
    month = span_with("2026-04", "month")
    found = Sum(each.booking_id, "hours", Decimal(hours), 1, month.first_day, month.last_day)
    readings, _, _ = plan(rated(each), month, [found])
    return list(rate(readings, month, "2026-04", {}).lines.values())


async def save(tx: AsyncConnection, closing: Closing) -> None:
    """Write an issued run without the steps to it."""
    settlement = closing.settlement
    about = {"id": settlement.settlement_id, "period": settlement.period, "now": settlement.closed_at}
    await tx.execute(
        text(
            "insert into settlement (settlement_id, period, closed_at, document)"
            " values (:id, :period, :now, cast(:document as json))"
        ),
        {**about, "document": settlement.model_dump_json()},
    )
    await settlement_store.save_lines(tx, settlement.settlement_id, closing.lines)
    await settlement_store.save_issued(tx, Issued(settlement, closing.statements, closing.entries))


async def test_books_come_back_page_by_page(billing: Desk) -> None:
    usage = [
        line
        for n, consumer in enumerate(["desy", "desy", "kit"], 1)
        for line in charged(booking(n, consumer=consumer), n)
    ]
    closings = [
        close(
            uid(70 + month),
            f"2026-0{month}",
            members=["desy", "kit", "lrz"],
            clearing_house="office",
            usage_records=month,
            charges=usage[:month],
            levies=[],
            now=NOW,
        )
        for month in (1, 2, 3)
    ]
    async with billing.engine.begin() as tx:
        for closing in closings:
            await save(tx, closing)
    async with billing.engine.connect() as tx:
        newest = [closings[2].settlement, closings[1].settlement]
        assert await settlement_store.settlements(tx, 2) == newest
        assert await settlement_store.statement(tx, "2026-03", "kit") == closings[2].statements[1]
        assert await settlement_store.statement(tx, "2026-03", "gsi") is None
        assert await settlement_store.statement(tx, "2026-04", "kit") is None

        async def lines(member: str, after: int = 0) -> list[int]:
            rows = await settlement_store.lines(tx, period="2026-03", member=member, after=after, limit=2)
            assert not any(held for _, held in rows)
            found = [line for line, _ in rows]
            assert all(member in {line.payer, line.payee} and line in closings[2].lines for line in found)
            return [line.line for line in found]

        assert [await lines("lrz"), await lines("lrz", 2)] == [[1, 2], [3]]
        assert [await lines("desy"), await lines("kit"), await lines("office")] == [[1, 2], [3], []]
    with pytest.raises(IntegrityError, match="settlement"):
        async with billing.engine.begin() as tx:
            await save(tx, closings[0])
