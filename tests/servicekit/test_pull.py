"""Messages flow again whatever was lost, and every sender gets its turn."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
from nats.aio.client import Client
from support import broker
from support.broker import Connections, consumer, eventually
from support.fixtures import NewMarket
from support.workshop import ACK_WAIT_SECONDS, NewWorkshop, new_ids, request

from allmende.schemas import subjects
from allmende.servicekit import pull
from allmende.servicekit.messages import Delivery, Incoming
from allmende.servicekit.pull import ContinuousPull, Inflow
from allmende.servicekit.testing import Sandbox

SERVICE = "brokerage"
SAME_SHARD = ("kit", "lrz")


def delivery(sender: str, size: int = 10, number: int = 0) -> Delivery:
    subject = broker.command_subject(sender, "brokerage.booking.request")
    return Delivery(subject, b"x" * size, f"$JS.ACK.CMD_s0.brokerage.1.{sender}{number}.1.1.0")


# -- turns --------------------------------------------------------------------------------------------


async def test_one_from_each_sender_in_turn() -> None:
    inflow = Inflow()
    for sender, count in (("desy", 2_000), ("lrz", 2), ("kit", 1)):
        for number in range(count):
            inflow.put(delivery(sender, number=number))
    batch = await inflow.take(10, 1)
    assert [each.origin for each in batch[:5]] == ["desy", "lrz", "kit", "desy", "lrz"]
    assert {each.origin for each in batch[5:]} == {"desy"}
    rest = await inflow.take(10_000, 1)
    assert [each.reply for each in batch + rest if each.origin == "desy"] == [
        delivery("desy", number=number).reply for number in range(2_000)
    ], "a sender's own order stays"


async def test_what_comes_next_is_read_ahead_and_only_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull, "_READ_AHEAD_BYTES_MAX", 25)
    inflow = Inflow()
    waiting = [delivery("desy", number=number) for number in range(5)]
    for each in waiting:
        inflow.put(each)

    def read() -> list[bool]:
        return [each.read is not None for each in waiting]

    await inflow.read_ahead()
    assert read() == [True, True, False, False, False]
    await inflow.take(2, 1)
    assert read() == [True, True, False, False, False]
    await inflow.read_ahead()
    assert read() == [True, True, True, True, False]


async def test_turns_go_on_from_batch_to_batch() -> None:
    inflow = Inflow()
    for number in range(6):
        for sender in ("desy", "kit", "lrz"):
            inflow.put(delivery(sender, number=number))
    origins = [each.origin for _ in range(9) for each in await inflow.take(2, 1)]
    assert origins == ["desy", "kit", "lrz"] * 6


async def test_a_batch_is_bounded_in_bytes() -> None:
    inflow = Inflow()
    for number in range(10):
        inflow.put(delivery("desy", 400, number))
    assert [len(await inflow.take(100, 1, bytes_max=1_000)) for _ in range(4)] == [3, 3, 3, 1]
    inflow.put(delivery("desy", 5_000, 10))
    assert len(await inflow.take(100, 1, bytes_max=1_000)) == 1, "one that is larger goes alone"


async def test_waiting_for_the_first_only() -> None:
    inflow = Inflow()
    assert await inflow.take(10, 0.01) == []
    taking = asyncio.create_task(inflow.take(10, 20))
    await asyncio.sleep(0)
    inflow.put(delivery("desy"))
    assert len(await taking) == 1
    taking = asyncio.create_task(inflow.take(10, 20))
    await asyncio.sleep(0)
    inflow.wake()
    assert await taking == []


async def test_what_waits_already_is_not_taken_in_twice() -> None:
    """A slow service must not drown in redeliveries of what it has not come to yet."""
    inflow = Inflow()
    subject = broker.command_subject("desy", "brokerage.booking.request")
    for stream in ("CMD_s0", "CMD_s1"):
        for times in (1, 2, 3):
            inflow.put(Delivery(subject, b"x", f"$JS.ACK.{stream}.brokerage.{times}.7.{times}.1.0"))
    batch = await inflow.take(10, 1)
    assert [each.reply.split(".")[2] for each in batch] == ["CMD_s0", "CMD_s1"]
    again = Delivery(subject, b"x", "$JS.ACK.CMD_s0.brokerage.4.7.4.1.0")
    inflow.put(again)
    assert await inflow.take(10, 0.01) == [], "still in hand"
    inflow.let_go(batch)
    inflow.put(again)
    assert await inflow.take(10, 1) == [again], "the acknowledgement was lost"


async def test_a_slow_service_tells_each_outcome_once(workshop: NewWorkshop) -> None:
    """The last wait much longer than the server waits for their acknowledgement."""
    shop = await workshop()
    ids = new_ids(120)
    await shop.send(*(request(id_=id_) for id_ in ids))
    shop.handler.seconds = 2.5 * ACK_WAIT_SECONDS / 12
    await shop.start(batch_max=10)
    await shop.settled()
    assert await shop.complaints(*ids) == []
    told = await broker.outcomes(shop.hub, "desy")
    assert sum(len(told[id_]) for id_ in ids) == len(ids)


async def test_2000_waiting_commands_delay_nobody(workshop: NewWorkshop) -> None:
    shop = await workshop(*SAME_SHARD, "desy")
    flood = new_ids(2_000)
    await shop.send(*(request("kit", id_) for id_ in flood), member="kit")
    neighbour, other = new_ids(2)
    await shop.send(request("lrz", neighbour), member="lrz")
    await shop.send(request("desy", other), member="desy")
    handled: list[str] = []

    def note(message: Incoming) -> bool:
        handled.append(message.id)
        return False

    shop.handler.poison = note
    await shop.start(batch_max=100)
    await shop.settled()
    assert sorted(handled) == sorted([*flood, neighbour, other])
    # The shard's stream delivers in its order; of what has arrived, each sender gets its turn.
    assert handled.index(other) < 200
    assert handled.index(neighbour) < 2_000


# -- the flow -----------------------------------------------------------------------------------------


@pytest.fixture
async def market(sandbox: NewMarket) -> Sandbox:
    return await sandbox("desy")


@pytest.fixture
async def hub(market: Sandbox, connections: Connections) -> Client:
    return await connections.provisioner(market)


@pytest.fixture
async def connection(market: Sandbox, connections: Connections) -> Client:
    return await connections.service(market, SERVICE)


@pytest.fixture
async def flow(connection: Client, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ContinuousPull]:
    monkeypatch.setattr(pull, "EXPIRES_SECONDS", 0.5)
    stream = subjects.command_stream(subjects.shard_of("desy"))
    found = ContinuousPull(connection, stream, SERVICE, Inflow(), batch=10)
    yield found
    await found.stop()


async def send(hub: Client, count: int) -> None:
    subject = broker.command_subject("desy", "brokerage.booking.request")
    await broker.send_all(hub, [(subject, b"%d" % number) for number in range(count)])


async def taken(flow: ContinuousPull, count: int) -> list[bytes]:
    found: list[bytes] = []

    async def enough() -> bool:
        found.extend(each.body for each in await flow._inflow.take(1_000, 0.05))
        return len(found) >= count

    await eventually(enough)
    return found


async def waiting(hub: Client) -> int:
    """The requests that the server knows of."""
    info = await consumer(hub, subjects.command_stream(subjects.shard_of("desy")), SERVICE)
    return info.num_waiting or 0


async def test_more_than_one_request_asks_for(flow: ContinuousPull, hub: Client) -> None:
    await flow.start()
    await send(hub, 105)
    assert await taken(flow, 105) == [b"%d" % number for number in range(105)]


async def test_nothing_is_asked_for_while_enough_waits(
    flow: ContinuousPull, hub: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the database is away, messages stay in the stream."""
    monkeypatch.setattr(pull, "WAITING_MAX", 30)
    await flow.start()
    await send(hub, 200)
    await eventually(lambda: not flow._inflow.has_room)
    await eventually(lambda: _is(waiting(hub), 0))
    assert flow._inflow._count <= 30 + 2 * 10
    found: list[bytes] = []

    async def drained() -> bool:
        found.extend(each.body for each in await flow._inflow.take(7, 0.05))
        await flow.top_up()  # as the loop does
        return len(found) == 200

    await eventually(drained)
    assert found == [b"%d" % number for number in range(200)]


