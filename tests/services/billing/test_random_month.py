"""A random month, priced once more by another engine: DuckDB in whole numbers, written from the reference."""

import datetime as dt
import json
import random
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import duckdb
import pytest
from support.bodies import closing
from support.builders import booking, command, fact, record, register, report, tariff
from support.desk import NewDesk
from support.histories import amended

from allmende.schemas.brokerage import BookingConfirmed
from allmende.schemas.tariff import Component, Tariff
from allmende.servicekit.messages import Incoming
from allmende.services.billing.handlers import BillingHandler

CLASSES = ("a", "b", "c")
METERS = ("matrix", "graduated", "volume")
APRIL = (dt.datetime(2026, 3, 31, 22, tzinfo=dt.UTC), 30 * 24 * 60)
"""The first moment of April 2026 in Berlin, where it is summer all month, and its minutes."""

TABLES = """
create table usage (booking varchar, meter varchar, moment timestamp, hundredths hugeint);
create table terms (booking varchar, number int, from_day date, tariff int, class varchar);
create table tier (tariff int, meter varchar, class varchar, mode varchar, low hugeint, high hugeint,
                   price hugeint, flat hugeint);
create table rule (tariff int, meter varchar, round_to hugeint, included hugeint, at_least hugeint);
"""

# Quantities are hundredths of an hour, prices hundredths of a cent: products are ten-thousandths of a cent.
LINES = """
with counted as (
    select t.booking, u.meter, t.number, t.tariff, t.class, sum(u.hundredths) as quantity
    from usage u join terms t on t.booking = u.booking and t.number = (
        select max(x.number) from terms x
        where x.booking = u.booking and x.from_day <= (u.moment + interval 2 hour)::date)
    where (u.moment + interval 2 hour)::date between '2026-04-01' and '2026-04-30'
    group by all
),
billable as (
    select c.*, r.at_least,
           greatest(0, (c.quantity + r.round_to - 1) // r.round_to * r.round_to - r.included) as billed
    from counted c join rule r using (tariff, meter)
),
exact as (
    select b.booking, b.meter, b.number, b.at_least, coalesce(sum(case
               when b.billed <= s.low then 0
               when s.mode = 'graduated'
                   then (least(b.billed, coalesce(s.high, b.billed)) - s.low) * s.price + s.flat * 10000
               when s.high is null or b.billed <= s.high then b.billed * s.price + s.flat * 10000
           end), 0) as amount
    from billable b
    join tier s on s.tariff = b.tariff and s.meter = b.meter and s.class in ('', b.class)
    group by all
)
select booking, meter, number,
       case when amount = 0 then 0
            else greatest((2 * amount + 10000) // 20000, at_least) end::bigint as cents
from exact order by all
"""


class Step(NamedTuple):
    """A tier: hundredths of an hour, hundredths of a cent, cents."""

    low: int
    high: int | None
    price: int
    flat: int


class Made(NamedTuple):
    """A component, and the same as rows for the oracle."""

    component: Component
    tiers: list[tuple[str, str, Step]]
    rule: tuple[int, int, int]


def number(of: int, places: int) -> str:
    return f"{Decimal(of).scaleb(-places):f}"


def staircase(chance: random.Random, mode: str) -> tuple[dict[str, object], list[Step]]:
    ends = sorted(chance.sample(range(1, 40), 3))
    steps, low = [], 0
    for end in [*ends, None]:
        high = None if end is None else end * 100
        steps.append(Step(low, high, chance.randrange(1, 5_000), chance.choice([0, 0, 150])))
        low = high or 0
    tiers = [
        {
            "up_to": None if step.high is None else number(step.high, 2),
            "amount": number(step.price, 4),
            "flat": number(step.flat, 2),
        }
        for step in steps
    ]
    return {"kind": "tiered", "mode": mode, "tiers": tiers}, steps


def any_component(chance: random.Random, meter: str, *, allowance: bool) -> Made:
    given: dict[str, object] = {
        "id": meter,
        "title": meter,
        "billing": "usage",
        "measure": meter,
        "unit": "h",
    }
    tiers: list[tuple[str, str, Step]] = []
    if meter == "matrix":
        cells: dict[str, object] = {}
        for each in CLASSES:
            price = chance.randrange(0, 9_999)
            cells[each] = {"kind": "per_unit", "amount": number(price, 4)}
            if chance.random() < 0.2:
                price, cells[each] = 0, {"kind": "free", "reason": "Satzung"}
            tiers.append((each, "graduated", Step(0, None, price, 0)))
        given["price_by_class"] = cells
    else:
        given["price"], steps = staircase(chance, meter)
        tiers += [("", meter, step) for step in steps]
    round_to = chance.choice([1, 25, 100])
    included = chance.choice([0, 500, 2_000]) if allowance else 0
    at_least = chance.choice([0, 0, 499])
    quantity: dict[str, object] = {"round": {"to": number(round_to, 2), "mode": "up"}}
    given["quantity"] = quantity | ({"included": {"quantity": number(included, 2)}} if included else {})
    given |= {"amount": {"at_least": number(at_least, 2)}} if at_least else {}
    return Made(Component.model_validate_json(json.dumps(given)), tiers, (round_to, included, at_least))


