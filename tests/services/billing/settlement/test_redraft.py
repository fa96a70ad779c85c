"""A draft that is made anew is as if it had been made once, at the end."""

import random
from collections.abc import Sequence

import asyncpg
import pytest
from sqlalchemy import text
from support.bodies import closing
from support.builders import command, fact, uid
from support.desk import Desk, NewDesk, codes
from support.histories import breach, changed, day, noon
from support.usage_histories import BOOKINGS, MEMBERS, MONTHS, random_history

from allmende.schemas.settlements import DraftSettlement
from allmende.servicekit.messages import Incoming
from allmende.servicekit.testing import Templates
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.settlement import runs

ROWS = {
    "charge_line": "select settlement_id, line, payer, payee, amount_cents, document::text from charge_line",
    "component_charge": "select * from component_charge",
    "booking": "select booking_id, open_from from booking",
    "booking_terms": "select booking_id, number, reckoned_in from booking_terms",
    "booking_change": "select booking_id, number, reckoned_in, charged_in from booking_change",
    "breach": "select breach_id, charged_in from breach",
    "late": "select distinct booking_id, period from usage_late where rated_in is null",
    "statement": "select document::text from statement",
    "invoice": "select head::text, document::text from invoice",
    "posting": "select entry_id, position, account, amount_cents from posting",
    "ledger_head": "select sequence, hash from ledger_head",
}


def history(seed: int) -> tuple[list[Incoming], list[str]]:
    """Usage and terms in any order, with changes and breaches in between; and months in any order."""
    chance = random.Random(seed)  # noqa: S311 - the same draw every time
    told = random_history(seed).told
    for number in range(8):
        of = chance.choice(BOOKINGS)
        on = f"2025-{chance.randrange(8, 13):02d}-15"
        given = {"changed_at": noon(on), "compensation_cents": chance.choice([0, 0, 350, -120])}
        if chance.random() < 0.4:
            given["end"] = day(on)
        other = fact(changed(number + 1, of, **given), 300 + number)
        if chance.random() < 0.4:
            other = fact(breach(800 + number, 55, booking_id=of.booking_id, last_day=day(on)), 400 + number)
        told.insert(chance.randrange(len(BOOKINGS), len(told) + 1), other)
    months = MONTHS[:4]
    chance.shuffle(months)
    return told, months


async def settled(desk: NewDesk, seed: int, *, drafts: int) -> Desk:
    """Draft every month so often, with facts in between, and issue the last draft."""
    chance = random.Random(seed + 1_000)  # noqa: S311 - the same draw every time
    told, months = history(seed)
    cuts = sorted(chance.sample(range(len(BOOKINGS), len(told)), 3 * len(months)))
    parts = [told[i:j] for i, j in zip([0, *cuts], [*cuts, len(told)], strict=True)]
    made = await desk(BillingHandler(MEMBERS, 60))
    for number, month in enumerate(months, 1):
        for place in range(3):
            await made.take(*parts.pop(0))
            if place >= 3 - drafts:
                first = place == 3 - drafts
                draft = command(
                    "office", DraftSettlement(period=month), 9_000 + 10 * number + (0 if first else place)
                )
                assert codes(await made.take(draft))[-1] == "SettlementDrafted"
        _, *steps = closing(month, 9_000 + 10 * number, revision=drafts)
        assert codes(await made.take(*steps))[-1] == "SettlementClosed"
    await made.take(*parts.pop(0))
    assert not parts
    await made.take(*closing(MONTHS[5], 9_900))
    return made


async def rows(desk: Desk) -> dict[str, list[tuple[object, ...]]]:
    return {name: sorted(await desk.rows(statement), key=repr) for name, statement in ROWS.items()}


@pytest.mark.parametrize("seed", range(4))
async def test_drafting_anew_comes_to_the_same_as_drafting_once_at_the_end(desk: NewDesk, seed: int) -> None:
    thrice, once = await settled(desk, seed, drafts=3), await settled(desk, seed, drafts=1)
    found, expected = await rows(thrice), await rows(once)
    for name in ROWS:
        assert found[name] == expected[name], name
    assert len(expected["charge_line"]) > 20


def without(statements: Sequence[object], table: str) -> tuple[object, ...]:
    left = tuple(each for each in statements if table not in str(each))
    assert len(left) < len(statements)
    return left


