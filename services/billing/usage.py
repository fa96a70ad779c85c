"""Usage records: which count, which wait, which are refused; and what they come to."""

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


@dataclasses.dataclass(frozen=True)
class Metered:
    """The sum of the records of one meter over the days of a period on which the same terms held.

    Attributes:
        terms: their number.
        first_day: the first day of usage in the calendar of Europe/Berlin.
    """

    booking: Booking
    terms: int
    meter: str
    quantity: Decimal
    records: int
    first_day: dt.date
    last_day: dt.date


@dataclasses.dataclass(frozen=True)
class Counted:
    """What the meters of a booking counted by the same terms.

    Attributes:
        quantities: sums by meter.
        records: numbers of records by meter.
    """

    booking: Booking
    terms: Terms
    quantities: Mapping[str, Decimal]
    records: Mapping[str, int]
    first_day: dt.date
    last_day: dt.date


def count(metered: Iterable[Metered]) -> list[Counted]:
    """Bring the sums of each booking and its terms together.

    A record counts by the terms of its day. Where these became known only after the record was taken and do
    not have its meter, it counts by the newest earlier terms that have it: what was accepted is charged.
    """
    found: dict[tuple[str, int], Counted] = {}
    for each in metered:
        terms = _terms_with(each)
        key = (each.booking.confirmed.booking_id, terms.number)
        before = found.get(key) or Counted(each.booking, terms, {}, {}, each.first_day, each.last_day)
        found[key] = _with(before, each)
    return list(found.values())


def _terms_with(metered: Metered) -> Terms:
    until = [terms for terms in metered.booking.history if terms.number <= metered.terms]
    having = [terms for terms in until if _has_meter(terms.tariff, metered.meter)]
    return (having or until)[-1]


def _with(counted: Counted, more: Metered) -> Counted:
    quantity = _EXACT.add(counted.quantities.get(more.meter, Decimal(0)), more.quantity)
    records = counted.records.get(more.meter, 0) + more.records
    return dataclasses.replace(
        counted,
        quantities={**counted.quantities, more.meter: quantity},
        records={**counted.records, more.meter: records},
        first_day=min(counted.first_day, more.first_day),
        last_day=max(counted.last_day, more.last_day),
    )
