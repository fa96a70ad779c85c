"""The documents that say what something costs: tariffs of a plan, and keys by which a cost is shared.

Cost clauses, which share a cost in several steps, stand in `clause.py` and price by the same rules.
"""

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from .contract import Contract, Misplaced
from .identifiers import ClassName, Day, Line, OfferingId, Slug
from .money import Currency, ExactDecimal, PositiveQuantity, Quantity, UnitPrice

Unit = Annotated[str, StringConstraints(pattern=r"^[A-Za-zÀ-ÖØ-öø-ÿ0-9µ%][A-Za-zÀ-ÖØ-öø-ÿ0-9µ%/ ._-]{0,31}$")]


Billing = Literal["one_time", "fixed", "usage", "limit", "on_plan_change"]


class Derived(Contract):
    """A price taken from another provider's published list when a tariff version is published.

    It stays as it was taken: when the other list changes, a new version takes the new price.

    Attributes:
        factor: what the other price is multiplied by; `plus` is added to it afterwards. Of tiers, `plus` is
            added to every amount, and flat amounts are multiplied only.
    """

    kind: Literal["derived"] = "derived"
    offering_id: OfferingId
    plan_id: Slug
    component: Slug
    factor: PositiveQuantity = Decimal(1)
    plus: ExactDecimal = Decimal(0)


class Plain(Contract):
    """A price that needs nothing else.

    Attributes:
        derived_from: whose list it was taken from, told by the catalogue;
        derived_version: from that version of the other tariff.
    """

    derived_from: Derived | None = None
    derived_version: Annotated[int, Field(ge=1, le=9999)] | None = None


class PerUnit(Plain):
    """So many euro for so many units."""

    kind: Literal["per_unit"] = "per_unit"
    amount: UnitPrice
    per: PositiveQuantity = Decimal(1)


class Free(Contract):
    """Supplied and accounted for at no charge."""

    kind: Literal["free"] = "free"
    reason: Line


class NotOffered(Contract):
    """Not supplied to these: a booking is refused before it is priced."""

    kind: Literal["not_offered"] = "not_offered"
    reason: Line


class Tier(Contract):
    """One step of a staircase of prices.

    Attributes:
        up_to: the last quantity of the tier, itself included; null in a last tier without an end.
        amount: euro for every `per` units within the tier.
        flat: euro for the tier as such, once it is reached.
    """

    up_to: PositiveQuantity | None = None
    amount: UnitPrice = Decimal(0)
    per: PositiveQuantity = Decimal(1)
    flat: UnitPrice = Decimal(0)


class Tiered(Plain):
    """A price that depends on the quantity.

    Attributes:
        mode: `graduated` prices each part of the quantity by its own tier; `volume` prices the whole
            quantity by the tier in which it ends.
        tiers: from the smallest; where the last has an end, what lies beyond is not offered (hard stop).
    """

    kind: Literal["tiered"] = "tiered"
    mode: Literal["graduated", "volume"]
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1, max_length=50)]

    @model_validator(mode="after")
    def _rising(self) -> Self:
        ends = [tier.up_to for tier in self.tiers]
        if any(end is None for end in ends[:-1]):
            raise ValueError("only the last tier may have no end")
        bounded = [end for end in ends if end is not None]
        for number, (lower, upper) in enumerate(pairwise(bounded), 1):
            if upper <= lower:
                raise Misplaced("the ends of the tiers must rise", "tiers", number, "up_to")
        return self


class PercentOf(Contract):
    """A percentage of what other components of the same tariff come to, such as an overhead or a rebate.

    Attributes:
        percent: of the sum of the components' amounts; negative for a rebate.
        of: their ids; they stand before this one. A percentage of `usage` may also be of what else is charged
            in the same month; any other is of components that fall due with it.
        round_base: how the sum is rounded before the percentage is taken.
    """

    kind: Literal["percent"] = "percent"
    percent: ExactDecimal
    of: Annotated[tuple[Slug, ...], Field(min_length=1, max_length=50)]
    round_base: "Rounding | None" = None


Price = Annotated[
    PerUnit | Free | NotOffered | Tiered | PercentOf | Derived,
    Field(discriminator="kind"),
]


