"""Documents that are taken back and issued again."""

import asyncio
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError
from support.bodies import STANDARD, body, embodied
from support.builders import NOW, register, uid
from support.desk import Desk, NewDesk
from support.invoices import line, run

from allmende.schemas.bodies import TaxStatus
from allmende.schemas.invoices import Invoice
from allmende.schemas.register import SettlementRules
from allmende.schemas.rejections import Rejected
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.invoicing import store
from allmende.services.billing.invoicing.invoice import invoices_of, numbered
from allmende.services.billing.invoicing.reissue import refuse_reissue, reissue
from allmende.services.billing.invoicing.tax import treated

TAXED = {"tax_rules": (STANDARD.model_copy(update={"valid_from": dt.date(2026, 1, 1)}),)}
BODIES = embodied(register("desy", "lrz"), lrz=TAXED)
MOVED = embodied(
    register("desy", "lrz"),
    lrz=TAXED | {"tax_status": (TaxStatus(valid_from=dt.date(2026, 7, 1), vat_id="DE123456789"),)},
    desy={"name": "DESY neu", "leitweg_id": None},
)
LATER = dt.date(2027, 1, 7)


def one(*cents: int, kind: str = "charge") -> Invoice:
    lines = [line(number, each, kind=kind) for number, each in enumerate(cents, 1)]
    rules = SettlementRules(valid_from=dt.date(2026, 1, 1))
    made = invoices_of(uid(1), "2026-04", treated(lines, BODIES)[0], BODIES, rules, dt.date(2026, 6, 1))
    (found,) = numbered(made, {})
    return found


@given(st.lists(st.integers(-1000, 1000), min_size=1), st.sampled_from(["charge", "levy"]))
def test_the_three_sum_to_the_original(cents: list[int], kind: str) -> None:
    original = one(*cents, kind=kind)
    back, again = numbered(reissue(original, MOVED, "Anschrift", LATER), {})
    for name in ("net_cents", "tax_cents", "gross_cents"):
        amounts = [getattr(each.head, name) for each in (original, back, again)]
        assert amounts == [amounts[0], -amounts[0], amounts[0]]
    assert [each.net_cents for each in again.lines] == [-each.net_cents for each in back.lines] == cents
    assert [each.tax_cents for each in again.subtotals] == [-each.tax_cents for each in back.subtotals]
    assert again.head.kind == original.head.kind != back.head.kind
    assert len({each.head.invoice_id for each in (original, back, again)}) == 3
    for each in (back, again):
        assert each.head.preceding is not None
        assert each.head.preceding.number == original.head.number
        assert (each.head.reference, each.head.due_on) == (original.head.reference, original.head.due_on)
        assert (each.head.reason, each.head.issued_on) == ("Anschrift", LATER)
        assert each.head.keep_until == dt.date(2035, 12, 31)
        assert Invoice.model_validate_json(each.model_dump_json()) == each


@pytest.mark.parametrize(
    ("cents", "kind", "numbers"),
    [
        (100, "charge", ["lrz/R/2026/000001", "lrz/G/2027/000001", "lrz/R/2027/000001"]),
        (-100, "charge", ["lrz/G/2026/000001", "lrz/R/2027/000001", "lrz/G/2027/000001"]),
        (0, "charge", ["lrz/R/2026/000001", "lrz/G/2027/000001", "lrz/R/2027/000001"]),
        (100, "levy", ["lrz/U/2026/000001", "lrz/G/2027/000001", "lrz/U/2027/000001"]),
        (-100, "levy", ["lrz/U/2026/000001", "lrz/G/2027/000001", "lrz/U/2027/000001"]),
    ],
)
def test_each_has_a_number_of_its_series(cents: int, kind: str, numbers: list[str]) -> None:
    original = one(cents, kind=kind)
    pair = numbered(reissue(original, MOVED, "Anschrift", LATER), {})
    assert [each.head.number for each in (original, *pair)] == numbers


def test_the_bodies_are_those_of_today() -> None:
    original = one(100)
    for each in reissue(original, MOVED, "Name", LATER):
        assert each.recipient.body is not None
        assert (each.recipient.body.name, each.leitweg_id) == ("DESY neu", None)
        assert each.issuer.tax_status == TaxStatus(valid_from=dt.date(2026, 7, 1), vat_id="DE123456789")
        assert each.issuer.body is not None
        assert each.issuer.body.tax_rules == ()
    gone = embodied(register("lrz"))
    _, again = reissue(original, gone, "Name", LATER)
    assert (again.recipient, again.leitweg_id) == (original.recipient, body("desy").leitweg_id)


def test_what_takes_another_back_is_not_issued_again() -> None:
    for original in (one(100), one(-100), one(0), one(100, kind="levy")):
        back, again = numbered(reissue(original, MOVED, "Name", LATER), {})
        assert refuse_reissue(original, reissued=False) is None
        assert refuse_reissue(again, reissued=False) is None
        for each, done, code in ((back, False, "invoice_takes_back"), (original, True, "invoice_reissued")):
            refusal = refuse_reissue(each, reissued=done)
            assert refusal is not None
            assert refusal.code == code


# -- in the database -------------------------------------------------------------------------------


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    return await desk(BillingHandler(register("desy", "lrz"), 60))


@pytest.fixture
async def original(billing: Desk) -> Invoice:
    lines, _ = treated([line(1, 100)], BODIES)
    async with billing.engine.begin() as tx:
        id_ = await run(tx, 1, "2026-04", lines)
        (found,) = await store.issue(
            tx, settlement_id=id_, period="2026-04", lines=lines, register=BODIES, now=NOW
        )
    return found


async def again(billing: Desk, invoice: Invoice) -> tuple[Invoice, Invoice] | Rejected:
    async with billing.engine.begin() as tx:
        return await store.reissue(tx, invoice, register=MOVED, reason="Name", now=NOW)


async def test_a_document_is_issued_again_once_and_its_replacement_too(
    billing: Desk, original: Invoice
) -> None:
    first = await again(billing, original)
    assert isinstance(first, tuple)
    async with billing.engine.connect() as connection:
        numbers = [each.head.number for each in first]
        assert list((await store.named(connection, numbers)).values()) == list(first)
        assert await store.of_settlement(connection, uid(1)) == [original]
    refused = await again(billing, original)
    assert isinstance(refused, Rejected)
    assert refused.code == "invoice_reissued"
    second = await again(billing, first[1])
    assert isinstance(second, tuple)
    assert second[1].head.reference == original.head.reference
    rows = await billing.rows("select sum(gross_cents)::bigint, count(*) from invoice")
    assert rows == [(original.head.gross_cents, 5)]


async def test_two_at_once_issue_it_again_once(billing: Desk, original: Invoice) -> None:
    found = await asyncio.gather(*(again(billing, original) for _ in range(5)), return_exceptions=True)
    done = [each for each in found if isinstance(each, tuple)]
    assert len(done) == 1
    assert all(isinstance(each, tuple | Rejected | IntegrityError) for each in found)
    assert await billing.rows("select count(*) from invoice") == [(3,)]


async def test_the_database_refuses_a_second_time_on_its_own(
    billing: Desk, original: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    await again(billing, original)
    monkeypatch.setattr(store, "refuse_reissue", lambda *_, **__: None)
    with pytest.raises(IntegrityError, match="invoice_pkey"):
        await again(billing, original)
