"""The NATS hub: its configuration and its streams, made from the permission table and the register.

Every member has an account of its own. What it may do is imported into that account under short
subjects; the server puts the member's name into the hub's subject and refuses any other
(`account_token_position`). Services and the provisioner are users of the hub's account.
"""

import asyncio
import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import NotFoundError, ServiceUnavailableError

from allmende.schemas import permissions, registry, subjects
from allmende.schemas.contract import MESSAGE_BYTES_MAX
from allmende.schemas.register import MemberRegister, RegisteredMember

from .faults import Fault

HUB = "MARKET"
PROVISIONER = "provisioner"
MEMBER_CONNECTIONS = 64
MEMBER_SUBSCRIPTIONS = 1_000
_JS = "$JS"
_UNKNOWN_PAUSES_SECONDS = (0.05, 0.2, 0.5)
_UNAVAILABLE_PAUSES_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


@dataclasses.dataclass(frozen=True)
class Consumed:
    """What a service reads from the event stream beside its own commands."""

    service: str
    facts: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Limits:
    """What the streams may hold.

    Attributes:
        commands_per_member: waiting commands of one kind from one member; the next is refused.
        event_days: how long events stay for readers.
    """

    commands_per_member: int = 2_000
    shard_bytes: int = 64 << 20
    event_bytes: int = 2 << 30
    event_days: float = 30.0
    fact_bytes: int = 1 << 30
    dead_letter_bytes: int = 256 << 20
    store_bytes: int = 8 << 30


