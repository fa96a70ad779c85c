"""Open items and payments from issued runs, and how far statements are paid."""

import datetime as dt
import random
from collections import Counter

import pytest
from support.builders import OFFICE, booking, command, fact, record, report
from support.desk import Desk, NewDesk, codes
from support.owing import balances, issue
from support.paying import DUE, amounts, arranged, arranging, entry, reporting
from support.reviews import by, deciding, levying, market, objecting, settle

from allmende.schemas.payments import ListOpenItems, ListPayments, OpenItem, OpenItems, Payments
from allmende.schemas.permissions import Role
from allmende.schemas.register import ObjectionTerms, SettlementRules
from allmende.schemas.rejections import Rejected
from allmende.schemas.statements import ListStatements, Statements
from allmende.servicekit.queries import Caller
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.queries import answers

REGISTER = market()
NEXT_RUN = dt.datetime(2026, 7, 2, 8, tzinfo=dt.UTC)
JULY = NEXT_RUN.date()


def caller(name: str) -> Caller:
    return Caller(name, Role.OFFICE if name == OFFICE else Role.MEMBER, name == OFFICE)


async def items(desk: Desk, who: str, **asked: object) -> OpenItems:
    async with desk.engine.connect() as connection:
        found = await answers(REGISTER)["billing.item.list"](
            connection, caller(who), ListOpenItems.model_validate({"as_of": JULY, **asked})
        )
    assert isinstance(found, OpenItems), found
    return found


async def payments(desk: Desk, who: str, **asked: object) -> Payments:
    async with desk.engine.connect() as connection:
        found = await answers(REGISTER)["billing.payment.list"](
            connection, caller(who), ListPayments.model_validate(asked)
        )
    assert isinstance(found, Payments), found
    return found


def short(item: OpenItem) -> tuple[str, str, int, int, int, int]:
    return (
        item.direction,
        item.number,
        item.offset_cents,
        item.disputed_cents,
        item.paid_cents,
        item.open_cents,
    )


async def month(desk: NewDesk, *rules: SettlementRules) -> Desk:
    """April is issued: desy owes lrz 100 euro for a booking, and everybody a third of the office's 100."""
    billing = await desk(BillingHandler(market(rules=rules), 60))
    await billing.take(
        fact(booking(), 1), command("lrz", report(record(amount=100)), 2), command(OFFICE, levying(), 3)
    )
    await settle(billing, "2026-04", 4)
    return billing


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    return await month(desk)


CHARGED, LEVIED = "lrz/R/2026/000001", "office/U/2026/000001"


async def test_issued_documents_are_open_items(billing: Desk) -> None:
    found = await items(billing, "desy")
    assert [short(each) for each in found.items] == [
        ("payable", CHARGED, 0, 0, 0, 10_000),
        ("payable", LEVIED, 0, 0, 0, 3_334),
    ]
    assert (found.payable_cents, found.receivable_cents) == (13_334, 0)
    assert [(each.counterparty, each.due_on, each.days_overdue) for each in found.items] == [
        ("lrz", DUE, 1),
        (OFFICE, DUE, 1),
    ]
    theirs = await items(billing, "lrz")
    assert (theirs.payable_cents, theirs.receivable_cents) == (3_333, 10_000)
    everything = await items(billing, OFFICE)
    assert (everything.payable_cents, everything.receivable_cents) == (0, 10_000)
    assert (await items(billing, OFFICE, member="lrz")) == theirs


async def test_what_is_netted_is_settled_where_nothing_is_to_be_paid(billing: Desk) -> None:
    await billing.take(arranging())
    assert (await items(billing, "lrz")).items[0].open_cents == 6_667, "it gets the rest of what it is owed"
    found = (await items(billing, "lrz")).items
    assert [short(each) for each in found] == [("receivable", CHARGED, 10_000, 0, 3_333, 6_667)]
    assert [short(each) for each in (await items(billing, "desy")).items] == [
        ("payable", CHARGED, 10_000, 0, 0, 10_000),
        ("payable", LEVIED, 3_334, 0, 0, 3_334),
    ]


