"""The turn of 2026 to 2027, when § 2b UStG replaces § 2 Abs. 3 UStG as it was, through whole runs."""

import datetime as dt

import pytest
from support.bodies import NOT_TAXABLE, STANDARD, closing, embodied
from support.builders import booking, command, fact, record, register, report
from support.desk import Desk, NewDesk

from allmende.schemas.bodies import TaxRule
from allmende.services.billing.handlers import BillingHandler

DECEMBER = dt.datetime(2026, 12, 10, 12, tzinfo=dt.UTC)
JANUARY = dt.datetime(2027, 1, 10, 12, tzinfo=dt.UTC)
MARCH = dt.datetime(2027, 3, 1, 8, tzinfo=dt.UTC)


def by(*rules: TaxRule) -> BillingHandler:
    return BillingHandler(embodied(register("desy", "lrz"), lrz={"tax_rules": rules}), 60)


async def lines(desk: Desk) -> list[tuple[object, ...]]:
    return await desk.rows(
        "select i.period, l.document->>'cause', l.service_year, l.category, l.net_cents, i.tax_cents"
        " from invoice_line l join invoice i using (invoice_id)"
        " order by i.period, l.service_year, l.net_cents"
    )


@pytest.fixture
async def december(desk: NewDesk) -> Desk:
    """A run of December 2026 with five hours, issued in January 2027."""
    found = await desk(by(NOT_TAXABLE, STANDARD), now=MARCH)
    await found.take(
        fact(booking(start=dt.date(2026, 12, 1)), 1),
        command("lrz", report(record(amount=5, start=DECEMBER)), 2),
        *closing("2026-12", 3),
    )
    return found


async def test_what_was_supplied_in_2026_and_is_billed_in_february_2027_is_not_taxed(december: Desk) -> None:
    late, of_january = record("r2", 300, start=DECEMBER), record("r3", 100, start=JANUARY)
    await december.take(command("lrz", report(late), 10), command("lrz", report(of_january), 11))
    await december.take(*closing("2027-01", 20))
    await december.take(*closing("2027-02", 30))
    assert await lines(december) == [
        ("2026-12", "regular", 2026, "O", 500, 0),
        ("2027-01", "reversal", 2026, "O", -500, 0),
        ("2027-01", "regular", 2026, "O", 30_500, 0),
        ("2027-01", "regular", 2027, "S", 10_000, 1_900),
    ]


async def test_a_reversal_keeps_its_treatment_though_the_rules_were_changed(
    december: Desk, desk: NewDesk
) -> None:
    always = STANDARD.model_copy(update={"valid_from": dt.date(2020, 1, 1)})
    changed = await desk(by(always), now=MARCH, shares=december)
    await changed.take(command("lrz", report(record("r2", 1, start=DECEMBER)), 10))
    await changed.take(*closing("2027-01", 20))
    assert await lines(changed) == [
        ("2026-12", "regular", 2026, "O", 500, 0),
        ("2027-01", "reversal", 2026, "O", -500, 0),
        ("2027-01", "regular", 2026, "S", 600, 114),
    ]
    ((told,),) = await changed.rows(
        "select document->'treatments'->0->>'basis' from invoice where kind = 'credit_note'"
    )
    assert told == NOT_TAXABLE.basis
