"""Usage reduced by the database, against the same written down in plain Python."""

import datetime as dt
import itertools
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from support.builders import NOW, booking, component, record, register, tariff
from support.desk import Desk, NewDesk
from support.histories import day
from support.usage import rated

from allmende.schemas.billing import UsageRecord
from allmende.schemas.tariff import PerUnit, PriceCell, QuantityRounding, QuantityRule
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.rating import store as rating_store
from allmende.services.billing.rating.metering import Metered, Piece, Rated, Span, span_with
from allmende.services.billing.usage import store as usage_store
from allmende.services.billing.usage.store import Reported

BERLIN = ZoneInfo("Europe/Berlin")
Dimensions = tuple[tuple[str, str], ...]
Found = dict[Dimensions, tuple[Fraction, int, dt.date, dt.date]]
MODES = ("up", "down", "nearest", "half_even")
TAKES = ("sum", "max", "min", "mean", "last", "count", "hours", "percentile")
WINDOW_TAKES = ("sum", "max", "min", "mean", "last")
WINDOWS = ("hour", "day", "month", "quarter")
DECADES = 10**9


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    return await desk(BillingHandler(register("desy", "lrz"), 60))


# -- the oracle -----------------------------------------------------------------------------------


def in_berlin(moment: dt.datetime) -> dt.date:
    return moment.astimezone(BERLIN).date()


def nine_places(number: Fraction) -> Fraction:
    """Half goes up; nothing here is negative."""
    return Fraction(int(number * DECADES + Fraction(1, 2)), DECADES)


def rounded(number: Decimal, rounding: QuantityRounding | None) -> Fraction:
    if rounding is None or rounding.each != "record":
        return Fraction(number)
    to = Fraction(rounding.to)
    steps, rest = divmod(Fraction(number), to)
    match rounding.mode:
        case "up":
            steps += rest > 0
        case "nearest":
            steps += rest * 2 >= to
        case "half_even":
            steps = round(Fraction(number) / to)
        case "down":
            pass
    return steps * to


