"""Plain sums of usage by booking, meter and terms, on a real PostgreSQL."""

import datetime as dt
from decimal import Decimal

import pytest
from support.builders import NOW, booking, component, record, register, tariff, uid
from support.desk import Desk, NewDesk
from support.histories import amended, noon

from allmende.schemas.billing import UsageRecord
from allmende.schemas.brokerage import BookingConfirmed
from allmende.services.billing import store
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.rating import store as rating_store
from allmende.services.billing.rating.metering import Sum, plan, span_with
from allmende.services.billing.usage import store as usage_store
from allmende.services.billing.usage.store import Reported

UNTIL = NOW + dt.timedelta(seconds=60)


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    return await desk(BillingHandler(register("desy", "lrz"), 60))


def at(moment: str) -> dt.datetime:
    return dt.datetime.fromisoformat(moment)


async def learn(desk: Desk, *bookings: BookingConfirmed) -> None:
    async with desk.engine.begin() as tx:
        await store.save_bookings(tx, bookings)


async def save(desk: Desk, *records: UsageRecord, parked: bool = False, source: str = "lrz") -> None:
    reported = [Reported(source, each, "booking" if parked else None) for each in records]
    async with desk.engine.begin() as tx:
        assert await usage_store.take(tx, reported, until=UNTIL, now=NOW) == []


async def sums(desk: Desk, period: str = "2026-04") -> list[Sum]:
    async with desk.engine.begin() as tx:
        found = await rating_store.sums(tx, span_with(period, "month"))
    return sorted(found, key=lambda each: (each.booking_id, each.meter))


async def test_the_database_sums_exactly_by_booking_and_meter(billing: Desk) -> None:
    two = tariff(component(), component(id="disk", measure="disk"))
    await learn(billing, booking(1, tariff=two), booking(2, tariff=two))
    await save(
        billing,
        record("1", "0.1"),
        record("2", "0.2", start=at("2026-03-31T22:00:00Z")),
        record("3", "999999999999999.999999999", meter="disk", start=at("2026-04-30T21:59:59Z")),
        record("4", 7, booking_id=uid(2)),
        record("5", 50, start=at("2026-04-30T22:00:00Z")),
        record("6", 50, start=at("2026-03-31T21:59:59Z")),
    )
    await save(billing, record("7", 70), parked=True)
    first, last = dt.date(2026, 4, 1), dt.date(2026, 4, 30)
    tenth = dt.date(2026, 4, 10)
    assert await sums(billing) == [
        Sum(uid(1), "disk", Decimal("999999999999999.999999999"), 1, last, last),
        Sum(uid(1), "hours", Decimal("0.3"), 2, first, tenth),
        Sum(uid(2), "hours", Decimal(7), 1, tenth, tenth),
    ]
    (may,) = await sums(billing, "2026-05")
    assert (int(may.quantity), may.first_day) == (50, dt.date(2026, 5, 1))
    assert await sums(billing, "2026-06") == []


async def test_usage_is_summed_by_the_terms_of_its_day(billing: Desk) -> None:
    await learn(billing, booking(1), booking(2))
    async with billing.engine.begin() as tx:
        later = [(1, "2026-04-20"), (2, "2026-04-10"), (3, "2026-04-25"), (4, "2026-04-25")]
        later.append((7, "2026-05-01"))
        await store.save_amendments(tx, [amended(number, start) for number, start in later])
    days = [f"2026-04-{number:02d}" for number in range(1, 31)]
    await save(billing, *(record(each, 1, start=noon(each)) for each in days))
    await save(billing, record("other", 5, booking_id=uid(2)))
    april = span_with("2026-04", "month")
    async with billing.engine.begin() as tx:
        histories = await rating_store.histories(tx, rating_store.Tariffs(), [uid(1), uid(2)])
        found = await rating_store.sums(tx, april)
        parted = {
            id_: plan(histories[id_], april, [each for each in found if each.booking_id == id_])
            for id_ in (uid(1), uid(2))
        }
        readings, pieces, lost = parted[uid(1)]
        measured = await rating_store.measure(tx, april, pieces)
    assert (readings, lost) == ([], [])
    assert [
        (
            each.rated.terms.number,
            int(each.measured.quantity),
            each.measured.records,
            each.measured.first_day.day,
            each.measured.last_day.day,
        )
        for each in measured
    ] == [(0, 9, 9, 1, 9), (2, 15, 15, 10, 24), (4, 6, 6, 25, 30)]
    (other,), apart, _ = parted[uid(2)]
    assert (int(other.measured.quantity), other.rated.terms.number, len(apart)) == (5, 0, 0)
