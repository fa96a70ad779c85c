"""What is written past the client arrives as if the client had written it."""

import asyncio

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError, OutboundBufferLimitError
from support.broker import Connections
from support.fixtures import NewMarket

from allmende.servicekit import wire


@pytest.fixture
async def connection(sandbox: NewMarket, connections: Connections) -> Client:
    return await connections.provisioner(await sandbox("desy"))


async def test_messages_arrive_whole_and_in_order(connection: Client) -> None:
    arrived: asyncio.Queue[Msg] = asyncio.Queue()
    await connection.subscribe("bench.>", cb=arrived.put)
    bodies = [b"", b"\r\nPUB bench.forged 0\r\n\r\n", "Überlassung".encode(), b"x" * 900_000]
    await wire.send(
        connection, [wire.encoded(f"bench.{n}", body, f"Number: {n}\r\n") for n, body in enumerate(bodies)]
    )
    await connection.publish("bench.last", b"+ACK")
    found = [await asyncio.wait_for(arrived.get(), 10) for _ in range(5)]
    assert [message.data for message in found] == [*bodies, b"+ACK"]
    assert [message.subject for message in found] == [
        "bench.0",
        "bench.1",
        "bench.2",
        "bench.3",
        "bench.last",
    ]
    assert [message.headers for message in found] == [*({"Number": str(n)} for n in range(4)), None]


async def test_an_acknowledgement_is_a_plain_message(connection: Client) -> None:
    arrived: asyncio.Queue[Msg] = asyncio.Queue()
    await connection.subscribe("reply.*", cb=arrived.put)
    await wire.send(connection, [wire.acknowledged("reply.1"), wire.acknowledged("reply.2")])
    found = [await asyncio.wait_for(arrived.get(), 10) for _ in range(2)]
    assert [(message.subject, message.data) for message in found] == [
        ("reply.1", b"+ACK"),
        ("reply.2", b"+ACK"),
    ]


async def test_a_closed_connection_refuses(connection: Client) -> None:
    await connection.close()
    with pytest.raises(ConnectionClosedError):
        await wire.send(connection, [wire.acknowledged("reply.1")])


async def test_nothing_piles_up_while_the_server_is_away(connection: Client) -> None:
    connection._status = Client.RECONNECTING
    connection._max_pending_size = 100
    with pytest.raises(OutboundBufferLimitError):
        await wire.send(connection, [wire.encoded("a", b"x" * 100, "")])
    await wire.send(connection, [wire.acknowledged("a")])
    assert connection.pending_data_size < 100
    connection._status = Client.CONNECTED
