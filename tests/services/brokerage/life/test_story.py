"""The life of bookings on a real database: commands of both sides, the clock, whole and in pieces, twice."""

import dataclasses
import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from support.builders import (
    NOW,
    command,
    decimals,
    fact,
    offering,
    plan,
    published,
    quantity,
    register,
    request,
    uid,
)
from support.desk import Desk, NewDesk, codes, said

from allmende.schemas import brokerage as contracts
from allmende.schemas.catalog import OfferingPaused, OfferingResumed
from allmende.schemas.conditions import Circle, Conditions, Pool
from allmende.schemas.contract import Contract
from allmende.schemas.registry import Audience
from allmende.servicekit.messages import Incoming, Outgoing
from allmende.servicekit.testing import Someone
from allmende.services.brokerage.handlers import BrokerageHandler

MEMBERS = register(Someone("desy", classes={"lrz": "1"}), "kit", "lrz", "gsi")
BUILT = plan(
    plan_id="built",
    order=(quantity("cores", 0, 20),),
    capacity={"cores": 10},
    conditions=Conditions(
        provider_approval_hours=48, provisioning_hours=72, dismantling_hours=24, notice_months=1
    ),
)
QUEUED = plan(
    plan_id="queued",
    order=(quantity("cores", 0, 20),),
    capacity={"cores": 4},
    conditions=Conditions(waiting_list=True, offer_hours=24),
)
COURSE = Pool(
    pool_id="june",
    title="Schulung",
    starts_at=NOW + dt.timedelta(days=20),
    ends_at=NOW + dt.timedelta(days=20, hours=6),
    capacity=decimals({"cores": 3}),
)
VM = offering(BUILT, QUEUED, plan(plan_id="course", pools=(COURSE,)))
KNOWN = fact(published(VM), 1)
B, Q = uid(1), uid(2)
TODAY = NOW.date()
TABLES = (
    "select booking_id, state, instance, changes, due_at, reserved, progress::text from booking order by 1",
    "select * from capacity order by 1, 2, 3, 4",
    "select booking_id, number, data::text from change order by 1, 2",
    "select booking_id, data::text from message order by 1, 2",
)


@pytest.fixture
async def brokerage(desk: NewDesk) -> Desk:
    found = await desk(BrokerageHandler(MEMBERS, 60, 36_500))
    await found.take(KNOWN)
    return found


async def tables(desk: Desk) -> list[list[tuple[object, ...]]]:
    return [await desk.rows(statement) for statement in TABLES]


async def phase(desk: Desk, booking_id: str = B) -> tuple[object, ...]:
    (row,) = await desk.rows(
        "select state, instance, waits_for from booking where booking_id = cast(:id as uuid)", id=booking_id
    )
    return row


async def booked(desk: Desk, plan_id: str = "built") -> Decimal:
    (row,) = await desk.rows("select booked from capacity where plan_id = :plan", plan=plan_id)
    assert isinstance(row[0], Decimal)
    return row[0]


def ask(number: int, member: str = "desy", plan_id: str = "built", cores: int = 4, **more: Any) -> Incoming:
    asked = request(plan_id=plan_id, quantities=decimals({"cores": cores}), **{"start": TODAY, **more})
    return command(member, asked, number)


def report(step: str, number: int, **more: Any) -> Incoming:
    return command("lrz", contracts.ReportProgress(booking_id=B, step=step, **more), number)  # type: ignore[arg-type]


