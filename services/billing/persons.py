"""Who acts: a person of the sending member, proved by a signed claim, with the duty that the step needs."""

import datetime as dt
from typing import Protocol

from allmende.schemas.bodies import Duty, Person
from allmende.schemas.claims import Claim, Signable, is_signed
from allmende.schemas.contract import Contract
from allmende.schemas.register import MemberRegister
from allmende.schemas.registry import MessageType
from allmende.schemas.rejections import Rejected, rejected

from .period import day_of


def acting(
    register: MemberRegister, signable: Signable, claim: Claim, duty: Duty, today: dt.date
) -> Person | Rejected:
    """Find the person behind a claim.

    Args:
        register: as the service knows it.
        signable: the command as it arrived, by the connection that sent it.
        claim: what it carries.
        duty: what the step needs.
        today: when the person must still be in office.
    """
    member = register.find(signable.member)
    person = member.person(claim.person) if member is not None else None
    if person is None:
        return rejected("unknown_person", "claim.person", person=claim.person, member=signable.member)
    if not is_signed(signable, claim, person.key):
        return rejected("claim_invalid", "claim.signature", person=claim.person)
    if person.valid_until is not None and person.valid_until < today:
        return rejected("person_left", "claim.person", person=claim.person, day=person.valid_until)
    if duty not in person.duties:
        return rejected("duty_missing", "claim.person", person=claim.person, duty=duty.value)
    return person


class Sent(Protocol):
    """A command with its sender, as the connection proved it."""

    @property
    def message(self) -> MessageType:
        """What kind of command it is."""

    @property
    def sender(self) -> str:
        """The member that sent it."""

    @property
    def id(self) -> str:
        """Of its envelope."""

    @property
    def data(self) -> Contract:
        """Its payload."""


def sent_by(
    register: MemberRegister, sent: Sent, claim: Claim, duty: Duty, now: dt.datetime
) -> Person | Rejected:
    """Find the person behind a command that has come in now, who must have a duty."""
    signable = Signable(sent.sender, sent.message.name, sent.id, sent.data)
    return acting(register, signable, claim, duty, day_of(now))
