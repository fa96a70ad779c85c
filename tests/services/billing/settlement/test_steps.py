"""Runs through the handler: who may do what, what is held, and what an issue leaves behind."""

import asyncio
import datetime as dt
from typing import Any

import pytest
from sqlalchemy import text
from support.bodies import NOT_TAXABLE, STANDARD, UNSIGNED, closing, embodied, signed
from support.builders import (
    NOW,
    OFFICE,
    booking,
    command,
    component,
    fact,
    record,
    register,
    report,
    tariff,
    uid,
)
from support.desk import Desk, NewDesk, codes
from support.histories import amended, changed, flat, noon
from support.usage_histories import metered

from allmende.schemas.billing import SettlementClosed, StatementIssued
from allmende.schemas.bodies import BudgetItem
from allmende.schemas.register import JumpAlert, MemberRegister, SettlementRules
from allmende.schemas.settlements import (
    AlertsSettled,
    ApproveSettlement,
    Decision,
    DraftSettlement,
    ReviewSettlement,
    RunAlert,
    SettleAlerts,
    SettlementDrafted,
)
from allmende.servicekit.messages import Incoming
from allmende.services.billing.handlers import BillingHandler

TAXED = STANDARD.model_copy(update={"valid_from": dt.date(2026, 1, 1)})
MONTHLY = booking(tariff=tariff(flat("10.00", "month"), component("1.00")), start=dt.date(2026, 1, 1))


def rules(**changes: Any) -> tuple[SettlementRules, ...]:
    return (SettlementRules(valid_from=dt.date(2005, 1, 1), **changes),)


def bodies(*, settlement: tuple[SettlementRules, ...] = (), **changes: Any) -> MemberRegister:
    given = {"lrz": {"tax_rules": (TAXED,)}} | changes
    found = embodied(register("desy", "gsi", "lrz"), **given)
    return found.model_copy(update={"rules": settlement})


def draft(period: str, number: int, reason: str | None = None) -> Incoming:
    return command(OFFICE, DraftSettlement(period=period, reason=reason), number)


def review(period: str, number: int, who: str = "anna", revision: int = 1) -> Incoming:
    return signed(OFFICE, who, ReviewSettlement(period=period, revision=revision, claim=UNSIGNED), number)


def approve(period: str, number: int, who: str = "bela", revision: int = 1) -> Incoming:
    return signed(OFFICE, who, ApproveSettlement(period=period, revision=revision, claim=UNSIGNED), number)


def decide(period: str, number: int, decision: Decision, *alerts: int, who: str = "anna") -> Incoming:
    data = SettleAlerts(
        period=period, alerts=alerts or (1,), decision=decision, reason="geklärt", claim=UNSIGNED
    )
    return signed(OFFICE, who, data, number)


async def alerts(desk: Desk, number: int) -> list[tuple[str, int | None, int | None, str | None]]:
    found = await desk.rows(
        "select document::text, decision from run_alert where settlement_id = :id order by alert",
        id=uid(number),
    )
    read = [(RunAlert.model_validate_json(str(row[0])), row[1]) for row in found]
    assert all(each.message_de and each.message_en for each, _ in read)
    return [(each.kind, each.line, each.previous_cents, str(said) if said else None) for each, said in read]


async def amounts(desk: Desk, period: str) -> list[int]:
    rows = await desk.rows(
        "select amount_cents from charge_line join settlement using (settlement_id)"
        " where period = :period order by line",
        period=period,
    )
    return [int(str(row[0])) for row in rows]


async def settled(desk: Desk, *messages: Incoming) -> SettlementClosed:
    told = [each.data for each in await desk.deliver(messages, 1)]
    assert isinstance(told[-1], SettlementClosed), codes(desk.told)[-5:]
    return told[-1]


# -- steps ----------------------------------------------------------------------------------------


