"""What the inbox takes for new, known and contradictory, on a real database."""

import asyncio
import dataclasses
import uuid
from collections.abc import AsyncIterator, Sequence

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from support import examples
from support.broker import eventually

from allmende.schemas import registry
from allmende.servicekit import database, inbox
from allmende.servicekit.inbox import Claimed
from allmende.servicekit.messages import Incoming, digest_of
from allmende.servicekit.testing import Templates

REQUEST = "brokerage.booking.request"


@pytest.fixture
async def engine(templates: Templates) -> AsyncIterator[AsyncEngine]:
    found = database.engine(await templates.copy("brokerage"), pool_size=3)
    yield found
    await found.dispose()


def message(id_: str | None = None, sender: str = "desy", name: str = REQUEST) -> Incoming:
    data = examples.payload(name)
    return Incoming(registry.message(name), sender, id_ or str(uuid.uuid4()), data, digest_of(data), None)


def other_body(original: Incoming) -> Incoming:
    return dataclasses.replace(original, digest=b"another digest..")


async def claim(engine: AsyncEngine, *messages: Incoming) -> Claimed:
    async with engine.begin() as tx:
        return await inbox.claim(tx, messages)


async def test_new_then_known_then_contradictory(engine: AsyncEngine) -> None:
    one, two = message(), message()
    assert await claim(engine, one, two) == Claimed([one, two], [], [])
    assert await claim(engine, two, one) == Claimed([], [two, one], [])
    assert await claim(engine, other_body(one)) == Claimed([], [], [other_body(one)])
    assert await claim(engine, one) == Claimed([], [one], []), "the first body stays"


async def test_nothing_is_nothing(engine: AsyncEngine) -> None:
    assert await claim(engine) == Claimed([], [], [])


async def test_repetitions_within_a_batch(engine: AsyncEngine) -> None:
    one, two = message(), message()
    twin = dataclasses.replace(one)
    found = await claim(engine, one, twin, other_body(one), two, twin)
    assert found == Claimed([one, two], [], [other_body(one)])
    assert found.fresh[0] is one
    again = await claim(engine, one, other_body(one), twin)
    assert again == Claimed([], [one, twin], [other_body(one)])


async def test_the_first_of_a_batch_wins_whichever_is_right(engine: AsyncEngine) -> None:
    one = message()
    assert await claim(engine, other_body(one), one) == Claimed([other_body(one)], [], [one])


async def test_order_is_kept(engine: AsyncEngine) -> None:
    messages = [message() for _ in range(200)]
    assert (await claim(engine, *messages)).fresh == messages


async def test_senders_and_types_are_independent(engine: AsyncEngine) -> None:
    id_ = str(uuid.uuid4())
    same = [
        message(id_, "desy"),
        message(id_, "lrz"),
        message(id_, "desy", "billing.usage.report"),
        message(id_, "catalog", "catalog.offering.published"),
    ]
    assert await claim(engine, same[0]) == Claimed([same[0]], [], [])
    assert await claim(engine, *same) == Claimed(same[1:], [same[0]], [])
    assert await claim(engine, *same) == Claimed([], same, [])


async def test_what_was_rolled_back_was_not_claimed(engine: AsyncEngine) -> None:
    one = message()
    async with engine.connect() as tx, tx.begin() as transaction:
        await inbox.claim(tx, [one])
        await transaction.rollback()
    assert await claim(engine, one) == Claimed([one], [], [])


# -- two processes ------------------------------------------------------------------------------------


async def _waits(engine: AsyncEngine) -> bool:
    async with engine.connect() as connection:
        statement = """
            select count(*) from pg_stat_activity
            where wait_event_type = 'Lock' and datname = current_database()
        """
        return bool((await connection.execute(text(statement))).scalar())


@pytest.mark.parametrize("commits", [True, False])
async def test_of_two_claims_at_once_one_wins(engine: AsyncEngine, *, commits: bool) -> None:
    messages = [message() for _ in range(20)]
    async with engine.connect() as first:
        transaction = await first.begin()
        assert len((await inbox.claim(first, messages)).fresh) == 20
        second = asyncio.create_task(claim(engine, *reversed(messages), message()))
        await eventually(lambda: _waits(engine))
        await (transaction.commit() if commits else transaction.rollback())
    found = await second
    assert (len(found.fresh), len(found.repeated)) == ((1, 20) if commits else (21, 0))


async def test_overlapping_batches_never_wait_in_a_circle(engine: AsyncEngine) -> None:
    messages = [message() for _ in range(300)]
    batches: list[Sequence[Incoming]] = [messages[:200], messages[:99:-1], messages[50:250:3], messages[::-7]]
    found = await asyncio.gather(*(claim(engine, *batch) for batch in batches))
    fresh = [each.id for claimed in found for each in claimed.fresh]
    assert sorted(fresh) == sorted(each.id for each in messages)


async def test_control_a_claim_outside_the_transaction_of_the_effect_loses(engine: AsyncEngine) -> None:
    """The claim must fall with the effect, or the second delivery takes for done what never happened."""
    one = message()
    await claim(engine, one)  # in a transaction of its own; then the process dies before the effect
    assert (await claim(engine, one)).fresh == []
