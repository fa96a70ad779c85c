"""A person's claim: which person sent a command, proved by a signature over the command.

The connection proves the member, the claim the person. What is signed names the command's id, so that a claim
fits no other command, and a repetition of the same command is the same claim.
"""

import base64
import dataclasses
import datetime as dt
import json
from typing import Annotated, Any

import nkeys
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from pydantic import StringConstraints

from .contract import Contract
from .identifiers import Instant, Slug


class Claim(Contract):
    """Who acts.

    Attributes:
        person: an id in the register, of the sending member.
        signature: Ed25519 (RFC 8032) over what `Signable.content` writes, in base64 of the URL alphabet
            without padding.
    """

    person: Slug
    signed_at: Instant
    signature: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{86}$")]


@dataclasses.dataclass(frozen=True)
class Signable:
    """A command that a person signs.

    Attributes:
        member: whose connection sends it.
        message: `<service>.<noun>.<verb>`.
        command_id: of its envelope.
        data: its payload; its own claim is left out.
    """

    member: str
    message: str
    command_id: str
    data: Contract

    def content(self, person: str, signed_at: dt.datetime) -> bytes:
        """Write what is signed: a JSON object (RFC 8259) with sorted keys, no white space, in UTF-8.

        The moment stands in it in UTC with microseconds.
        """
        content: dict[str, Any] = {
            "member": self.member,
            "message": self.message,
            "id": self.command_id,
            "person": person,
            "signed_at": signed_at.astimezone(dt.UTC).isoformat(timespec="microseconds"),
            "data": self.data.model_dump(mode="json", exclude={"claim"}),
        }
        return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sign(signable: Signable, person: str, seed: str, signed_at: dt.datetime) -> Claim:
    """Sign a command with the private half of a person's key.

    Raises:
        nkeys.NkeysError: the seed is not one of a NATS user key.
    """
    content = signable.content(person, signed_at)
    signature = nkeys.from_seed(bytearray(seed.encode())).sign(content)
    text = base64.urlsafe_b64encode(signature).decode().rstrip("=")
    return Claim(person=person, signed_at=signed_at, signature=text)


def is_signed(signable: Signable, claim: Claim, key: str) -> bool:
    """Tell whether a claim was signed over a command with the other half of a public key."""
    # An NKey is a byte that tells its kind, the key, and two bytes of a checksum, in base32.
    raw = base64.b32decode(key + "=" * (-len(key) % 8))[1:33]
    signature = base64.urlsafe_b64decode(claim.signature + "==")
    try:
        VerifyKey(raw).verify(signable.content(claim.person, claim.signed_at), signature)
    except BadSignatureError:
        return False
    return True
