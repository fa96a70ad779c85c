from typing import Any

import pytest
from pydantic import ValidationError
from support import examples

from allmende.schemas.permissions import Role
from allmende.schemas.register import MemberRegister, RegisteredMember

OFFICE = RegisteredMember(id="office", name="Geschäftsstelle", role=Role.OFFICE, key="U" + "A" * 55)


def member(id_: str, letter: str, **changes: Any) -> RegisteredMember:
    return RegisteredMember(id=id_, name="Förde-IT", key="U" + letter * 55, **changes)


def test_members_are_found_by_their_ids() -> None:
    register = examples.register()
    assert register.office.id == examples.OFFICE
    found = register.find("alster-it")
    assert found is not None
    assert (found.land, found.role) == ("Hamburg", Role.MEMBER)
    assert register.find("elbe-it") is None


def test_the_register_comes_back_as_it_was_written() -> None:
    register = examples.register()
    assert MemberRegister.model_validate_json(register.model_dump_json()) == register


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ((OFFICE, member("abc", "B"), member("abc", "C")), "the id abc stands twice"),
        ((OFFICE, member("abc", "B"), member("abd", "B")), "the key UBBB"),
        ((member("abc", "B"),), "exactly one office"),
        ((OFFICE, member("abc", "B", role=Role.OFFICE)), "exactly one office"),
        ((), "exactly one office"),
        ((OFFICE, member("services", "B")), "services"),
        ((OFFICE, member("everyone", "B")), "everyone"),
    ],
)
def test_a_register_that_contradicts_itself(members: tuple[RegisteredMember, ...], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        MemberRegister(name="Verbund", members=members)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "U" + "A" * 54,
        "U" + "A" * 56,
        "u" + "a" * 55,
        "A" * 56,
        "U" + "1" * 55,
        "SU" + "A" * 56,
        "U" + "A" * 55 + "\n",
    ],
)
def test_only_public_user_keys_are_taken(key: str) -> None:
    with pytest.raises(ValidationError):
        RegisteredMember(id="abc", name="x", key=key)


def test_a_seat_is_one_of_the_sixteen() -> None:
    with pytest.raises(ValidationError):
        member("abc", "B", land="Preußen")
