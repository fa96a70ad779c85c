"""Two months on a real market, settled, with one entry taken back; and their journal as files."""

import asyncio
import datetime as dt
from decimal import Decimal
from pathlib import Path

from sqlalchemy.ext.asyncio import create_async_engine
from support.builders import component, key, offering, plan, tariff
from support.fixtures import Connect, NewMarket
from support.issuing import issue

from allmende.client import cli
from allmende.schemas.billing import LevyCharged, UsageRecord, UsageRecorded
from allmende.schemas.brokerage import BookingConfirmed
from allmende.schemas.catalog import OfferingPublished
from allmende.schemas.journal import JournalEntry
from allmende.servicekit.database import async_url
from allmende.servicekit.testing import Sandbox
from allmende.services.billing.ledger import store as ledger_store

CONSUMERS = ("desy", "gsi", "kit")
PERIODS = ("2005-11", "2005-12")
ENTRIES = 2 * (len(CONSUMERS) + len(CONSUMERS) + 1) + 1


async def settled(sandbox: NewMarket, member: Connect) -> Sandbox:
    """Three members compute at a fourth and pay the office's levy for two months."""
    market = await sandbox(*CONSUMERS, "lrz")
    await market.start()
    lrz, office = await member(market, "lrz"), await member(market, "office")
    hours = tariff(component("0.03", unit="h"))
    assert isinstance(
        await lrz.publish(offering(plan(hours, order=()), id_="lrz/compute")), OfferingPublished
    )
    bookings = {}
    for name in CONSUMERS:
        consumer = await member(market, name)
        bookings[name] = await consumer.book("lrz/compute", "standard", start=dt.date(2005, 11, 1))
    for period in PERIODS:
        moment = dt.datetime.fromisoformat(f"{period}-20T12:00:00+00:00")
        records = [
            UsageRecord(
                id=f"{period} {name}",
                booking_id=booking.booking_id,
                meter="hours",
                quantity=Decimal(1_000 * number + 7),
                start=moment,
                end=moment,
            )
            for number, (name, booking) in enumerate(bookings.items(), 1)
            if isinstance(booking, BookingConfirmed)
        ]
        told = await lrz.report_usage(records)
        assert isinstance(told, UsageRecorded)
        assert told.accepted == len(CONSUMERS)
        by = key(dict.fromkeys((*CONSUMERS, "lrz"), 1), effective_from=dt.date(2005, 1, 1))
        assert isinstance(await office.charge_levy(period, "Geschäftsstelle", 100_001, by), LevyCharged)
        await issue(market, office, period)
    await reverse_one(market)
    return market


async def reverse_one(market: Sandbox) -> JournalEntry:
    """Take the second entry back, for a reason that every format has to cope with."""
    engine = create_async_engine(async_url(market.databases["billing"]))
    async with engine.begin() as tx:
        second = (await ledger_store.links(tx, after=1, limit=1))[0][0].entry_id
        now = dt.datetime(2026, 1, 7, 9, 30, tzinfo=dt.UTC)
        reason = 'Zähler, "vertauscht"; siehe C:\\Akte | Blatt 2'
        found = await ledger_store.reverse(tx, second, reason=reason, on=dt.date(2006, 1, 31), now=now)
    await engine.dispose()
    assert isinstance(found, JournalEntry)
    return found


async def command(market: Sandbox, who: str, *arguments: str) -> int:
    """Run the command line as a member."""
    connection = ("--url", market.url, "--member", who, "--key", str(market.key_file(who)))
    return await asyncio.to_thread(cli.run, (*arguments, *connection))


async def exported(market: Sandbox, form: str, to: Path, *more: str, who: str = "office") -> str:
    """Write the journal by the command line and read the file."""
    assert await command(market, who, "ledger", "export", "--format", form, "--to", str(to), *more) == 0
    return to.read_text("utf-8")
