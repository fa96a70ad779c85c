"""Who is told what of bookings: a story is its parties' and the office's."""

import pytest
from support.builders import command, fact, offering, published, register, request, uid
from support.desk import Desk, NewDesk

from allmende.schemas.brokerage import BookingStory, ShowBooking, WriteMessage
from allmende.schemas.contract import Contract
from allmende.schemas.permissions import Role
from allmende.schemas.rejections import Rejected
from allmende.servicekit.queries import Caller
from allmende.services.brokerage.handlers import BrokerageHandler
from allmende.services.brokerage.life.queries import answers

MEMBERS = register("desy", "kit", "lrz")
OFFICE = Caller("office", Role.OFFICE, sees_all=True)


def member(name: str) -> Caller:
    return Caller(name, Role.MEMBER, sees_all=False)


@pytest.fixture
async def brokerage(desk: NewDesk) -> Desk:
    found = await desk(BrokerageHandler(MEMBERS, 60, 36_500))
    await found.take(
        fact(published(offering()), 1),
        command("desy", request(cores=1), 1),
        command("desy", WriteMessage(booking_id=uid(1), text="geheim"), 2),
    )
    return found


async def answer(desk: Desk, name: str, caller: Caller, asked: Contract) -> Contract | Rejected:
    async with desk.engine.connect() as connection:
        return await answers(MEMBERS)[f"brokerage.{name}"](connection, caller, asked)


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
