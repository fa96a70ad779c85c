"""The hub on the real server: limits, streams, members who come and go, a configuration that lies."""

import asyncio
import re

import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.js.errors import APIError
from support import broker
from support.broker import Connections, eventually
from support.fixtures import Connect, NewMarket

from allmende.client import Market
from allmende.schemas import subjects
from allmende.schemas.catalog import ListOfferings, Offerings
from allmende.schemas.contract import MESSAGE_BYTES_MAX
from allmende.schemas.register import RegisteredMember
from allmende.schemas.rejections import Rejection
from allmende.servicekit import hub as hub_module
from allmende.servicekit.embedded.nats import EmbeddedNats
from allmende.servicekit.faults import Fault
from allmende.servicekit.hub import Hub, Limits
from allmende.servicekit.register import keep_key
from allmende.servicekit.testing import Sandbox

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # of refused connections

NEIGHBOURS = ("kit", "lrz")
"""Two members on one shard."""
WAIT_SECONDS = 10


# -- limits -------------------------------------------------------------------------------------------


async def test_a_flooding_member_is_refused_and_its_neighbour_is_served(
    sandbox: NewMarket, connections: Connections
) -> None:
    assert len({subjects.shard_of(member) for member in NEIGHBOURS}) == 1
    market = await sandbox(*NEIGHBOURS, limits=Limits(commands_per_member=20))
    flooding, neighbour = [await connections.member(market, name) for name in NEIGHBOURS]
    confirmed = [await broker.send(flooding, "booking.request", b"{}") for _ in range(25)]
    assert ["error" in each for each in confirmed] == [False] * 20 + [True] * 5
    assert "maximum messages per subject" in confirmed[-1]["error"]["description"]

    assert "error" not in await broker.send(flooding, "usage.report", b"{}"), "another kind of command"
    assert "error" not in await broker.send(neighbour, "booking.request", b"{}")


async def test_a_member_that_was_refused_is_served_when_there_is_room(
    sandbox: NewMarket, connections: Connections, member: Connect
) -> None:
    market = await sandbox(*NEIGHBOURS, limits=Limits(commands_per_member=20))
    flooding = await connections.member(market, "kit")
    for _ in range(20):
        await broker.send(flooding, "offering.retire", b"{}")
    assert "error" in await broker.send(flooding, "offering.retire", b"{}")
    await market.start("catalog")

    async def is_taken() -> bool:
        return "error" not in await broker.send(flooding, "offering.retire", b"{}")

    await eventually(is_taken)


async def test_a_message_beyond_the_size_of_the_stream_is_refused(
    sandbox: NewMarket, connections: Connections
) -> None:
    market = await sandbox("desy")
    desy = await connections.member(market, "desy")
    confirmed = await broker.send(desy, "booking.request", b"x" * (MESSAGE_BYTES_MAX + 8192))
    assert "size exceeds" in confirmed["error"]["description"]
    assert "error" not in await broker.send(desy, "booking.request", b"x" * MESSAGE_BYTES_MAX)


async def test_nothing_in_a_stream_can_be_deleted(sandbox: NewMarket, connections: Connections) -> None:
    market = await sandbox("desy")
    provisioner = await connections.provisioner(market)
    await broker.send(provisioner, broker.command_subject("desy", "billing.usage.report"), b"{}")
    await broker.send(provisioner, "fact.catalog.offering.published", b"{}")
    await broker.send(provisioner, "ev.desy.billing.levy.charged", b"{}")
    shard = subjects.command_stream(subjects.shard_of("desy"))
    for stream in (shard, subjects.FACT_STREAM, subjects.EVENT_STREAM):
        with pytest.raises(APIError):
            await provisioner.jetstream().delete_msg(stream, 1)


async def test_provisioning_again_keeps_what_is_there(sandbox: NewMarket, connections: Connections) -> None:
    market = await sandbox("desy")
    provisioner = await connections.provisioner(market)
    await broker.send(provisioner, "fact.catalog.offering.published", b"{}")
    seed = market.home.service_key(hub_module.PROVISIONER).read_text().strip()
    await market.hub.provision(market.url, seed)
    assert len(await broker.stored(provisioner)) == 1


async def test_provisioning_says_what_is_wrong(sandbox: NewMarket) -> None:
    market = await sandbox("desy")
    member_seed = market.key_file("desy").read_text().strip()
    with pytest.raises(Fault, match="cannot be reached"):
        await market.hub.provision("nats://127.0.0.1:1", member_seed)


# -- members come and go ------------------------------------------------------------------------------


def with_members(market: Sandbox, *members: RegisteredMember) -> Hub:
    office = market.register.office
    register = market.register.model_copy(update={"members": (office, *members)})
    return Hub(register, market.hub.service_keys, market.hub.consumed)


async def reload(market: Sandbox, hub: Hub) -> None:
    store = market.home.path / "nats" / "store"
    config = hub.configuration(host="127.0.0.1", port=market.port, store=store)
    market.home.nats_config.write_text(config, encoding="utf-8")
    await asyncio.to_thread(market.nats.reload)
    seed = market.home.service_key(hub_module.PROVISIONER).read_text().strip()
    await hub.provision(market.url, seed)


