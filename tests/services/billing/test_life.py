"""The life of bookings on a real database: told in any order, twice, between closings in any order."""

import dataclasses
import datetime as dt
import random
from collections import Counter, defaultdict
from collections.abc import Sequence

import pytest
from support import charges
from support.bodies import closing
from support.builders import (
    booking,
    command,
    component,
    decimals,
    fact,
    record,
    register,
    report,
    tariff,
    uid,
)
from support.charges import Fact
from support.desk import Desk, NewDesk
from support.histories import amended, breach, changed, day, flat, noon, on_change

from allmende.schemas.billing import (
    ChargeLine,
    SettlementClosed,
    StatementIssued,
    UsageRecorded,
)
from allmende.schemas.brokerage import BookingConfirmed
from allmende.servicekit.messages import Incoming
from allmende.services.billing.handlers import BillingHandler

LATER = dt.datetime(2028, 6, 1, tzinfo=dt.UTC)
BASE = tariff(flat("10.00", "month"))
RICH = tariff(
    component("0.25"),
    component("25.00", id="setup", billing="one_time", measure="cores", unit="Kern"),
    flat("10.00", "month"),
    flat("3.00", "quarter", "reserved", measure="cores"),
    flat("90.00", "year", "yearly"),
    flat("7.00", "total", "whole"),
    on_change("12.00"),
)
DEARER = RICH.model_copy(
    update={
        "version": 2,
        "components": (
            component("0.75"),
            component("30.00", id="setup", billing="one_time", measure="cores", unit="Kern"),
            flat("11.00", "month"),
            flat("4.00", "month", "reserved", measure="cores"),
            on_change("15.00"),
        ),
    }
)


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    return await desk(BillingHandler(register("desy", "lrz", "gsi"), 60), now=LATER)


