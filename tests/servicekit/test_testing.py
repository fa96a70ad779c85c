"""The sandbox itself: a market of its own for every test, soon ready, leaving nothing behind."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.broker import Connections, eventually, stored
from support.fixtures import NewMarket

from allmende.servicekit.faults import Fault
from allmende.servicekit.testing import Sandbox, Someone, Templates

READY_SECONDS_MAX = 10.0
"""Generous: a busy machine is no fault. An idle one takes half a second."""


async def test_a_sandbox_is_soon_ready(
    tmp_path: Path, templates: Templates, record_property: Callable[[str, object], None]
) -> None:
    began = time.perf_counter()
    async with Sandbox(tmp_path, templates, ["desy", "lrz"]) as market:
        seconds = time.perf_counter() - began
        await market.start()
        with_services = time.perf_counter() - began
        assert set(market.running) == {"billing", "brokerage", "catalog"}
        pid = market.nats.pid
    record_property("sandbox_seconds", round(seconds, 2))
    record_property("with_services_seconds", round(with_services, 2))
    assert seconds < READY_SECONDS_MAX
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_markets_know_nothing_of_each_other(sandbox: NewMarket, connections: Connections) -> None:
    one, other = await sandbox("desy"), await sandbox("desy")
    assert one.port != other.port
    assert not set(one.databases.values()) & set(other.databases.values())
    hubs = [await connections.provisioner(market) for market in (one, other)]
    await hubs[0].jetstream().publish("fact.catalog.offering.published", b"{}")
    assert [len(await stored(hub)) for hub in hubs] == [1, 0]
    async with one.admin("catalog") as admin:
        await admin.execute("create table mark (id int)")
    assert await other.rows("catalog", "select 1 from pg_tables where tablename = 'mark'") == []


async def test_members_as_a_test_describes_them(sandbox: NewMarket) -> None:
    market = await sandbox("desy", Someone("kit", land="Baden-Württemberg", classes={"weser": "B"}))
    found = {member.id: member for member in market.register.members}
    assert set(found) == {"office", "desy", "kit"}
    assert found["kit"].land == "Baden-Württemberg"
    assert dict(found["kit"].classes) == {"weser": "B"}
    assert market.register.office.id == "office"


async def test_services_start_and_stop_one_by_one(sandbox: NewMarket) -> None:
    market = await sandbox("desy")
    await market.start("catalog")
    assert set(market.running) == {"catalog"}
    await eventually(lambda: market.running["catalog"].trouble() is None)
    await market.stop("catalog")
    await market.start("catalog", "brokerage")
    assert set(market.running) == {"catalog", "brokerage"}


async def test_nats_keeps_its_messages_over_a_restart(sandbox: NewMarket, connections: Connections) -> None:
    market = await sandbox("desy")
    hub = await connections.provisioner(market)
    await hub.jetstream().publish("fact.catalog.offering.published", b"{}")
    market.nats.stop()
    await market.start_nats()
    await eventually(lambda: hub.is_connected)
    assert len(await stored(hub)) == 1


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # of refused connections
async def test_a_sandbox_that_cannot_start_leaves_no_server(
    tmp_path: Path, templates: Templates, connections: Connections
) -> None:
    market = Sandbox(tmp_path, templates, ["desy"])
    market.hub = Sandbox(tmp_path / "other", templates, ["desy"]).hub  # keys that the home does not hold
    with pytest.raises(Fault):
        async with market:
            raise AssertionError("unreachable")
    assert market.nats.pid is None
