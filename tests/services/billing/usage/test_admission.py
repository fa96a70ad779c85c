"""Which records count, which wait, which are refused; and which month they belong to."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import booking, component, decimals, record, tariff
from support.histories import amended, noon

from allmende.schemas.billing import UsageRecord
from allmende.schemas.brokerage import BookingConfirmed
from allmende.schemas.rejections import Rejected
from allmende.services.billing.booking import Booking
from allmende.services.billing.period import period_of
from allmende.services.billing.usage.admission import Accepted, Parked, State, admission_of, decide, late

ENDED = booking(end=dt.date(2026, 4, 30))


def at(moment: str) -> dt.datetime:
    return dt.datetime.fromisoformat(moment)


def decided(
    each: UsageRecord,
    provider: str = "lrz",
    for_: BookingConfirmed | None = ENDED,
    original: State | None = None,
) -> str:
    """The outcome, after making sure that the quick answer never says more than the whole one."""
    known = Booking(for_) if for_ else None
    outcome = decide(each, provider, booking=known, original=original)
    if known is not None and for_ is not None and provider == for_.provider and each.corrects is None:
        admitted = admission_of(known).admits(each)
        assert admitted == (outcome == Accepted()), "for these quantities both agree"
    reason = outcome.refusal if isinstance(outcome, Parked) else outcome
    if isinstance(reason, Rejected):
        assert all(reason.sentences)
    match outcome:
        case Rejected():
            return outcome.code
        case Parked():
            return f"waits for {outcome.waits_for}"
        case Accepted():
            return "Accepted"


def test_a_record_of_ones_own_booking_counts() -> None:
    assert decide(record(), "lrz", booking=Booking(ENDED)) == Accepted()


def test_the_guards_stand_in_their_order() -> None:
    wrong = record(meter="none", start=at("2026-05-10T12:00:00Z"), corrects="r0")
    april = record(meter="none", corrects="r0")
    assert decided(wrong, "kit", for_=None) == "waits for booking"
    assert decided(wrong, "kit") == "not_your_booking"
    assert decided(wrong) == "outside_booking"
    assert decided(april) == "waits for meter"
    assert decided(record("r1", "999999999999999", corrects="r0")) == "implausible_amount"
    assert decided(record(corrects="r0")) == "waits for record"
    assert decided(record(meter="none"), for_=booking(tariff=tariff(component(measure="none")))) == "Accepted"


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (None, "waits for record"),
        ("refused", "waits for record"),
        ("parked", "waits for record"),
        ("recorded", "Accepted"),
        ("corrected", "already_corrected"),
        ("cancelled", "already_cancelled"),
    ],
)
def test_a_record_is_corrected_once_while_it_counts(state: State | None, outcome: str) -> None:
    assert decided(record(corrects="r0"), original=state) == outcome


def test_terms_that_change_give_and_take_meters() -> None:
    disk = tariff(component(measure="disk"), version=2)
    known = Booking(ENDED, (amended(1, "2026-04-10", tariff=disk), amended(2, "2026-04-20")))
    hours, space = record(), record(meter="disk")
    found = [
        [
            day
            for day in range(1, 31)
            if admission_of(known).admits(each.model_copy(update={"start": noon(f"2026-04-{day:02d}")}))
        ]
        for each in (hours, space)
    ]
    assert found == [[*range(1, 10), *range(20, 31)], [*range(10, 20)]]


@given(st.decimals(0, 10**15 - 1, places=3), st.sampled_from(["0.000000001", "1.00", "999999999999999"]))
def test_what_is_admitted_is_plausible(quantity: Decimal, price: str) -> None:
    priced = booking(tariff=tariff(component(price)))
    if admission_of(Booking(priced)).admits(record(amount=str(quantity))):
        assert decide(record(amount=str(quantity)), "lrz", booking=Booking(priced)) == Accepted()


def test_a_quantity_that_is_charged_once_is_no_meter() -> None:
    once = component(billing="one_time", measure="cores")
    assert decided(record(meter="cores"), for_=booking(tariff=tariff(once))) == "waits for meter"


@pytest.mark.parametrize(
    ("start", "outcome"),
    [
        ("2026-03-31T21:59:59.999999Z", "outside_booking"),
        ("2026-03-31T22:00:00Z", "Accepted"),
        ("2026-04-30T21:59:59.999999Z", "Accepted"),
        ("2026-04-30T22:00:00Z", "outside_booking"),
        ("2026-05-01T00:00:00+02:00", "outside_booking"),
    ],
)
def test_first_and_last_day_of_a_booking_count_by_the_calendar_of_berlin(start: str, outcome: str) -> None:
    assert decided(record(start=at(start))) == outcome
    assert decided(record(start=at(start)), for_=booking()) in {"Accepted", outcome}


@pytest.mark.parametrize(
    ("instant", "period"),
    [
        ("2005-10-31T22:59:59.999999Z", "2005-10"),
        ("2005-10-31T23:00:00Z", "2005-11"),
        ("2005-10-31T23:30:00Z", "2005-11"),
        ("2005-10-31T23:30:00+01:00", "2005-10"),
        ("2005-10-31T19:00:00-05:00", "2005-11"),
        ("2005-03-31T21:59:59Z", "2005-03"),
        ("2005-03-31T22:00:00Z", "2005-04"),
        ("2005-10-30T00:30:00Z", "2005-10"),  # half past two in summer time
        ("2005-10-30T01:30:00Z", "2005-10"),  # half past two once more
        ("2025-12-31T23:00:00Z", "2026-01"),
        ("2025-12-31T22:59:59Z", "2025-12"),
        ("1990-01-01T00:00:00Z", "1990-01"),
        ("2199-12-31T22:59:59.999999Z", "2199-12"),
    ],
)
def test_the_period_is_the_month_in_berlin(instant: str, period: str) -> None:
    assert period_of(at(instant)) == period


@given(
    st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2199, 12, 31), timezones=st.just(dt.UTC)),  # noqa: DTZ001
    st.integers(-14 * 60, 14 * 60),
)
def test_the_period_does_not_depend_on_how_a_moment_is_written(instant: dt.datetime, minutes: int) -> None:
    elsewhere = instant.astimezone(dt.timezone(dt.timedelta(minutes=minutes)))
    assert period_of(elsewhere) == period_of(instant)
    ahead = {period_of(instant), (instant + dt.timedelta(hours=2)).strftime("%Y-%m")}
    assert len(ahead) == 1 or instant.strftime("%Y-%m") == period_of(instant)


def test_an_open_end_is_written_as_such() -> None:
    refused = decide(
        record(start=at("2026-03-01T12:00:00Z")),
        "lrz",
        booking=Booking(booking(quantities=decimals({"cores": 1}))),
    )
    assert isinstance(refused, Rejected)
    assert refused.sentences[1] == "The span lies outside the booking (2026-04-01 to …)."
    assert record(amount="0").quantity == Decimal(0)


def test_only_closed_periods_are_rated_again_each_booking_once() -> None:
    told = [("b", "2026-04"), ("a", "2026-04"), ("b", "2026-04"), ("b", "2026-05")]
    assert late(told, {"2026-04", "2026-03"}) == [("a", "2026-04"), ("b", "2026-04")]