@dataclasses.dataclass(frozen=True)
class Hub:
    """A hub to be written down and provisioned.

    Attributes:
        service_keys: public keys by service, the provisioner included.
    """

    register: MemberRegister
    service_keys: Mapping[str, str]
    consumed: Sequence[Consumed]
    limits: Limits = Limits()

    # -- configuration --------------------------------------------------------------------------

    def configuration(self, *, host: str, port: int, store: Path, monitor_port: int | None = None) -> str:
        """Write the server's configuration file."""
        monitoring = f'http: "127.0.0.1:{monitor_port}"\n' if monitor_port else ""
        accounts = "\n".join([self._hub_account(), *map(self._member_account, self.register.members)])
        return f"""\
# Generated from the register of members and the permission table. Do not edit: change those.
server_name: allmende-hub
listen: "{host}:{port}"
{monitoring}max_payload: {MESSAGE_BYTES_MAX * 2}
max_pending: {64 << 20}
write_deadline: "10s"

jetstream {{
  store_dir: {json.dumps(str(store))}
  max_file_store: {self.limits.store_bytes}
  max_memory_store: {64 << 20}
  # An acknowledged message survives a power cut. Speed comes from batches, never from lazy writes.
  sync_interval: always
}}

accounts {{
{accounts}
  SYS {{ users: [] }}
}}
system_account: SYS
"""

    def _hub_account(self) -> str:
        anything = 'permissions: { publish: ">", subscribe: ">" }'
        users = [
            f"      {{ nkey: {self.service_keys[PROVISIONER]}, {anything} }}",
            *(self._service_user(consumed) for consumed in self.consumed),
        ]
        exports = [
            *(
                f'{{ service: "cmd.*.*.{command.name}", account_token_position: 3 }}'
                for command in registry.commands()
            ),
            *(
                f'{{ service: "ask.*.{query.name}", account_token_position: 2 }}'
                for query in registry.QUERIES
            ),
            f'{{ stream: "ev.{subjects.EVERYONE}.>" }}',
            *(line for member in self.register.members for line in self._own_exports(member)),
        ]
        return _block(
            HUB,
            "    jetstream: enabled",
            "    users: [\n" + "\n".join(users) + "\n    ]",
            "    exports: [\n" + "\n".join(f"      {line}" for line in exports) + "\n    ]",
        )

    def _service_user(self, consumed: Consumed) -> str:
        name = consumed.service
        streams = [(subjects.command_stream(shard), name) for shard in range(subjects.SHARDS)]
        streams.append((subjects.FACT_STREAM, fact_durable(name)))
        publish = [
            f"fact.{name}.>",
            f"ev.*.{name}.>",
            f"dead.{name}.>",
            *(f"{_JS}.API.CONSUMER.MSG.NEXT.{stream}.{durable}" for stream, durable in streams),
            *(f"{_JS}.ACK.{stream}.{durable}.>" for stream, durable in streams),
            # For commands that wait until every earlier fact is taken in.
            f"{_JS}.API.STREAM.INFO.{subjects.FACT_STREAM}",
            f"{_JS}.API.CONSUMER.INFO.{subjects.FACT_STREAM}.{fact_durable(name)}",
        ]
        subscribe = [f"_INBOX_{name}.>", f"ask.*.{name}.>", "$SRV.>"]
        return (
            f"      {{ nkey: {self.service_keys[name]}, permissions: {{\n"
            f"          publish: {json.dumps(publish)}\n"
            f"          subscribe: {json.dumps(subscribe)}\n"
            '          allow_responses: { max: 1, expires: "1m" }\n'
            "      } }"
        )

    @staticmethod
    def _own_exports(member: RegisteredMember) -> Iterable[str]:
        durable = f"{subjects.EVENT_STREAM}.{subjects.event_durable(member.id)}"
        only = f"accounts: [{_account(member)}]"
        yield f'{{ service: "{_JS}.API.CONSUMER.MSG.NEXT.{durable}", response_type: stream, {only} }}'
        yield f'{{ service: "{_JS}.API.CONSUMER.INFO.{durable}", {only} }}'
        yield f'{{ service: "{_JS}.ACK.{durable}.>", {only} }}'
        yield f'{{ stream: "ev.{member.id}.>", {only} }}'

    @staticmethod
    def _member_account(member: RegisteredMember) -> str:
        durable = f"{subjects.EVENT_STREAM}.{subjects.event_durable(member.id)}"
        imports = []
        for command in permissions.commands_of(member.role):
            parts = (command.service, command.noun, command.verb)
            imports.append((subjects.command_subject(member.id, *parts), f"{command.noun}.{command.verb}"))
        for query in permissions.queries_of(member.role):
            parts = (query.service, query.noun, query.verb)
            imports.append((subjects.query_subject(member.id, *parts), subjects.member_query_subject(*parts)))
        imports += [
            (f"{_JS}.API.{call}.{durable}", f"{subjects.MEMBER_API_PREFIX}.{call}.{durable}")
            for call in ("CONSUMER.MSG.NEXT", "CONSUMER.INFO")
        ]
        publish = [to for _, to in imports] + [f"{_JS}.ACK.{durable}.>"]
        lines = [
            f'{{ service: {{ account: {HUB}, subject: "{subject}" }}, to: "{to}" }}'
            for subject, to in imports
        ]
        lines.append(f'{{ service: {{ account: {HUB}, subject: "{_JS}.ACK.{durable}.>" }} }}')
        lines.append(f'{{ stream: {{ account: {HUB}, subject: "ev.{member.id}.>" }}, to: "events.>" }}')
        everyone = f"ev.{subjects.EVERYONE}.>"
        lines.append(f'{{ stream: {{ account: {HUB}, subject: "{everyone}" }}, to: "bulletin.>" }}')
        user = (
            f"{{ nkey: {member.key}, permissions: {{ publish: {json.dumps(publish)}, "
            'subscribe: ["_INBOX.>", "events.>", "bulletin.>"] } }'
        )
        return _block(
            _account(member),
            f"    users: [ {user} ]",
            "    limits {"
            f" max_connections: {MEMBER_CONNECTIONS}, max_subscriptions: {MEMBER_SUBSCRIPTIONS} }}",
            "    imports: [\n" + "\n".join(f"      {line}" for line in lines) + "\n    ]",
        )

    # -- streams --------------------------------------------------------------------------------

    def streams(self) -> list[StreamConfig]:
        """Every stream the hub keeps."""
        shards = [
            StreamConfig(
                name=subjects.command_stream(shard),
                subjects=[f"cmd.s{shard}.>"],
                retention=RetentionPolicy.WORK_QUEUE,
                discard=DiscardPolicy.NEW,
                discard_new_per_subject=True,
                max_msgs_per_subject=self.limits.commands_per_member,
                max_bytes=self.limits.shard_bytes,
                max_msg_size=MESSAGE_BYTES_MAX + 4096,
                deny_delete=True,
                storage=StorageType.FILE,
                duplicate_window=120,
            )
            for shard in range(subjects.SHARDS)
        ]
        events = StreamConfig(
            name=subjects.EVENT_STREAM,
            subjects=list(subjects.EVENT_SUBJECTS),
            retention=RetentionPolicy.LIMITS,
            discard=DiscardPolicy.OLD,
            max_bytes=self.limits.event_bytes,
            max_age=self.limits.event_days * 86_400,
            allow_atomic=True,
            deny_delete=True,
            storage=StorageType.FILE,
            duplicate_window=600,
        )
        # Facts go when every service has them, and never before: a full stream holds the tellers back, whose
        # outbox keeps what they have to tell.
        facts = StreamConfig(
            name=subjects.FACT_STREAM,
            subjects=["fact.>"],
            retention=RetentionPolicy.INTEREST,
            discard=DiscardPolicy.NEW,
            max_bytes=self.limits.fact_bytes,
            allow_atomic=True,
            deny_delete=True,
            storage=StorageType.FILE,
            duplicate_window=600,
        )
        dead = StreamConfig(
            name=subjects.DEAD_LETTER_STREAM,
            subjects=["dead.>"],
            # The oldest go, since a full desk must not stop the services.
            discard=DiscardPolicy.OLD,
            max_bytes=self.limits.dead_letter_bytes,
            storage=StorageType.FILE,
            duplicate_window=600,
        )
        return [*shards, facts, events, dead]

    def consumers(self) -> list[tuple[str, ConsumerConfig]]:
        """Every durable consumer, with its stream."""
        found = []
        for consumed in self.consumed:
            for shard in range(subjects.SHARDS):
                filter_ = f"cmd.s{shard}.*.{consumed.service}.>"
                found.append((subjects.command_stream(shard), _durable(consumed.service, [filter_])))
            facts = [f"fact.{name}" for name in consumed.facts]
            if facts:
                found.append((subjects.FACT_STREAM, _durable(fact_durable(consumed.service), facts)))
        for member in self.register.members:
            filters = [f"ev.{member.id}.>", f"ev.{subjects.EVERYONE}.>"]
            durable = _durable(
                subjects.event_durable(member.id), filters, max_ack_pending=2_000, ack_seconds=30.0
            )
            found.append((subjects.EVENT_STREAM, durable))
        return found

    async def provision(self, url: str, seed: str) -> None:
        """Create or update streams and consumers.

        Raises:
            Fault: the server cannot be reached or refuses.
        """
        try:
            connection = await _connect_when_available(url, seed)
        except (TimeoutError, OSError, NatsError) as error:
            raise Fault(f"NATS at {url} cannot be reached: {error or type(error).__name__}.", 6) from None
        try:
            await self._provision_when_available(connection)
        except nats.js.errors.APIError as error:
            reason = error.description or "JetStream is not available"
            raise Fault(f"NATS refuses a stream or consumer: {reason}.") from None
        finally:
            await connection.close()

    async def _provision_when_available(self, connection: Client) -> None:
        """A server that has just read its configuration again answers for its streams a moment later."""
        for pause in _UNAVAILABLE_PAUSES_SECONDS:
            try:
                return await self._provision(connection)
            except (ServiceUnavailableError, NoRespondersError):
                await asyncio.sleep(pause)
        return await self._provision(connection)

    async def _provision(self, connection: Client) -> None:
        jetstream = connection.jetstream()

        async def stream(config: StreamConfig) -> None:
            try:
                await jetstream.stream_info(str(config.name))
            except NotFoundError:
                await jetstream.add_stream(config)
            else:
                await jetstream.update_stream(config)

        await asyncio.gather(*map(stream, self.streams()))
        await asyncio.gather(*(jetstream.add_consumer(name, config) for name, config in self.consumers()))