STORY: list[tuple[Incoming, Sequence[str]]] = [
    (ask(1), ["BookingAcknowledged"]),
    (command("kit", contracts.ApproveBooking(booking_id=B), 10), ["not_a_party"]),
    (command("desy", contracts.ApproveBooking(booking_id=B), 11), ["not_now"]),
    (command("lrz", contracts.WriteMessage(booking_id=B, text="Für wen?"), 12), ["MessageWritten"]),
    (command("desy", contracts.WriteMessage(booking_id=B, text="Stadt Mainz"), 13), ["MessageWritten"]),
    (
        command("lrz", contracts.ApproveBooking(booking_id=B), 14),
        ["BookingConfirmed", "BookingChanged"],
    ),
    (report("accepted", 15), ["BookingChanged"]),
    (report("milestone", 16, milestone="moved"), ["BookingChanged"]),
    (report("active", 17), ["BookingChanged"]),
    (
        command(
            "desy",
            contracts.AmendBooking(booking_id=B, effective_on=TODAY, quantities=decimals({"cores": 7})),
            18,
        ),
        ["BookingChanged"],
    ),
    (command("lrz", contracts.ApproveBooking(booking_id=B), 19), ["BookingChanged"]),
    (report("active", 20), ["BookingAmended", "BookingChanged"]),
    (command("desy", contracts.SuspendBooking(booking_id=B, reason="Umzug"), 21), ["BookingChanged"]),
    (command("lrz", contracts.ResumeBooking(booking_id=B), 22), ["suspended_by_other"]),
    (command("desy", contracts.ResumeBooking(booking_id=B), 23), ["BookingChanged"]),
    (command("desy", contracts.TerminateBooking(booking_id=B, on=TODAY), 24), ["notice_too_short"]),
    (command("desy", contracts.TerminateBooking(booking_id=B), 25), ["BookingChanged"]),
]
COMMANDS = [message for message, _ in STORY]
EXPECTED = [code for _, codes_ in STORY for code in codes_]


@pytest.mark.parametrize("size", [None, 1, 4])
async def test_a_story_is_told_in_its_order_whole_or_in_pieces(brokerage: Desk, size: int | None) -> None:
    facts = await brokerage.deliver(COMMANDS, size)
    assert codes(facts) == EXPECTED
    assert await phase(brokerage) == ("completed", "active", None)
    assert await booked(brokerage) == 7
    ended = await brokerage.later(40 * 86_400)
    assert codes(ended) == ["BookingChanged"]
    assert await phase(brokerage) == ("completed", "terminating", "provider")
    assert await booked(brokerage) == 7, "it is there until it is taken down"
    assert codes(await brokerage.take(report("dismantled", 30))) == ["BookingChanged"]
    assert await phase(brokerage) == ("completed", "terminated", None)
    assert await booked(brokerage) == 0


async def test_the_rows_do_not_depend_on_how_a_story_was_divided(desk: NewDesk) -> None:
    whole, pieces = [await desk(BrokerageHandler(MEMBERS, 60, 36_500)) for _ in range(2)]
    for each, size in ((whole, None), (pieces, 1)):
        await each.take(KNOWN)
        await each.deliver(COMMANDS, size)
    assert await tables(whole) == await tables(pieces)
    assert said(whole.told) == said(pieces.told)


@pytest.mark.parametrize("size", [None, 1])
async def test_a_story_delivered_twice_has_one_effect(brokerage: Desk, size: int | None) -> None:
    await brokerage.take(*COMMANDS, *(dataclasses.replace(message) for message in COMMANDS))
    assert codes(brokerage.told) == EXPECTED
    before = await tables(brokerage)
    assert await brokerage.deliver(COMMANDS, size) == []
    assert await tables(brokerage) == before


async def test_both_sides_hear_of_every_change_and_who_must_act(brokerage: Desk) -> None:
    (told,) = await brokerage.take(ask(1))
    assert isinstance(told.data, contracts.BookingAcknowledged)
    assert (told.data.waits_for, told.data.until) == ("provider", NOW + dt.timedelta(hours=48))
    assert told.parties == {Audience.CONSUMER: "desy", Audience.PROVIDER: "lrz"}
    confirmed, changed = await brokerage.take(command("lrz", contracts.ApproveBooking(booking_id=B), 2))
    assert confirmed.parties == changed.parties == told.parties
    assert isinstance(changed.data, contracts.BookingChanged)
    assert (changed.data.waits_for, changed.data.until) == ("provider", NOW + dt.timedelta(hours=72))


