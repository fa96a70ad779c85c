"""Members' systems in JavaScript, which know the published contract and nothing else, on the real market."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.broker import Connections, eventually, stored
from support.fixtures import Connect, NewMarket
from support.node import environment, node, npm

from allmende.schemas.brokerage import Bookings, BookingStory, ListBookings, ShowBooking, WriteMessage
from allmende.schemas.subjects import EVENT_STREAM
from allmende.servicekit.supervisor import Child, Supervisor
from allmende.servicekit.testing import Sandbox, Someone
from allmende.servicekit.up import free_port

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "javascript"
PROVIDER, CONSUMER = "uni-muenster", "desy"
SERVICES = ("catalog", "brokerage")
STORY_SECONDS = 90.0

TOLD = """\
found uni-muenster/fachverfahren: Betrieb kommunaler Fachverfahren
  Umzug: 149.00 EUR per Stk
  Betrieb: 21.349999999 EUR per Stk
  Speicher: 8.10 EUR per TB
booked BOOKING
answered: Danke für Ihre Nachricht »Können wir am Wochenende umziehen?« – ja, das geht.
milestone prepared
milestone moved
active
access data opened: admin@vm-17.example.org
amended to vcpu=6, storage_tb=0.300000004
notice given, the last day is DAY
terminated
"""
HAPPENED = [
    "approve by provider",
    "accepted by provider",
    "milestone by provider",
    "milestone by provider",
    "active by provider",
    "amend by consumer",
    "approve by provider",
    "active by provider",
    "terminate by consumer",
    "end by clock",
    "dismantled by provider",
]


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example as a stranger has it: its own folder, the published contract, nothing else."""
    stranger = tmp_path_factory.mktemp("stranger")
    shutil.copytree(ROOT / "schemas" / "generated", stranger / "schemas" / "generated")
    folder = stranger / "docs" / "examples" / "javascript"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("node_modules", "*.memory.json"))
    subprocess.run([*npm(), "ci", "--no-audit", "--no-fund"], cwd=folder, env=environment(), check=True)
    return folder


def run_node(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [node(), *arguments], cwd=folder, env=environment(), capture_output=True, text=True, check=True
    )
    return done.stdout


class Program:
    """One of the example's programs, to be killed and started again."""

    def __init__(self, market: "Running", script: str, member: str, *options: str) -> None:
        self._command = [node(), script, "--url", market.sandbox.url, "--member", member]
        self._command += ["--key", str(market.sandbox.key_file(member)), *options]
        self._command += ["--memory", str(market.home / f"{script}.json")]
        self._folder = market.example
        self._said = market.home / f"{script}.out"
        self.complained = market.home / f"{script}.err"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it (again); what it says begins anew."""
        with self._said.open("wb") as said, self.complained.open("ab") as complained:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, cwd=self._folder, env=environment(), stdout=said, stderr=complained
            )

    async def kill(self) -> None:
        """End it where it stands."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def ended(self) -> int:
        """Wait for its end; return the exit code."""
        assert self._process is not None
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(self._process.wait(), STORY_SECONDS)
        raise AssertionError(f"it goes on and on after {self.said()}")

    def runs(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def said(self) -> str:
        return self._said.read_text("utf-8")

    async def says(self, what: str) -> None:
        """Wait until it has said something; it must not have ended with an error."""

        def condition() -> bool:
            assert self.runs() or what in self.said(), self.complained.read_text("utf-8")
            return what in self.said()

        await eventually(condition, STORY_SECONDS)


class Running:
    """The market with its services as processes of their own."""

    def __init__(self, sandbox: Sandbox, example: Path, supervisor: Supervisor) -> None:
        self.sandbox = sandbox
        self.example = example
        self.home = sandbox.home.path
        self._days_ahead = self.home / "days_ahead"
        self._supervisor = supervisor

    async def start(self) -> None:
        self.pass_days(0)
        await asyncio.gather(*(self._supervisor.start(self._child(name)) for name in SERVICES))

    def pass_days(self, days: int) -> None:
        written = self._days_ahead.with_suffix(".new")
        written.write_text(str(days), "ascii")
        written.rename(self._days_ahead)

    async def kill(self, name: str) -> None:
        """Kill a service; it is started again as on any hub."""
        pid = await eventually(lambda: self._supervisor.pid(name))
        os.kill(pid, signal.SIGKILL)

    def _child(self, name: str) -> Child:
        port = free_port()

        def is_ready() -> bool:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=2) as answer:
                return bool(answer.status == 200)

        return Child(
            name=name,
            command=[sys.executable, "-m", "support.serve_by_clock", name, str(self._days_ahead)],
            is_ready=is_ready,
            log=self.home / f"{name}.log",
            environment={
                "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), str(ROOT)]),
                "ALLMENDE_NATS_URL": self.sandbox.url,
                "ALLMENDE_NATS_SEED_FILE": str(self.sandbox.home.service_key(name)),
                "ALLMENDE_DATABASE_URL": self.sandbox.databases[name],
                "ALLMENDE_REGISTER": str(self.sandbox.home.register),
                "ALLMENDE_HEALTH_PORT": str(port),
            },
        )


