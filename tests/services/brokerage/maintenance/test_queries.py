"""Who is told of maintenance: those it concerns, of a draft the provider alone."""

import datetime as dt

import pytest
from support.builders import NOW, command, fact, offering, published, register, request
from support.desk import Desk, NewDesk

from allmende.schemas.brokerage import AnnounceMaintenance, ListMaintenance
from allmende.schemas.permissions import Role
from allmende.servicekit.queries import Caller
from allmende.services.brokerage.handlers import BrokerageHandler
from allmende.services.brokerage.maintenance.queries import list_maintenance


def member(name: str) -> Caller:
    return Caller(name, Role.MEMBER, sees_all=False)


@pytest.fixture
async def brokerage(desk: NewDesk) -> Desk:
    found = await desk(BrokerageHandler(register("desy", "kit", "lrz"), 60, 36_500))
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
        command("lrz", AnnounceMaintenance.model_validate(about | {"title": "bald"}), 3),
        command("lrz", AnnounceMaintenance.model_validate(about | {"title": "Entwurf", "as_draft": True}), 4),
    )
    return found


@pytest.mark.parametrize(
    ("caller", "titles"),
    [
        (member("lrz"), ["Entwurf", "bald"]),
        (member("desy"), ["bald"]),
        (Caller("office", Role.OFFICE, sees_all=True), ["bald"]),
        (member("kit"), []),
    ],
    ids=["provider", "consumer", "office", "stranger"],
)
async def test_maintenance_is_told_to_those_it_concerns(
    brokerage: Desk, caller: Caller, titles: list[str]
) -> None:
    async with brokerage.engine.connect() as connection:
        found = await list_maintenance(connection, caller, ListMaintenance())
    assert sorted(notice.title for notice in found.notices) == titles
