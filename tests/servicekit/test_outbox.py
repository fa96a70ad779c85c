"""Facts and outbox rows on a real database: append-only, addressed by the registry, found again."""

import datetime as dt
import uuid
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from support import examples

from allmende.schemas import registry
from allmende.schemas.contract import Contract
from allmende.schemas.registry import Audience, MessageType
from allmende.schemas.rejections import rejected
from allmende.servicekit import database, outbox
from allmende.servicekit.messages import Incoming, Outgoing, digest_of, refuse
from allmende.servicekit.outbox import Letter, Told
from allmende.servicekit.testing import Templates

NOW = dt.datetime(2026, 3, 12, 9, 30, tzinfo=dt.UTC)
SERVICE = "brokerage"


@pytest.fixture
async def url(templates: Templates) -> str:
    return await templates.copy(SERVICE)


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    found = database.engine(url, pool_size=2)
    yield found
    await found.dispose()


def command(
    id_: str | None = None, sender: str = "alster-it", name: str = "brokerage.booking.request"
) -> Incoming:
    data = examples.payload(name)
    message = registry.message(name)
    return Incoming(message, sender, id_ or str(uuid.uuid4()), data, digest_of(data), examples.TRACEPARENT)


def confirmed(cause: Incoming) -> Outgoing:
    parties = {Audience.CONSUMER: cause.sender, Audience.PROVIDER: "weser-it"}
    return Outgoing(examples.booking(), cause=cause, subject=cause.id, parties=parties)


def told(*facts: Outgoing) -> list[Told]:
    return [outbox.tell(fact, service=SERVICE, office="nordverbund", now=NOW) for fact in facts]


async def write(engine: AsyncEngine, *facts: Outgoing) -> list[Letter]:
    async with engine.begin() as tx:
        return await outbox.write(tx, told(*facts), (), NOW)


# -- append-only --------------------------------------------------------------------------------------

CHANGES = [
    "update fact set data = '{}'",
    "update fact set recorded_at = now() where false or true",
    "delete from fact",
    "truncate fact",
    "truncate fact cascade",
]


@pytest.mark.parametrize("change", CHANGES)
async def test_nobody_changes_facts(templates: Templates, engine: AsyncEngine, url: str, change: str) -> None:
    await write(engine, confirmed(command()))
    service = await asyncpg.connect(url)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute(change)
    for role in (f"set role allmende_{SERVICE}_owner", "reset role"):  # the owner, the administrator
        admin = await asyncpg.connect(templates.admin_url(url))
        await admin.execute(role)
        with pytest.raises(asyncpg.RestrictViolationError, match="never changed or removed"):
            await admin.execute(change)
        await admin.close()
    assert await service.fetchval("select count(*) from fact") == 1
    await service.close()


@pytest.mark.parametrize(
    "change",
    [
        "drop table fact",
        "alter table fact disable trigger all",
        "drop trigger fact_is_append_only on fact",
        "create or replace function refuse_change() returns trigger language sql as 'select 1'",
        "create table other (id int)",
        "set session_replication_role = replica",
        "update inbox set digest = ''",
        "delete from inbox",
        "truncate outbox",
        "update outbox set body = ''",
    ],
)
async def test_the_service_cannot_help_itself(url: str, change: str) -> None:
    service = await asyncpg.connect(url)
    with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.InvalidObjectDefinitionError)):
        await service.execute(change)
    await service.close()


async def test_control_without_the_triggers_the_owner_could(
    templates: Templates, engine: AsyncEngine, url: str
) -> None:
    await write(engine, confirmed(command()))
    admin = await asyncpg.connect(templates.admin_url(url))
    await admin.execute(f"set role allmende_{SERVICE}_owner; alter table fact disable trigger user")
    assert await admin.execute("delete from fact") == "DELETE 1"
    await admin.close()


# -- addresses ----------------------------------------------------------------------------------------

PARTY = {
    Audience.CONSUMER: "con",
    Audience.PROVIDER: "pro",
    Audience.MEMBER: "mem",
    Audience.CIRCLE: "everyone",
}
MEANT = {
    Audience.SERVICES: "fact.{name}",
    Audience.SENDER: "ev.sender.{name}",
    Audience.CONSUMER: "ev.con.{name}",
    Audience.PROVIDER: "ev.pro.{name}",
    Audience.MEMBER: "ev.mem.{name}",
    Audience.EVERYONE: "ev.everyone.{name}",
    Audience.OFFICE: "ev.office.{name}",
    Audience.CIRCLE: "ev.everyone.{name}",
}


@pytest.mark.parametrize(
    "message", [each for each in registry.MESSAGES if not each.is_command], ids=lambda message: message.name
)
def test_copies_go_to_the_audiences_of_the_registry(message: MessageType) -> None:
    fact = Outgoing(examples.payload(message.name), cause=command(sender="sender"), parties=PARTY)
    found = outbox.address(message, fact, "office")
    assert list(found) == [MEANT[audience].format(name=message.name) for audience in message.audiences]


def test_one_who_is_meant_twice_gets_one_copy() -> None:
    fact = confirmed(command(sender="weser-it"))
    message = registry.message("brokerage.booking.confirmed")
    assert outbox.address(message, fact, "office") == (
        "fact.brokerage.booking.confirmed",
        "ev.weser-it.brokerage.booking.confirmed",
    )


NOTICE = MessageType(
    "brokerage.maintenance.told",
    Contract,
    "A message whose circle the service finds out.",
    audiences=(Audience.PROVIDER, Audience.CIRCLE),
)


