"""What is due less what stands charged: every life costs the same in the end, however months close."""

import dataclasses
import datetime as dt
import random
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from support import charges
from support.builders import booking, component, decimals, tariff
from support.charges import Fact
from support.histories import amended, changed, day, flat, on_change

from allmende.schemas.billing import ChargeLine
from allmende.schemas.brokerage import BookingAmended, BookingChanged, BookingConfirmed
from allmende.schemas.tariff import PercentOf, PerUnit, PriceCell
from allmende.services.billing.booking import Booking
from allmende.services.billing.rating.reckoning import Key, Standing, open_from, reckon

PLANS = {
    "a": tariff(
        component("2.00", id="setup", billing="one_time", measure="cores"),
        flat("10.00", "month"),
        flat("30.00", "quarter", "size", measure="cores"),
        flat("90.00", "year", "yearly"),
        flat("7.00", "total", "whole"),
    ),
    "b": tariff(flat("20.00", "month"), flat("1.00", "month", "size", measure="cores"), on_change("5.00")),
    "d": tariff(
        flat("10.00", "month", proration="day"),
        flat("31.01", "quarter", "size", measure="cores", proration="day"),
        flat("100.03", "year", "yearly", proration="day"),
    ),
    "e": tariff(
        flat("12.35", "month", proration="day"),
        flat("90.00", "year", "yearly"),
        flat("3.07", "month", "size", measure="cores", proration="day"),
    ),
    "c": tariff(component("3.00", id="setup", billing="one_time", measure="cores"), component()),
}
PERIODS = [f"{year}-{month:02d}" for year in (2025, 2026) for month in range(1, 13)]
DAYS = st.dates(day("2025-01-01"), day("2026-12-31"))


@dataclasses.dataclass
class Office:
    """Closes months for one booking and keeps its lines, as the tables do."""

    facts: list[Fact] = dataclasses.field(default_factory=list)
    lines: list[tuple[str, ChargeLine]] = dataclasses.field(default_factory=list)
    open_from: dt.date | None = None
    untold: bool = False

    def learn(self, fact: Fact) -> None:
        if isinstance(fact, BookingConfirmed):
            self.open_from = fact.start
        elif fact not in self.facts:
            self.untold = True
        if fact not in self.facts:
            self.facts.append(fact)

    @property
    def booking(self) -> Booking | None:
        confirmed = [each for each in self.facts if isinstance(each, BookingConfirmed)]
        amendments = tuple(each for each in self.facts if isinstance(each, BookingAmended))
        changes = tuple(each for each in self.facts if isinstance(each, BookingChanged))
        return Booking(confirmed[0], amendments, changes) if confirmed else None

    def close(self, period: str) -> Sequence[ChargeLine]:
        found = self.booking
        if found is None:
            return []
        last = max(day(f"{period}-28"), day(f"{period}-01"))
        last = (last + dt.timedelta(days=4)).replace(day=1) - dt.timedelta(days=1)
        since = found.confirmed.start if self.untold else self.open_from
        if since is None or (since > last and not self.untold):
            return []
        lines = reckon(found, self.standing(since), since=since, period=period).lines
        self.lines += [(period, line) for line in lines]
        self.open_from, self.untold = open_from(found, period), False
        return lines

    def standing(self, since: dt.date) -> list[Standing]:
        found: dict[Key, Standing] = {}
        for period, line in self.lines:
            key = (line.component or "", line.terms or 0, line.charged_for or "")
            if line.cause == "reversal":
                del found[key]
            else:
                assert key not in found, "charged twice"
                found[key] = Standing(key, line, period)
        return [each for each in found.values() if each.line.service_from >= since]

    def cents(self) -> Counter[tuple[str, str]]:
        found: Counter[tuple[str, str]] = Counter()
        for _, line in self.lines:
            found[line.component or "", f"{line.service_from:%Y-%m}"] += line.amount_cents
        return Counter({key: cents for key, cents in found.items() if cents})


@st.composite
def stories(draw: st.DrawFn) -> list[Fact]:
    start = draw(DAYS)
    ends = st.none() | st.dates(start, day("2027-03-31"))
    cores = st.integers(0, 3).map(lambda count: decimals({"cores": count}))
    plan = draw(st.sampled_from("abcde"))
    first = booking(start=start, end=draw(ends), plan_id=plan, tariff=PLANS[plan], quantities=draw(cores))
    told: list[Fact] = [first]
    for number in range(1, draw(st.integers(1, 5))):
        end, plan = draw(ends), draw(st.sampled_from("abcde"))
        told.append(changed(number, first, end=end))
        if draw(st.booleans()):
            new = {"plan_id": plan, "tariff": PLANS[plan], "quantities": draw(cores), "end": end}
            told.append(amended(number, draw(DAYS).isoformat(), first, **new))
    if draw(st.integers(0, 4)) == 0:
        told.append(changed(7, first, state=draw(st.sampled_from(["cancelled", "failed"]))))
    return told


