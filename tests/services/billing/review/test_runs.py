"""From run to run: credits after objections, levies taken back and billed again years later."""

import asyncio
import datetime as dt
from collections import Counter

import pytest
from sqlalchemy import text
from support.bodies import EXEMPT
from support.builders import OFFICE, booking, command, fact, key, record, report, uid
from support.desk import Desk, NewDesk, codes
from support.reviews import (
    by,
    deciding,
    levying,
    lines_of,
    market,
    objecting,
    reversing,
    settle,
    withdrawing,
)

from allmende.schemas.billing import LevyCharged
from allmende.schemas.bodies import BudgetItem
from allmende.schemas.money import euro
from allmende.schemas.permissions import Role
from allmende.schemas.settlements import DraftSettlement, ExplainLine, LineStory
from allmende.schemas.statements import LevyReversed
from allmende.servicekit.messages import Incoming
from allmende.servicekit.queries import Caller
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.queries import answers
from allmende.services.billing.review import reversals, store

MARCH_2029 = dt.datetime(2029, 4, 2, 8, tzinfo=dt.UTC)
MEMBERS = tuple(f"m{number:02d}" for number in range(1, 26))
OLD = key({member: number for number, member in enumerate(MEMBERS, 1)})
NEW = key({member: number * number + 7 for number, member in enumerate(MEMBERS, 1)}, version=2)


# -- objections -----------------------------------------------------------------------------------


@pytest.fixture
async def used(desk: NewDesk) -> Desk:
    """April is issued: desy owes lrz 100 euro."""
    register = market(desy={"budget_items": (BudgetItem(account="5291"),)})
    billing = await desk(BillingHandler(register, 60))
    await billing.take(fact(booking(), 1), command("lrz", report(record(amount=100)), 2))
    await settle(billing, "2026-04", 3)
    return billing


async def test_an_upheld_objection_is_credited_by_the_next_run_however_often_it_is_drafted(
    used: Desk,
) -> None:
    (charged,) = await lines_of(used, "2026-04")
    await used.take(by("desy/anna", objecting(1), 10), by("lrz/anna", deciding(10, credit_cents=2_500), 11))
    used.handler = BillingHandler(market(desy={"budget_items": (BudgetItem(account="5299"),)}), 60)
    used.now = dt.datetime(2026, 7, 1, 8, tzinfo=dt.UTC)
    for number, reason in ((20, None), (21, "noch einmal")):
        await used.take(command(OFFICE, DraftSettlement(period="2026-05", reason=reason), number))
        assert [(each.cause, each.amount_cents) for each in await lines_of(used, "2026-05")] == [
            ("credit", -2_500)
        ]
    await settle(used, "2026-05", 22)
    (credit,) = await lines_of(used, "2026-05")
    assert (credit.tax, credit.budget_item) == (charged.tax, charged.budget_item)
    assert credit.budget_item == "5291", "where the line was booked, whatever holds since"
    await settle(used, "2026-06", 30)
    assert await lines_of(used, "2026-06") == []


def corrected(amount: int, number: int) -> Incoming:
    """The record that April was charged by is replaced by another of so many hours."""
    return command("lrz", report(record(f"c{number}", amount, corrects="r1")), number)


async def owed(used: Desk, *periods: str) -> int:
    """What desy owes lrz after some runs, net."""
    return sum([line.amount_cents for period in periods for line in await lines_of(used, period)])


@pytest.mark.parametrize("credit", [2_500, 7_000, None])
async def test_what_is_credited_is_not_taken_back_again_when_the_line_is_rated_anew(
    used: Desk, credit: int | None
) -> None:
    await used.take(by("desy/anna", objecting(1), 10), by("lrz/anna", deciding(10, credit_cents=credit), 11))
    await used.take(corrected(30, 12))
    used.now = dt.datetime(2026, 7, 1, 8, tzinfo=dt.UTC)
    for number, reason in ((20, None), (21, "noch einmal")):
        await used.take(command(OFFICE, DraftSettlement(period="2026-05", reason=reason), number))
        assert await owed(used, "2026-04", "2026-05") == 3_000
    await settle(used, "2026-05", 22)
    assert Counter(each.cause for each in await lines_of(used, "2026-05")) == {
        "credit": 1,
        "reversal": 1,
        "regular": 1,
    }
    await settle(used, "2026-06", 30)
    assert await lines_of(used, "2026-06") == []


async def test_what_is_rated_anew_is_not_credited_as_well(used: Desk) -> None:
    await used.take(by("desy/anna", objecting(1), 10), corrected(30, 12))
    used.now = dt.datetime(2026, 7, 1, 8, tzinfo=dt.UTC)
    await used.take(command(OFFICE, DraftSettlement(period="2026-05"), 20))
    refused = await used.take(by("lrz/anna", deciding(10), 21))
    assert codes(refused) == ["line_taken_back"]
    assert await used.take(by("lrz/anna", deciding(10), 21)) == []
    await used.take(by("desy/anna", withdrawing(10), 22))
    assert codes(await used.take(by("desy/anna", objecting(1), 23))) == ["line_credited"]
    await settle(used, "2026-05", 30)
    assert await owed(used, "2026-04", "2026-05") == 3_000