@pytest.mark.parametrize(
    ("circle", "heard"),
    [
        ("everyone", ["pro", "everyone"]),
        (("desy", "kit"), ["pro", "desy", "kit"]),
        (("desy", "pro", "desy"), ["pro", "desy"]),
        ((), ["pro"]),
    ],
)
def test_a_circle_is_everybody_or_the_members_named_each_once(
    circle: str | tuple[str, ...], heard: list[str]
) -> None:
    parties = {Audience.PROVIDER: "pro", Audience.CIRCLE: circle}
    fact = Outgoing(Contract(), parties=parties)
    assert list(outbox.address(NOTICE, fact, "office")) == [f"ev.{who}.{NOTICE.name}" for who in heard]


def test_a_circle_that_nobody_named_is_an_error_and_not_silence() -> None:
    with pytest.raises(KeyError):
        outbox.address(NOTICE, Outgoing(Contract(), parties={Audience.PROVIDER: "pro"}), "office")


def test_a_party_that_nobody_named_is_an_error_and_not_silence() -> None:
    fact = Outgoing(examples.booking(), cause=command())
    with pytest.raises(KeyError):
        outbox.address(registry.message("brokerage.booking.confirmed"), fact, "office")


# -- rows ---------------------------------------------------------------------------------------------


async def test_facts_and_letters_are_what_was_told(engine: AsyncEngine, url: str) -> None:
    cause = command()
    letters = await write(engine, confirmed(cause), refuse(command(), rejected("id_conflict", id="x")))
    service = await asyncpg.connect(url)
    facts = await service.fetch("select * from fact order by position")
    rows = await service.fetch("select * from outbox order by id")
    await service.close()

    assert [row["type"] for row in facts] == [
        "allmende.brokerage.booking.confirmed.v1",
        "allmende.brokerage.booking.rejected.v1",
    ]
    assert str(facts[0]["causation_id"]) == facts[0]["subject"] == cause.id
    assert (facts[0]["recorded_at"], facts[0]["traceparent"]) == (NOW, examples.TRACEPARENT)
    assert facts[0]["data"] == examples.booking().model_dump_json()
    assert [
        Letter(row["id"], row["message_id"], tuple(row["subjects"]), row["body"]) for row in rows
    ] == letters
    assert letters[0].message_id == f"{facts[0]['type']}:{facts[0]['id']}"
    for letter, message in zip(letters, ("confirmed", "rejected"), strict=True):
        registry.message(f"brokerage.booking.{message}").envelope.model_validate_json(letter.body)


async def test_a_transaction_rolled_back_leaves_nothing(engine: AsyncEngine, url: str) -> None:
    async with engine.connect() as tx, tx.begin() as transaction:
        await outbox.write(tx, told(confirmed(command())), (), NOW)
        await transaction.rollback()
    service = await asyncpg.connect(url)
    assert await service.fetchval("select count(*) from fact") == 0
    assert await service.fetchval("select count(*) from outbox") == 0
    await service.close()


async def test_left_over_rows_are_found_in_order_and_forgotten(engine: AsyncEngine) -> None:
    letters = await write(engine, *(confirmed(command()) for _ in range(7)))
    async with engine.begin() as tx:
        assert await outbox.left_over(tx, age_seconds=60, most=100) == []
        assert await outbox.left_over(tx, age_seconds=-1, most=5) == letters[:5]
        await outbox.forget(tx, [letter.id for letter in letters[:5]])
        await outbox.forget(tx, [])
        assert await outbox.left_over(tx, age_seconds=-1, most=5) == letters[5:]


# -- telling again ------------------------------------------------------------------------------------


async def repeated(engine: AsyncEngine, *messages: Incoming) -> list[Letter]:
    async with engine.begin() as tx:
        return await outbox.repeat(tx, messages, service=SERVICE, now=NOW)


async def test_an_outcome_is_told_again_to_its_sender_only(engine: AsyncEngine) -> None:
    cause = command()
    (first,) = await write(engine, confirmed(cause))
    (again,) = await repeated(engine, cause)
    assert again.subjects == ("ev.alster-it.brokerage.booking.confirmed",)
    envelope = registry.message("brokerage.booking.confirmed").envelope
    one, other = [envelope.model_validate_json(letter.body) for letter in (first, again)]
    assert one.id != other.id
    assert again.message_id != first.message_id
    assert (other.data, other.causationid, other.traceparent) == (one.data, cause.id, examples.TRACEPARENT)


async def test_only_ones_own_outcome_is_told_again(engine: AsyncEngine) -> None:
    id_ = str(uuid.uuid4())
    mine, other = command(id_, "alster-it"), command(id_, "leine-it")
    await write(engine, confirmed(mine), refuse(other, rejected("unknown_offering", offering="x/y")))
    assert [letter.subjects for letter in await repeated(engine, other)] == [
        ("ev.leine-it.brokerage.booking.rejected",)
    ]
    assert len(await repeated(engine, mine, other)) == 2
    assert await repeated(engine, command(id_, "foerde-it")) == []
    assert await repeated(engine, command(str(uuid.uuid4()))) == []


async def test_an_outcome_of_another_command_of_that_id_is_not_told(engine: AsyncEngine) -> None:
    id_ = str(uuid.uuid4())
    await write(engine, confirmed(command(id_)))
    assert await repeated(engine, command(id_, name="billing.usage.report")) == []


async def test_facts_that_come_again_are_told_nobody(engine: AsyncEngine) -> None:
    assert await repeated(engine, command(name="catalog.offering.published")) == []
