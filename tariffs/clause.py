"""Runs a version of a cost clause: from its inputs to what is charged, with the story of every step."""

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from allmende.schemas.clause import (
    Between,
    Calculate,
    Charge,
    ClauseVersion,
    DateStep,
    Decide,
    Instalments,
    Keep,
    PriceStep,
    Share,
    Step,
)
from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.tariff import AllocationKey

from . import share_step, steps
from .conditions import holds
from .keys import Book, NotYet
from .scene import Done, Scene
from .values import ONE, Scalar, Unit, Value, read, single

Spell = tuple[dt.date | None, dt.date | None]
"""The first and the last day on which a party takes part; None from the start, or to the end."""


@dataclasses.dataclass(frozen=True)
class Case:
    """What a clause is run on.

    Attributes:
        told: its inputs by name, as `values.read` takes them.
        first_day: of the period that is charged; it decides the versions of keys.
        parties: all who take part; where nobody is named, those for whom inputs have values, and of a
            published key everybody in it, or those whose holders are told.
        keys: the published keys known by now.
        taking_part: the spells of those who do not take part all the time.
        holder_of: of parties behind a name in a published key, such as their Land, that name.
    """

    told: Mapping[str, Any]
    first_day: dt.date
    last_day: dt.date
    parties: Sequence[str] | None = None
    keys: Sequence[AllocationKey] = ()
    taking_part: Mapping[str, Spell] = dataclasses.field(default_factory=dict)
    holder_of: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Told:
    """A sentence of the story: how a step came to what it came to, for a party or as a whole."""

    step: str
    party: str
    german: str
    english: str


@dataclasses.dataclass(frozen=True)
class Charged:
    """An amount that somebody is to pay, in the smallest unit; negative where it gets it."""

    charge: Charge
    payer: str
    amount: int


@dataclasses.dataclass(frozen=True)
class Result:
    """What a clause came to.

    Attributes:
        values: of all inputs and steps.
        charges: in the order of the clause and of the parties' names.
    """

    version: ClauseVersion
    values: Mapping[str, Value]
    charges: tuple[Charged, ...]
    story: tuple[Told, ...]

    def of(self, name: str) -> Scalar | None:
        """Find a single value, or the part of a party by `name.party`."""
        value = self.values.get(name)
        if value is not None:
            return value.of(ONE)
        step, _, party = name.partition(".")
        return self.values[step].of(party)

    def story_of(self, party: str) -> list[Told]:
        """The sentences that concern a party, and those that concern all."""
        return [told for told in self.story if told.party in {ONE, party}]

    def disputed_with(self, *steps_: str) -> set[str]:
        """Find the charges that are in dispute when these are: themselves, and what depends on them."""
        found = set(steps_)
        while more := {
            charge.step
            for charge in self.version.charges
            if charge.step not in found and found & set(charge.depends_on)
        }:
            found |= more
        return found


@dataclasses.dataclass(frozen=True)
class Held:
    """Nothing can be charged yet, and why, in German and English."""

    german: str
    english: str


Outcome = Result | Held | Rejected


def run(version: ClauseVersion, case: Case) -> Outcome:
    """Work out a clause, step by step.

    Returns:
        What it came to; or what holds it (a requirement that is not met, a key that is not published yet); or
        why what it was fed with is refused.
    """
    unit = Unit(version.currency, version.decimals)
    values = read(case.told, version.inputs, unit)
    if isinstance(values, Rejected):
        return values
    parties = list(case.parties) if case.parties is not None else _parties(values)
    values = {name: value.filled(parties) for name, value in values.items()} | {
        "parties": single("number", Fraction(len(parties))),
        "first_day": single("date", case.first_day),
        "last_day": single("date", case.last_day),
    }
    book = Book(version.keys, case.keys, case.holder_of, case.first_day, case.parties)
    story: list[Told] = []
    for step in version.steps:
        scene = Scene(step, unit, values, book, parties, (case.first_day, case.last_day), case.taking_part)
        done = _do(step, scene)
        if isinstance(done, Rejected):
            return done
        if isinstance(done, NotYet):
            return Held(
                f"Der Schlüssel {done.key_id} hat für den {done.day:%d.%m.%Y} noch keine Fassung",
                f"The key {done.key_id} has no version for {done.day} yet",
            )
        if isinstance(done, steps.Unpriced):
            return Held(done.german, done.english)
        values[step.id] = done.value
        story += [Told(step.id, party, german, english) for party, german, english in done.story]
    for requirement in version.requires:
        if not holds(requirement, values, unit):
            return Held(requirement.reason, requirement.reason)
    for charge in version.charges:
        broken = (part for part in values[charge.step].parts.values() if isinstance(part, Fraction))
        if (amount := next((part for part in broken if part.denominator != 1), None)) is not None:
            return rejected("not_whole", charge.step, step=charge.step, amount=unit.text(amount, "en"))
    charges = tuple(charged for charge in version.charges for charged in _charged(charge, values))
    return _proven(Result(version, values, charges, tuple(story)), unit)


def _parties(values: Mapping[str, Value]) -> list[str]:
    return sorted({party for value in values.values() if value.each for party in value.parts})


def _do(step: Step, scene: Scene) -> Done | NotYet | steps.Unpriced | Rejected:
    if not holds(step, scene.values, scene.unit):
        return steps.nothing(scene)
    match step.work:
        case Calculate() as work:
            return steps.calculate(work, scene)
        case PriceStep() as work:
            return steps.price(work, scene)
        case Share() as work:
            return share_step.share(work, scene)
        case Keep() as work:
            return steps.keep(work, scene)
        case Decide() as work:
            return steps.decide(work, scene)
        case DateStep() as work:
            return steps.date(work, scene)
        case Between() as work:
            return steps.between(work, scene)
        case Instalments() as work:
            return steps.instalments(work, scene)


def _charged(charge: Charge, values: Mapping[str, Value]) -> list[Charged]:
    value = values[charge.step]
    payers = {party: party for party in sorted(value.parts)} if value.each else {ONE: charge.payer}
    return [
        Charged(charge, payer if charge.payer == "each" else charge.payer, int(amount))
        for part, payer in payers.items()
        if (amount := value.number(part))
    ]


def _proven(result: Result, unit: Unit) -> Outcome:
    """Prove exact cost where the clause asks for it: the charges sum to the cost, to the smallest unit."""
    if result.version.exact_cost is None:
        return result
    cost = steps.amount_of(result.version.exact_cost, result.values, unit)
    charged = sum(each.amount for each in result.charges)
    if charged == cost:
        return result
    return rejected("not_exact", charged=unit.text(Fraction(charged), "en"), cost=unit.text(cost, "en"))