async def story(billing: Desk, period: str, number: int, member: str = "desy") -> LineStory:
    ask = answers(market())["billing.line.explain"]
    async with billing.engine.connect() as connection:
        found = await ask(
            connection, Caller(member, Role.MEMBER, False), ExplainLine(period=period, line=number)
        )
    assert isinstance(found, LineStory), found
    return found


async def test_the_story_of_a_line_tells_its_objection_and_its_credit(used: Desk) -> None:
    before = await story(used, "2026-04", 1)
    assert (before.objection_id, before.objection_until) == (None, dt.date(2026, 7, 1))
    await used.take(by("desy/anna", objecting(1), 10))
    during = await story(used, "2026-04", 1)
    assert (during.objection_id, during.objection_state) == (uid(10), "raised")
    assert (during.objection_until, during.related) == (None, ())
    await used.take(by("lrz/anna", deciding(10, credit_cents=2_500), 11))
    used.now = dt.datetime(2026, 7, 1, 8, tzinfo=dt.UTC)
    await used.take(command(OFFICE, DraftSettlement(period="2026-05"), 20))
    assert (await story(used, "2026-04", 1)).related == (), "members see what is issued"
    await settle(used, "2026-05", 21)
    after, credit = await story(used, "2026-04", 1), await story(used, "2026-05", 1)
    assert (after.objection_state, after.related) == ("upheld", (("2026-05", credit.line),))
    assert (credit.objection_id, credit.related) == (None, (("2026-04", after.line),))


async def test_the_story_of_a_share_tells_how_it_was_taken_back(desk: NewDesk) -> None:
    billing = await desk(BillingHandler(market(), 60))
    await billing.take(command(OFFICE, levying(), 1))
    await settle(billing, "2026-04", 2)
    await billing.take(by("office/anna", reversing(1), 10))
    billing.now = dt.datetime(2026, 7, 1, 8, tzinfo=dt.UTC)
    await settle(billing, "2026-05", 20)
    share, back = await story(billing, "2026-04", 2, "kit"), await story(billing, "2026-05", 2, "kit")
    assert (share.line.payer, share.objection_until) == ("kit", None)
    assert (share.related, back.related) == ((("2026-05", back.line),), (("2026-04", share.line),))


# -- levies ---------------------------------------------------------------------------------------


async def test_years_later_a_levy_is_taken_back_and_billed_again_to_the_cent(desk: NewDesk) -> None:
    billing = await desk(BillingHandler(market(*MEMBERS, office={"tax_rules": (EXEMPT,)}), 60))
    cents = 25_000_001
    await billing.take(command(OFFICE, levying(cents=cents, key=OLD), 1))
    await settle(billing, "2026-04", 2)
    billing.now = MARCH_2029
    back = by("office/anna", reversing(1, "2029-03"), 10)
    again = command(OFFICE, levying("2029-03", cents, key=NEW, replaces=uid(1)), 11)
    (told,) = await billing.take(back)
    assert await billing.take(back) == [], "the same command a second time"
    assert isinstance(told.data, LevyReversed)
    (charged,) = await billing.take(again)
    assert await billing.take(again) == []
    assert isinstance(charged.data, LevyCharged)
    refused = await billing.take(
        by("office/anna", reversing(1, "2029-03"), 12),
        command(OFFICE, levying("2029-03", cents, key=NEW, replaces=uid(1)), 13),
        command(OFFICE, levying("2029-03", cents, key=NEW, replaces=uid(11)), 14),
    )
    assert codes(refused) == ["levy_reversed", "levy_replaced", "levy_not_reversed"]
    await settle(billing, "2029-03", 20)
    first, then = await lines_of(billing, "2026-04"), await lines_of(billing, "2029-03")
    assert Counter(each.cause for each in then) == {"reversal": 25, "regular": 25}
    assert sum(each.amount_cents for each in first) == cents
    assert sum(each.amount_cents for each in then) == 0
    balance: Counter[str] = Counter()
    for each in (*first, *then):
        balance[each.payer] += each.amount_cents
        assert (each.service_from, each.service_to) == (dt.date(2026, 4, 1), dt.date(2026, 4, 30))
        assert each.tax == first[0].tax
        assert each.tax is not None
    assert balance == {share.member: share.amount_cents for share in charged.data.shares}
    taken = {each.payer: each for each in then if each.cause == "reversal"}
    for each in first:
        assert taken[each.payer].amount_cents == -each.amount_cents
        assert f"{euro(-each.amount_cents)}; ursprünglich: {each.trace_de}" in taken[each.payer].trace_de
    postings = await billing.rows("select sum(amount_cents) from posting")
    assert postings == [(0,)]