class Month:
    """Bookings, terms and usage, told to a market and to the oracle."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - the same draw every time
        self.oracle = duckdb.connect()
        self.oracle.execute(TABLES)
        self.facts: list[Incoming] = []
        # Only bookings whose terms stay have allowances: how a changing one is divided is tested elsewhere.
        self.tariffs = {n: self._tariff(n, allowance=n < 4) for n in range(8)}
        self.bookings = [self._book(n) for n in range(24)]
        self._use()

    def _tariff(self, version: int, *, allowance: bool) -> Tariff:
        found = []
        for meter in METERS:
            made = any_component(self.chance, meter, allowance=allowance)
            found.append(made.component)
            self.oracle.execute("insert into rule values (?, ?, ?, ?, ?)", [version, meter, *made.rule])
            for class_, mode, step in made.tiers:
                values = [version, meter, class_, mode, *step]
                self.oracle.execute("insert into tier values (?, ?, ?, ?, ?, ?, ?, ?)", values)
        return tariff(*found, version=version + 1, class_scheme="haus")

    def _book(self, n: int) -> BookingConfirmed:
        which, class_ = self.chance.randrange(8), self.chance.choice(CLASSES)
        made = booking(
            n,
            consumer=self.chance.choice(["desy", "gsi"]),
            consumer_class=class_,
            start=dt.date(2026, 3, 1),
            tariff=self.tariffs[which],
        )
        self.facts.append(fact(made, n))
        self._holds(made, 0, made.start, which, class_)
        for change in range(1, self.chance.randrange(3) + 1) if which >= 4 else ():
            day, later = dt.date(2026, 4, self.chance.randrange(1, 31)), self.chance.randrange(4, 8)
            terms = amended(change, day.isoformat(), made, tariff=self.tariffs[later])
            self.facts.append(fact(terms, 100 * change + n))
            self._holds(made, change, day, later, class_)
        return made

    def _holds(self, of: BookingConfirmed, change: int, day: dt.date, which: int, class_: str) -> None:
        values: Sequence[object] = [of.booking_id, change, day, which, class_]
        self.oracle.execute("insert into terms values (?, ?, ?, ?, ?)", values)

    def _use(self) -> None:
        begin, minutes = APRIL
        for batch in range(4):
            records = []
            for n in range(250):
                of, meter = (
                    self.chance.choice(self.bookings),
                    self.chance.choice(["matrix", "graduated", "volume"]),
                )
                start = begin + dt.timedelta(minutes=self.chance.randrange(-600, minutes + 600))
                hundredths = self.chance.choice([1, 30, 777]) * self.chance.randrange(4)
                changes = {"booking_id": of.booking_id, "meter": meter, "start": start}
                records.append(record(f"{batch}/{n}", number(hundredths, 2), **changes))
                values = [of.booking_id, meter, start.replace(tzinfo=None), hundredths]
                self.oracle.execute("insert into usage values (?, ?, ?, ?)", values)
            self.facts.append(command("lrz", report(*records), 1_000 + batch))


@pytest.mark.parametrize("seed", range(4))
async def test_another_engine_finds_the_same_lines(desk: NewDesk, seed: int) -> None:
    month = Month(seed)
    market = await desk(BillingHandler(register("desy", "gsi", "lrz"), 60))
    await market.take(*month.facts)
    await market.take(*closing("2026-04", 5_000))
    lines = await market.rows(
        "select document->>'booking_id', document->>'component', (document->>'terms')::int, amount_cents"
        " from charge_line order by 1, 2, 3"
    )
    assert len(lines) > 50
    assert lines == month.oracle.execute(LINES).fetchall()


def test_the_reference_is_one_price_per_hour() -> None:
    """A control by hand: 3.10 h at 1.2345 euro are 3.82695 euro, which is 3.83."""
    month = duckdb.connect()
    month.execute(TABLES)
    month.execute("insert into usage values ('b', 'matrix', '2026-04-30 21:59:59', 310)")
    month.execute("insert into usage values ('b', 'matrix', '2026-04-30 22:00:00', 999)")
    month.execute("insert into terms values ('b', 0, '2026-04-01', 1, 'a')")
    month.execute("insert into tier values (1, 'matrix', '', 'graduated', 0, null, 12345, 0)")
    month.execute("insert into rule values (1, 'matrix', 1, 0, 0)")
    assert month.execute(LINES).fetchall() == [("b", "matrix", 0, 383)]
