"""Progress of statements and objections: who sees what, page by page."""

from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from support.builders import NOW, OFFICE, uid
from support.desk import Desk, NewDesk
from support.invoices import line
from support.reviews import by, certifying, deciding, issued, market, objecting, ordering

from allmende.schemas.permissions import Role
from allmende.schemas.rejections import Rejected
from allmende.schemas.statements import ListObjections, ListStatements, Objections, Statements
from allmende.servicekit.queries import Caller
from allmende.servicekit.testing import Templates
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.queries import answers

DESY, KIT, LRZ = (Caller(name, Role.MEMBER, False) for name in ("desy", "kit", "lrz"))
ALL = Caller(OFFICE, Role.OFFICE, True)
REGISTER = market()


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    """Two issued runs, one that is drafted; line 1 of April is disputed."""
    found = await desk(BillingHandler(REGISTER, 60))
    async with found.engine.begin() as tx:
        await issued(tx, 50, [line(1, 10_000), line(2, 500), line(3, 300, payer="kit")])
        await issued(tx, 51, [line(1, 700)], "2026-05")
        await tx.execute(
            text(
                "insert into settlement (settlement_id, period, closed_at, state, document)"
                " values (:id, '2026-06', now(), 'draft', '{}')"
            ),
            {"id": uid(52)},
        )
        await tx.execute(
            text(
                "insert into statement (statement_id, settlement_id, member, period, number, document)"
                " values (:id, :run, 'desy', '2026-06', '2026-06-0001', '{}')"
            ),
            {"id": uid(60), "run": uid(52)},
        )
    await found.take(by("desy/anna", objecting(1), 10))
    return found


async def asked(billing: Desk, caller: Caller, **about: Any) -> Statements:
    async with billing.engine.connect() as connection:
        ask = answers(REGISTER)["billing.statement.list"]
        found = await ask(connection, caller, ListStatements(**about))
    assert isinstance(found, Statements), found
    return found


async def objections(billing: Desk, caller: Caller, **about: Any) -> Objections:
    async with billing.engine.connect() as connection:
        ask = answers(REGISTER)["billing.objection.list"]
        found = await ask(connection, caller, ListObjections(**about))
    assert isinstance(found, Objections), found
    return found


async def test_a_statement_tells_how_far_it_is_and_what_is_disputed(billing: Desk) -> None:
    newest, oldest = (await asked(billing, DESY)).statements
    assert (newest.period, newest.state, newest.payable_cents, newest.disputed_cents) == (
        "2026-05",
        "received",
        700,
        0,
    )
    assert (oldest.payable_cents, oldest.disputed_cents, oldest.paid_cents) == (10_500, 10_000, 0)
    await billing.take(by("desy/anna", certifying(), 1))
    (certified,) = (await asked(billing, DESY, state="certified")).statements
    assert (certified.certified_by, certified.certified_at, certified.ordered_by) == ("anna", NOW, None)
    await billing.take(by("desy/bela", ordering(), 2))
    (ordered,) = (await asked(billing, DESY, state="ordered")).statements
    assert (ordered.ordered_by, ordered.kassenzeichen, ordered.disputed_cents) == (
        "bela",
        "26/0815-1",
        10_000,
    )


async def test_what_is_paid_comes_from_the_view_that_payments_fill(
    billing: Desk, templates: Templates
) -> None:
    admin = await asyncpg.connect(templates.admin_url(billing.url))
    await admin.execute(
        "create or replace view statement_paid as select statement_id, 700::bigint as paid_cents"
        " from statement"
    )
    await admin.close()
    (paid,) = (await asked(billing, DESY, state="paid")).statements
    assert (paid.period, paid.paid_cents) == ("2026-05", 700)
    assert (await asked(billing, DESY, period="2026-04")).statements[0].state == "received", "in part only"


async def test_members_see_their_own_and_the_office_all(billing: Desk) -> None:
    assert {each.member for each in (await asked(billing, LRZ)).statements} == {"lrz"}
    assert {each.member for each in (await asked(billing, ALL)).statements} == {"desy", "kit", "lrz"}
    assert [each.period for each in (await asked(billing, ALL, member="kit")).statements] == ["2026-04"]
    async with billing.engine.connect() as connection:
        ask = answers(REGISTER)["billing.statement.list"]
        refused = await ask(connection, KIT, ListStatements(member="desy"))
    assert isinstance(refused, Rejected)
    assert refused.code == "not_yours"


async def test_statements_come_page_by_page_newest_first(billing: Desk) -> None:
    numbers: list[str] = []
    page = await asked(billing, ALL, limit=2)
    while page.next_after is not None:
        numbers += [each.number for each in page.statements]
        page = await asked(billing, ALL, limit=2, after=page.next_after)
    numbers += [each.number for each in page.statements]
    assert numbers == sorted(numbers, reverse=True)
    assert len(set(numbers)) == 5


async def test_objections_are_seen_by_both_sides_and_the_office(billing: Desk) -> None:
    await billing.take(by("kit/anna", objecting(3), 11), by("desy/anna", objecting(2), 12))
    await billing.take(by("lrz/anna", deciding(12, "dismissed"), 13))
    raised = {
        caller.member: [each.raised.line for each in (await objections(billing, caller)).objections]
        for caller in (DESY, KIT, LRZ, ALL)
    }
    assert raised == {"desy": [1], "kit": [3], "lrz": [1, 3], OFFICE: [1, 3]}
    every = (await objections(billing, LRZ, open_only=False)).objections
    assert [each.settled.state if each.settled else None for each in every] == [None, None, "dismissed"]
    assert (await objections(billing, ALL, period="2026-05")).objections == ()


async def test_objections_come_page_by_page_oldest_first(billing: Desk) -> None:
    await billing.take(by("kit/anna", objecting(3), 11), by("desy/anna", objecting(2), 12))
    first = await objections(billing, ALL, limit=2)
    assert first.next_after is not None
    rest = await objections(billing, ALL, limit=2, after=first.next_after)
    assert [each.raised.line for each in (*first.objections, *rest.objections)] == [1, 3, 2]
    assert rest.next_after is None
