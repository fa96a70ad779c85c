"""Days and terms: when notice ends a booking, what a renewal adds."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import agreement

from allmende.schemas.conditions import Conditions
from allmende.services.brokerage import term

DAYS = st.dates(dt.date(2020, 1, 1), dt.date(2060, 12, 31))


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


@pytest.mark.parametrize(
    ("conditions", "start", "today", "earliest"),
    [
        (Conditions(), "2026-04-01", "2026-06-10", "2026-06-10"),
        (Conditions(), "2026-09-01", "2026-06-10", "2026-09-01"),
        (Conditions(notice_months=3), "2026-04-01", "2026-06-10", "2026-09-10"),
        (Conditions(notice_months=3, notice_to="month_end"), "2026-04-01", "2026-06-10", "2026-09-30"),
        (Conditions(notice_months=3, notice_to="quarter_end"), "2026-04-01", "2026-07-01", "2026-12-31"),
        (Conditions(notice_months=3, notice_to="year_end"), "2026-04-01", "2026-09-30", "2026-12-31"),
        (Conditions(notice_months=3, notice_to="year_end"), "2026-04-01", "2026-10-01", "2027-12-31"),
        (Conditions(minimum_term_months=12), "2026-04-01", "2026-06-10", "2027-03-31"),
        (Conditions(minimum_term_months=12, notice_months=1), "2026-04-01", "2027-03-15", "2027-04-15"),
    ],
)
def test_the_earliest_end_by_notice(conditions: Conditions, start: str, today: str, earliest: str) -> None:
    terms = agreement(start=day(start), conditions=conditions)
    assert term.earliest_end(terms, day(today)) == day(earliest)


@pytest.mark.parametrize(
    ("today", "earliest"),
    [("2026-09-30", "2026-12-31"), ("2026-10-01", "2027-12-31")],
    ids=["in time", "a day late"],
)
def test_a_term_that_renews_ends_with_a_term(today: str, earliest: str) -> None:
    renewing = Conditions(notice_months=3, renewal_months=12)
    terms = agreement(start=day("2026-01-01"), end=day("2026-12-31"), conditions=renewing)
    assert term.earliest_end(terms, day(today)) == day(earliest)


def test_the_last_day_of_a_month_stays_one() -> None:
    assert term.renewed(day("2027-01-31"), 1) == day("2027-02-28")
    assert term.renewed(day("2027-02-28"), 1) == day("2027-03-31")
    assert term.renewed(day("2026-06-15"), 3) == day("2026-09-15")
    assert term.months_later(day("2028-02-29"), 12) == day("2029-02-28")


@given(
    DAYS, DAYS, st.integers(0, 36), st.integers(0, 60), st.sampled_from(["any_day", "month_end", "year_end"])
)
def test_no_notice_ends_before_its_time(
    start: dt.date, today: dt.date, notice: int, minimum: int, to: str
) -> None:
    conditions = Conditions(notice_months=notice, minimum_term_months=minimum, notice_to=to)  # type: ignore[arg-type]
    end = term.earliest_end(agreement(start=start, conditions=conditions), today)
    assert end >= start
    assert end >= term.months_later(today, notice)
    assert end + dt.timedelta(days=1) >= term.months_later(start, minimum)
    if to == "year_end":
        assert (end.month, end.day) == (12, 31)


@given(DAYS)
def test_days_begin_and_end_where_clocks_are_changed(on: dt.date) -> None:
    assert term.day_of(term.start_of(on)) == on
    assert term.day_of(term.end_of(on)) == on + dt.timedelta(days=1)
    assert term.day_of(term.end_of(on) - dt.timedelta(microseconds=1)) == on
    hours = (term.end_of(on) - term.start_of(on)) / dt.timedelta(hours=1)
    assert hours in {23, 24, 25}
