"""From issued documents to what is paid, on a real database."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection
from support.bodies import UNSIGNED, embodied
from support.builders import NOW, command, register, uid
from support.desk import Desk, NewDesk, codes, persistently
from support.owing import balances, issue
from support.paying import (
    ACCOUNTS,
    DUE,
    amounts,
    arranged,
    arranging,
    booked,
    entry,
    reporting,
)
from support.posting import entries as journal
from support.posting import gapless, verified

from allmende.schemas.payments import (
    ArrangePayments,
    BankStatementBooked,
    NettingDone,
    PaymentReceived,
)
from allmende.schemas.register import MemberRegister, OffsettingAgreement, SettlementRules
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.payments import store

MEMBERS = ("desy", "kit", "lrz")
BODIES = embodied(register(*MEMBERS))
OWED = (("desy", "lrz", 10_000), ("lrz", "kit", 8_000), ("kit", "desy", 3_000), ("desy", "office", 500))


def ruled(**rules: object) -> MemberRegister:
    given = SettlementRules(valid_from=dt.date(2000, 1, 1), **rules)  # type: ignore[arg-type]
    return BODIES.model_copy(update={"rules": (given,)})


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    """Three members that owe each other, and a levy."""
    found = await desk(BillingHandler(BODIES, 60))
    await issue(found, BODIES, 1, *OWED)
    return found


THROUGH = {("desy", "office"): 7_500, ("office", "kit"): 5_000, ("office", "lrz"): 2_000}


async def test_what_is_due_is_netted_through_the_clearing_house(billing: Desk) -> None:
    facts = await billing.take(arranging())
    assert amounts(facts) == THROUGH
    done = facts[-1].data
    assert isinstance(done, NettingDone)
    assert (done.method, done.items, done.payments, done.disputed) == ("clearing_house", 4, 3, 0)
    assert (done.gross_cents, done.payable_cents, done.offset_cents) == (21_500, 7_500, 14_000)
    assert dict(done.positions) == {"desy": -7_500, "kit": 5_000, "lrz": 2_000, "office": 500}
    assert arranged(facts)["desy", "office"].items == 3
    assert {each.due_on for each in arranged(facts).values()} == {DUE}
    assert (await verified(billing)).broken is None
    assert gapless(await journal(billing))


async def test_the_books_hold_what_is_to_be_paid_and_then_the_banks(billing: Desk) -> None:
    facts = await billing.take(arranging())
    assert await balances(billing) == {
        "desy:verbindlichkeiten:office": -7_500,
        "kit:forderungen:office": 5_000,
        "lrz:forderungen:office": 2_000,
        "office:forderungen:desy": 7_500,
        "office:verbindlichkeiten:kit": -5_000,
        "office:verbindlichkeiten:lrz": -2_000,
    }
    paid = arranged(facts)
    await billing.take(reporting("desy", entry("a", -7_500, paid["desy", "office"].reference), number=1))
    await billing.take(reporting("kit", entry("b", 5_000, paid["office", "kit"].reference), number=2))
    await billing.take(reporting("office", entry("c", -2_000, paid["office", "lrz"].reference), number=3))
    assert await balances(billing) == {
        "desy:bank:girokonto": -7_500,
        "kit:bank:girokonto": 5_000,
        "lrz:bank:girokonto": 2_000,
        "office:bank:girokonto": 500,
    }
    assert (await verified(billing)).broken is None


@pytest.mark.parametrize(
    ("rules", "payments"),
    [
        ({"netting": "bilateral"}, {tuple(each[:2]): each[2] for each in OWED}),
        (
            {"netting": "cycles"},
            {("desy", "lrz"): 7_000, ("lrz", "kit"): 5_000, ("desy", "office"): 500},
        ),
        ({"offsetting": ()}, {tuple(each[:2]): each[2] for each in OWED}),
        (
            {
                "netting": "cycles",
                "offsetting": (OffsettingAgreement(title="Abrede", parties=("desy", "kit"), valid_from=DUE),),
            },
            {tuple(each[:2]): each[2] for each in OWED},
        ),
    ],
)
async def test_the_rules_of_the_day_decide_how(
    desk: NewDesk, rules: dict[str, object], payments: dict[tuple[str, str], int]
) -> None:
    bodies = ruled(**rules)
    billing = await desk(BillingHandler(bodies, 60))
    await issue(billing, bodies, 1, *OWED)
    facts = await billing.take(arranging())
    assert amounts(facts) == payments
    claims = {name: cents for name, cents in (await balances(billing)).items() if "forderungen" in name}
    assert claims == {
        f"{creditor}:forderungen:{debtor}": cents for (debtor, creditor), cents in payments.items()
    }


async def test_a_netting_told_twice_happens_once(billing: Desk) -> None:
    first = await billing.take(arranging())
    assert await billing.take(arranging()) == []
    assert codes(await billing.take(arranging(101))) == ["nothing_to_net"]
    assert await billing.rows("select count(*) from payment") == [(len(arranged(first)),)]


async def test_what_is_due_later_waits(billing: Desk) -> None:
    assert codes(await billing.take(arranging(due_by=dt.date(2026, 6, 30)))) == ["nothing_to_net"]
    await billing.take(arranging(101))
    later = NOW + dt.timedelta(days=3)
    await issue(billing, BODIES, 2, ("desy", "kit", 7), now=later)
    facts = await billing.take(arranging(102, DUE + dt.timedelta(days=3)))
    assert amounts(facts) == {("desy", "office"): 7, ("office", "kit"): 7}


async def test_only_the_treasury_arranges(billing: Desk) -> None:
    unsigned = command("office", ArrangePayments(due_by=DUE, claim=UNSIGNED), 5)
    assert codes(await billing.take(unsigned)) == ["unknown_person"]
    forged = arranging(6)
    other = command("office", forged.data.model_copy(update={"due_by": dt.date(2026, 8, 1)}), 6)
    assert codes(await billing.take(other)) == ["claim_invalid"]


async def test_a_credit_note_is_offset_against_what_it_gives_back(desk: NewDesk) -> None:
    bodies = ruled(netting="bilateral", offsetting=())
    billing = await desk(BillingHandler(bodies, 60))
    await issue(billing, bodies, 1, ("desy", "lrz", 1_000))
    await issue(billing, bodies, 2, ("desy", "lrz", -300))
    await issue(billing, bodies, 3, ("kit", "lrz", -50))
    assert amounts(await billing.take(arranging())) == {("desy", "lrz"): 700, ("lrz", "kit"): 50}
    assert await balances(billing) == {
        "desy:verbindlichkeiten:lrz": -700,
        "kit:forderungen:lrz": 50,
        "lrz:forderungen:desy": 700,
        "lrz:verbindlichkeiten:kit": -50,
    }


async def two_desks(billing: Desk, desk: NewDesk) -> list[Desk]:
    return [billing, await desk(BillingHandler(BODIES, 60), shares=billing)]


async def test_two_who_net_at_once_apply_every_document_once(billing: Desk, desk: NewDesk) -> None:
    first, second = await two_desks(billing, desk)
    facts = await asyncio.gather(
        persistently(lambda: first.take(arranging(1))), persistently(lambda: second.take(arranging(2)))
    )
    assert sorted(codes(facts[0])[-1:] + codes(facts[1])[-1:]) == ["NettingDone", "nothing_to_net"]
    rows = await billing.rows("select document, count(*), sum(amount_cents) from netting_item group by 1")
    assert {row[1] for row in rows} == {1}


_UNLOCKED = text(str(store._LOCK_ITEMS).replace(" for update of b", ""))


async def nets_beside(billing: Desk, other: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """One nets while another has found the same documents and goes on only then."""
    monkeypatch.setattr(store, "_LOCK_ITEMS", _UNLOCKED)
    found, go_on = asyncio.Event(), asyncio.Event()
    disputed = store.disputed

    async def hesitating(*arguments: object) -> dict[str, int]:
        if not found.is_set():
            found.set()
            await go_on.wait()
        return await disputed(*arguments)  # type: ignore[arg-type]

    await billing.take(arranging(9, dt.date(2026, 1, 1)))
    async with billing.engine.begin() as tx:
        await store.lock_items(tx, DUE)  # the balances are there, so that nobody waits for their keys
    monkeypatch.setattr(store, "disputed", hesitating)
    waiting = asyncio.create_task(billing.take(arranging(1)))
    await found.wait()
    await other.take(arranging(2))
    go_on.set()
    await waiting


async def test_without_the_lock_the_database_refuses_to_apply_more_than_is_owed(
    billing: Desk, desk: NewDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await two_desks(billing, desk)
    with pytest.raises(IntegrityError, match="applied_within_gross"):
        await nets_beside(first, second, monkeypatch)


async def test_without_lock_and_check_a_document_is_applied_twice(
    billing: Desk, desk: NewDesk, monkeypatch: pytest.MonkeyPatch, superuser: asyncpg.Connection
) -> None:
    await superuser.execute("alter table document_balance drop constraint applied_within_gross")
    first, second = await two_desks(billing, desk)
    await nets_beside(first, second, monkeypatch)
    rows = await billing.rows("select sum(amount_cents)::bigint from netting_item group by document")
    assert sorted(int(str(row[0])) for row in rows) == sorted(2 * cents for *_, cents in OWED)


# -- account statements ---------------------------------------------------------------------------


async def test_both_sides_tell_of_one_payment(billing: Desk) -> None:
    payment = arranged(await billing.take(arranging()))["desy", "office"]
    first = await billing.take(reporting("office", entry("x", 7_500, payment.reference), number=1))
    received = first[0].data
    assert isinstance(received, PaymentReceived)
    assert (received.amount_cents, received.open_cents, received.paid_on) == (7_500, 0, NOW.date())
    second = await billing.take(reporting("desy", entry("x", -7_500, payment.reference), number=2))
    assert [type(fact.data) for fact in second] == [BankStatementBooked]
    assert (booked(second).matched, booked(second).unmatched) == (1, ())
    assert [each.kind for each in await journal(billing)].count("payment") == 1


async def test_an_entry_is_booked_once_however_often_it_is_told(billing: Desk) -> None:
    payment = arranged(await billing.take(arranging()))["desy", "office"]
    told = entry("x", -7_500, payment.reference)
    await billing.take(reporting("desy", told, told, number=1))
    again = booked(await billing.take(reporting("desy", told, number=2)))
    assert (again.matched, again.repeated) == (0, 1)
    other = booked(await billing.take(reporting("desy", entry("x", -1, payment.reference), number=3)))
    assert [each.code for each in other.unmatched] == ["bank_entry_differs"]


async def test_parts_are_added_up_and_what_is_too_much_is_told(billing: Desk) -> None:
    payment = arranged(await billing.take(arranging()))["desy", "office"]
    part = await billing.take(reporting("desy", entry("a", -3_000, payment.reference), number=1))
    assert [(f.data.amount_cents, f.data.open_cents) for f in part[:-1]] == [(3_000, 4_500)]  # type: ignore[attr-defined]
    # The other side tells of the same part, and then of the rest and more.
    rest = await billing.take(
        reporting(
            "office",
            entry("b", 3_000, payment.reference),
            entry("c", 5_000, payment.reference),
            entry("d", 1, payment.reference),
            number=2,
        )
    )
    assert [(f.data.amount_cents, f.data.open_cents) for f in rest[:-1]] == [(4_500, 0)]  # type: ignore[attr-defined]
    assert [(u.entry_id, u.amount_cents, u.code) for u in booked(rest).unmatched] == [
        ("c", 500, "bank_overpaid"),
        ("d", 1, "bank_overpaid"),
    ]
    assert (await balances(billing))["desy:bank:girokonto"] == -7_500


async def test_what_settles_nothing_is_told_with_its_reason(billing: Desk) -> None:
    paid = arranged(await billing.take(arranging()))
    own, other = paid["office", "kit"].reference, paid["desy", "office"].reference
    tomorrow = NOW.date() + dt.timedelta(days=1)
    facts = await billing.take(
        reporting(
            "kit",
            entry("a", 5_000),
            entry("b", 5_000, other),
            entry("c", -5_000, own),
            entry("d", 5_000, own, booked_on=tomorrow),
            entry("e", 0, own),
        )
    )
    assert [(u.entry_id, u.code) for u in booked(facts).unmatched] == [
        ("a", "bank_reference_unknown"),
        ("b", "bank_reference_unknown"),
        ("c", "bank_other_way"),
        ("d", "bank_entry_in_future"),
        ("e", "bank_other_way"),
    ]
    assert all(each.message_de and each.message_en for each in booked(facts).unmatched)
    assert booked(facts).matched == 0


async def test_what_the_bank_returns_is_owed_again(billing: Desk) -> None:
    payment = arranged(await billing.take(arranging()))["desy", "office"]
    before = await balances(billing)
    reference = payment.reference
    await billing.take(reporting("desy", entry("a", -7_500, reference), number=1))
    back = await billing.take(reporting("desy", entry("b", 7_500, reference, returned=True), number=2))
    assert [(f.data.amount_cents, f.data.open_cents) for f in back[:-1]] == [(-7_500, 7_500)]  # type: ignore[attr-defined]
    assert await balances(billing) == before
    assert await billing.rows("select paid_on from payment where debtor = 'desy'") == [(None,)]
    again = await billing.take(reporting("desy", entry("c", -7_500, reference), number=3))
    assert [(f.data.amount_cents, f.data.open_cents) for f in again[:-1]] == [(7_500, 0)]  # type: ignore[attr-defined]
    assert (await verified(billing)).broken is None


async def test_a_reference_is_found_however_a_bank_writes_it(billing: Desk) -> None:
    payment = arranged(await billing.take(arranging()))["desy", "office"]
    spaced = " ".join(payment.reference[place : place + 4] for place in range(0, 20, 4)).lower()
    facts = await billing.take(
        reporting("desy", entry("a", -7_500, text=f"SVWZ+Verrechnung {spaced}, Danke"))
    )
    assert booked(facts).matched == 1


async def test_two_references_in_one_entry_are_for_people_to_settle(billing: Desk) -> None:
    paid = arranged(await billing.take(arranging()))
    both = [paid["office", "kit"].reference, paid["office", "lrz"].reference]
    facts = await billing.take(reporting("office", entry("a", -7_000, *both)))
    assert [each.code for each in booked(facts).unmatched] == ["bank_reference_ambiguous"]


async def test_only_who_owns_an_account_tells_of_it(billing: Desk) -> None:
    payment = arranged(await billing.take(arranging()))["desy", "office"]
    facts = await billing.take(
        reporting("kit", entry("a", -7_500, payment.reference), account=ACCOUNTS["desy"])
    )
    assert codes(facts) == ["not_your_account"]


async def test_two_who_tell_of_the_same_payment_at_once(billing: Desk, desk: NewDesk) -> None:
    payment = arranged(await billing.take(arranging()))["desy", "office"]
    first, second = await two_desks(billing, desk)
    messages = [
        reporting("desy", entry("a", -7_500, payment.reference), number=1),
        reporting("office", entry("b", 7_500, payment.reference), number=2),
        reporting("desy", entry("a", -7_500, payment.reference), number=3),
    ]
    told = await asyncio.gather(
        *(
            persistently(lambda each=each, message=message: each.take(message))  # type: ignore[misc]
            for each, message in zip((first, second, second), messages, strict=True)
        )
    )
    assert sum(isinstance(fact.data, PaymentReceived) for facts in told for fact in facts) == 1
    assert (await balances(billing))["desy:bank:girokonto"] == -7_500


async def crosswise(billing: Desk, desk: NewDesk, monkeypatch: pytest.MonkeyPatch) -> Sequence[object]:
    """Two batches tell of the same two payments in opposite order, each held up after its first report."""
    paid = arranged(await billing.take(arranging()))
    one, other = paid["desy", "office"], paid["office", "kit"]
    first, second = await two_desks(billing, desk)
    save, came, both = store.save_receipts, [], asyncio.Event()

    async def meeting(*arguments: Any, **named: Any) -> None:
        await save(*arguments, **named)
        came.append(named["member"])
        if len(came) == 2:
            both.set()
        if len(came) <= 2:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(both.wait(), 1)

    monkeypatch.setattr(store, "save_receipts", meeting)
    there = [
        reporting("desy", entry("a", -7_500, one.reference), number=1),
        reporting("kit", entry("b", 5_000, other.reference), number=2),
    ]
    back = [
        reporting("office", entry("c", -5_000, other.reference), number=3),
        reporting("office", entry("d", 7_500, one.reference), number=4),
    ]
    return await asyncio.gather(first.take(*there), second.take(*back), return_exceptions=True)


async def test_batches_of_reports_that_cross_wait_for_each_other(
    billing: Desk, desk: NewDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = await crosswise(billing, desk, monkeypatch)
    assert not [each for each in told if isinstance(each, BaseException)]
    assert (await balances(billing))["office:bank:girokonto"] == 2_500


async def test_without_one_order_of_locks_batches_that_cross_are_broken_off(
    billing: Desk, desk: NewDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = store.lock_named

    async def each_for_itself(tx: AsyncConnection, references: set[str]) -> Mapping[str, object]:
        return await lock(tx, references) if len(references) == 1 else {}

    monkeypatch.setattr(store, "lock_named", each_for_itself)
    told = await crosswise(billing, desk, monkeypatch)
    assert [each.orig.sqlstate for each in told if isinstance(each, DBAPIError)] == ["40P01"]  # type: ignore[union-attr]


async def test_the_database_never_marks_more_than_a_payment(billing: Desk) -> None:
    await billing.take(arranging())
    for column in ("debited", "credited"):
        with pytest.raises(IntegrityError, match=f"{column}_within_amount"):
            async with billing.engine.begin() as tx:
                await tx.execute(
                    text(f"update payment set {column}_cents = amount_cents + 1, paid_on = now()")
                )


async def test_a_payment_is_posted_on_the_day_of_the_bank_if_it_can_be(billing: Desk) -> None:
    payment = arranged(await billing.take(arranging()))["desy", "office"]
    billing.now = dt.datetime(2026, 8, 3, 8, tzinfo=dt.UTC)
    async with billing.engine.begin() as tx:
        await tx.execute(
            text(
                "insert into accounting_period (period, closed_at, issued_at)"
                " values ('2026-06', now(), now())"
            )
        )
    days = []
    for number, day in enumerate(("2026-07-15", "2026-06-15", "2026-05-31"), 1):
        told = entry(f"{number}", -1, payment.reference, booked_on=dt.date.fromisoformat(day))
        facts = await billing.take(reporting("desy", told, number=number))
        assert facts[0].data.paid_on == told.booked_on  # type: ignore[attr-defined]
        days.append((await journal(billing))[-1].date.isoformat())
    assert days == ["2026-07-15", "2026-08-03", "2026-08-03"], "its month is closed; it is before the netting"


async def test_what_was_netted_and_told_is_never_changed(
    billing: Desk, superuser: asyncpg.Connection
) -> None:
    payment = arranged(await billing.take(arranging()))["desy", "office"]
    await billing.take(reporting("desy", entry("a", -1, payment.reference)))
    for table in ("netting", "netting_item", "bank_entry"):
        with pytest.raises(asyncpg.PostgresError, match=table):
            await superuser.execute(f"delete from {table}")
    assert uid(100) == payment.netting_id