async def test_silence_leads_to_an_end_that_gives_capacity_back(brokerage: Desk) -> None:
    await brokerage.take(ask(1))
    assert await booked(brokerage) == 4
    assert await brokerage.later(48 * 3600 - 1) == []
    (told,) = await brokerage.later(1)
    assert isinstance(told.data, contracts.BookingChanged)
    assert (told.data.state, told.data.trigger, told.data.by) == ("rejected", "lapse", "clock")
    assert await booked(brokerage) == 0
    late = await brokerage.take(command("lrz", contracts.ApproveBooking(booking_id=B), 3))
    assert codes(late) == ["not_now"]


async def test_a_message_of_the_waiting_side_gives_the_other_the_whole_time_again(brokerage: Desk) -> None:
    await brokerage.take(ask(1))
    await brokerage.later(40 * 3600)
    await brokerage.take(command("desy", contracts.WriteMessage(booking_id=B, text="Für Mainz"), 12))
    assert await brokerage.later(47 * 3600) == []
    assert codes(await brokerage.later(3600)) == ["BookingChanged"]


async def test_nobody_prolongs_its_own_time_by_writing(brokerage: Desk) -> None:
    await brokerage.take(ask(1))
    await brokerage.later(40 * 3600)
    await brokerage.take(command("lrz", contracts.WriteMessage(booking_id=B, text="Für wen?"), 12))
    assert codes(await brokerage.later(8 * 3600)) == ["BookingChanged"]
    assert await booked(brokerage) == 0


async def test_after_a_long_outage_the_clock_catches_up_step_by_step(brokerage: Desk) -> None:
    await brokerage.deliver(COMMANDS[:9])
    ends = await brokerage.take(command("desy", contracts.TerminateBooking(booking_id=B), 25))
    assert codes(ends) == ["BookingChanged"]
    caught_up = await brokerage.later(400 * 86_400)
    triggers = [each.data.trigger for each in caught_up if isinstance(each.data, contracts.BookingChanged)]
    assert triggers == ["end"], "the taking down begins now, with its own time limit"
    assert [each.data.trigger for each in await brokerage.later(86_400)] == ["lapse"]  # type: ignore[attr-defined]
    assert await brokerage.later(400 * 86_400) == []


# -- waiting in line ----------------------------------------------------------------------------


def waiting(number: int, member: str, cores: int, days: int = 30) -> Incoming:
    until = TODAY + dt.timedelta(days=days)
    return ask(number, member, "queued", cores, wait_until=until)


def places(facts: Sequence[Outgoing]) -> list[object]:
    return [getattr(each.data, "place", None) for each in facts]


async def test_a_line_is_served_in_order_and_nobody_overtakes(brokerage: Desk) -> None:
    await brokerage.take(ask(1, "desy", "queued", 4))
    joined = await brokerage.take(waiting(2, "kit", 3), waiting(3, "gsi", 1), waiting(4, "desy", 1))
    assert (codes(joined), places(joined)) == (["BookingAcknowledged"] * 3, [1, 2, 3])
    cancelled = contracts.TerminateBooking(booking_id=B)
    await brokerage.take(command("desy", cancelled, 9))
    assert codes(await brokerage.take(ask(5, "kit", "queued", 1))) == ["no_capacity"]
    offered = await brokerage.later(86_400)
    moved = [(each.data.booking_id, each.data.trigger) for each in offered]  # type: ignore[attr-defined]
    assert moved == [(B, "end"), (uid(2), "offer"), (uid(3), "offer")]
    assert await booked(brokerage, "queued") == 4
    accepted = await brokerage.take(command("kit", contracts.AcceptBooking(booking_id=uid(2)), 10))
    assert codes(accepted) == ["BookingConfirmed", "BookingChanged"]
    # The other lets it lapse, so the last one gets its turn.
    later = await brokerage.later(86_400)
    assert [(e.data.booking_id, e.data.trigger) for e in later] == [(uid(3), "lapse"), (uid(4), "offer")]  # type: ignore[attr-defined]
    assert await booked(brokerage, "queued") == 4


