"""What is agreed with a booking beside its price: who must say yes, how long things take, how it ends."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .contract import Contract
from .identifiers import ClassName, Instant, Line, MemberId, Slug
from .money import PositiveQuantity

Hours = Annotated[int, Field(ge=1, le=8784)]
"""A time limit; at most a leap year."""
Months = Annotated[int, Field(ge=0, le=120)]


class Conditions(Contract):
    """Terms of a plan that hold for every booking of it; frozen into the booking.

    Attributes:
        provider_approval_hours: the provider answers every booking within this time; None books at once.
        provisioning_hours: the provider's system sets the service up within this time, counted from the
            booking or its start, whichever is later; None is active from its start without a report.
        dismantling_hours: the provider's system takes the service down within this time; None is over at
            its end without a report.
        waiting_list: whoever finds no capacity may wait in line.
        offer_hours: how long an offer to the first in line stands.
        minimum_term_months: no notice ends a booking earlier.
        notice_months: how long before its end notice must be given.
        notice_to: the days on which a booking can end by notice.
        renewal_months: a booking with a last day goes on by this much unless notice is given.
    """

    provider_approval_hours: Hours | None = None
    provisioning_hours: Hours | None = None
    dismantling_hours: Hours | None = None
    waiting_list: bool = False
    offer_hours: Hours = 48
    minimum_term_months: Months = 0
    notice_months: Annotated[int, Field(ge=0, le=36)] = 0
    notice_to: Literal["any_day", "month_end", "quarter_end", "year_end"] = "any_day"
    renewal_months: Annotated[int, Field(ge=1, le=120)] | None = None


class Circle(Contract):
    """Some of the members: those named, and those of a class within a provider's scheme."""

    members: Annotated[tuple[MemberId, ...], Field(max_length=500)] = ()
    classes: Annotated[
        dict[Slug, Annotated[tuple[ClassName, ...], Field(max_length=50)]], Field(max_length=20)
    ] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if not self.members and not any(self.classes.values()):
            raise ValueError("names nobody; leave it out where everybody is meant")
        return self

    def admits(self, member: str, classes: Mapping[str, str]) -> bool:
        """Tell whether a member, with its class in each scheme, belongs to the circle."""
        return member in self.members or any(
            classes.get(scheme) in allowed for scheme, allowed in self.classes.items()
        )


class Pool(Contract):
    """A part of a plan's capacity that is booked by name: a region, or a time slot.

    Attributes:
        region: where the capacity stands.
        starts_at, ends_at: a slot, such as a specialist's hours or a course; both or neither.
        capacity: how much there is of each order quantity, such as cores or places.
    """

    pool_id: Slug
    title: Line
    region: Slug | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    capacity: Annotated[dict[Slug, PositiveQuantity], Field(min_length=1, max_length=50)]

    @model_validator(mode="after")
    def _slot(self) -> Self:
        if (self.starts_at is None) != (self.ends_at is None):
            raise ValueError(f"pool {self.pool_id}: a slot has starts_at and ends_at")
        if self.starts_at is not None and self.ends_at is not None and self.ends_at <= self.starts_at:
            raise ValueError(f"pool {self.pool_id} ends before it starts")
        return self
