"""Cost clauses as documents: how a cost, a levy or a grant is shared among public bodies, step by step.

A clause is a list of dated versions. A version names what it is fed with (`inputs`), by which keys it shares
(`keys`), what it works out (`steps`, each with the name of its value), what is charged (`charges`), and what
must hold first (`requires`). Values are money, numbers, texts, flags and dates; each is one value, or one for
every party (`each`), which may also be a case or a year. Prices within a clause are those of a tariff.

Operands are texts: the name of an input or step (`costs`), the part of one party (`costs.Hessen`), a number
(`12`, `0.5`), money (`650.00 EUR`) or a date (`2026-01-01`). Always known are `parties`, the number of
parties taking part, and `first_day` and `last_day` of the period.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from .contract import Contract, Misplaced
from .identifiers import Day, Line, Slug
from .money import Currency, ExactDecimal, PositiveQuantity
from .tariff import Pricing, Rounding, Unit

Operand = Annotated[
    str, StringConstraints(pattern=r"^[^\s.]([^.]{0,78}[^\s.])?(\.[0-9]+ [A-Z]{2,4}|\.\S|\.\S.{0,198}\S)?$")
]
"""A name, `name.party`, a number, or money with its currency."""

DayOfYear = Annotated[str, StringConstraints(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")]
"""`MM-DD`, such as `07-15`."""

Kind = Literal["money", "number", "text", "flag", "date"]


class Source(Contract):
    """Where a clause stands."""

    title: Line
    url: Line | None = None


class Input(Contract):
    """Something a clause is fed with.

    Attributes:
        kind: money is told in the currency's smallest unit (cents), a flag is true or false.
        each: a value for every party, case or year.
        at_least: smaller values are refused; of money, in the currency itself (500.00); likewise `at_most`.
        one_of: of a text, the values that are known.
        default: what holds where nothing is told, also of a single party; of money, in the currency itself.
            Without one, the value must be told; `each` may leave parties out.
    """

    kind: Kind
    each: bool = False
    title: Line | None = None
    unit: Unit | None = None
    at_least: ExactDecimal | None = None
    at_most: ExactDecimal | None = None
    one_of: Annotated[tuple[Line, ...], Field(min_length=1, max_length=100)] | None = None
    default: Line | bool | None = None


class Test(Contract):
    """One comparison; exactly one of them is given.

    Attributes:
        value: what is compared.
        equals: the same text, flag, or number; `one_of` any of several texts.
    """

    value: Operand
    equals: Line | bool | None = None
    one_of: Annotated[tuple[Line, ...], Field(min_length=1, max_length=100)] | None = None
    above: Operand | None = None
    at_least: Operand | None = None
    below: Operand | None = None
    at_most: Operand | None = None

    @property
    def comparison(self) -> str:
        """The name of the comparison that is given."""
        return next(name for name in _COMPARISONS if getattr(self, name) is not None)

    @model_validator(mode="after")
    def _one_comparison(self) -> Self:
        if sum(getattr(self, name) is not None for name in _COMPARISONS) != 1:
            raise ValueError(f"compare {self.value} in exactly one way: {', '.join(_COMPARISONS)}")
        return self


_COMPARISONS = ("equals", "one_of", "above", "at_least", "below", "at_most")

All = Annotated[tuple[Test, ...], Field(min_length=1, max_length=20)]
"""Tests that must all hold."""
AnyOf = Annotated[tuple[All, ...], Field(min_length=1, max_length=20)]
"""Lists of tests, of which one must hold as a whole."""


class Condition(Contract):
    """When something holds: all tests of `when`, and all of one list of `when_any`."""

    when: All | None = None
    when_any: AnyOf | None = None

    @property
    def tests(self) -> Iterator[Test]:
        """All tests of the condition."""
        yield from self.when or ()
        for alternative in self.when_any or ():
            yield from alternative


class Group(Condition):
    """Some of the parties: those named, without those excepted, for whom the condition holds."""

    parties: Annotated[tuple[Line, ...], Field(min_length=1, max_length=2000)] | None = None
    without: Annotated[tuple[Line, ...], Field(min_length=1, max_length=2000)] | None = None


# -- keys -------------------------------------------------------------------------------------------


class KeyPart(Contract):
    """A part of a composite key."""

    percent: PositiveQuantity
    key: Slug


class Key(Contract):
    """What a share is measured by; exactly one of these, and `version` or `lag_years` beside the first.

    Attributes:
        published: the id of a published key, whose version is the newest that is in effect on the first day
            of what is shared; `version` names a fixed one;
        lag_years: the version that was in effect so many years earlier (the last settled year).
        values: percent that sum to exactly 100;
        measured: a value for every party, such as inhabitants, use, or what an earlier step came to; known
            perhaps only after the period;
        equal: everybody the same;
        composite: keys that count by percent, each brought to a whole first.
    """

    published: Slug | None = None
    version: Annotated[int, Field(ge=1, le=9999)] | None = None
    lag_years: Annotated[int, Field(ge=0, le=20)] = 0
    values: Annotated[dict[Line, PositiveQuantity], Field(min_length=1, max_length=2000)] | None = None
    measured: Operand | None = None
    equal: Literal[True] | None = None
    composite: Annotated[tuple[KeyPart, ...], Field(min_length=2, max_length=20)] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = (self.published, self.values, self.measured, self.equal, self.composite)
        if sum(kind is not None for kind in kinds) != 1:
            raise ValueError("give one of published, values, measured, equal and composite")
        if self.published is None and (self.version is not None or self.lag_years):
            raise ValueError("version and lag_years belong to a published key")
        _sums_to_100("the key", self.values.values() if self.values else None)
        _sums_to_100("the composite key", [part.percent for part in self.composite or ()] or None)
        return self


_WHOLE = Decimal(100)


def _sums_to_100(name: str, percents: Iterable[Decimal] | None) -> None:
    if percents is not None and (total := sum(percents, Decimal(0))) != _WHOLE:
        raise ValueError(f"the percentages of {name} sum to {total}, not to 100")


# -- steps ------------------------------------------------------------------------------------------


class Calculate(Contract):
    """(sum of `add`, less `subtract`), multiplied, divided, and of it so many percent.

    With `each`, it is done for every party; what a party has no value of counts as nothing.

    Attributes:
        add: with nothing to add, multiplication begins with one.
        percent: taken of the result.
        at_least: a smaller result becomes this, a larger one `at_most`.
        round: money is rounded to its smallest unit, commercially, unless this says otherwise; `exact` keeps
            it as it is, for a later step to round.
        only: the parties for whom it is done.
        total: the sum over the parties instead of each one's value; or the largest or the smallest of these
            values, their mean, or how many there are.
    """

    add: Annotated[tuple[Operand, ...], Field(max_length=50)] = ()
    subtract: Annotated[tuple[Operand, ...], Field(max_length=50)] = ()
    multiply: Annotated[tuple[Operand, ...], Field(max_length=20)] = ()
    divide: Annotated[tuple[Operand, ...], Field(max_length=20)] = ()
    percent: ExactDecimal | None = None
    at_least: Operand | None = None
    at_most: Operand | None = None
    round: Rounding | Literal["exact"] | None = None
    only: Group | None = None
    total: bool | Literal["max", "min", "mean", "count"] = False

    @model_validator(mode="after")
    def _of_something(self) -> Self:
        if not (self.add or self.multiply):
            raise ValueError("calculate needs something to add or to multiply")
        return self


class PriceStep(Pricing):
    """What a quantity costs, by the rules of a tariff; the clause's texts are the attributes of its table."""

    of: Operand


