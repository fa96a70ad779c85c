"""Bookings and periods on a real PostgreSQL."""

import asyncio
import datetime as dt

import pytest
from support.builders import NOW, booking, component, decimals, register, tariff, uid
from support.desk import Desk, NewDesk
from support.histories import amended, breach, changed, noon

from allmende.schemas.brokerage import BookingConfirmed
from allmende.services.billing import store
from allmende.services.billing.booking import Booking
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.period import period_of


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    return await desk(BillingHandler(register("desy", "lrz"), 60))


def at(moment: str) -> dt.datetime:
    return dt.datetime.fromisoformat(moment)


async def learn(desk: Desk, *bookings: BookingConfirmed) -> None:
    async with desk.engine.begin() as tx:
        await store.save_bookings(tx, bookings)


async def test_bookings_come_back_as_they_were_and_the_first_stays(billing: Desk) -> None:
    rich = booking(
        1,
        consumer_class="B",
        quantities=decimals({"cores": "1.50"}),
        end=dt.date(2027, 1, 1),
        tariff=tariff(component("0.000000001", per="999999999999999.999999999")),
    )
    await learn(billing, rich, booking(2))
    await learn(billing, booking(1, consumer="gsi"))
    async with billing.engine.begin() as tx:
        found = await store.load_bookings(tx, [uid(1), uid(2), uid(3), uid(1)])
    assert found == {uid(1): Booking(rich), uid(2): Booking(booking(2))}


async def test_both_calendars_of_berlin_agree(billing: Desk) -> None:
    changes = [at(f"{year}-{day}T00:30:00Z") for year in (1996, 2005, 2026) for day in ("03-31", "10-27")]
    moments = [start + dt.timedelta(minutes=30 * step) for start in changes for step in range(-4, 6)]
    moments += [
        at(f"20{year:02d}-{month:02d}-01T00:00:00Z") for year in range(0, 99, 7) for month in (1, 4, 7, 11)
    ]
    moments += [moment - dt.timedelta(hours=hours) for moment in moments[-60:] for hours in (1, 2)]
    moments += [at("1990-01-01T00:00:00Z"), at("2199-12-31T22:59:59Z")]
    rows = await billing.rows(
        "select to_char(m at time zone 'Europe/Berlin', 'YYYY-MM')"
        " from unnest(cast(:moments as timestamptz[])) m",
        moments=moments,
    )
    assert [row[0] for row in rows] == [period_of(moment) for moment in moments]


async def test_bookings_are_looked_at_as_long_as_something_may_fall_due(billing: Desk) -> None:
    starts = ["2026-03-31", "2026-04-01", "2026-04-30", "2026-05-01"]
    await learn(billing, *(booking(n, start=dt.date.fromisoformat(day)) for n, day in enumerate(starts)))

    async def looked_at(period: str, next_look: dt.date | None) -> list[str]:
        async with billing.engine.begin() as tx:
            found = [each.id for each in await store.lock_open(tx, period)]
            await store.save_open_from(tx, dict.fromkeys(found, next_look))
            return found

    assert await looked_at("2026-04", dt.date(2026, 6, 1)) == [uid(0), uid(1), uid(2)]
    assert await looked_at("2026-04", None) == []
    assert await looked_at("2026-05", None) == [uid(3)]
    assert await looked_at("2026-06", None) == [uid(0), uid(1), uid(2)], "and no more after that"
    assert await looked_at("2026-12", None) == []


async def test_what_is_told_of_bookings_comes_back_whatever_came_first(billing: Desk) -> None:
    terms, change = amended(2, "2026-05-01", quantities=decimals({"cores": 3})), changed(1)
    async with billing.engine.begin() as tx:
        await store.save_changes(tx, [change, change])
        await store.save_amendments(tx, [terms, terms])
        assert await store.load_bookings(tx, [uid(1)]) == {}
    await learn(billing, booking(1), booking(2))
    async with billing.engine.begin() as tx:
        await store.save_amendments(tx, [amended(2, "2026-09-01"), amended(1, "2026-06-01")])
        await store.save_changes(tx, [changed(1, state="cancelled")])
        assert await store.load_bookings(tx, [uid(1), uid(2)]) == {
            uid(1): Booking(booking(1), (amended(1, "2026-06-01"), terms), (change,)),
            uid(2): Booking(booking(2)),
        }, "what is numbered like something known is known"


