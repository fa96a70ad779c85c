"""What the clock does: every booking that waits is moved on when its time is over."""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal

from .. import lifecycle
from ..booking import Booking
from ..capacity.reservation import CapacityKey, shortage
from ..lifecycle import Phase
from ..term import end_of, renewed, start_of
from .amendment import drop_change, take_up
from .move import Moved, down, move, to_phase

_LAPSED: Mapping[Phase, Phase] = {
    lifecycle.INTERESTED: lifecycle.CANCELLED,
    lifecycle.HELD: lifecycle.CANCELLED,
    lifecycle.OFFERED: lifecycle.CANCELLED,
    lifecycle.PENDING_CONSUMER: lifecycle.CANCELLED,
    lifecycle.PENDING_PROVIDER: lifecycle.REJECTED,
    lifecycle.CREATING: lifecycle.FAILED,
    lifecycle.ASSESSING: lifecycle.UNDONE,
    lifecycle.UNDOING: lifecycle.UNDONE,
}
"""Where silence leads."""

_LAST_YEAR = 2190


def fall_due(booking: Booking, now: dt.datetime) -> Moved | None:
    """Move a booking by the clock, one step; None when nothing is due. What is due first is done first.

    Raises:
        ValueError: it waits for a time that no rule knows.
    """
    if booking.due is None or booking.due > now:
        return None
    ends = booking.instance in {"active", "updating", "suspended"} and booking.agreement.end is not None
    if ends and booking.agreement.end is not None and end_of(booking.agreement.end) == booking.due:
        return end_or_renew(booking, now)
    change = booking.progress.amendment
    if change is not None and change.until is not None and change.until == booking.due:
        return drop_change(booking, "lapse", "clock", now)
    if change is not None and booking.instance == "active" and start_of(change.effective_on) == booking.due:
        return take_up(booking, "take_effect", "clock", change, now)
    if booking.phase == lifecycle.ACKNOWLEDGED:
        return move(booking, "begin", "clock", to_phase(booking, lifecycle.ACTIVE, now), now)
    if booking.instance == "updating":
        return drop_change(booking, "lapse", "clock", now)
    if booking.instance == "terminating" and booking.state != "pending_cancellation":
        return move(booking, "lapse", "clock", to_phase(booking, down(booking), now), now)
    if booking.phase not in _LAPSED:
        raise ValueError(f"the booking {booking.id} in {lifecycle.name_of(booking.phase)} waits for nothing")
    return move(booking, "lapse", "clock", to_phase(booking, _LAPSED[booking.phase], now), now)


def end_or_renew(booking: Booking, now: dt.datetime) -> Moved:
    """The last day is over: the term goes on, or the service is taken down."""
    agreement, conditions = booking.agreement, booking.agreement.conditions
    if agreement.end is None:
        raise ValueError(f"the booking {booking.id} has no last day")
    months = conditions.renewal_months
    if months is not None and not booking.progress.notice_given and agreement.end.year < _LAST_YEAR:
        longer = agreement.model_copy(update={"end": renewed(agreement.end, months)})
        return move(booking, "renew", "clock", dataclasses.replace(booking, agreement=longer), now)
    progress = booking.progress.model_copy(update={"amendment": None})
    over = dataclasses.replace(booking, progress=progress)
    if conditions.dismantling_hours is None:
        return move(booking, "end", "clock", to_phase(over, down(over), now), now)
    return move(booking, "end", "clock", to_phase(over, (booking.state, "terminating"), now), now)


def offer_in_line(
    line: Iterable[Booking],
    free: Mapping[CapacityKey, Decimal],
    total: Mapping[CapacityKey, Decimal],
    now: dt.datetime,
) -> list[Moved]:
    """Offer what is free to those who wait, in their order. Nobody overtakes whom the next place fits.

    Args:
        line: those who wait for the same, the first first.
        free: what is left; what an offer reserves is taken off for those behind.
        total: what there is in all: whoever wants more than that holds nobody up.
        now: the moment of the decision.
    """
    left = dict(free)
    moves: list[Moved] = []
    for booking in line:
        offered = to_phase(booking, lifecycle.OFFERED, now)
        if shortage(offered, booking, total):
            continue
        if shortage(offered, booking, left):
            break
        moves.append(move(booking, "offer", "clock", offered, now))
        for key, amount in _wanted(offered, left).items():
            left[key] -= amount
    return moves


def _wanted(booking: Booking, left: Mapping[CapacityKey, Decimal]) -> dict[CapacityKey, Decimal]:
    agreement = booking.agreement
    keys = {
        (agreement.offering_id, agreement.plan_id, agreement.pool_id or "", name): amount
        for name, amount in agreement.quantities.items()
    }
    return {key: amount for key, amount in keys.items() if key in left}
