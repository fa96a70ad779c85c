"""Who is told what: a booking's story is its parties' and the office's, a draft the provider's."""

import datetime as dt

import pytest
from support.builders import NOW, command, fact, offering, published, register, request, uid
from support.desk import Desk, NewDesk

from allmende.schemas.brokerage import (
    AnnounceMaintenance,
    BookingStory,
    ListMaintenance,
    Maintenance,
    ShowBooking,
    WriteMessage,
)
from allmende.schemas.contract import Contract
from allmende.schemas.permissions import Role
from allmende.schemas.rejections import Rejected
from allmende.servicekit.queries import Caller
from allmende.services.brokerage.handlers import BrokerageHandler
from allmende.services.brokerage.queries import answers_of

MEMBERS = register("desy", "kit", "lrz")
OFFICE = Caller("office", Role.OFFICE, sees_all=True)


def member(name: str) -> Caller:
    return Caller(name, Role.MEMBER, sees_all=False)


@pytest.fixture
async def brokerage(desk: NewDesk) -> Desk:
    found = await desk(BrokerageHandler(MEMBERS, 60, 36_500))
    hour = dt.timedelta(hours=1)
    about = {
        "offering_ids": ("lrz/vm",),
        "impact": "none",
        "starts_at": NOW + hour,
        "ends_at": NOW + 2 * hour,
    }
    await found.take(
        fact(published(offering()), 1),
        command("desy", request(cores=1), 1),
        command("desy", WriteMessage(booking_id=uid(1), text="geheim"), 2),
        command("lrz", AnnounceMaintenance.model_validate(about | {"title": "bald"}), 3),
        command("lrz", AnnounceMaintenance.model_validate(about | {"title": "Entwurf", "as_draft": True}), 4),
    )
    return found


ANSWERS = answers_of(MEMBERS)


async def answer(desk: Desk, name: str, caller: Caller, asked: Contract) -> Contract | Rejected:
    async with desk.engine.connect() as connection:
        return await ANSWERS[f"brokerage.{name}"](connection, caller, asked)


@pytest.mark.parametrize(
    ("caller", "tells"),
    [(member("desy"), True), (member("lrz"), True), (OFFICE, True), (member("kit"), False)],
    ids=["consumer", "provider", "office", "stranger"],
)
async def test_a_story_is_its_parties_and_the_offices(brokerage: Desk, caller: Caller, tells: bool) -> None:
    found = await answer(brokerage, "booking.show", caller, ShowBooking(booking_id=uid(1)))
    if tells:
        assert isinstance(found, BookingStory)
        assert [message.text for message in found.messages] == ["geheim"]
    else:
        assert isinstance(found, Rejected)
        nobody = await answer(brokerage, "booking.show", caller, ShowBooking(booking_id=uid(9)))
        assert isinstance(nobody, Rejected)
        assert found.code == nobody.code == "unknown_booking", "a stranger cannot tell the two apart"


@pytest.mark.parametrize(
    ("caller", "titles"),
    [
        (member("lrz"), ["Entwurf", "bald"]),
        (member("desy"), ["bald"]),
        (OFFICE, ["bald"]),
        (member("kit"), []),
    ],
    ids=["provider", "consumer", "office", "stranger"],
)
async def test_maintenance_is_told_to_those_it_concerns(
    brokerage: Desk, caller: Caller, titles: list[str]
) -> None:
    found = await answer(brokerage, "maintenance.list", caller, ListMaintenance())
    assert isinstance(found, Maintenance)
    assert sorted(notice.title for notice in found.notices) == titles
