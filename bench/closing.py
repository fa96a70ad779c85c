"""Closing a month: rating beside the SQL aggregation of the same records, then the run's draft and issue.

Run as `python -m bench.closing`; `ALLMENDE_BENCH_RECORDS` says how many records at most.
"""

import datetime as dt
import gc
import os
import statistics
import time
import uuid
from collections.abc import Mapping
from decimal import Decimal

import uvloop
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from allmende.schemas.brokerage import BookingConfirmed
from allmende.schemas.tariff import (
    Component,
    Included,
    PerUnit,
    Price,
    QuantityRounding,
    QuantityRule,
    Tariff,
    Tier,
    Tiered,
)
from allmende.servicekit import database
from allmende.servicekit.testing import Sandbox
from allmende.services.billing import store
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.rating import store as rating_store
from allmende.services.billing.settlement.collecting import charge_usage
from bench import office
from bench.market import names, servers

RECORDS = int(os.environ.get("ALLMENDE_BENCH_RECORDS", "3000000"))
SIZES = ((10_000, 2), (100_000, 2), (1_000_000, 2), (3_000_000, 2), (1_000_000, 6))
"""Records of the month, and how many meters of each booking they are of."""
ROUNDS = 5
BOOKINGS = 10_000
TARIFFS = 24
METERS = 6
MEMBERS = names(40)
_FIRST = dt.date(2026, 1, 1)
# What a line says of its usage: the quantity, the number of records, the first and the last day.
_FLOOR = text("""
    select booking_id, meter, sum(quantity), count(*),
           (min(started_at) at time zone 'Europe/Berlin')::date,
           (max(started_at) at time zone 'Europe/Berlin')::date
    from usage_record
    where state = 'recorded' and period = :period group by booking_id, meter
""")

# Every booking has each meter, records lie evenly over the month; quantities have three decimal places.
_FILL = text("""
    insert into usage_record (source, record_id, booking_id, meter, quantity, started_at, ended_at, period,
                              state, received_at)
    select b.provider, :period || '-' || n, b.booking_id, 'm' || (n / :bookings % :meters),
           ((n::bigint * 7919 % 100000)::numeric / 1000)::numeric(12, 3), s.at, s.at, :period,
           'recorded', now()
    from generate_series(0, cast(:records as int) - 1) n
    join (select booking_id, provider, row_number() over (order by booking_id) - 1 as place from booking) b
      on b.place = n % :bookings
    cross join lateral (
        select (cast(:first as date) + (n::bigint * 28 / :records)::int)::timestamptz
               + interval '12 hours' as at
    ) s
""")


def tariff(number: int) -> Tariff:
    """One of 24: plain prices, tiers of both kinds, allowances, roundings, prices by class."""
    prices: list[Mapping[str, object]] = [
        {"price": PerUnit(amount=Decimal("0.123") + number)},
        {"price": _tiers("graduated", number)},
        {"price": _tiers("volume", number)},
        {"price_by_class": {name: PerUnit(amount=Decimal(place + 1)) for place, name in enumerate("ABC")}},
        {
            "price": PerUnit(amount=Decimal("0.50"), per=Decimal(10)),
            "quantity": QuantityRule(included=Included(quantity=Decimal(100 + number))),
        },
        {
            "price": PerUnit(amount=Decimal("1.10")),
            "quantity": QuantityRule(round=QuantityRounding(to=Decimal(100), mode="up")),
        },
    ]
    return Tariff(
        version=1,
        valid_from=_FIRST,
        class_scheme="klassen",
        components=tuple(
            Component(
                id=f"c{meter}",
                title=f"Position {meter}",
                billing="usage",
                measure=f"m{meter}",
                unit="h",
                **prices[(meter + number) % len(prices)],  # type: ignore[arg-type]
            )
            for meter in range(METERS)
        ),
    )


def _tiers(mode: str, number: int) -> Price:
    return Tiered(
        mode=mode,  # type: ignore[arg-type]
        tiers=(
            Tier(up_to=Decimal(100 + number), amount=Decimal("2.00")),
            Tier(up_to=Decimal(1_000), amount=Decimal("1.50")),
            Tier(amount=Decimal("1.25"), flat=Decimal(5)),
        ),
    )


