"""What is disputed stays out of payment and changes nothing else; once it is decided, all comes out right."""

import datetime as dt
from collections import Counter

import pytest
from support.bodies import STANDARD, UNSIGNED
from support.builders import booking, command, fact, record, report, uid
from support.desk import Desk, NewDesk, codes
from support.reviews import by, deciding, lines_of, market, objecting, settle

from allmende.schemas.payments import ArrangePayments, NettingDone
from allmende.services.billing.handlers import BillingHandler

TAXED = {"tax_rules": (STANDARD.model_copy(update={"valid_from": dt.date(2020, 1, 1)}),)}
MAY = dt.datetime(2026, 7, 1, 8, tzinfo=dt.UTC)
GROSS = 3_966
"""33.33 euro with 19 per cent, rounded once."""


async def issued(desk: NewDesk) -> Desk:
    """In April desy owes lrz by two bookings on one document, kit owes lrz, and lrz owes desy."""
    billing = await desk(BillingHandler(market(lrz=TAXED, desy=TAXED), 60))
    usage = {1: "33.33", 2: "66.66", 3: "50.01", 4: "70.07"}
    for number, consumer in enumerate(("desy", "desy", "kit"), 1):
        await billing.take(fact(booking(number, consumer=consumer), number))
    await billing.take(
        fact(booking(4, provider="desy", consumer="lrz", offering_id="desy/vm"), 4),
        *(
            command(
                "desy" if number == 4 else "lrz",
                report(record(f"r{number}", booking_id=uid(number), amount=amount)),
                number,
            )
            for number, amount in usage.items()
        ),
    )
    await settle(billing, "2026-04", 10)
    return billing


async def arrange(billing: Desk, number: int) -> NettingDone | None:
    """Net all that is open; None where nothing is."""
    command_ = by("office/anna", ArrangePayments(due_by=dt.date(2026, 12, 31), claim=UNSIGNED), number)
    facts = await billing.take(command_)
    assert await billing.take(command_) == [], "the same command a second time"
    done = facts[-1].data
    if isinstance(done, NettingDone):
        return done
    assert codes(facts) == ["nothing_to_net"]
    return None


def summed(*nettings: NettingDone | None) -> dict[str, int]:
    found: Counter[str] = Counter()
    for each in nettings:
        found.update(dict(each.positions) if each else {})
    return {party: cents for party, cents in sorted(found.items()) if cents}


async def undisputed(desk: NewDesk) -> dict[str, int]:
    return summed(await arrange(await issued(desk), 100))


async def number_of(billing: Desk, booking_id: str) -> int:
    return next(each.line for each in await lines_of(billing, "2026-04") if each.booking_id == booking_id)


async def test_only_both_sides_of_a_disputed_line_are_changed_and_by_its_gross(desk: NewDesk) -> None:
    expected = await undisputed(desk)
    billing = await issued(desk)
    await billing.take(by("desy/anna", objecting(await number_of(billing, uid(1))), 20))
    done = await arrange(billing, 100)
    assert done is not None
    assert done.disputed == 1
    found = summed(done)
    assert {
        party: found[party] - expected[party] for party in expected if found[party] != expected[party]
    } == {
        "desy": GROSS,
        "lrz": -GROSS,
    }


@pytest.mark.parametrize(
    ("decision", "credit", "given_back"),
    [("dismissed", None, 0), ("upheld", None, GROSS), ("upheld", 1_000, 1_190)],
)
async def test_once_it_is_decided_everybody_has_what_is_right(
    desk: NewDesk, decision: str, credit: int | None, given_back: int
) -> None:
    expected = await undisputed(desk)
    billing = await issued(desk)
    await billing.take(by("desy/anna", objecting(await number_of(billing, uid(1))), 20))
    first = await arrange(billing, 100)
    await billing.take(by("lrz/anna", deciding(20, decision, credit_cents=credit), 21))
    second = await arrange(billing, 101)
    assert summed(first, second) == {
        **expected,
        "desy": expected["desy"] + given_back,
        "lrz": expected["lrz"] - given_back,
    }, "what is credited waits for the run with the credit"
    assert (second.items if second else 0) == (1 if given_back < GROSS else 0)
    billing.now = MAY
    await settle(billing, "2026-05", 30)
    third = await arrange(billing, 102)
    assert summed(first, second, third) == {
        **expected,
        "desy": expected["desy"] + given_back,
        "lrz": expected["lrz"] - given_back,
    }
    assert (third.items if third else 0) == (2 if given_back else 0), "the rest of the line and its credit"
