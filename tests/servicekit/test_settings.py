"""Settings from the environment; whatever is wrong is one sentence with the variable's name."""

from pathlib import Path

import pytest
from support import examples

from allmende.servicekit.faults import Fault
from allmende.servicekit.settings import Settings, read_secret


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    register, seed = tmp_path / "register.json", tmp_path / "key.nk"
    register.write_text(examples.register().model_dump_json(), encoding="utf-8")
    seed.write_text("SUABC\n", encoding="ascii")
    return {
        "ALLMENDE_NATS_URL": "nats://hub:4222",
        "ALLMENDE_NATS_SEED_FILE": str(seed),
        "ALLMENDE_DATABASE_URL": "postgresql://catalog@/catalog",
        "ALLMENDE_REGISTER": str(register),
    }


def test_what_must_be_there(environment: dict[str, str]) -> None:
    found = Settings.from_environment("catalog", environment)
    assert found.nats_url == "nats://hub:4222"
    assert found.nats_seed == "SUABC", "without the line's end"
    assert found.register == examples.register()
    assert (found.health_host, found.health_port) == ("127.0.0.1", 0)
    assert (found.park_seconds, found.batch_max, found.trace_endpoint) == (20.0, 500, None)


@pytest.mark.parametrize("empty", [True, False])
@pytest.mark.parametrize(
    "name", ["ALLMENDE_NATS_URL", "ALLMENDE_NATS_SEED_FILE", "ALLMENDE_DATABASE_URL", "ALLMENDE_REGISTER"]
)
def test_what_is_missing_is_named(environment: dict[str, str], name: str, *, empty: bool) -> None:
    environment[name] = ""
    if not empty:
        del environment[name]
    with pytest.raises(Fault, match=f"{name} is not set; the service catalog needs it"):
        Settings.from_environment("catalog", environment)


def test_what_may_be_said(environment: dict[str, str]) -> None:
    environment |= {
        "ALLMENDE_HEALTH_HOST": "0.0.0.0",  # noqa: S104 - a container's
        "ALLMENDE_HEALTH_PORT": "8080",
        "ALLMENDE_PARK_SECONDS": "2.5",
        "ALLMENDE_BATCH_MAX": "50",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
    }
    found = Settings.from_environment("catalog", environment)
    assert found.health_port == 8080
    assert (found.park_seconds, found.batch_max) == (2.5, 50)
    assert found.trace_endpoint == "http://collector:4318"


@pytest.mark.parametrize("name", ["ALLMENDE_HEALTH_PORT", "ALLMENDE_PARK_SECONDS", "ALLMENDE_BATCH_MAX"])
@pytest.mark.parametrize("value", ["many", "1e", "nan", "inf", "-1", "1e400"])
def test_what_is_no_number_is_named(environment: dict[str, str], name: str, value: str) -> None:
    environment[name] = value
    with pytest.raises(Fault, match=f"{name} must be"):
        Settings.from_environment("catalog", environment)


@pytest.mark.parametrize(("name", "value"), [("ALLMENDE_BATCH_MAX", "0"), ("ALLMENDE_HEALTH_PORT", "70000")])
def test_what_cannot_work_is_named(environment: dict[str, str], name: str, value: str) -> None:
    environment[name] = value
    with pytest.raises(Fault, match=f"{name} must be"):
        Settings.from_environment("catalog", environment)


def test_a_key_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"key file .*no\.nk cannot be read: No such file"):
        read_secret(tmp_path / "no.nk")
    with pytest.raises(Fault, match="cannot be read: Is a directory"):
        read_secret(tmp_path)
    (tmp_path / "binary.nk").write_bytes(b"\xff\xfe")
    with pytest.raises(Fault, match="not a key"):
        read_secret(tmp_path / "binary.nk")


def test_settings_do_not_show_their_secrets(environment: dict[str, str]) -> None:
    environment["ALLMENDE_DATABASE_URL"] = "postgresql://catalog:geheim@h/catalog"
    shown = repr(Settings.from_environment("catalog", environment))
    assert "SUABC" not in shown
    assert "geheim" not in shown
