"""What falls due in the life of a booking: every begun period once, by the terms of its first day."""

import datetime as dt
import random
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import component, decimals, tariff
from support.histories import day, flat, on_change
from support.pricing import priced

from allmende.schemas.tariff import AmountRule, PercentOf, Rounding, Tariff
from allmende.tariffs.rating import rate_due
from allmende.tariffs.recurrence import Due, Terms, fall_due, recurs, terms_on

EVERY = tariff(
    component("1", id="setup", billing="one_time", measure="cores"),
    flat("1", "total", "whole"),
    flat("1", "month", "month"),
    flat("1", "quarter", "quarter", measure="cores"),
    flat("1", "year", "year"),
    on_change("1"),
    component("1"),
)
FOUR = decimals({"cores": 4})


def terms(
    number: int = 0, valid_from: str = "2026-02-15", plan: str = "a", by: Tariff = EVERY, cores: int = 4
) -> Terms:
    return Terms(number, day(valid_from), plan, by, None, decimals({"cores": cores}))


def found(
    history: Sequence[Terms],
    start: str,
    end: str | None,
    since: str = "1990-01-01",
    through: str = "2027-12-31",
) -> list[str]:
    until = day(end) if end else None
    due = fall_due(history, day(start), until, since=day(since), through=day(through))
    return sorted(f"{each.component.id} {each.charged_for} {each.first_day}–{each.last_day}" for each in due)


def test_a_booking_over_the_turn_of_a_year() -> None:
    assert found([terms(valid_from="2026-11-15")], "2026-11-15", "2027-01-10") == [
        "month 2026-11 2026-11-15–2026-11-30",
        "month 2026-12 2026-12-01–2026-12-31",
        "month 2027-01 2027-01-01–2027-01-10",
        "quarter 2026-Q4 2026-11-15–2026-12-31",
        "quarter 2027-Q1 2027-01-01–2027-01-10",
        "setup total 2026-11-15–2027-01-10",
        "whole total 2026-11-15–2027-01-10",
        "year 2026 2026-11-15–2026-12-31",
        "year 2027 2027-01-01–2027-01-10",
    ]


def test_one_day_begins_a_month_a_quarter_and_a_year() -> None:
    assert len(found([terms()], "2026-12-31", "2026-12-31")) == 5
    assert found([terms()], "2026-12-31", "2026-12-30") == [], "and no day begins nothing"


def test_meters_and_quantities_of_nothing_do_not_fall_due() -> None:
    assert not [each for each in found([terms(cores=0)], "2026-02-15", None) if "quarter" in each]
    assert found([terms(by=tariff(component()))], "2026-02-15", None) == []


def test_terms_hold_from_their_day_and_the_ones_agreed_last_win() -> None:
    history = [terms(), terms(1, "2026-07-01"), terms(2, "2026-06-01"), terms(4, "2026-09-01")]
    days = ["2020-01-01", "2026-05-31", "2026-06-01", "2026-07-01", "2026-08-31", "2026-09-01"]
    assert [terms_on(history, day(each)).number for each in days] == [0, 0, 2, 2, 2, 4]


def test_a_period_keeps_the_terms_of_its_first_day() -> None:
    dearer = terms(1, "2026-05-02", by=tariff(flat("2", "month", "month"), flat("2", "year", "other")))
    due = fall_due(
        [terms(), dearer], day("2026-02-15"), None, since=day("2026-05-01"), through=day("2026-06-30")
    )
    assert [(each.component.id, each.charged_for, each.terms.number) for each in due] == [
        ("month", "2026-05", 0),
        ("month", "2026-06", 1),
    ], "what the new terms charge by the year falls due in the next one"


def test_one_time_is_not_charged_again_for_more() -> None:
    more = terms(1, "2026-05-02", cores=8)
    assert [each for each in found([terms(), more], "2026-02-15", None) if "setup" in each] == [
        "setup total 2026-02-15–2026-02-15"
    ]


