"""A market for one test: a NATS server, accounts, streams and databases of its own, in well under a second.

The servers are the real ones. Databases are copied from templates that were migrated once; services run in
the test's own process, so that a test can stop, kill and step them.
"""

import asyncio
import contextlib
import dataclasses
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import asyncpg

from allmende.schemas.bodies import Duty, Person
from allmende.schemas.permissions import Role
from allmende.schemas.register import Land, MemberRegister, RegisteredMember

from . import database, hub, up
from .clock import Clock, system_clock
from .database import ServiceDatabase
from .embedded.nats import EmbeddedNats
from .embedded.postgres import EmbeddedPostgres
from .hub import Hub, Limits
from .migration import migrate
from .register import keep_key
from .service import Runtime, Service
from .settings import Settings, read_secret


class Templates:
    """Databases that were migrated once, to be copied for every test."""

    def __init__(self, postgres: EmbeddedPostgres, services: Sequence[Service]) -> None:
        self.postgres = postgres
        self.services = services

    async def prepare(self) -> None:
        """Create and migrate."""
        for service in self.services:
            target = ServiceDatabase(self.postgres.url(), f"allmende_{service.name}")
            await database.create(target)
            await migrate(target, service.migrations)

    async def copy(self, service: str) -> str:
        """Copy a service's database. Returns the URL for the service's own role."""
        name = f"test_{service}_{uuid.uuid4().hex[:12]}"
        admin = await asyncpg.connect(self.postgres.url())
        try:
            await admin.execute(f"create database {name} template allmende_{service} strategy file_copy")
            await admin.execute(f"grant connect on database {name} to allmende_{service}")
        finally:
            await admin.close()
        return self.postgres.url(name, f"allmende_{service}")

    def admin_url(self, url: str) -> str:
        """The administrator's URL of a copied database, for looking and for breaking things."""
        return self.postgres.url(url.split("?", 1)[0].rsplit("/", 1)[1])


@dataclasses.dataclass(frozen=True)
class Someone:
    """A member to be put into a test's register."""

    id: str
    land: Land = "Hessen"
    classes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    sealing_key: str | None = None


class Sandbox:
    """A market for one test."""

    def __init__(  # noqa: PLR0913 - what tests vary
        self,
        folder: Path,
        templates: Templates,
        members: Sequence[Someone | str],
        *,
        clock: Clock = system_clock,
        limits: Limits | None = None,
        park_seconds: float = 60.0,
        backdate_days: int = 36_500,
        batch_max: int = 500,
        register: MemberRegister | None = None,
    ) -> None:
        self.home = up.Home(folder)
        self.templates = templates
        self.databases: dict[str, str] = {}
        self.running: dict[str, Runtime] = {}
        self._clock = clock
        self._limits = limits or Limits()
        self._park_seconds = park_seconds
        self._batch_max = batch_max
        self._backdate_days = backdate_days
        self.register = register or self._register_of(members)
        self.home.register.write_text(self.register.model_dump_json(), encoding="utf-8")
        self.port = up.free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self.hub = self._describe()
        self.nats = EmbeddedNats(self.home.nats_config, home=folder / "nats")

    def key_file(self, member: str) -> Path:
        """A member's NATS key."""
        return self.home.path / "keys" / f"{member}.nk"

    def person_key(self, member: str, person: str) -> Path:
        """The key of a person who acts for a member; everybody has `anna` and `bela`."""
        return self.home.path / "keys" / member / f"{person}.nk"

    async def __aenter__(self) -> Self:
        """Start the server, provision the streams and copy the databases, all at once."""
        names = [service.name for service in self.templates.services]
        copying = asyncio.gather(*(self.templates.copy(name) for name in names))
        try:
            await self.start_nats()
            copies = await copying
        except BaseException:
            copying.cancel()
            await asyncio.to_thread(self.nats.stop)
            raise
        self.databases = dict(zip(names, copies, strict=True))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop everything."""
        for name in list(self.running):
            await self.stop(name)
        await asyncio.to_thread(self.nats.stop)

    async def start_nats(self) -> None:
        """Start the server (again) and see that its streams are there."""
        config = self.hub.configuration(
            host="127.0.0.1", port=self.port, store=self.home.path / "nats" / "store"
        )
        self.home.nats_config.write_text(config, encoding="utf-8")
        await asyncio.to_thread(self.nats.start)
        await self.hub.provision(self.url, read_secret(self.home.service_key(hub.PROVISIONER)))

    def settings(self, name: str) -> Settings:
        """The settings of one service."""
        return Settings(
            service=name,
            nats_url=self.url,
            nats_seed=read_secret(self.home.service_key(name)),
            database_url=self.databases[name],
            register=self.register,
            park_seconds=self._park_seconds,
            batch_max=self._batch_max,
            backdate_days=self._backdate_days,
        )

    async def start(self, *names: str) -> None:
        """Start services in this process; all of them when none is named."""
        for service in self.templates.services:
            if not names or service.name in names:
                runtime = Runtime(service, self.settings(service.name), self._clock)
                await runtime.start()
                self.running[service.name] = runtime

    async def stop(self, name: str) -> None:
        """Stop a service."""
        await self.running.pop(name).stop()

    async def rows(self, service: str, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """Look into a service's database as the administrator."""
        async with self.admin(service) as connection:
            return list(await connection.fetch(statement, *arguments))

    @contextlib.asynccontextmanager
    async def admin(self, service: str) -> AsyncIterator[asyncpg.Connection]:
        """A connection of the administrator to a service's database."""
        connection = await asyncpg.connect(self.templates.admin_url(self.databases[service]))
        try:
            yield connection
        finally:
            await connection.close()

    def _register_of(self, members: Sequence[Someone | str]) -> MemberRegister:
        everybody = [Someone(each) if isinstance(each, str) else each for each in members]
        office = RegisteredMember(
            id="office",
            name="Geschäftsstelle",
            role=Role.OFFICE,
            key=keep_key(self.key_file("office")),
            persons=self._persons("office"),
        )
        others = [
            RegisteredMember(
                id=each.id,
                name=each.id,
                land=each.land,
                classes=dict(each.classes),
                key=keep_key(self.key_file(each.id)),
                sealing_key=each.sealing_key,
                persons=self._persons(each.id),
            )
            for each in everybody
        ]
        return MemberRegister(name="Testgenossenschaft", members=(office, *others))

    def _persons(self, member: str) -> tuple[Person, ...]:
        return tuple(
            Person(id=id_, name=id_, key=keep_key(self.person_key(member, id_)), duties=tuple(Duty))
            for id_ in ("anna", "bela")
        )

    def _describe(self) -> Hub:
        services = list(self.templates.services)
        keys = {
            name: keep_key(self.home.service_key(name))
            for name in [*(service.name for service in services), hub.PROVISIONER]
        }
        return Hub(self.register, keys, [service.consumed for service in services], self._limits)