async def test_each_step_is_refused_to_whoever_may_not_take_it(desk: NewDesk) -> None:
    billing = await desk(BillingHandler(bodies(), 60))
    await billing.take(fact(MONTHLY, 1))
    steps = [
        (review("2026-04", 10), "no_run"),
        (approve("2026-04", 11), "no_run"),
        (draft("2026-04", 12), "SettlementDrafted"),
        (draft("2026-05", 13), "another_run_open"),
        (approve("2026-04", 14), "run_not_reviewed"),
        (review("2026-04", 15, "nobody"), None),
        (draft("2026-04", 16), "SettlementDrafted"),
        (review("2026-04", 17, revision=1), "run_revision_changed"),
        (review("2026-04", 18, revision=2), "SettlementReviewed"),
        (approve("2026-04", 19, "anna", revision=2), "same_person"),
        (draft("2026-04", 20), "redraft_without_reason"),
        (draft("2026-04", 21, "Nachzügler"), "SettlementDrafted"),
        (approve("2026-04", 22, revision=3), "run_not_reviewed"),
        (review("2026-04", 23, revision=3), "SettlementReviewed"),
        (approve("2026-04", 24, revision=3), "SettlementClosed"),
        (approve("2026-04", 25, revision=3), "run_issued"),
        (draft("2026-04", 26, "noch einmal"), "period_closed"),
        (draft("2026-05", 27), "SettlementDrafted"),
    ]
    for message, expected in steps:
        if expected is not None:
            assert codes(await billing.take(message))[-1] == expected
            assert await billing.take(message) == [], "a repetition has no effect"
    told = next(each.data for each in billing.told if isinstance(each.data, SettlementClosed))
    assert (told.settlement_id, told.reviewed_by, told.approved_by) == (uid(12), "anna", "bela")
    assert [each.data.revision for each in billing.told if isinstance(each.data, SettlementDrafted)] == [
        1,
        2,
        3,
        1,
    ]


async def test_a_step_needs_a_person_of_the_office_with_its_duty(desk: NewDesk) -> None:
    billing = await desk(BillingHandler(bodies(), 60))
    await billing.take(draft("2026-04", 1))
    forged = review("2026-04", 2)
    stranger = signed("lrz", "anna", ReviewSettlement(period="2026-04", revision=1, claim=UNSIGNED), 3).data
    assert codes(await billing.take(command(OFFICE, forged.data, 4))) == ["claim_invalid"]
    assert codes(await billing.take(command(OFFICE, stranger, 5))) == ["claim_invalid"]


async def test_the_database_refuses_one_person_for_both_steps(desk: NewDesk) -> None:
    billing = await desk(BillingHandler(bodies(), 60))
    await billing.take(draft("2026-04", 1), review("2026-04", 2))
    async with billing.engine.connect() as tx:
        with pytest.raises(Exception, match="settlement_check"):
            await tx.execute(
                text("update settlement set state = 'issued', approved_by = reviewed_by, issued_at = now()")
            )


async def test_a_run_waits_for_its_days_of_grace(desk: NewDesk) -> None:
    waiting = bodies(settlement=rules(grace_days=40))
    billing = await desk(BillingHandler(waiting, 60))
    await billing.take(draft("2026-04", 1))
    assert codes(await billing.take(review("2026-04", 2))) == ["run_in_grace"]
    billing.now += dt.timedelta(days=10)
    assert codes(await billing.take(review("2026-04", 3))) == ["SettlementReviewed"]


async def test_late_records_are_in_the_next_draft_and_counted(desk: NewDesk) -> None:
    billing = await desk(BillingHandler(bodies(), 60))
    await billing.take(fact(MONTHLY, 1), command("lrz", report(record("a", 5)), 2), draft("2026-04", 3))
    assert await amounts(billing, "2026-04") == [*[1_000] * 4, 500]
    billing.now += dt.timedelta(days=1)
    await billing.take(command("lrz", report(record("b", 7)), 4))
    (told,) = await billing.take(draft("2026-04", 5))
    assert isinstance(told.data, SettlementDrafted)
    assert (told.data.late_records, told.data.usage_records, told.data.revision) == (1, 2, 2)
    assert sorted(await amounts(billing, "2026-04")) == [*[1_000] * 4, 1_200]


