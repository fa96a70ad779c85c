"""Catalogue: offerings and their plans (TM Forum: product offering; Open Service Broker: service, plan)."""

import json
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, StringConstraints, model_validator

from .attachments import AttachmentSummary
from .conditions import Circle, Conditions, Pool
from .contract import Contract
from .identifiers import ClassName, Count, Day, Instant, Line, MemberId, OfferingId, Slug, Text
from .money import Cents, Currency, ExactDecimal, PositiveQuantity, Quantity
from .tariff import OrderQuantity, Tariff, Unit

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

Json = JsonValue
"""What a form, the answers to it, and a difference are made of."""

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


class DiscardDraft(Contract):
    """Throw a draft away. What is published stays as it is."""

    offering_id: OfferingId


class PublishOffering(Contract):
    """Publish an offering or its next revision. The whole document is sent each time; a draft is used up."""

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


class OfferingDrafted(Contract):
    """A draft is kept, as the revision that it would be published as. No change of the catalogue."""

    offering: Offering
    provider: MemberId
    revision: Annotated[Count, Field(ge=1)]
    drafted_at: Instant


class DraftDiscarded(Contract):
    """A draft is thrown away. No change of the catalogue."""

    offering_id: OfferingId
    provider: MemberId
    discarded_at: Instant


class CatalogueChange(Contract):
    """What all facts have in common that change the catalogue for others.

    Attributes:
        position: counts 1, 2, 3, ... over all changes of the catalogue, in the order of their commits and
            without a gap. Whoever holds the catalogue as of a position applies what comes after it, once.
            A command that changes nothing is answered with the position of the change that it repeats;
            whoever lost sight hears of it at the position of the publication that narrowed the circle.
    """

    provider: MemberId
    revision: Annotated[Count, Field(ge=1)]
    position: Annotated[Count, Field(ge=1)]


class OfferingPublished(CatalogueChange):
    """The revision that holds from now on. An unchanged document keeps its revision."""

    offering: Offering
    published_at: Instant


class OfferingPaused(CatalogueChange):
    """No new bookings for the time being."""

    offering_id: OfferingId
    category: Category | None = None
    reason: Line
    paused_at: Instant


class OfferingResumed(CatalogueChange):
    """New bookings are taken again."""

    offering_id: OfferingId
    category: Category | None = None
    resumed_at: Instant


class OfferingRetired(CatalogueChange):
    """Closed for new bookings; only a new publication opens it again."""

    offering_id: OfferingId
    category: Category | None = None
    retired_at: Instant


class OfferingHidden(CatalogueChange):
    """The receiver does not see the offering any more; its existing bookings go on."""

    offering_id: OfferingId
    category: Category | None = None
    hidden_at: Instant


Change = OfferingPublished | OfferingPaused | OfferingResumed | OfferingRetired | OfferingHidden
State = Literal["draft", "published", "paused", "retired"]


class ListOfferings(Contract):
    """Ask for offerings, in the order of their ids.

    Attributes:
        drafts: one's own drafts instead of the catalogue.
    """

    category: Category | None = None
    provider: MemberId | None = None
    drafts: bool = False
    after: OfferingId | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class OfferingSummary(Contract):
    """One offering with its state and revision.

    Attributes:
        position: of its last change.
    """

    offering: Offering
    state: State
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


class ShowOffering(Contract):
    """Ask for one offering.

    Attributes:
        revision: an earlier one; None is the newest.
        draft: one's own draft instead.
    """

    offering_id: OfferingId
    revision: Annotated[Count, Field(ge=1)] | None = None
    draft: bool = False


class OfferingShown(Contract):
    """One revision of an offering.

    Attributes:
        state: of the offering now, whichever revision was asked for.
        newest: its newest published revision; 0 before the first.
        position: of its last change.
        since: when the revision was published, or the draft kept.
        bookable: whether the asker may book it now.
    """

    offering: Offering
    state: State
    revision: Count
    newest: Count
    position: Count
    since: Instant
    bookable: bool
    attachments: tuple[AttachmentSummary, ...] = ()


class ShowHistory(Contract):
    """Ask for the revisions of an offering, the newest first."""

    offering_id: OfferingId
    before: Annotated[Count, Field(ge=1)] | None = None
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class RevisionSummary(Contract):
    """One revision.

    Attributes:
        tariffs: the newest version of every plan's tariff.
    """

    revision: Count
    published_at: Instant
    title: Line
    tariffs: dict[Slug, Count]


class History(Contract):
    """Revisions; `next_before` continues them, or is null on the last page."""

    offering_id: OfferingId
    revisions: tuple[RevisionSummary, ...]
    next_before: Count | None


class CompareRevisions(Contract):
    """Ask what two revisions of an offering differ in.

    Attributes:
        later: None is the newest.
        draft: compare with one's own draft instead of a later revision.
    """

    offering_id: OfferingId
    earlier: Annotated[Count, Field(ge=1)]
    later: Annotated[Count, Field(ge=1)] | None = None
    draft: bool = False


class Differing(Contract):
    """One place in which two documents differ.

    Attributes:
        path: such as `plans[standard].tariffs[2].components[runtime].price.amount`; what has an id is
            named by it, not by where it stands.
        before, after: null where the place was, or is, not there.
    """

    path: str
    before: JsonValue = None
    after: JsonValue = None


