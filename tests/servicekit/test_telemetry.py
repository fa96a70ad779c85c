"""One trace from a member's command through every service, and nothing for what nobody samples."""

import asyncio
import json
import uuid
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from support import broker, examples
from support.broker import Connections, eventually, stored
from support.fixtures import NewMarket

from allmende.client import Market
from allmende.client.market import Unanswered
from allmende.schemas import registry, subjects
from allmende.schemas.brokerage import RequestBooking
from allmende.schemas.catalog import PublishOffering, RetireOffering
from allmende.schemas.contract import Contract
from allmende.servicekit import telemetry
from allmende.servicekit.messages import Incoming
from allmende.servicekit.testing import Sandbox, Someone

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{SPAN}-01"
UNSAMPLED = f"00-{TRACE}-{SPAN}-00"
BOOKER = Someone("alster-it", classes={"weser": "B"})


@pytest.fixture
def exported() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    telemetry.configure("test", otlp_endpoint=None, exporter=exporter)
    yield exporter
    telemetry.shut_down()


def spans(exporter: InMemorySpanExporter) -> list[ReadableSpan]:
    provider = telemetry._Telemetry.provider
    assert provider is not None
    provider.force_flush()
    return list(exporter.get_finished_spans())


async def send(market: Sandbox, connections: Connections, member: str, data: Contract, **how: str) -> str:
    """Send a command; `traceparent` in its envelope, `header` in the NATS header."""
    id_, header = str(uuid.uuid4()), how.pop("header", None)
    body = broker.sealed(member, data, id_, **how)
    message = registry.message_of(data)
    headers = {"traceparent": header} if header else {}
    await broker.send(
        await connections.member(market, member), f"{message.noun}.{message.verb}", body, **headers
    )
    return id_


async def book(market: Sandbox, connections: Connections, **how: str) -> str:
    """Publish an offering and book it."""
    offering = PublishOffering(offering=examples.offering())
    await send(market, connections, "weser-it", offering, **how)
    asked = examples.payload("brokerage.booking.request")
    assert isinstance(asked, RequestBooking)
    data = asked.model_copy(update={"wait_until": None, "own_approval_hours": None})
    return await send(market, connections, "alster-it", data, **how)


async def settled(market: Sandbox, connections: Connections, id_: str) -> list[broker.Stored]:
    """Wait until the booking is known to billing; return all events."""
    await eventually(lambda: market.rows("billing", "select 1 from booking"))
    hub = await connections.provisioner(market)
    return await stored(hub)


@pytest.mark.parametrize("way", ["traceparent", "header"])
async def test_one_trace_through_all_services(
    sandbox: NewMarket, connections: Connections, exported: InMemorySpanExporter, way: str
) -> None:
    market = await sandbox(BOOKER, "weser-it")
    await market.start()
    id_ = await book(market, connections, **{way: SAMPLED})
    events = await settled(market, connections, id_)

    assert {event.event["traceparent"] for event in events} == {SAMPLED}
    assert {event.headers["traceparent"] for event in events} == {SAMPLED}
    expected = {
        "catalog offering.publish",
        "brokerage offering.published",
        "brokerage booking.request",
        "billing booking.confirmed",
    }
    await eventually(lambda: expected <= {span.name for span in spans(exported)})
    for span in spans(exported):
        assert span.parent is not None
        assert f"{span.parent.trace_id:032x}" == TRACE
        assert f"{span.parent.span_id:016x}" == SPAN
        assert span.end_time is not None
    (request,) = [span for span in spans(exported) if span.name == "brokerage booking.request"]
    assert (request.attributes or {})["messaging.message.id"] == id_
    assert (request.attributes or {})["allmende.sender"] == "alster-it"


async def test_what_is_not_sampled_leaves_no_span_and_no_header(
    sandbox: NewMarket, connections: Connections, exported: InMemorySpanExporter
) -> None:
    market = await sandbox(BOOKER, "weser-it")
    await market.start()
    events = await settled(market, connections, await book(market, connections, traceparent=UNSAMPLED))
    assert {event.event["traceparent"] for event in events} == {UNSAMPLED}
    assert not [event for event in events if "traceparent" in event.headers]
    assert spans(exported) == []


def message(traceparent: str | None) -> Incoming:
    name = "brokerage.booking.request"
    return Incoming(registry.message(name), "desy", "id", examples.payload(name), b"", traceparent)


@pytest.mark.parametrize(("flags", "is_sampled"), [("00", False), ("01", True), ("02", False), ("03", True)])
def test_the_lowest_bit_of_the_flags_decides(
    exported: InMemorySpanExporter, flags: str, *, is_sampled: bool
) -> None:
    trace = f"00-{TRACE}-{SPAN}-{flags}"
    with telemetry.batch("catalog", [message(trace), message(None)]):
        pass
    assert len(spans(exported)) == is_sampled
    sealed = examples.sealed("brokerage.booking.confirmed").replace(
        examples.TRACEPARENT.encode(), trace.encode()
    )
    assert telemetry.sampled_in(sealed) == (trace if is_sampled else None)


def test_a_trace_is_found_among_the_attributes_only() -> None:
    sealed = examples.sealed("brokerage.booking.confirmed")
    assert telemetry.sampled_in(sealed) == examples.TRACEPARENT
    without = sealed.replace(f'"traceparent": "{examples.TRACEPARENT}", '.encode(), b"")
    assert without != sealed
    assert telemetry.sampled_in(without) is None
    quoted = without.replace(b"Auftrag 2026/0417", f'\\"traceparent\\": \\"{SAMPLED}\\"'.encode())
    assert telemetry.sampled_in(quoted) is None


def test_without_an_exporter_nothing_is_made() -> None:
    telemetry.configure("catalog", otlp_endpoint=None)
    assert telemetry._Telemetry.tracer is None
    with telemetry.batch("catalog", [message(SAMPLED)]):
        pass
    telemetry.shut_down()


def test_a_batch_that_fails_ends_its_spans(exported: InMemorySpanExporter) -> None:
    with pytest.raises(asyncio.CancelledError), telemetry.batch("catalog", [message(SAMPLED)]):
        raise asyncio.CancelledError
    assert [span.end_time is not None for span in spans(exported)] == [True]


async def test_the_client_sends_its_trace_as_attribute_and_header(
    sandbox: NewMarket, connections: Connections
) -> None:
    market = await sandbox("desy")
    hub = await connections.provisioner(market)
    async with Market.connect(
        market.url, member="desy", seed_file=market.key_file("desy"), trace_ratio=1.0
    ) as desy:
        with pytest.raises(Unanswered):
            await desy.command(RetireOffering(offering_id="desy/x"), answer_seconds=0.2)
    # The stream's consumers belong to the services, so the message is fetched by its number.
    stream = subjects.command_stream(subjects.shard_of("desy"))
    sent = await hub.jetstream().get_msg(stream, 1)
    attribute = json.loads(sent.data or b"")["traceparent"]
    assert (sent.headers or {})["traceparent"] == attribute
    assert attribute.endswith("-01")