def test_what_was_delivered_from_the_first_day_on_is_charged() -> None:
    partial = terms(1, "2026-02-15", cores=3)
    due = fall_due(
        [terms(), partial], day("2026-02-15"), None, since=day("2026-02-15"), through=day("2026-02-15")
    )
    assert {each.quantity for each in due if each.component.measure} == {Decimal(3)}


@pytest.mark.parametrize(
    ("history", "moves"),
    [
        ([terms(), terms(1, "2026-05-02")], []),
        ([terms(), terms(1, "2026-05-02", "b")], ["move 2026-05-02"]),
        (
            [terms(), terms(1, "2026-05-02", "b"), terms(2, "2026-08-01", "a")],
            ["move 2026-05-02", "move 2026-08-01"],
        ),
        ([terms(), terms(1, "2026-05-02", "b"), terms(2, "2026-05-02", "b")], ["move 2026-05-02"]),
        ([terms(), terms(1, "2026-05-02", "b"), terms(2, "2026-05-02", "a")], []),
        ([terms(), terms(1, "2026-05-02", "b"), terms(2, "2026-04-01", "a")], []),
        ([terms(), terms(1, "2026-02-15", "b")], ["move 2026-02-15"]),
        ([terms(), terms(1, "2026-01-01", "b")], ["move 2026-02-15"]),
        ([terms(), terms(1, "2026-11-01", "b")], []),
    ],
    ids=[
        "quantity",
        "plan",
        "there and back",
        "twice",
        "undone",
        "overruled",
        "at once",
        "before",
        "too late",
    ],
)
def test_a_change_of_plan_is_charged_where_another_plan_comes_to_hold(
    history: list[Terms], moves: list[str]
) -> None:
    due = found(history, "2026-02-15", "2026-10-31")
    assert [each.split("–")[0].rsplit(" ", 1)[0] for each in due if "move" in each] == moves


def test_what_recurs_does_so_by_month_quarter_or_year() -> None:
    once = tariff(component("1"), flat("1", "total"))
    assert not recurs([terms(by=once)])
    assert recurs([terms(by=once), terms(1, by=tariff(flat("1", "year")))])


DAILY = tariff(flat("31.00", "month", proration="day"), flat("366.00", "year", "year", proration="day"))


def test_a_prorated_component_is_charged_for_its_days() -> None:
    assert found([terms(by=DAILY)], "2026-11-15", "2027-01-10") == [
        "base 2026-11 (2026-11-15/2026-11-30) 2026-11-15–2026-11-30",
        "base 2026-12 2026-12-01–2026-12-31",
        "base 2027-01 (2027-01-01/2027-01-10) 2027-01-01–2027-01-10",
        "year 2026 (2026-11-15/2026-12-31) 2026-11-15–2026-12-31",
        "year 2027 (2027-01-01/2027-01-10) 2027-01-01–2027-01-10",
    ]


def parts(history: Sequence[Terms], end: str | None = None) -> list[tuple[str, int, int, int, int]]:
    until = day(end) if end else None
    due = fall_due(
        history, history[0].valid_from, until, since=history[0].valid_from, through=day("2028-12-31")
    )
    return [
        (each.component.id, each.terms.number, each.part.count, each.part.of, each.part.before)
        for each in due
        if each.part is not None
    ]


def test_terms_that_change_within_a_period_charge_their_own_days() -> None:
    by = tariff(flat("31.00", "month", proration="day"))
    history = [terms(0, "2028-02-10", by=by), terms(1, "2028-02-21", by=by), terms(2, "2028-02-28", by=by)]
    assert parts(history, "2028-02-29") == [
        ("base", 0, 11, 29, 0),
        ("base", 1, 7, 29, 11),
        ("base", 2, 2, 29, 18),
    ]
    overruled = [terms(0, "2028-02-10", by=by), terms(1, "2028-02-21", by=by), terms(2, "2028-02-15", by=by)]
    assert parts(overruled, "2028-02-29") == [("base", 0, 5, 29, 0), ("base", 2, 15, 29, 5)]
    nothing_between = [history[0], terms(1, "2028-02-21", by=tariff(on_change("1"))), history[2]]
    assert parts(nothing_between, "2028-02-29") == [("base", 0, 11, 29, 0), ("base", 2, 2, 29, 0)]