async def test_a_wait_has_an_end(brokerage: Desk) -> None:
    await brokerage.take(ask(1, "desy", "queued", 4), waiting(2, "kit", 3, days=2))
    told = await brokerage.later(3 * 86_400)
    assert [each.data.state for each in told] == ["cancelled"]  # type: ignore[attr-defined]
    refused = await brokerage.take(waiting(3, "kit", 5), ask(4, "kit", wait_until=TODAY + dt.timedelta(9)))
    assert codes(refused) == ["above_maximum", "no_waiting_list"]


async def test_more_capacity_serves_the_line(brokerage: Desk) -> None:
    await brokerage.take(ask(1, "desy", "queued", 4), waiting(2, "kit", 3))
    larger = QUEUED.model_copy(update={"capacity": decimals({"cores": 8})})
    await brokerage.take(fact(published(offering(BUILT, larger), 2), 2))
    assert [each.data.state for each in await brokerage.tick()] == ["offered"]  # type: ignore[attr-defined]


# -- what may not be booked, or not now ---------------------------------------------------------


async def test_a_slot_is_booked_by_name_on_its_day(brokerage: Desk) -> None:
    day = TODAY + dt.timedelta(days=20)
    facts = await brokerage.take(
        ask(1, plan_id="course", cores=1, start=day),
        ask(2, plan_id="course", cores=1, start=day, pool_id="july"),
        ask(3, plan_id="course", cores=1, start=TODAY, pool_id="june"),
        ask(4, plan_id="course", cores=2, start=day, pool_id="june"),
        ask(5, plan_id="course", cores=2, start=day, pool_id="june"),
    )
    assert codes(facts) == [
        "pool_needed",
        "unknown_pool",
        "slot_on_another_day",
        "BookingConfirmed",
        "no_capacity",
    ]
    confirmed = facts[3].data
    assert isinstance(confirmed, contracts.BookingConfirmed)
    assert (confirmed.state, confirmed.end) == ("acknowledged", day)
    told = await brokerage.later(20 * 86_400)
    assert [each.data.trigger for each in told] == ["begin"]  # type: ignore[attr-defined]
    assert codes(await brokerage.take(ask(6, plan_id="course", cores=1, start=day, pool_id="june"))) == [
        "slot_over"
    ]
    assert [each.data.trigger for each in await brokerage.later(86_400)] == ["end"]  # type: ignore[attr-defined]


async def test_who_may_not_see_an_offering_learns_nothing_of_it(brokerage: Desk) -> None:
    hidden = offering(BUILT, id_="lrz/geheim", visible_to=Circle(members=("kit",)))
    picky = offering(BUILT, id_="lrz/klasse", bookable_by=Circle(classes={"lrz": ("1",)}))
    await brokerage.take(fact(published(hidden), 2), fact(published(picky), 3))

    def asked(number: int, member: str, id_: str) -> Incoming:
        data = request(id_, 1, plan_id="built", start=TODAY)
        return command(member, data, number)

    facts = await brokerage.take(
        asked(1, "desy", "lrz/geheim"),
        asked(2, "kit", "lrz/geheim"),
        asked(3, "kit", "lrz/klasse"),
        asked(4, "desy", "lrz/klasse"),
    )
    assert codes(facts) == ["unknown_offering", "BookingAcknowledged", "not_eligible", "BookingAcknowledged"]


@pytest.mark.parametrize("order", [[0, 1], [1, 0]], ids=["in order", "the other way round"])
async def test_a_paused_offering_takes_no_bookings_until_it_is_resumed(
    brokerage: Desk, order: list[int]
) -> None:
    about: dict[str, Any] = {"offering_id": "lrz/vm", "provider": "lrz", "revision": 1}
    news: list[Contract] = [
        OfferingPaused(**about, position=20, reason="Umbau", paused_at=NOW),
        OfferingResumed(**about, position=21, resumed_at=NOW),
    ]
    first, second = (fact(news[index], 50 + index) for index in order)
    await brokerage.take(first)
    expected = "offering_paused" if order[0] == 0 else "BookingAcknowledged"
    assert codes(await brokerage.take(ask(1))) == [expected]
    await brokerage.take(second)
    assert codes(await brokerage.take(ask(2))) == ["BookingAcknowledged"]
