"""The units, judged by systemd itself without a running one."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from allmende.servicekit.up import installed_services

UNITS = Path(__file__).resolve().parents[2] / "deploy" / "systemd"
SERVED = [service.name for service in installed_services()]
NAMES = [
    "nats.service",
    "allmende-migrate.service",
    "allmende-provision.service",
    *(f"allmende@{name}.service" for name in SERVED),
    "allmende.target",
]
EXPOSURE_MAX_TENTHS = 15


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with programs that exist where they expect them."""
    programs = tmp_path / "opt"
    programs.mkdir()
    for name in ("allmende", "nats-server"):
        (programs / name).symlink_to("/bin/true")
    copy = shutil.copytree(UNITS, tmp_path / "units")
    for path in copy.rglob("*.service"):
        if path.is_file():
            path.write_text(path.read_text("utf-8").replace("/opt/allmende/bin", str(programs)), "utf-8")
    return copy


def verify(units: Path, name: str) -> tuple[int, list[str]]:
    """The exit code, and what is said about these units (others of the machine are not ours to judge)."""
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", units / name],
        capture_output=True,
        text=True,
        check=False,
    )
    said = (done.stdout + done.stderr).splitlines()
    return done.returncode, [line for line in said if re.search(rf"{units}|\ballmende|\bnats\.", line)]


def plant(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_systemd_has_nothing_to_say_against_it(units: Path, name: str) -> None:
    assert verify(units, name) == (0, [])


@pytest.mark.parametrize(
    ("file", "name", "old", "new"),
    [
        ("nats.service", "nats.service", "nats-server -c", "no-such-server -c"),
        ("nats.service", "nats.service", "Restart=always", "Restart=perhaps"),
        ("allmende@.service", "allmende@catalog.service", "[Service]", "[Servise]"),
        ("allmende@.service", "allmende@catalog.service", "ProtectClock=", "ProtectClocks="),
        ("allmende@catalog.service.d/health.conf", "allmende@catalog.service", "Environment", "Enviroment"),
    ],
)
def test_a_planted_mistake_is_found(units: Path, file: str, name: str, old: str, new: str) -> None:
    plant(units / file, old, new)
    assert verify(units, name) != (0, [])


def test_the_target_starts_every_service_of_the_market() -> None:
    wanted = set(re.findall(r"allmende@(\w+)\.service", (UNITS / "allmende.target").read_text("utf-8")))
    assert wanted == set(SERVED)


def test_every_service_has_a_health_port_of_its_own() -> None:
    settings = [(UNITS / f"allmende@{name}.service.d" / "health.conf").read_text("utf-8") for name in SERVED]
    ports = re.findall(r"^Environment=ALLMENDE_HEALTH_PORT=(\d+)$", "".join(settings), re.MULTILINE)
    assert len(set(ports)) == len(SERVED)


def exposure(unit: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            "systemd-analyze",
            "security",
            "--no-pager",
            "--offline=true",
            f"--threshold={EXPOSURE_MAX_TENTHS}",
            unit,
        ],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("path", sorted(UNITS.glob("*.service")), ids=lambda path: path.name)
def test_it_is_exposed_to_little(path: Path) -> None:
    judged = exposure(path)
    assert judged.returncode == 0, judged.stdout.splitlines()[-1]


def test_a_unit_without_hardening_is_found(units: Path) -> None:
    naked = units / "naked.service"
    naked.write_text("[Service]\nExecStart=/bin/true\n", "utf-8")
    assert exposure(naked).returncode != 0


def test_user_names_are_known_or_made() -> None:
    """Each fixed user is made by the sysusers file, by PostgreSQL's package, or for the time of running."""
    made = set(re.findall(r"^u (\S+)", (UNITS / "allmende.sysusers.conf").read_text("utf-8"), re.MULTILINE))
    for path in UNITS.glob("*.service"):
        text = path.read_text("utf-8")
        users = set(re.findall(r"^User=(.+)$", text, re.MULTILINE))
        assert users, path.name
        assert "DynamicUser=yes" in text or users <= made | {"postgres"}
