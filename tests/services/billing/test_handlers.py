"""Batches of bookings, reports, levies and closings: whole, in pieces, twice."""

import dataclasses
import datetime as dt

import pytest
from support.bodies import closing
from support.builders import (
    booking,
    command,
    component,
    decimals,
    fact,
    key,
    record,
    register,
    report,
    tariff,
    uid,
)
from support.desk import Desk, NewDesk, codes, said
from support.histories import amended, breach, changed, flat, noon

from allmende.schemas.billing import (
    ChargeLevy,
    LevyCharged,
    SettlementClosed,
    StatementIssued,
    UsageRecord,
    UsageRecorded,
)
from allmende.schemas.contract import MESSAGE_BYTES_MAX
from allmende.schemas.registry import Audience
from allmende.servicekit.messages import Incoming, Outgoing
from allmende.servicekit.testing import Someone
from allmende.services.billing.handlers import BillingHandler

MEMBERS = register(Someone("desy", "Hamburg"), Someone("gsi", "Hessen"), Someone("lrz", "Bayern"))
BY_LAND = key({"Hamburg": 1, "Hessen": 2, "Bayern": 7}, holders="land")
TABLES = {
    "booking": "select booking_id, provider, consumer, open_from from booking order by 1",
    "usage_record": "select source, record_id, quantity, state, waits_for, corrects, booking_id, meter,"
    " started_at, ended_at, period, dimensions::text from usage_record order by 1, 2",
    "usage_cancellation": "select source, cancellation_id, cancels, reason, state from usage_cancellation"
    " order by 1, 2",
    "usage_lineage": "select source, record_id, kind, by_id from usage_lineage order by 1, 2",
    "usage_late": "select distinct booking_id, period from usage_late order by 1, 2",
    "booking_terms": "select booking_id, number, valid_from, reckoned_in from booking_terms order by 1, 2",
    "booking_change": "select booking_id, number, charged_in, reckoned_in from booking_change order by 1, 2",
    "breach": "select breach_id, charged_in from breach order by 1",
    "component_charge": "select * from component_charge order by 1, 2, 3, 4, 5",
    "levy": "select levy_id, period, document::text from levy order by 1",
    "settlement": "select document::text from settlement order by 1",
    "statement": "select document::text from statement order by 1",
    "charge_line": "select settlement_id, line, document::text from charge_line order by 1, 2",
    "posting": "select entry_id, position, account, amount_cents from posting order by 1, 2",
    "entry_number": "select body, year, number, entry_id from entry_number order by 1, 2, 3",
    "ledger_head": "select sequence, hash from ledger_head",
    "accounting_period": "select * from accounting_period order by 1",
}


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    return await desk(BillingHandler(MEMBERS, 60))


async def tables(desk: Desk) -> dict[str, list[tuple[object, ...]]]:
    return {name: await desk.rows(statement) for name, statement in TABLES.items()}


def reported(number: int, *records: UsageRecord, by: str = "lrz") -> Incoming:
    return command(by, report(*records), number)


def levied(number: int, amount: int = 1_000, period: str = "2026-04", **changes: object) -> Incoming:
    by = BY_LAND.model_copy(update=changes)
    return command("office", ChargeLevy(period=period, title="Büro", amount_cents=amount, key=by), number)


def closed(number: int, period: str = "2026-04") -> list[Incoming]:
    return closing(period, number)


def summed(*facts: Outgoing) -> list[str]:
    """What became of reports: accepted, repeated, parked, and the refused with their codes."""
    found = []
    for each in facts:
        assert isinstance(each.data, UsageRecorded)
        refused = [f"{one.id}:{one.code}" for one in each.data.refused]
        found.append(
            f"{each.data.accepted} {each.data.repeated} {each.data.parked} {' '.join(refused)}".strip()
        )
    return found


