"""Every message of the market, once: what it is called, what it carries, who hears it.

AsyncAPI, JSON Schemas, NATS permissions and the golden examples are made from these lists.
"""

from collections.abc import Iterator

from ..contract import Contract
from . import billing, brokerage, catalog, payment, settlement
from .kinds import REFUSED, Audience, MessageType, QueryType

__all__ = [
    "MESSAGES",
    "QUERIES",
    "Audience",
    "MessageType",
    "QueryType",
    "commands",
    "message",
    "message_of",
    "query",
    "rejection_of",
]

_PARTS = (catalog, brokerage, billing, settlement, payment)
MESSAGES: tuple[MessageType, ...] = tuple(message for part in _PARTS for message in part.MESSAGES)
QUERIES: tuple[QueryType, ...] = tuple(query for part in _PARTS for query in part.QUERIES)

_BY_NAME = {message.name: message for message in MESSAGES}
_BY_DATA = {message.data: message for message in MESSAGES if message.data is not REFUSED}
_QUERY_BY_NAME = {query.name: query for query in QUERIES}


def message(name: str) -> MessageType:
    """Find a message by `<service>.<noun>.<verb>`.

    Raises:
        KeyError: there is none.
    """
    return _BY_NAME[name]


def message_of(data: Contract | type[Contract]) -> MessageType:
    """Find the message that carries a payload. A rejection's name depends on what it refuses.

    Raises:
        KeyError: no message carries it.
    """
    return _BY_DATA[data if isinstance(data, type) else type(data)]


def query(name: str) -> QueryType:
    """Find a query by `<service>.<noun>.<verb>`.

    Raises:
        KeyError: there is none.
    """
    return _QUERY_BY_NAME[name]


def commands() -> Iterator[MessageType]:
    """All messages that somebody has to answer."""
    return (entry for entry in MESSAGES if entry.is_command)


def rejection_of(command: MessageType) -> MessageType:
    """Find the event by which a command is refused."""
    return next(_BY_NAME[name] for name in command.outcomes if _BY_NAME[name].data is REFUSED)