def test_begun_months_belong_to_the_terms_of_the_first_day_in_them() -> None:
    by = tariff(flat("120.00", "year", proration="month"))
    history = [terms(0, "2028-02-10", by=by), terms(1, "2028-06-21", by=by), terms(2, "2028-10-01", by=by)]
    assert parts(history, "2028-10-01") == [
        ("base", 0, 5, 12, 0),
        ("base", 1, 3, 12, 5),
        ("base", 2, 1, 12, 8),
    ]
    assert found(history, "2028-02-10", "2028-10-01", through="2028-12-31") == [
        "base 2028 (2028-02/2028-06) 2028-02-10–2028-06-30",
        "base 2028 (2028-07/2028-09) 2028-07-01–2028-09-30",
        "base 2028 (2028-10/2028-10) 2028-10-01–2028-10-01",
    ]


def test_what_counts_in_full_is_not_charged_again_by_days() -> None:
    full, daily = tariff(flat("1", "month")), tariff(flat("1", "month", proration="day"))
    to_daily = [terms(0, "2028-02-01", by=full), terms(1, "2028-02-11", by=daily)]
    assert parts(to_daily, "2028-03-31") == [("base", 1, 31, 31, 0)]
    to_full = [terms(0, "2028-02-01", by=daily), terms(1, "2028-02-11", by=full)]
    assert found(to_full, "2028-02-01", "2028-03-31", through="2028-12-31") == [
        "base 2028-02 (2028-02-01/2028-02-10) 2028-02-01–2028-02-10",
        "base 2028-03 2028-03-01–2028-03-31",
    ]


FEE = component(
    PercentOf(percent=Decimal(10), of=("base", "size")),
    id="fee",
    title="Zuschlag",
    billing="fixed",
    period="month",
    measure=None,
    unit="EUR",
)


def test_a_percentage_falls_due_with_what_it_is_of() -> None:
    by = tariff(flat("7.00", "month"), flat("1.00", "month", "size", measure="cores", proration="day"), FEE)
    history = [terms(0, "2028-02-10", by=by)]
    due = fall_due(history, day("2028-02-10"), None, since=day("2028-02-10"), through=day("2028-03-31"))
    told = [
        (
            each.component.id,
            each.charged_for,
            [base.component.id for base in each.base],
            priced(rate_due(each)).amount_cents,
        )
        for each in due
        if each.base
    ]
    assert told == [
        ("fee", "2028-02", ["base"], 70),
        ("fee", "2028-02 (2028-02-10/2028-02-29)", ["size"], 28),
        ("fee", "2028-03", ["base", "size"], 110),
    ]


PRICES = st.decimals(0, 1000, places=3).map(str)


@given(
    PRICES,
    st.sampled_from(["month", "quarter", "year"]),
    st.sampled_from(["day", "month"]),
    st.lists(st.integers(0, 366), max_size=6),
    st.integers(0, 400),
    st.sampled_from(
        [None, AmountRule(at_least=Decimal(5)), AmountRule(round=Rounding(to=Decimal("0.05"), mode="up"))]
    ),
)
def test_a_period_split_by_terms_sums_to_the_whole(
    price: str, period: str, unit: str, changes: list[int], days: int, rule: AmountRule | None
) -> None:
    start = day("2027-11-17")
    by = tariff(flat(price, period, proration=unit, amount=rule))
    whole = [Terms(0, start, "a", by, None, {})]
    split = whole + [
        Terms(number, start + dt.timedelta(days=change), "a", by, None, {})
        for number, change in enumerate(sorted(changes), 1)
    ]
    end = start + dt.timedelta(days=days)
    sums: list[dict[str, tuple[int, Fraction]]] = []
    for history in (whole, split):
        by_period: dict[str, tuple[int, Fraction]] = {}
        for each in fall_due(history, start, end, since=start, through=end):
            assert each.part is not None
            name = each.charged_for.split(" ")[0]
            cents, share = by_period.get(name, (0, Fraction(0)))
            cents += priced(rate_due(each)).amount_cents
            by_period[name] = cents, share + Fraction(each.part.count, each.part.of)
        sums.append(by_period)
    assert sums[0] == sums[1]


