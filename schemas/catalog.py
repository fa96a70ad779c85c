"""Catalogue: offerings and their plans (TM Forum: product offering; Open Service Broker: service, plan)."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .contract import Contract
from .identifiers import Count, Instant, Line, MemberId, OfferingId, Slug, Text
from .money import PositiveQuantity
from .tariff import OrderQuantity, Tariff

Category = Literal["compute", "hosting", "groupware", "directory"]


class Plan(Contract):
    """One way to take an offering.

    Attributes:
        order: the fields a booking fills in.
        capacity: how much of an order quantity there is in all; a quantity not named is not limited.
        tariffs: dated versions; the one valid at a booking's start is frozen into the booking.
    """

    plan_id: Slug
    title: Line
    order: Annotated[tuple[OrderQuantity, ...], Field(max_length=50)] = ()
    capacity: Annotated[dict[Slug, PositiveQuantity], Field(max_length=50)] = Field(default_factory=dict)
    tariffs: Annotated[tuple[Tariff, ...], Field(min_length=1, max_length=100)]

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        fields = [quantity.id for quantity in self.order]
        if len(set(fields)) < len(fields):
            raise ValueError(f"plan {self.plan_id} names an order quantity twice")
        if unknown := set(self.capacity) - set(fields):
            raise ValueError(f"plan {self.plan_id} has capacity for {min(unknown)}, which it does not order")
        versions = [tariff.version for tariff in self.tariffs]
        if versions != sorted(set(versions)):
            raise ValueError(f"plan {self.plan_id}: tariff versions must rise, each once")
        for earlier, later in pairwise(self.tariffs):
            if earlier.valid_to is None or earlier.valid_to >= later.valid_from:
                raise ValueError(
                    f"plan {self.plan_id}: tariff version {earlier.version} must end before "
                    f"version {later.version} begins on {later.valid_from}"
                )
        for tariff in self.tariffs:
            for component in tariff.components:
                if component.billing == "one_time" and component.measure not in fields:
                    raise ValueError(
                        f"plan {self.plan_id}: component {component.id} charges {component.measure}, "
                        "which the order form does not ask for"
                    )
        return self


class Offering(Contract):
    """What a member offers to the others."""

    offering_id: OfferingId
    title: Line
    description: Text = ""
    category: Category
    plans: Annotated[tuple[Plan, ...], Field(min_length=1, max_length=20)]

    @property
    def provider(self) -> str:
        """The member that offers it."""
        return self.offering_id.split("/", 1)[0]

    @model_validator(mode="after")
    def _each_plan_once(self) -> Self:
        ids = [plan.plan_id for plan in self.plans]
        if len(set(ids)) < len(ids):
            raise ValueError(f"offering {self.offering_id} names a plan twice")
        return self


class PublishOffering(Contract):
    """Publish an offering or its next revision. The whole document is sent each time."""

    offering: Offering


class RetireOffering(Contract):
    """Close an offering for new bookings. Existing bookings go on."""

    offering_id: OfferingId


class OfferingPublished(Contract):
    """The revision that holds from now on. An unchanged document keeps its revision."""

    offering: Offering
    provider: MemberId
    revision: Annotated[Count, Field(ge=1)]
    published_at: Instant


class OfferingRetired(Contract):
    """This revision and all before it are closed for new bookings."""

    offering_id: OfferingId
    provider: MemberId
    revision: Annotated[Count, Field(ge=1)]
    retired_at: Instant


class ListOfferings(Contract):
    """Ask for offerings, in the order of their ids."""

    category: Category | None = None
    after: OfferingId | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class OfferingSummary(Contract):
    """One offering with its state and revision."""

    offering: Offering
    state: Literal["published", "retired"]
    revision: Count


class Offerings(Contract):
    """A page of offerings; `next_after` continues it, or is null on the last page."""

    offerings: tuple[OfferingSummary, ...]
    next_after: OfferingId | None