async def test_a_member_joins_and_leaves_while_the_market_runs(
    sandbox: NewMarket, connections: Connections, member: Connect
) -> None:
    market = await sandbox("desy")
    await market.start("catalog")
    desy = await member(market, "desy")
    old = market.register.members[1]
    new = RegisteredMember(id="lrz", name="lrz", key=keep_key(market.key_file("lrz")))
    with pytest.raises(NatsError):
        await connections.member(market, "lrz")

    await reload(market, with_members(market, old, new))
    raw = await connections.member(market, "lrz")
    confirmed = await eventually(lambda: _stores(raw), WAIT_SECONDS)
    assert confirmed["stream"] == subjects.command_stream(subjects.shard_of("lrz"))
    assert isinstance(await desy.retire("desy/nothing"), Rejection), "the services are still heard"
    answer = await raw.request("MARKET.API.CONSUMER.INFO.EVENTS.ev_lrz", b"", timeout=5)
    assert b'"name":"ev_lrz"' in answer.data
    assert await _is_served(desy)

    await reload(market, with_members(market, old))
    await eventually(lambda: not raw.is_connected, WAIT_SECONDS)
    with pytest.raises(NatsError):
        await connections.member(market, "lrz")
    assert await _is_served(desy)


async def _stores(connection: Client) -> dict[str, object]:
    try:
        return await broker.send(connection, "offering.retire", b"{}")
    except NoRespondersError:
        return {}


async def _is_served(market: Market) -> bool:
    return isinstance(await market.ask("catalog.offering.list", ListOfferings(), Offerings), Offerings)


async def test_a_new_key_replaces_the_old(sandbox: NewMarket, connections: Connections) -> None:
    market = await sandbox("desy")
    old = await connections.member(market, "desy")
    market.key_file("desy").rename(market.home.path / "old.nk")
    renewed = market.register.members[1].model_copy(update={"key": keep_key(market.key_file("desy"))})
    await reload(market, with_members(market, renewed))
    await eventually(lambda: not old.is_connected, WAIT_SECONDS)
    new = await connections.member(market, "desy")
    assert await _stores(new)


# -- a configuration that lies ------------------------------------------------------------------------


def written(market: Sandbox, config: str) -> EmbeddedNats:
    path = market.home.path / "lie.conf"
    path.write_text(config, encoding="utf-8")
    return EmbeddedNats(path, home=market.home.path / "lie")


def lie(market: Sandbox, *, guarded: bool = True) -> str:
    """Let `kit` import what `lrz` may send: one shard, so nothing else would tell them apart."""
    config = market.hub.configuration(
        host="127.0.0.1", port=market.port, store=market.home.path / "nats" / "store"
    )
    own, foreign = [broker.command_subject(name, "brokerage.booking.request") for name in NEIGHBOURS]
    assert config.count(f'"{own}"') == 1
    config = config.replace(f'"{own}"', f'"{foreign}"')
    return config if guarded else re.sub(r", account_token_position: \d", "", config)


async def test_importing_in_another_name_is_refused(sandbox: NewMarket) -> None:
    market = await sandbox(*NEIGHBOURS)
    with pytest.raises(Fault, match="NATS refuses the configuration"):
        written(market, lie(market)).check()
    truth = market.home.nats_config.read_text()
    written(market, truth).check()


async def test_control_without_the_position_of_the_token_the_lie_works(
    sandbox: NewMarket, connections: Connections
) -> None:
    market = await sandbox(*NEIGHBOURS)
    market.home.nats_config.write_text(lie(market, guarded=False), encoding="utf-8")
    await asyncio.to_thread(market.nats.reload)
    liar = await connections.member(market, "kit")
    await eventually(lambda: _stores(liar), WAIT_SECONDS)
    await broker.send(liar, "booking.request", b"{}")
    provisioner = await connections.provisioner(market)
    shard = subjects.command_stream(subjects.shard_of("lrz"))
    info = await provisioner.jetstream().stream_info(shard, subjects_filter=">")
    assert broker.command_subject("lrz", "brokerage.booking.request") in (info.state.subjects or {})


async def test_reading_anothers_events_cannot_be_imported(sandbox: NewMarket) -> None:
    market = await sandbox(*NEIGHBOURS)
    config = market.home.nats_config.read_text()
    line = 'subject: "ev.kit.>" }, to: "events.>"'
    assert config.count(line) == 1
    with pytest.raises(Fault, match="NATS refuses the configuration"):
        written(market, config.replace(line, line.replace("kit", "lrz"))).check()


async def test_the_configuration_is_safe_to_show_and_safe_on_disk(sandbox: NewMarket) -> None:
    config = (await sandbox("desy")).home.nats_config.read_text()
    assert not re.search(r"\bSU[A-Z2-7]{56}\b", config), "no private key"
    assert "sync_interval: always" in config
