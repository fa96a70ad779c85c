"""What a service needs to know from its surroundings, read from the environment once."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

from allmende.schemas.register import MemberRegister

from .faults import Fault
from .register import read_register


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of one service process.

    Attributes:
        nats_seed: the private half of the service's NATS key.
        database_url: libpq URL of the service's own role and database.
        health_port: where `/health/live` and `/health/ready` answer; 0 takes a free port.
        park_seconds: how long a message may wait for what it names; shorter than clients wait for answers.
        backdate_days: how far back the start of a new booking may lie.
        trace_endpoint: an OTLP receiver, or None for no telemetry.
    """

    service: str
    nats_url: str
    nats_seed: str = dataclasses.field(repr=False)
    database_url: str = dataclasses.field(repr=False)
    register: MemberRegister
    health_host: str = "127.0.0.1"
    health_port: int = 0
    park_seconds: float = 20.0
    batch_max: int = 500
    backdate_days: int = 31
    trace_endpoint: str | None = None

    @classmethod
    def from_environment(cls, service: str, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read `ALLMENDE_*`.

        Raises:
            Fault: names the variable that is missing or wrong.
        """

        def need(name: str) -> str:
            if not (value := environment.get(name)):
                raise Fault(f"The environment variable {name} is not set; the service {service} needs it.")
            return value

        def number(name: str, default: float, least: float, most: float) -> float:
            value = environment.get(name, "")
            try:
                found = float(value or default)
            except ValueError:
                raise Fault(f"The environment variable {name} must be a number, not {value!r}.") from None
            if not least <= found <= most:
                limits = f"from {least:g} to {most:g}"
                raise Fault(f"The environment variable {name} must be a number {limits}, not {value!r}.")
            return found

        return cls(
            service=service,
            nats_url=need("ALLMENDE_NATS_URL"),
            nats_seed=read_secret(Path(need("ALLMENDE_NATS_SEED_FILE"))),
            database_url=need("ALLMENDE_DATABASE_URL"),
            register=read_register(Path(need("ALLMENDE_REGISTER"))),
            health_host=environment.get("ALLMENDE_HEALTH_HOST", "127.0.0.1"),
            health_port=int(number("ALLMENDE_HEALTH_PORT", 0, 0, 65_535)),
            park_seconds=number("ALLMENDE_PARK_SECONDS", 20.0, 0, 86_400),
            batch_max=int(number("ALLMENDE_BATCH_MAX", 500, 1, 10_000)),
            backdate_days=int(number("ALLMENDE_BACKDATE_DAYS", 31, 0, 100_000)),
            trace_endpoint=environment.get("OTEL_EXPORTER_OTLP_ENDPOINT") or None,
        )


def read_secret(path: Path) -> str:
    """Read a key file.

    Raises:
        Fault: it cannot be read.
    """
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a key"
        raise Fault(f"The key file {path} cannot be read: {reason}.") from None
