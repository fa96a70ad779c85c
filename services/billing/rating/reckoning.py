"""What a booking is charged in a period: what is due by now, less what stands charged.

Nothing is charged twice and nothing is lost, in whatever order facts come and months close: what fell due
without being charged is charged now, what stands charged without being due is taken back now. A closed period
keeps its lines.
"""

import dataclasses
import datetime as dt
from collections.abc import Iterable

from allmende.schemas.billing import ChargeLine
from allmende.schemas.rejections import Rejected
from allmende.tariffs.rating import Unrated
from allmende.tariffs.recurrence import Due

from ..booking import Booking
from ..period import last_day_of
from . import charge

Key = tuple[str, int, str]
"""A component, the number of the terms that price it, what it is charged for: due once in a booking.

What is prorated is charged for a span that has its days in its name: with another last day it is another due.
"""


@dataclasses.dataclass(frozen=True)
class Standing:
    """A line of a closed period that charges a component and was not taken back.

    Attributes:
        credited_cents: net, what of it was credited after objections.
    """

    key: Key
    line: ChargeLine
    settled_in: str
    credited_cents: int = 0


@dataclasses.dataclass(frozen=True)
class HeldDue:
    """What falls due and has no price: it is charged once there are terms with one."""

    booking: Booking
    due: Due
    reason: Rejected


@dataclasses.dataclass(frozen=True)
class Reckoned:
    """The lines that bring a booking's charges up to date, and what has no price."""

    lines: tuple[ChargeLine, ...]
    held: tuple[HeldDue, ...] = ()

    def open_from(self, booking: Booking, period: str) -> dt.date | None:
        """Tell the day from which a booking must be looked at again, if any: what is held stays due."""
        days = [each.due.first_day for each in self.held]
        following = open_from(booking, period)
        return min([*days, following] if following is not None else days, default=None)


def reckon(booking: Booking, standing: Iterable[Standing], *, since: dt.date, period: str) -> Reckoned:
    """Find the lines that bring a booking's charges up to date.

    Args:
        booking: as it is known now.
        standing: its charges that fell due on the first day of the window or later.
        since: the first day of the window; nothing that fell due earlier has changed.
        period: the period that is closed; its last day ends the window unless later ones were charged.
    """
    charged = {each.key: each for each in standing}
    # A later month may have been closed before this one: what stands charged for it is reckoned with as well.
    last = max([last_day_of(period), *(each.line.service_from for each in charged.values())])
    due = {key_of(each): each for each in booking.fall_due(since, last)}
    lines: dict[Key, ChargeLine] = {}
    held: list[HeldDue] = []
    for key, each in due.items():
        if key in charged and each.part is None and not each.base:
            continue
        line = charge.of_due(booking, each, period)
        stands = charged.get(key)
        if isinstance(line, Unrated):
            held.append(HeldDue(booking, each, line.reason))
        elif stands is None or stands.line.amount_cents != line.amount_cents:
            lines[key] = line
    gone = [each for key, each in charged.items() if key not in due or key in lines]
    back = (_taken_back(booking, each) for each in gone)
    return Reckoned((*back, *lines.values()), tuple(held))


def _taken_back(booking: Booking, standing: Standing) -> ChargeLine:
    component, terms, charged_for = standing.key
    line = charge.reversal(
        standing.line, standing.settled_in, _reason(booking, standing), standing.credited_cents
    )
    # Lines written before terms were numbered do not say by which they are priced.
    return line.model_copy(update={"component": component, "terms": terms, "charged_for": charged_for})


def key_of(due: Due) -> Key:
    """Name what falls due once."""
    return (due.component.id, due.terms.number, due.charged_for)


def open_from(booking: Booking, period: str) -> dt.date | None:
    """Tell the day from which a booking must be looked at again though nothing more is told of it, if any."""
    last = last_day_of(period)
    return last + dt.timedelta(days=1) if booking.goes_on_after(last) else None


def _reason(booking: Booking, standing: Standing) -> tuple[str, str]:
    withdrawal = booking.withdrawal
    if withdrawal is not None:
        why = f": {withdrawal.reason}" if withdrawal.reason else ""
        return f"die Buchung kam nicht zustande{why}", f"the booking did not come about{why}"
    end = booking.end
    if end is not None and end < standing.line.service_from:
        return f"die Buchung endete am {end:%d.%m.%Y}", f"the booking ended on {end}"
    if end is not None and end < standing.line.service_to:
        return f"die Buchung endet am {end:%d.%m.%Y}", f"the booking ends on {end}"
    number = booking.terms_on(standing.line.service_from).number
    if number == standing.key[1]:
        return "der Zeitraum ist jetzt anders geteilt", "the period is divided otherwise now"
    return f"es gilt die Änderung {number}", f"change {number} holds"
