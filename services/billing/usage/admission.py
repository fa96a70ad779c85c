"""Usage records: which count, which wait, which are refused."""

import dataclasses
import datetime as dt
import itertools
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from decimal import Context, Decimal
from typing import Literal

from allmende.schemas.billing import AlertRaised, UsageRecord
from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.tariff import Tariff
from allmende.tariffs.order import refuse_amount
from allmende.tariffs.recurrence import Terms

from ..booking import Booking
from ..period import day_of, midnight

_EXACT = Context(prec=60)
"""Sums of a period have more digits than Decimal keeps by itself."""
_LAST_DAY = dt.date(2200, 1, 1)
"""After every moment that a record can name."""


@dataclasses.dataclass(frozen=True)
class Accepted:
    """Counts from now on."""


@dataclasses.dataclass(frozen=True)
class Repeated:
    """Known before, with the same content."""


@dataclasses.dataclass(frozen=True)
class Parked:
    """Names something that is not known yet: it may have overtaken it.

    Attributes:
        waits_for: what that is.
        refusal: why it is refused when that does not come in time.
    """

    waits_for: Literal["booking", "meter", "record"]
    refusal: Rejected


Outcome = Accepted | Repeated | Parked | Rejected
State = Literal["recorded", "parked", "refused", "corrected", "cancelled"]


def decide(
    record: UsageRecord, provider: str, *, booking: Booking | None, original: State | None = None
) -> Accepted | Parked | Rejected:
    """Decide one record of a provider's report whose id is new.

    Args:
        record: what was reported.
        provider: who reported it.
        booking: the booking it names, if known.
        original: where the record it corrects stands, if it corrects one and that is known.
    """
    if booking is None:
        return Parked("booking", rejected("unknown_booking", booking=record.booking_id))
    if booking.confirmed.provider != provider:
        return rejected("not_your_booking", booking=record.booking_id, member=provider)
    day = day_of(record.start)
    first, last = booking.confirmed.start, booking.last_day
    if day < first or (last is not None and day > last):
        return rejected("outside_booking", start=first, end=last or "…")
    terms = booking.terms_on(day)
    if not _has_meter(terms.tariff, record.meter):
        return Parked("meter", rejected("unknown_meter", meter=record.meter))
    counted = {record.meter: record.quantity}
    if refusal := refuse_amount(terms.tariff, terms.known, "usage", counted, day):
        return refusal
    return Accepted() if record.corrects is None else supersede(record.corrects, original)


def supersede(record_id: str, state: State | None) -> Accepted | Parked | Rejected:
    """Decide whether a record can be corrected or cancelled: once, while it counts.

    Args:
        record_id: of the record that shall no longer count.
        state: where it stands, if it is known.
    """
    match state:
        case "recorded":
            return Accepted()
        case "corrected" | "cancelled":
            return rejected(f"already_{state}", record=record_id)
        case _:
            return Parked("record", rejected("unknown_record", record=record_id))


ALERTS: Mapping[str, Literal["usage_unknown_booking", "usage_unknown_meter"]] = {
    "unknown_booking": "usage_unknown_booking",
    "unknown_meter": "usage_unknown_meter",
}
"""Refusals of usage that nobody can charge, by their codes."""


def alert(  # noqa: PLR0913 - what it is about
    provider: str, code: str, booking_id: str, meter: str, period: str, records: int
) -> AlertRaised:
    """Say that usage was refused for good since nobody knows what it is to be charged by."""
    german, english = rejected(code, booking=booking_id, meter=meter).sentences
    what_de = f"{records} Datensatz" if records == 1 else f"{records} Datensätze"
    what_en = f"{records} record" if records == 1 else f"{records} records"
    return AlertRaised(
        kind=ALERTS[code],
        provider=provider,
        booking_id=booking_id,
        meter=meter,
        period=period,
        records=records,
        message_de=f"{german} Zähler {meter}, {period}: {what_de} von {provider} nicht abrechenbar.",
        message_en=f"{english} Meter {meter}, {period}: {what_en} of {provider} cannot be charged.",
    )


def _has_meter(tariff: Tariff, meter: str) -> bool:
    return any(c.billing == "usage" and c.measure == meter for c in tariff.components)


@dataclasses.dataclass(frozen=True, slots=True)
class Span:
    """From when until before when a meter counts, and a quantity up to which no amount is implausible."""

    since: dt.datetime
    until: dt.datetime
    quantity: Decimal


@dataclasses.dataclass(frozen=True, slots=True)
class Admission:
    """What of a booking decides most records at once; `decide` has the last word about the others.

    Attributes:
        meters: the spans of each meter.
    """

    provider: str
    meters: Mapping[str, tuple[Span, ...]]

    def admits(self, record: UsageRecord) -> bool:
        """Tell whether its provider's record, which corrects none, counts without a closer look."""
        for span in self.meters.get(record.meter, ()):
            if span.since <= record.start < span.until:
                return record.quantity <= span.quantity
        return False


def admission_of(booking: Booking) -> Admission:
    """Work out which records a booking takes, as far as that is plain."""
    first, last = booking.confirmed.start, booking.last_day
    after = _LAST_DAY if last is None else last + dt.timedelta(days=1)
    changes = {terms.valid_from for terms in booking.history if first < terms.valid_from < after}
    days = [first, *sorted(changes), after]
    meters: defaultdict[str, list[Span]] = defaultdict(list)
    for since, until in itertools.pairwise(days):
        terms = booking.terms_on(since)
        measures = {c.measure for c in terms.tariff.components if c.billing == "usage" and c.measure}
        for meter in measures:
            meters[meter].append(Span(midnight(since), midnight(until), _plausible(terms, meter, since)))
    return Admission(booking.confirmed.provider, {meter: tuple(spans) for meter, spans in meters.items()})


def _plausible(terms: Terms, meter: str, day: dt.date) -> Decimal:
    for digits in range(15, -9, -3):
        quantity = Decimal(1).scaleb(digits)
        if refuse_amount(terms.tariff, terms.known, "usage", {meter: quantity}, day) is None:
            return quantity
    return Decimal(0)


def late(told: Iterable[tuple[str, str]], closed_periods: Container[str]) -> list[tuple[str, str]]:
    """Find what must be rated again: bookings with closed periods in which their usage changed, each once."""
    return sorted({each for each in told if each[1] in closed_periods})