class Teller:
    """Tells facts under ids of their own and closes periods."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.count = 0

    async def tell(self, *facts: Fact) -> None:
        await self.desk.take(*(self.fact(each) for each in facts))

    def fact(self, data: Fact) -> Incoming:
        self.count += 1
        return fact(data, self.count)

    async def close(self, period: str) -> list[ChargeLine]:
        """Close a period. Returns its lines."""
        self.count += 1
        told = (await self.desk.take(*closing(period, self.count)))[-1].data
        assert isinstance(told, SettlementClosed)
        rows = await self.desk.rows(
            "select document::text from charge_line where settlement_id = :id order by line",
            id=told.settlement_id,
        )
        lines = [ChargeLine.model_validate_json(str(row[0])) for row in rows]
        assert told.charges_cents == sum(line.amount_cents for line in lines)
        return lines


@pytest.fixture
def teller(billing: Desk) -> Teller:
    return Teller(billing)


def shown(lines: Sequence[ChargeLine]) -> list[str]:
    return [f"{line.component or line.title} {line.charged_for or '-'} {line.amount_cents}" for line in lines]


async def test_a_flat_price_comes_every_month_until_the_last(teller: Teller) -> None:
    await teller.tell(booking(tariff=BASE, start=day("2026-04-30"), end=day("2026-06-01")))
    closed = [shown(await teller.close(f"2026-{month:02d}")) for month in range(3, 9)]
    assert closed == [[], ["base 2026-04 1000"], ["base 2026-05 1000"], ["base 2026-06 1000"], [], []]


async def test_a_booking_told_late_is_charged_for_the_closed_months_in_the_next(teller: Teller) -> None:
    await teller.close("2026-04")
    await teller.close("2026-05")
    await teller.tell(booking(tariff=BASE))
    lines = await teller.close("2026-06")
    assert shown(lines) == ["base 2026-04 1000", "base 2026-05 1000", "base 2026-06 1000"]
    assert [(line.service_from, line.service_to) for line in lines] == [
        (day("2026-04-01"), day("2026-04-30")),
        (day("2026-05-01"), day("2026-05-31")),
        (day("2026-06-01"), day("2026-06-30")),
    ]
    assert [line.trace_de.endswith("; nachberechnet für 2026-04") for line in lines] == [True, False, False]
    assert [line.trace_en.endswith("; charged late for 2026-05") for line in lines] == [False, True, False]


async def test_months_may_close_out_of_order(teller: Teller) -> None:
    await teller.tell(booking(tariff=BASE, end=day("2026-07-31")))
    assert len(await teller.close("2026-06")) == 3
    assert await teller.close("2026-04") == []
    await teller.tell(changed(1, end=day("2026-04-30")))
    assert shown(await teller.close("2026-05")) == ["base 2026-05 -1000", "base 2026-06 -1000"]
    await teller.tell(changed(2, end=day("2026-08-31")))
    found = Counter(shown([line for period in ("2026-07", "2026-08") for line in await teller.close(period)]))
    assert found == Counter(f"base 2026-{month:02d} 1000" for month in (5, 6, 7, 8))


async def test_what_is_told_late_does_not_shake_what_was_charged_for_later_months(teller: Teller) -> None:
    before = booking(tariff=BASE)
    await teller.tell(before)
    assert len(await teller.close("2026-07")) == 4
    await teller.tell(changed(1, trigger="suspend"))
    assert await teller.close("2026-04") == []
    await teller.tell(amended(2, "2026-06-01", before, tariff=tariff(flat("8.00", "month"))))
    lines = await teller.close("2026-05")
    assert Counter(shown(lines)) == Counter(
        f"base 2026-0{n} {cents}" for n in (6, 7) for cents in (-1_000, 800)
    )
    assert await teller.close("2026-06") == []
    assert shown(await teller.close("2026-08")) == ["base 2026-08 800"]


async def test_new_terms_hold_for_the_periods_that_begin_after_them(teller: Teller) -> None:
    before = booking(tariff=RICH, quantities=decimals({"cores": 2}))
    await teller.tell(before, amended(1, "2026-05-15", before, quantities=decimals({"cores": 5})))
    assert shown(await teller.close("2026-04")) == [
        "base 2026-04 1000",
        "reserved 2026-Q2 600",
        "setup total 5000",
        "whole total 700",
        "yearly 2026 9000",
    ]
    assert shown(await teller.close("2026-05")) == ["base 2026-05 1000"]
    assert shown(await teller.close("2026-06")) == ["base 2026-06 1000"]
    reserved = (await teller.close("2026-07"))[1]
    assert (reserved.charged_for, reserved.amount_cents, reserved.terms) == ("2026-Q3", 1_500, 1)
    assert "Stand vom 01.07.2026; Bedingungen seit 15.05.2026 (Änderung 1)" in reserved.trace_de


async def test_a_change_of_plan_is_charged_in_its_month_and_usage_by_the_terms_of_its_day(
    teller: Teller,
) -> None:
    before = booking(tariff=RICH, start=day("2026-03-01"), quantities=decimals({"cores": 2}))
    large = amended(1, "2026-04-11", before, plan_id="large", tariff=DEARER)
    used = [record("old", 4, start=noon("2026-04-10")), record("new", 8, start=noon("2026-04-11"))]
    await teller.tell(before, large)
    await teller.desk.take(command("lrz", report(*used), 900))
    await teller.close("2026-03")
    lines = await teller.close("2026-04")
    assert shown(lines) == [
        "base 2026-04 1000",
        "hours 2026-04 100",
        "hours 2026-04 600",
        "move 2026-04-11 1500",
        "reserved 2026-Q2 600",
    ]
    old, new = [line for line in lines if line.component == "hours"]
    assert (old.terms, old.tariff_version, old.service_to) == (0, 1, day("2026-04-10"))
    assert (new.terms, new.tariff_version, new.service_from) == (1, 2, day("2026-04-11"))
    assert new.trace_de.endswith("; Bedingungen seit 11.04.2026 (Änderung 1)")


async def test_usage_that_was_taken_is_charged_though_new_terms_lack_its_meter(teller: Teller) -> None:
    before = booking()
    await teller.tell(before)
    await teller.desk.take(command("lrz", report(record(amount=4)), 900))
    await teller.tell(amended(1, "2026-04-01", before, plan_id="flat", tariff=BASE))
    lines = await teller.close("2026-04")
    assert shown(lines) == ["base 2026-04 1000", "hours 2026-04 400"]
    (answer,) = await teller.desk.take(command("lrz", report(record("june", start=noon("2026-06-01"))), 902))
    assert isinstance(answer.data, UsageRecorded)
    assert answer.data.parked == 1, "an amendment may bring the meter again"


async def test_terms_told_after_the_period_closed_correct_it_in_the_next(teller: Teller) -> None:
    before = booking(tariff=BASE)
    await teller.tell(before)
    assert shown(await teller.close("2026-04")) == ["base 2026-04 1000"]
    await teller.tell(amended(1, "2026-04-01", before, tariff=tariff(flat("8.00", "month"))))
    back, again, may = await teller.close("2026-05")
    if back.cause != "reversal":
        back, again = again, back
    assert (back.amount_cents, back.terms, back.cause) == (-1_000, 0, "reversal")
    assert back.trace_de.startswith(
        "Storno der Position 1 aus 2026-04 (es gilt die Änderung 1): -10,00 €; dort: "
    )
    assert back.trace_en.startswith("reversal of line 1 of 2026-04 (change 1 holds): -€10.00; there: ")
    assert (again.amount_cents, again.terms, again.charged_for) == (800, 1, "2026-04")
    assert (may.amount_cents, may.terms) == (800, 1)
    assert shown(await teller.close("2026-06")) == ["base 2026-06 800"]


@pytest.mark.parametrize("state", ["cancelled", "failed", "pending_cancellation"])
async def test_what_a_withdrawn_booking_was_charged_is_taken_back(teller: Teller, state: str) -> None:
    before = booking(tariff=RICH, quantities=decimals({"cores": 2}))
    await teller.tell(before)
    charged = await teller.close("2026-04")
    gone = changed(1, state=state, reason="Netz fehlt", changed_at=noon("2026-05-03"))
    await teller.tell(gone)
    taken_back = await teller.close("2026-05")
    assert sum(line.amount_cents for line in charged + taken_back) == 0
    assert {line.cause for line in taken_back} == {"reversal"}
    assert all("die Buchung kam nicht zustande: Netz fehlt" in line.trace_de for line in taken_back)
    assert await teller.close("2026-06") == []
    assert await teller.desk.rows("select sum(amount_cents) from posting") == [(0,)]
    position = [
        each.data.payable_cents
        for each in teller.desk.told
        if isinstance(each.data, StatementIssued) and each.data.member == "desy"
    ]
    assert position == [
        sum(line.amount_cents for line in charged),
        -sum(line.amount_cents for line in charged),
        0,
    ]


async def test_a_withdrawn_booking_takes_no_more_usage(teller: Teller) -> None:
    await teller.tell(booking(), changed(1, state="failed", changed_at=noon("2026-04-10")))
    days = [record(str(number), start=noon(f"2026-04-{number:02d}")) for number in (9, 10, 11)]
    (told,) = await teller.desk.take(command("lrz", report(*days), 900))
    assert isinstance(told.data, UsageRecorded)
    assert [f"{each.id} {each.code}" for each in told.data.refused] == ["11 outside_booking"]


async def test_a_later_end_takes_usage_and_goes_on_to_be_charged(teller: Teller) -> None:
    june = record(start=noon("2026-06-30"))
    await teller.tell(booking(end=day("2026-05-31"), tariff=tariff(component(), flat("10.00", "month"))))
    (told,) = await teller.desk.take(command("lrz", report(june), 900))
    assert isinstance(told.data, UsageRecorded)
    assert [each.code for each in told.data.refused] == ["outside_booking"]
    await teller.tell(changed(1, end=day("2026-06-30")))
    (told,) = await teller.desk.take(command("lrz", report(june), 901))
    assert told.data == UsageRecorded(accepted=1, repeated=0, parked=0, refused=())
    assert shown(await teller.close("2026-06"))[2:] == ["base 2026-06 1000", "hours 2026-06 100"]


async def test_a_suspension_changes_nothing(teller: Teller) -> None:
    suspended = changed(1, trigger="suspend", by="provider", instance="suspended", reason="Wartung")
    await teller.tell(booking(tariff=BASE), suspended)
    assert shown(await teller.close("2026-06")) == [f"base 2026-0{month} 1000" for month in (4, 5, 6)]


@pytest.mark.parametrize(("owed", "payer", "payee"), [(700, "desy", "lrz"), (-700, "lrz", "desy")])
async def test_a_compensation_is_a_line_in_the_month_of_the_change(
    teller: Teller, owed: int, payer: str, payee: str
) -> None:
    gone = changed(
        1, state="cancelled", compensation_cents=owed, reason="Umplanung", changed_at=noon("2026-05-03")
    )
    await teller.tell(gone)
    assert await teller.close("2026-04") == []
    (line,) = await teller.close("2026-05")
    assert (line.payer, line.payee, line.amount_cents, line.cause) == (payer, payee, 700, "compensation")
    assert line.trace_de == "Ausgleich zur Änderung 1 der Buchung: Umplanung = 7,00 €"
    assert line.trace_en == "compensation for change 1 of the booking: Umplanung = €7.00"
    await teller.tell(booking(), gone)
    assert await teller.close("2026-06") == []


async def test_a_missed_service_level_is_credited_in_the_next_open_month(teller: Teller) -> None:
    await teller.close("2026-04")
    await teller.tell(breach(800), breach(800), breach(801, 0))
    (line,) = await teller.close("2026-05")
    assert (line.payer, line.payee, line.amount_cents, line.cause) == ("desy", "lrz", -500, "credit")
    assert (line.service_from, line.service_to) == (day("2026-04-20"), day("2026-04-21"))
    assert line.trace_de == (
        "Gutschrift, availability_percent 98,25 statt 99,5: Ausfall = -5,00 €; nachberechnet für 2026-04"
    )
    assert line.trace_en == (
        "credit, availability_percent 98.25 instead of 99.5: Ausfall = -€5.00; charged late for 2026-04"
    )
    assert await teller.close("2026-06") == []
    settled = [each.data for each in teller.desk.told if isinstance(each.data, SettlementClosed)][1]
    assert settled.charges_cents == -500
    assert {p.party: p.net_cents for p in settled.positions if p.net_cents} == {"desy": 500, "lrz": -500}


# -- random lives against charges computed day by day ---------------------------------------------

FIRST, LAST = day("2026-01-01"), day("2027-06-30")
PERIODS = [f"{2026 + n // 12}-{n % 12 + 1:02d}" for n in range(18)]
PLANS = {"small": RICH, "large": DEARER}


def random_life(number: int, chance: random.Random) -> list[Fact]:
    start = FIRST + dt.timedelta(days=chance.randrange(400))

    def some_day() -> dt.date:
        return start + dt.timedelta(days=chance.randrange(-20, 300))

    def some_end() -> dt.date | None:
        return None if chance.random() < 0.3 else max(start, some_day())

    first = booking(
        number,
        plan_id="small",
        tariff=RICH,
        start=start,
        end=some_end(),
        quantities=decimals({"cores": chance.randrange(4)}),
    )
    told: list[Fact] = [first]
    for count in range(1, chance.randrange(1, 6)):
        end = some_end()
        told.append(changed(count, first, end=end))
        if chance.random() < 0.6:
            plan = chance.choice(["small", "large"])
            cores = decimals({"cores": chance.randrange(4)})
            new = {"plan_id": plan, "tariff": PLANS[plan], "quantities": cores, "end": end}
            told.append(amended(count, some_day().isoformat(), first, **new))
    if chance.random() < 0.25:
        withdrawn = {
            "state": chance.choice(["cancelled", "failed"]),
            "compensation_cents": chance.randrange(-99, 99),
        }
        told.append(changed(9, first, changed_at=noon(some_day().isoformat()), **withdrawn))
    if chance.random() < 0.3:
        last = min(some_day(), LAST)
        about = {"booking_id": uid(number), "first_day": last, "last_day": last}
        told.append(breach(5000 + number, chance.randrange(1, 999), **about))
    return told


@dataclasses.dataclass
class Known:
    """What billing was told so far and took."""

    facts: dict[int, list[Fact]]
    used: dict[int, list[tuple[dt.date, int]]]


async def use(teller: Teller, known: Known, number: int, chance: random.Random) -> None:
    """Report an hour or some; what is taken becomes known."""
    if not any(isinstance(each, BookingConfirmed) for each in known.facts[number]):
        return
    when, hours = FIRST + dt.timedelta(days=chance.randrange(500)), chance.randrange(1, 9)
    teller.count += 1
    used = record(f"r{teller.count}", hours, booking_id=uid(number), start=noon(when.isoformat()))
    (told,) = await teller.desk.take(command("lrz", report(used), teller.count))
    assert isinstance(told.data, UsageRecorded)
    if told.data.accepted:
        known.used[number].append((when, hours))


@pytest.mark.parametrize("seed", range(8))
async def test_random_lives_cost_what_they_cost_day_by_day(desk: NewDesk, billing: Desk, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same draw every time
    other = await desk(billing.handler, now=LATER, shares=billing)
    teller, known = Teller(billing), Known(defaultdict(list), defaultdict(list))
    lives = {number: random_life(number, chance) for number in range(1, 16)}
    events: list[tuple[int, Fact] | int | str] = [
        (number, each) for number, life in lives.items() for each in life for _ in range(2)
    ]
    events += PERIODS[:-1] + [number for number in lives for _ in range(4)]
    chance.shuffle(events)
    for event in [*events, PERIODS[-1]]:
        teller.desk = chance.choice([billing, other])
        match event:
            case str():
                await teller.close(event)
            case int():
                await use(teller, known, event, chance)
            case (int() as number, each):
                await teller.tell(each)
                if each not in known.facts[number]:
                    known.facts[number].append(each)
    rows = await billing.rows("select document::text from charge_line order by settlement_id, line")
    lines = [ChargeLine.model_validate_json(str(row[0])) for row in rows]
    for number, life in lives.items():
        own = [line for line in lines if line.booking_id == uid(number)]
        assert flat_of(own) == charges.flat_cents(life, LAST), number
        usage = sum(line.amount_cents for line in own if line.component == "hours")
        assert usage == charges.usage_cents(life, known.used[number])
        others = [line for line in own if line.cause in {"compensation", "credit"}]
        sign = {"desy": 1, "lrz": -1}
        due = [each for each in life if getattr(each, "changed_at", noon("2026-01-01")).date() <= LAST]
        assert sum(sign[line.payer] * line.amount_cents for line in others) == charges.other_cents(due)
    assert len({line.booking_id for line in lines}) > 10
    assert {line.cause for line in lines} == {"regular", "reversal", "compensation", "credit"}


def flat_of(lines: Sequence[ChargeLine]) -> Counter[tuple[str, str]]:
    """Cents by component and month, without those that were taken back in full."""
    found: Counter[tuple[str, str]] = Counter()
    for line in lines:
        if line.charged_for is not None and line.component != "hours":
            found[line.component or "", f"{line.service_from:%Y-%m}"] += line.amount_cents
    return Counter({each: cents for each, cents in found.items() if cents})