def test_the_story_tells_the_part_and_where_rounding_together_matters() -> None:
    by = tariff(flat("0.005", "month", proration="day"))
    history = [terms(0, "2026-04-01", by=by), terms(1, "2026-04-11", by=by)]
    first, second = (
        priced(rate_due(each))
        for each in fall_due(
            history, day("2026-04-01"), None, since=day("2026-04-01"), through=day("2026-04-30")
        )
    )
    assert first.trace_de == (
        "1 Monat × 0,005 € je Monat × 10 von 30 Tagen, Tarif Version 1 = 0,00 €"
        "; für 2026-04 (2026-04-01/2026-04-10)"
    )
    assert second.amount_cents == 1, "a third of half a cent is nothing, half a cent is one"
    assert second.trace_en == (
        "1 Monat × €0.005 per Monat × 20 of 30 days, tariff version 1 = €0.00"
        "; rounded together with 10 days before: €0.01"
        "; for 2026-04 (2026-04-11/2026-04-30); terms since 2026-04-11 (change 1)"
    )


DAYS = st.dates(dt.date(2020, 1, 1), dt.date(2026, 12, 31))


@st.composite
def lives(draw: st.DrawFn) -> tuple[list[Terms], dt.date, dt.date | None]:
    start = draw(DAYS)
    end = draw(st.none() | st.dates(start, dt.date(2027, 12, 31)))
    later = draw(st.lists(st.tuples(DAYS, st.sampled_from("ab"), st.integers(0, 2)), max_size=4))
    history = [Terms(0, start, "a", EVERY, None, FOUR)]
    history += [
        Terms(number, valid_from, plan, EVERY, None, decimals({"cores": cores}))
        for number, (valid_from, plan, cores) in enumerate(later, 1)
    ]
    return history, start, end


def months(first: dt.date, last: dt.date) -> list[tuple[dt.date, dt.date]]:
    found = []
    begin = first.replace(day=1)
    while begin <= last:
        following = (begin + dt.timedelta(days=31)).replace(day=1)
        found.append((begin, following - dt.timedelta(days=1)))
        begin = following
    return found


def name(due: Due) -> tuple[str, int, str]:
    return (due.component.id, due.terms.number, due.charged_for)


@given(lives(), st.randoms(use_true_random=False))
def test_each_falls_due_once_whatever_the_sequence_of_months(
    life: tuple[list[Terms], dt.date, dt.date | None], chance: random.Random
) -> None:
    history, start, end = life
    through = dt.date(2027, 12, 31)
    whole = fall_due(history, start, end, since=dt.date(1990, 1, 1), through=through)
    closed = months(dt.date(2019, 12, 1), through)
    chance.shuffle(closed)
    pieces = [
        each for first, last in closed for each in fall_due(history, start, end, since=first, through=last)
    ]
    assert Counter(map(name, pieces)) == Counter(map(name, whole))
    assert max(Counter((each.component.id, each.charged_for) for each in whole).values(), default=1) == 1
    assert all(start <= each.first_day <= each.last_day <= (end or dt.date.max) for each in whole)


@given(DAYS, st.integers(0, 3000))
def test_a_life_is_charged_as_many_periods_as_it_has_begun(start: dt.date, length: int) -> None:
    end = start + dt.timedelta(days=length)
    days = [start + dt.timedelta(days=n) for n in range(length + 1)]
    due = fall_due([Terms(0, start, "a", EVERY, None, FOUR)], start, end, since=start, through=end)
    counted = Counter(each.component.id for each in due)
    assert counted["month"] == len({(each.year, each.month) for each in days})
    assert counted["quarter"] == len({(each.year, (each.month - 1) // 3) for each in days})
    assert counted["year"] == len({each.year for each in days})
    assert counted["whole"] == counted["setup"] == 1
    for year in {each.year for each in days}:
        in_year = [each for each in due if each.component.id == "month" and each.first_day.year == year]
        assert len(in_year) == len({each.month for each in days if each.year == year})