def window_of(kind: str, moment: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """The first moment of a window, and the first after it."""
    if kind == "hour":
        begin = moment.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
        return begin, begin + dt.timedelta(hours=1)
    first = in_berlin(moment)
    following = first + dt.timedelta(days=1)
    if kind != "day":
        months = {"month": 1, "quarter": 3}[kind]
        first = first.replace(day=1, month=(first.month - 1) // months * months + 1)
        following = (first + dt.timedelta(days=31 * months)).replace(day=1)
    return midnight(first), midnight(following)


def midnight(of: dt.date) -> dt.datetime:
    return dt.datetime.combine(of, dt.time(), BERLIN).astimezone(dt.UTC)


def taken(how: str, values: Sequence[tuple[Fraction, Fraction]], percentile: Decimal | None) -> Fraction:
    """One of many.

    Args:
        how: the rule.
        values: with the hours that each holds, by time.
    """
    plain = [value for value, _ in values]
    match how:
        case "sum":
            return sum(plain, Fraction(0))
        case "max":
            return max(plain)
        case "min":
            return min(plain)
        case "mean":
            return nine_places(sum(plain, Fraction(0)) / len(plain))
        case "last":
            return plain[-1]
        case "count":
            return Fraction(len(plain))
        case "hours":
            return nine_places(sum((value * hours for value, hours in values), Fraction(0)))
    assert percentile is not None
    share = Fraction(percentile) / 100
    return next(v for v in sorted(plain) if sum(each <= v for each in plain) >= share * len(plain))


def hours_between(begin: dt.datetime, end: dt.datetime) -> Fraction:
    return Fraction((end - begin) // dt.timedelta(microseconds=1), 3_600_000_000)


def values_of(rule: QuantityRule, group: Sequence[UsageRecord]) -> list[Fraction]:
    """What each record says; of a counter, what it rose by since the one before."""
    readings = [rounded(each.quantity, rule.round) for each in group]
    if rule.reading != "counter":
        return readings
    pairs = itertools.pairwise(readings)
    return [Fraction(0), *(now - before if now >= before else now for before, now in pairs)]


def expected(
    rule: QuantityRule, records: Iterable[UsageRecord], names: Sequence[str], since: dt.date, through: dt.date
) -> Found:
    begin, end = midnight(since), midnight(through + dt.timedelta(days=1))
    parted: defaultdict[Dimensions, list[UsageRecord]] = defaultdict(list)
    for each in sorted(records, key=lambda each: (each.start, each.id)):
        key = tuple((name, each.dimensions[name]) for name in names if name in each.dimensions)
        parted[key].append(each)
    found: Found = {}
    for key, group in parted.items():
        pairs = zip(group, values_of(rule, group), strict=True)
        inside = [(each, value) for each, value in pairs if begin <= each.start < end]
        if not inside:
            continue
        values = [(value, hours_between(each.start, each.end)) for each, value in inside]
        if rule.window is not None:
            windows: defaultdict[tuple[dt.datetime, dt.datetime], list[tuple[Fraction, Fraction]]]
            windows = defaultdict(list)
            for (each, _), value in zip(inside, values, strict=True):
                windows[window_of(rule.window, each.start)].append(value)
            values = [
                (
                    taken(rule.window_take or "", of, None),
                    hours_between(max(opens, begin), min(closes, end)),
                )
                for (opens, closes), of in windows.items()
            ]
        quantity = taken(rule.take, values, rule.percentile)
        found[key] = (quantity, len(inside), in_berlin(inside[0][0].start), in_berlin(inside[-1][0].start))
    return found


# -- random records -------------------------------------------------------------------------------


def moments(chance: random.Random) -> list[dt.datetime]:
    """Around the hours that Berlin has twice and not at all, around New Year, and anywhere."""
    around = [dt.datetime(2026, *each, tzinfo=dt.UTC) for each in ((3, 29, 1), (10, 25, 1), (3, 31, 22))]
    around += [dt.datetime(2025, 12, 31, 23, tzinfo=dt.UTC)]
    found = [each + dt.timedelta(minutes=15 * n) for each in around for n in range(-9, 10)]
    first = dt.datetime(2025, 12, 20, tzinfo=dt.UTC)
    found += [first + dt.timedelta(minutes=chance.randrange(400 * 24 * 60)) for _ in range(250)]
    return found + [chance.choice(found) for _ in range(20)]


def random_records(seed: int) -> list[UsageRecord]:
    chance = random.Random(seed)  # noqa: S311 - the same draw every time
    records = []
    for n, start in enumerate(moments(chance)):
        size = Decimal(chance.choice([0, 1, 25, 1234, 99_999, 10**9]))
        amount = size * chance.randrange(200) / chance.choice([1, 4, 1000])
        told = {"queue": chance.choice("ab")} if chance.random() < 0.7 else {}
        told |= {"colour": chance.choice(["red", "blue"])} if chance.random() < 0.5 else {}
        lasting = dt.timedelta(seconds=chance.choice([0, 60, 3600, 100_000]))
        each = record(f"{n:06d}", f"{amount:f}", start=start, dimensions=told)
        records.append(each.model_copy(update={"end": start + lasting}))
    return records


def rules() -> list[QuantityRule]:
    def rule(**given: object) -> QuantityRule:
        more = {"percentile": Decimal("87.5")} if given.get("take") == "percentile" else {}
        return QuantityRule.model_validate(given | more)

    found = [rule(take=take) for take in TAKES]
    found += [
        rule(window=window, window_take=each, take=take)
        for (window, take), each in zip(
            itertools.product(WINDOWS, TAKES), itertools.cycle(WINDOW_TAKES), strict=False
        )
    ]
    found += [
        rule(take=take, round={"to": to, "mode": mode, "each": "record"})
        for mode in MODES
        for take, to in (("sum", "0.25"), ("sum", "3"), ("max", "100"))
    ]
    found += [rule(reading="gauge", take="hours"), rule(reading="counter")]
    found += [rule(reading="counter", round={"to": "10", "mode": "down", "each": "record"})]
    found += [rule(reading="counter", window="day", window_take="max")]
    return found


def piece(rule: QuantityRule, names: Sequence[str], since: dt.date, through: dt.date) -> Piece:
    """A component whose prices ask for some dimensions."""
    price = PerUnit(amount=Decimal(1))
    cells = (PriceCell(when=dict.fromkeys(names, "a"), price=price), PriceCell(price=price))
    (known,) = rated(booking(tariff=tariff(component(prices=cells, quantity=rule))))
    return of(known, since, through)


def of(known: Rated, since: dt.date, through: dt.date) -> Piece:
    (metered,) = known.meters["hours"]
    assert isinstance(metered, Metered)
    return Piece(known, metered, since, through, "")


async def save(desk: Desk, records: Sequence[UsageRecord]) -> None:
    async with desk.engine.begin() as tx:
        taken_in = [Reported("lrz", each) for each in records]
        assert await usage_store.take(tx, taken_in, until=NOW, now=NOW) == []


async def measured(desk: Desk, span: Span, pieces: Sequence[Piece]) -> list[Found]:
    found: dict[int, Found] = {id(each.metered): {} for each in pieces}
    async with desk.engine.connect() as tx:
        for each in await rating_store.measure(tx, span, pieces):
            got = each.measured
            found[id(each.metered)][got.dimensions] = (
                Fraction(got.quantity),
                got.records,
                got.first_day,
                got.last_day,
            )
    return [found[id(each.metered)] for each in pieces]


@pytest.mark.parametrize(
    ("period", "kind", "names"),
    [
        ("2026-03", "month", ()),
        ("2026-10", "month", ("queue",)),
        ("2026-02", "quarter", ("colour", "queue")),
        ("2026-06", "year", ("queue",)),
    ],
)
async def test_every_reduction_agrees_with_plain_python(
    billing: Desk, period: str, kind: str, names: Sequence[str]
) -> None:
    records = random_records(len(period) + len(kind))
    await save(billing, records)
    span = span_with(period, kind)
    pieces = [piece(rule, names, span.first_day, span.last_day) for rule in rules()]
    for rule, found in zip(rules(), await measured(billing, span, pieces), strict=True):
        assert found == expected(rule, records, sorted(names), span.first_day, span.last_day), rule


async def test_a_part_of_a_month_ends_with_its_last_day_in_berlin(billing: Desk) -> None:
    records = random_records(7)
    await save(billing, records)
    span = span_with("2026-03", "month")
    parts = [(day("2026-03-01"), day("2026-03-28")), (day("2026-03-29"), day("2026-03-31"))]
    some = [rule for rule in rules() if rule.take in {"sum", "hours", "last"}]
    pieces = [piece(rule, ("queue",), *part) for rule in some for part in parts]
    wanted = [expected(rule, records, ("queue",), *part) for rule in some for part in parts]
    assert await measured(billing, span, pieces) == wanted


async def test_the_oracle_knows_a_wrong_calendar(billing: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    records = random_records(9)
    await save(billing, records)
    span = span_with("2026-10", "month")
    rule = QuantityRule(window="day", window_take="max")
    wanted = expected(rule, records, (), span.first_day, span.last_day)
    daily = [piece(rule, (), span.first_day, span.last_day)]
    assert await measured(billing, span, daily) == [wanted]
    monkeypatch.setattr(rating_store, "_WINDOWS", rating_store._WINDOWS.replace("Europe/Berlin", "UTC"))
    assert await measured(billing, span, daily) != [wanted]


async def test_a_multiple_is_a_multiple_however_large(billing: Desk) -> None:
    huge = "999999999999999.000000001"
    await save(billing, [record("r", huge), record("s", "300000000000000.000000000")])
    span = span_with("2026-04", "month")
    up = QuantityRule.model_validate({"round": {"to": "0.3", "mode": "up", "each": "record"}})
    ((found,),) = [each.values() for each in await measured(billing, span, [piece(up, (), *days(span))])]
    assert found[0] == Fraction("999999999999999.3") + 3 * 10**14


def days(span: Span) -> tuple[dt.date, dt.date]:
    return span.first_day, span.last_day


async def test_a_counter_goes_on_where_it_stood_and_begins_again_at_zero(billing: Desk) -> None:
    readings = [("a", "2025-11-30", 90), ("b", "2026-04-01", 100), ("c", "2026-04-10", 130)]
    readings += [("d", "2026-04-11", 7), ("e", "2026-04-12", 7), ("f", "2026-05-01", 17)]
    await save(billing, [record(n, amount, start=at(first)) for n, first, amount in readings])
    span = span_with("2026-04", "month")
    rule = QuantityRule(reading="counter")
    (found,) = await measured(billing, span, [piece(rule, (), *days(span))])
    assert [each[0] for each in found.values()] == [10 + 30 + 7 + 0]
    whole = span_with("2026-04", "year")
    (found,) = await measured(billing, whole, [piece(rule, (), *days(whole))])
    assert [each[0] for each in found.values()] == [10 + 30 + 7 + 0 + 10]
    async with billing.engine.begin() as tx:
        await tx.execute(text("update usage_record set state = 'cancelled' where record_id = 'a'"))
    (found,) = await measured(billing, span, [piece(rule, (), *days(span))])
    assert [each[0] for each in found.values()] == [30 + 7 + 0], "the first reading of all counts nothing"


def at(first: str) -> dt.datetime:
    return dt.datetime.combine(day(first), dt.time(12), dt.UTC)


async def test_what_a_booking_fixes_itself_does_not_part_its_usage(billing: Desk) -> None:
    told = [{"consumer": "gsi"}, {"consumer": "kit"}, {}]
    await save(billing, [record(f"{n}", 1, dimensions=each) for n, each in enumerate(told)])
    span = span_with("2026-04", "month")
    rule = QuantityRule(take="max")
    asks = [piece(rule, ("consumer",), *days(span)), piece(rule, ("site",), *days(span))]
    assert [each.names for each in asks] == [(), ("site",)]
    assert [list(found) for found in await measured(billing, span, asks)] == [[()], [()]]