# -- alerts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("decision", ["released", "held"])
async def test_a_line_without_a_decision_on_vat_is_held_until_it_is_released(
    desk: NewDesk, decision: Decision
) -> None:
    rule = NOT_TAXABLE.model_copy(update={"valid_until": dt.date(2026, 3, 31)})
    billing = await desk(BillingHandler(bodies(lrz={"tax_rules": (rule,)}), 60))
    await billing.take(fact(MONTHLY, 1), draft("2026-04", 2), review("2026-04", 3))
    assert await amounts(billing, "2026-04") == [1_000] * 4
    assert await alerts(billing, 2) == [("tax_undecided", 4, None, None)]
    assert codes(await billing.take(approve("2026-04", 4))) == ["alerts_open"]
    (told,) = await billing.take(decide("2026-04", 5, decision))
    assert isinstance(told.data, AlertsSettled)
    assert told.data.open == 0
    closed = await settled(billing, approve("2026-04", 6))
    released = decision == "released"
    assert (closed.charges_cents, closed.held_lines) == (4_000 if released else 3_000, not released)
    statement = next(
        each.data
        for each in billing.told
        if isinstance(each.data, StatementIssued) and each.data.member == "desy"
    )
    assert statement.payable_cents == closed.charges_cents
    assert sum(item.lines for item in statement.payable) == 3 + released
    posted = await billing.rows(
        "select sum(amount_cents) from posting where account = 'lrz:forderungen:desy'"
    )
    assert posted == [(closed.charges_cents,)]
    await billing.take(draft("2026-05", 7))
    assert await amounts(billing, "2026-05") == ([1_000] if released else [1_000, 1_000])
    kinds = [kind for kind, *_ in await alerts(billing, 7)]
    assert kinds == ["tax_undecided"] if released else ["held_before", "tax_undecided", "tax_undecided"]


async def test_what_is_held_comes_up_again_with_its_story_until_it_is_charged_once(desk: NewDesk) -> None:
    jumpy = bodies(settlement=rules(jump=JumpAlert(percent=50, cents=100)))
    billing = await desk(BillingHandler(jumpy, 60))
    march = MONTHLY.model_copy(update={"start": dt.date(2026, 3, 1)})
    await billing.take(fact(march, 1), command("lrz", report(record("a", 5, start=noon("2026-03-03"))), 2))
    await settled(billing, *closing("2026-03", 10))
    await billing.take(command("lrz", report(record("b", 50)), 3), draft("2026-04", 20))
    (found,) = await alerts(billing, 20)
    assert (found[0], found[2]) == ("unusual_jump", 500)
    await settled(billing, decide("2026-04", 21, "held"), review("2026-04", 22), approve("2026-04", 23))
    for number, period in ((30, "2026-05"), (40, "2026-02")):
        await billing.take(draft(period, number))
        assert [kind for kind, *_ in await alerts(billing, number)] == ["held_before"]
        if number == 30:
            await settled(billing, decide(period, 31, "held"), review(period, 32), approve(period, 33))
    await settled(billing, decide("2026-02", 41, "released"), review("2026-02", 42), approve("2026-02", 43))
    traces = await billing.rows(
        "select document->>'trace_de' from charge_line where settlement_id = :id and amount_cents = 5000",
        id=uid(40),
    )
    assert "zurückgestellt als Position" in str(traces[0][0])
    assert str(traces[0][0]).count("zurückgestellt") == 2
    charged = await billing.rows("select sum(net_cents) from invoice")
    assert charged == [(5_000 + 500 + 3 * 1_000,)]