async def test_a_request_that_is_fulfilled_makes_no_pause(flow: ContinuousPull, hub: Client) -> None:
    await send(hub, 500)
    await flow.start()
    began = asyncio.get_running_loop().time()
    await taken(flow, 500)
    assert asyncio.get_running_loop().time() - began < 50 * pull._REFUSED_PAUSE_SECONDS / 4


async def test_requests_go_on_when_nothing_comes(flow: ContinuousPull, hub: Client) -> None:
    await flow.start()
    asked: list[int] = []
    _count_asking(flow, asked)
    await eventually(lambda: len(asked) >= 3)
    await send(hub, 3)
    assert len(await taken(flow, 3)) == 3


async def test_a_request_that_was_lost_is_asked_again(flow: ContinuousPull, hub: Client) -> None:
    """Nothing ends a request that the server never saw; only the clock does."""
    real, flow._next = flow._next, "_INBOX_brokerage.nowhere"
    await flow.start()
    flow._next = real
    await send(hub, 3)
    await flow.renew()
    assert await waiting(hub) == 0, "too early"

    async def renewed() -> int:
        await flow.renew()
        return await waiting(hub)

    await eventually(renewed)
    assert len(await taken(flow, 3)) == 3


async def test_requests_do_not_pile_up(flow: ContinuousPull, hub: Client) -> None:
    """Every reconnection renews; the older requests may live on at the server."""
    await flow.start()
    for _ in range(5):
        await flow.renew(now=True)
    await eventually(lambda: _is(waiting(hub), 6))
    await eventually(lambda: _is(waiting(hub), 1))
    asked: list[int] = []
    _count_asking(flow, asked)
    await eventually(lambda: len(asked) >= 3)
    assert await waiting(hub) <= 1


async def test_messages_flow_at_once_after_a_reconnection(
    market: Sandbox, connections: Connections, hub: Client
) -> None:
    """A request lives for five seconds; this takes far less."""
    stream = subjects.command_stream(subjects.shard_of("desy"))
    flow: ContinuousPull

    async def reconnected() -> None:
        await flow.renew(now=True)

    connection = await connections.service(market, SERVICE, reconnected_cb=reconnected)
    flow = ContinuousPull(connection, stream, SERVICE, Inflow())
    await flow.start()
    await asyncio.to_thread(market.nats.stop)
    await market.start_nats()
    await eventually(lambda: connection.is_connected and hub.is_connected)
    await send(hub, 3)
    began = asyncio.get_running_loop().time()
    assert len(await taken(flow, 3)) == 3
    assert asyncio.get_running_loop().time() - began < pull.EXPIRES_SECONDS / 2
    await flow.stop()


async def _is(found: Coroutine[Any, Any, int], expected: int) -> bool:
    return await found == expected


def _count_asking(flow: ContinuousPull, asked: list[int]) -> None:
    real: Callable[[], Coroutine[Any, Any, None]] = flow._ask

    async def ask() -> None:
        asked.append(1)
        await real()

    flow._ask = ask  # type: ignore[method-assign]
