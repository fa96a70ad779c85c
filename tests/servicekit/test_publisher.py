"""From the outbox into the stream: atomic batches, single messages, numbers without a gap."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NatsTimeoutError
from support import examples
from support.broker import Connections, Stored, gaps, stored
from support.fixtures import NewMarket

from allmende.schemas import subjects
from allmende.schemas.envelope import seal
from allmende.servicekit.clock import system_clock
from allmende.servicekit.outbox import Letter
from allmende.servicekit.publisher import ATOMIC_BATCH_MAX, NotStored, Publisher
from allmende.servicekit.testing import Sandbox

TYPE = "allmende.brokerage.booking.confirmed.v1"
NAME = "brokerage.booking.confirmed"
DATA = examples.booking().model_dump_json().encode()


@pytest.fixture
async def market(sandbox: NewMarket) -> Sandbox:
    return await sandbox("desy", "lrz")


@pytest.fixture
async def hub(market: Sandbox, connections: Connections) -> Client:
    return await connections.provisioner(market)


@pytest.fixture
async def connection(market: Sandbox, connections: Connections) -> Client:
    return await connections.service(market, "brokerage")


@pytest.fixture
def publisher(connection: Client) -> Publisher:
    return Publisher(connection, "brokerage")


def letter(number: int = 0, *audiences: str, traceparent: str | None = None) -> Letter:
    id_ = str(uuid.uuid4())
    body = seal(
        id=id_,
        source="/services/brokerage",
        type=TYPE,
        time=system_clock(),
        data_json=DATA,
        traceparent=traceparent,
    )
    told_to = audiences or ("services", "desy", "lrz")
    addresses = [f"fact.{NAME}" if each == "services" else f"ev.{each}.{NAME}" for each in told_to]
    return Letter(number, f"{TYPE}:{id_}", tuple(addresses), body)


def numbers(messages: list[Stored], audience: str) -> list[int]:
    return [int(m.event["sequence"]) for m in messages if subjects.audience_of(m.subject) == audience]


class Interrupted:
    """A connection on which one request goes wrong: before it is sent, or before its answer comes."""

    def __init__(self, connection: Client, *, at: int, after_sending: bool) -> None:
        self._connection = connection
        self._left = at
        self._after_sending = after_sending
        self.requests = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def request(self, *arguments: Any, **options: Any) -> Msg:
        self.requests += 1
        self._left -= 1
        if self._left == 0 and not self._after_sending:
            raise NatsTimeoutError
        answer = await self._connection.request(*arguments, **options)
        if self._left == 0:
            raise NatsTimeoutError
        return answer


# -- ways into the stream -----------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 10, 600])
async def test_copies_arrive_in_order_and_numbered(publisher: Publisher, hub: Client, count: int) -> None:
    """One letter is a fact and two events: one goes singly, more in atomic batches, 1,200 in two of them."""
    letters = [letter(number) for number in range(count)]
    await publisher.publish(publisher.address(letters))
    found = await stored(hub)
    expected = [(each.message_id + ":" + subject, subject) for each in letters for subject in each.subjects]
    expected.sort(key=lambda copy: not copy[1].startswith("fact."))
    assert [(m.headers["Nats-Msg-Id"], m.subject) for m in found] == expected
    for audience in ("services", "desy", "lrz"):
        assert numbers(found, audience) == list(range(1, count + 1))
    assert {m.event["producerinstance"] for m in found} == {publisher.instance}
    is_atomic = ["Nats-Batch-Id" in m.headers for m in found]
    assert is_atomic == [count > 1] * 3 * count
    batches = {m.headers["Nats-Batch-Id"] for m in found if "Nats-Batch-Id" in m.headers}
    assert len(batches) == sum(-(-size // ATOMIC_BATCH_MAX) for size in (count, 2 * count) if count > 1)


async def test_an_id_that_is_known_refuses_the_batch_and_not_the_rest(
    publisher: Publisher, hub: Client
) -> None:
    copies = publisher.address([letter(number) for number in range(5)])
    known = next(copy for copy in copies if copy.subject.startswith("ev."))
    await publisher._one(known)
    await publisher.publish(copies)
    found = await stored(hub)
    assert sorted(m.headers["Nats-Msg-Id"] for m in found) == sorted(copy.message_id for copy in copies)
    assert ["Nats-Batch-Id" in m.headers for m in found] == [True] * 5 + [False] * 10


@pytest.mark.parametrize("count", [1, 2, 10])
async def test_what_another_process_told_first_leaves_no_gap(
    publisher: Publisher, connection: Client, hub: Client, count: int
) -> None:
    letters = [letter(number) for number in range(count)]
    copies = publisher.address(letters)
    await Publisher(connection, "brokerage").recover(letters[: (count + 1) // 2])
    await publisher.publish(copies)
    await publisher.publish(publisher.address([letter()]))
    found = await stored(hub)
    assert len(found) == 3 * (count + 1)
    assert gaps(found) == []


async def test_publishing_again_changes_nothing(publisher: Publisher, hub: Client) -> None:
    copies = publisher.address([letter(number) for number in range(10)])
    for _ in range(3):
        await publisher.publish(copies)
    assert len(await stored(hub)) == 30
    await publisher.publish(publisher.address([letter()]))
    assert gaps(await stored(hub)) == []


@pytest.mark.parametrize("count", [1, 10])
async def test_dead_letters_take_no_number(publisher: Publisher, hub: Client, count: int) -> None:
    letters = [Letter(1, f"dead:{number}", ("dead.brokerage.desy",), b"{}") for number in range(count)]
    await publisher.publish(publisher.address([letter(), *letters, letter()]))
    await publisher.recover(letters)
    dead = await stored(hub, stream=subjects.DEAD_LETTER_STREAM)
    assert [m.body for m in dead] == [b"{}"] * count
    assert numbers(await stored(hub), "desy") == [1, 2]


async def test_nothing_to_publish_is_nothing(publisher: Publisher, hub: Client) -> None:
    await publisher.publish([])
    await publisher.recover([])
    assert await stored(hub) == []


# -- what goes wrong ----------------------------------------------------------------------------------


@pytest.mark.parametrize("after_sending", [True, False])
@pytest.mark.parametrize("count", [1, 10, 400])
async def test_a_retry_leaves_no_gap_and_no_double(
    connection: Client, hub: Client, count: int, *, after_sending: bool
) -> None:
    publisher = Publisher(Interrupted(connection, at=2, after_sending=after_sending), "brokerage")  # type: ignore[arg-type]
    await publisher.publish(publisher.address([letter(0, "desy")]))
    copies = publisher.address([letter(number) for number in range(count)])
    await _persist(lambda: publisher.publish(copies))
    await publisher.publish(publisher.address([letter(number) for number in range(3)]))

    found = await stored(hub)
    assert len(found) == len({m.headers["Nats-Msg-Id"] for m in found}) == 1 + 3 * count + 9
    assert gaps(found) == []


@pytest.mark.parametrize("after_sending", [True, False])
@pytest.mark.parametrize("at", range(1, 7))
async def test_rows_left_over_are_recovered_without_a_gap(
    connection: Client, hub: Client, at: int, *, after_sending: bool
) -> None:
    """A process died after publishing half; its successor is interrupted as well, then goes on."""
    letters = [letter(number, "desy", "lrz") for number in range(3)]
    dead = Publisher(connection, "brokerage")
    await dead.publish(dead.address(letters)[:3])
    heir = Publisher(Interrupted(connection, at=at, after_sending=after_sending), "brokerage")  # type: ignore[arg-type]
    assert heir.instance != dead.instance
    await _persist(lambda: heir.recover(letters))
    await heir.publish(heir.address([letter(number) for number in range(5)]))

    found = await stored(hub)
    assert len(found) == len({m.headers["Nats-Msg-Id"] for m in found}) == 6 + 15
    assert gaps(found) == []


async def test_two_processes_that_publish_the_same_rows_alarm_nobody(connection: Client, hub: Client) -> None:
    """One cannot reach the server for a while; the other takes its rows for left over."""
    slow = Publisher(Interrupted(connection, at=2, after_sending=False), "brokerage")  # type: ignore[arg-type]
    await slow.publish(slow.address([letter(0, "desy")]))
    letters = [letter(number) for number in range(5)]
    copies = slow.address(letters)
    with pytest.raises(NotStored):
        await slow.publish(copies)
    other = Publisher(connection, "brokerage")
    await other.recover(letters)
    await slow.publish(copies)
    await slow.publish(slow.address([letter(number) for number in range(5)]))
    found = await stored(hub)
    assert len(found) == 1 + 3 * 10
    assert gaps(found) == []


async def test_a_server_that_refuses_is_told_upwards(publisher: Publisher, hub: Client) -> None:
    await hub.jetstream().delete_stream(subjects.EVENT_STREAM)
    for count in (1, 10):
        with pytest.raises(NotStored):
            await publisher.publish(publisher.address([letter(number) for number in range(count)]))
        with pytest.raises(NotStored):
            await publisher.recover([letter()])


async def _persist(attempt: Callable[[], Awaitable[None]]) -> None:
    """Try until it is done, as the loop does."""
    for _ in range(3):
        try:
            return await attempt()
        except NotStored:
            continue
    raise AssertionError("never stored")


# -- what a reader notices ----------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [1, 7, 13])
async def test_a_reader_notices_what_was_lost(publisher: Publisher, hub: Client, lost: int) -> None:
    copies = publisher.address([letter(number, "desy") for number in range(15)])
    await publisher.publish([*copies[:lost], *copies[lost + 1 :]])
    (gap,) = gaps(await stored(hub))
    assert (gap.producer, gap.audience, gap.first, gap.last) == (
        publisher.instance,
        "desy",
        lost + 1,
        lost + 1,
    )


async def test_a_trace_that_is_sampled_travels_as_a_header_too(publisher: Publisher, hub: Client) -> None:
    unsampled = examples.TRACEPARENT[:-2] + "00"
    for count in (1, 5):
        traced = [letter(number, "desy", traceparent=examples.TRACEPARENT) for number in range(count)]
        others = [letter(number, "desy", traceparent=each) for number, each in enumerate([None, unsampled])]
        await publisher.publish(publisher.address([*traced, *others]))
    found = await stored(hub)
    for message in found:
        trace = message.event.get("traceparent")
        assert message.headers.get("traceparent") == (trace if trace == examples.TRACEPARENT else None)
    assert sum("traceparent" in message.headers for message in found) == 6
