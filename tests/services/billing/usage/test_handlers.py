"""Usage exactly once: corrections, cancellations, contradictions; in any order, twice, by several."""

import asyncio
import datetime as dt
import random
from collections import Counter
from collections.abc import Sequence

import asyncpg
import pytest
from sqlalchemy.exc import IntegrityError
from support.bodies import closing
from support.builders import booking, command, component, fact, record, register, tariff, uid
from support.desk import Desk, NewDesk, codes, persistently
from support.histories import amended

from allmende.schemas.billing import (
    Clarification,
    ReportUsage,
    SettleClarification,
    UsageCancellation,
    UsageRecord,
    UsageRecorded,
    UsageRefused,
)
from allmende.schemas.registry import Audience
from allmende.servicekit.messages import Incoming, Outgoing
from allmende.servicekit.testing import Templates
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.usage import lineage
from allmende.services.billing.usage.lineage import Superseded

KNOWN = fact(booking(1), 1)
CLOSE = closing("2026-04", 90)


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    found = await desk(BillingHandler(register("desy", "lrz", "kit"), 60))
    await found.take(KNOWN)
    return found


def cancellation(id_: str, cancels: str, reason: str = "doppelt") -> UsageCancellation:
    return UsageCancellation(id=id_, cancels=cancels, reason=reason)


def reported(number: int, *entries: UsageRecord | UsageCancellation, by: str = "lrz") -> Incoming:
    records = tuple(each for each in entries if isinstance(each, UsageRecord))
    cancellations = tuple(each for each in entries if isinstance(each, UsageCancellation))
    return command(by, ReportUsage(records=records, cancellations=cancellations), number)


def summed(*facts: Outgoing) -> list[str]:
    found = []
    for each in facts:
        assert isinstance(each.data, UsageRecorded)
        refused = [f"{one.id}:{one.code}" for one in each.data.refused]
        counts = f"{each.data.accepted} {each.data.repeated} {each.data.parked}"
        found.append(" ".join([counts, *refused]))
    return found


async def states(desk: Desk) -> dict[str, str]:
    rows = await desk.rows("select record_id, state from usage_record order by source, record_id")
    return {str(id_): str(state) for id_, state in rows}


async def table(desk: Desk) -> list[list[tuple[object, ...]]]:
    records = (
        "select source, record_id, booking_id, meter, quantity, started_at, ended_at, period,"
        " dimensions::text, corrects, state, waits_for from usage_record order by 1, 2"
    )
    return [
        await desk.rows(statement)
        for statement in (
            records,
            "select source, cancellation_id, cancels, reason, state from usage_cancellation order by 1, 2",
            "select source, record_id, kind, by_id from usage_lineage order by 1, 2",
        )
    ]


# -- corrections and cancellations ------------------------------------------------------------------


async def test_a_correction_replaces_and_may_be_corrected_again(billing: Desk) -> None:
    await billing.take(reported(1, record("a", 5)))
    assert summed(*await billing.take(reported(2, record("b", 6, corrects="a")))) == ["1 0 0"]
    assert summed(*await billing.take(reported(3, record("c", 7, corrects="b")))) == ["1 0 0"]
    assert await states(billing) == {"a": "corrected", "b": "corrected", "c": "recorded"}
    assert await billing.rows("select record_id, kind, by_id from usage_lineage order by 1") == [
        ("a", "corrected", "b"),
        ("b", "corrected", "c"),
    ]
    settled = (await billing.take(*CLOSE))[-1].data
    assert settled.charges_cents == 700  # type: ignore[attr-defined]


async def test_a_record_is_corrected_or_cancelled_once(billing: Desk) -> None:
    await billing.take(reported(1, record("a"), record("x")))
    await billing.take(reported(2, record("b", corrects="a"), cancellation("s", "x")))
    again = reported(3, record("c", corrects="a"), record("d", corrects="x"), cancellation("t", "a"))
    assert summed(*await billing.take(again)) == [
        "0 0 0 c:already_corrected d:already_cancelled t:already_corrected"
    ]
    assert summed(*await billing.take(reported(4, cancellation("u", "x")))) == ["0 0 0 u:already_cancelled"]
    assert summed(*await billing.take(reported(5, cancellation("v", "b")))) == ["1 0 0"]
    assert await states(billing) == {"a": "corrected", "b": "cancelled", "x": "cancelled"}
    settled = (await billing.take(*CLOSE))[-1].data
    assert settled.charges_cents == 0, "what was replaced does not come back"  # type: ignore[attr-defined]


