"""Usage records: which count, which wait, which are refused."""

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Container, Iterable, Mapping
from decimal import Context, Decimal

from allmende.schemas.billing import UsageRecord
from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.tariff import Tariff
from allmende.tariffs.order import refuse_amount
from allmende.tariffs.recurrence import Terms

from .booking import Booking
from .period import day_of, period_of

_EXACT = Context(prec=60)
"""Sums of a period have more digits than Decimal keeps by itself."""


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
    booking: Booking | None,
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
    if booking.confirmed.provider != provider:
        return rejected("not_your_booking", booking=record.booking_id, member=provider)
    day = day_of(record.start)
    terms = booking.terms_on(day)
    if not _has_meter(terms.tariff, record.meter):
        return rejected("unknown_meter", meter=record.meter)
    first, last = booking.confirmed.start, booking.last_day
    if day < first or (last is not None and day > last):
        return rejected("outside_booking", start=first, end=last or "…")
    counted = {record.meter: record.quantity}
    return refuse_amount(terms.tariff, terms.consumer_class, "usage", counted) or Accepted()


def _has_meter(tariff: Tariff, meter: str) -> bool:
    return any(c.billing == "usage" and c.measure == meter for c in tariff.components)


def digest_of(record: UsageRecord) -> bytes:
    """Digest a record's content."""
    return hashlib.sha256(record.model_dump_json(exclude_defaults=True).encode()).digest()[:16]
