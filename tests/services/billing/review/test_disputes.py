"""Objections, with a real database: twice, out of turn, two at once, while a run is drafted."""

import asyncio
import datetime as dt
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from support.broker import eventually
from support.builders import NOW, OFFICE, booking, command, fact, record, report, uid
from support.desk import Desk, NewDesk, codes
from support.invoices import line
from support.reviews import (
    LINES,
    by,
    deciding,
    desks,
    issued,
    lines_of,
    market,
    meet,
    objecting,
    settle,
    withdrawing,
)

from allmende.schemas.claims import Claim
from allmende.schemas.registry import Audience
from allmende.schemas.settlements import DraftSettlement
from allmende.schemas.statements import Evidence, ObjectionRaised, ObjectionSettled
from allmende.servicekit.testing import Templates
from allmende.services.billing import store as billing_store
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.review import store

OBJECT = by("desy/anna", objecting(1), 10)


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    return (await desks(desk))[0]


async def disputed(billing: Desk) -> dict[tuple[str, int], int]:
    async with billing.engine.connect() as connection:
        return await store.disputed(connection)


async def test_an_objection_is_raised_once_and_kept_with_its_evidence(billing: Desk) -> None:
    evidence = Evidence(title="Zählerfoto", sha256="a" * 64)
    message = by("desy/anna", objecting(1, documents=(evidence,)), 10)
    (told,) = await billing.take(message)
    assert await billing.take(message) == []
    assert isinstance(told.data, ObjectionRaised)
    assert told.parties == {Audience.CONSUMER: "desy", Audience.PROVIDER: "lrz"}
    [(raised, claim)] = await billing.rows("select raised::text, raise_claim::text from objection")
    assert ObjectionRaised.model_validate_json(str(raised)) == told.data
    assert told.data.documents == (evidence,)
    assert Claim.model_validate_json(str(claim)) == message.data.claim  # type: ignore[attr-defined]
    assert await disputed(billing) == {(uid(50), 1): 10_000}


async def test_steps_of_objections_that_do_not_fit_are_refused(billing: Desk) -> None:
    facts = await billing.take(
        OBJECT,
        by("desy/bela", objecting(1), 11),
        by("desy/bela", objecting(3), 12),
        by("desy/bela", objecting(4), 13),
        by("desy/bela", objecting(5), 14),
        by("desy/bela", objecting(99), 15),
        by("lrz/anna", deciding(99), 16),
        by("desy/anna", deciding(10), 17),
        by("kit/anna", withdrawing(10), 18),
        by("lrz/anna", withdrawing(10), 19),
        by("lrz/anna", deciding(10, credit_cents=10_001), 20),
        by("lrz/anna", deciding(10, "dismissed", credit_cents=1), 21),
        by("lrz/anna", deciding(10, "dismissed"), 22),
        by("desy/anna", withdrawing(10), 23),
        by("desy/anna", withdrawing(99), 24),
    )
    assert codes(facts) == [
        "ObjectionRaised",
        "line_disputed",
        "line_charges_nothing",
        "unknown_line",
        "line_not_owed",
        "unknown_line",
        "unknown_objection",
        "not_yours_to_decide",
        "unknown_objection",
        "not_your_objection",
        "credit_too_large",
        "credit_of_dismissal",
        "ObjectionSettled",
        "objection_settled",
        "unknown_objection",
    ]
    assert await disputed(billing) == {}, "a line whose objection is dismissed is due"


async def test_the_last_objection_to_a_line_is_read_with_it(billing: Desk) -> None:
    await billing.take(OBJECT, by("desy/anna", withdrawing(10), 11), by("desy/anna", objecting(1), 12))
    async with billing.engine.connect() as connection:
        charged, last = await store.objected(connection, "2026-04", 1)
        assert charged is not None
        assert (charged.disputed, last) == (True, (uid(12), "raised"))
        assert (await store.objected(connection, "2026-04", 2))[1] is None
        assert await store.objected(connection, "2026-04", 99) == (None, None)


async def test_too_late_is_refused(billing: Desk) -> None:
    billing.now = NOW + dt.timedelta(days=30)
    assert codes(await billing.take(OBJECT)) == ["ObjectionRaised"]
    billing.now = NOW + dt.timedelta(days=31)
    assert codes(await billing.take(by("desy/anna", objecting(2), 11))) == ["objection_too_late"]


async def test_an_id_of_another_is_refused(billing: Desk) -> None:
    facts = await billing.take(OBJECT, by("kit/anna", objecting(4), 10))
    assert codes(facts) == ["ObjectionRaised", "objection_id_taken"]


async def test_what_is_withdrawn_is_due_and_may_be_disputed_again(billing: Desk) -> None:
    message = by("desy/bela", withdrawing(10), 11)
    facts = await billing.take(OBJECT, message)
    assert await billing.take(message) == []
    assert codes(facts) == ["ObjectionRaised", "ObjectionSettled"]
    assert await disputed(billing) == {}
    assert codes(await billing.take(by("desy/anna", objecting(1), 12))) == ["ObjectionRaised"]