LATER_TERMS = tariff(component(), flat("2.00", "month", "size", measure="cores"), version=2)
MAY = dt.datetime(2026, 5, 2, 12, tzinfo=dt.UTC)
BATCH: list[Incoming] = [
    fact(booking(1), 1),
    fact(booking(2, consumer="gsi", end=dt.date(2026, 4, 30)), 2),
    fact(booking(3, provider="gsi", consumer="lrz", offering_id="gsi/vm"), 3),
    fact(amended(1, "2026-04-20", quantities=decimals({"cores": 2}), tariff=LATER_TERMS), 4),
    fact(changed(2, changed_at=noon("2026-04-20"), compensation_cents=40), 5),
    fact(breach(800, 30), 6),
    reported(10, record("a", 5), record("b", "2.5", booking_id=uid(2)), record("a", 5)),
    reported(11, record("a", 6), record("c", meter="none"), record("d", 1, booking_id=uid(3))),
    reported(12, record("a", 1, booking_id=uid(3)), by="gsi"),
    reported(13, record("e", booking_id=uid(9), start=MAY), record("f", booking_id=uid(2), start=MAY)),
    reported(14, record("g", 1, start=MAY)),
    levied(20),
    levied(21, 5, effective_from=dt.date(2027, 1, 1)),
    *closed(30),
]


@pytest.mark.parametrize("size", [None, 1, 2, 4])
async def test_a_batch_comes_to_the_same_whole_or_in_pieces(desk: NewDesk, size: int | None) -> None:
    whole, pieces = [await desk(BillingHandler(MEMBERS, 60)) for _ in range(2)]
    facts = await whole.deliver(BATCH)
    assert summed(*facts[:5]) == [
        "2 1 0",
        "0 0 1 a:record_conflict d:not_your_booking",
        "1 0 0",
        "0 0 1 f:outside_booking",
        "1 0 0",
    ]
    assert codes(facts[5:]) == [
        "LevyCharged",
        "key_not_effective",
        "SettlementDrafted",
        "SettlementReviewed",
        *["StatementIssued"] * 4,
        "SettlementClosed",
    ]
    await pieces.deliver(BATCH, size)
    assert await tables(pieces) == await tables(whole)
    assert said(pieces.told) == said(whole.told)


async def test_the_order_within_a_batch_does_not_lose_what_belongs_to_the_period(billing: Desk) -> None:
    facts = await billing.take(*closed(30), levied(20), reported(10, record("a", 5)), fact(booking(1), 1))
    settled = facts[-1].data
    assert isinstance(settled, SettlementClosed)
    assert (settled.charges_cents, settled.levies_cents, settled.usage_records) == (500, 1_000, 1)


@pytest.mark.parametrize("size", [None, 1])
async def test_a_batch_delivered_twice_has_one_effect(billing: Desk, size: int | None) -> None:
    await billing.take(*BATCH, *(dataclasses.replace(message) for message in BATCH))
    before = await tables(billing)
    assert len(before["settlement"]) == len(before["levy"]) == 1
    assert await billing.deliver(BATCH, size) == []
    assert await tables(billing) == before


async def test_the_same_records_in_another_report_change_nothing(billing: Desk) -> None:
    await billing.deliver(BATCH[:7])
    before = await tables(billing)
    assert summed(
        *await billing.take(reported(99, record("a", 5), record("b", "2.5", booking_id=uid(2))))
    ) == ["0 2 0"]
    assert summed(*await billing.take(reported(98, record("a", "5.1")))) == ["0 0 0 a:record_conflict"]
    assert await tables(billing) == before


async def test_a_refused_record_may_be_reported_again_once_it_is_right(billing: Desk) -> None:
    await billing.take(fact(booking(1), 1))
    wrong = record("a", start=dt.datetime(2026, 3, 1, tzinfo=dt.UTC))
    assert summed(*await billing.take(reported(10, wrong))) == ["0 0 0 a:outside_booking"]
    assert summed(*await billing.take(reported(11, record("a")))) == ["1 0 0"]


async def test_records_of_one_id_belong_to_their_provider(billing: Desk) -> None:
    await billing.deliver(BATCH[:3])
    facts = await billing.take(
        reported(10, record("a")), reported(11, record("a", booking_id=uid(3)), by="gsi")
    )
    assert summed(*facts) == ["1 0 0", "1 0 0"]


