import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from support import bodies, builders, examples

from allmende.schemas.bodies import Duty
from allmende.schemas.contract import read
from allmende.schemas.permissions import Role
from allmende.schemas.register import FOUNDING, MemberRegister, RegisteredMember, SettlementRules

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


def test_bodies_persons_and_rules_come_back_as_they_were_written() -> None:
    rules = (SettlementRules(valid_from=dt.date(2026, 1, 1), netting="cycles", grace_days=5),)
    register = bodies.embodied(builders.register("lrz")).model_copy(update={"rules": rules})
    assert MemberRegister.model_validate_json(register.model_dump_json()) == register


@pytest.mark.parametrize("file", ["deploy/example/register.json", "docs/examples/register.json"])
def test_the_examples_can_settle(file: str) -> None:
    register = read(MemberRegister, (Path(__file__).parents[2] / file).read_bytes())
    duties = {duty for person in register.office.persons for duty in person.duties}
    assert duties >= {Duty.REVIEW, Duty.APPROVE, Duty.TREASURY}
    assert register.office.body is not None
    assert [rules.valid_from.year for rules in register.rules] == [2026, 2027]
    for member in register.members:
        if member.body is not None:
            assert "erfunden" in member.body.name
            assert member.body.iban[4:12] == "00000000"


def test_persons_are_found_by_their_ids() -> None:
    found = bodies.embodied(builders.register("lrz")).find("lrz")
    assert found is not None
    assert found.person("bela") == bodies.person("lrz", "bela")
    assert found.person("carl") is None


def test_two_persons_of_a_member_with_one_id() -> None:
    twice = (bodies.person("abc", "anna"), bodies.person("abd", "anna"))
    with pytest.raises(ValidationError, match="two persons of abc"):
        MemberRegister(name="Verbund", members=(OFFICE, member("abc", "B", persons=twice)))


@pytest.mark.parametrize("id_", ["office", "abc"])
def test_a_persons_key_is_nobody_elses(id_: str) -> None:
    anna = bodies.person("abc", "anna")
    same = anna.model_copy(update={"id": "bela", "key": OFFICE.key if id_ == "office" else anna.key})
    with pytest.raises(ValidationError, match="the key U"):
        MemberRegister(name="Verbund", members=(OFFICE, member("abc", "B", persons=(anna, same))))


def test_the_rules_of_a_day() -> None:
    first = SettlementRules(valid_from=dt.date(2026, 1, 1), netting="bilateral")
    second = SettlementRules(valid_from=dt.date(2026, 7, 1), grace_days=3)
    register = MemberRegister(name="Verbund", members=(OFFICE,), rules=(first, second))
    days = [dt.date(2025, 12, 31), dt.date(2026, 1, 1), dt.date(2026, 6, 30), dt.date(2026, 7, 1)]
    assert [register.rules_on(day) for day in days] == [FOUNDING, first, first, second]
    assert FOUNDING.grace_days == 0
    for rules in ((second, first), (first, first)):
        with pytest.raises(ValidationError, match="listed by day"):
            MemberRegister(name="Verbund", members=(OFFICE,), rules=rules)