@pytest.mark.parametrize("decided", [True, False])
async def test_a_held_line_that_is_taken_back_afterwards_costs_nothing(desk: NewDesk, decided: bool) -> None:
    rule = NOT_TAXABLE.model_copy(update={"valid_until": dt.date(2026, 3, 31)})
    billing = await desk(BillingHandler(bodies(lrz={"tax_rules": (rule,)}), 60))
    april = MONTHLY.model_copy(update={"start": dt.date(2026, 4, 1)})
    await billing.take(fact(april, 1))
    steps = (decide("2026-04", 11, "held"), review("2026-04", 12), approve("2026-04", 13))
    await settled(billing, draft("2026-04", 10), *steps)
    await billing.take(fact(changed(1, april, state="cancelled", changed_at=noon("2026-05-02")), 2))
    later = await desk(BillingHandler(bodies(), 60), shares=billing) if decided else billing
    await later.take(draft("2026-05", 20))
    assert sorted(await amounts(later, "2026-05")) == [-1_000, 1_000]
    assert await alerts(later, 20) == []
    closed = await settled(later, review("2026-05", 21), approve("2026-05", 22))
    assert (closed.charges_cents, closed.tax_cents) == (0, 0), "both bear the same VAT"


async def test_a_line_that_came_up_again_is_taken_back_with_the_vat_it_was_charged_with(
    desk: NewDesk,
) -> None:
    rule = NOT_TAXABLE.model_copy(update={"valid_until": dt.date(2026, 3, 31)})
    billing = await desk(BillingHandler(bodies(lrz={"tax_rules": (rule,)}), 60))
    april = MONTHLY.model_copy(update={"start": dt.date(2026, 4, 1), "end": dt.date(2026, 4, 30)})
    steps = (decide("2026-04", 11, "held"), review("2026-04", 12), approve("2026-04", 13))
    await settled(billing, fact(april, 1), draft("2026-04", 10), *steps)
    later = await desk(BillingHandler(bodies(), 60), now=NOW + dt.timedelta(days=60), shares=billing)
    steps = (decide("2026-05", 21, "released"), review("2026-05", 22), approve("2026-05", 23))
    closed = await settled(later, draft("2026-05", 20), *steps)
    assert (closed.charges_cents, closed.tax_cents) == (1_000, 190)
    await later.take(fact(changed(1, april, state="cancelled", changed_at=noon("2026-06-02")), 2))
    closed = await settled(later, *closing("2026-06", 30))
    assert (closed.charges_cents, closed.tax_cents) == (-1_000, -190)
    [(trace,)] = await later.rows(
        "select document->>'trace_de' from charge_line where settlement_id = :id", id=uid(30)
    )
    assert str(trace).startswith("Storno der Position 1 aus 2026-05")


async def test_a_budget_that_is_exceeded_holds_what_exceeds_it(desk: NewDesk) -> None:
    item = BudgetItem(product="11.1.02", account="5291", limit_cents=1_500)
    billing = await desk(BillingHandler(bodies(desy={"budget_items": (item,)}), 60))
    await billing.take(fact(MONTHLY.model_copy(update={"start": dt.date(2026, 3, 1)}), 1))
    await settled(billing, *closing("2026-03", 10))
    await billing.take(draft("2026-04", 20))
    assert await alerts(billing, 20) == [("budget_exceeded", 1, 1_500, None)]


async def test_what_has_no_line_can_only_be_held(desk: NewDesk) -> None:
    night = metered("hours", [{"when": {"queue": "night"}, "price": {"kind": "per_unit", "amount": "1"}}])
    billing = await desk(BillingHandler(bodies(), 60))
    await billing.take(fact(booking(tariff=tariff(night)), 1), command("lrz", report(record("a", 5)), 2))
    facts = await billing.take(draft("2026-04", 3))
    assert codes(facts) == ["AlertRaised", "SettlementDrafted"]
    assert [each[:2] for each in await alerts(billing, 3)] == [("usage_unpriced", None)]
    assert codes(await billing.take(decide("2026-04", 4, "released"))) == ["nothing_to_release"]
    await settled(billing, decide("2026-04", 5, "held"), review("2026-04", 6), approve("2026-04", 7))
    await billing.take(draft("2026-05", 8))
    assert [each[:2] for each in await alerts(billing, 8)] == [("usage_unpriced", None)]


