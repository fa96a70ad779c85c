"""One booking all the way to a settlement, on real servers."""

import datetime as dt
from decimal import Decimal

from support.fixtures import Connect, NewMarket
from support.issuing import issue

from allmende.schemas.billing import UsageRecord, UsageRecorded
from allmende.schemas.brokerage import BookingConfirmed
from allmende.schemas.catalog import Offering, OfferingPublished, Plan
from allmende.schemas.tariff import Component, PerUnit, Tariff

COMPUTE = Offering(
    offering_id="lrz/compute",
    title="Rechenzeit",
    category="compute",
    plans=(
        Plan(
            plan_id="standard",
            title="Standard",
            tariffs=(
                Tariff(
                    version=1,
                    valid_from=dt.date(2005, 1, 1),
                    components=(
                        Component(
                            id="walltime",
                            title="Kernstunden",
                            billing="usage",
                            measure="walltime",
                            unit="s",
                            price=PerUnit(amount=Decimal("0.03"), per=Decimal(3600)),
                        ),
                    ),
                ),
            ),
        ),
    ),
)


async def test_a_booking_becomes_a_settlement(sandbox: NewMarket, member: Connect) -> None:
    market = await sandbox("desy", "lrz")
    await market.start()
    desy, lrz, office = [await member(market, name) for name in ("desy", "lrz", "office")]

    assert isinstance(await lrz.publish(COMPUTE), OfferingPublished)
    booking = await desy.book("lrz/compute", "standard", start=dt.date(2005, 11, 20))
    assert isinstance(booking, BookingConfirmed)
    record = UsageRecord(
        id="job-1",
        booking_id=booking.booking_id,
        meter="walltime",
        quantity=Decimal(360_000),
        start=dt.datetime(2005, 11, 20, tzinfo=dt.UTC),
        end=dt.datetime(2005, 11, 21, tzinfo=dt.UTC),
    )
    assert await lrz.report_usage([record]) == UsageRecorded(accepted=1, repeated=0, parked=0, refused=())
    settlement = await issue(market, office, "2005-11")

    assert {p.party: p.net_cents for p in settlement.positions} == {"desy": -300, "lrz": 300, "office": 0}