class Rounding(Contract):
    """Rounding to a multiple.

    Attributes:
        to: the multiple, in the unit of what is rounded: 0.25 for quarter hours, 100 for hundreds, 50 for
            full fifty euro.
        mode: `up` makes every begun multiple count, `nearest` rounds commercially (DIN 1333: half goes away
            from zero), `half_even` to the even neighbour.
    """

    to: PositiveQuantity
    mode: Literal["up", "down", "nearest", "half_even"] = "nearest"


class QuantityRounding(Rounding):
    """Rounding of a quantity: of every usage record on its own, or of the period's quantity."""

    each: Literal["record", "total"] = "total"


class Included(Contract):
    """A quantity that costs nothing.

    Attributes:
        quantity: so much in every period of the component;
        for_each: multiplied by this order quantity (100 MB for each person).
        shared_by: whose quantities use it up together: one booking, all bookings of a consumer of this
            offering, or all bookings of this offering (a pool with a ceiling). Of a pool that does not reach,
            everybody gets a part in proportion to the quantity used.
    """

    quantity: Quantity
    for_each: Slug | None = None
    shared_by: Literal["booking", "consumer", "offering"] = "booking"


class QuantityRule(Contract):
    """How what was measured becomes the quantity that is priced, in this order.

    Attributes:
        reading: what a usage record tells: `delta` a quantity used between start and end, `gauge` the height
            of a level in that time or at that moment, `counter` the reading of a meter that only rises: what
            it rose by between two readings is used in the time of the later one, and after a fall it has
            begun again at zero.
        window: first every hour, day, month or quarter of Europe/Berlin gives one value
        window_take: by this rule;
        take: then the values of the period give its quantity by this one. `hours` sums quantity times hours,
            `percentile` is the smallest value that so many percent of the values do not exceed.
        percentile: between 0 and 100, for `percentile` only.
        round: of each record before all this, or of the quantity.
        at_least: the smallest quantity that is supplied;
        below: smaller ones are priced as the smallest (`lift`), or an order of them is refused.
        included: comes off last.
    """

    reading: Literal["delta", "gauge", "counter"] = "delta"
    window: Literal["hour", "day", "month", "quarter"] | None = None
    window_take: Literal["sum", "max", "min", "mean", "last"] | None = None
    take: Literal["sum", "max", "min", "mean", "last", "count", "hours", "percentile"] = "sum"
    percentile: Annotated[ExactDecimal, Field(gt=0, le=100)] | None = None
    round: QuantityRounding | None = None
    at_least: PositiveQuantity | None = None
    below: Literal["lift", "refuse"] = "lift"
    included: Included | None = None

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if (self.window is None) != (self.window_take is None):
            raise ValueError("give window and window_take together")
        if (self.take == "percentile") != (self.percentile is not None):
            raise ValueError("percentile is given with take: percentile, and only then")
        if self.reading == "counter" and self.take != "sum":
            raise ValueError("what a counter rose by is summed up: take must be sum")
        return self


class IndexPoint(Contract):
    """The value of a price index from a day on."""

    valid_from: Day
    value: PositiveQuantity


class Indexation(Contract):
    """A price that follows an index: multiplied by the index's value and divided by the base.

    Attributes:
        points: by day, rising; before the first one the price stays as it is.
        share_percent: so much of the price follows, the rest stays.
        from_change_percent: a smaller change of the index than this leaves the price as it is.
    """

    title: Line
    source: Line
    base: PositiveQuantity
    points: Annotated[tuple[IndexPoint, ...], Field(min_length=1, max_length=500)]
    share_percent: Annotated[PositiveQuantity, Field(le=100)] = Decimal(100)
    from_change_percent: Quantity = Decimal(0)

    @model_validator(mode="after")
    def _rising(self) -> Self:
        days = [point.valid_from for point in self.points]
        if days != sorted(set(days)):
            raise ValueError("the points of an index must rise by day")
        return self


class AmountRule(Contract):
    """What becomes of the amount of a period, in this order.

    Attributes:
        index: applied to the unit prices.
        only_above: amounts up to this are not charged at all, larger ones in full (all or nothing).
        at_least: the smallest amount that is charged once anything is.
        at_most: the largest.
        round: euro; without it, to the cent, commercially.
    """

    index: Indexation | None = None
    only_above: UnitPrice | None = None
    at_least: UnitPrice | None = None
    at_most: UnitPrice | None = None
    round: Rounding | None = None


