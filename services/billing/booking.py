"""A booking as billing knows it: what was confirmed, its later terms, and what became of it.

Facts come in any order. Each is numbered by the brokerage, so that the whole of them tells the same story
whatever came first.
"""

import dataclasses
import datetime as dt
import functools

from allmende.schemas.brokerage import Agreement, BookingAmended, BookingChanged, BookingConfirmed
from allmende.tariffs.recurrence import Due, Terms, fall_due, recurs, terms_on
from allmende.tariffs.terms import order_attributes

from .period import day_of

_WITHDRAWN = frozenset({"rejected", "pending_cancellation", "cancelled", "failed"})
"""States of a service that was never up and will not be."""


@dataclasses.dataclass(frozen=True)
class Booking:
    """Everything that was told about a booking.

    A suspended service goes on to be charged: what is reserved stays reserved.

    Attributes:
        amendments: in any order, each number once; likewise `changes`.
    """

    confirmed: BookingConfirmed
    amendments: tuple[BookingAmended, ...] = ()
    changes: tuple[BookingChanged, ...] = ()

    @functools.cached_property
    def history(self) -> tuple[Terms, ...]:
        """The terms by number, those as booked first."""
        later = sorted(self.amendments, key=lambda each: each.number)
        booked = _terms(self.confirmed, 0, self.confirmed.start)
        return (booked, *(_terms(each, each.number, each.effective_on) for each in later))

    @functools.cached_property
    def withdrawal(self) -> BookingChanged | None:
        """What ended it before its service was up, if that happened."""
        found = [change for change in self.changes if change.state in _WITHDRAWN]
        return min(found, key=lambda change: change.number, default=None)

    @functools.cached_property
    def end(self) -> dt.date | None:
        """The last day as it was told last."""
        told = {each.number: each.end for each in self.amendments}
        told |= {each.number: each.end for each in self.changes}
        return told[max(told)] if told else self.confirmed.end

    @property
    def last_day(self) -> dt.date | None:
        """The last day of which usage counts."""
        if self.withdrawal is None:
            return self.end
        day = day_of(self.withdrawal.changed_at)
        return day if self.end is None else min(day, self.end)

    def terms_on(self, day: dt.date) -> Terms:
        """Find the terms of a day."""
        return terms_on(self.history, day)

    def fall_due(self, since: dt.date, through: dt.date) -> list[Due]:
        """Find the flat components that fall due between two days; none of a booking that was withdrawn."""
        if self.withdrawal is not None:
            return []
        return fall_due(self.history, self.confirmed.start, self.end, since=since, through=through)

    def goes_on_after(self, day: dt.date) -> bool:
        """Tell whether anything may fall due later, by what is known."""
        if self.withdrawal is not None or (self.end is not None and self.end <= day):
            return False
        return recurs(self.history) or max(terms.valid_from for terms in self.history) > day


def _terms(agreed: Agreement, number: int, valid_from: dt.date) -> Terms:
    known = order_attributes(agreed.consumer, agreed.consumer_class, agreed.details)
    return Terms(
        number,
        valid_from,
        agreed.plan_id,
        agreed.tariff,
        agreed.consumer_class,
        agreed.quantities,
        known,
    )