async def test_two_corrections_of_one_record_in_a_report(billing: Desk) -> None:
    entries = [record("a"), record("b", corrects="a"), record("c", corrects="a")]
    assert summed(*await billing.take(reported(1, *entries))) == ["2 0 0 c:already_corrected"]


async def test_the_database_lets_a_record_be_replaced_once(billing: Desk) -> None:
    await billing.take(reported(1, record("a"), record("b", corrects="a")))

    async def replaced_twice() -> None:
        async with billing.engine.begin() as tx:
            for by in ("y", "z"):
                await lineage.supersede(tx, [Superseded(("lrz", "b"), "corrected", by)], billing.now)

    with pytest.raises(IntegrityError, match="usage_lineage_pkey"):
        await replaced_twice()
    assert (await states(billing))["b"] == "recorded"


async def test_a_correction_before_its_original_waits_for_it(billing: Desk) -> None:
    assert summed(*await billing.take(reported(1, record("b", 2, corrects="a"), cancellation("s", "b")))) == [
        "0 0 2"
    ]
    assert await billing.tick() == []
    assert summed(*await billing.take(reported(2, record("a")))) == ["1 0 0"]
    assert await billing.tick() == []
    assert await states(billing) == {"a": "corrected", "b": "cancelled"}


async def test_a_correction_of_something_unknown_is_refused_after_its_time(billing: Desk) -> None:
    await billing.take(reported(1, record("b", corrects="none"), cancellation("s", "nothing")))
    assert await billing.later(59) == []
    told = await billing.later(1)
    assert [
        one.code for each in told if isinstance(each.data, UsageRefused) for one in each.data.refused
    ] == [
        "unknown_record",
        "unknown_record",
    ]
    assert all(each.parties == {Audience.PROVIDER: "lrz"} for each in told)
    assert await billing.later(60) == []
    await billing.take(reported(2, record("none")))
    assert summed(*await billing.take(reported(3, record("b", corrects="none"), cancellation("s", "b")))) == [
        "2 0 0"
    ], "what was refused after it waited may be reported again"


async def test_nobody_corrects_the_records_of_another_provider(billing: Desk) -> None:
    await billing.take(reported(1, record("a")), fact(booking(2, provider="kit", offering_id="kit/vm"), 2))
    foreign = reported(2, record("b", booking_id=uid(2), corrects="a"), cancellation("s", "a"), by="kit")
    assert summed(*await billing.take(foreign)) == ["0 0 2"]
    await billing.later(60)
    assert await states(billing) == {"b": "refused", "a": "recorded"}


async def test_records_that_correct_each_other_in_a_circle_are_refused_in_the_end(billing: Desk) -> None:
    await billing.take(reported(1, record("a", corrects="b"), record("b", corrects="a")))
    assert codes(await billing.later(60)) == ["UsageRefused"]
    assert await states(billing) == {"a": "refused", "b": "refused"}


async def test_corrections_of_a_closed_period_mark_both_bookings_and_periods(billing: Desk) -> None:
    await billing.take(fact(booking(2), 2), reported(1, record("a"), record("x")), *CLOSE)
    may = dt.datetime(2026, 5, 10, tzinfo=dt.UTC)
    await billing.take(reported(2, record("b", corrects="a", booking_id=uid(2), start=may)))
    assert await billing.rows("select booking_id::text, period from usage_late") == [(uid(1), "2026-04")]
    await billing.take(reported(3, record("c", booking_id=uid(2)), cancellation("s", "x")))
    rows = await billing.rows("select booking_id::text, period from usage_late order by mark")
    assert rows == [(uid(1), "2026-04"), (uid(2), "2026-04"), (uid(1), "2026-04")]


# -- contradictions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        record("a", 2),
        record("a", booking_id=uid(2)),
        record("a", meter="disk"),
        record("a", start=dt.datetime(2026, 4, 10, 12, 0, 1, tzinfo=dt.UTC)),
        record("a", end=dt.datetime(2026, 4, 10, 12, 0, 1, tzinfo=dt.UTC)),
        record("a", dimensions={"purpose": "teaching"}),
        record("a", corrects="z"),
    ],
)
async def test_every_field_is_content(billing: Desk, other: UsageRecord) -> None:
    await billing.take(reported(1, record("a")))
    assert summed(*await billing.take(reported(2, other))) == ["0 0 0 a:record_conflict"]
    assert summed(*await billing.take(reported(3, other, record("b")))) == ["1 0 0 a:record_conflict"]
    [entry] = await listed(billing)
    assert (entry.provider, entry.standing, entry.offered) == ("lrz", record("a"), other)


async def listed(desk: Desk, **asked: object) -> list[Clarification]:
    given = {"source": None, "open_only": True, "after": 0, "limit": 10} | asked
    async with desk.engine.connect() as tx:
        return await lineage.clarifications(tx, **given)  # type: ignore[arg-type]


