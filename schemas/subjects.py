"""The subjects of NATS on which messages travel, built and taken apart in one place.

A member speaks in an account of its own, where it knows short subjects only (`booking.request`).
The server maps them to the hub's subjects and puts the member's name in; nobody can name another.
"""

import dataclasses
import zlib

SHARDS = 8
"""Command streams of the hub, over which members are spread. Fixed: the number is part of the subjects."""

EVENT_STREAM = "EVENTS"
EVENT_SUBJECTS = ("ev.>",)
FACT_STREAM = "FACTS"
"""What services tell each other; kept until every service that reads it has taken it in."""
DEAD_LETTER_STREAM = "DEAD"
ADVISORY_STREAM = "ADVISORIES"
EVERYONE = "everyone"
"""The audience of what all members may hear, in the place of a member's id."""
RESERVED = frozenset({EVERYONE, "services"})
"""Names that no member may have."""
MEMBER_API_PREFIX = "MARKET.API"
"""What a member's NATS client sets as its JetStream API prefix."""


def shard_of(member: str) -> int:
    """Tell the command shard of a member; stable for ever, independent of who else is there."""
    return zlib.crc32(member.encode()) % SHARDS


def command_stream(shard: int) -> str:
    """Name the stream of a command shard."""
    return f"CMD_s{shard}"


def command_subject(member: str, service: str, noun: str, verb: str) -> str:
    """Say where the hub stores a member's command."""
    return f"cmd.s{shard_of(member)}.{member}.{service}.{noun}.{verb}"


@dataclasses.dataclass(frozen=True)
class CommandSubject:
    """A hub subject of a command, taken apart."""

    member: str
    service: str
    noun: str
    verb: str

    @classmethod
    def parse(cls, subject: str) -> "CommandSubject":
        """Take a subject apart.

        Raises:
            ValueError: it is not a command's subject.
        """
        tokens = subject.split(".")
        if len(tokens) != 6 or tokens[0] != "cmd":
            raise ValueError(f"{subject} is not the subject of a command")
        return cls(*tokens[2:])


def fact_subject(service: str, noun: str, verb: str) -> str:
    """Say where services hear a fact."""
    return f"fact.{service}.{noun}.{verb}"


def event_subject(member: str, service: str, noun: str, verb: str) -> str:
    """Say where one member's copy of an event goes."""
    return f"ev.{member}.{service}.{noun}.{verb}"


def member_event_subject(service: str, noun: str, verb: str) -> str:
    """Say where a member hears live what the hub sends it."""
    return f"events.{service}.{noun}.{verb}"


def audience_of(subject: str) -> str:
    """Tell for whom a published subject counts its sequence: a member, or the services."""
    tokens = subject.split(".", 2)
    return tokens[1] if tokens[0] == "ev" else "services"


def query_subject(member: str, service: str, noun: str, verb: str) -> str:
    """Say where the hub answers a member's query."""
    return f"ask.{member}.{service}.{noun}.{verb}"


def member_query_subject(service: str, noun: str, verb: str) -> str:
    """Say where a member asks."""
    return f"ask.{service}.{noun}.{verb}"


def dead_letter_subject(service: str, member: str) -> str:
    """Say where a message goes that no service could read or process."""
    return f"dead.{service}.{member}"


def event_durable(member: str) -> str:
    """Name the durable consumer of the event stream that belongs to a member."""
    return f"ev_{member}"