async def test_a_credit_stays_out_until_it_is_issued_and_is_given_once(billing: Desk) -> None:
    decide = by("lrz/anna", deciding(10, credit_cents=4_000), 11)
    await billing.take(OBJECT)
    (told,) = await billing.take(decide)
    assert await billing.take(decide) == []
    assert isinstance(told.data, ObjectionSettled)
    assert await disputed(billing) == {(uid(50), 1): 4_000}
    async with billing.engine.begin() as tx:
        assert await store.lines_of(tx, "2026-04") == []
        (credit,) = await store.lines_of(tx, "2026-05")
        assert await store.lines_of(tx, "2026-05") == [credit], "as often as it is collected"
    assert (credit.amount_cents, credit.cause, credit.objection_id) == (-4_000, "credit", uid(10))
    facts = await billing.take(
        by("desy/anna", objecting(1), 12),
        by("lrz/anna", deciding(12, credit_cents=6_001), 13),
        by("lrz/anna", deciding(12), 14),
        by("desy/anna", objecting(1), 15),
    )
    assert codes(facts) == ["ObjectionRaised", "credit_too_large", "ObjectionSettled", "line_credited"]
    assert isinstance(facts[2].data, ObjectionSettled)
    assert facts[2].data.credit_cents == 6_000
    assert await disputed(billing) == {(uid(50), 1): 10_000}
    async with billing.engine.begin() as tx:
        await issued(tx, 51, [line(1, -10_000)], "2026-05")
    assert await disputed(billing) == {}


async def test_a_credit_goes_into_the_run_after_the_one_that_is_collected(billing: Desk) -> None:
    async with billing.engine.begin() as tx:
        await tx.execute(text("insert into accounting_period (period, closed_at) values ('2026-05', now())"))
    await billing.take(OBJECT, by("lrz/anna", deciding(10), 11))
    assert await billing.rows("select credit_in from objection") == [("2026-06",)]


async def test_without_suspensive_effect_the_line_is_due(desk: NewDesk) -> None:
    register = market()
    rules = register.rules_on(NOW.date())
    terms = rules.objections.model_copy(update={"suspends": False})
    changed = register.model_copy(update={"rules": (rules.model_copy(update={"objections": terms}),)})
    billing = await desk(BillingHandler(changed, 60))
    async with billing.engine.begin() as tx:
        await issued(tx, 50, LINES)
    await billing.take(OBJECT)
    assert await disputed(billing) == {}
    await billing.take(by("lrz/anna", deciding(10), 11))
    assert await disputed(billing) == {}
    assert await billing.rows("select credit_cents from objection") == [(10_000,)]


async def test_of_two_objections_to_a_line_at_once_one_is_taken(desk: NewDesk) -> None:
    first, second = await desks(desk, 2)
    facts = await asyncio.gather(
        first.take(by("desy/anna", objecting(1), 10)), second.take(by("desy/bela", objecting(1), 11))
    )
    assert sorted(code for each in facts for code in codes(each)) == ["ObjectionRaised", "line_disputed"]


async def test_without_its_guard_a_line_is_disputed_twice(
    desk: NewDesk, monkeypatch: pytest.MonkeyPatch, templates: Templates
) -> None:
    first, second = await desks(desk, 2)
    admin = await asyncpg.connect(templates.admin_url(first.url))
    await admin.execute("drop index objection_open")
    await admin.close()
    meet(monkeypatch, "charged")
    facts = await asyncio.gather(
        first.take(by("desy/anna", objecting(1), 10)), second.take(by("desy/bela", objecting(1), 11))
    )
    assert [code for each in facts for code in codes(each)] == ["ObjectionRaised", "ObjectionRaised"]


async def test_of_a_decision_and_a_withdrawal_at_once_one_counts(desk: NewDesk) -> None:
    first, second = await desks(desk, 2)
    await first.take(OBJECT)
    facts = await asyncio.gather(
        first.take(by("lrz/anna", deciding(10), 11)), second.take(by("desy/anna", withdrawing(10), 12))
    )
    assert sorted(code for each in facts for code in codes(each)) == [
        "ObjectionSettled",
        "objection_settled",
    ]


