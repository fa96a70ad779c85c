"""What a member learns of others by asking: nothing, of any question; nor of what is not issued."""

import datetime as dt
from collections.abc import Mapping

import pytest
from support import pooled
from support.builders import OFFICE, booking, command, fact, record, report, uid
from support.desk import Desk, NewDesk
from support.paying import arranging
from support.reported import pool
from support.reviews import by, market, objecting, settle

from allmende.schemas import registry
from allmende.schemas.contract import Contract
from allmende.schemas.permissions import TABLE, Role
from allmende.schemas.rejections import Rejected
from allmende.schemas.settlements import DraftSettlement
from allmende.servicekit.queries import Caller
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.queries import answers

REGISTER = market("desy", "gsi", "kit", "lrz")
NAMES = {permission.name for permission in TABLE if permission.role is Role.MEMBER}
REQUESTS = {each.name: each.request for each in registry.QUERIES if each.name in NAMES}

# Of every question that tells of members: what a stranger asks, and how it names somebody else.
ASKED: Mapping[str, tuple[dict[str, object], dict[str, object] | None]] = {
    "billing.clarification.list": ({}, None),
    "billing.pool.list": ({}, None),
    "billing.pool.show": ({"pool_id": "rz-2026"}, None),
    "billing.cost.list": ({"pool_id": "rz-2026"}, None),
    "billing.settlement.list": ({}, None),
    "billing.statement.show": ({"period": "2026-04"}, {"member": "desy"}),
    "billing.settlement.alerts": ({"period": "2026-04"}, None),
    "billing.settlement.matrix": ({"period": "2026-04"}, None),
    "billing.statement.compare": ({"period": "2026-04"}, {"member": "desy"}),
    "billing.statement.list": ({}, {"member": "desy"}),
    "billing.line.explain": ({"period": "2026-04", "line": 1}, {"member": "desy"}),
    "billing.objection.list": ({}, None),
    "billing.invoice.list": ({}, {"member": "desy"}),
    "billing.document.list": ({"period": "2026-04"}, {"member": "desy"}),
    "billing.document.read": ({}, None),
    "billing.payment.list": ({}, {"member": "desy"}),
    "billing.item.list": ({}, {"member": "desy"}),
    "billing.report.treatments": ({"year": 2026}, {"member": "desy"}),
    "billing.report.cost": ({"year": 2026}, None),
    "billing.report.market": ({"year": 2026}, {"member": "desy"}),
    "billing.journal.export": ({}, {"body": "desy"}),
}
TELLS_NOTHING_OF_MEMBERS = {"billing.key.list", "billing.journal.verify", "billing.settlement.show"}
DRAFTED = {
    "billing.statement.show": {},
    "billing.settlement.show": {},
    "billing.settlement.alerts": {},
    "billing.settlement.matrix": {},
    "billing.statement.compare": {},
    "billing.line.explain": {"line": 1},
}


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    """April is issued between desy and lrz, disputed and arranged; May is drafted; they share a pool."""
    made = await desk(BillingHandler(REGISTER, 60))
    await made.take(fact(booking(), 1), fact(booking(2), 8))
    await made.take(
        command("lrz", report(record(amount=100), record("b", 50, booking_id=uid(2))), 2),
    )
    await pool(made, [("lrz", pooled.cost("a", 1_000))])
    await settle(made, "2026-04", 3)
    await made.take(by("desy/anna", objecting(1), 10), arranging(20, dt.date(2026, 12, 31)))
    made.now = dt.datetime(2026, 7, 1, 8, tzinfo=dt.UTC)
    may = record("m", 7, start=dt.datetime(2026, 5, 5, tzinfo=dt.UTC))
    await made.take(command("lrz", report(may), 30))
    await made.take(command(OFFICE, DraftSettlement(period="2026-05"), 31))
    return made


async def told(billing: Desk, caller: Caller, name: str, asked: Mapping[str, object]) -> Contract | Rejected:
    async with billing.engine.connect() as connection:
        return await answers(REGISTER)[name](connection, caller, REQUESTS[name].model_validate(asked))


async def file_of(billing: Desk) -> str:
    ((found,),) = await billing.rows("select document_id::text from document_file where kind = 'xrechnung'")
    return str(found)


def names_others(answer: Contract | Rejected) -> bool:
    said = str(answer.sentences) if isinstance(answer, Rejected) else answer.model_dump_json()
    return any(each in said for each in ('"desy"', '"lrz"', "Rechenzentrum 2026"))


def test_every_question_is_looked_at() -> None:
    asked = {name for name in REQUESTS if name.startswith("billing.")}
    assert asked == ASKED.keys() | TELLS_NOTHING_OF_MEMBERS


async def test_a_stranger_learns_nothing_of_others(billing: Desk) -> None:
    stranger, unbound = Caller("kit", Role.MEMBER, False), Caller("kit", Role.MEMBER, True)
    seen = set()
    for name, (asked, naming) in ASKED.items():
        if name == "billing.document.read":
            asked = {"document_id": await file_of(billing)}  # noqa: PLW2901
        assert not names_others(await told(billing, stranger, name, asked)), name
        if naming is not None:
            other = await told(billing, stranger, name, asked | naming)
            assert isinstance(other, Rejected) or not names_others(other), name
        # The same without the bound tells of them, so that there is something to be kept from a stranger.
        if names_others(await told(billing, unbound, name, asked | (naming or {}))):
            seen.add(name)
    quiet = {"billing.clarification.list", "billing.settlement.alerts", "billing.document.read"}
    assert seen == ASKED.keys() - quiet


async def test_what_is_drafted_is_told_to_the_office_alone(billing: Desk) -> None:
    for name, more in DRAFTED.items():
        asked: dict[str, object] = {"period": "2026-05", **more}
        for member in ("desy", "lrz", "kit"):
            found = await told(billing, Caller(member, Role.MEMBER, False), name, asked)
            assert isinstance(found, Rejected), (name, member)
        office: dict[str, object] = {"member": "desy"} if "statement" in name or "explain" in name else {}
        seen = await told(billing, Caller("office", Role.OFFICE, True), name, asked | office)
        assert not isinstance(seen, Rejected), (name, seen)


async def test_a_stranger_may_not_even_tell_a_file_of_others_from_none(billing: Desk) -> None:
    stranger = Caller("kit", Role.MEMBER, False)
    for id_ in (await file_of(billing), uid(999)):
        found = await told(billing, stranger, "billing.document.read", {"document_id": id_})
        assert isinstance(found, Rejected)
        assert found.code == "unknown_document"