async def test_the_same_moment_and_number_written_otherwise_are_the_same_content(billing: Desk) -> None:
    await billing.take(reported(1, record("a", "1.50", dimensions={"x": "1", "y": "2"})))
    summer = dt.datetime(2026, 4, 10, 14, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    same = record("a", "1.5", start=summer, dimensions={"y": "2", "x": "1"})
    assert summed(*await billing.take(reported(2, same))) == ["0 1 0"]
    assert await listed(billing) == []


async def test_a_contradiction_settles_itself_when_its_record_is_corrected(billing: Desk) -> None:
    await billing.take(reported(1, record("a"), record("b"), cancellation("s", "b")))
    await billing.take(reported(2, record("a", 2), cancellation("s", "a")))
    assert [(each.record_id, bool(each.offered)) for each in await listed(billing)] == [
        ("a", True),
        ("s", False),
    ]
    await billing.take(reported(3, record("c", 2, corrects="a")))
    assert [each.record_id for each in await listed(billing)] == ["s"]
    done = (await listed(billing, open_only=False))[0]
    assert (done.settled_as, done.settled_at, done.reason) == ("corrected", billing.now, None)


async def test_a_contradiction_is_settled_by_hand_once_by_its_provider_or_the_office(billing: Desk) -> None:
    await billing.take(reported(1, record("a"), record("b")))
    await billing.take(reported(2, record("a", 2), record("b", 2)))
    first, second = [each.clarification for each in await listed(billing)]

    def settle(number: int, by: str, entry: int) -> Incoming:
        return command(by, SettleClarification(clarification=entry, reason="Erstmeldung stimmt"), number)

    assert codes(await billing.take(settle(10, "kit", first))) == ["unknown_clarification"]
    (told,) = await billing.take(settle(11, "lrz", first))
    assert (told.parties, told.data.settled_by) == ({Audience.PROVIDER: "lrz"}, "lrz")  # type: ignore[attr-defined]
    assert codes(await billing.take(settle(12, "lrz", first))) == ["clarification_settled"]
    assert codes(await billing.take(settle(13, "office", second))) == ["ClarificationSettled"]
    assert await listed(billing) == []
    assert [each.reason for each in await listed(billing, open_only=False)] == ["Erstmeldung stimmt"] * 2


async def test_the_list_comes_page_by_page_and_to_those_concerned(billing: Desk) -> None:
    names = [f"r{n}" for n in range(5)]
    await billing.take(reported(1, *(record(name) for name in names)))
    await billing.take(reported(2, *(record(name, 2) for name in names)))
    first = await listed(billing, limit=3)
    rest = await listed(billing, after=first[-1].clarification)
    assert [each.record_id for each in first + rest] == names
    assert await listed(billing, source="kit") == []


# -- in any order, twice, by several -----------------------------------------------------------------

BOTH = tariff(component(), component(id="disk", measure="disk"), version=2)
STORY: list[Incoming] = [
    fact(booking(3, consumer="kit"), 3),
    fact(amended(1, "2026-04-01", tariff=BOTH), 4),
    reported(10, record("a", 1), record("b", 2), record("late", booking_id=uid(3))),
    reported(11, record("a2", 3, corrects="a"), record("disk", 1, meter="disk")),
    reported(12, record("a3", 4, corrects="a2"), cancellation("s1", "b")),
    reported(13, cancellation("s2", "a3"), record("a", 1)),
    reported(14, record("nothing", booking_id=uid(9)), record("orphan", corrects="none")),
    reported(15, cancellation("s3", "none"), record("late2", 9, corrects="late", booking_id=uid(3))),
]


async def told_and_settled(desk: Desk, messages: Sequence[Incoming], size: int) -> None:
    await desk.deliver(messages, size)
    for _ in range(6):
        await desk.tick()
    await desk.later(60)
    await desk.tick()


@pytest.mark.parametrize("seed", range(12))
async def test_any_order_of_the_same_messages_ends_in_the_same_tables(desk: NewDesk, seed: int) -> None:
    first, second = [await desk(BillingHandler(register("desy", "lrz"), 60)) for _ in range(2)]
    chance = random.Random(seed)  # noqa: S311 - the same draw every time
    shuffled = [KNOWN, *STORY] * 2
    chance.shuffle(shuffled)
    await told_and_settled(first, [KNOWN, *STORY], len(STORY) + 1)
    await told_and_settled(second, shuffled, chance.randint(1, 5))
    assert await table(second) == await table(first)
    assert await states(first) == {
        "a": "corrected",
        "a2": "corrected",
        "a3": "cancelled",
        "b": "cancelled",
        "disk": "recorded",
        "late": "corrected",
        "late2": "recorded",
        "nothing": "refused",
        "orphan": "refused",
    }


async def race(desk: NewDesk, billing: Desk) -> Counter[str]:
    """Two processes get the same records in reports of their own, in opposite orders."""
    other = await desk(billing.handler, shares=billing)
    names = [f"r{n:03d}" for n in range(200)]

    async def work(each: Desk, start: int, ids: list[str]) -> None:
        for number in range(4):
            some = [record(id_) for id_ in ids[50 * number : 50 * number + 50]]
            await persistently(lambda some=some, number=number: each.take(reported(start + number, *some)))  # type: ignore[misc]

    async with asyncio.timeout(60):
        await asyncio.gather(work(billing, 100, names), work(other, 200, names[::-1]))
    answers = [each.data for each in billing.told + other.told if isinstance(each.data, UsageRecorded)]
    rows = await billing.rows("select count(*) from usage_record")
    return Counter(
        accepted=sum(each.accepted for each in answers),
        repeated=sum(each.repeated for each in answers),
        rows=int(str(rows[0][0])),
    )


async def test_two_processes_that_get_the_same_records_take_each_once(billing: Desk, desk: NewDesk) -> None:
    assert await race(desk, billing) == Counter(accepted=200, repeated=200, rows=200)


async def test_without_the_primary_key_a_record_counts_twice(
    billing: Desk, desk: NewDesk, templates: Templates
) -> None:
    await drop_key(templates, billing)
    assert (await race(desk, billing))["rows"] > 200


async def drop_key(templates: Templates, desk: Desk) -> None:
    admin = await asyncpg.connect(templates.admin_url(desk.url))
    await admin.execute("alter table usage_record drop constraint usage_record_pkey")
    await admin.close()


async def test_two_processes_correct_a_record_once(billing: Desk, desk: NewDesk) -> None:
    other = await desk(billing.handler, shares=billing)
    await billing.take(reported(1, record("a")))
    await asyncio.gather(
        *(
            persistently(lambda each=each, n=n: each.take(reported(10 + n, record(f"c{n}", corrects="a"))))  # type: ignore[misc]
            for n, each in enumerate((billing, other))
        )
    )
    assert Counter((await states(billing)).values()) == {"corrected": 1, "recorded": 1}


async def test_a_thousand_records_of_which_some_are_known_and_some_are_bad(billing: Desk) -> None:
    await billing.take(reported(1, *(record(f"r{n:04d}") for n in range(0, 1000, 10))))
    march = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    load = [record(f"r{n:04d}", start=march) if n % 10 == 1 else record(f"r{n:04d}") for n in range(1000)]
    (answer,) = await billing.take(reported(2, *load))
    assert isinstance(answer.data, UsageRecorded)
    assert (answer.data.accepted, answer.data.repeated, len(answer.data.refused)) == (800, 100, 100)
    assert [each.id for each in answer.data.refused] == [f"r{n:04d}" for n in range(1, 1000, 10)]
    [(rows,)] = await billing.rows("select count(*) from usage_record")
    assert rows == 900


# -- the calendar -------------------------------------------------------------------------------------


async def test_the_hour_that_exists_twice_and_the_one_that_does_not(desk: NewDesk) -> None:
    billing = await desk(BillingHandler(register("desy", "lrz"), 60))
    await billing.take(fact(booking(1, start=dt.date(2026, 3, 29), end=dt.date(2026, 10, 25)), 1))
    moments = {
        "before": "2026-03-28T22:59:59Z",
        "midnight": "2026-03-28T23:00:00Z",
        "spring": "2026-03-29T01:00:00Z",
        "summer": "2026-10-25T02:30:00+02:00",
        "winter": "2026-10-25T02:30:00+01:00",
        "last": "2026-10-25T22:59:59Z",
        "after": "2026-10-25T23:00:00Z",
    }
    entries = [record(name, start=dt.datetime.fromisoformat(at)) for name, at in moments.items()]
    assert summed(*await billing.take(reported(1, *entries))) == [
        "5 0 0 before:outside_booking after:outside_booking"
    ]
    rows = await billing.rows(
        "select record_id, period, started_at at time zone 'Europe/Berlin'"
        " from usage_record order by started_at"
    )
    assert [(id_, period) for id_, period, _ in rows] == [
        ("midnight", "2026-03"),
        ("spring", "2026-03"),
        ("summer", "2026-10"),
        ("winter", "2026-10"),
        ("last", "2026-10"),
    ]
    assert rows[2][2] == rows[3][2], "two records of one wall-clock time"
