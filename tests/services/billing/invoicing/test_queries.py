"""Documents are listed page by page, for those whom they concern."""

from typing import Any

import pytest
from support.bodies import embodied
from support.builders import NOW, register
from support.desk import Desk, NewDesk
from support.invoices import line, run

from allmende.schemas.invoices import Invoices, ListInvoices
from allmende.schemas.permissions import Role
from allmende.schemas.rejections import Rejected
from allmende.servicekit.queries import PAGE_BYTES_MAX, Caller
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.invoicing import store
from allmende.services.billing.invoicing.queries import list_invoices

MEMBERS = ("desy", "kit", "lrz")
BODIES = embodied(register(*MEMBERS))
OFFICE = Caller("office", Role.OFFICE, sees_all=True)


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    """Two runs in which everybody bills everybody."""
    found = await desk(BillingHandler(BODIES, 60))
    pairs = [(a, b) for a in MEMBERS for b in MEMBERS if a != b]
    lines = [line(number, payer=a, payee=b) for number, (a, b) in enumerate(pairs, 1)]
    async with found.engine.begin() as tx:
        for number, period in enumerate(("2026-04", "2026-05"), 1):
            given = {"settlement_id": await run(tx, number, period, lines), "period": period, "now": NOW}
            await store.issue(tx, lines=lines, register=BODIES, **given)  # type: ignore[arg-type]
    return found


async def listed(desk: Desk, caller: Caller, **asked: Any) -> Invoices | Rejected:
    async with desk.engine.connect() as connection:
        return await list_invoices(connection, caller, ListInvoices(**asked))


async def numbers(desk: Desk, caller: Caller, **asked: Any) -> list[str]:
    found = await listed(desk, caller, **asked)
    assert isinstance(found, Invoices)
    assert found.next_after is None
    return [each.number for each in found.invoices]


async def test_a_member_sees_what_it_issued_and_received(billing: Desk) -> None:
    everything = await numbers(billing, OFFICE)
    assert everything == sorted(f"{each}/R/2026/{n:06d}" for each in MEMBERS for n in range(1, 5))
    desy = Caller("desy", Role.MEMBER, sees_all=False)
    own = await numbers(billing, desy)
    assert len(own) == 8
    assert own == await numbers(billing, desy, member="desy") == await numbers(billing, OFFICE, member="desy")
    assert await numbers(billing, desy, period="2026-05") == [
        "desy/R/2026/000003",
        "desy/R/2026/000004",
        "kit/R/2026/000003",
        "lrz/R/2026/000003",
    ]
    refused = await listed(billing, desy, member="kit")
    assert isinstance(refused, Rejected)
    assert refused.code == "report_not_yours"
    assert await numbers(billing, Caller("gsi", Role.MEMBER, sees_all=False)) == []


async def test_documents_come_page_by_page(billing: Desk) -> None:
    seen: list[str] = []
    after: str | None = None
    while True:
        page = await listed(billing, OFFICE, after=after, limit=5)
        assert isinstance(page, Invoices)
        assert len(page.model_dump_json()) < PAGE_BYTES_MAX
        seen += [each.number for each in page.invoices]
        after = page.next_after
        if after is None:
            break
    assert seen == await numbers(billing, OFFICE)
