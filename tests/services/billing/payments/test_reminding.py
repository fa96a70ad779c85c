"""Reminders on a real database, and their amounts in the next run."""

import asyncio
import datetime as dt
from collections.abc import Sequence

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from support.builders import OFFICE, command
from support.desk import Desk, NewDesk, codes, persistently
from support.owing import issue
from support.paying import DUE, HELD, INTEREST, STEPS, arranged, arranging, entry, reminding, reporting
from support.reported import IN_2027, closes
from support.reviews import by, deciding, lines_of, market, objecting, settle

from allmende.schemas.payments import (
    ListOpenItems,
    ListPayments,
    OpenItems,
    Payments,
    ReminderSent,
    RemindersSent,
)
from allmende.schemas.permissions import Role
from allmende.schemas.register import SettlementRules
from allmende.schemas.settlements import DraftSettlement
from allmende.servicekit.messages import Outgoing
from allmende.servicekit.queries import Caller
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.payments import store
from allmende.services.billing.payments.queries import list_items, list_payments
from allmende.services.billing.store import closed_periods

RULES = SettlementRules(valid_from=dt.date(2020, 1, 1), reminders=STEPS, late_charge=INTEREST)
REGISTER = market(rules=(RULES,))
SHARED = (("desy", "lrz", 100_000), ("kit", "lrz", 50_000))


def on(days: int) -> dt.date:
    return DUE + dt.timedelta(days=days)


def at(days: int) -> dt.datetime:
    return dt.datetime.combine(on(days), dt.time(8), dt.UTC)


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    """Netted: desy and kit owe the clearing house, which owes lrz."""
    found = await desk(BillingHandler(REGISTER, 60))
    await issue(found, REGISTER, 1, *SHARED)
    await found.take(arranging())
    found.now = at(14)
    return found


async def remind(desk: Desk, days: int, number: int) -> list[Outgoing]:
    desk.now = max(desk.now, at(days))
    return await desk.take(reminding(on(days), number, desk.now))


def sent(facts: Sequence[Outgoing]) -> list[tuple[str, str, int, int, int]]:
    told = [fact.data for fact in facts if isinstance(fact.data, ReminderSent)]
    return [(e.debtor, e.creditor, e.step, e.fee_cents, e.late_charge_cents) for e in told]


def done(facts: Sequence[Outgoing]) -> RemindersSent:
    told = facts[-1].data
    assert isinstance(told, RemindersSent)
    return told


async def test_who_is_overdue_is_reminded_with_costs(billing: Desk) -> None:
    facts = await remind(billing, 14, 300)
    assert sent(facts) == [
        ("desy", OFFICE, 2, 500, 345),
        ("kit", OFFICE, 2, 500, 173),
        (OFFICE, "lrz", 2, 500, 518),
    ]
    told = done(facts)
    assert (told.reminders, told.fees_cents, told.late_charges_cents) == (3, 1_500, 1_036)


async def test_nobody_is_reminded_twice(billing: Desk) -> None:
    message = reminding(on(14), 300, billing.now)
    assert len(sent(await billing.take(message))) == 3
    assert await billing.take(message) == []
    assert sent(await remind(billing, 14, 301)) == [], "nor by another command"
    assert done(await remind(billing, 27, 302)).reminders == 0
    assert sent(await remind(billing, 28, 303))[0] == ("desy", OFFICE, 3, 1_000, 690 - 345)
    assert sent(await remind(billing, 300, 304)) == []


async def test_who_has_paid_is_not_reminded(billing: Desk) -> None:
    payments = arranged(billing.told)
    desy, kit = payments["desy", OFFICE].reference, payments["kit", OFFICE].reference
    await billing.take(
        reporting("desy", entry("a", -99_999, desy)), reporting("kit", entry("a", -50_000, kit), number=201)
    )
    assert sent(await remind(billing, 14, 300))[0] == ("desy", OFFICE, 2, 500, 0), "one cent is open"
    assert {each[0] for each in sent(billing.told)} == {"desy", OFFICE}


async def payments(billing: Desk) -> dict[tuple[str, str], tuple[int, int]]:
    caller = Caller("office", Role.OFFICE, sees_all=True)
    async with billing.engine.connect() as connection:
        found = await list_payments(connection, caller, ListPayments())
    assert isinstance(found, Payments)
    told = found.payments
    return {(e.payment.debtor, e.payment.creditor): (e.open_cents, e.disputed_cents) for e in told}


async def test_what_is_disputed_after_it_was_arranged_is_shown_and_nobody_is_reminded_of_it(
    billing: Desk,
) -> None:
    billing.now = at(0)
    raised = await billing.take(by("desy/anna", objecting(1, period="1991-04"), 150))
    assert codes(raised) == ["ObjectionRaised"]
    assert await payments(billing) == {
        ("desy", "office"): (100_000, 100_000),
        ("kit", "office"): (50_000, 0),
        ("office", "lrz"): (150_000, 100_000),
    }
    told = [fact.data for fact in await remind(billing, 14, 200) if isinstance(fact.data, ReminderSent)]
    assert [(each.debtor, each.open_cents) for each in told] == [("kit", 50_000), ("office", 50_000)]
    await billing.take(by("lrz/anna", deciding(150, "dismissed"), 151))
    assert (await payments(billing))["desy", "office"] == (100_000, 0)
    (late,) = [each for each in sent(await remind(billing, 15, 201)) if each[0] == "desy"]
    assert late[2:4] == (2, 500)


