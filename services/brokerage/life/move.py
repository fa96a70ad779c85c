"""A move of a booking: along a row of the table only, and told to both sides."""

import dataclasses
import datetime as dt
from collections.abc import Mapping
from decimal import Decimal

from allmende.schemas.brokerage import (
    Actor,
    BookingAcknowledged,
    BookingChanged,
    BookingConfirmed,
    Trigger,
)
from allmende.schemas.contract import Contract

from .. import lifecycle
from ..booking import Booking, LineKey, is_confirmed, waiting_in, with_terms
from ..capacity.listing import Listed
from ..capacity.reservation import CapacityKey
from ..lifecycle import Phase
from .request import Consumer


@dataclasses.dataclass(frozen=True)
class Moved:
    """A booking after a move, and what is told of it, the most telling first."""

    booking: Booking
    facts: tuple[Contract, ...]


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What a decision depends on beside the booking.

    Attributes:
        free: what is left of every limited quantity.
        waiting: how many wait in each line.
        listed: the offering as it is now, where a new agreement is made: for an accepted interest, for
            changes of plan or quantity.
        consumer: the consumer with its classes.
        earliest: how far back a start may lie.
    """

    now: dt.datetime
    free: Mapping[CapacityKey, Decimal]
    waiting: Mapping[LineKey, int]
    listed: Listed | None
    consumer: Consumer
    earliest: dt.date = dt.date.min


def move(
    before: Booking,
    trigger: Trigger,
    by: Actor,
    after: Booking,
    now: dt.datetime,
    *facts: Contract,
    **told: object,
) -> Moved:
    """Make a move and tell it.

    Raises:
        ValueError: the table of transitions has no such way; a rule is wrong.
    """
    row = lifecycle.find(trigger, by, before.phase)
    if row is None or after.phase not in row.targets:
        way = f"{lifecycle.name_of(before.phase)} to {lifecycle.name_of(after.phase)}"
        raise ValueError(f"{trigger} by {by} does not lead from {way}")
    after = dataclasses.replace(after, number=before.number + 1)
    agreement = after.agreement
    changed = BookingChanged.model_validate(
        {
            "booking_id": agreement.booking_id,
            "offering_id": agreement.offering_id,
            "provider": agreement.provider,
            "consumer": agreement.consumer,
            "number": after.number,
            "trigger": trigger,
            "by": by,
            "state": after.state,
            "instance": after.instance,
            "waits_for": after.waits_for,
            "until": after.act_by,
            "end": agreement.end,
            "changed_at": now,
            **told,
        }
    )
    return Moved(after, (*facts, changed))


def to_phase(booking: Booking, phase: Phase, now: dt.datetime, **changes: object) -> Booking:
    """Put a booking into a phase and start its time limit."""
    state, instance = phase
    moved = dataclasses.replace(booking, state=state, instance=instance, **changes)  # type: ignore[arg-type]
    return waiting_in(moved, now)


def down(booking: Booking) -> Phase:
    """Where a booking is whose service was taken down."""
    if booking.state == "pending_cancellation":
        return lifecycle.UNDONE
    return lifecycle.TERMINATED if booking.state == "completed" else lifecycle.PARTLY_TERMINATED


def confirmed_or_waiting(
    before: Booking, trigger: Trigger, by: Actor, after: Booking, now: dt.datetime
) -> Moved:
    """Tell a booking that went through a gate: confirmed with its terms, or waiting for the next."""
    facts = (
        (told_of(dataclasses.replace(after, number=before.number + 1), now),) if is_confirmed(after) else ()
    )
    return move(before, trigger, by, after, now, *facts)


def told_of(booking: Booking, now: dt.datetime, place: int | None = None) -> Contract:
    """How a new booking is told: confirmed, or acknowledged and waiting."""
    waits = {"waits_for": booking.waits_for, "until": booking.act_by, "state": booking.state}
    if is_confirmed(booking):
        return with_terms(BookingConfirmed, booking, instance=booking.instance, confirmed_at=now, **waits)
    return with_terms(BookingAcknowledged, booking, place=place, acknowledged_at=now, **waits)
