"""Spans, pieces and shared allowances, purely."""

import dataclasses
import datetime as dt
import random
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import booking, component, tariff
from support.histories import amended, day
from support.usage import rated

from allmende.schemas.brokerage import BookingConfirmed
from allmende.schemas.tariff import Component, PerUnit, PriceCell, QuantityRule
from allmende.services.billing.rating.allowance import with_allowances
from allmende.services.billing.rating.metering import (
    Rated,
    Reading,
    Sum,
    plan,
    span_named,
    span_with,
    spans_ending,
    spans_rated,
)
from allmende.services.billing.rating.rerating import rate
from allmende.tariffs.pricing import Pricer

APRIL = span_with("2026-04", "month")


def summed(quantity: str, meter: str = "hours", **dimensions: str) -> Sum:
    days = day("2026-04-02"), day("2026-04-28")
    return Sum(booking().booking_id, meter, Decimal(quantity), 3, *days, dimensions or None)


def test_spans_are_named_bounded_and_closed_with_their_last_month() -> None:
    quarter, year = span_with("2026-05", "quarter"), span_with("2026-05", "year")
    assert (quarter.label, quarter.first_day, quarter.last_day) == (
        "2026-Q2",
        day("2026-04-01"),
        day("2026-06-30"),
    )
    assert (year.label, year.first_day, year.last_day) == ("2026", day("2026-01-01"), day("2026-12-31"))
    assert [each.label for each in spans_ending("2026-05")] == ["2026-05"]
    assert [each.label for each in spans_ending("2026-06")] == ["2026-06", "2026-Q2"]
    assert [each.label for each in spans_ending("2026-12")] == ["2026-12", "2026-Q4", "2026"]
    assert [each.label for each in spans_rated("2026-04", {"2026-04", "2026-12"})] == ["2026-04", "2026"]
    assert spans_rated("2026-04", {"2026-05"}) == []


@given(st.integers(1990, 2190), st.integers(1, 12), st.sampled_from(["month", "quarter", "year"]))
def test_a_span_is_found_by_its_name(year: int, month: int, kind: str) -> None:
    span = span_with(f"{year}-{month:02d}", kind)
    assert span_named(span.label) == span_named(f"{span.label} 2026-04-16 queue=night") == span
    assert span.first_day <= dt.date(year, month, 1) <= span.last_day


@pytest.mark.parametrize("label", ["total", "2026-04-16", "2026-Q5", ""])
def test_what_names_no_span_is_none(label: str) -> None:
    assert span_named(label) is None


def parts(
    history: Sequence[Rated], *sums: Sum
) -> tuple[list[str], list[tuple[int, str, str, str]], list[str]]:
    readings, pieces, lost = plan(history, APRIL, sums)
    return (
        [f"{each.charged_for}: {each.measured.quantity}" for each in readings],
        [(p.rated.terms.number, f"{p.since}", f"{p.through}", p.suffix) for p in pieces],
        [each.meter for each in lost],
    )


def asking(*names: str, days: Sequence[str] = ()) -> Component:
    price = PerUnit(amount=Decimal(1))
    cells = [PriceCell(when=dict.fromkeys(names, "night"), price=price), PriceCell(price=price)]
    cells = [PriceCell(valid_from=day(each), price=price) for each in days] + cells
    return component(prices=tuple(cells))


def test_dimensions_part_a_quantity_only_where_prices_ask_for_them() -> None:
    sums = [summed("1", queue="night", site="kiel"), summed("2", queue="night", site="bonn")]
    sums += [summed("4", queue="day"), summed("8")]
    assert parts(rated(booking()), *sums) == (["2026-04: 15"], [], [])
    asked = rated(booking(tariff=tariff(asking("queue"))))
    found = ["2026-04: 8", "2026-04 queue=day: 4", "2026-04 queue=night: 3"]
    assert parts(asked, *sums) == (found, [], [])
    fixed = rated(booking(tariff=tariff(asking("queue")), details={"queue": "night"}))
    assert parts(fixed, *sums) == (["2026-04: 15"], [], [])


def test_a_sum_of_many_digits_is_exact() -> None:
    big = "999999999999999999999.999999999"
    (told,), _, _ = parts(rated(booking()), summed(big, queue="a"), summed(big, queue="b"))
    assert told == "2026-04: 1999999999999999999999.999999998"


