"""Maintenance on a real database: told to all who booked, begun and completed by the clock."""

import dataclasses
import datetime as dt
from typing import Any

import pytest
from support.builders import NOW, command, fact, offering, plan, published, register, request, uid
from support.desk import Desk, NewDesk, codes

from allmende.schemas.brokerage import AnnounceMaintenance, CancelBooking, UpdateMaintenance
from allmende.schemas.registry import Audience
from allmende.servicekit.messages import Incoming
from allmende.services.brokerage.handlers import BrokerageHandler

VM = offering(plan(capacity={"cores": 10}))


@pytest.fixture
async def brokerage(desk: NewDesk) -> Desk:
    found = await desk(BrokerageHandler(register("desy", "kit", "gsi", "lrz"), 60, 36_500))
    await found.take(fact(published(VM), 1))
    return found


def ask(number: int, member: str, cores: int = 3) -> Incoming:
    return command(member, request(cores=cores, start=NOW.date() + dt.timedelta(days=1)), number)


def maintenance(number: int, **more: Any) -> Incoming:
    given: dict[str, Any] = {"offering_ids": ("lrz/vm",), "title": "Firmware", "impact": "outage"}
    given |= {"starts_at": NOW + dt.timedelta(hours=1), "ends_at": NOW + dt.timedelta(hours=2)}
    return command("lrz", AnnounceMaintenance(**given | more), number)


async def test_maintenance_is_told_to_everybody_who_booked_and_to_nobody_else(brokerage: Desk) -> None:
    await brokerage.take(ask(1, "desy"), ask(2, "kit"), ask(3, "gsi"))
    await brokerage.take(command("gsi", CancelBooking(booking_id=uid(3), reason="x"), 4))
    (told,) = await brokerage.take(maintenance(5))
    assert told.parties == {Audience.PROVIDER: "lrz", Audience.CIRCLE: ("desy", "kit")}
    (begun,) = await brokerage.later(3600)
    (done,) = await brokerage.later(3600)
    assert [each.data.state for each in (begun, done)] == ["in_progress", "completed"]  # type: ignore[attr-defined]
    assert begun.parties == done.parties == told.parties
    assert await brokerage.later(3600) == []


async def test_a_draft_is_the_providers_own(brokerage: Desk) -> None:
    await brokerage.take(ask(1, "desy"))
    draft, unknown = await brokerage.take(
        maintenance(5, as_draft=True), maintenance(6, offering_ids=("lrz/none",))
    )
    assert draft.parties == {Audience.PROVIDER: "lrz", Audience.CIRCLE: ()}
    assert codes([unknown]) == ["unknown_offering"]
    update = UpdateMaintenance(notice_id=uid(5), state="scheduled")
    assert codes(await brokerage.take(command("kit", update, 7))) == ["unknown_notice"]
    (told,) = await brokerage.take(command("lrz", update, 8))
    assert told.parties[Audience.CIRCLE] == ("desy",)


async def test_a_draft_that_is_dropped_was_never_there(brokerage: Desk) -> None:
    await brokerage.take(ask(1, "desy"), maintenance(5, as_draft=True))
    update = UpdateMaintenance(notice_id=uid(5), state="cancelled")
    (told,) = await brokerage.take(command("lrz", update, 7))
    assert told.parties == {Audience.PROVIDER: "lrz", Audience.CIRCLE: ()}


async def test_notices_delivered_twice_are_told_once(brokerage: Desk) -> None:
    commands = [
        ask(1, "desy"),
        maintenance(5),
        command("lrz", UpdateMaintenance(notice_id=uid(5), text="Dauert länger"), 6),
        maintenance(7, offering_ids=("lrz/none",)),
    ]
    facts = await brokerage.take(*commands, *(dataclasses.replace(message) for message in commands))
    assert codes(facts) == ["MaintenanceNotice", "MaintenanceNotice", "unknown_offering", "BookingConfirmed"]
    assert await brokerage.deliver(commands, 1) == []
    assert await brokerage.rows("select data ->> 'text' from notice") == [("Dauert länger",)]