class PriceCell(Contract):
    """One cell of a table of prices.

    Attributes:
        when: the attributes it is for, each with one value or several: `class` is the consumer's class in the
            tariff's scheme, `consumer` its id, anything else an answer of the order form, or a dimension of
            the usage record. A cell without conditions is for all that no earlier one is for.
        valid_from: a price step agreed beforehand; the first and last day of service it is for.
    """

    when: Annotated[
        dict[Slug, ClassName | Annotated[tuple[ClassName, ...], Field(min_length=1, max_length=100)]],
        Field(max_length=10),
    ] = Field(default_factory=dict)
    valid_from: Day | None = None
    valid_to: Day | None = None
    price: Price


class Pricing(Contract):
    """What a quantity of something costs.

    Attributes:
        price: the same for everybody; or
        price_by_class: a cell for each class of the tariff's scheme; or
        prices: a table, of which the first cell that fits holds; where none fits, an order is refused, and a
            charge is held until there is a price.
    """

    unit: Unit
    quantity: QuantityRule | None = None
    price: Price | None = None
    price_by_class: Annotated[dict[ClassName, Price], Field(min_length=1, max_length=50)] | None = None
    prices: Annotated[tuple[PriceCell, ...], Field(min_length=1, max_length=500)] | None = None
    amount: AmountRule | None = None

    @model_validator(mode="after")
    def _one_kind_of_price(self) -> Self:
        if sum(given is not None for given in (self.price, self.price_by_class, self.prices)) != 1:
            raise ValueError("give one of price, price_by_class and prices")
        return self


class Component(Pricing):
    """One line of a tariff (TM Forum: product offering price).

    Attributes:
        billing: `one_time` charges the booked quantity once, in the month of the booking's start;
            `fixed` charges a flat amount for every begun period;
            `usage` charges what a meter counted in the period;
            `limit` charges the reserved quantity for every begun period, used or not;
            `on_plan_change` charges once whenever a booking changes to this plan.
        period: of `fixed` and `limit`: month, quarter and year of the calendar, charged in the first month
            of the booking that lies in them; `total` charges once for the whole booking. Of `usage`: the
            calendar period whose usage is one quantity, charged after its end; a month unless said.
        measure: the quantity of the order form (one_time, limit) or the meter (usage) that is charged;
            fixed and on_plan_change have none, nor has what is a percentage of other components.
        proration: of `fixed` and `limit`: `none` charges every begun period in full, `day` by days of the
            period, `month` by begun months of the period; also where terms change within it.
        account: what the money is: payment for a service, an outlay passed on at cost, or a contribution to
            the capital of the cooperative, which is no turnover.
    """

    id: Slug
    title: Line
    billing: Billing
    period: Literal["month", "quarter", "year", "total"] | None = None
    measure: Slug | None = None
    proration: Literal["none", "day", "month"] = "none"
    account: Literal["service", "pass_through", "equity"] = "service"

    @property
    def is_percentage(self) -> bool:
        """Whether it prices other components rather than a quantity."""
        return isinstance(self.price, PercentOf)

    @model_validator(mode="after")
    def _measured(self) -> Self:
        unmeasured = self.billing in {"fixed", "on_plan_change"} or self.is_percentage
        if unmeasured != (self.measure is None):
            needs = "no measure" if self.measure is not None else "a measure"
            raise ValueError(f"component {self.id}: {self.billing} needs {needs}")
        if self.billing != "usage" and (self.billing in {"fixed", "limit"}) != (self.period is not None):
            needs = "no period" if self.period is not None else "a period"
            raise ValueError(f"component {self.id}: {self.billing} needs {needs}")
        if self.billing == "usage" and self.period == "total":
            raise ValueError(f"component {self.id}: usage is charged by month, quarter or year")
        return self

    @model_validator(mode="after")
    def _rules_that_fit(self) -> Self:
        rule = self.quantity
        metered = rule is not None and (rule.reading, rule.take, rule.window) != ("delta", "sum", None)
        if metered and self.billing != "usage":
            raise ValueError(f"component {self.id}: only usage is read from a meter")
        if self.proration != "none" and (self.billing not in {"fixed", "limit"} or self.period == "total"):
            raise ValueError(f"component {self.id}: only fixed and limit by period are prorated")
        return self