@pytest.fixture
async def market(sandbox: NewMarket, example: Path, tmp_path: Path) -> AsyncIterator[Running]:
    sealing_key = run_node(example, "sealing-key.js", str(tmp_path / "sealing.key")).strip()
    made = await sandbox(Someone(PROVIDER), Someone(CONSUMER, sealing_key=sealing_key))
    async with Supervisor() as supervisor:
        running = Running(made, example, supervisor)
        await running.start()
        yield running


@pytest.fixture
async def programs(market: Running, tmp_path: Path) -> AsyncIterator[tuple[Program, Program]]:
    """The provider's and the consumer's."""
    provider = Program(market, "provider.js", PROVIDER)
    amounts = ["--quantity", "vcpu=4", "--quantity", "storage_tb=0.300000004"]
    later = ["--later-quantity", "vcpu=6", "--later-quantity", "storage_tb=0.300000004"]
    sealing = ["--sealing-key", str(tmp_path / "sealing.key")]
    consumer = Program(market, "consumer.js", CONSUMER, *sealing, *amounts, *later)
    try:
        await provider.start()
        await provider.says("is published as revision 1")
        await consumer.start()
        yield provider, consumer
    finally:
        await asyncio.gather(provider.kill(), consumer.kill())


async def told(market: Running, member: Connect) -> BookingStory:
    """The only booking, as the office sees it."""
    office = await member(market.sandbox, "office")
    [booking] = (await office.ask("brokerage.booking.list", ListBookings(), Bookings)).bookings
    return await office.ask(
        "brokerage.booking.show", ShowBooking(booking_id=booking.booking_id), BookingStory
    )


def expected(story: BookingStory) -> str:
    """What the consumer says, with what is different each time."""
    return TOLD.replace("BOOKING", story.booking.booking_id).replace("DAY", str(story.booking.end))


async def check_nothing_is_doubled(market: Running, story: BookingStory) -> None:
    assert [f"{change.trigger} by {change.by}" for change in story.changes] == HAPPENED
    assert [message.written_by for message in story.messages] == ["consumer", "provider"]
    shared = "select count(*) from fact where type = 'allmende.brokerage.access.shared.v1'"
    assert [row[0] for row in await market.sandbox.rows("brokerage", shared)] == [1]


async def test_the_whole_story(market: Running, programs: tuple[Program, Program], member: Connect) -> None:
    provider, consumer = programs
    await consumer.says("notice given")
    market.pass_days(2)
    assert await consumer.ended() == 0
    story = await told(market, member)
    assert consumer.said() == expected(story)
    await check_nothing_is_doubled(market, story)
    assert provider.runs()
    assert [program.complained.read_text("utf-8") for program in programs] == ["", ""]
    offering = json.loads((EXAMPLE / "offering.json").read_text("utf-8"))
    [tariff] = offering["plans"][0]["tariffs"]
    written = story.booking.model_dump(mode="json")
    prices = [component["price"]["amount"] for component in written["tariff"]["components"]]
    assert prices == [component["price"]["amount"] for component in tariff["components"]]
    assert written["quantities"] == {"vcpu": "6", "storage_tb": "0.300000004"}