@pytest.mark.parametrize(
    ("part", "table"),
    [("_UNDO", "update booking b"), ("_UNTAKE", "usage_late"), ("_UNTAKE", "breach")],
)
async def test_without_giving_back_what_a_draft_took_the_lines_differ(
    desk: NewDesk, monkeypatch: pytest.MonkeyPatch, part: str, table: str
) -> None:
    expected = [(await rows(await settled(desk, seed, drafts=1)))["charge_line"] for seed in range(2)]
    monkeypatch.setattr(runs, part, without(getattr(runs, part), table))
    found = [(await rows(await settled(desk, seed, drafts=3)))["charge_line"] for seed in range(2)]
    assert found != expected


# -- the guard of the database --------------------------------------------------------------------


async def drafted(desk: NewDesk) -> Desk:
    made = await desk(BillingHandler(MEMBERS, 60))
    await made.take(*(fact(each, n) for n, each in enumerate(BOOKINGS)))
    await made.take(*closing("2025-07", 1))
    await made.take(closing("2025-08", 2)[0])
    return made


REMOVALS = ("component_charge", "charge_line")


async def test_lines_of_a_draft_can_be_removed_and_issued_ones_cannot(desk: NewDesk) -> None:
    made = await drafted(desk)
    for number, removed in ((1, False), (2, True)):
        for table in REMOVALS:
            statement = f"delete from {table} where settlement_id = :id"
            async with made.engine.connect() as tx:
                if removed:
                    assert (await tx.execute(text(statement), {"id": uid(number)})).rowcount > 0
                    await tx.commit()
                else:
                    with pytest.raises(Exception, match="once their run is issued"):
                        await tx.execute(text(statement), {"id": uid(number)})


@pytest.mark.parametrize(
    ("table", "trigger", "statement"),
    [
        ("settlement", "settlement_goes_forward", "update settlement set state = 'issued', revision = 7"),
        ("settlement", "settlement_goes_forward", "delete from settlement"),
        ("charge_line", "charge_line_stays_once_issued", "delete from charge_line"),
        ("charge_line", "charge_line_is_not_changed", "update charge_line set amount_cents = 1"),
        ("component_charge", "component_charge_stays_once_issued", "delete from component_charge"),
        ("component_charge", "component_charge_is_not_changed", "update component_charge set step = 9"),
    ],
)
async def test_each_guard_refuses_and_without_it_the_database_lets_it_pass(
    desk: NewDesk, templates: Templates, table: str, trigger: str, statement: str
) -> None:
    made = await drafted(desk)
    connection = await asyncpg.connect(templates.admin_url(made.url))
    try:
        # Keys among the rows would refuse as well; only the guards are looked at.
        await connection.execute("set session_replication_role = replica")
        await connection.execute(f"alter table {table} enable always trigger {trigger}")
        with pytest.raises(asyncpg.PostgresError, match=r"never changed|does not go"):
            await connection.execute(statement)
        await connection.execute(f"alter table {table} disable trigger {trigger}")
        assert not (await connection.execute(statement)).endswith(" 0")
    finally:
        await connection.close()


async def test_a_run_goes_forward_by_one_step(desk: NewDesk) -> None:
    made = await drafted(desk)
    for change, reason in (
        ("state = 'issued'", "does not go from draft"),
        ("revision = 3, state = 'draft'", "does not go from draft"),
        ("state = 'in_review', revision = 2", "does not go from draft"),
    ):
        async with made.engine.connect() as tx:
            with pytest.raises(Exception, match=reason):
                await tx.execute(
                    text(f"update settlement set {change} where settlement_id = :id"),
                    {"id": uid(2)},
                )
    async with made.engine.connect() as tx:
        with pytest.raises(Exception, match="never changed or removed"):
            await tx.execute(text("update settlement set document = document where state = 'issued'"))


SECOND = """
    insert into settlement (settlement_id, period, closed_at, document, state)
    values (gen_random_uuid(), '2025-09', now(), '{}', 'draft')
"""


async def test_without_its_index_two_runs_are_open(desk: NewDesk, templates: Templates) -> None:
    made = await drafted(desk)
    connection = await asyncpg.connect(templates.admin_url(made.url))
    try:
        with pytest.raises(asyncpg.UniqueViolationError, match="one_run_is_open"):
            await connection.execute(SECOND)
        await connection.execute("drop index one_run_is_open")
        assert await connection.execute(SECOND) == "INSERT 0 1"
    finally:
        await connection.close()


async def test_one_run_at_a_time_is_open_even_past_the_rules(desk: NewDesk) -> None:
    made = await drafted(desk)
    async with made.engine.connect() as tx:
        with pytest.raises(Exception, match="one_run_is_open"):
            await tx.execute(
                text(
                    "insert into settlement (settlement_id, period, closed_at, document, state)"
                    " values (:id, '2025-09', now(), '{}', 'draft')"
                ),
                {"id": uid(3)},
            )
