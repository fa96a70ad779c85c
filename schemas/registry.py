"""Every message of the market, once: what it is called, what it carries, who hears it.

AsyncAPI, JSON Schemas, NATS permissions and the golden examples are made from these lists.
"""

import dataclasses
import enum
import functools
from collections.abc import Iterator
from typing import Any

from . import billing, brokerage, catalog, rejections
from .contract import Contract
from .envelope import Command, Event


class Audience(enum.Enum):
    """Who gets a copy of an event."""

    SERVICES = "services"
    SENDER = "sender"
    CONSUMER = "consumer"
    PROVIDER = "provider"
    MEMBER = "member"
    EVERYONE = "everyone"
    OFFICE = "office"


@dataclasses.dataclass(frozen=True)
class MessageType:
    """A command, a fact or a rejection.

    Attributes:
        name: `<service>.<noun>.<verb>`.
        data: the payload.
        summary: one sentence for the published contract.
        outcomes: names of the events that can answer a command.
        audiences: who hears an event.
        after_facts: the command is decided only after every fact that was stored before it arrived.
    """

    name: str
    data: type[Contract]
    summary: str
    outcomes: tuple[str, ...] = ()
    audiences: tuple[Audience, ...] = ()
    version: int = 1
    after_facts: bool = False

    @functools.cached_property
    def service(self) -> str:
        """The service that owns the message."""
        return self.name.split(".")[0]

    @functools.cached_property
    def noun(self) -> str:
        """What it is about."""
        return self.name.split(".")[1]

    @functools.cached_property
    def verb(self) -> str:
        """What is to be done, or was."""
        return self.name.split(".")[2]

    @functools.cached_property
    def type(self) -> str:
        """The CloudEvents type."""
        return f"allmende.{self.name}.v{self.version}"

    @functools.cached_property
    def is_command(self) -> bool:
        """Commands are those that somebody has to answer."""
        return bool(self.outcomes)

    @functools.cached_property
    def envelope(self) -> Any:
        """The whole message as a model."""
        return (Command if self.is_command else Event)[self.data]


@dataclasses.dataclass(frozen=True)
class QueryType:
    """A question that a service answers at once, outside every stream."""

    name: str
    request: type[Contract]
    reply: type[Contract]
    summary: str

    @property
    def service(self) -> str:
        """The service that answers."""
        return self.name.split(".")[0]

    @property
    def noun(self) -> str:
        """What it is about."""
        return self.name.split(".")[1]

    @property
    def verb(self) -> str:
        """What is asked."""
        return self.name.split(".")[2]


_REFUSED = rejections.Rejection
_TO_SENDER = (Audience.SENDER,)

MESSAGES: tuple[MessageType, ...] = (
    # catalogue
    MessageType(
        "catalog.offering.publish",
        catalog.PublishOffering,
        "Publish an offering or its next revision.",
        outcomes=("catalog.offering.published", "catalog.offering.rejected"),
    ),
    MessageType(
        "catalog.offering.retire",
        catalog.RetireOffering,
        "Close an offering for new bookings.",
        outcomes=("catalog.offering.retired", "catalog.offering.rejected"),
    ),
    MessageType(
        "catalog.offering.published",
        catalog.OfferingPublished,
        "An offering's revision holds from now on.",
        audiences=(Audience.SERVICES, Audience.EVERYONE),
    ),
    MessageType(
        "catalog.offering.retired",
        catalog.OfferingRetired,
        "An offering is closed for new bookings.",
        audiences=(Audience.SERVICES, Audience.EVERYONE),
    ),
    MessageType(
        "catalog.offering.rejected",
        _REFUSED,
        "A command about an offering was refused.",
        audiences=_TO_SENDER,
    ),
    # brokerage
    MessageType(
        "brokerage.booking.request",
        brokerage.RequestBooking,
        "Book a plan of an offering.",
        outcomes=("brokerage.booking.confirmed", "brokerage.booking.rejected"),
    ),
    MessageType(
        "brokerage.booking.confirmed",
        brokerage.BookingConfirmed,
        "A booking holds, with the terms frozen into it.",
        audiences=(Audience.SERVICES, Audience.CONSUMER, Audience.PROVIDER),
    ),
    MessageType(
        "brokerage.booking.rejected", _REFUSED, "A command about a booking was refused.", audiences=_TO_SENDER
    ),
    # billing
    MessageType(
        "billing.usage.report",
        billing.ReportUsage,
        "Report usage of one's own offerings.",
        outcomes=("billing.usage.recorded", "billing.usage.rejected"),
    ),
    MessageType(
        "billing.usage.recorded", billing.UsageRecorded, "What became of a report.", audiences=_TO_SENDER
    ),
    MessageType(
        "billing.usage.refused",
        billing.UsageRefused,
        "Parked records whose booking did not come in time.",
        audiences=(Audience.PROVIDER,),
    ),
    MessageType("billing.usage.rejected", _REFUSED, "A report was refused as a whole.", audiences=_TO_SENDER),
    MessageType(
        "billing.levy.charge",
        billing.ChargeLevy,
        "Spread a cost of the cooperative over its members.",
        outcomes=("billing.levy.charged", "billing.levy.rejected"),
    ),
    MessageType(
        "billing.levy.charged",
        billing.LevyCharged,
        "A levy and every member's part of it.",
        audiences=(Audience.SERVICES, Audience.EVERYONE, Audience.OFFICE),
    ),
    MessageType("billing.levy.rejected", _REFUSED, "A levy was refused.", audiences=_TO_SENDER),
    MessageType(
        "billing.settlement.close",
        billing.CloseSettlement,
        "Rate, state and net a period.",
        outcomes=("billing.settlement.closed", "billing.settlement.rejected"),
        after_facts=True,
    ),
    MessageType(
        "billing.settlement.closed",
        billing.SettlementClosed,
        "A closed period with every party's net position.",
        audiences=(Audience.SERVICES, Audience.OFFICE),
    ),
    MessageType(
        "billing.statement.issued",
        billing.StatementIssued,
        "One member's statement for a period.",
        audiences=(Audience.MEMBER, Audience.OFFICE),
    ),
    MessageType(
        "billing.settlement.rejected", _REFUSED, "Closing a period was refused.", audiences=_TO_SENDER
    ),
)

QUERIES: tuple[QueryType, ...] = (
    QueryType("catalog.offering.list", catalog.ListOfferings, catalog.Offerings, "List offerings."),
    QueryType("brokerage.booking.list", brokerage.ListBookings, brokerage.Bookings, "List one's bookings."),
    QueryType("billing.settlement.list", billing.ListSettlements, billing.Settlements, "List settlements."),
    QueryType(
        "billing.statement.show", billing.ShowStatement, billing.Statement, "Show a statement with its lines."
    ),
)

_BY_NAME = {message.name: message for message in MESSAGES}
_BY_DATA = {message.data: message for message in MESSAGES if message.data is not _REFUSED}
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
    return next(_BY_NAME[name] for name in command.outcomes if _BY_NAME[name].data is _REFUSED)
