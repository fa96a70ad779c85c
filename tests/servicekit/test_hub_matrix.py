"""Who may do what: made from the one permission table, tried out on the server in both directions."""

import uuid
from collections.abc import Sequence

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from support import broker
from support.broker import Connections, Stored, stored, synced
from support.fixtures import NewMarket

from allmende.schemas import permissions, registry, subjects
from allmende.schemas.permissions import Role
from allmende.servicekit.register import keep_key
from allmende.servicekit.testing import Sandbox
from allmende.servicekit.up import installed_services

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # of refused connections

SAME_SHARD = ("kit", "lrz")
MEMBERS = ("desy", "kit", "lrz", "office")
SERVICES = [service.name for service in installed_services()]
COMMANDS = list(registry.commands())
ROLE = {name: Role.OFFICE if name == "office" else Role.MEMBER for name in MEMBERS}
EVENTS = subjects.EVENT_STREAM


class Tenant:
    """An account's connection, and what the server refused it."""

    def __init__(self, name: str, connection: Client, connections: Connections) -> None:
        self.name = name
        self.connection = connection
        self._errors = connections.errors

    async def refused_to_publish(self, attempts: Sequence[str], reply: str = "") -> set[str]:
        """Publish to many subjects; return those that the server refused."""
        del self._errors[:]
        for subject in attempts:
            await self.connection.publish(subject, b"{}", reply=reply)
        await synced(self.connection)
        return {subject for subject in attempts if self._was_refused("publish", subject)}

    async def refused_to_subscribe(self, attempts: Sequence[str]) -> set[str]:
        del self._errors[:]
        for subject in attempts:
            await self.connection.subscribe(subject)
        await synced(self.connection)
        return {subject for subject in attempts if self._was_refused("subscription", subject)}

    def _was_refused(self, what: str, subject: str) -> bool:
        return any(
            f'permissions violation for {what} to "{subject.lower()}"' in e.lower() for e in self._errors
        )


@pytest.fixture
async def market(sandbox: NewMarket) -> Sandbox:
    return await sandbox(*MEMBERS[:-1])


@pytest.fixture
async def hub(market: Sandbox, connections: Connections) -> Client:
    """The hub's own side, which answers every question by its subject."""
    connection = await connections.provisioner(market)

    async def answer(message: Msg) -> None:
        await connection.publish(message.reply, message.subject.encode())

    await connection.subscribe("ask.>", cb=answer)
    await connection.flush()
    return connection


async def tenant(market: Sandbox, connections: Connections, name: str) -> Tenant:
    connect = connections.service if name in SERVICES else connections.member
    return Tenant(name, await connect(market, name), connections)


# -- commands and questions ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", MEMBERS)
async def test_commands(market: Sandbox, hub: Client, connections: Connections, name: str) -> None:
    one = await tenant(market, connections, name)
    allowed = {command.name for command in permissions.commands_of(ROLE[name])}
    assert 0 < len(allowed) < len(COMMANDS)
    short = {command.name: f"{command.noun}.{command.verb}" for command in COMMANDS}
    forbidden = [subject for command, subject in short.items() if command not in allowed]
    # The hub's own subjects are out of reach for everything and everybody, oneself included.
    forbidden += [broker.command_subject(member, c.name) for member in MEMBERS for c in COMMANDS]
    forbidden += [f"cmd.s{shard}.>" for shard in range(subjects.SHARDS)]
    assert set(forbidden) - await one.refused_to_publish(forbidden) == set()

    for command in allowed:
        confirmed = await broker.send(one.connection, short[command], b"{}")
        assert confirmed["stream"] == subjects.command_stream(subjects.shard_of(name))
    arrived: list[Stored] = []
    for shard in range(subjects.SHARDS):
        infos = await hub.jetstream().stream_info(subjects.command_stream(shard), subjects_filter=">")
        arrived += [Stored(subject, b"", {}) for subject in infos.state.subjects or {}]
    assert {each.subject for each in arrived} == {broker.command_subject(name, each) for each in allowed}


@pytest.mark.parametrize("name", MEMBERS)
async def test_questions(market: Sandbox, hub: Client, connections: Connections, name: str) -> None:
    one = await tenant(market, connections, name)
    allowed = {query.name for query in permissions.queries_of(ROLE[name])}
    short = {query.name: f"ask.{query.name}" for query in registry.QUERIES}
    forbidden = [subject for query, subject in short.items() if query not in allowed]
    forbidden += [f"ask.{member}.{query.name}" for member in MEMBERS for query in registry.QUERIES]
    assert set(forbidden) - await one.refused_to_publish(forbidden) == set()

    for query in allowed:
        answer = await one.connection.request(short[query], b"{}", timeout=5)
        assert answer.data.decode() == f"ask.{name}.{query}", "the server says who asks"


# -- events -------------------------------------------------------------------------------------------


def consumer_calls(member: str) -> list[str]:
    durable = f"{EVENTS}.{subjects.event_durable(member)}"
    return [
        f"{prefix}.{call}.{durable}"
        for prefix in (subjects.MEMBER_API_PREFIX, "$JS.API")
        for call in ("CONSUMER.MSG.NEXT", "CONSUMER.INFO")
    ]


