"""Catalogue: offerings and their plans (TM Forum: product offering; Open Service Broker: service, plan)."""

import json
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, StringConstraints, model_validator

from .conditions import Circle, Conditions, Pool
from .contract import Contract
from .identifiers import Count, Day, Instant, Line, MemberId, OfferingId, Slug, Text
from .money import PositiveQuantity, Quantity
from .tariff import OrderQuantity, Tariff

Category = Literal[
    "compute",
    "hosting",
    "storage",
    "network",
    "security",
    "groupware",
    "directory",
    "expertise",
    "training",
]

ORDER_FORM_BYTES_MAX = 16 * 1024
_REFERENCES = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})


class Plan(Contract):
    """One way to take an offering.

    Attributes:
        order: the fields a booking fills in.
        order_form: JSON Schema (draft 2020-12, without references) of what else a booking must say.
        capacity: how much of an order quantity there is in all; a quantity not named is not limited.
        pools: capacity that is booked by name, such as regions or time slots; instead of `capacity`.
        closed_to_new: existing bookings go on, new ones are refused.
        tariffs: dated versions; the one valid at a booking's start is frozen into the booking.
    """

    plan_id: Slug
    title: Line
    order: Annotated[tuple[OrderQuantity, ...], Field(max_length=50)] = ()
    order_form: dict[str, JsonValue] | None = None
    capacity: Annotated[dict[Slug, PositiveQuantity], Field(max_length=50)] = Field(default_factory=dict)
    pools: Annotated[tuple[Pool, ...], Field(max_length=200)] = ()
    conditions: Conditions = Conditions()
    closed_to_new: bool = False
    tariffs: Annotated[tuple[Tariff, ...], Field(min_length=1, max_length=100)]

    @property
    def limited(self) -> Iterator[tuple[str, str, Decimal]]:
        """Every limited quantity as pool (empty without pools), order quantity, total."""
        for quantity, total in self.capacity.items():
            yield "", quantity, total
        for pool in self.pools:
            for quantity, total in pool.capacity.items():
                yield pool.pool_id, quantity, total

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        fields = [quantity.id for quantity in self.order]
        if len(set(fields)) < len(fields):
            raise ValueError(f"plan {self.plan_id} names an order quantity twice")
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
                if component.billing in {"one_time", "limit"} and component.measure not in fields:
                    raise ValueError(
                        f"plan {self.plan_id}: component {component.id} charges {component.measure}, "
                        "which the order form does not ask for"
                    )
        return self

    @model_validator(mode="after")
    def _coherent_capacity(self) -> Self:
        fields = {quantity.id for quantity in self.order}
        if unknown := {quantity for _, quantity, _ in self.limited} - fields:
            raise ValueError(f"plan {self.plan_id} has capacity for {min(unknown)}, which it does not order")
        if self.capacity and self.pools:
            raise ValueError(f"plan {self.plan_id}: give either capacity or pools")
        pools = [pool.pool_id for pool in self.pools]
        if len(set(pools)) < len(pools):
            raise ValueError(f"plan {self.plan_id} names a pool twice")
        return self

    @model_validator(mode="after")
    def _bounded_form(self) -> Self:
        if self.order_form is None:
            return self
        if len(json.dumps(self.order_form)) > ORDER_FORM_BYTES_MAX:
            raise ValueError(f"plan {self.plan_id}: order_form is larger than {ORDER_FORM_BYTES_MAX} bytes")
        # References multiply the work of a check without bound, and reach beyond the document.
        if found := _REFERENCES & set(_keys(self.order_form)):
            raise ValueError(f"plan {self.plan_id}: order_form must not use {min(found)}")
        return self


def _keys(value: JsonValue) -> Iterator[str]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield key
            yield from _keys(below)
    elif isinstance(value, list):
        for below in value:
            yield from _keys(below)


class Certificate(Contract):
    """A proof that others have looked, such as BSI C5 or ISO/IEC 27001."""

    name: Line
    scope: Line | None = None
    valid_until: Day | None = None


class DataProcessing(Contract):
    """Processing on behalf of the consumer (Article 28 GDPR).

    Attributes:
        agreement: the title of the agreement; its text may be an attachment.
    """

    personal_data: bool
    agreement: Line | None = None
    location: Line | None = None
    sub_processors: Annotated[tuple[Line, ...], Field(max_length=50)] = ()


