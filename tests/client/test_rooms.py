"""The typed methods of the SDK: what each sends, and that an answer of another kind is not taken."""

import datetime as dt
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest
from support import booking_examples, examples
from support.fake_market import FakeMarket, refused

from allmende.client.correspondence import read_document
from allmende.schemas import registry
from allmende.schemas.brokerage import ListBookings, RequestBooking
from allmende.schemas.contract import Contract
from allmende.schemas.rejections import Rejection

ID = examples.BOOKING_ID
DAY = dt.date(2026, 7, 1)
NOON = dt.datetime(2026, 7, 1, 12, 0, tzinfo=dt.UTC)

CALLS: dict[str, Callable[[FakeMarket], Awaitable[Contract]]] = {
    "brokerage.booking.request": lambda m: m.book("weser-it/vm", "standard", {"vcpu": 8}, start=DAY, id=ID),
    "brokerage.booking.accept": lambda m: m.accept(ID, id=ID),
    "brokerage.booking.approve": lambda m: m.approve(ID, id=ID),
    "brokerage.booking.decline": lambda m: m.decline(ID, "nein", id=ID),
    "brokerage.booking.cancel": lambda m: m.cancel(ID, "anders", compensation_cents=5, id=ID),
    "brokerage.booking.concede": lambda m: m.concede(ID, compensation_cents=5, id=ID),
    "brokerage.booking.report": lambda m: m.report_progress(ID, "partial", delivered={"vcpu": 4}, id=ID),
    "brokerage.booking.suspend": lambda m: m.suspend(ID, "Umbau", id=ID),
    "brokerage.booking.resume": lambda m: m.resume(ID, id=ID),
    "brokerage.booking.amend": lambda m: m.amend(ID, DAY, quantities={"vcpu": "16"}, details={"a": 1}, id=ID),
    "brokerage.booking.terminate": lambda m: m.terminate(ID, on=DAY, id=ID),
    "brokerage.booking.write": lambda m: m.write(ID, "Guten Tag", id=ID),
    "brokerage.access.share": lambda m: m.share_access(ID, "Verwaltung", "geheim", id=ID),
    "brokerage.maintenance.announce": lambda m: m.announce_maintenance(
        ["weser-it/vm"], "x", starts_at=NOON, ends_at=NOON + dt.timedelta(hours=1), impact="none", id=ID
    ),
    "brokerage.maintenance.update": lambda m: m.update_maintenance(ID, state="cancelled", id=ID),
    "brokerage.breach.report": lambda m: m.report_breach(
        ID,
        "availability_percent",
        promised="99.5",
        measured=98,
        first_day=DAY,
        last_day=DAY,
        credit_cents=5,
        reason="Ausfall",
        id=ID,
    ),
}


def test_every_command_of_the_brokerage_has_a_method() -> None:
    assert set(CALLS) == {each.name for each in registry.commands() if each.service == "brokerage"}


@pytest.mark.parametrize("name", CALLS)
async def test_a_method_sends_its_command_and_gives_every_outcome(name: str) -> None:
    for outcome in registry.message(name).outcomes:
        market = FakeMarket()
        market.answers = [examples.query_reply("brokerage.booking.show")] if "access" in name else []
        market.outcome = examples.payload(outcome)
        assert await CALLS[name](market) == market.outcome
        [(command_id, sent)] = market.commands
        assert (command_id, registry.message_of(sent).name) == (ID, name)


@pytest.mark.parametrize("name", CALLS)
async def test_an_answer_of_another_kind_is_not_taken(name: str) -> None:
    market = FakeMarket()
    market.answers = [examples.query_reply("brokerage.booking.show")] if "access" in name else []
    market.outcome = examples.payload("billing.statement.issued")
    with pytest.raises(TypeError, match="was answered by StatementIssued"):
        await CALLS[name](market)


async def test_amounts_are_exact() -> None:
    market = FakeMarket()
    await market.book("weser-it/vm", "standard", {"a": "0.1", "b": 2, "c": Decimal("0.30")}, start=DAY)
    [(_, sent)] = market.commands
    assert isinstance(sent, RequestBooking)
    assert sent.quantities == {"a": Decimal("0.1"), "b": Decimal(2), "c": Decimal("0.30")}


async def test_bookings_come_page_by_page() -> None:
    page = examples.query_reply("brokerage.booking.list")
    market = FakeMarket()
    market.answers = [page.model_copy(update={"next_after": 7}), page]
    found = [
        each.booking_id async for each in market.bookings(state="held", waiting_for_me=True, side="provider")
    ]
    assert found == [ID, ID]
    question = ListBookings(state="held", waiting_for_me=True, side="provider")
    assert market.asked == [question, question.model_copy(update={"after": 7})]


async def test_a_story_may_be_refused() -> None:
    market = FakeMarket()
    market.outcome = refused("unknown_booking", booking=ID)
    assert await market.booking(ID) == market.outcome
    market.outcome = examples.payload("billing.statement.issued")
    with pytest.raises(TypeError, match=r"brokerage\.booking\.show was answered by StatementIssued"):
        await market.booking(ID)


async def test_access_is_not_shared_without_a_key() -> None:
    market = FakeMarket()
    reply = examples.query_reply("brokerage.booking.show")
    market.answers = [reply.model_copy(update={"consumer_sealing_key": None})]
    outcome = await market.share_access(ID, "Verwaltung", "geheim")
    assert isinstance(outcome, Rejection)
    assert (outcome.code, market.commands) == ("no_sealing_key", [])


def test_a_document_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "Anlage.unbekannt"
    file.write_bytes(bytes(288 * 1024))
    document = read_document(file)
    assert (document.name, document.media_type) == ("Anlage.unbekannt", "application/octet-stream")
    file.write_bytes(bytes(288 * 1024 + 1))
    with pytest.raises(ValueError, match="larger than"):
        read_document(file)


def test_the_examples_are_whole() -> None:
    booking = examples.booking()
    names = {each.name for each in registry.MESSAGES if each.service == "brokerage"}
    assert {*booking_examples.payloads(booking), "brokerage.booking.rejected"} == names
    queries = {each.name for each in registry.QUERIES if each.service == "brokerage"}
    assert set(booking_examples.queries(booking)) == queries
