"""What reports say, and to whom."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from support import pooled
from support.bodies import NOT_TAXABLE, STANDARD, embodied
from support.builders import command, register
from support.desk import Desk, NewDesk
from support.invoices import line, run
from support.reported import BODIES, IN_2027, april, declares, pool

from allmende.schemas.clause import Calculate, Share, Step
from allmende.schemas.contract import Contract
from allmende.schemas.permissions import Role
from allmende.schemas.pools import CarryForward, Participant
from allmende.schemas.rejections import Rejected
from allmende.schemas.reports import (
    ExactCost,
    OpenMarketShare,
    ReportExactCost,
    ReportOpenMarket,
    ReportTreatments,
    Treatments,
)
from allmende.servicekit.queries import Caller
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.invoicing import store as invoicing_store
from allmende.services.billing.invoicing.tax import treated
from allmende.services.billing.queries import answers

OFFICE = Caller("office", Role.OFFICE, sees_all=True)


def member(name: str) -> Caller:
    return Caller(name, Role.MEMBER, sees_all=False)


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    return await desk(BillingHandler(BODIES, 60), now=IN_2027)


async def ask(desk: Desk, name: str, caller: Caller, asked: Contract) -> Any:
    async with desk.engine.connect() as connection:
        return await answers(BODIES)[name](connection, caller, asked)


# -- treatments -------------------------------------------------------------------------------------

TURNED = embodied(
    register("desy", "gsi", "lrz"), lrz={"tax_rules": (NOT_TAXABLE, STANDARD)}, office={"tax_rules": ()}
)


async def february(desk: Desk) -> None:
    """Billed in February 2027: services of 2026 and of 2027, and what another supplies without rules."""
    of_2027 = {"service_from": dt.date(2027, 1, 1), "service_to": dt.date(2027, 1, 31)}
    lines, undecided = treated(
        [
            line(1, 100),
            line(2, 50),
            line(3, 30, **of_2027),
            line(4, 7, payer="gsi", **of_2027),
            line(5, 9, payer="gsi", payee="office"),
        ],
        TURNED,
    )
    assert undecided == []
    async with desk.engine.begin() as tx:
        id_ = await run(tx, 1, "2027-01", lines, now=IN_2027)
        given = {"settlement_id": id_, "period": "2027-01", "register": TURNED, "now": IN_2027}
        invoices = await invoicing_store.issue(tx, lines=lines, **given)  # type: ignore[arg-type]
        await invoicing_store.reissue(tx, invoices[0], register=TURNED, reason="Name", now=IN_2027)


async def treatments(desk: Desk, caller: Caller, **asked: Any) -> list[tuple[object, ...]]:
    found = await ask(desk, "billing.report.treatments", caller, ReportTreatments(year=2027, **asked))
    assert isinstance(found, Treatments)
    return [
        (
            each.consumer,
            each.service_year,
            each.treatment and each.treatment.rule,
            each.lines,
            each.net_cents,
        )
        for each in found.sums
    ]


async def test_treatments_stand_with_their_reasons_by_year_of_the_service(billing: Desk) -> None:
    await february(billing)
    of_2026 = ("desy", 2026, NOT_TAXABLE.id, 2, 150)
    of_2027 = ("desy", 2027, STANDARD.id, 1, 30)
    of_gsi = ("gsi", 2027, STANDARD.id, 1, 7)
    of_office = ("gsi", 2026, None, 1, 9)
    assert await treatments(billing, OFFICE) == [of_2026, of_2027, of_gsi, of_office]
    assert await treatments(billing, OFFICE, member="desy") == [of_2026, of_2027]
    assert await treatments(billing, member("desy")) == [of_2026, of_2027]
    assert await treatments(billing, member("lrz")) == [of_2026, of_2027, of_gsi]
    assert await treatments(billing, member("gsi")) == [of_gsi, of_office]
    found = await ask(billing, "billing.report.treatments", OFFICE, ReportTreatments(year=2027, limit=1))
    assert isinstance(found, Treatments)
    assert found.sums[0].treatment is not None
    assert found.sums[0].treatment.basis == NOT_TAXABLE.basis
    assert found.sums[0].treatment.decided_on == NOT_TAXABLE.decided_on
    assert await ask(billing, "billing.report.treatments", OFFICE, ReportTreatments(year=2026)) == Treatments(
        year=2026, sums=(), next_after=None
    )


async def test_treatments_come_page_by_page(billing: Desk) -> None:
    await february(billing)
    seen, after = [], 0
    while True:
        asked = ReportTreatments(year=2027, after=after, limit=3)
        page = await ask(billing, "billing.report.treatments", OFFICE, asked)
        seen += page.sums
        if page.next_after is None:
            break
        after = page.next_after
    whole = await ask(billing, "billing.report.treatments", OFFICE, ReportTreatments(year=2027))
    assert tuple(seen) == whole.sums
    assert sum(each.net_cents for each in seen) == 196


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("billing.report.treatments", ReportTreatments(year=2027, member="lrz")),
        ("billing.report.market", ReportOpenMarket(year=2027, member="lrz")),
    ],
)
async def test_what_another_turns_over_is_not_told(billing: Desk, name: str, asked: Contract) -> None:
    refused = await ask(billing, name, member("desy"), asked)
    assert isinstance(refused, Rejected)
    assert refused.code == "report_not_yours"
    assert not isinstance(await ask(billing, name, member("lrz"), asked), Rejected)
    assert not isinstance(await ask(billing, name, OFFICE, asked), Rejected)


# -- exact cost -------------------------------------------------------------------------------------


async def proof(desk: Desk, caller: Caller = OFFICE) -> ExactCost:
    found = await ask(desk, "billing.report.cost", caller, ReportExactCost(year=2026))
    assert isinstance(found, ExactCost)
    return found


async def test_a_pool_charges_what_it_costs_and_nothing_beyond(billing: Desk) -> None:
    await pool(
        billing,
        [
            ("office", pooled.advancing(900)),
            ("lrz", pooled.cost("a", 1_000)),
            ("gsi", pooled.cost("b", 50)),
            ("gsi", pooled.cost("c", 51, corrects="b")),
        ],
    )
    open_ = await proof(billing)
    assert (open_.proven, open_.pools[0].state, open_.pools[0].charged_cents) == (False, "open", 900)
    await billing.take(command("office", pooled.settling("2026-05"), 200))
    found = await proof(billing)
    (only,) = found.pools
    assert (only.cost_cents, only.charged_cents, only.carried_cents, only.markup_cents) == (
        1_051,
        1_051,
        0,
        0,
    )
    assert (only.state, found.proven) == ("settled", True)
    await billing.take(command("lrz", pooled.cost("d", 100), 201))
    late = await proof(billing)
    assert (late.proven, late.pools[0].state, late.pools[0].markup_cents) == (False, "open", -100)


async def test_what_is_carried_into_another_pool_is_no_mark_up(billing: Desk) -> None:
    second = pooled.opening(pool_id="rz-2")
    await pool(
        billing,
        [
            ("office", second),
            ("office", pooled.advancing(1_000)),
            ("lrz", pooled.cost("a", 900)),
            (
                "office",
                pooled.settling("2026-03", carry_forward=CarryForward(into="rz-2", what="surplus")),
            ),
            ("lrz", pooled.cost("b", 400, pool_id="rz-2")),
            ("office", pooled.settling("2026-03", pool_id="rz-2")),
        ],
    )
    found = await proof(billing)
    assert [
        (each.pool_id, each.cost_cents, each.charged_cents, each.carried_cents, each.markup_cents)
        for each in found.pools
    ] == [("rz-2", 400, 300, -100, 0), ("rz-2026", 900, 1_000, 100, 0)]
    assert found.proven


async def test_a_clause_that_adds_to_its_costs_is_not_proven(billing: Desk) -> None:
    more = Step(id="more", title="Aufschlag", calculate=Calculate(add=("costs",), percent=Decimal(105)))
    shared = Step(id="share", title="Umlage", share=Share(amount="more", by="people", prorate="day"))
    await pool(billing, [])
    told = pooled.opening(pool_id="teuer", clause=pooled.clause(more, shared, exact_cost="more"))
    await billing.take(
        command("office", told, 300),
        command("lrz", pooled.cost("x", 100, pool_id="teuer"), 301),
        command("office", pooled.settling("2026-05", pool_id="teuer"), 302),
    )
    found = [each for each in (await proof(billing)).pools if each.pool_id == "teuer"]
    assert [(each.state, each.charged_cents, each.markup_cents) for each in found] == [("settled", 105, 5)]
    assert not (await proof(billing)).proven


async def test_a_member_sees_the_proof_of_its_own_pools(billing: Desk) -> None:
    await pool(billing, [("office", pooled.opening(Participant(member="desy"), pool_id="rz-3"))])
    seen = {
        name: [each.pool_id for each in (await proof(billing, member(name))).pools]
        for name in ("desy", "lrz")
    }
    assert seen == {"desy": ["rz-2026", "rz-3"], "lrz": ["rz-2026", "rz-3"]}
    assert (await proof(billing, member("nobody"))).pools == ()


# -- the open market --------------------------------------------------------------------------------


async def market(desk: Desk, year: int = 2026, name: str = "lrz") -> OpenMarketShare:
    found = await ask(desk, "billing.report.market", member(name), ReportOpenMarket(year=year))
    assert isinstance(found, OpenMarketShare)
    return found


async def test_the_ledger_tells_what_is_turned_over_within(billing: Desk) -> None:
    await april(billing, 800)
    years = [each.within_cents for each in (await market(billing)).years]
    assert years == [0, 0, 800]
    assert [each.within_cents for each in (await market(billing, name="desy")).years] == [0, 0, 0]
    assert (await market(billing)).share_percent is None
    await billing.take(
        declares("lrz", 2024, 0, 50), declares("lrz", 2025, 0, 51), declares("lrz", 2026, 900, 52)
    )
    assert ((found := await market(billing)).share_percent, found.below_limit) == ("52.94", False)
    await billing.take(declares("lrz", 2026, 199, 53))
    found = await market(billing)
    assert (found.share_percent, found.below_limit) == ("19.91", True)
    assert found.years[2].open_market_cents == 199


async def test_turnover_within_is_net(desk: NewDesk) -> None:
    taxed = STANDARD.model_copy(update={"valid_from": dt.date(2026, 1, 1)})
    bodies = embodied(register("desy", "gsi", "lrz"), lrz={"tax_rules": (taxed,)})
    billing = await desk(BillingHandler(bodies, 60), now=IN_2027)
    await april(billing, 800)
    assert await billing.rows("select gross_cents from invoice") == [(952,)]
    assert (await market(billing)).years[2].within_cents == 800
