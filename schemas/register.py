"""The register of members: who belongs to the market, in which role, with which key.

A file until a membership service owns it; services read it when they start and keep their own picture.
"""

import datetime as dt
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .bodies import Body, Person, PublicKey
from .clause import ClauseVersion
from .contract import Contract
from .identifiers import ClassName, Day, Line, MemberId, SealingKey, Slug
from .permissions import Role
from .subjects import RESERVED

Land = Literal[
    "Baden-Württemberg",
    "Bayern",
    "Berlin",
    "Brandenburg",
    "Bremen",
    "Hamburg",
    "Hessen",
    "Mecklenburg-Vorpommern",
    "Niedersachsen",
    "Nordrhein-Westfalen",
    "Rheinland-Pfalz",
    "Saarland",
    "Sachsen",
    "Sachsen-Anhalt",
    "Schleswig-Holstein",
    "Thüringen",
]


class RegisteredMember(Contract):
    """One member, or the cooperative's office.

    Attributes:
        land: where the body has its seat, for keys whose values belong to Länder.
        classes: the member's class in each provider's own scheme.
        key: what the member's systems prove themselves by.
        sealing_key: to which providers seal access data; its other half never leaves the member.
        body: the legal body; without it no documents can be made for the member.
        persons: who acts for it.
    """

    id: MemberId
    name: Line
    role: Role = Role.MEMBER
    land: Land | None = None
    classes: Annotated[dict[Slug, ClassName], Field(max_length=100)] = Field(default_factory=dict)
    key: PublicKey
    sealing_key: SealingKey | None = None
    body: Body | None = None
    persons: Annotated[tuple[Person, ...], Field(max_length=500)] = ()

    def person(self, person_id: str) -> Person | None:
        """Find a person by id."""
        return next((person for person in self.persons if person.id == person_id), None)


class OffsettingAgreement(Contract):
    """Who agreed to offset what they owe each other (Verrechnungsabrede), from a day on."""

    title: Line
    parties: Annotated[tuple[MemberId, ...], Field(min_length=2, max_length=2000)]
    valid_from: Day
    valid_until: Day | None = None


class ObjectionTerms(Contract):
    """What an objection to a line does.

    Attributes:
        days: after the statement is issued, for how long a line may be objected to.
        suspends: whether the line need not be paid until the objection is decided.
    """

    days: Annotated[int, Field(ge=1, le=400)] = 30
    suspends: bool = True


class ReminderStep(Contract):
    """A reminder, so many days after the due day, with its fee."""

    after_days: Annotated[int, Field(ge=1, le=1000)]
    title: Line
    fee_cents: Annotated[int, Field(ge=0, le=100_000)] = 0


class JumpAlert(Contract):
    """When a change from one period to the next is unusual: both limits are passed."""

    percent: Annotated[int, Field(ge=1, le=100_000)]
    cents: Annotated[int, Field(ge=1)]


class SettlementRules(Contract):
    """The cooperative's rules on settlement, from a day on, until the next.

    Attributes:
        netting: through the clearing house; each pair of parties with each other; or by clearing cycles,
            which only shrinks existing obligations.
        offsetting: agreements to offset; without any list the statutes bind all members.
        grace_days: after the end of a period, for how long its run stays a draft.
        objections: to charges; `levy_objections` to levies, which may have no suspensive effect.
        payment_days: after the statement is issued.
        late_charge: a cost clause with the inputs `amount` (money) and `days` (number), whose result is owed.
    """

    valid_from: Day
    netting: Literal["clearing_house", "bilateral", "cycles"] = "clearing_house"
    offsetting: Annotated[tuple[OffsettingAgreement, ...], Field(max_length=500)] | None = None
    grace_days: Annotated[int, Field(ge=0, le=90)] = 0
    objections: ObjectionTerms = ObjectionTerms()
    levy_objections: ObjectionTerms = ObjectionTerms()
    payment_days: Annotated[int, Field(ge=1, le=365)] = 30
    reminders: Annotated[tuple[ReminderStep, ...], Field(max_length=10)] = ()
    late_charge: ClauseVersion | None = None
    jump: JumpAlert | None = None


FOUNDING = SettlementRules(valid_from=dt.date(1990, 1, 1))
"""What holds where the register names no rules."""


class MemberRegister(Contract):
    """The cooperative with its members and its office."""

    name: Line
    members: Annotated[tuple[RegisteredMember, ...], Field(max_length=2000)]
    rules: Annotated[tuple[SettlementRules, ...], Field(max_length=100)] = ()

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        keys = [m.key for m in self.members] + [p.key for m in self.members for p in m.persons]
        for label, values in (("id", [m.id for m in self.members]), ("key", keys)):
            if len(set(values)) < len(values):
                twice = next(value for value in values if values.count(value) > 1)
                raise ValueError(f"the {label} {twice} stands twice in the register")
        if reserved := {member.id for member in self.members} & RESERVED:
            raise ValueError(f"the id {min(reserved)} is reserved")
        if sum(member.role is Role.OFFICE for member in self.members) != 1:
            raise ValueError("the register needs exactly one office")
        for member in self.members:
            persons = [person.id for person in member.persons]
            if len(set(persons)) < len(persons):
                raise ValueError(f"two persons of {member.id} have the same id")
        days = [rules.valid_from for rules in self.rules]
        if days != sorted(set(days)):
            raise ValueError("the rules are listed by day, each day once")
        return self

    @property
    def office(self) -> RegisteredMember:
        """The cooperative's office, which is the clearing house."""
        return next(member for member in self.members if member.role is Role.OFFICE)

    def find(self, member_id: str) -> RegisteredMember | None:
        """Find a member by id."""
        return next((member for member in self.members if member.id == member_id), None)

    def rules_on(self, day: dt.date) -> SettlementRules:
        """Find the rules that hold on a day."""
        return next((each for each in reversed(self.rules) if each.valid_from <= day), FOUNDING)
