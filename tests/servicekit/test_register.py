"""The register's file and the keys it names."""

import os
import re
import stat
from pathlib import Path

import nkeys
import pytest
from support import examples

from allmende.servicekit.faults import Fault
from allmende.servicekit.register import keep_key, public_key, read_register


def test_reads_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "register.json"
    path.write_text(examples.register().model_dump_json(indent=2), encoding="utf-8")
    found = read_register(path)
    assert found == examples.register()
    assert found.find("weser-it") is found.members[0]
    assert found.find("nobody") is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Invalid JSON"),
        (b"{", "Invalid JSON"),
        (b'{"name":"x"}', "members"),
        (b"[" * 100_000, "Invalid JSON"),
        (b'{"name":"x","members":[]}', "exactly one office"),
        (b'{"name":"x","members":[{"id":"desy","name":"D","key":"U"}]}', r"members\.0\.key"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "register.json"
    path.write_bytes(content)
    with pytest.raises(Fault, match=f"{re.escape(str(path))} is wrong: .*{reason}"):
        read_register(path)


def test_a_register_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="cannot be read: No such file"):
        read_register(tmp_path / "register.json")


def test_a_key_that_stands_twice_in_the_file(tmp_path: Path) -> None:
    text = examples.register().model_dump_json()
    path = tmp_path / "register.json"
    path.write_text(text.replace('"name":', '"name":"x","name":', 1), encoding="utf-8")
    with pytest.raises(Fault, match="'name' stands twice"):
        read_register(path)


def test_a_large_cooperative_fits(tmp_path: Path) -> None:
    one, office = examples.register().members[0], examples.register().office
    members = [
        one.model_copy(update={"id": f"member-{number}", "key": "U" + _letters(number)})
        for number in range(1_999)
    ]
    register = examples.register().model_copy(update={"members": (office, *members)})
    path = tmp_path / "register.json"
    path.write_text(register.model_dump_json(), encoding="utf-8")
    assert len(read_register(path).members) == 2_000


def _letters(number: int) -> str:
    return "".join("ABCDEFGHIJ"[int(digit)] for digit in f"{number:055d}")


def test_a_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = tmp_path / "keys" / "services" / "catalog.nk"
        made = keep_key(path)
        assert keep_key(path) == made
        assert re.fullmatch("U[A-Z2-7]{55}", made)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert not list(path.parent.glob("*.new"))
    finally:
        os.umask(before)
    seed = path.read_text().strip()
    assert public_key(seed) == made
    assert nkeys.from_seed(bytearray(seed.encode())).public_key.decode() == made


def test_keys_differ(tmp_path: Path) -> None:
    assert len({keep_key(tmp_path / f"{number}.nk") for number in range(20)}) == 20


def test_a_key_file_half_written_is_no_key(tmp_path: Path) -> None:
    """A process that died while it wrote leaves the unfinished file, which the next one replaces."""
    path = tmp_path / "desy.nk"
    path.with_suffix(".new").write_text("SUA")
    assert keep_key(path) == public_key(path.read_text().strip())
