"""The tables of payments on a ledger that is there: who may post, and what stays as it was."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from support.bodies import embodied
from support.builders import register, uid
from support.desk import Desk, NewDesk
from support.owing import issue
from support.paying import arranging
from support.posting import entries, verified

from allmende.services.billing.handlers import BillingHandler

BODIES = embodied(register("desy", "lrz"))
INSERT = text(
    "insert into journal_entry (entry_id, sequence, value_date, booked_at, kind, narration, reference,"
    " previous_hash, hash) values (:id, 1000, '2026-06-01', now(), :kind, 'x', 'x', 'x', 'x')"
)


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    found = await desk(BillingHandler(BODIES, 60))
    await issue(found, BODIES, 1, ("desy", "lrz", 10))
    return found


@pytest.mark.parametrize(
    ("kind", "taken"), [("netting", True), ("payment", True), ("charge", False), ("levy", False)]
)
async def test_only_nettings_and_payments_post_without_a_run(billing: Desk, kind: str, taken: bool) -> None:
    async with billing.engine.connect() as tx:
        if taken:
            await tx.execute(INSERT, {"id": uid(9), "kind": kind})
        else:
            with pytest.raises(IntegrityError, match="journal_entry_has_a_source"):
                await tx.execute(INSERT, {"id": uid(9), "kind": kind})


async def test_the_chain_goes_on(billing: Desk) -> None:
    before = await entries(billing)
    await billing.take(arranging())
    after = await entries(billing)
    assert after[: len(before)] == before
    assert len(after) > len(before)
    assert {each.settlement_id for each in after[len(before) :]} == {None}
    assert (await verified(billing)).broken is None


async def test_a_document_is_applied_only_where_it_is_one(billing: Desk) -> None:
    for document, cents in (("lrz/R/2026/000001", 11), ("lrz/R/2026/000009", 10)):
        with pytest.raises(IntegrityError, match="foreign key"):
            async with billing.engine.begin() as tx:
                await tx.execute(
                    text("insert into document_balance (document, gross_cents) values (:document, :cents)"),
                    {"document": document, "cents": cents},
                )