async def test_a_provider_is_told_once_however_often_a_run_is_drafted(desk: NewDesk) -> None:
    night = metered("hours", [{"when": {"queue": "night"}, "price": {"kind": "per_unit", "amount": "1"}}])
    billing = await desk(BillingHandler(bodies(), 60))
    await billing.take(fact(booking(tariff=tariff(night)), 1), command("lrz", report(record("a", 5)), 2))
    assert codes(await billing.take(draft("2026-04", 3))) == ["AlertRaised", "SettlementDrafted"]
    assert codes(await billing.take(draft("2026-04", 30))) == ["SettlementDrafted"]
    await billing.take(command("lrz", report(record("b", 7)), 31))
    again = await billing.take(draft("2026-04", 32))
    assert codes(again) == ["AlertRaised", "SettlementDrafted"], "it is about more records now"


async def test_what_the_register_has_forgotten_since_the_draft_is_not_issued(desk: NewDesk) -> None:
    billing = await desk(BillingHandler(bodies(lrz={"tax_rules": (NOT_TAXABLE,)}), 60))
    await billing.take(fact(booking(), 1), command("lrz", report(record("a", 5)), 2), draft("2026-04", 3))
    await billing.take(review("2026-04", 4))
    renamed = NOT_TAXABLE.model_copy(update={"id": "neu"})
    billing.handler = BillingHandler(bodies(lrz={"tax_rules": (renamed,)}), 60)
    assert codes(await billing.take(approve("2026-04", 5))) == ["treatment_forgotten"]
    assert await billing.rows("select number from invoice") == []
    anew = command(OFFICE, DraftSettlement(period="2026-04", reason="Regel umbenannt"), 6)
    await billing.take(anew, review("2026-04", 7, revision=2))
    assert "SettlementClosed" in codes(await billing.take(approve("2026-04", 8, revision=2)))


async def test_what_is_decided_after_the_review_is_approved_by_somebody_else(desk: NewDesk) -> None:
    rule = NOT_TAXABLE.model_copy(update={"valid_until": dt.date(2026, 3, 31)})
    billing = await desk(BillingHandler(bodies(lrz={"tax_rules": (rule,)}), 60))
    await billing.take(fact(MONTHLY, 1), draft("2026-04", 2), review("2026-04", 3))
    await billing.take(decide("2026-04", 4, "released", who="bela"))
    assert codes(await billing.take(approve("2026-04", 5))) == ["same_person"]


# -- issuing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("deducts", [False, True])
async def test_vat_is_stated_netted_and_posted(desk: NewDesk, deducts: bool) -> None:
    status = bodies().find("desy").body.tax_status[0]  # type: ignore[union-attr]
    status = status.model_copy(update={"deducts_input_tax": deducts})
    billing = await desk(BillingHandler(bodies(desy={"tax_status": (status,)}), 60))
    await billing.take(fact(MONTHLY.model_copy(update={"start": dt.date(2026, 4, 1)}), 1))
    closed = await settled(billing, *closing("2026-04", 2))
    assert (closed.charges_cents, closed.tax_cents) == (1_000, 190)
    assert {each.party: each.net_cents for each in closed.positions if each.net_cents} == {
        "desy": -1_190,
        "lrz": 1_190,
    }
    (statement,) = [
        each.data
        for each in billing.told
        if isinstance(each.data, StatementIssued) and each.data.member == "desy"
    ]
    (item,) = statement.payable
    assert (item.amount_cents, item.tax_cents, item.number) == (1_000, 190, "lrz/R/2026/000001")
    assert item.due_on == dt.date(2026, 7, 1)
    assert dict(await billing.rows("select account, amount_cents from posting")) == {  # type: ignore[arg-type]
        "desy:aufwendungen:leistungen": 1_000,
        "desy:forderungen:vorsteuer" if deducts else "desy:aufwendungen:umsatzsteuer": 190,
        "desy:verbindlichkeiten:lrz": -1_190,
        "lrz:forderungen:desy": 1_190,
        "lrz:erträge:leistungen": -1_000,
        "lrz:verbindlichkeiten:umsatzsteuer": -190,
    }