async def test_what_is_not_collected_is_left_out(desk: NewDesk) -> None:
    billing = await desk(BillingHandler(market(), 60))
    facts = await billing.take(
        command(OFFICE, levying(), 1),
        by("office/anna", reversing(1, "2026-05"), 2),
        by("office/anna", reversing(1, "2026-04"), 3),
        command(OFFICE, levying(cents=6_000, replaces=uid(1)), 4),
    )
    assert codes(facts) == ["LevyCharged", "levy_not_charged", "LevyReversed", "LevyCharged"]
    await settle(billing, "2026-04", 5)
    assert [each.amount_cents for each in await lines_of(billing, "2026-04")] == [2_000] * 3


async def test_a_draft_can_be_made_anew_with_a_levy_taken_back(desk: NewDesk) -> None:
    billing = await desk(BillingHandler(market(), 60))
    await billing.take(command(OFFICE, levying(), 1))
    await settle(billing, "2026-04", 2)
    await billing.take(by("office/anna", reversing(1), 10))
    billing.now = dt.datetime(2026, 7, 1, 8, tzinfo=dt.UTC)
    for number in (20, 21):
        await billing.take(command(OFFICE, DraftSettlement(period="2026-05"), number))
        assert sum(each.amount_cents for each in await lines_of(billing, "2026-05")) == -10_000


async def test_objections_to_a_levy_are_decided_before_it_is_taken_back(desk: NewDesk) -> None:
    billing = await desk(BillingHandler(market(), 60))
    await billing.take(command(OFFICE, levying(), 1))
    await settle(billing, "2026-04", 2)
    facts = await billing.take(
        by("desy/anna", objecting(1), 10),
        by("office/anna", reversing(1), 11),
        by("office/anna", deciding(10, credit_cents=1_334), 12),
        by("office/anna", reversing(1), 13),
        by("kit/anna", objecting(2), 14),
    )
    assert codes(facts) == [
        "ObjectionRaised",
        "levy_disputed",
        "ObjectionSettled",
        "LevyReversed",
        "line_credited",
    ]
    billing.now = dt.datetime(2026, 7, 1, 8, tzinfo=dt.UTC)
    await settle(billing, "2026-05", 20)
    back = await lines_of(billing, "2026-05")
    assert [(each.payer, each.cause, each.amount_cents) for each in back] == [
        ("desy", "credit", -1_334),
        ("desy", "reversal", -2_000),
        ("kit", "reversal", -3_333),
        ("lrz", "reversal", -3_333),
    ]


async def levied(desk: NewDesk) -> list[Desk]:
    first = await desk(BillingHandler(market(), 60))
    second = await desk(BillingHandler(market(), 60), shares=first)
    await first.take(command(OFFICE, levying(), 1))
    await settle(first, "2026-04", 2)
    return [first, second]


OUTCOMES = (["LevyReversed", "line_credited"], ["ObjectionRaised", "levy_disputed"])


async def test_a_levy_is_disputed_or_taken_back_but_not_both_at_once(desk: NewDesk) -> None:
    first, second = await levied(desk)
    facts = await asyncio.gather(
        first.take(by("office/anna", reversing(1), 10)), second.take(by("desy/anna", objecting(1), 11))
    )
    assert sorted(code for each in facts for code in codes(each)) in OUTCOMES


async def test_without_its_lock_a_levy_is_disputed_while_it_is_taken_back(
    desk: NewDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await levied(desk)
    locks = ((store, "_LOCK_LEVY", "for share"), (reversals, "_LOCK_ONE_LEVY", "for update"))
    for module, name, lock in locks:
        statement = str(getattr(module, name))
        assert lock in statement
        monkeypatch.setattr(module, name, text(statement.replace(lock, "")))
    load, decided, go_on = reversals.lock_levy, asyncio.Event(), asyncio.Event()

    async def hesitating(*arguments: object) -> object:
        found = await load(*arguments)  # type: ignore[arg-type]
        decided.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(reversals, "lock_levy", hesitating)
    task = asyncio.create_task(first.take(by("office/anna", reversing(1), 10)))
    await decided.wait()
    objected = await second.take(by("desy/anna", objecting(1), 11))
    go_on.set()
    assert [*codes(objected), *codes(await task)] == ["ObjectionRaised", "LevyReversed"]


async def test_of_two_who_take_a_levy_back_or_bill_it_again_at_once_one_does(desk: NewDesk) -> None:
    first, second = await levied(desk)
    facts = await asyncio.gather(
        first.take(by("office/anna", reversing(1), 10)), second.take(by("office/bela", reversing(1), 11))
    )
    assert sorted(code for each in facts for code in codes(each)) == ["LevyReversed", "levy_reversed"]
    again = [command(OFFICE, levying("2026-05", replaces=uid(1)), number) for number in (12, 13)]
    facts = await asyncio.gather(first.take(again[0]), second.take(again[1]))
    assert sorted(code for each in facts for code in codes(each)) == ["LevyCharged", "levy_replaced"]
