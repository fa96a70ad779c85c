"""Persons act on an issued run, with a real database: twice, around the rules, two at once."""

import asyncio
import dataclasses
import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from support.builders import NOW, uid
from support.desk import Desk, NewDesk, codes, persistently
from support.invoices import line
from support.reviews import by, certifying, deciding, issued, market, objecting, ordering, withdrawing

from allmende.schemas.claims import Claim
from allmende.schemas.registry import Audience
from allmende.schemas.statements import Evidence, ObjectionRaised, ObjectionSettled
from allmende.servicekit.testing import Templates
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.review import recipient, store

LINES = [
    line(1, 10_000),
    line(2, 500),
    line(3, -200, cause="credit"),
    line(4, 700, payer="kit"),
    line(5, 900, payer="lrz", payee="desy"),
]
CERTIFY = by("desy/anna", certifying(remark="stimmt"), 1)
ORDER = by("desy/bela", ordering(), 2)
OBJECT = by("desy/anna", objecting(1), 10)


async def desks(desk: NewDesk, count: int = 1) -> list[Desk]:
    first = await desk(BillingHandler(market(), 60))
    async with first.engine.begin() as tx:
        await issued(tx, 50, LINES)
    others = [await desk(BillingHandler(market(), 60), shares=first) for _ in range(count - 1)]
    return [first, *others]


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    return (await desks(desk))[0]


async def disputed(billing: Desk) -> dict[tuple[str, int], int]:
    async with billing.engine.connect() as connection:
        return await store.disputed(connection)


# -- recipients -----------------------------------------------------------------------------------


async def test_a_statement_is_certified_and_ordered_once_each(billing: Desk) -> None:
    for message in (CERTIFY, ORDER):
        (told,) = await billing.take(message)
        assert told.parties == {Audience.MEMBER: "desy"}
        assert await billing.take(message) == [], "the same command a second time"
    assert codes(billing.told) == ["StatementCertified", "StatementOrdered"]
    [(certified, ordered, reference, first, second)] = await billing.rows(
        "select certified_by, ordered_by, kassenzeichen, certification_claim::text, order_claim::text"
        " from statement_review"
    )
    assert (certified, ordered, reference) == ("anna", "bela", "26/0815-1")
    assert Claim.model_validate_json(str(first)) == CERTIFY.data.claim  # type: ignore[attr-defined]
    assert Claim.model_validate_json(str(second)) == ORDER.data.claim  # type: ignore[attr-defined]


async def test_what_is_out_of_turn_is_refused(billing: Desk) -> None:
    async with billing.engine.begin() as tx:
        await tx.execute(
            text(
                "insert into settlement (settlement_id, period, closed_at, state, document)"
                " values (:id, '2026-05', now(), 'draft', '{}')"
            ),
            {"id": uid(51)},
        )
    facts = await billing.take(
        by("desy/anna", certifying(period="2026-03"), 1),
        by("desy/anna", certifying(period="2026-05"), 2),
        by("desy/bela", ordering(period="2026-05"), 3),
        by("desy/bela", ordering(), 4),
        by("desy/anna", certifying(), 5),
        by("desy/bela", certifying(), 6),
        by("desy/anna", ordering(), 7),
        by("desy/bela", ordering(), 8),
        by("desy/anna", ordering(), 9),
    )
    assert codes(facts) == [
        "no_statement",
        "statement_not_issued",
        "statement_not_issued",
        "statement_not_certified",
        "StatementCertified",
        "statement_certified",
        "same_person_orders",
        "StatementOrdered",
        "statement_ordered",
    ]


async def test_who_is_not_entitled_changes_nothing(billing: Desk) -> None:
    of_another_command = dataclasses.replace(CERTIFY, id=uid(22))
    of_another_member = dataclasses.replace(OBJECT, sender="kit")
    facts = await billing.take(of_another_command, of_another_member, by("kit/anna", objecting(1), 20))
    assert codes(facts) == ["claim_invalid", "claim_invalid", "unknown_line"]
    assert await billing.rows("select * from statement_review") == []
    assert await billing.rows("select * from objection") == []


async def test_nobody_orders_what_they_certified_even_around_the_rules(
    billing: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await billing.take(CERTIFY)
    real = recipient.order

    def careless(command: Any, member: str, found: recipient.Received, *others: Any) -> object:
        return real(command, member, recipient.Received(**vars(found) | {"certified_by": "zoe"}), *others)

    monkeypatch.setattr(recipient, "order", careless)
    with pytest.raises(IntegrityError, match="statement_review"):
        await billing.take(by("desy/anna", ordering(), 3))
    await billing.take(ORDER)
    with pytest.raises(IntegrityError, match="decided in statement_review stands"):
        async with billing.engine.begin() as tx:
            await tx.execute(text("update statement_review set kassenzeichen = 'X'"))


async def test_of_two_who_certify_or_order_at_once_one_does(desk: NewDesk) -> None:
    first, second = await desks(desk, 2)
    for step, told, refused, number in (
        (certifying(), "StatementCertified", "statement_certified", 31),
        (ordering(), "StatementOrdered", None, 41),
    ):
        facts = await asyncio.gather(
            persistently(lambda step=step, number=number: first.take(by("desy/anna", step, number))),  # type: ignore[misc]
            persistently(lambda step=step, number=number: second.take(by("desy/bela", step, number + 1))),  # type: ignore[misc]
        )
        found = sorted(code for each in facts for code in codes(each))
        assert told in found
        assert len(found) == 2
        assert refused is None or refused in found
    [(certified, ordered)] = await first.rows("select certified_by, ordered_by from statement_review")
    assert {certified, ordered} == {"anna", "bela"}


async def test_without_its_guard_the_second_to_certify_fails(
    desk: NewDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await desks(desk, 2)
    statement = str(store._CERTIFY)
    assert "on conflict do nothing" in statement
    monkeypatch.setattr(store, "_CERTIFY", text(statement.replace("on conflict do nothing", "")))
    meet(monkeypatch, "received")
    facts = await asyncio.gather(
        first.take(by("desy/anna", certifying(), 31)),
        second.take(by("desy/bela", certifying(), 32)),
        return_exceptions=True,
    )
    assert [isinstance(each, IntegrityError) for each in facts].count(True) == 1


def meet(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let two transactions go on from a function of the store only when both have come through it."""
    real: Callable[..., Awaitable[object]] = getattr(store, name)
    came: list[object] = []
    both = asyncio.Event()

    async def meeting(*arguments: object) -> object:
        found = await real(*arguments)
        came.append(found)
        if len(came) == 2:
            both.set()
        await both.wait()
        return found

    monkeypatch.setattr(store, name, meeting)


# -- objections -----------------------------------------------------------------------------------


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