async def test_a_booking_is_looked_at_again_when_something_is_told_of_it(billing: Desk) -> None:
    await learn(billing, booking(1), booking(2))

    async def looked_at(period: str = "2026-04") -> list[tuple[str, dt.date]]:
        async with billing.engine.begin() as tx:
            found = await store.lock_open(tx, period)
            await store.save_open_from(tx, {each.id: dt.date(2026, 7, 1) for each in found})
            return [(each.id, each.since) for each in found]

    start = dt.date(2026, 4, 1)
    assert await looked_at() == [(uid(1), start), (uid(2), start)]
    assert await looked_at() == []
    async with billing.engine.begin() as tx:
        await store.save_changes(tx, [changed(1), changed(1, booking(9))])
    assert await looked_at() == [(uid(1), start)]
    async with billing.engine.begin() as tx:
        await store.save_amendments(tx, [amended(2, "2026-09-01", booking(2))])
    assert await looked_at() == [(uid(2), start)]
    assert await looked_at() == []
    assert await looked_at("2026-07") == [(uid(1), dt.date(2026, 7, 1)), (uid(2), dt.date(2026, 7, 1))]


async def test_compensations_and_credits_are_taken_once(billing: Desk) -> None:
    async with billing.engine.begin() as tx:
        may, june = noon("2026-05-31"), noon("2026-06-01")
        owed = [changed(1, changed_at=may, compensation_cents=5), changed(2, changed_at=june)]
        owed.append(changed(3, changed_at=june, compensation_cents=-5))
        await store.save_changes(tx, owed)
        await store.save_breaches(tx, [breach(80), breach(81, 0), breach(80, 7)])
        assert await store.charge_compensations(tx, "2026-04") == []
        assert await store.charge_compensations(tx, "2026-05") == [owed[0]]
        assert await store.charge_compensations(tx, "2026-12") == [owed[2]]
        assert await store.charge_compensations(tx, "2026-12") == []
        assert await store.give_credits(tx, "2026-03") == []
        assert await store.give_credits(tx, "2026-05") == [breach(80)]
        assert await store.give_credits(tx, "2026-05") == []


async def test_a_period_is_open_until_it_is_closed(billing: Desk) -> None:
    async with billing.engine.begin() as tx:
        assert await store.closed_periods(tx, ["2026-04", "2026-03", "2026-04"]) == set()
        assert await store.closed_periods(tx, []) == set()
        assert not await store.lock_period(tx, "2026-04")
        await store.close_period(tx, "2026-04", NOW)
    async with billing.engine.begin() as tx:
        assert await store.closed_periods(tx, ["2026-04", "2026-03"]) == {"2026-04"}
        assert await store.lock_period(tx, "2026-04")


async def test_closing_waits_for_those_who_add_and_they_for_it(billing: Desk) -> None:
    async def closing() -> bool:
        async with billing.engine.begin() as tx:
            return await store.lock_period(tx, "2026-04")

    async def adding() -> set[str]:
        async with billing.engine.begin() as tx:
            return await store.closed_periods(tx, ["2026-04"])

    await adding()
    async with billing.engine.begin() as tx:
        await store.closed_periods(tx, ["2026-04"])
        assert await adding() == set(), "those who add do not wait for each other"
        waiting = asyncio.create_task(closing())
        await asyncio.sleep(0.1)
        assert not waiting.done()
    assert await waiting is False

    async with billing.engine.begin() as tx:
        await store.lock_period(tx, "2026-04")
        late = asyncio.create_task(adding())
        await asyncio.sleep(0.1)
        assert not late.done()
        await store.close_period(tx, "2026-04", NOW)
    assert await late == {"2026-04"}