async def test_older_documents_are_paid_first(billing: Desk) -> None:
    later = dt.datetime(2026, 6, 5, tzinfo=dt.UTC)
    await issue(billing, REGISTER, 15, ("desy", "lrz", 500), now=later)
    due = DUE + dt.timedelta(days=4)
    payment = arranged(await billing.take(arranging(due_by=due)))["desy", OFFICE]
    assert payment.amount_cents == 13_834
    left = []
    for number, cents in enumerate((9_999, 1, 3_334, 1, 499), 1):
        await billing.take(reporting("desy", entry(f"{number}", -cents, payment.reference), number=number))
        left.append([each.open_cents for each in (await items(billing, "desy")).items])
    assert left == [[1, 3_334, 500], [3_334, 500], [500], [499], []]


async def test_a_statement_is_paid_when_all_of_its_documents_are(billing: Desk) -> None:
    async def state(who: str) -> tuple[str, int]:
        async with billing.engine.connect() as connection:
            found = await answers(REGISTER)["billing.statement.list"](
                connection, caller(who), ListStatements(period="2026-04")
            )
        assert isinstance(found, Statements)
        return found.statements[0].state, found.statements[0].paid_cents

    assert await state("desy") == ("received", 0)
    payment = arranged(await billing.take(arranging()))["desy", OFFICE]
    assert await state("lrz") == ("paid", 3_333), "all that it owes is offset"
    assert await state("desy") == ("received", 0)
    await billing.take(reporting("desy", entry("a", -13_333, payment.reference)))
    assert await state("desy") == ("received", 13_333)
    await billing.take(reporting("desy", entry("b", -1, payment.reference), number=201))
    assert await state("desy") == ("paid", 13_334)


async def test_what_is_disputed_stays_out_until_it_is_decided(billing: Desk) -> None:
    await billing.take(by("desy/anna", objecting(1), 20))
    found = (await items(billing, "desy")).items
    assert [each.disputed_cents for each in found] == [10_000, 0]
    facts = await billing.take(arranging())
    assert amounts(facts) == {("desy", OFFICE): 3_334, ("kit", OFFICE): 3_333, ("lrz", OFFICE): 3_333}
    assert facts[-1].data.disputed == 1  # type: ignore[attr-defined]
    await billing.take(by("lrz/anna", deciding(20, "dismissed"), 21))
    assert amounts(await billing.take(arranging(101))) == {("desy", OFFICE): 10_000, (OFFICE, "lrz"): 10_000}


async def test_what_is_credited_is_paid_by_nobody(billing: Desk) -> None:
    await billing.take(
        by("desy/anna", objecting(1), 20), by("lrz/anna", deciding(20, credit_cents=4_000), 21)
    )
    assert amounts(await billing.take(arranging()))["desy", OFFICE] == 3_334 + 6_000
    assert codes(await billing.take(arranging(101))) == ["nothing_to_net"]
    billing.now = NEXT_RUN
    await settle(billing, "2026-05", 30)
    due = dt.date(2026, 8, 1)
    facts = await billing.take(arranging(102, due))
    assert amounts(facts) == {}, "the rest of the invoice and the credit note cancel each other"
    assert [each.open_cents for each in (await items(billing, "desy")).items] == [6_000, 3_334]
    claims = {name: cents for name, cents in (await balances(billing)).items() if name.startswith("desy:")}
    assert claims == {"desy:verbindlichkeiten:office": -9_334}


async def test_an_objection_without_effect_on_payment_changes_nothing(desk: NewDesk) -> None:
    terms = ObjectionTerms(suspends=False)
    billing = await month(desk, SettlementRules(valid_from=dt.date(2020, 1, 1), objections=terms))
    await billing.take(by("desy/anna", objecting(1), 20))
    facts = await billing.take(arranging())
    assert amounts(facts)["desy", OFFICE] == 13_334
    assert facts[-1].data.disputed == 0  # type: ignore[attr-defined]


