"""The demonstration's members, the persons who act for them, and everybody's keys."""

import os
from pathlib import Path

import nkeys

from allmende.schemas.bodies import Duty, Person
from allmende.schemas.contract import read
from allmende.schemas.permissions import Role
from allmende.schemas.register import MemberRegister, RegisteredMember

from . import legal
from .assumptions import Assumptions, assumptions
from .offerings import CLASS_SCHEME

PERSONS = ("anna", "bela")
NAME = "DEMONSTRATION: Musterverbund Rechenzentren eG (frei erfunden)"


class AnotherRegister(Exception):  # noqa: N818 - said to people
    """The folder belongs to a market that is no demonstration."""


def prepare(home: Path) -> MemberRegister:
    """Write `register.json` and a key for every member and person; keys that exist stay.

    Raises:
        AnotherRegister: there is a register already, and not of the demonstration.
    """
    path = home / "register.json"
    if path.exists() and read(MemberRegister, path.read_bytes()).name != NAME:
        raise AnotherRegister(str(path))
    register = _register(assumptions(), home)
    unfinished = path.with_suffix(".new")
    unfinished.write_text(register.model_dump_json(indent=2) + "\n", encoding="utf-8")
    unfinished.replace(path)
    return register


def key_file(home: Path, member: str) -> Path:
    """Say where the private half of a member's key is."""
    return home / "keys" / f"{member}.nk"


def person_key(home: Path, member: str, person: str) -> Path:
    """Say where the private half of a person's key is."""
    return home / "keys" / member / f"{person}.nk"


def _register(table: Assumptions, home: Path) -> MemberRegister:
    office = RegisteredMember(
        id=table.office.id,
        name=table.office.name,
        role=Role.OFFICE,
        key=_keep_key(key_file(home, table.office.id)),
        body=legal.body(table.office.id, table.office.name, 1, office=True),
        persons=_persons(home, table.office.id),
    )
    members = [
        RegisteredMember(
            id=body.id,
            name=body.name,
            land=body.land,
            classes={CLASS_SCHEME: body.lrz_user_class},
            key=_keep_key(key_file(home, body.id)),
            body=legal.body(body.id, body.name, number),
            persons=_persons(home, body.id),
        )
        for number, body in enumerate(table.bodies, 2)
    ]
    return MemberRegister(name=NAME, members=(*members, office), rules=(legal.RULES,))


def _persons(home: Path, member: str) -> tuple[Person, ...]:
    return tuple(
        Person(
            id=person,
            name=f"{person.capitalize()} (DEMONSTRATION)",
            key=_keep_key(person_key(home, member, person)),
            duties=tuple(Duty),
        )
        for person in PERSONS
    )


def _keep_key(path: Path) -> str:
    """Make a NATS user key that only its owner may read, or find the one that is there.

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
    seed_text = path.read_text(encoding="ascii").strip()
    public: bytes = nkeys.from_seed(bytearray(seed_text.encode())).public_key
    return public.decode()
