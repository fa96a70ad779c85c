"""Batches of requests and catalogue facts: whole, in pieces, twice."""

import dataclasses
import datetime as dt

import pytest
from support.builders import (
    booking,
    command,
    decimals,
    fact,
    offering,
    plan,
    published,
    quantity,
    register,
    request,
    retired,
    uid,
)
from support.desk import Desk, NewDesk, codes, said

from allmende.schemas.brokerage import BookingConfirmed
from allmende.schemas.registry import Audience
from allmende.schemas.rejections import Rejection
from allmende.servicekit.messages import Incoming
from allmende.servicekit.testing import Someone
from allmende.services.brokerage.handlers import BrokerageHandler

VM = offering(plan(order=(quantity("cores", 1, 6),), capacity={"cores": 10}))
MEMBERS = register(Someone("desy", classes={"lrz": "1"}), "kit", "lrz", "gsi")
TABLES = {
    "capacity": "select * from capacity order by 1, 2, 3, 4",
    "booking": "select booking_id, consumer, provider, state, reserved, terms::text from booking order by 1",
    "availability": "select * from availability order by 1",
    "offering": "select * from offering order by 1",
    "parked": "select command_id, sender, awaited, data::text from parked order by 1, 2",
}


@pytest.fixture
async def brokerage(desk: NewDesk) -> Desk:
    return await desk(BrokerageHandler(MEMBERS, 60, 36_500))


async def tables(desk: Desk) -> dict[str, list[tuple[object, ...]]]:
    return {name: await desk.rows(statement) for name, statement in TABLES.items()}


async def cores(desk: Desk) -> list[tuple[object, ...]]:
    return await desk.rows("select total, booked from capacity order by 1, 2")


def asked(number: int, cores: int | None = 4, member: str = "desy", id_: str = "lrz/vm") -> Incoming:
    return command(member, request(id_, cores), number)


STORY: list[tuple[Incoming, str | None]] = [
    (fact(published(VM), 1), None),
    (asked(1, 4), "BookingConfirmed"),
    (asked(2, 4, "lrz"), "own_offering"),
    (asked(3, 5, "kit"), "BookingConfirmed"),
    (asked(4, 7), "above_maximum"),
    (asked(5, None), "below_minimum"),
    (asked(1, 1, "kit"), "booking_id_taken"),
    (asked(6, 2), "no_capacity"),
    (asked(7, 1, "gsi"), "BookingConfirmed"),
    (asked(8, 1, "kit"), "no_capacity"),
    (command("kit", request(cores=1, plan_id="none"), 9), "unknown_plan"),
    (command("kit", request(cores=1, start=dt.date(2004, 12, 31)), 10), "no_tariff_on_day"),
    (asked(11, 1, "kit", "kit/none"), None),
    (command("kit", request(quantities=decimals({"cores": 1, "gpu": 1})), 12), "unknown_quantity"),
]
BATCH = [message for message, _ in STORY]
EXPECTED = [expected for _, expected in STORY if expected]


@pytest.mark.parametrize("size", [None, 1, 3, 5])
async def test_a_batch_is_decided_in_its_order_whole_or_in_pieces(brokerage: Desk, size: int | None) -> None:
    facts = await brokerage.deliver(BATCH, size)
    assert codes(facts) == EXPECTED
    assert await cores(brokerage) == [(10, 10)]
    assert await brokerage.rows("select sender from parked") == [("kit",)]
    rows = await brokerage.rows("select booking_id::text, consumer from booking order by number")
    assert rows == [(uid(1), "desy"), (uid(3), "kit"), (uid(7), "gsi")]


async def test_the_rows_do_not_depend_on_how_the_batch_was_divided(desk: NewDesk) -> None:
    whole, pieces = [await desk(BrokerageHandler(MEMBERS, 60, 36_500)) for _ in range(2)]
    await whole.deliver(BATCH)
    await pieces.deliver(BATCH, 2)
    assert await tables(whole) == await tables(pieces)
    assert said(whole.told) == said(pieces.told)


@pytest.mark.parametrize("size", [None, 1])
async def test_a_batch_delivered_twice_has_one_effect(brokerage: Desk, size: int | None) -> None:
    await brokerage.take(*BATCH, *(dataclasses.replace(message) for message in BATCH))
    assert codes(brokerage.told) == EXPECTED
    before = await tables(brokerage)
    assert await brokerage.deliver(BATCH, size) == []
    assert await tables(brokerage) == before