class Part(Contract):
    """A part of what is shared, borne by one party or shared by a key.

    Attributes:
        amount: first, in order, fixed amounts;
        percent: then percentages of what these leave, which sum to exactly 100 unless there is a rest;
        rest: what all others leave.
        to: the party that bears it; or
        by: the key by which it is shared, among everybody the key names or
        among: among these.
    """

    amount: Operand | None = None
    percent: PositiveQuantity | None = None
    rest: Literal[True] | None = None
    to: Line | None = None
    by: Slug | None = None
    among: Group | None = None

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if sum(kind is not None for kind in (self.amount, self.percent, self.rest)) != 1:
            raise ValueError("a part is one of amount, percent and rest")
        if (self.to is None) == (self.by is None):
            raise ValueError("a part goes to a party, or is shared by a key")
        if self.among is not None and self.by is None:
            raise ValueError("among belongs to a key")
        return self


class Share(Contract):
    """Shares an amount out, exactly: the shares sum to it.

    Attributes:
        amount: what is shared.
        by: the key of the whole amount, among everybody it names or `among` these; or
        parts: ordered parts with keys and payers of their own.
        prorate: weights count for the time a party takes part in the period: by days, by begun months.
        caps: nobody bears more than this: money for all, or for each who has one;
        over_cap: what a cap cuts off is borne by the others in the ratio of their weights, or stays over.
        floors: nobody bears less than this; the others bear as much less.
        round_to: shares are full multiples of this (1.00 for full euro); what does not make a full one goes
            by the remainder rule, too.
        remainder: the smallest units left over go to the largest remainders (of equal ones the larger weight,
            then the name); or to the named party.
    """

    amount: Operand
    by: Slug | None = None
    among: Group | None = None
    parts: Annotated[tuple[Part, ...], Field(min_length=1, max_length=50)] | None = None
    prorate: Literal["none", "day", "month"] = "none"
    caps: Operand | None = None
    over_cap: Literal["redistribute", "leave"] = "redistribute"
    floors: Operand | None = None
    round_to: PositiveQuantity | None = None
    remainder: Line | None = None

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if (self.by is None) == (self.parts is None):
            raise ValueError("share by one key, or in parts")
        if self.among is not None and self.by is None:
            raise ValueError("among belongs to a key")
        parts = self.parts or ()
        if sum(part.rest is not None for part in parts) > 1:
            raise ValueError("only one part can be the rest")
        percents = [part.percent for part in parts if part.percent is not None]
        if any(part.rest for part in parts):
            if sum(percents, Decimal(0)) > _WHOLE:
                raise ValueError(f"the parts sum to {sum(percents, Decimal(0))} percent, more than 100")
        else:
            _sums_to_100("the parts", percents or None)
        return self