class Tariff(Contract):
    """One dated version of what a plan costs. A published version never changes."""

    version: Annotated[int, Field(ge=1, le=9999)]
    valid_from: Day
    valid_to: Day | None = None
    currency: Currency = "EUR"
    class_scheme: Slug | None = None
    source: Line | None = None
    components: Annotated[tuple[Component, ...], Field(min_length=1, max_length=50)]

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise ValueError(f"tariff version {self.version} ends before it begins")
        ids = [component.id for component in self.components]
        if len(set(ids)) < len(ids):
            raise ValueError(f"tariff version {self.version} names a component twice")
        if self.class_scheme is None and any(_asks_for_class(c) for c in self.components):
            raise ValueError(f"tariff version {self.version} has prices by class but names no class_scheme")
        return self

    @model_validator(mode="after")
    def _percentages_in_order(self) -> Self:
        seen: set[str] = set()
        for component in self.components:
            for price in prices_of(component):
                if isinstance(price, PercentOf) and (unknown := set(price.of) - seen):
                    raise ValueError(
                        f"component {component.id} is a percentage of {min(unknown)}, "
                        "which does not stand before it"
                    )
            seen.add(component.id)
        return self

    @model_validator(mode="after")
    def _percentages_fall_due_together(self) -> Self:
        when = {component.id: _falls_due(component) for component in self.components}
        for component in self.components:
            if component.billing == "usage" or not isinstance(component.price, PercentOf):
                continue
            for name in component.price.of:
                if when[name] != when[component.id]:
                    raise ValueError(
                        f"component {component.id} is a percentage of {name}, which falls due at another time"
                    )
        return self


def _falls_due(component: Component) -> str:
    """When a component is charged: once, on a change of plan, by period, or after usage."""
    if component.billing == "one_time":
        return "total"
    return component.billing if component.period is None or component.billing == "usage" else component.period


def prices_of(pricing: Pricing) -> Iterator[Price]:
    """All prices that may hold, whoever asks."""
    if pricing.price is not None:
        yield pricing.price
    yield from (pricing.price_by_class or {}).values()
    yield from (cell.price for cell in pricing.prices or ())


def _asks_for_class(component: Component) -> bool:
    return bool(component.price_by_class) or any("class" in cell.when for cell in component.prices or ())


class OrderQuantity(Contract):
    """One field of the order form with its technical limits."""

    id: Slug
    title: Line
    unit: Unit
    minimum: Quantity = Decimal(0)
    maximum: Quantity | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.maximum is not None and self.maximum < self.minimum:
            raise ValueError(f"order quantity {self.id}: maximum is below minimum")
        return self


_PERCENT_TOTAL = Decimal(100)


class AllocationKey(Contract):
    """One version of a key by which a cost is shared.

    Attributes:
        holders: what the values belong to: members themselves, or Länder, whose value the members
            seated there share equally.
        unit: `percent` must sum to exactly 100, else the key is refused, never normalised;
            `weight` is any measure, such as inhabitants.
        spread_over: `all` needs a member behind every value; `participants` spreads over the values
            that have one, in proportion, and says so in every trace.
    """

    key_id: Slug
    version: Annotated[int, Field(ge=1, le=9999)]
    title: Line
    holders: Literal["member", "land"]
    unit: Literal["percent", "weight"]
    values: Annotated[dict[Line, Annotated[ExactDecimal, Field(gt=0)]], Field(min_length=1, max_length=2000)]
    spread_over: Literal["all", "participants"]
    key_date: Day
    published_on: Day
    effective_from: Day
    source: Line

    @model_validator(mode="after")
    def _complete(self) -> Self:
        total = sum(self.values.values())
        if self.unit == "percent" and total != _PERCENT_TOTAL:
            raise ValueError(f"key {self.key_id} sums to {total} percent, not to 100")
        return self
