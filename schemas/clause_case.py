"""Cases of a cost clause as documents: what it is fed with, and what must come out."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .contract import Contract
from .identifiers import Day, Line, Slug

Told = Line | bool | dict[Line, Line | bool]
"""A value as it is written: money in the currency's smallest unit; or one for every party."""


class Spell(Contract):
    """The first and the last day on which a party takes part; from the start, or to the end, without."""

    first_day: Day | None = None
    last_day: Day | None = None


class CaseDocument(Contract):
    """What a clause is run on.

    Attributes:
        version: of the clause; without it, the one in force on the first day, or else the newest.
        first_day: of the period that is charged; without it, the version's first.
        last_day: without it, the end of that year, or of the version.
        told: the inputs by name; with `each`, a value for every party.
        parties: all who take part; without them, those for whom inputs have values.
        taking_part: when those do who do not take part all the time.
        holder_of: of parties behind a name in a published key, such as their Land, that name.
    """

    title: Line | None = None
    version: Annotated[int, Field(ge=1, le=9999)] | None = None
    first_day: Day | None = None
    last_day: Day | None = None
    told: Annotated[dict[Slug, Told], Field(max_length=100)] = Field(default_factory=dict)
    parties: Annotated[tuple[Line, ...], Field(min_length=1, max_length=2000)] | None = None
    taking_part: Annotated[dict[Line, Spell], Field(max_length=2000)] = Field(default_factory=dict)
    holder_of: Annotated[dict[Line, Line], Field(max_length=2000)] = Field(default_factory=dict)


class WorkedCase(CaseDocument):
    """A case with its outcome; exactly one of these.

    Attributes:
        expect: values by name, or by `name.party`: money in smallest units, `15/52` for a fraction.
        refused: words of the refusal.
        held: words of the reason for which nothing is charged yet.
        remark: such as where a convention differs from the source.
    """

    expect: Annotated[dict[Line, Line | bool], Field(min_length=1, max_length=500)] | None = None
    refused: Line | None = None
    held: Line | None = None
    remark: Line | None = None

    @model_validator(mode="after")
    def _one_outcome(self) -> Self:
        if sum(outcome is not None for outcome in (self.expect, self.refused, self.held)) != 1:
            raise ValueError("a case has exactly one of expect, refused and held")
        return self


class Examples(Contract):
    """Worked examples of a clause.

    Attributes:
        basis: the numbers are the source's own; or follow from it; or are made up to show how it works.
        assumptions: under which they come out.
        sourced: whether the first cases are those of the collection; false where all are our own.
    """

    clause_id: Slug
    basis: Literal["published", "derived", "constructed"]
    assumptions: tuple[Line, ...] = ()
    sourced: bool = True
    cases: Annotated[tuple[WorkedCase, ...], Field(min_length=1, max_length=100)]


class Exclusion(Contract):
    """A clause of the collection that is no pricing matter, and why."""

    clause_id: Slug
    reason: Line
