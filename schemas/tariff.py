"""The documents that say what something costs: tariffs of a plan, and keys by which a cost is shared."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from .contract import Contract
from .identifiers import ClassName, Day, Line, Slug
from .money import Currency, ExactDecimal, PositiveQuantity, Quantity, UnitPrice

Unit = Annotated[str, StringConstraints(pattern=r"^[A-Za-zÀ-ÖØ-öø-ÿ0-9µ%][A-Za-zÀ-ÖØ-öø-ÿ0-9µ%/ ._-]{0,31}$")]


class PerUnit(Contract):
    """So many euro for so many units."""

    kind: Literal["per_unit"] = "per_unit"
    amount: UnitPrice
    per: PositiveQuantity = Decimal(1)


class Free(Contract):
    """Supplied and accounted for at no charge."""

    kind: Literal["free"] = "free"
    reason: Line


class NotOffered(Contract):
    """Not supplied to this class: a booking is refused before it is priced."""

    kind: Literal["not_offered"] = "not_offered"
    reason: Line


Price = Annotated[PerUnit | Free | NotOffered, Field(discriminator="kind")]


class Component(Contract):
    """One line of a tariff (TM Forum: product offering price).

    Attributes:
        billing: `one_time` charges the booked quantity once, in the month of the booking's start;
            `fixed` charges a flat amount for every begun period;
            `usage` charges what a meter counted in the month;
            `limit` charges the reserved quantity for every begun period, used or not;
            `on_plan_change` charges once whenever a booking changes to this plan.
        period: of `fixed` and `limit`: month, quarter and year of the calendar, charged in the first month
            of the booking that lies in them; `total` charges once for the whole booking.
        measure: the quantity of the order form (one_time, limit) or the meter (usage) that is charged;
            fixed and on_plan_change have none.
        price: the same for every consumer; or
        price_by_class: a cell for each class of the tariff's scheme.
    """

    id: Slug
    title: Line
    billing: Literal["one_time", "fixed", "usage", "limit", "on_plan_change"]
    period: Literal["month", "quarter", "year", "total"] | None = None
    measure: Slug | None = None
    unit: Unit
    price: Price | None = None
    price_by_class: Annotated[dict[ClassName, Price], Field(min_length=1, max_length=50)] | None = None

    @model_validator(mode="after")
    def _one_kind_of_price(self) -> Self:
        if (self.price is None) == (self.price_by_class is None):
            raise ValueError(f"component {self.id}: give either price or price_by_class")
        return self

    @model_validator(mode="after")
    def _measured(self) -> Self:
        if (self.billing in {"fixed", "on_plan_change"}) != (self.measure is None):
            needs = "no measure" if self.measure is not None else "a measure"
            raise ValueError(f"component {self.id}: {self.billing} needs {needs}")
        if (self.billing in {"fixed", "limit"}) != (self.period is not None):
            needs = "no period" if self.period is not None else "a period"
            raise ValueError(f"component {self.id}: {self.billing} needs {needs}")
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
        if self.class_scheme is None and any(c.price_by_class for c in self.components):
            raise ValueError(f"tariff version {self.version} has prices by class but names no class_scheme")
        return self


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
