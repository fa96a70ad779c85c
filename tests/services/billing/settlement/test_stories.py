"""Runs, alerts, the matrix, comparisons and the story of a line, as the office and members see them."""

import datetime as dt
from decimal import Decimal
from typing import TypeVar

import pytest
from support.bodies import STANDARD, UNSIGNED, closing, embodied, signed
from support.builders import OFFICE, booking, command, component, fact, record, register, report, tariff, uid
from support.desk import Desk, NewDesk, codes
from support.histories import changed, flat, noon

from allmende.schemas.billing import (
    ListSettlements,
    ReportUsage,
    Settlements,
    ShowStatement,
    Statement,
    UsageCancellation,
)
from allmende.schemas.contract import Contract
from allmende.schemas.permissions import Role
from allmende.schemas.register import JumpAlert, SettlementRules
from allmende.schemas.rejections import Rejected
from allmende.schemas.settlements import (
    CompareStatements,
    DraftSettlement,
    ExplainLine,
    LineStory,
    ListAlerts,
    Matrix,
    Run,
    RunAlerts,
    ServiceSum,
    SettleAlerts,
    ShowMatrix,
    ShowRun,
    StatementComparison,
)
from allmende.servicekit.queries import Caller
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.settlement.queries import answers

C = TypeVar("C", bound=Contract)
TAXED = STANDARD.model_copy(update={"valid_from": dt.date(2026, 1, 1)})
RULES = SettlementRules(valid_from=dt.date(2005, 1, 1), jump=JumpAlert(percent=100, cents=5_000))
MEMBERS = embodied(register("desy", "gsi", "lrz"), lrz={"tax_rules": (TAXED,)}).model_copy(
    update={"rules": (RULES,)}
)
ANSWERS = answers(MEMBERS)
PRICED = tariff(flat("10.00", "month"), component("1.00"))
DESY = booking(1, tariff=PRICED, start=dt.date(2026, 3, 1))
GSI = booking(2, tariff=PRICED, start=dt.date(2026, 4, 1), consumer="gsi")


async def ask(desk: Desk, name: str, asked: Contract, kind: type[C], who: str = OFFICE) -> C:
    found = await answered(desk, name, asked, who)
    assert isinstance(found, kind), found
    return found


async def answered(desk: Desk, name: str, asked: Contract, who: str = OFFICE) -> Contract | Rejected:
    office = who == OFFICE
    caller = Caller(who, Role.OFFICE if office else Role.MEMBER, sees_all=office)
    async with desk.engine.connect() as connection:
        return await ANSWERS[name](connection, caller, asked)


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    """March is issued; April is drafted, and its usage of desy is ten times that of March."""
    found = await desk(BillingHandler(MEMBERS, 60))
    march = [record(f"m{n}", 5, start=noon(f"2026-03-0{n}")) for n in range(1, 3)]
    await found.take(fact(DESY, 1), fact(GSI, 2), command("lrz", report(*march), 3))
    await found.take(*closing("2026-03", 10))
    april = [record(f"a{n}", 20, start=noon(f"2026-04-0{n}")) for n in range(1, 6)]
    await found.take(command("lrz", report(*april), 4))
    assert codes(await found.take(command(OFFICE, DraftSettlement(period="2026-04"), 20))) == [
        "SettlementDrafted"
    ]
    return found


async def test_members_see_nothing_of_a_draft(billing: Desk) -> None:
    for name, asked, code in [
        ("billing.settlement.show", ShowRun(period="2026-04"), "no_run"),
        ("billing.settlement.alerts", ListAlerts(period="2026-04"), "no_run"),
        ("billing.settlement.matrix", ShowMatrix(period="2026-04"), "no_run"),
        ("billing.statement.show", ShowStatement(period="2026-04"), "no_statement"),
        ("billing.statement.compare", CompareStatements(period="2026-04"), "no_run"),
        ("billing.line.explain", ExplainLine(period="2026-04", line=1), "unknown_line"),
        ("billing.line.explain", ExplainLine(period="2026-03", line=1, member="lrz"), "not_yours"),
    ]:
        refusal = await answered(billing, name, asked, "desy")
        assert isinstance(refusal, Rejected), name
        assert refusal.code == code


