"""The whole market on one machine: servers and services as supervised child processes.

Everything lives in one folder, the home: register, keys, server data, logs. State survives a restart.
"""

import asyncio
import contextlib
import dataclasses
import os
import secrets
import shutil
import signal
import socket
import sys
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path

from . import database, hub
from .database import ServiceDatabase
from .embedded.nats import EmbeddedNats
from .embedded.postgres import EmbeddedPostgres
from .faults import Fault
from .hub import Hub
from .migration import migrate
from .register import keep_key, read_register
from .service import Service
from .settings import read_secret
from .supervisor import Child, Supervisor

DISK_BYTES_MIN = 200 << 20
Say = Callable[[str], None]

DEMONSTRATION_SETTINGS = {"ALLMENDE_BACKDATE_DAYS": "36500"}
"""The demonstration books services of the year its input is from."""


@dataclasses.dataclass(frozen=True)
class Home:
    """The folder in which a market lives."""

    path: Path

    @property
    def register(self) -> Path:
        """The register of members."""
        return self.path / "register.json"

    @property
    def nats_config(self) -> Path:
        """The hub's configuration."""
        return self.path / "nats.conf"

    def log(self, name: str) -> Path:
        """What a child process prints."""
        return self.path / "logs" / f"{name}.log"

    def service_key(self, name: str) -> Path:
        """A service's NATS key."""
        return self.path / "keys" / "services" / f"{name}.nk"

    def password(self, name: str) -> str:
        """A service's database password, made once."""
        path = self.path / "keys" / "services" / f"{name}.password"
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(24), encoding="ascii")
        return read_secret(path)

    def prepare(self) -> None:
        """Make the folder and see that there is room.

        Raises:
            Fault: it cannot be made, or the disk is nearly full.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.path).free
        except OSError as error:
            raise Fault(f"The folder {self.path} cannot be used: {error.strerror}.") from None
        if free < DISK_BYTES_MIN:
            raise Fault(
                f"The disk of {self.path} is nearly full: {free >> 20} MiB are free and "
                f"{DISK_BYTES_MIN >> 20} MiB needed. Free some space, or choose another folder with --home."
            )


def installed_services() -> list[Service]:
    """Find the services that this machine has installed, in the order of their names."""
    found = entry_points(group="allmende.services")
    return [entry.load() for entry in sorted(found, key=lambda entry: entry.name)]


def hub_of(home: Home, services: list[Service]) -> Hub:
    """Describe the hub for a home's register, making the services' keys where they are missing."""
    names = [service.name for service in services]
    keys = {name: keep_key(home.service_key(name)) for name in [*names, hub.PROVISIONER]}
    return Hub(read_register(home.register), keys, [service.consumed for service in services])


@dataclasses.dataclass
class Market:
    """A running market.

    Attributes:
        url: of the hub.
        health: where each service tells its health.
    """

    home: Home
    url: str
    services: list[Service]
    health: Mapping[str, str]
    databases: Mapping[str, ServiceDatabase]
    supervisor: Supervisor

    def admin_url(self, service: str) -> str:
        """The administrator's URL of a service's database."""
        return self.databases[service].owner_admin_url

    async def stop(self) -> None:
        """End every child, in reverse order."""
        await self.supervisor.stop()


async def start(  # noqa: PLR0913 - what an operator can choose
    home: Home,
    *,
    port: int | None = None,
    database_url: str | None = None,
    say: Say = lambda _: None,
    environment: Mapping[str, str] | None = None,
    durable: bool = True,
) -> Market:
    """Start servers and services, each as soon as what it needs is ready.

    Args:
        home: holds `register.json` already.
        port: of NATS; None takes a free one.
        database_url: the administrator's URL of a PostgreSQL that runs already; None starts the embedded one.
        say: told what happens, a sentence at a time.
        environment: further settings for the services.
        durable: False trades the safety of the embedded PostgreSQL for speed (tests only).

    Raises:
        Fault: something outside must be mended.
    """
    home.prepare()
    services = installed_services()
    supervisor = Supervisor(on_change=lambda name, sentence: say(f"{name} {sentence}"))
    try:
        admin_url = database_url
        if admin_url is None:
            postgres = EmbeddedPostgres(home.path / "postgres", durable=durable)
            await asyncio.to_thread(postgres.prepare)
            await supervisor.start(_logged(postgres.child(), home))
            admin_url = postgres.url()
        port = port or free_port()
        nats_hub = hub_of(home, services)
        config = nats_hub.configuration(
            host="127.0.0.1", port=port, store=home.path / "nats", monitor_port=free_port()
        )
        home.nats_config.write_text(config, encoding="utf-8")
        server = EmbeddedNats(home.nats_config, home=home.path / "nats")
        await asyncio.to_thread(server.prepare)
        await supervisor.start(_logged(server.child(), home))
        url = f"nats://127.0.0.1:{port}"
        databases = {
            service.name: ServiceDatabase(
                admin_url,
                f"allmende_{service.name}",
                None if database_url is None else home.password(service.name),
            )
            for service in services
        }
        await asyncio.gather(
            nats_hub.provision(url, read_secret(home.service_key(hub.PROVISIONER))),
            _migrate([(databases[service.name], service) for service in services]),
        )
        health = {service.name: f"http://127.0.0.1:{free_port()}" for service in services}
        await asyncio.gather(
            *(
                supervisor.start(
                    _service_child(
                        home, service, url, databases[service.name], health[service.name], environment or {}
                    )
                )
                for service in services
            )
        )
    except BaseException:
        await supervisor.stop()
        raise
    return Market(home, url, services, health, databases, supervisor)


async def _migrate(targets: Sequence[tuple[ServiceDatabase, Service]]) -> None:
    for service_database, service in targets:
        await database.create(service_database)
        await migrate(service_database, service.migrations)


def _logged(child: Child, home: Home) -> Child:
    return dataclasses.replace(child, log=home.log(child.name))


def _service_child(  # noqa: PLR0913 - what a service process needs
    home: Home,
    service: Service,
    nats_url: str,
    service_database: ServiceDatabase,
    health_url: str,
    environment: Mapping[str, str],
) -> Child:
    ready = f"{health_url}/health/ready"

    def is_ready() -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(ready, timeout=2) as answer:  # noqa: S310
            return bool(answer.status == 200)
        return False

    return Child(
        name=service.name,
        command=[sys.executable, "-m", "allmende.servicekit", "serve", service.name],
        is_ready=is_ready,
        log=home.log(service.name),
        environment={
            **environment,
            "ALLMENDE_NATS_URL": nats_url,
            "ALLMENDE_NATS_SEED_FILE": str(home.service_key(service.name)),
            "ALLMENDE_DATABASE_URL": service_database.url,
            "ALLMENDE_REGISTER": str(home.register),
            "ALLMENDE_HEALTH_PORT": health_url.rsplit(":", 1)[1],
        },
        stop_signal=signal.SIGTERM,
    )


def free_port() -> int:
    """Find a free loopback port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def until_interrupted() -> None:
    """Wait for Ctrl-C or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


async def demonstrate(market: Market, *, language: str, say: Say) -> int:
    """Play the demonstration as a process of its own, with the members' keys only."""
    say("demonstration")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "allmende.client",
        "demonstration",
        "play",
        str(market.home.path),
        "--url",
        market.url,
        "--language",
        language,
        env=dict(os.environ),
    )
    try:
        return await process.wait()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        raise


async def prepare_demonstration(home: Home) -> None:
    """Write the demonstration's register and keys, where there is no register yet."""
    if home.register.exists():
        return
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "allmende.client", "demonstration", "prepare", str(home.path)
    )
    if await process.wait():
        raise Fault("The demonstration could not be prepared; see the lines above.")
