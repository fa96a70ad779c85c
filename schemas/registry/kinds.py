"""What an entry of the registry says of a message or a query."""

import dataclasses
import enum
import functools
from typing import Any

from ..contract import Contract
from ..envelope import Command, Event
from ..rejections import Rejection


class Audience(enum.Enum):
    """Who gets a copy of an event."""

    SERVICES = "services"
    SENDER = "sender"
    CONSUMER = "consumer"
    PROVIDER = "provider"
    MEMBER = "member"
    EVERYONE = "everyone"
    OFFICE = "office"
    CIRCLE = "circle"
    """Those whom the message itself concerns, as its service finds out; everybody, or a list of members."""


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


REFUSED = Rejection
"""What every refusal carries."""

TO_SENDER = (Audience.SENDER,)
