"""A person who acts for a member: signs what needs somebody's word, not the member's alone."""

import dataclasses
import datetime as dt
import secrets
import time
import uuid
from pathlib import Path
from typing import TypeVar

from allmende.schemas import registry
from allmende.schemas.claims import Claim, Signable, sign
from allmende.schemas.contract import Contract

C = TypeVar("C", bound=Contract)

_VERSION_OF_TIME = 7


@dataclasses.dataclass(frozen=True)
class Signer:
    """Somebody with the private half of the key that the register has for them.

    Attributes:
        person: the id in the register, of the member whose connection sends.
        seed: the private half, as NATS writes it; it is not shown.
    """

    person: str
    seed: str = dataclasses.field(repr=False)

    @classmethod
    def read(cls, person: str, file: str | Path) -> "Signer":
        """Take the key from a file."""
        return cls(person, Path(file).read_text(encoding="ascii").strip())

    def signed(self, member: str, command_id: str, data: C) -> C:
        """Sign a command.

        Args:
            member: who sends it.
            command_id: the id under which it is sent, and every repetition of it.
            data: the command with any claim.

        Raises:
            nkeys.NkeysError: the seed is not one of a NATS user key.
        """
        signable = Signable(member, registry.message_of(data).name, command_id, data)
        claim = sign(signable, self.person, self.seed, _moment_of(command_id))
        return data.model_copy(update={"claim": claim})

    def draft(self) -> Claim:
        """A claim that holds the place of the signed one."""
        return Claim(person=self.person, signed_at=dt.datetime.now(dt.UTC), signature="A" * 86)


def new_id() -> str:
    """An id for a command that tells when it was made (UUIDv7, RFC 9562, section 5.7)."""
    milliseconds = time.time_ns() // 1_000_000
    number = (milliseconds << 80) | secrets.randbits(80)
    number = number & ~(0xF << 76) | (_VERSION_OF_TIME << 76)
    return str(uuid.UUID(int=number & ~(0b11 << 62) | (0b10 << 62)))


def _moment_of(command_id: str) -> dt.datetime:
    """When a command was made, as its id tells: its repetition after a restart bears the same claim."""
    made = uuid.UUID(command_id)
    if made.version != _VERSION_OF_TIME:
        return dt.datetime.now(dt.UTC)
    return dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(milliseconds=made.int >> 80)