async def _connect_when_available(url: str, seed: str) -> Client:
    """A server that is just reading its configuration again knows nobody for a moment."""

    async def ignore(error: Exception) -> None:
        del error  # what ends the attempts is raised

    async def connect() -> Client:
        return await nats.connect(
            url,
            nkeys_seed_str=seed,
            allow_reconnect=False,
            connect_timeout=5,
            max_reconnect_attempts=1,
            reconnect_time_wait=0.1,
            error_cb=ignore,
        )

    for pause in _UNKNOWN_PAUSES_SECONDS:
        try:
            return await connect()
        except TimeoutError:
            raise
        except (NatsError, OSError):
            await asyncio.sleep(pause)
    return await connect()


def fact_durable(service: str) -> str:
    """Name the durable by which a service reads facts."""
    return f"svc_{service}"


def _durable(
    name: str, filters: list[str], *, max_ack_pending: int = 20_000, ack_seconds: float = 10.0
) -> ConsumerConfig:
    """Describe a durable. What a killed process had in hand is delivered again after `ack_seconds`."""
    one = filters[0] if len(filters) == 1 else None
    return ConsumerConfig(
        durable_name=name,
        filter_subject=one,
        filter_subjects=None if one else filters,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ack_seconds,
        max_ack_pending=max_ack_pending,
    )


def _account(member: RegisteredMember) -> str:
    # The server compares the token of the subject with the account's name: it must be the id itself.
    return member.id


def _block(name: str, *lines: str) -> str:
    return f"  {name} {{\n" + "\n".join(lines) + "\n  }"
