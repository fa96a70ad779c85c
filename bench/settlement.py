"""A month of a whole cooperative: from its usage to every document, stage by stage.

Run as `python -m bench.settlement`. Forty members, each of which provides to every other, are 1,560 pairs.
`ALLMENDE_BENCH_RECORDS` says how many usage records there are, a million otherwise.
"""

import datetime as dt
import gc
import os
import statistics
import uuid

import uvloop

from allmende.schemas.brokerage import BookingConfirmed
from allmende.servicekit import database
from allmende.servicekit.testing import Sandbox
from allmende.services.billing import store
from allmende.services.billing.handlers import BillingHandler
from bench import closing, documents, office
from bench.market import names, servers

RECORDS = min(int(os.environ.get("ALLMENDE_BENCH_RECORDS", "1000000")), 1_000_000)
MEMBERS = names(40)
PAIRS = [(provider, consumer) for provider in MEMBERS for consumer in MEMBERS if provider != consumer]
BOOKINGS_EACH = 3
METERS = 2
ROUNDS = 3
PERIOD = "2026-01"


def _bookings() -> list[BookingConfirmed]:
    tariffs = [closing.tariff(number) for number in range(closing.TARIFFS)]
    return [
        BookingConfirmed(
            booking_id=str(uuid.UUID(int=number)),
            offering_id=f"{provider}/vm",
            offering_revision=1,
            plan_id="standard",
            provider=provider,
            consumer=consumer,
            consumer_class="ABC"[number % 3],
            quantities={},
            start=dt.date(2026, 1, 1),
            tariff=tariffs[number % len(tariffs)],
            confirmed_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
            state="in_progress",
        )
        for number, (provider, consumer) in enumerate(PAIRS * BOOKINGS_EACH)
    ]


async def measure(market: Sandbox) -> None:
    """Print what each stage takes."""
    engine = database.engine(market.databases["billing"])
    register = office.with_bodies(office.with_persons(market.register))
    handler = BillingHandler(register, 60)
    bookings = _bookings()
    for start in range(0, len(bookings), 1_000):
        async with engine.begin() as tx:
            await store.save_bookings(tx, bookings[start : start + 1_000])
    # As in a service: a run makes many objects that live for long.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    await closing.fill_usage(market, PERIOD, RECORDS, METERS)
    print(f"a month of {len(MEMBERS)} members, {len(PAIRS):,} pairs, {RECORDS:,} usage records")
    floors, ratings, lines = [], [], 0
    for _ in range(ROUNDS):
        floors.append(await closing.aggregated(engine, PERIOD))
        took, lines = await closing.rated(engine, PERIOD)
        ratings.append(took)
    ratio = statistics.median(each / floor for each, floor in zip(ratings, floors, strict=True))
    _stage("aggregation in SQL", statistics.median(floors))
    _stage("rating", statistics.median(ratings), f"{lines:,} lines; {ratio:.2f} times the aggregation")
    drafting, issuing = await office.settle(engine, handler, PERIOD)
    _stage("draft", drafting, "rating, VAT, alerts, lines kept")
    _stage("issue", issuing, "documents numbered, statements, postings")
    made = await documents.make(engine, register)
    for each in made:
        _stage(each.kind, each.seconds, each.line)
    _stage("from close to all documents", drafting + issuing + sum(each.seconds for each in made))
    await engine.dispose()


def _stage(name: str, seconds: float, about: str = "") -> None:
    print(f"  {name:28} {seconds:8.2f} s  {about}".rstrip(), flush=True)


async def main() -> None:
    """Measure in a market of its own."""
    async with servers() as found, found.market(len(MEMBERS)) as market:
        await measure(market)


if __name__ == "__main__":
    uvloop.run(main())