def played(story: Sequence[Fact], chance: random.Random) -> Office:
    """Tell everything twice, in any order, between closings in any order; then close the last month."""
    office = Office()
    events: list[Fact | str] = [*story, *story, *PERIODS[:-1]]
    chance.shuffle(events)
    for event in [*events, PERIODS[-1]]:
        if isinstance(event, str):
            office.close(event)
        else:
            office.learn(event)
    return office


@settings(max_examples=200, deadline=None)
@given(stories(), st.randoms(use_true_random=False))
def test_every_life_costs_what_it_costs_day_by_day(story: list[Fact], chance: random.Random) -> None:
    assert played(story, chance).cents() == charges.flat_cents(story, day("2026-12-31"))


@settings(max_examples=50, deadline=None)
@given(stories())
def test_months_closed_in_order_with_everything_told_take_nothing_back(story: list[Fact]) -> None:
    office = Office()
    for fact in story:
        office.learn(fact)
    for period in PERIODS:
        assert all(f"{line.service_from:%Y-%m}" == period for line in office.close(period))
    assert {line.cause for _, line in office.lines} <= {"regular"}
    assert office.cents() == charges.flat_cents(story, day("2026-12-31"))


@settings(max_examples=50, deadline=None)
@given(stories(), st.randoms(use_true_random=False))
def test_a_month_closed_again_would_charge_nothing(story: list[Fact], chance: random.Random) -> None:
    office = played(story, chance)
    found = office.booking
    assert found is not None
    everything = office.standing(day("1990-01-01"))
    assert reckon(found, everything, since=day("1990-01-01"), period=PERIODS[-1]).lines == ()


def test_a_reversal_says_why() -> None:
    monthly = booking(tariff=PLANS["b"])
    office = Office()
    office.learn(monthly)
    office.close("2026-05")
    ended = changed(1, monthly, end=day("2026-04-30"))
    failed = changed(1, monthly, state="failed")
    told: list[tuple[Fact, str, str]] = [
        (ended, "die Buchung endete am 30.04.2026", "ended on 2026-04-30"),
        (failed, "die Buchung kam nicht zustande", "the booking did not come about"),
        (amended(1, "2026-05-01", monthly), "es gilt die Änderung 1", "change 1 holds"),
    ]
    for story, german, english in told:
        each = dataclasses.replace(office, facts=list(office.facts), lines=list(office.lines))
        each.learn(story)
        back = [line for line in each.close("2026-06") if line.cause == "reversal"]
        line = next(line for line in back if line.charged_for == "2026-05")
        assert line.amount_cents == -2_000
        assert f"({german}): -20,00 €; dort: 1 Monat × 20,00 €" in line.trace_de
        assert f"{english}): -€20.00; there: 1 Monat × €20.00" in line.trace_en


def test_an_end_told_late_charges_the_days_there_were_and_their_percentage() -> None:
    fee = component(
        PercentOf(percent=Decimal(10), of=("base",)),
        id="fee",
        billing="fixed",
        period="month",
        measure=None,
        unit="EUR",
    )
    mine = booking(tariff=tariff(flat("31.00", "month", proration="day"), fee), start=day("2026-05-01"))
    office = Office()
    office.learn(mine)
    assert [line.amount_cents for line in office.close("2026-05")] == [3_100, 310]
    office.learn(changed(1, mine, end=day("2026-05-20")))
    lines = office.close("2026-06")
    assert [(line.component, line.charged_for, line.amount_cents) for line in lines] == [
        ("base", "2026-05", -3_100),
        ("fee", "2026-05", -310),
        ("base", "2026-05 (2026-05-01/2026-05-20)", 2_000),
        ("fee", "2026-05 (2026-05-01/2026-05-20)", 200),
    ]
    assert "die Buchung endet am 20.05.2026" in lines[0].trace_de
    assert "× 20 von 31 Tagen" in lines[2].trace_de
    assert lines[3].trace_en.startswith("10 % of €20.00 (base), tariff version 1 = €2.00")
    assert office.close("2026-07") == []


def test_what_has_no_price_waits_for_terms_that_have_one() -> None:
    until_may = (PriceCell(valid_to=day("2026-05-31"), price=PerUnit(amount=Decimal(5))),)
    mine = booking(tariff=tariff(flat("1.00", "month", prices=until_may)), start=day("2026-05-01"))
    office = Office()
    office.learn(mine)
    assert [line.amount_cents for line in office.close("2026-05")] == [500]
    assert office.close("2026-06") == (), "no price is guessed"
    office.learn(amended(1, "2026-06-01", mine, tariff=tariff(flat("6.00", "month"), version=2)))
    assert [(line.charged_for, line.amount_cents) for line in office.close("2026-07")] == [
        ("2026-06", 600),
        ("2026-07", 600),
    ]
