"""Persons of the members of tests, whose keys anybody can work out."""

import functools
import hashlib

import nkeys

from allmende.schemas.bodies import Duty, Person


@functools.cache
def seed(member: str, person: str) -> str:
    """The private half of a person's key, the same in every run."""
    raw = hashlib.sha256(f"{member}/{person}".encode()).digest()
    text: bytes = nkeys.encode_seed(raw, nkeys.PREFIX_BYTE_USER)
    return text.decode()


def person(member: str, id_: str, *duties: Duty) -> Person:
    public: bytes = nkeys.from_seed(bytearray(seed(member, id_).encode())).public_key
    return Person(id=id_, name=f"{id_} ({member})", key=public.decode(), duties=duties or tuple(Duty))
