"""Everything a batch touches, in memory: one decision sees what the one before it did."""

import dataclasses
from collections.abc import Mapping
from decimal import Decimal

from allmende.schemas.brokerage import BookingChanged, MessageWritten
from allmende.schemas.contract import Contract

from ..booking import Booking, LineKey
from ..capacity.listing import Listed
from ..capacity.reservation import CapacityKey, difference
from .move import Moved


@dataclasses.dataclass
class WorkingSet:
    """What was loaded for a batch, and what it has become.

    Attributes:
        bookings: by id, those that exist and those made in this batch.
        listed: the offerings that matter.
        free: what is left of every limited quantity that matters.
        waiting: how many wait in each line.
        created, changed: ids of bookings to be written.
        taken: what the batch takes from the free capacity, in all.
    """

    bookings: dict[str, Booking]
    listed: Mapping[str, Listed]
    free: dict[CapacityKey, Decimal]
    waiting: dict[LineKey, int] = dataclasses.field(default_factory=dict)
    created: list[str] = dataclasses.field(default_factory=list)
    changed: dict[str, None] = dataclasses.field(default_factory=dict)
    taken: dict[CapacityKey, Decimal] = dataclasses.field(default_factory=dict)
    story: list[BookingChanged | MessageWritten] = dataclasses.field(default_factory=list)

    def create(self, booking: Booking) -> None:
        """Take in a new booking."""
        self.created.append(booking.id)
        self._put(None, booking)

    def move(self, moved: Moved) -> None:
        """Replace a booking by what it has become."""
        before = self.bookings[moved.booking.id]
        self._changes(moved.booking.id)
        self._put(before, moved.booking)
        self.tell(*moved.facts)

    def renew(self, booking: Booking) -> None:
        """Replace a booking whose time limit was renewed, and nothing else."""
        self._changes(booking.id)
        self.bookings[booking.id] = booking

    def tell(self, *facts: Contract) -> None:
        """Remember what belongs to the story of a booking."""
        self.story += [fact for fact in facts if isinstance(fact, BookingChanged | MessageWritten)]

    def _changes(self, booking_id: str) -> None:
        if booking_id not in self.created:
            self.changed[booking_id] = None

    def _put(self, before: Booking | None, after: Booking) -> None:
        self.bookings[after.id] = after
        for key, amount in difference(before, after).items():
            if key in self.free:
                self.free[key] -= amount
                self.taken[key] = self.taken.get(key, Decimal(0)) + amount
        joined = (after.state == "held") - (before is not None and before.state == "held")
        if joined:
            self.waiting[after.line] = self.waiting.get(after.line, 0) + joined
