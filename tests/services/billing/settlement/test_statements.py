"""Closing a period, purely: lines, statements and positions, whatever the order of the input."""

import dataclasses
import datetime as dt
import random
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import NOW, booking, component, decimals, key, tariff, uid
from support.settled import Closing, close
from support.usage import rated

from allmende.schemas.billing import ChargeLevy, ChargeLine
from allmende.schemas.brokerage import BookingConfirmed
from allmende.services.billing.booking import Booking
from allmende.services.billing.rating.metering import Sum, plan, span_with
from allmende.services.billing.rating.reckoning import reckon
from allmende.services.billing.rating.rerating import rate
from allmende.services.billing.settlement.levy import Levy, charge

PERIOD = "2026-04"
MEMBERS = ("desy", "gsi", "kit", "lrz")
ONCE = tariff(
    component("25.00", id="setup", title="Einrichtung", billing="one_time", measure="cores", unit="Kern"),
    component("0.03"),
)


def used(each: BookingConfirmed, hours: int | str = 10, records: int = 2) -> list[ChargeLine]:
    first, last = dt.date(2026, 4, 3), dt.date(2026, 4, 28)
    found = Sum(each.booking_id, "hours", Decimal(hours), records, first, last)
    month = span_with(PERIOD, "month")
    readings, _, _ = plan(rated(each), month, [found])
    return list(rate(readings, month, PERIOD, {}).lines.values())


def charged(each: BookingConfirmed) -> list[ChargeLine]:
    return list(reckon(Booking(each), [], since=each.start, period=PERIOD).lines)


def levy(amount: int = 1_000, number: int = 900, **changes: Any) -> Levy:
    command = ChargeLevy(
        period=PERIOD,
        title="Geschäftsstelle",
        amount_cents=amount,
        key=key(dict.fromkeys(MEMBERS, 1), **changes),
    )
    found = charge(command, uid(number), lands=dict.fromkeys(MEMBERS), period_is_closed=False)
    assert isinstance(found, Levy)
    return found


def closed(
    charges: Sequence[ChargeLine] = (),
    levies: Sequence[Levy] = (),
    members: Sequence[str] = MEMBERS,
    usage_records: int = 0,
) -> Closing:
    return close(
        uid(99),
        PERIOD,
        members=members,
        clearing_house="office",
        usage_records=usage_records,
        charges=charges,
        levies=levies,
        now=NOW,
    )


def test_a_period_without_anything_closes_with_statements_over_nothing() -> None:
    found = closed()
    assert (found.settlement.lines, found.settlement.charges_cents, found.entries) == (0, 0, ())
    assert [statement.member for statement in found.statements] == [*MEMBERS, "office"]
    assert {statement.net_cents for statement in found.statements} == {0}


def test_usage_is_rated_by_the_terms_in_the_booking() -> None:
    found = closed(used(booking(tariff=ONCE), 1_000))
    (line,) = found.lines
    assert (line.kind, line.payer, line.payee, line.amount_cents) == ("charge", "desy", "lrz", 3_000)
    assert (line.component, line.quantity, line.unit, line.records) == ("hours", Decimal(1_000), "h", 2)
    assert (line.booking_id, line.offering_id, line.tariff_version) == (uid(1), "lrz/vm", 1)
    assert (line.service_from, line.service_to) == (dt.date(2026, 4, 3), dt.date(2026, 4, 28))


def test_what_is_charged_once_is_charged_for_the_bookings_that_start() -> None:
    four = booking(tariff=ONCE, quantities=decimals({"cores": 4}), end=dt.date(2026, 12, 31))
    found = closed(charged(four))
    (line,) = found.lines
    assert (line.component, line.amount_cents, line.records) == ("setup", 10_000, 0)
    assert (line.service_from, line.service_to) == (dt.date(2026, 4, 1), dt.date(2026, 12, 31))
    assert closed(used(four)).settlement.charges_cents == 30, "a booking that does not start now"


def test_levies_become_lines_between_members_and_the_clearing_house() -> None:
    found = closed(levies=[levy(1_001)])
    assert [(line.payer, line.payee, line.amount_cents) for line in found.lines] == [
        ("desy", "office", 251),
        ("gsi", "office", 250),
        ("kit", "office", 250),
        ("lrz", "office", 250),
    ]
    assert {(line.service_from, line.service_to) for line in found.lines} == {
        (dt.date(2026, 4, 1), dt.date(2026, 4, 30))
    }
    assert (found.settlement.levies_cents, found.settlement.charges_cents) == (1_001, 0)


