"""Persons certify and order, with a real database: twice, around the rules, two at once."""

import asyncio
import dataclasses
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from support.bodies import UNSIGNED, person
from support.builders import uid
from support.desk import Desk, NewDesk, codes, persistently
from support.reviews import (
    by,
    certifying,
    deciding,
    desks,
    market,
    meet,
    objecting,
    ordering,
    reversing,
    withdrawing,
)

from allmende.schemas.bodies import Duty
from allmende.schemas.claims import Claim
from allmende.schemas.registry import Audience
from allmende.schemas.statements import ReissueInvoice
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.review import recipient, store

CERTIFY = by("desy/anna", certifying(remark="stimmt"), 1)
ORDER = by("desy/bela", ordering(), 2)
OBJECT = by("desy/anna", objecting(1), 10)


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    return (await desks(desk))[0]


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


async def test_each_step_needs_its_duty(desk: NewDesk) -> None:
    register = market()
    clerks = {
        member.id: person(member.id, "anna", *(set(Duty) - {Duty.TREASURY, Duty.REVIEW}))
        for member in register.members
    }
    members = tuple(
        each.model_copy(update={"persons": (person(each.id, "anna", Duty.TREASURY, Duty.REVIEW),)})
        for each in register.members
    )
    billing = await desk(BillingHandler(register.model_copy(update={"members": members}), 60))
    steps = [
        by("desy/anna", certifying(), 1),
        by("desy/anna", ordering(), 2),
        by("desy/anna", objecting(1), 3),
        by("lrz/anna", deciding(3), 4),
        by("desy/anna", withdrawing(3), 5),
        by("office/anna", reversing(9), 6),
        by("lrz/anna", ReissueInvoice(number="lrz/R/2026/000001", reason="x", claim=UNSIGNED), 7),
    ]
    assert codes(await billing.take(*steps)) == ["duty_missing"] * len(steps)
    others = tuple(each.model_copy(update={"persons": (clerks[each.id],)}) for each in register.members)
    entitled = await desk(BillingHandler(register.model_copy(update={"members": others}), 60))
    assert "duty_missing" not in codes(await entitled.take(*steps)), "whoever has the duties gets further"


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
