"""Billing's tables on a real PostgreSQL."""

import asyncio
import datetime as dt
from decimal import Decimal

import pytest
from sqlalchemy.exc import IntegrityError
from support.builders import NOW, booking, component, decimals, key, record, register, tariff, uid
from support.desk import Desk, NewDesk
from support.histories import amended, breach, changed, noon

from allmende.schemas.billing import ChargeLevy, UsageRecord
from allmende.schemas.brokerage import BookingConfirmed
from allmende.services.billing import books, levy, meters, settlement, store
from allmende.services.billing.booking import Booking
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.meters import Reported
from allmende.services.billing.period import period_of
from allmende.services.billing.usage import Counted, count

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
        assert await meters.take(tx, reported, until=UNTIL, now=NOW) == []


async def counted(desk: Desk, period: str = "2026-04") -> list[Counted]:
    async with desk.engine.begin() as tx:
        return count(await store.metered_in(tx, period))


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
    first, second = await counted(billing)
    known = Booking(booking(1, tariff=two))
    assert first == Counted(
        known,
        known.history[0],
        {"hours": Decimal("0.3"), "disk": Decimal("999999999999999.999999999")},
        {"hours": 2, "disk": 1},
        dt.date(2026, 4, 1),
        dt.date(2026, 4, 30),
    )
    assert (second.booking.confirmed.booking_id, dict(second.quantities), dict(second.records)) == (
        uid(2),
        decimals({"hours": 7}),
        {"hours": 1},
    )
    (may,) = await counted(billing, "2026-05")
    assert (dict(may.quantities), may.first_day) == (decimals({"hours": 50}), dt.date(2026, 5, 1))
    assert await counted(billing, "2026-06") == []


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


async def test_usage_is_summed_by_the_terms_of_its_day(billing: Desk) -> None:
    await learn(billing, booking(1), booking(2))
    async with billing.engine.begin() as tx:
        later = [(1, "2026-04-20"), (2, "2026-04-10"), (3, "2026-04-25"), (4, "2026-04-25")]
        later.append((7, "2026-05-01"))
        await store.save_amendments(tx, [amended(number, start) for number, start in later])
    days = [f"2026-04-{number:02d}" for number in range(1, 31)]
    await save(billing, *(record(each, 1, start=noon(each)) for each in days))
    await save(billing, record("other", 5, booking_id=uid(2)))
    async with billing.engine.begin() as tx:
        found = await store.metered_in(tx, "2026-04")
    assert [
        (each.terms, int(each.quantity), each.records, each.first_day.day, each.last_day.day)
        for each in found
    ] == [
        (0, 9, 9, 1, 9),
        (2, 15, 15, 10, 24),
        (4, 6, 6, 25, 30),
        (0, 5, 1, 10, 10),
    ]
    known = found[0].booking
    assert [known.terms_on(dt.date.fromisoformat(each)).number for each in days] == [
        *[0] * 9,
        *[2] * 15,
        *[4] * 6,
    ]


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


async def test_a_levy_comes_back_as_it_was(billing: Desk) -> None:
    command = ChargeLevy(period="2026-04", title="Büro", amount_cents=10**15, key=key({"desy": 1, "lrz": 2}))
    charged = levy.charge(command, uid(5), lands={"desy": None, "lrz": None}, period_is_closed=False)
    assert isinstance(charged, levy.Levy)
    async with billing.engine.begin() as tx:
        await store.save_levy(tx, charged, NOW)
        assert await store.levies_of(tx, "2026-04") == [charged]
        assert await store.levies_of(tx, "2026-05") == []


async def test_books_come_back_page_by_page(billing: Desk) -> None:
    usage = [
        Counted(each, each.history[0], {"hours": Decimal(n)}, {"hours": 1}, NOW.date(), NOW.date())
        for n, consumer in enumerate(["desy", "desy", "kit"], 1)
        for each in [Booking(booking(n, consumer=consumer))]
    ]
    closings = [
        settlement.close(
            uid(70 + month),
            f"2026-0{month}",
            members=["desy", "kit", "lrz"],
            clearing_house="office",
            counted=usage[:month],
            charges=[],
            levies=[],
            now=NOW,
        )
        for month in (1, 2, 3)
    ]
    async with billing.engine.begin() as tx:
        for closing in closings:
            await books.save(tx, closing)
    async with billing.engine.connect() as tx:
        newest = [closings[2].settlement, closings[1].settlement]
        assert await books.settlements(tx, 2) == newest
        assert await books.statement(tx, "2026-03", "kit") == closings[2].statements[1]
        assert await books.statement(tx, "2026-03", "gsi") is None
        assert await books.statement(tx, "2026-04", "kit") is None

        async def lines(member: str, after: int = 0) -> list[int]:
            found = await books.lines(tx, period="2026-03", member=member, after=after, limit=2)
            assert all(member in {line.payer, line.payee} and line in closings[2].lines for line in found)
            return [line.line for line in found]

        assert [await lines("lrz"), await lines("lrz", 2)] == [[1, 2], [3]]
        assert [await lines("desy"), await lines("kit"), await lines("office")] == [[1, 2], [3], []]
    with pytest.raises(IntegrityError, match="settlement"):
        async with billing.engine.begin() as tx:
            await books.save(tx, closings[0])