@pytest.mark.timeout(300)
async def test_whoever_is_killed_goes_on(
    market: Running, programs: tuple[Program, Program], member: Connect
) -> None:
    """Both are killed at every step of the story, the services at some."""
    provider, consumer = programs
    killed = {"booked": "brokerage", "active": "catalog", "amended": "brokerage"}
    for step in ("found", "booked", "answered", "active", "access", "amended", "notice given"):
        await consumer.says(step)
        if step in killed:
            await market.kill(killed[step])
        await asyncio.gather(provider.kill(), consumer.kill())
        await asyncio.gather(provider.start(), consumer.start())
    market.pass_days(2)
    assert await consumer.ended() == 0
    story = await told(market, member)
    assert consumer.said() == expected(story)
    await check_nothing_is_doubled(market, story)
    assert [program.complained.read_text("utf-8") for program in programs] == ["", ""]


async def test_lost_events_are_made_good(
    market: Running, programs: tuple[Program, Program], member: Connect
) -> None:
    """What the provider never hears of, it finds in the story; what comes next tells it of the loss."""
    provider, consumer = programs
    await consumer.says("answered")
    await provider.kill()
    desy = await member(market.sandbox, CONSUMER)
    booking_id = (await told(market, member)).booking.booking_id
    await desy.command(WriteMessage(booking_id=booking_id, text="Und am Montag?"))
    await lose_events(market, f"ev.{PROVIDER}.brokerage.booking.written", causing="Und am Montag?")
    await provider.start()
    await provider.says("events were lost")
    await consumer.says("notice given")
    market.pass_days(2)
    assert await consumer.ended() == 0
    story = await told(market, member)
    assert [message.written_by for message in story.messages] == ["consumer", "provider"] * 2


async def lose_events(market: Running, subject: str, *, causing: str) -> None:
    """Take events from the stream, as soon as one of them says something."""
    connections = Connections()
    try:
        hub = await connections.provisioner(market.sandbox)

        async def is_there() -> bool:
            return any(causing in each.body.decode() for each in await stored(hub, subject))

        await eventually(is_there)
        await hub.jetstream().purge_stream(EVENT_STREAM, subject=subject)
    finally:
        await connections.close()


def test_it_knows_nothing_but_the_published_contract() -> None:
    declared = set(json.loads((EXAMPLE / "package.json").read_text("utf-8"))["dependencies"])
    for path in sorted(EXAMPLE.glob("*.js")) + sorted(EXAMPLE.glob("lib/*.js")):
        text = path.read_text("utf-8")
        for name in re.findall(r'(?:\bfrom|\bimport) "([^"]+)"', text):
            package = "/".join(name.split("/")[: 2 if name.startswith("@") else 1])
            beside = (path.parent / name).resolve()
            assert name.startswith("node:") or package in declared or beside.is_relative_to(EXAMPLE), name
        assert set(re.findall(r'"(?:\.\./){3,}([^"]+)"', text)) <= {"schemas/generated/asyncapi.json"}


@pytest.mark.parametrize("number", ["9007199254740992", "-9007199254740993", "1e400"])
def test_no_number_is_rounded_silently(example: Path, number: str) -> None:
    script = f"""
        import {{ readJson }} from "./lib/contract.js";
        try {{
            console.log(readJson('{{"net_cents":{number}}}'));
        }} catch (error) {{
            console.log(error.message);
        }}
    """
    said = run_node(example, "--input-type=module", "--eval", script)
    assert said == "net_cents: JavaScript cannot hold this number exactly\n"


def test_derived_ids_are_those_of_the_standard(example: Path) -> None:
    """The example of RFC 9562, appendix A.4."""
    script = """
        import { deriveId } from "./lib/ids.js";
        console.log(deriveId("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "www.example.com"));
    """
    said = run_node(example, "--input-type=module", "--eval", script)
    assert said == "2ed6657d-e927-568b-95e1-2665a8aea6a2\n"