class Comparison(Contract):
    """What two revisions differ in, in the order of the document.

    Attributes:
        complete: there is no more than what fits here.
    """

    offering_id: OfferingId
    earlier: Count
    later: Count
    differences: tuple[Differing, ...]
    complete: bool = True


Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Filter(Contract):
    """What hits must have: one of the values of each kind that is given."""

    category: Annotated[tuple[Category, ...], Field(max_length=20)] = ()
    provider: Annotated[tuple[MemberId, ...], Field(max_length=20)] = ()
    region: Annotated[tuple[Slug, ...], Field(max_length=20)] = ()
    certificate: Annotated[tuple[Line, ...], Field(max_length=20)] = ()
    keyword: Annotated[tuple[Line, ...], Field(max_length=20)] = ()


class Place(Contract):
    """Where a page of hits ended."""

    rank: Count
    offering_id: OfferingId


class SearchOfferings(Contract):
    """Search what can be booked or will be again: published and paused offerings.

    Attributes:
        text: words in German, as people write them; "in quotation marks" for a phrase, -word to leave out.
        bookable: only what the asker may book now.
        facets: count what the hits have; the first page is enough.
        after: the place at which the page before ended.
    """

    text: Annotated[str, StringConstraints(max_length=200)] = ""
    filter: Filter = Filter()
    bookable: bool = False
    facets: bool = True
    after: Place | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class Hit(Contract):
    """One offering that was found; `catalog.offering.show` has all of it.

    Attributes:
        rank: the better the higher; 0 where no text was searched for.
        bookable: whether the asker may book it now.
    """

    offering_id: OfferingId
    title: Line
    category: Category
    state: Literal["published", "paused"]
    revision: Count
    rank: Count
    bookable: bool


class FacetValue(Contract):
    """How many of the hits have a value."""

    value: str
    count: Count


class Facets(Contract):
    """What the hits have, the most frequent values first."""

    category: tuple[FacetValue, ...] = ()
    provider: tuple[FacetValue, ...] = ()
    region: tuple[FacetValue, ...] = ()
    certificate: tuple[FacetValue, ...] = ()
    keyword: tuple[FacetValue, ...] = ()


class Found(Contract):
    """A page of hits, the best first.

    Attributes:
        counted: hits in all, as far as they were looked at, where facets are asked for; facets count the
            same hits.
        complete: all hits were looked at, as far as is known. Otherwise there are more: ranked and counted
            are those whose title or keywords fit, then others; narrower words or filters help. Without a
            text the pages go on to the last hit all the same.
        similar: nothing has the words; these are spelt alike.
        next_after: continues the page; null on the last.
    """

    hits: tuple[Hit, ...]
    counted: Count | None
    complete: bool
    similar: bool = False
    facets: Facets | None = None
    next_after: Place | None


class EstimateCosts(Contract):
    """Ask what a booking would cost. It is refused by the rules that would refuse the booking.

    Attributes:
        months: how many calendar months to look ahead, that of the start included.
        usage_per_month: what each meter is assumed to count in a month; meters not named count nothing.
    """

    offering_id: OfferingId
    plan_id: Slug
    start: Day
    months: Annotated[int, Field(ge=1, le=60)] = 12
    quantities: Annotated[dict[Slug, Quantity], Field(max_length=50)] = Field(default_factory=dict)
    details: Annotated[dict[str, JsonValue], Field(max_length=200)] | None = None
    usage_per_month: Annotated[dict[Slug, Quantity], Field(max_length=50)] = Field(default_factory=dict)


class EstimateLine(Contract):
    """One charge, or several that are alike.

    Attributes:
        times: how often it is charged in the months looked at.
        first, last: the months in which it is charged first and last.
        amount_cents: of one charge; the line comes to `times` as much.
        trace_de: how the amount comes about, in German; `trace_en` in English.
    """

    component: Slug
    title: Line
    billing: str
    quantity: ExactDecimal
    unit: Unit
    amount_cents: Cents
    times: Count
    first: str
    last: str
    trace_de: str
    trace_en: str


class Estimate(Contract):
    """What a booking would cost by the tariff version of its start. Nothing is promised by it.

    Attributes:
        total_cents: of all lines in all months looked at.
        monthly_cents: what comes together in each month, the first being that of the start.
    """

    offering_id: OfferingId
    offering_revision: Count
    plan_id: Slug
    tariff_version: Count
    consumer_class: ClassName | None
    currency: Currency = "EUR"
    lines: tuple[EstimateLine, ...]
    monthly_cents: tuple[Cents, ...]
    total_cents: Cents


class ReplayChanges(Contract):
    """Ask for the changes of the catalogue again, as they were told to the asker.

    Attributes:
        after: the position held; or
        since: a moment; both together mean the later.
        categories: only of offerings that are or were of these; empty is all.
    """

    after: Count = 0
    since: Instant | None = None
    categories: Annotated[tuple[Category, ...], Field(max_length=20)] = ()
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class Changes(Contract):
    """Changes in the order of their positions.

    Attributes:
        position: everything up to it is told; the next question continues after it.
        end: there was no more when it was asked; what comes then comes as events.
    """

    changes: tuple[Change, ...]
    position: Count
    end: bool