class ServiceLevel(Contract):
    """What the provider promises.

    Attributes:
        availability_percent: of the time within `measured_over`, maintenance announced in time excepted.
        response_minutes: until somebody works on a reported outage, within support hours.
        credit: what a breach gives back, in words.
    """

    availability_percent: Annotated[Quantity, Field(le=100)] | None = None
    measured_over: Literal["month", "quarter", "year"] = "month"
    response_minutes: Annotated[int, Field(ge=1, le=100_000)] | None = None
    restore_hours: Annotated[int, Field(ge=1, le=10_000)] | None = None
    credit: Line | None = None


_Hour = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$")]
_Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class SupportHours(Contract):
    """When somebody answers, in Europe/Berlin."""

    days: Annotated[tuple[_Weekday, ...], Field(min_length=1, max_length=7)]
    opens: _Hour
    closes: _Hour

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.closes <= self.opens:
            raise ValueError("support closes before it opens")
        return self


class Offering(Contract):
    """What a member offers to the others.

    Attributes:
        visible_to: who learns of it at all; None is everybody.
        bookable_by: who of those may book it; None is everybody who sees it.
    """

    offering_id: OfferingId
    title: Line
    description: Text = ""
    category: Category
    keywords: Annotated[tuple[Line, ...], Field(max_length=20)] = ()
    contact: Line | None = None
    certificates: Annotated[tuple[Certificate, ...], Field(max_length=20)] = ()
    data_processing: DataProcessing | None = None
    service_level: ServiceLevel | None = None
    support_hours: Annotated[tuple[SupportHours, ...], Field(max_length=14)] = ()
    visible_to: Circle | None = None
    bookable_by: Circle | None = None
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


class DraftOffering(Contract):
    """Keep an offering as a draft, which nobody else sees. A draft may be replaced as often as one likes."""

    offering: Offering


class PublishOffering(Contract):
    """Publish an offering or its next revision. The whole document is sent each time."""

    offering: Offering


class PauseOffering(Contract):
    """Close an offering for new bookings until it is resumed. Existing bookings go on."""

    offering_id: OfferingId
    reason: Line


class ResumeOffering(Contract):
    """Open a paused offering again."""

    offering_id: OfferingId


class RetireOffering(Contract):
    """Close an offering for new bookings for good. Existing bookings go on."""

    offering_id: OfferingId


class CatalogueChange(Contract):
    """What all facts of the catalogue have in common.

    Attributes:
        position: counts 1, 2, 3, ... over all changes of the catalogue, without a gap. Whoever holds the
            catalogue as of a position applies what comes after it, once.
    """

    provider: MemberId
    revision: Annotated[Count, Field(ge=1)]
    position: Annotated[Count, Field(ge=1)]


class OfferingDrafted(CatalogueChange):
    """A draft is kept, as the revision that it would be published as."""

    offering: Offering
    drafted_at: Instant


class OfferingPublished(CatalogueChange):
    """The revision that holds from now on. An unchanged document keeps its revision."""

    offering: Offering
    published_at: Instant


class OfferingPaused(CatalogueChange):
    """No new bookings for the time being."""

    offering_id: OfferingId
    reason: Line
    paused_at: Instant


class OfferingResumed(CatalogueChange):
    """New bookings are taken again."""

    offering_id: OfferingId
    resumed_at: Instant


class OfferingRetired(CatalogueChange):
    """Closed for new bookings; only a new publication opens it again."""

    offering_id: OfferingId
    retired_at: Instant


class OfferingHidden(CatalogueChange):
    """The receiver does not see the offering any more; its existing bookings go on."""

    offering_id: OfferingId
    hidden_at: Instant


class ListOfferings(Contract):
    """Ask for offerings, in the order of their ids."""

    category: Category | None = None
    after: OfferingId | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class OfferingSummary(Contract):
    """One offering with its state and revision."""

    offering: Offering
    state: Literal["draft", "published", "paused", "retired"]
    revision: Count
    position: Count


class Offerings(Contract):
    """A page of offerings; `next_after` continues it, or is null on the last page.

    Attributes:
        position: of the catalogue when the page was read. Whoever reads all pages and then every change
            after the first page's position has the catalogue without a gap.
    """

    offerings: tuple[OfferingSummary, ...]
    next_after: OfferingId | None
    position: Count