class Keep(Condition):
    """Keeps the values for which the condition holds; the others become nothing (all or nothing)."""

    of: Operand


class Row(Condition):
    """A row of a decision table."""

    then: Line
    reason: Line | None = None


class Otherwise(Contract):
    """What a decision table says where no row fits."""

    then: Line
    reason: Line | None = None


class Decide(Contract):
    """A decision table: the first row whose condition holds gives the text."""

    rows: Annotated[tuple[Row, ...], Field(min_length=1, max_length=100)]
    otherwise: Otherwise


class DateStep(Contract):
    """A date, counted from another.

    Attributes:
        of: the date it is counted from.
        working_days: Monday to Friday.
        to: then moved to the end of its month, quarter or year, or to the first day of the next.
    """

    of: Operand
    days: Annotated[int, Field(ge=-3700, le=3700)] = 0
    working_days: Annotated[int, Field(ge=0, le=2600)] = 0
    months: Annotated[int, Field(ge=-1200, le=1200)] = 0
    years: Annotated[int, Field(ge=-100, le=100)] = 0
    to: Literal["month_end", "quarter_end", "year_end", "next_month", "next_quarter", "next_year"] | None = (
        None
    )


class Between(Contract):
    """How long it is from one date to another, as a number; nothing where the second is not later.

    Attributes:
        since: the day from which it is counted, such as the day on which something was due.
        until: the last day that is counted.
        count: `begun_months` and `begun_years` count what has begun, `months` and `years` what is full.
        inclusive: the first day is counted, too: from 1 January to 31 December it is a year.
    """

    since: Operand
    until: Operand
    count: Literal["days", "months", "begun_months", "years", "begun_years"] = "days"
    inclusive: bool = False


class Instalments(Contract):
    """Equal parts of an amount that sum to it, named by the days on which they fall due."""

    amount: Operand
    due: Annotated[tuple[DayOfYear, ...], Field(min_length=1, max_length=12)]
    round_to: PositiveQuantity | None = None


Work = Calculate | PriceStep | Share | Keep | Decide | DateStep | Between | Instalments


