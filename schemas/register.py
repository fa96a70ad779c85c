"""The register of members: who belongs to the market, in which role, with which key.

A file until a membership service owns it; services read it when they start and keep their own picture.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from .contract import Contract
from .identifiers import ClassName, Line, MemberId, SealingKey, Slug
from .permissions import Role
from .subjects import RESERVED

PublicKey = Annotated[str, StringConstraints(pattern=r"^U[A-Z2-7]{55}$")]
"""The public half of a NATS user key (NKey). The register holds no secret."""

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
    """

    id: MemberId
    name: Line
    role: Role = Role.MEMBER
    land: Land | None = None
    classes: Annotated[dict[Slug, ClassName], Field(max_length=100)] = Field(default_factory=dict)
    key: PublicKey
    sealing_key: SealingKey | None = None


class MemberRegister(Contract):
    """The cooperative with its members and its office."""

    name: Line
    members: Annotated[tuple[RegisteredMember, ...], Field(max_length=2000)]

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        for label, values in (("id", [m.id for m in self.members]), ("key", [m.key for m in self.members])):
            if len(set(values)) < len(values):
                twice = next(value for value in values if values.count(value) > 1)
                raise ValueError(f"the {label} {twice} stands twice in the register")
        if reserved := {member.id for member in self.members} & RESERVED:
            raise ValueError(f"the id {min(reserved)} is reserved")
        if sum(member.role is Role.OFFICE for member in self.members) != 1:
            raise ValueError("the register needs exactly one office")
        return self

    @property
    def office(self) -> RegisteredMember:
        """The cooperative's office, which is the clearing house."""
        return next(member for member in self.members if member.role is Role.OFFICE)

    def find(self, member_id: str) -> RegisteredMember | None:
        """Find a member by id."""
        return next((member for member in self.members if member.id == member_id), None)
