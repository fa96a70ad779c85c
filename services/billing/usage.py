"""Usage records: which count, which wait, which are refused; and what they come to."""

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Container, Mapping
from decimal import Decimal
from zoneinfo import ZoneInfo

from allmende.schemas.billing import UsageRecord
from allmende.schemas.brokerage import BookingConfirmed
from allmende.schemas.rejections import Rejected, rejected
from allmende.tariffs.rating import refuse_amount

_CALENDAR = ZoneInfo("Europe/Berlin")


@dataclasses.dataclass(frozen=True)
class Accepted:
    """Counts from now on."""


@dataclasses.dataclass(frozen=True)
class Repeated:
    """Known before, with the same content."""


@dataclasses.dataclass(frozen=True)
class Parked:
    """Names a booking that is not known yet: it may have overtaken it."""


Outcome = Accepted | Repeated | Parked | Rejected


def decide(
    record: UsageRecord,
    provider: str,
    *,
    known_digest: bytes | None,
    booking: BookingConfirmed | None,
    closed_periods: Container[str],
) -> Outcome:
    """Decide one record of a provider's report.

    Args:
        record: what was reported.
        provider: who reported it.
        known_digest: of the record with the same id of the same provider, if there is one.
        booking: the booking it names, if known.
        closed_periods: periods that take no more usage.
    """
    if known_digest is not None:
        if known_digest == digest_of(record):
            return Repeated()
        return rejected("record_conflict", record=record.id)
    if period_of(record.start) in closed_periods:
        return rejected("period_closed", period=period_of(record.start))
    if booking is None:
        return Parked()
    if booking.provider != provider:
        return rejected("not_your_booking", booking=record.booking_id, member=provider)
    if not any(c.billing == "usage" and c.measure == record.meter for c in booking.tariff.components):
        return rejected("unknown_meter", meter=record.meter)
    day = record.start.astimezone(_CALENDAR).date()
    if day < booking.start or (booking.end is not None and day > booking.end):
        return rejected("outside_booking", start=booking.start, end=booking.end or "…")
    return (
        refuse_amount(booking.tariff, booking.consumer_class, "usage", {record.meter: record.quantity})
        or Accepted()
    )


def period_of(instant: dt.datetime) -> str:
    """Tell the calendar month of Europe/Berlin in which a moment lies."""
    return instant.astimezone(_CALENDAR).strftime("%Y-%m")


def digest_of(record: UsageRecord) -> bytes:
    """Digest a record's content."""
    return hashlib.sha256(record.model_dump_json(exclude_defaults=True).encode()).digest()[:16]


@dataclasses.dataclass(frozen=True)
class Counted:
    """Sums over the records of a booking.

    Attributes:
        quantities: sums by meter.
        records: numbers of records by meter.
        first_day: the first day of usage in the calendar of Europe/Berlin.
    """

    booking: BookingConfirmed
    quantities: Mapping[str, Decimal]
    records: Mapping[str, int]
    first_day: dt.date
    last_day: dt.date
