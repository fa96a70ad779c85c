import csv
import datetime as dt
from collections import Counter
from pathlib import Path

import nkeys
import pytest
from pydantic import TypeAdapter, ValidationError

from allmende.demo.assumptions import DATA, Assumptions, assumptions
from allmende.demo.register import NAME, AnotherRegister, key_file, person_key, prepare
from allmende.demo.trace import divide, read_trace
from allmende.schemas.identifiers import MemberId
from allmende.schemas.permissions import Role
from allmende.schemas.register import MemberRegister


def _column(name: str) -> set[str]:
    with (DATA / "lcg_de_usage_daily.csv").open(encoding="utf-8", newline="") as file:
        return {row[name] for row in csv.DictReader(file)}


def test_every_host_of_the_trace_belongs_to_one_body() -> None:
    named = Counter(host for body in assumptions().bodies for host in body.hosts)
    assert set(named) == _column("provider_site")
    assert set(named.values()) == {1}
    assert len(named) == 17


def test_every_group_of_the_trace_has_one_home() -> None:
    named = Counter(group for body in assumptions().bodies for group in body.groups)
    assert set(named) == _column("consumer_group")
    assert set(named.values()) == {1}
    assert len(named) == 13


def test_the_ids_are_member_ids() -> None:
    ids = [body.id for body in assumptions().bodies] + [assumptions().office.id]
    for each in ids:
        TypeAdapter(MemberId).validate_python(each)
    assert len(set(ids)) == 13


def test_a_host_cannot_stand_twice() -> None:
    table = assumptions().model_dump(mode="json")
    table["bodies"][1]["hosts"].append(table["bodies"][0]["hosts"][0])
    with pytest.raises(ValidationError, match="stands twice"):
        Assumptions.model_validate_json(TypeAdapter(dict).dump_json(table))


def test_only_bodies_with_hosts_sell_computing() -> None:
    assert all(bool(body.hosts) == bool(body.eur_per_core_hour) for body in assumptions().bodies)


def test_every_row_is_traded_or_own_use() -> None:
    rows = read_trace()
    divided = divide(rows, assumptions())
    assert len({row.record_id for row in rows}) == len(rows) == 593
    assert {use.row for use in divided.market} | {use.row for use in divided.own} == set(rows)
    assert len(divided.market) + len(divided.own) == len(rows)
    assert all(use.provider == use.consumer for use in divided.own)


def test_most_members_buy_and_sell_computing() -> None:
    market = divide(read_trace(), assumptions()).market
    both = {use.provider for use in market} & {use.consumer for use in market}
    assert len(both) >= 10


def test_the_register_is_made_once_and_its_keys_stay(tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = prepare(home)
    seeds = {member.id: key_file(home, member.id).read_bytes() for member in first.members}
    assert prepare(home) == first
    assert {member.id: key_file(home, member.id).read_bytes() for member in first.members} == seeds
    assert MemberRegister.model_validate_json((home / "register.json").read_bytes()) == first
    assert first.office.id == assumptions().office.id
    assert sum(member.role is Role.MEMBER for member in first.members) == 12
    assert all(member.land for member in first.members if member.role is Role.MEMBER)


def test_only_the_owner_reads_the_keys(tmp_path: Path) -> None:
    prepare(tmp_path)
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    modes = {(path.is_dir(), path.stat().st_mode & 0o777) for path in (tmp_path / "keys").rglob("*")}
    assert modes == {(True, 0o700), (False, 0o600)}


def test_every_body_is_invented_and_has_two_persons_whose_keys_are_there(tmp_path: Path) -> None:
    register = prepare(tmp_path)
    bodies = [member.body for member in register.members if member.body is not None]
    assert len(bodies) == len(register.members) == 13
    for body in bodies:
        assert "DEMONSTRATION" in body.name
        assert (body.address.city, body.address.post_code) == ("Musterstadt", "00000")
        assert (body.leitweg_id or "").startswith("00-DEMO")
        assert body.iban[4:12] == "00000000"
        assert body.electronic_address.endswith(".example")
    assert len({body.iban for body in bodies}) == len({body.leitweg_id for body in bodies}) == 13
    for member in register.members:
        assert [person.id for person in member.persons] == ["anna", "bela"]
        for person in member.persons:
            seed = person_key(tmp_path, member.id, person.id).read_text().strip()
            assert nkeys.from_seed(bytearray(seed.encode())).public_key.decode() == person.key
    assert register.rules_on(dt.date(2005, 11, 30)).grace_days == 0


def test_a_real_market_is_left_alone(tmp_path: Path) -> None:
    register = prepare(tmp_path)
    real = register.model_copy(update={"name": "Nordverbund eG"}).model_dump_json()
    (tmp_path / "register.json").write_text(real, encoding="utf-8")
    with pytest.raises(AnotherRegister):
        prepare(tmp_path)
    assert (tmp_path / "register.json").read_text(encoding="utf-8") == real
    assert "DEMONSTRATION" in NAME