def test_price_steps_and_terms_cut_a_month_and_only_where_they_lie_within() -> None:
    stepped = rated(booking(tariff=tariff(asking(days=["2026-04-01", "2026-04-16", "2026-05-01"]))))
    assert parts(stepped, summed("1")) == (
        [],
        [(0, "2026-04-01", "2026-04-15", ""), (0, "2026-04-16", "2026-04-30", " 2026-04-16")],
        [],
    )
    changes = [(1, "2026-04-20"), (2, "2026-04-10"), (3, "2026-05-01")]
    changing = rated(booking(), [amended(number, on) for number, on in changes])
    cut = [(0, "2026-04-01", "2026-04-09", ""), (2, "2026-04-10", "2026-04-30", "")]
    assert parts(changing, summed("1")) == ([], cut, [])


def test_a_meter_counts_by_the_newest_earlier_terms_that_know_it() -> None:
    without = amended(1, "2026-04-11", tariff=tariff(component(id="disk", measure="disk")))
    history = rated(booking(), [without])
    cut = [(0, "2026-04-01", "2026-04-10", ""), (0, "2026-04-11", "2026-04-30", " 2026-04-11")]
    assert parts(history, summed("1")) == ([], cut, [])
    assert parts(history, summed("1", "disk"))[1] == [(1, "2026-04-11", "2026-04-30", "")]
    assert parts(history, summed("1", "net")) == ([], [], ["net"])


def test_a_quarter_is_no_month() -> None:
    quarterly = rated(booking(tariff=tariff(component(period="quarter"))))
    assert parts(quarterly, summed("1")) == ([], [], [])
    readings, _, _ = plan(quarterly, span_with("2026-04", "quarter"), [summed("1")])
    assert [each.charged_for for each in readings] == ["2026-Q2"]


# -- allowances -----------------------------------------------------------------------------------


def sharing(by: str, used: Sequence[str], free: str = "10") -> list[Reading]:
    rule = QuantityRule.model_validate({"included": {"quantity": Decimal(free), "shared_by": by}})
    found = []
    for n, quantity in enumerate(used):
        each: BookingConfirmed = booking(n, tariff=tariff(component(quantity=rule)))
        readings, _, _ = plan(rated(each), APRIL, [summed(quantity)])
        found += readings
    return found


USED = st.lists(st.decimals(0, 10**6, places=9).map(str), min_size=1, max_size=8)


@settings(max_examples=60)
@given(USED, st.decimals(0, 10**4, places=9).map(str), st.randoms(use_true_random=False))
def test_a_shared_allowance_is_used_up_to_the_last_billionth_in_any_order(
    used: list[str], free: str, chance: random.Random
) -> None:
    readings = sharing("offering", used, free)
    shared = with_allowances(readings)
    parts_ = [Fraction(each.measured.included or 0) for each in shared]
    assert sum(parts_) == min(Fraction(free), sum((Fraction(each) for each in used), Fraction(0)))
    assert all(part <= Fraction(each.measured.quantity) for part, each in zip(parts_, shared, strict=True))
    order = list(range(len(readings)))
    chance.shuffle(order)
    again = with_allowances([readings[n] for n in order])
    assert [again[order.index(n)] for n in range(len(order))] == shared


def test_who_shares_an_allowance() -> None:
    readings = sharing("booking", ["30", "30"])
    assert [each.measured.included for each in with_allowances(readings)] == [None, None], "each has its own"
    assert [each.measured.included for each in with_allowances(sharing("consumer", ["30", "30"]))] == [5, 5]
    pieces = [readings[0], dataclasses.replace(readings[0], charged_for="2026-04 2026-04-16")]
    assert [each.measured.included for each in with_allowances(pieces)] == [5, 5], "one in two pieces"


# -- splitting ------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(
    st.lists(st.decimals(0, 10**6, places=9), min_size=1, max_size=30),
    st.decimals(0, 10**3, places=9),
    st.integers(1, 1_000),
)
def test_a_month_of_a_plain_price_is_the_sum_of_its_days_before_rounding(
    days: list[Decimal], price: Decimal, per: int
) -> None:
    plain = component(PerUnit(amount=price, per=Decimal(per)))
    pricer = Pricer(plain)

    def exact(quantity: Decimal) -> Fraction:
        priced = pricer.price(quantity, {}, APRIL.first_day)
        assert isinstance(priced, tuple)
        return Fraction(priced[2], priced[3])

    (known,) = rated(booking(tariff=tariff(plain)))
    readings, _, _ = plan([known], APRIL, [summed(f"{each:f}", queue=f"{n}") for n, each in enumerate(days)])
    (line,) = rate(readings, APRIL, "2026-04").lines.values()
    whole = sum((exact(each) for each in days), Fraction(0))
    assert exact(readings[0].measured.quantity) == whole
    assert abs(line.amount_cents - whole) <= Fraction(1, 2), "rounded once"