async def test_a_settlement_says_what_was_used_and_levied(billing: Desk) -> None:
    facts = await billing.deliver(BATCH)
    settled = facts[-1].data
    assert isinstance(settled, SettlementClosed)
    assert {p.party: p.net_cents for p in settled.positions} == {
        "desy": -500 - 40 + 30 - 100,
        "gsi": -250 + 100 - 200,
        "lrz": 750 + 40 - 30 - 100 - 700,
        "office": 1_000,
    }
    assert (settled.charges_cents, settled.levies_cents, settled.usage_records, settled.lines) == (
        860,
        1_000,
        3,
        8,
    )
    statements = {each.data.member: each for each in facts if isinstance(each.data, StatementIssued)}
    assert list(statements) == ["desy", "gsi", "lrz", "office"]
    for member, each in statements.items():
        assert each.parties == {Audience.MEMBER: member}
    assert await billing.rows("select sum(amount_cents) from posting") == [(0,)]
    (levy,) = [each.data for each in facts if isinstance(each.data, LevyCharged)]
    assert sum(share.amount_cents for share in levy.shares) == 1_000


async def test_a_closed_period_takes_usage_only_and_marks_it(billing: Desk) -> None:
    await billing.deliver(BATCH)
    before = await tables(billing)
    late = await billing.take(reported(40, record("late")), levied(41), *closed(42))
    assert summed(late[0]) == ["1 0 0"]
    assert codes(late[1:]) == ["period_closed", "period_closed", "run_issued", "run_issued"]
    after = await tables(billing)
    assert {name for name in after if after[name] != before[name]} == {"usage_record", "usage_late"}
    marks = await billing.rows("select booking_id::text, period, rated_in from usage_late")
    assert marks == [(uid(1), "2026-04", None)]
    assert summed(*await billing.take(reported(43, record("late")))) == ["0 1 0"]
    assert await tables(billing) == after, "a repetition changes nothing"


async def test_closing_one_period_twice_in_one_batch_closes_it_once(billing: Desk) -> None:
    facts = await billing.take(*closed(1), *closed(2), *closed(3, "2026-05"))
    assert codes(facts).count("SettlementClosed") == 2
    assert codes(facts).count("period_closed") == 1


@pytest.mark.parametrize("letter", ["x", "\N{OLD ITALIC LETTER A}"])
async def test_a_report_refused_record_by_record_is_answered_in_a_message_that_can_be_read(
    billing: Desk, letter: str
) -> None:
    ids = [f"{number:04d}".ljust(120, letter).encode()[:364].decode() for number in range(1000)]
    first = reported(10, *(record(id_, 1) for id_ in ids))
    assert MESSAGE_BYTES_MAX / 2 < len(first.data.model_dump_json().encode()) < MESSAGE_BYTES_MAX
    await billing.take(fact(booking(1), 1), first)
    for number, by in [(11, "lrz"), (12, "gsi")]:
        (answer,) = await billing.take(reported(number, *(record(id_, 2) for id_ in ids), by=by))
        assert isinstance(answer.data, UsageRecorded)
        assert [each.id for each in answer.data.refused] == ids
        assert len({each.code for each in answer.data.refused}) == 1
        assert len(answer.data.model_dump_json().encode()) < MESSAGE_BYTES_MAX - 2_000


async def test_a_few_refused_records_are_told_in_sentences_however_long(billing: Desk) -> None:
    ids = [f"{number:04d}".ljust(120, "\N{OLD ITALIC LETTER A}") for number in range(250)]
    await billing.take(fact(booking(1), 1), reported(10, *(record(id_, 1) for id_ in ids)))
    (answer,) = await billing.take(reported(11, *(record(id_, 2) for id_ in ids)))
    assert isinstance(answer.data, UsageRecorded)
    assert all(each.id in each.message_de and each.id in each.message_en for each in answer.data.refused)
    assert len(answer.data.model_dump_json().encode()) < MESSAGE_BYTES_MAX - 2_000