async def test_the_office_sees_the_draft_as_it_would_be_issued(billing: Desk) -> None:
    run = await ask(billing, "billing.settlement.show", ShowRun(period="2026-04"), Run)
    assert (run.state, run.revision, run.alerts, run.open_alerts, run.held_lines) == ("draft", 1, 1, 1, 1)
    assert (run.charges_cents, run.tax_cents, run.lines) == (2_000, 380, 3)
    assert (run.previous_period, run.previous_charges_cents) == ("2026-03", 2_000)
    asked = ShowStatement(period="2026-04", member="desy")
    shown = await ask(billing, "billing.statement.show", asked, Statement)
    assert (shown.state, shown.held, shown.statement.payable_cents) == ("draft", (2,), 1_190)
    assert shown.statement.payable[0].number is None
    found = await ask(billing, "billing.settlement.alerts", ListAlerts(period="2026-04"), RunAlerts)
    assert [(each.kind, each.line, each.previous_cents) for each in found.alerts] == [
        ("unusual_jump", 2, 1_000)
    ]
    released = SettleAlerts(
        period="2026-04", alerts=(1,), decision="released", reason="stimmt", claim=UNSIGNED
    )
    await billing.take(signed(OFFICE, "anna", released, 21))
    run = await ask(billing, "billing.settlement.show", ShowRun(period="2026-04"), Run)
    assert (run.charges_cents, run.tax_cents, run.open_alerts, run.held_lines) == (12_000, 2_280, 0, 0)
    matrix = await ask(billing, "billing.settlement.matrix", ShowMatrix(period="2026-04"), Matrix)
    assert [(c.provider, c.consumer, c.charges_cents, c.tax_cents, c.lines) for c in matrix.cells] == [
        ("lrz", "desy", 11_000, 2_090, 2),
        ("lrz", "gsi", 1_000, 190, 1),
    ]
    await billing.take(*closing("2026-04", 20)[1:])
    issued = await ask(billing, "billing.settlement.matrix", ShowMatrix(period="2026-04"), Matrix)
    assert issued.cells == matrix.cells
    own = await ask(billing, "billing.settlement.matrix", ShowMatrix(period="2026-04"), Matrix, "gsi")
    assert own.cells == matrix.cells[1:]
    statement = await ask(
        billing, "billing.statement.show", ShowStatement(period="2026-04"), Statement, "desy"
    )
    assert (statement.state, statement.held, statement.statement.payable_cents) == ("issued", (), 13_090)
    run = await ask(billing, "billing.settlement.show", ShowRun(period="2026-04"), Run, "gsi")
    assert (run.state, run.reviewed_by, run.approved_by) == ("issued", "anna", "bela")


async def test_providers_see_the_alerts_of_their_own_lines(billing: Desk) -> None:
    held = SettleAlerts(period="2026-04", alerts=(1,), decision="held", reason="unklar", claim=UNSIGNED)
    await billing.take(signed(OFFICE, "anna", held, 21), *closing("2026-04", 20)[1:])
    asked = ListAlerts(period="2026-04")
    (alert,) = (await ask(billing, "billing.settlement.alerts", asked, RunAlerts, "lrz")).alerts
    assert (alert.decision, alert.decided_by, alert.reason) == ("held", "anna", "unklar")
    assert not (await ask(billing, "billing.settlement.alerts", asked, RunAlerts, "desy")).alerts
    still_open = ListAlerts(period="2026-04", open_only=True)
    assert not (await ask(billing, "billing.settlement.alerts", still_open, RunAlerts)).alerts