class Step(Condition):
    """Something that is worked out, under a name. Without its condition, the step comes to nothing."""

    id: Slug
    title: Line | None = None
    calculate: Calculate | None = None
    price: PriceStep | None = None
    share: Share | None = None
    keep: Keep | None = None
    decide: Decide | None = None
    date: DateStep | None = None
    between: Between | None = None
    instalments: Instalments | None = None

    @property
    def work(self) -> Work:
        """The one thing it does."""
        everything: tuple[Work | None, ...] = (
            self.calculate,
            self.price,
            self.share,
            self.keep,
            self.decide,
            self.date,
            self.between,
            self.instalments,
        )
        return next(each for each in everything if each is not None)

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if sum(getattr(self, name) is not None for name in STEPS) != 1:
            raise ValueError(f"step {self.id} does exactly one of: {', '.join(STEPS)}")
        return self


STEPS = ("calculate", "price", "share", "keep", "decide", "date", "between", "instalments")


# -- versions ---------------------------------------------------------------------------------------


class Requirement(Condition):
    """Something without which nothing is charged yet: enough parties, the supervisor's approval."""

    reason: Line


class Charge(Contract):
    """What is billed.

    Attributes:
        step: the name of a value: of each party what it bears (negative: what it gets), or one amount.
        payer: who bears a single amount, or `each` for values of each party.
        payee: who receives it.
        kind: as which it is billed; an equity contribution is no turnover.
        depends_on: charges that stand and fall with this one when it is disputed.
    """

    step: Slug
    title: Line
    payer: Line = "each"
    payee: Line | None = None
    kind: Literal["charge", "levy", "advance", "true_up", "credit", "refund", "equity"] = "levy"
    depends_on: Annotated[tuple[Slug, ...], Field(max_length=20)] = ()


class ClauseVersion(Contract):
    """A clause as it stands from a day on. A version that is in force is never changed.

    Attributes:
        decided_on: by whom it had to be decided.
        published_on: where it takes effect by publication.
        decimals: how many decimal places the currency has: 2 for cents, 3 for thousandths of a work unit.
        cash: false for an internal currency, which is never paid out.
        exact_cost: what the charges must sum to, to the smallest unit.
        objection: whether an objection suspends the payment of the charge it is against.
    """

    version: Annotated[int, Field(ge=1, le=9999)]
    valid_from: Day
    valid_to: Day | None = None
    decided_on: Day | None = None
    published_on: Day | None = None
    currency: Currency = "EUR"
    decimals: Annotated[int, Field(ge=0, le=6)] = 2
    cash: bool = True
    inputs: Annotated[dict[Slug, Input], Field(max_length=100)] = Field(default_factory=dict)
    keys: Annotated[dict[Slug, Key], Field(max_length=50)] = Field(default_factory=dict)
    requires: Annotated[tuple[Requirement, ...], Field(max_length=20)] = ()
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=100)]
    charges: Annotated[tuple[Charge, ...], Field(max_length=50)] = ()
    exact_cost: Operand | None = None
    objection: Literal["suspends", "does_not_suspend"] = "suspends"
    note: Line | None = None

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise ValueError(f"version {self.version} ends before it begins")
        names = set(self.inputs)
        for number, step in enumerate(self.steps):
            if step.id in names:
                message = f"version {self.version} gives the name {step.id} twice"
                raise Misplaced(message, "steps", number, "id")
            names.add(step.id)
        return self


class Clause(Contract):
    """A cost clause with its versions."""

    clause_id: Slug
    title: Line
    source: Source
    provider: Line | None = None
    consumers: Line | None = None
    versions: Annotated[tuple[ClauseVersion, ...], Field(min_length=1, max_length=100)]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for number, (earlier, later) in enumerate(pairwise(self.versions), 1):
            if later.version <= earlier.version:
                raise Misplaced("versions must rise, each once", "versions", number, "version")
            if earlier.valid_to is None or earlier.valid_to >= later.valid_from:
                message = (
                    f"version {earlier.version} must end before version {later.version} begins "
                    f"on {later.valid_from}"
                )
                raise Misplaced(message, "versions", number, "valid_from")
        return self
