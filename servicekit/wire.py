"""Many messages for the server in one write.

The client checks, encodes and flushes each message by itself; for the three copies of every booking that cost
more than deciding it.
"""

from collections.abc import Sequence

from nats.aio.client import Client
from nats.errors import ConnectionClosedError, OutboundBufferLimitError


def encoded(subject: str, body: bytes, headers: str) -> bytes:
    """Write a message as the server reads it (NATS client protocol, HPUB).

    The headers are lines that each end in CR LF; their makers see to it that no value holds a line break.
    """
    head = f"NATS/1.0\r\n{headers}\r\n".encode()
    size = len(head)
    return b"HPUB %b %d %d\r\n%b%b\r\n" % (subject.encode(), size, size + len(body), head, body)


def acknowledged(reply: str) -> bytes:
    """Write the acknowledgement of a delivery."""
    return f"PUB {reply} 4\r\n+ACK\r\n".encode()


async def send(connection: Client, messages: Sequence[bytes]) -> None:
    """Hand messages to the client as they are; like `Client.publish`, while reconnecting it keeps them.

    Raises:
        NatsError: the connection is closed, or has no room for more while it is away.
    """
    written = b"".join(messages)
    if connection.is_closed:
        raise ConnectionClosedError
    if not connection.is_connected and connection.pending_data_size + len(written) > _room(connection):
        raise OutboundBufferLimitError
    # The steps of `Client.publish` behind its checks and its encoding.
    await connection._send_command(written)  # noqa: SLF001
    await connection._flush_pending()  # noqa: SLF001


def _room(connection: Client) -> int:
    room: int = connection._max_pending_size  # noqa: SLF001 - set by the option `pending_size`
    return room
