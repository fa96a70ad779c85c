"""Which records count, which wait, which are refused; and which month they belong to."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import booking, component, decimals, record, tariff, uid

from allmende.schemas.billing import UsageRecord
from allmende.schemas.brokerage import BookingConfirmed
from allmende.schemas.rejections import Rejected
from allmende.services.billing.booking import Booking
from allmende.services.billing.period import period_of
from allmende.services.billing.usage import Accepted, Outcome, Parked, Repeated, decide, digest_of

ENDED = booking(end=dt.date(2026, 4, 30))


def at(moment: str) -> dt.datetime:
    return dt.datetime.fromisoformat(moment)


def decided(
    each: UsageRecord,
    provider: str = "lrz",
    known: bytes | None = None,
    for_: BookingConfirmed | None = ENDED,
    closed: set[str] | None = None,
) -> str:
    outcome: Outcome = decide(
        each,
        provider,
        known_digest=known,
        booking=Booking(for_) if for_ else None,
        closed_periods=closed or set(),
    )
    if isinstance(outcome, Rejected):
        assert all(outcome.sentences)
        return outcome.code
    return type(outcome).__name__


def test_a_record_of_ones_own_booking_counts() -> None:
    outcome = decide(record(), "lrz", known_digest=None, booking=Booking(ENDED), closed_periods=())
    assert outcome == Accepted()


def test_the_guards_stand_in_their_order() -> None:
    wrong = record(meter="none", start=at("2026-05-10T12:00:00Z"))
    april, other = record(meter="none"), digest_of(record("r1", 2))
    assert decided(wrong, "kit", known=digest_of(wrong), for_=None, closed={"2026-05"}) == Repeated.__name__
    assert decided(wrong, "kit", known=other, for_=None, closed={"2026-05"}) == "record_conflict"
    assert decided(wrong, "kit", for_=None, closed={"2026-05"}) == "period_closed"
    assert decided(wrong, "kit", for_=None, closed={"2026-04"}) == Parked.__name__
    assert decided(wrong, "kit") == "not_your_booking"
    assert decided(wrong) == "unknown_meter"
    assert decided(record(start=at("2026-05-10T12:00:00Z"))) == "outside_booking"
    assert decided(april, for_=booking(tariff=tariff(component(measure="none")))) == Accepted.__name__


def test_a_quantity_that_is_charged_once_is_no_meter() -> None:
    once = component(billing="one_time", measure="cores")
    assert decided(record(meter="cores"), for_=booking(tariff=tariff(once))) == "unknown_meter"


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


@pytest.mark.parametrize(
    "other",
    [
        record(amount=2),
        record(meter="disk"),
        record(booking_id=uid(2)),
        record(start=at("2026-04-10T12:00:01Z")),
        record(end=at("2026-04-10T12:00:01Z")),
    ],
)
def test_every_field_is_content(other: UsageRecord) -> None:
    assert decided(other, known=digest_of(record())) == "record_conflict"


def test_the_same_moment_in_another_zone_is_the_same_content() -> None:
    summer = UsageRecord.model_validate_json(
        record().model_dump_json().replace("T12:00:00Z", "T14:00:00+02:00")
    )
    assert decided(summer, known=digest_of(record())) == "Repeated"


def test_an_open_end_is_written_as_such() -> None:
    refused = decide(
        record(start=at("2026-03-01T12:00:00Z")),
        "lrz",
        known_digest=None,
        booking=Booking(booking(quantities=decimals({"cores": 1}))),
        closed_periods=(),
    )
    assert isinstance(refused, Rejected)
    assert refused.sentences[1] == "The span lies outside the booking (2026-04-01 to …)."
    assert record(amount="0").quantity == Decimal(0)