class CutError(Exception):
    """The process ends here."""


@pytest.mark.parametrize("at", ["settlement", "posting", "invoice", "accounting_period"])
async def test_an_issue_that_breaks_off_leaves_nothing_and_is_repeated_whole(desk: NewDesk, at: str) -> None:
    """The connection is cut in the middle of the transaction, whichever table it is at."""
    billing = await desk(BillingHandler(bodies(), 60))
    await billing.take(fact(MONTHLY, 1), draft("2026-04", 2), review("2026-04", 3))
    tables = ("statement", "invoice", "invoice_line", "invoice_series", "journal_entry", "number_series")
    async with billing.engine.connect() as tx:
        claimed = approve("2026-04", 4)
        with pytest.raises(CutError):
            await BillingHandler(bodies(), 60).handle(_Dying(tx, at), [claimed], billing.now)  # type: ignore[arg-type]
        await tx.invalidate()
    for table in tables:
        assert await billing.rows(f"select count(*) from {table}") == [(0,)], table
    assert await billing.rows("select state from settlement") == [("in_review",)]
    await settled(billing, approve("2026-04", 4))
    assert await billing.rows("select max(number), count(*) from invoice") == [("lrz/R/2026/000001", 1)]


class _Dying:
    """A connection that is cut when a statement writes a table."""

    def __init__(self, tx: Any, at: str) -> None:
        self._tx = tx
        self._at = (f"insert into {at} ", f"update {at}\n", f"update {at} ")

    async def execute(self, statement: Any, *given: Any) -> Any:
        if any(each in str(statement) for each in self._at):
            raise CutError
        return await self._tx.execute(statement, *given)


async def test_of_two_who_approve_at_once_one_issues(desk: NewDesk) -> None:
    first = await desk(BillingHandler(bodies(), 60))
    second = await desk(BillingHandler(bodies(), 60), shares=first)
    await first.take(fact(MONTHLY, 1), draft("2026-04", 2), review("2026-04", 3))
    told = await asyncio.gather(first.take(approve("2026-04", 4)), second.take(approve("2026-04", 5)))
    assert sorted(codes(each)[-1] for each in told) == ["SettlementClosed", "run_issued"]
    assert await first.rows("select max(number), count(*) from invoice") == [("lrz/R/2026/000001", 1)]


async def test_a_draft_made_anew_while_usage_comes_loses_nothing(desk: NewDesk) -> None:
    closer = await desk(BillingHandler(bodies(), 60))
    reporting = await desk(BillingHandler(bodies(), 60), shares=closer)
    await closer.take(fact(booking(), 1), draft("2026-04", 2))

    async def report_all() -> None:
        for number in range(20):
            await reporting.take(command("lrz", report(record(f"{number}")), 100 + number))

    async def redraft() -> None:
        for number in range(5):
            await closer.take(draft("2026-04", 200 + number))

    await asyncio.gather(report_all(), redraft())
    await settled(closer, review("2026-04", 300, revision=6), approve("2026-04", 301, revision=6))
    await settled(closer, *closing("2026-05", 400))
    assert await closer.rows("select sum(amount_cents) from charge_line") == [(2_000,)]


async def test_terms_of_a_later_amendment_are_reckoned_again(desk: NewDesk) -> None:
    billing = await desk(BillingHandler(bodies(), 60))
    await billing.take(fact(MONTHLY, 1), draft("2026-04", 2))
    cheaper = tariff(flat("4.00", "month"), component("1.00"), version=2)
    await billing.take(fact(amended(1, "2026-03-01", MONTHLY, tariff=cheaper), 2), draft("2026-04", 3))
    assert await amounts(billing, "2026-04") == [1_000, 1_000, 400, 400]