async def test_without_the_lock_what_is_settled_is_still_not_settled_again(
    desk: NewDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await desks(desk, 2)
    await first.take(OBJECT)
    statement = str(store._LOCK_OBJECTION)
    assert "for update" in statement
    monkeypatch.setattr(store, "_LOCK_OBJECTION", text(statement.replace("for update", "")))
    meet(monkeypatch, "lock_objection")
    facts = await asyncio.gather(
        first.take(by("lrz/anna", deciding(10), 11)),
        second.take(by("desy/anna", withdrawing(10), 12)),
        return_exceptions=True,
    )
    failed = [each for each in facts if isinstance(each, IntegrityError)]
    assert len(failed) == 1
    assert "decided in objection stands" in str(failed[0])


WAITING = """
    select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
"""


async def decided_while_drafted(
    desk: NewDesk, monkeypatch: pytest.MonkeyPatch, *, guarded: bool
) -> tuple[Desk, str]:
    """An objection is upheld while the next period is drafted; returns where its credit belongs."""
    first = await desk(BillingHandler(market(), 60), now=dt.datetime(2026, 6, 20, tzinfo=dt.UTC))
    second = await desk(BillingHandler(market(), 60), now=first.now, shares=first)
    await first.take(fact(booking(), 1), command("lrz", report(record(amount=100)), 2))
    await settle(first, "2026-04", 3)
    await first.take(OBJECT)
    async with first.engine.begin() as tx:
        await tx.execute(
            text("insert into accounting_period (period) values ('2026-05') on conflict do nothing")
        )
    save, decided, go_on = store.settle, asyncio.Event(), asyncio.Event()

    async def hesitating(*arguments: Any) -> None:
        decided.set()
        await go_on.wait()
        await save(*arguments)

    monkeypatch.setattr(store, "settle", hesitating)
    deciding_ = asyncio.create_task(first.take(by("lrz/anna", deciding(10), 11)))
    await decided.wait()
    drafting = asyncio.create_task(second.take(command(OFFICE, DraftSettlement(period="2026-05"), 12)))
    if guarded:
        await eventually(lambda: first.rows(WAITING))
        go_on.set()
        await asyncio.gather(deciding_, drafting)
    else:
        await drafting
        go_on.set()
        await deciding_
    [(period,)] = await first.rows("select credit_in from objection")
    return first, str(period)


async def test_a_credit_is_in_the_run_that_is_drafted_meanwhile(
    desk: NewDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    billing, period = await decided_while_drafted(desk, monkeypatch, guarded=True)
    assert [each.amount_cents for each in await lines_of(billing, period)] == [-10_000]


async def test_without_the_lock_on_the_period_the_credit_is_lost(
    desk: NewDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    statement = str(billing_store._CLOSED_SHARED)
    assert "for share" in statement
    monkeypatch.setattr(billing_store, "_CLOSED_SHARED", text(statement.replace("for share", "")))
    billing, period = await decided_while_drafted(desk, monkeypatch, guarded=False)
    assert (period, await lines_of(billing, period)) == ("2026-05", []), "and no later run looks for it"


async def decided_while_taken_back(
    desk: NewDesk, monkeypatch: pytest.MonkeyPatch, *, guarded: bool
) -> tuple[str, int]:
    """A draft takes a line back while its objection is decided: the answer, and what both runs come to."""
    first = await desk(BillingHandler(market(), 60), now=dt.datetime(2026, 6, 20, tzinfo=dt.UTC))
    second = await desk(BillingHandler(market(), 60), now=first.now, shares=first)
    await first.take(fact(booking(), 1), command("lrz", report(record(amount=100)), 2))
    await settle(first, "2026-04", 3)
    await first.take(OBJECT, command("lrz", report(record("c", 30, corrects="r1")), 8))
    async with first.engine.begin() as tx:
        await billing_store.closed_periods(tx, ["2026-05", "2026-06"])
    close, came, go_on = billing_store.close_period, asyncio.Event(), asyncio.Event()

    async def hesitating(*arguments: Any) -> None:
        came.set()
        await go_on.wait()
        await close(*arguments)

    monkeypatch.setattr(billing_store, "close_period", hesitating)
    drafting = asyncio.create_task(first.take(command(OFFICE, DraftSettlement(period="2026-05"), 12)))
    await came.wait()
    deciding_ = asyncio.create_task(second.take(by("lrz/anna", deciding(10), 11)))
    if guarded:
        await eventually(lambda: second.rows(WAITING))
    else:
        await deciding_
    go_on.set()
    await drafting
    [answer] = codes(await deciding_)
    monkeypatch.undo()
    lines = [*await lines_of(first, "2026-04"), *await lines_of(first, "2026-05")]
    [(credited,)] = await first.rows("select sum(credit_cents)::bigint from objection")
    return answer, sum(each.amount_cents for each in lines) - int(str(credited))


async def test_what_a_draft_takes_back_meanwhile_is_not_credited(
    desk: NewDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await decided_while_taken_back(desk, monkeypatch, guarded=True) == ("line_taken_back", 3_000)


async def test_without_the_lock_on_the_period_it_is_given_twice(
    desk: NewDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    statement = str(billing_store._CLOSED_SHARED)
    monkeypatch.setattr(billing_store, "_CLOSED_SHARED", text(statement.replace("for share", "")))
    answer, cents = await decided_while_taken_back(desk, monkeypatch, guarded=False)
    assert (answer, cents) == ("ObjectionSettled", -7_000)