async def test_both_sides_hear_of_a_booking_and_the_sender_of_a_refusal(brokerage: Desk) -> None:
    confirmed, refused = await brokerage.take(fact(published(VM), 1), asked(1), asked(2, 4, "lrz"))
    assert isinstance(confirmed.data, BookingConfirmed)
    assert confirmed.parties == {Audience.CONSUMER: "desy", Audience.PROVIDER: "lrz"}
    assert confirmed.subject == confirmed.data.booking_id == uid(1)
    assert refused.message is not None
    assert refused.message.name == "brokerage.booking.rejected"
    assert isinstance(refused.data, Rejection)
    assert refused.cause is not None
    assert refused.cause.sender == "lrz"


async def test_a_consumer_that_is_not_in_the_register_has_no_class(brokerage: Desk) -> None:
    assert codes(await brokerage.take(fact(published(VM), 1), asked(1, 1, "fremd"))) == ["BookingConfirmed"]


# -- two members, one id ------------------------------------------------------------------------


@pytest.mark.parametrize("size", [None, 1])
@pytest.mark.parametrize("late", [True, False])
async def test_a_booking_id_belongs_to_who_booked_first(
    brokerage: Desk, size: int | None, *, late: bool
) -> None:
    messages = [asked(1, 1), asked(1, 1, "kit")]
    messages.insert(2 if late else 0, fact(published(VM), 1))
    facts = await brokerage.deliver(messages, size)
    assert codes(facts) == ["BookingConfirmed", "booking_id_taken"]
    assert [each.cause.sender for each in facts if each.cause] == ["desy", "kit"]
    assert await cores(brokerage) == [(10, 1)]


async def test_the_id_of_a_refused_request_is_free_for_another_member(brokerage: Desk) -> None:
    await brokerage.take(fact(published(VM), 1))
    assert codes(await brokerage.deliver([asked(1, 9), asked(1, 1, "kit")], 1)) == [
        "above_maximum",
        "BookingConfirmed",
    ]


# -- facts of the catalogue in every order ------------------------------------------------------


@pytest.mark.parametrize("size", [None, 1])
async def test_the_newest_revision_wins_whatever_comes_last(brokerage: Desk, size: int | None) -> None:
    newest = offering(plan(capacity={"cores": 3}), title="Drei")
    facts = [published(newest, 3), published(offering(plan(capacity={"cores": 50})), 2)]
    await brokerage.deliver([fact(each, number) for number, each in enumerate(facts)], size)
    assert await brokerage.rows("select revision, document->>'title' from offering") == [(3, "Drei")]
    assert await cores(brokerage) == [(3, 0)]


@pytest.mark.parametrize("size", [None, 1, 2])
@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        ([published(VM), retired()], "offering_retired"),
        ([published(VM), retired(), published(VM, 2)], "BookingConfirmed"),
        ([published(VM), retired(), retired(), published(VM, 2)], "BookingConfirmed"),
        ([published(VM), retired(), published(VM, 2), retired(2)], "offering_retired"),
        ([retired(), published(VM)], "offering_retired"),
        ([retired(), published(VM, 2)], "BookingConfirmed"),
        ([published(VM), retired(), published(VM)], "offering_retired"),
    ],
    ids=[
        "retired",
        "reopened",
        "retired twice, reopened",
        "retired again",
        "retired comes first",
        "retired comes first, reopened",
        "an unchanged one comes late",
    ],
)
async def test_retired_and_opened_again(
    brokerage: Desk, facts: list[object], outcome: str, size: int | None
) -> None:
    first, *rest = facts
    await brokerage.take(fact(first, 0))  # type: ignore[arg-type]
    await brokerage.deliver([fact(each, number) for number, each in enumerate(rest, 1)], size)  # type: ignore[arg-type]
    assert codes(await brokerage.take(asked(1))) == [outcome]


@pytest.mark.parametrize("size", [None, 1])
async def test_a_limit_that_was_lifted_and_comes_back_counts_what_was_booked_meanwhile(
    brokerage: Desk, size: int | None
) -> None:
    lifted = offering(plan())
    messages = [
        *(fact(published(VM), 1), asked(1, 6)),
        *(fact(published(lifted, 2), 2), asked(2, 5, "kit")),
        *(fact(published(VM, 3), 3), asked(3, 1, "gsi")),
    ]
    if size is None:
        for start in (0, 2, 4):
            await brokerage.take(*messages[start : start + 2])
    else:
        await brokerage.deliver(messages, size)
    assert codes(brokerage.told) == ["BookingConfirmed", "BookingConfirmed", "no_capacity"]
    assert await cores(brokerage) == [(11, 11)]


async def test_a_fact_it_does_not_read_is_an_error(brokerage: Desk) -> None:
    with pytest.raises(TypeError, match=r"does not read brokerage\.booking\.confirmed"):
        await brokerage.take(fact(booking(), 1))
