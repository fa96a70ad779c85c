"""Brokerage: bookings (TM Forum: service order)."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .contract import Contract
from .identifiers import ClassName, Count, Day, Instant, Line, MemberId, OfferingId, Slug, Uuid
from .money import Quantity
from .tariff import Tariff

Quantities = Annotated[dict[Slug, Quantity], Field(max_length=50)]


class RequestBooking(Contract):
    """Book a plan of an offering. The command's id becomes the booking's id."""

    offering_id: OfferingId
    plan_id: Slug
    quantities: Quantities = Field(default_factory=dict)
    start: Day
    end: Day | None = None
    reference: Line | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end is not None and self.end < self.start:
            raise ValueError("the booking ends before it starts")
        return self


class BookingConfirmed(Contract):
    """A booking with the terms frozen into it, so that nobody needs to ask for them later."""

    booking_id: Uuid
    offering_id: OfferingId
    offering_revision: Count
    plan_id: Slug
    provider: MemberId
    consumer: MemberId
    consumer_class: ClassName | None = None
    quantities: Quantities
    start: Day
    end: Day | None = None
    reference: Line | None = None
    tariff: Tariff
    confirmed_at: Instant


class ListBookings(Contract):
    """Ask for the bookings one takes part in, oldest first."""

    side: Literal["consumer", "provider", "both"] = "both"
    after: Count = 0
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class Bookings(Contract):
    """A page of bookings; `next_after` continues it, or is null on the last page."""

    bookings: tuple[BookingConfirmed, ...]
    next_after: int | None