@pytest.mark.parametrize(
    ("period", "last"), [("2024-02", 29), ("2026-02", 28), ("2025-12", 31), ("2026-01", 31)]
)
def test_a_levy_serves_its_whole_month(period: str, last: int) -> None:
    charged = levy()
    charged = dataclasses.replace(charged, fact=charged.fact.model_copy(update={"period": period}))
    assert {line.service_to.day for line in closed(levies=[charged]).lines} == {last}


def test_records_are_counted_once_though_two_components_charge_their_meter() -> None:
    energy = tariff(component("1.00"), component("0.10", id="energy", title="Strom"))
    found = closed(used(booking(tariff=energy), records=7), usage_records=7)
    assert [line.records for line in found.lines] == [7, 7]
    assert found.settlement.usage_records == 7


def test_whoever_has_a_position_gets_a_statement() -> None:
    found = closed(used(booking(consumer="left-us", tariff=ONCE), 1_000))
    assert {statement.member for statement in found.statements} == {*MEMBERS, "office", "left-us"}
    agree(found)


def test_numbers_and_ids_of_statements_are_their_own() -> None:
    found = closed()
    assert [statement.number for statement in found.statements] == [f"2026-04-{n:04d}" for n in range(1, 6)]
    assert len({statement.statement_id for statement in found.statements}) == 5
    assert closed() == found, "the same on replay"


def agree(found: Closing) -> None:
    """Lines, statements, positions and entries tell the same story."""
    positions = {position.party: position for position in found.settlement.positions}
    assert sum(position.net_cents for position in positions.values()) == 0
    assert sum(line.amount_cents for line in found.lines) == (
        found.settlement.charges_cents + found.settlement.levies_cents
    )
    for statement in found.statements:
        position = positions[statement.member]
        assert (statement.payable_cents, statement.receivable_cents, statement.net_cents) == (
            position.payable_cents,
            position.receivable_cents,
            position.net_cents,
        )
        own = [line for line in found.lines if line.payer == statement.member]
        assert sum(line.amount_cents for line in own) == statement.payable_cents
        assert sum(item.lines for item in statement.payable) == len(own)
        claims = re.compile(f"{statement.member}:(forderungen|verbindlichkeiten):")
        posted = [p for entry in found.entries for p in entry.postings if claims.match(p.account)]
        assert sum(posting.amount_cents for posting in posted) == statement.net_cents
    assert set(positions) == {statement.member for statement in found.statements}
    assert [line.line for line in found.lines] == list(range(1, len(found.lines) + 1))


BOOKINGS = st.lists(
    st.tuples(
        st.sampled_from(MEMBERS),
        st.sampled_from(MEMBERS),
        st.integers(0, 50),
        st.decimals(0, 10**6, places=3),
        st.booleans(),
    ).filter(lambda each: each[0] != each[1]),
    max_size=12,
)


@settings(max_examples=50)
@given(BOOKINGS, st.lists(st.integers(1, 10**7), max_size=3), st.randoms(use_true_random=False))
def test_everything_agrees_and_no_order_of_the_input_matters(
    booked: list[tuple[str, str, int, Decimal, bool]], amounts: list[int], chance: random.Random
) -> None:
    bookings = [
        booking(
            number,
            consumer=consumer,
            provider=provider,
            offering_id=f"{provider}/vm",
            tariff=ONCE,
            quantities=decimals({"cores": cores}),
        )
        for number, (consumer, provider, cores, _, _) in enumerate(booked)
    ]
    starting = [each for each, (_, _, _, _, starts) in zip(bookings, booked, strict=True) if starts]
    charges = [line for each in starting for line in charged(each)]
    for each, (_, _, _, hours, _) in zip(bookings, booked, strict=True):
        charges += used(each, str(hours)) if hours else []
    levies = [levy(amount, 900 + number) for number, amount in enumerate(amounts)]
    found = closed(charges, levies)
    agree(found)
    assert found.settlement.levies_cents == sum(amounts)

    members = list(MEMBERS)
    chance.shuffle(charges)
    chance.shuffle(levies)
    chance.shuffle(members)
    assert closed(charges, levies, members) == found
