"""Documents issued again: by whom, once, with what the register says now."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from support.bodies import UNSIGNED
from support.builders import booking, command, fact, record, report
from support.desk import Desk, NewDesk, codes, persistently
from support.reviews import by, market, settle

from allmende.schemas.claims import Claim
from allmende.schemas.invoices import Invoice
from allmende.schemas.registry import Audience
from allmende.schemas.statements import InvoiceReissued, ReissueInvoice
from allmende.servicekit.messages import Incoming
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.invoicing import store as invoicing_store

MOVED = market(desy={"leitweg_id": "991-33333TEST-33"})


def again(who: str, invoice: str, id_: int, **changes: Any) -> Incoming:
    given: dict[str, Any] = {"number": invoice, "reason": "Leitweg-ID berichtigt", "claim": UNSIGNED}
    return by(who, ReissueInvoice(**given | changes), id_)


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    """April is issued; since then desy has another Leitweg-ID."""
    old = await desk(BillingHandler(market(), 60))
    await old.take(fact(booking(), 1), command("lrz", report(record(amount=100)), 2))
    await settle(old, "2026-04", 3)
    return await desk(BillingHandler(MOVED, 60), shares=old)


async def issued(billing: Desk, numbers: Sequence[str]) -> list[Invoice]:
    async with billing.engine.connect() as connection:
        found = await invoicing_store.named(connection, numbers)
    return [found[number] for number in numbers]


async def only(billing: Desk) -> str:
    [(number,)] = await billing.rows("select number from invoice")
    return str(number)


async def test_a_document_is_taken_back_and_replaced_once(billing: Desk) -> None:
    number = await only(billing)
    message = again("lrz/anna", number, 10)
    (told,) = await billing.take(message)
    assert await billing.take(message) == [], "the same command a second time"
    assert isinstance(told.data, InvoiceReissued)
    assert told.parties == {Audience.CONSUMER: "desy", Audience.PROVIDER: "lrz"}
    numbers = [number, told.data.credit_note, told.data.replacement]
    before, back, after = await issued(billing, numbers)
    assert [each.head.gross_cents for each in (before, back, after)] == [10_000, -10_000, 10_000]
    assert [each.leitweg_id for each in (before, after)] == ["04011000-1234512345-06", "991-33333TEST-33"]
    assert (after.head.reference, after.head.due_on) == (before.head.reference, before.head.due_on)
    assert after.head.reason == back.head.reason == "Leitweg-ID berichtigt"
    [(claim,)] = await billing.rows("select claim::text from invoice_reissue")
    assert Claim.model_validate_json(str(claim)) == message.data.claim  # type: ignore[attr-defined]


async def test_who_may_not_or_too_often_is_refused(billing: Desk) -> None:
    number = await only(billing)
    facts = await billing.take(
        again("lrz/anna", "lrz/R/2026/999999", 10),
        again("kit/anna", number, 11),
        again("desy/anna", number, 12),
        again("office/bela", number, 13),
        again("lrz/anna", number, 14),
    )
    assert codes(facts) == [
        "unknown_invoice",
        "unknown_invoice",
        "not_your_invoice",
        "InvoiceReissued",
        "invoice_reissued",
    ]
    assert isinstance(facts[3].data, InvoiceReissued)
    assert codes(await billing.take(again("lrz/anna", facts[3].data.replacement, 15))) == ["InvoiceReissued"]


async def test_of_two_at_once_one_issues_it_again(billing: Desk, desk: NewDesk) -> None:
    number = await only(billing)
    other = await desk(BillingHandler(MOVED, 60), shares=billing)
    facts = await asyncio.gather(
        persistently(lambda: billing.take(again("lrz/anna", number, 10))),
        persistently(lambda: other.take(again("office/anna", number, 11))),
    )
    assert sorted(code for each in facts for code in codes(each)) == ["InvoiceReissued", "invoice_reissued"]
    assert await billing.rows("select count(*) from invoice") == [(3,)]