async def fill_bookings(engine: AsyncEngine) -> None:
    """Make billing know the bookings, by the way it learns of them."""
    tariffs = [tariff(number) for number in range(TARIFFS)]
    for start in range(0, BOOKINGS, 1_000):
        some = [_booking(number, tariffs[number % TARIFFS]) for number in range(start, start + 1_000)]
        async with engine.begin() as tx:
            await store.save_bookings(tx, some)


def _booking(number: int, agreed: Tariff) -> BookingConfirmed:
    provider = MEMBERS[number % len(MEMBERS)]
    return BookingConfirmed(
        booking_id=str(uuid.UUID(int=number)),
        offering_id=f"{provider}/vm",
        offering_revision=1,
        plan_id="standard",
        provider=provider,
        consumer=MEMBERS[(number + 1 + number // len(MEMBERS) % (len(MEMBERS) - 1)) % len(MEMBERS)],
        consumer_class="ABC"[number % 3],
        quantities={},
        start=_FIRST,
        tariff=agreed,
        confirmed_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        state="in_progress",
    )


async def fill_usage(market: Sandbox, period: str, records: int, meters: int) -> None:
    """Spread records of a month evenly over all bookings and so many meters of each."""
    async with market.admin("billing") as admin:
        bookings = await admin.fetchval("select count(*) from booking")
        values = {"period": period, "records": records, "bookings": bookings, "meters": meters}
        first = dt.date.fromisoformat(f"{period}-01")
        statement, given = _positional(_FILL.text, {**values, "first": first})
        await admin.execute(statement, *given)
        await admin.execute("vacuum analyze")


async def rated(engine: AsyncEngine, period: str) -> tuple[float, int]:
    """Rate a month and forget it again. Returns seconds and lines."""
    tariffs = rating_store.Tariffs()
    async with engine.connect() as tx:
        started = time.perf_counter()
        used = await charge_usage(tx, tariffs, period, [], dt.datetime.now(dt.UTC))
        took = time.perf_counter() - started
        await tx.rollback()
    return took, len(used.lines)


async def aggregated(engine: AsyncEngine, period: str) -> float:
    """Sum up the same records in plain SQL and fetch the rows."""
    started = time.perf_counter()
    async with engine.begin() as tx:
        (await tx.execute(_FLOOR, {"period": period})).all()
    return time.perf_counter() - started


async def measure(market: Sandbox) -> None:
    """Print the curve: aggregation, rating, draft and issue by number of records."""
    # As in a service: rating makes many objects that live for long.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    engine = database.engine(market.databases["billing"])
    handler = BillingHandler(office.with_persons(market.register), 60)
    await fill_bookings(engine)
    print(f"closing a month: {BOOKINGS:,} bookings, {TARIFFS} tariffs; seconds")
    print("   records    lines  aggregation   rating  ratio    draft    issue")
    for number, (size, meters) in enumerate(each for each in SIZES if each[0] <= RECORDS):
        period = f"2026-{number + 1:02d}"
        await fill_usage(market, period, size, meters)
        floors, ratings, lines = [], [], 0
        for _ in range(ROUNDS):
            floors.append(await aggregated(engine, period))
            took, lines = await rated(engine, period)
            ratings.append(took)
        ratio = statistics.median(each / floor for each, floor in zip(ratings, floors, strict=True))
        floor, rating = statistics.median(floors), statistics.median(ratings)
        draft, issue = await office.settle(engine, handler, period)
        print(
            f"{size:10,} {lines:8,} {floor:12.2f} {rating:8.2f} {ratio:6.2f} {draft:8.2f} {issue:8.2f}",
            flush=True,
        )
    await engine.dispose()


def _positional(statement: str, values: Mapping[str, object]) -> tuple[str, list[object]]:
    """Turn named parameters into those of the driver."""
    names_ = list(values)
    for place, name in enumerate(names_, 1):
        statement = statement.replace(f":{name}", f"${place}")
    return statement, [values[name] for name in names_]


async def main() -> None:
    """Measure in a market of its own."""
    async with servers() as found, found.market(len(MEMBERS)) as market:
        await measure(market)


if __name__ == "__main__":
    uvloop.run(main())