async def test_a_dispute_counts_first_against_what_is_not_arranged(desk: NewDesk) -> None:
    found = await desk(BillingHandler(REGISTER, 60))
    await issue(found, REGISTER, 1, ("desy", "lrz", 60_000), ("desy", "lrz", 40_000))
    await found.take(by("desy/anna", objecting(2, period="1991-04"), 150))
    await found.take(arranging())
    assert await payments(found) == {("desy", "office"): (60_000, 0), ("office", "lrz"): (60_000, 0)}
    await found.take(by("desy/anna", objecting(1, period="1991-04"), 151))
    assert (await payments(found))["desy", "office"] == (60_000, 60_000)


async def test_on_the_due_day_nobody_is_late(billing: Desk) -> None:
    assert sent(await remind(billing, 0, 300)) == []
    assert [each[2] for each in sent(await remind(billing, 1, 301))] == [1, 1, 1]


async def test_days_to_come_and_persons_without_the_duty_are_refused(billing: Desk) -> None:
    assert codes(await billing.take(reminding(on(15), 300, billing.now))) == ["reminder_in_future"]
    forged = reminding(on(14), 301, billing.now)
    other = command(OFFICE, forged.data.model_copy(update={"as_of": on(13)}), 301)
    assert codes(await billing.take(other)) == ["claim_invalid"]


async def test_a_clause_that_cannot_be_worked_out_holds_all_reminders(desk: NewDesk) -> None:
    register = market(rules=(RULES.model_copy(update={"late_charge": HELD}),))
    billing = await desk(BillingHandler(register, 60))
    await issue(billing, register, 1, *SHARED)
    await billing.take(arranging())
    assert codes(await remind(billing, 14, 300)) == ["late_charge_held"]
    assert await billing.rows("select count(*) from reminder") == [(0,)]


async def test_costs_are_lines_of_the_next_run_however_often_it_is_drafted(billing: Desk) -> None:
    await remind(billing, 14, 300)
    billing.now = dt.datetime(2026, 8, 3, 8, tzinfo=dt.UTC)
    for number, reason in ((400, None), (401, "noch einmal")):
        await billing.take(command(OFFICE, DraftSettlement(period="2026-07", reason=reason), number))
        lines = await lines_of(billing, "2026-07")
        assert sorted((e.payer, e.payee, e.cause, e.amount_cents) for e in lines) == [
            ("desy", OFFICE, "late_charge", 345),
            ("desy", OFFICE, "late_charge", 500),
            ("kit", OFFICE, "late_charge", 173),
            ("kit", OFFICE, "late_charge", 500),
            (OFFICE, "lrz", "late_charge", 500),
            (OFFICE, "lrz", "late_charge", 518),
        ]
        assert {e.tax.category for e in lines if e.tax} == {"O"}


async def test_a_reminder_after_the_draft_goes_into_the_month_after(billing: Desk) -> None:
    await remind(billing, 14, 300)
    billing.now = dt.datetime(2026, 8, 3, 8, tzinfo=dt.UTC)
    await settle(billing, "2026-07", 400)
    await remind(billing, 33, 301)
    assert await billing.rows("select period, count(*) from reminder group by 1 order by 1") == [
        ("2026-07", 3),
        ("2026-08", 3),
    ]
    billing.now = dt.datetime(2026, 9, 3, 8, tzinfo=dt.UTC)
    await settle(billing, "2026-08", 410)
    lines = await lines_of(billing, "2026-08")
    assert sorted(e.amount_cents for e in lines if e.payer == "desy") == [814 - 345, 1_000]


async def test_a_year_is_not_closed_before_what_reminders_cost_is_charged(billing: Desk) -> None:
    assert done(await remind(billing, 14, 200)).fees_cents > 0
    billing.now = IN_2027
    (refused,) = await billing.take(closes())
    assert codes([refused]) == ["year_not_issued"]
    assert "2026-07" in refused.data.model_dump_json()
    await settle(billing, "2026-07", 300)
    assert codes(await billing.take(closes(number=901))) == ["YearClosed"]


async def test_open_items_tell_how_often_somebody_was_reminded(billing: Desk) -> None:
    await remind(billing, 14, 300)
    await remind(billing, 28, 301)
    async with billing.engine.connect() as connection:
        found = await list_items(connection, Caller("desy", Role.MEMBER, False), ListOpenItems(as_of=on(28)))
    assert isinstance(found, OpenItems)
    assert [(each.reminders, each.days_overdue) for each in found.items] == [(2, 28)]


async def test_two_who_remind_at_once_send_each_step_once(billing: Desk, desk: NewDesk) -> None:
    other = await desk(BillingHandler(REGISTER, 60), now=billing.now, shares=billing)
    told = await asyncio.gather(
        persistently(lambda: billing.take(reminding(on(14), 300, billing.now))),
        persistently(lambda: other.take(reminding(on(14), 301, billing.now))),
    )
    assert sorted(done(facts).reminders for facts in told) == [0, 3]


async def test_without_the_lock_the_key_refuses_the_second_reminder(
    billing: Desk, desk: NewDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        store, "_LOCK_OVERDUE", text(str(store._LOCK_OVERDUE).replace(" for update of p", ""))
    )
    other = await desk(BillingHandler(REGISTER, 60), now=billing.now, shares=billing)
    async with billing.engine.begin() as tx:
        await closed_periods(tx, ["2026-07"])  # the period is there, so that nobody waits for its key
    found, go_on = asyncio.Event(), asyncio.Event()
    save = store.save_reminders

    async def hesitating(*arguments: object, **named: object) -> None:
        if not found.is_set():
            found.set()
            await go_on.wait()
        await save(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "save_reminders", hesitating)
    waiting = asyncio.create_task(billing.take(reminding(on(14), 300, billing.now)))
    await found.wait()
    await other.take(reminding(on(14), 301, billing.now))
    go_on.set()
    with pytest.raises(IntegrityError, match="reminder_pkey"):
        await waiting
