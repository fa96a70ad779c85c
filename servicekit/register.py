"""Reading the register of members, and making the keys it names."""

import os
from pathlib import Path

import nkeys

from allmende.schemas.contract import Unreadable, read
from allmende.schemas.register import MemberRegister

from .faults import Fault


def read_register(path: Path) -> MemberRegister:
    """Read the register from its JSON file.

    Raises:
        Fault: it is missing or wrong; the sentence names the place.
    """
    try:
        return read(MemberRegister, path.read_bytes())
    except OSError as error:
        raise Fault(f"The register of members {path} cannot be read: {error.strerror}.") from None
    except Unreadable as error:
        raise Fault(f"The register of members {path} is wrong: {error}.") from None


def public_key(seed: str) -> str:
    """Tell the public half of a NATS user key."""
    key: bytes = nkeys.from_seed(bytearray(seed.encode())).public_key
    return key.decode()


def keep_key(path: Path) -> str:
    """Make a NATS user key in a file only its owner may read, or find the one that is there.

    Returns:
        The public half.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
        unfinished = path.with_suffix(".new")
        unfinished.touch(mode=0o600)
        unfinished.write_bytes(seed + b"\n")
        unfinished.replace(path)
    return public_key(path.read_text(encoding="ascii").strip())
