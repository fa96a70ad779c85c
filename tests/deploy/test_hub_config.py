"""The hub's configuration in deploy/: generated, accepted by the server, free of secrets."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import nkeys
import pytest

from allmende.schemas.contract import read
from allmende.schemas.register import MemberRegister
from allmende.servicekit.embedded.nats import find_program
from allmende.servicekit.hub import PROVISIONER
from allmende.servicekit.register import public_key
from allmende.servicekit.up import installed_services

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
EXAMPLE = DEPLOY / "example"
MARKET = DEPLOY / "compose" / "market"  # an operator's own, ignored by git
REGISTER = read(MemberRegister, (EXAMPLE / "register.json").read_bytes())
SEED = re.compile(rb"\bS[A-Z][A-Z2-7]{56}\b")


def generate(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, folder / "generate.py", *options], capture_output=True, text=True, check=False
    )


def judge(config: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [find_program(), "-t", "-c", config.name],
        cwd=config.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def prepare(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [DEPLOY / "hub" / "prepare", folder, *options],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def example(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLE, tmp_path / "example"))


@pytest.fixture
def market(tmp_path: Path) -> Path:
    shutil.copy(EXAMPLE / "register.json", tmp_path)
    return tmp_path


def test_the_example_is_what_the_generator_writes() -> None:
    checked = generate(EXAMPLE, "--check")
    assert checked.returncode == 0, checked.stderr


def test_drift_is_found_and_mended(example: Path) -> None:
    register = example / "register.json"
    register.write_text(register.read_text("utf-8").replace("rz-westtal", "rz-osttal"), encoding="utf-8")
    checked = generate(example, "--check")
    assert checked.returncode == 1
    assert "out of date" in checked.stderr
    assert generate(example).returncode == 0
    assert generate(example, "--check").returncode == 0
    assert "rz-osttal {" in (example / "nats.conf").read_text("utf-8")


def test_every_member_has_an_account_with_its_own_key() -> None:
    text = (EXAMPLE / "nats.conf").read_text("utf-8")
    accounts = dict(
        re.findall(r"^  ([a-z][a-z0-9-]+) \{\n    users: \[ \{ nkey: (U[A-Z2-7]{55}),", text, re.MULTILINE)
    )
    assert accounts == {member.id: member.key for member in REGISTER.members}


def test_every_service_and_the_provisioner_are_users_of_the_hub() -> None:
    hub = (EXAMPLE / "nats.conf").read_text("utf-8").partition("exports: [")[0]
    assert len(set(re.findall(r"nkey: (U[A-Z2-7]{55})", hub))) == len([*installed_services(), PROVISIONER])


@pytest.mark.parametrize("name", ["nats.conf", "hub.conf"])
def test_the_server_accepts_it(example: Path, name: str) -> None:
    shutil.copy(DEPLOY / "hub" / "hub.conf", example)
    judged = judge(example / name)
    assert judged.returncode == 0, judged.stderr


def test_the_server_refuses_a_broken_one(example: Path) -> None:
    config = example / "nats.conf"
    config.write_text(config.read_text("utf-8").replace("jetstream: enabled", "jetstream: perhaps"), "utf-8")
    assert judge(config).returncode != 0


def test_the_operators_own_settings_are_read(example: Path) -> None:
    config = Path(shutil.copy(DEPLOY / "hub" / "hub.conf", example))
    with config.open("a") as settings:
        settings.write('max_payload: "nonsense"\n')
    assert "hub.conf:13" in judge(config).stderr


def test_the_encryption_that_the_operator_uncomments_is_read(example: Path) -> None:
    config = Path(shutil.copy(DEPLOY / "hub" / "hub.conf", example))
    text = config.read_text("utf-8")
    config.write_text(re.sub(r"^# (tls \{|  \w.*|\})$", r"\1", text, flags=re.MULTILINE), "utf-8")
    assert "tls/hub.crt: no such file" in judge(config).stderr


def test_prepare_makes_what_is_missing_and_keeps_the_rest(market: Path) -> None:
    done = prepare(market, "--store", str(market / "store"))
    assert done.returncode == 0, done.stderr
    made = {path: path.read_bytes() for path in (market / "keys").rglob("*") if path.is_file()}
    (market / "hub" / "hub.conf").write_text("include nats.conf\nserver_name: mine\n", "utf-8")
    assert prepare(market, "--store", str(market / "elsewhere")).returncode == 0
    assert {path: path.read_bytes() for path in made} == made
    assert "server_name: mine" in (market / "hub" / "hub.conf").read_text("utf-8")
    assert "elsewhere" in (market / "hub" / "nats.conf").read_text("utf-8")
    assert judge(market / "hub" / "hub.conf").returncode == 0


def test_prepare_makes_a_key_and_a_password_for_each_service(market: Path) -> None:
    assert prepare(market).returncode == 0
    keys = market / "keys" / "services"
    config = (market / "hub" / "nats.conf").read_text("utf-8")
    for service in installed_services():
        password = (keys / f"{service.name}.password").read_text("ascii").strip()
        assert len(password) >= 32
        assert (keys / f"{service.name}.pgpass").read_text("ascii") == f"*:*:*:*:{password}\n"
        assert public_key((keys / f"{service.name}.nk").read_text("ascii").strip()) in config
    assert not (keys / f"{PROVISIONER}.password").exists()


def test_prepare_closes_the_keys_to_everybody_else(market: Path) -> None:
    assert prepare(market).returncode == 0
    assert stat.S_IMODE((market / "keys").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (market / "keys" / "services").iterdir()} == {0o600}
    for path in (market / "hub", market / "hub" / "nats.conf", market / "hub" / "hub.conf"):
        assert path.stat().st_mode & stat.S_IROTH
        assert path.is_dir() or not SEED.search(path.read_bytes())


def test_prepare_leaves_the_configuration_when_the_register_is_wrong(market: Path) -> None:
    assert prepare(market).returncode == 0
    config = market / "hub" / "nats.conf"
    before = config.read_bytes()
    (market / "register.json").write_text("{}", "utf-8")
    refused = prepare(market)
    assert refused.returncode != 0
    assert "register.json" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert config.read_bytes() == before


def test_no_file_holds_a_private_key() -> None:
    ours = [path for path in DEPLOY.rglob("*") if path.is_file() and MARKET not in path.parents]
    assert EXAMPLE / "nats.conf" in ours
    assert [path for path in ours if SEED.search(path.read_bytes())] == []
    assert SEED.search(b'nkey: "' + nkeys.encode_seed(bytes(32), nkeys.PREFIX_BYTE_USER) + b'"')