def acknowledgement(member: str) -> str:
    return f"$JS.ACK.{EVENTS}.{subjects.event_durable(member)}.1.1.1.1.0"


@pytest.mark.parametrize("name", MEMBERS)
async def test_nobody_reads_or_acknowledges_for_another(
    market: Sandbox, hub: Client, connections: Connections, name: str
) -> None:
    for member in (*MEMBERS, subjects.EVERYONE):
        await broker.send(hub, f"ev.{member}.billing.statement.issued", member.encode())
    one = await tenant(market, connections, name)
    others = [member for member in MEMBERS if member != name]
    forbidden = [call for member in others for call in consumer_calls(member)]
    forbidden += [acknowledgement(member) for member in others]
    forbidden += [f"$JS.ACK.{stream}.{name}.1.1.1.1.0" for stream in _command_streams() for name in SERVICES]
    assert set(forbidden) - await one.refused_to_publish(forbidden) == set()

    streams = one.connection.jetstream(prefix=subjects.MEMBER_API_PREFIX)
    pull = await streams.pull_subscribe_bind(subjects.event_durable(name), EVENTS)
    got = await pull.fetch(10, timeout=1)
    assert {message.data.decode() for message in got} == {name, subjects.EVERYONE}
    for message in got:
        await message.ack_sync()
    assert (await pull.consumer_info()).num_ack_pending == 0
    for other in others:
        info = await broker.consumer(hub, EVENTS, subjects.event_durable(other))
        assert (info.num_pending, info.num_ack_pending) == (2, 0), "untouched"


def _command_streams() -> list[str]:
    return [subjects.command_stream(shard) for shard in range(subjects.SHARDS)]


@pytest.mark.parametrize("name", MEMBERS)
async def test_nobody_listens_to_the_hub_or_to_another(
    market: Sandbox, hub: Client, connections: Connections, name: str
) -> None:
    one = await tenant(market, connections, name)
    others = [member for member in MEMBERS if member != name]
    forbidden = [f"{what}.{member}.>" for member in MEMBERS for what in ("ev", "cmd.*", "ask", "_INBOX_")]
    forbidden += [">", "ev.>", "fact.>", "cmd.>", "ask.>", "dead.>", "$JS.>", "$SYS.>", "$SRV.>", "_R_.>"]
    assert set(forbidden) - await one.refused_to_subscribe(forbidden) == set()

    # In its own account it may listen to every reply, where no other's ever are.
    heard: list[str] = []

    async def hear(message: Msg) -> None:
        heard.append(message.subject)

    for subject in ("_INBOX.>", "events.>", "bulletin.>"):
        await one.connection.subscribe(subject, cb=hear)
    await synced(one.connection)
    for member in others:
        other = await tenant(market, connections, member)
        await other.connection.request(f"ask.{registry.QUERIES[0].name}", b"{}", timeout=5)
        await hub.publish(f"ev.{member}.billing.statement.issued", b"")
    await hub.publish(f"ev.{name}.billing.statement.issued", b"")
    await hub.publish(f"ev.{subjects.EVERYONE}.billing.levy.charged", b"")
    await synced(hub)
    await synced(one.connection)
    assert sorted(heard) == ["bulletin.billing.levy.charged", "events.billing.statement.issued"]


@pytest.mark.parametrize("name", MEMBERS)
async def test_no_other_call_of_jetstream(market: Sandbox, connections: Connections, name: str) -> None:
    one = await tenant(market, connections, name)
    streams = [*_command_streams(), EVENTS, subjects.DEAD_LETTER_STREAM]
    on_streams = (
        "INFO",
        "PURGE",
        "DELETE",
        "UPDATE",
        "CREATE",
        "MSG.GET",
        "MSG.DELETE",
        "SNAPSHOT",
        "RESTORE",
    )
    calls = [f"STREAM.{call}.{stream}" for call in on_streams for stream in streams]
    calls += [f"CONSUMER.{call}.{stream}" for call in ("CREATE", "NAMES", "LIST") for stream in streams]
    calls += [f"CONSUMER.CREATE.{EVENTS}.mine", f"CONSUMER.DURABLE.CREATE.{EVENTS}.ev_{name}"]
    calls += [f"CONSUMER.DELETE.{EVENTS}.ev_{member}" for member in MEMBERS]
    calls += [f"CONSUMER.PAUSE.{EVENTS}.ev_{member}" for member in MEMBERS]
    calls += [f"CONSUMER.MSG.NEXT.{stream}.{service}" for stream in streams for service in SERVICES]
    calls += [f"DIRECT.GET.{stream}" for stream in streams]
    calls += ["INFO", "STREAM.NAMES", "STREAM.LIST"]
    forbidden = [f"{prefix}.{call}" for call in calls for prefix in ("$JS.API", subjects.MEMBER_API_PREFIX)]
    forbidden += ["$SYS.REQ.SERVER.PING", f"$SYS.REQ.ACCOUNT.{name}.INFO", "$SRV.PING"]
    forbidden += ["fact.catalog.offering.published", f"ev.{name}.billing.statement.issued", "dead.catalog.x"]
    assert set(forbidden) - await one.refused_to_publish(forbidden) == set()


