"""A booking as it was told: the same whatever came first."""

import datetime as dt
import itertools

import pytest
from support.builders import booking, component, tariff
from support.histories import amended, changed, day, flat, noon

from allmende.services.billing.booking import Booking

START = booking(end=day("2026-12-31"))


def test_terms_come_in_the_order_of_their_numbers() -> None:
    one, two = amended(1, "2026-07-01", START), amended(4, "2026-06-01", START, plan_id="large")
    for amendments in itertools.permutations([one, two]):
        found = Booking(START, amendments)
        assert [(terms.number, terms.plan_id) for terms in found.history] == [
            (0, "standard"),
            (1, "standard"),
            (4, "large"),
        ]
        assert [found.terms_on(day(when)).number for when in ("2026-05-31", "2026-06-01", "2026-07-01")] == [
            0,
            4,
            4,
        ]


def test_the_end_that_was_told_last_holds() -> None:
    shorter = changed(2, START, end=day("2026-06-30"))
    open_end = changed(3, START, end=None)
    with_terms = amended(1, "2026-07-01", START, end=day("2027-01-31"))
    assert Booking(START).end == day("2026-12-31")
    assert Booking(START, (with_terms,)).end == day("2027-01-31")
    for changes in itertools.permutations([shorter, changed(1, START)]):
        assert Booking(START, (with_terms,), changes).end == day("2026-06-30")
    assert Booking(START, (with_terms,), (shorter, open_end)).end is None


@pytest.mark.parametrize(
    ("state", "is_withdrawn"),
    [
        ("cancelled", True),
        ("failed", True),
        ("rejected", True),
        ("pending_cancellation", True),
        ("assessing_cancellation", False),
        ("in_progress", False),
        ("completed", False),
        ("partial", False),
    ],
)
def test_a_service_that_never_was_is_not_charged(state: str, is_withdrawn: bool) -> None:
    base = booking(tariff=tariff(flat("1", "month")), end=day("2026-12-31"))
    told = changed(2, base, state=state, changed_at=noon("2026-05-31"))
    after = changed(3, base, state=state, changed_at=noon("2026-08-31"))
    for changes in itertools.permutations([changed(1, base), told, after]):
        found = Booking(base, changes=changes)
        assert (found.withdrawal == told) is is_withdrawn
        assert (found.fall_due(base.start, day("2026-06-30")) == []) is is_withdrawn
        assert found.last_day == (day("2026-05-31") if is_withdrawn else day("2026-12-31"))


def test_the_day_of_a_withdrawal_is_that_of_berlin() -> None:
    at_midnight = dt.datetime(2026, 5, 31, 22, tzinfo=dt.UTC)
    for end, last in [(None, "2026-06-01"), ("2026-05-01", "2026-05-01"), ("2026-07-01", "2026-06-01")]:
        gone = changed(1, state="failed", changed_at=at_midnight, end=end and day(end))
        assert Booking(booking(), changes=(gone,)).last_day == day(last)


def test_it_goes_on_as_long_as_something_may_fall_due() -> None:
    monthly = booking(tariff=tariff(flat("1", "month")), end=day("2026-12-31"))
    once = booking(tariff=tariff(flat("1", "total"), component()))
    june, eve, end = day("2026-06-30"), day("2026-12-30"), day("2026-12-31")
    assert [Booking(monthly).goes_on_after(each) for each in (june, eve, end)] == [True, True, False]
    assert not Booking(monthly, changes=(changed(1, monthly, state="cancelled"),)).goes_on_after(june)
    assert [Booking(once).goes_on_after(day(each)) for each in ("2026-03-31", "2026-04-01")] == [True, False]
    later = amended(1, "2026-09-01", once, tariff=tariff(component(), version=2))
    assert [Booking(once, (later,)).goes_on_after(each) for each in (june, eve)] == [True, False]