async def test_a_statement_is_compared_by_service(billing: Desk) -> None:
    released = SettleAlerts(period="2026-04", alerts=(1,), decision="released", reason="-", claim=UNSIGNED)
    await billing.take(signed(OFFICE, "anna", released, 21), *closing("2026-04", 20)[1:])
    asked = CompareStatements(period="2026-04")
    found = await ask(billing, "billing.statement.compare", asked, StatementComparison, "desy")
    assert found.against == "2026-03"
    assert [
        (s.direction, s.title, s.unit, s.quantity, s.amount_cents, s.previous_cents, s.difference_cents)
        for s in found.services
    ] == [
        ("payable", "Stunden", "h", Decimal(100), 10_000, 1_000, 9_000),
        ("payable", "base", "Monat", Decimal(1), 1_000, 1_000, 0),
    ]
    pages: list[ServiceSum] = []
    after: int | None = 0
    while after is not None:
        page = await ask(
            billing,
            "billing.statement.compare",
            asked.model_copy(update={"after": after, "limit": 1}),
            StatementComparison,
            "desy",
        )
        pages += page.services
        after = page.next_after
    assert tuple(pages) == found.services


async def test_a_line_is_told_down_to_its_records(billing: Desk) -> None:
    asked = ExplainLine(period="2026-03", line=2)
    told = await ask(billing, "billing.line.explain", asked, LineStory, "desy")
    assert (told.line.component, told.invoice_number) == ("hours", "lrz/R/2026/000001")
    assert told.treatment is not None
    assert (told.treatment.rule, told.treatment.rate_percent) == ("regelsteuersatz", Decimal(19))
    assert told.priced_by is not None
    assert told.priced_by.component == PRICED.components[1]
    assert told.booking == DESY
    assert [each.id for each in told.records] == ["m1", "m2"]
    assert told.related == ()
    first = await ask(
        billing, "billing.line.explain", asked.model_copy(update={"limit": 1}), LineStory, "desy"
    )
    assert ([each.id for each in first.records], first.next_after) == (["m1"], 1)
    unknown = await answered(billing, "billing.line.explain", ExplainLine(period="2026-03", line=9), "desy")
    assert isinstance(unknown, Rejected)


async def test_a_line_that_is_taken_back_leads_to_what_takes_it_back(billing: Desk) -> None:
    gone = ReportUsage(cancellations=(UsageCancellation(id="x", cancels="m1", reason="doppelt"),))
    billing.now += dt.timedelta(days=1)
    await billing.take(command("lrz", gone, 30), fact(changed(1, DESY, end=dt.date(2026, 6, 30)), 31))
    await billing.take(command(OFFICE, DraftSettlement(period="2026-04"), 32))
    asked = ExplainLine(period="2026-03", line=2, member="desy")
    told = await ask(billing, "billing.line.explain", asked, LineStory)
    assert [(period, line.cause, line.amount_cents) for period, line in told.related] == [
        ("2026-04", "reversal", -1_000)
    ]
    assert [each.id for each in told.records] == ["m1", "m2"], "as it was charged"
    own = await ask(billing, "billing.line.explain", ExplainLine(period="2026-03", line=2), LineStory, "desy")
    assert own.related == (), "a member sees nothing of a draft"
    back = told.related[0][1].line
    reverse = await ask(
        billing, "billing.line.explain", ExplainLine(period="2026-04", line=back, member="desy"), LineStory
    )
    assert [(period, line.line) for period, line in reverse.related] == [("2026-03", 2)]


async def test_settlements_are_listed_page_by_page(desk: NewDesk) -> None:
    found = await desk(BillingHandler(MEMBERS, 60))
    for number, period in enumerate(("2026-01", "2026-02", "2026-03"), 1):
        await found.take(*closing(period, 10 * number))
    await found.take(command(OFFICE, DraftSettlement(period="2026-04"), 90))
    asked = ListSettlements(limit=2)
    first = await ask(found, "billing.settlement.list", asked, Settlements, "desy")
    assert [each.period for each in first.settlements] == ["2026-03", "2026-02"]
    assert all([p.party for p in each.positions] == ["desy"] for each in first.settlements)
    rest = asked.model_copy(update={"after": first.next_after})
    second = await ask(found, "billing.settlement.list", rest, Settlements)
    assert ([each.period for each in second.settlements], second.next_after) == (["2026-01"], None)
    assert uid(10) == second.settlements[0].settlement_id