async def test_pages_hold_everything_once(billing: Desk) -> None:
    await issue(billing, REGISTER, 15, *(("desy", who, 5) for who in ("lrz", "kit")), ("lrz", "desy", 7))
    whole = await items(billing, "desy")
    seen: list[OpenItem] = []
    after = None
    while True:
        page = await items(billing, "desy", limit=2, after=after)
        assert (page.payable_cents, page.receivable_cents) == (whole.payable_cents, whole.receivable_cents)
        seen += page.items
        if (after := page.next_after) is None:
            break
    assert tuple(seen) == whole.items
    assert len(seen) == 5


async def test_members_see_their_own_items_and_payments_only(billing: Desk) -> None:
    await billing.take(arranging())
    for name, asked in (
        ("billing.item.list", ListOpenItems(member="lrz")),
        ("billing.payment.list", ListPayments(member="lrz")),
    ):
        async with billing.engine.connect() as connection:
            found = await answers(REGISTER)[name](connection, caller("desy"), asked)
        assert isinstance(found, Rejected)
        assert found.code == "not_your_payments"
    own = (await payments(billing, "desy")).payments
    assert [(each.payment.debtor, each.payment.creditor) for each in own] == [("desy", OFFICE)]
    assert len((await payments(billing, OFFICE)).payments) == 3
    assert len((await payments(billing, OFFICE, member="lrz")).payments) == 1


async def test_payments_are_told_with_what_is_open(billing: Desk) -> None:
    facts = await billing.take(arranging())
    payment = arranged(facts)["desy", OFFICE]
    await billing.take(reporting("desy", entry("a", -13_000, payment.reference)))
    part = (await payments(billing, "desy")).payments[0]
    assert (part.payment, part.paid_cents, part.open_cents) == (payment, 13_000, 334)
    assert part.paid_on == dt.date(2026, 6, 1)
    await billing.take(reporting(OFFICE, entry("a", 13_334, payment.reference), number=201))
    assert (await payments(billing, "desy", open_only=True)).payments == ()
    assert len((await payments(billing, OFFICE, open_only=True)).payments) == 2
    first = await payments(billing, OFFICE, limit=2)
    rest = await payments(billing, OFFICE, limit=2, after=first.next_after)
    assert len({each.number for each in (*first.payments, *rest.payments)}) == 3
    assert rest.next_after is None
    netting = payment.netting_id
    assert len((await payments(billing, OFFICE, netting_id=netting)).payments) == 3


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("method", ["clearing_house", "bilateral", "cycles"])
async def test_what_is_open_by_documents_is_what_is_open_by_payments(
    desk: NewDesk, seed: int, method: str
) -> None:
    """However much is paid of what: a member's items sum to its payments, and the books say the same."""
    chance = random.Random(seed)  # noqa: S311 - the same draw every time
    rules = SettlementRules.model_validate({"valid_from": dt.date(2000, 1, 1), "netting": method})
    billing = await desk(BillingHandler(market(rules=(rules,)), 60))
    names = ("desy", "kit", "lrz", OFFICE)
    owed = [
        (payer, payee, chance.randint(1, 5_000) * chance.choice((1, 1, 1, -1)))
        for payer in names
        for payee in names
        if payer not in {payee, OFFICE}
    ]
    await issue(billing, REGISTER, 1, *owed)
    await issue(billing, REGISTER, 2, *owed[::2])
    found = arranged(await billing.take(arranging()))
    for number, (pair, payment) in enumerate(found.items(), 1):
        cents = chance.randint(0, payment.amount_cents)
        if cents:
            await billing.take(
                reporting(pair[0], entry(f"{number}", -cents, payment.reference), number=number)
            )
    open_: Counter[str] = Counter()
    for each in (await payments(billing, OFFICE)).payments:
        open_[each.payment.debtor] += each.open_cents
        open_[each.payment.creditor] -= each.open_cents
    stands: Counter[str] = Counter()
    for account, cents in (await balances(billing)).items():
        if ":bank:" not in account:
            stands[account.split(":")[0]] -= cents
    assert stands == open_
    for name in names[:-1]:
        told = await items(billing, name)
        assert told.payable_cents - told.receivable_cents == open_[name]