@pytest.mark.parametrize("reply", ["cmd.s0.kit.brokerage.booking.request", "ev.kit.billing.statement.issued"])
async def test_a_forged_reply_subject_reaches_nobody(
    market: Sandbox, hub: Client, connections: Connections, reply: str
) -> None:
    """With one account for all, the confirmation of a command would land where its reply subject says."""
    one = await tenant(market, connections, "desy")
    await broker.send(hub, "ev.desy.billing.statement.issued", b"{}")
    own = f"{subjects.MEMBER_API_PREFIX}.CONSUMER.MSG.NEXT.{EVENTS}.{subjects.event_durable('desy')}"
    await one.refused_to_publish(["booking.request", f"ask.{registry.QUERIES[0].name}", own], reply)
    await synced(hub)
    assert [each.subject for each in await stored(hub)] == ["ev.desy.billing.statement.issued"]
    for shard in range(subjects.SHARDS):
        infos = await hub.jetstream().stream_info(subjects.command_stream(shard), subjects_filter=">")
        assert set(infos.state.subjects or {}) <= {
            broker.command_subject("desy", "brokerage.booking.request")
        }


async def test_guessing_an_id_suppresses_nothing(
    market: Sandbox, hub: Client, connections: Connections
) -> None:
    """Two members on one stream, whose window of known ids is one for all: the id holds a body's digest."""
    assert len({subjects.shard_of(member) for member in SAME_SHARD}) == 1
    id_ = str(uuid.uuid4())
    mallory, honest = [await tenant(market, connections, name) for name in SAME_SHARD]
    guessed = f"allmende.brokerage.booking.request.v1:{id_}"
    await broker.send(mallory.connection, "booking.request", b"{}", Nats_Msg_Id=guessed)
    confirmed = await broker.send(
        honest.connection, "booking.request", b'{"a":1}', Nats_Msg_Id=f"{guessed}:{'0' * 32}"
    )
    assert not confirmed.get("duplicate")


# -- services -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SERVICES)
async def test_services_reach_what_they_need_only(
    market: Sandbox, hub: Client, connections: Connections, name: str
) -> None:
    one = await tenant(market, connections, name)
    others = [service for service in SERVICES if service != name]
    forbidden = [f"fact.{other}.offering.published" for other in others]
    forbidden += [f"ev.{member}.{other}.x.y" for other in others for member in MEMBERS]
    forbidden += [f"dead.{other}.desy" for other in others]
    consumers = [(stream, other) for stream in _command_streams() for other in others]
    consumers += [(subjects.FACT_STREAM, f"svc_{other}") for other in others]
    consumers += [(EVENTS, subjects.event_durable(member)) for member in MEMBERS]
    forbidden += [f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}" for stream, durable in consumers]
    forbidden += [f"$JS.ACK.{stream}.{durable}.1.1.1.1.0" for stream, durable in consumers]
    forbidden += [broker.command_subject(member, c.name) for member in MEMBERS for c in COMMANDS]
    forbidden += [f"$JS.API.STREAM.{call}.{EVENTS}" for call in ("PURGE", "DELETE", "UPDATE", "MSG.GET")]
    forbidden += [f"$JS.API.CONSUMER.CREATE.{EVENTS}.mine", f"ask.desy.{registry.QUERIES[0].name}"]
    forbidden += ["$SYS.REQ.SERVER.PING", "_INBOX_billing.x" if name != "billing" else "_INBOX_catalog.x"]
    assert set(forbidden) - await one.refused_to_publish(forbidden) == set()

    deaf = [f"ask.*.{other}.>" for other in others] + [f"_INBOX_{other}.>" for other in others]
    deaf += [">", "cmd.>", "fact.>", "ev.>", "dead.>", "_INBOX.>", "$JS.>", "$SYS.>"]
    assert set(deaf) - await one.refused_to_subscribe(deaf) == set()

    for subject in (f"fact.{name}.x.y", f"ev.desy.{name}.x.y", f"dead.{name}.desy"):
        assert "error" not in await broker.send(one.connection, subject, b"{}")
    needed = [f"$JS.API.CONSUMER.MSG.NEXT.{subjects.command_stream(0)}.{name}"]
    assert await one.refused_to_publish(needed, one.connection.new_inbox()) == set()
    assert await one.refused_to_subscribe([f"ask.*.{name}.>", f"_INBOX_{name}.>"]) == set()


@pytest.mark.parametrize("name", [*MEMBERS, *SERVICES])
async def test_a_wrong_key_is_refused(market: Sandbox, connections: Connections, name: str) -> None:
    path = market.home.service_key(name) if name in SERVICES else market.key_file(name)
    path.unlink()
    keep_key(path)
    with pytest.raises(NatsError):
        await tenant(market, connections, name)
    assert "'Authorization Violation'" in " ".join(connections.errors)
