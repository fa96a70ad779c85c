"""A process that dies at any point changes nothing of the result; controls show that the check would tell."""

from collections.abc import Sequence
from typing import NoReturn

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection
from support.broker import eventually, gaps, stored
from support.workshop import Crash, NewWorkshop, Workshop, new_ids, request

from allmende.servicekit import inbox, loop, outbox
from allmende.servicekit.inbox import Claimed
from allmende.servicekit.loop import BatchLoop, Committed
from allmende.servicekit.messages import Delivery, Incoming
from allmende.servicekit.outbox import Letter
from allmende.servicekit.publisher import Copy, Publisher

COUNT = 30


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "LEFT_OVER_AGE_SECONDS", 0.3)


async def commands(shop: Workshop) -> list[str]:
    ids = new_ids(COUNT)
    await shop.send(*(request(id_=id_) for id_ in ids))
    return ids


def die() -> NoReturn:
    raise Crash


async def test_dying_before_the_commit(workshop: NewWorkshop) -> None:
    shop = await workshop()
    ids = await commands(shop)
    shop.handler.before_return = die
    await shop.start()
    await shop.died()
    assert await shop.effects() == []

    shop.handler.before_return = lambda: None
    await shop.start()
    await shop.settled()
    assert await shop.complaints(*ids) == []


async def test_dying_after_the_commit(workshop: NewWorkshop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = await workshop()
    ids = await commands(shop)
    await _die_publishing(shop, monkeypatch)
    # How much the first batch holds is a matter of arrival.
    assert set() < set(await shop.effects()) <= set(ids)
    assert await stored(shop.hub) == []

    await shop.start()
    await shop.settled()
    assert await shop.complaints(*ids) == []


async def test_dying_in_the_middle_of_publishing(
    workshop: NewWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await workshop()
    ids = await commands(shop)
    await _die_publishing(shop, monkeypatch, publish=40)
    # It dies before all of the first batch is told.
    assert 0 < len(await stored(shop.hub)) <= 40

    await shop.start()
    await shop.settled()
    assert await shop.complaints(*ids) == []


async def test_dying_before_the_acknowledgement(
    workshop: NewWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await workshop()
    ids = await commands(shop)
    await _die_publishing(shop, monkeypatch, publish=COUNT * 3)
    told = len(await stored(shop.hub))
    assert told > 0, "all of the first batch, which three copies tell of each command"
    assert told % 3 == 0

    await shop.start()
    await shop.settled()
    assert await shop.complaints(*ids) == []


async def test_killed_at_any_moment(workshop: NewWorkshop) -> None:
    shop = await workshop("desy", "lrz", batch_max=10)
    ids = []
    for awaited in (1, 4, 7, 9):  # never more than the thirty commands of its round allow
        ids += await commands(shop)
        before = len(shop.handler.sizes)
        await shop.start(batch_max=3)
        await shop.batches(before + awaited)
        await shop.kill()
    await shop.start()
    await shop.settled()
    assert await shop.complaints(*ids) == []


async def test_two_processes_share_the_work_and_one_dies(workshop: NewWorkshop) -> None:
    shop = await workshop()
    other = await workshop(market=shop.market)
    await other.start(batch_max=2)
    await shop.start(batch_max=2)
    ids = await commands(shop)
    await eventually(lambda: min(len(shop.handler.sizes), len(other.handler.sizes)) >= 2)
    await shop.kill()
    ids += await commands(other)
    await other.settled()
    assert await other.complaints(*ids) == []


async def _die_publishing(shop: Workshop, monkeypatch: pytest.MonkeyPatch, publish: int = 0) -> None:
    """Let a process die when it has stored so many copies."""
    real = Publisher.publish

    async def publish_some(self: Publisher, copies: Sequence[Copy]) -> None:
        await real(self, copies[:publish])
        if copies:
            die()

    with monkeypatch.context() as dying:
        dying.setattr(Publisher, "publish", publish_some)
        await shop.start()
        await shop.died()


# -- the same with a guard switched off: the check must find it ---------------------------------------


class AcknowledgingFirst(BatchLoop):
    """Tells the stream that all is well before it is."""

    async def _persist(self, batch: Sequence[Delivery]) -> Committed:
        for delivery in batch:
            await self._connection.publish(delivery.reply, b"+ACK")
        await self._connection.flush()
        return await super()._persist(batch)


async def test_control_acknowledging_before_the_commit_loses(workshop: NewWorkshop) -> None:
    shop = await workshop()
    ids = await commands(shop)
    shop.handler.before_return = die
    await shop.start(AcknowledgingFirst)
    await shop.died()

    shop.handler.before_return = lambda: None
    await shop.start()
    await shop.settled()
    assert f"0 times: effect of {ids[0]}" in await shop.complaints(*ids)


async def test_control_without_the_inbox_the_effect_is_doubled(
    workshop: NewWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def claim(_: AsyncConnection, messages: Sequence[Incoming]) -> Claimed:
        return Claimed(list(messages), [], [])

    monkeypatch.setattr(inbox, "claim", claim)
    shop = await workshop()
    ids = await commands(shop)
    await _die_publishing(shop, monkeypatch, publish=COUNT * 3)
    await shop.start()
    await shop.settled()
    assert f"2 times: effect of {ids[0]}" in await shop.complaints(*ids)


class Forgetful(BatchLoop):
    """Publishes from memory what it should have written into the outbox."""

    async def _write(self, tx: AsyncConnection, *parts: object) -> list[Letter]:
        letters = await super()._write(tx, *parts)  # type: ignore[arg-type]
        await outbox.forget(tx, [letter.id for letter in letters])
        return letters


async def test_control_without_the_outbox_facts_are_lost(
    workshop: NewWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await workshop()
    ids = await commands(shop)
    real = shop.start
    monkeypatch.setattr(shop, "start", lambda: real(Forgetful))
    await _die_publishing(shop, monkeypatch)
    await shop.start()
    await shop.settled()
    assert f"0 times: fact for services of {ids[0]}" in await shop.complaints(*ids)


async def test_control_a_loss_in_the_stream_is_noticed(
    workshop: NewWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await workshop()
    real = Publisher.publish

    async def lose_one(self: Publisher, copies: Sequence[Copy]) -> None:
        if len(copies) > 4:  # how much a batch holds is a matter of arrival
            monkeypatch.setattr(Publisher, "publish", real)
        await real(self, [*copies[:4], *copies[5:]])

    monkeypatch.setattr(Publisher, "publish", lose_one)
    ids = await commands(shop)
    await shop.start()
    await shop.settled()
    (gap,) = gaps(await stored(shop.hub))
    assert gap.audience == "desy"
    assert gap.first == gap.last
    assert len(await shop.complaints(*ids)) == 2
