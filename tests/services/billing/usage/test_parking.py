"""Usage that overtook its booking: parked, counted when it comes, refused once when it does not."""

import asyncio
import datetime as dt
from collections.abc import Iterable, Sequence

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection
from support.bodies import closing
from support.builders import booking, command, component, fact, record, register, report, tariff, uid
from support.desk import Desk, NewDesk, codes
from support.histories import amended

from allmende.schemas.billing import (
    AlertRaised,
    SettlementClosed,
    UsageRecord,
    UsageRecorded,
    UsageRefused,
)
from allmende.schemas.contract import MESSAGE_BYTES_MAX
from allmende.schemas.registry import Audience
from allmende.servicekit.messages import Incoming, Outgoing
from allmende.services.billing import store
from allmende.services.billing.booking import Booking
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.usage import store as usage_store

KNOWN = fact(booking(1), 1)
MARCH = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
CLOSE = closing("2026-04", 90)


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    return await desk(BillingHandler(register("desy", "lrz"), 60))


def reported(number: int, *records: UsageRecord, by: str = "lrz") -> Incoming:
    return command(by, report(*records), number)


async def states(desk: Desk) -> list[str]:
    return [
        str(row[0]) for row in await desk.rows("select state from usage_record order by source, record_id")
    ]


def refused(facts: Sequence[Outgoing]) -> list[str]:
    found = []
    for each in facts:
        if isinstance(each.data, AlertRaised):
            continue
        assert isinstance(each.data, UsageRefused)
        found += [f"{each.parties[Audience.PROVIDER]} {one.id} {one.code}" for one in each.data.refused]
    return found


@pytest.mark.parametrize(
    "batches",
    [
        [[KNOWN, reported(1)]],
        [[reported(1), KNOWN]],
        [[reported(1)], [KNOWN]],
        [[reported(1)], [reported(1)], [KNOWN], [KNOWN], [fact(booking(1), 2)]],
        [[reported(1), reported(2)], [KNOWN]],
    ],
    ids=["after, one batch", "before, one batch", "before", "before, twice", "reported twice"],
)
async def test_wherever_the_booking_comes_the_usage_counts_once(
    billing: Desk, batches: Sequence[Sequence[Incoming]]
) -> None:
    for batch in batches:
        await billing.take(*batch)
    assert await states(billing) == ["recorded"]
    assert await billing.later(3600) == []
    settled = (await billing.take(*CLOSE))[-1].data
    assert isinstance(settled, SettlementClosed)
    assert (settled.usage_records, settled.charges_cents) == (1, 100)


async def test_a_booking_that_comes_decides_what_waited(billing: Desk) -> None:
    march = record("march", start=dt.datetime(2026, 3, 1, tzinfo=dt.UTC))
    await billing.take(reported(1, record("good"), record("meter", meter="none"), march))
    await billing.take(reported(2, record("foreign"), by="kit"))
    facts = await billing.take(KNOWN)
    assert refused(facts) == ["kit foreign not_your_booking", "lrz march outside_booking"]
    assert await states(billing) == ["refused", "recorded", "refused", "parked"]
    assert await billing.later(59) == []
    assert refused(await billing.later(1)) == ["lrz meter unknown_meter"]


async def test_an_amendment_that_comes_brings_the_meter_that_was_waited_for(billing: Desk) -> None:
    await billing.take(KNOWN, reported(1, record("disk", meter="disk")))
    both = tariff(component(), component(id="disk", measure="disk"), version=2)
    assert await billing.tick() == []
    await billing.take(fact(amended(1, "2026-04-05", tariff=both), 2))
    assert await states(billing) == ["recorded"]


async def test_an_amendment_learned_by_another_process_is_found_at_the_deadline(billing: Desk) -> None:
    await billing.take(KNOWN, reported(1, record("disk", meter="disk")))
    both = tariff(component(), component(id="disk", measure="disk"), version=2)
    async with billing.engine.begin() as tx:
        await store.save_amendments(tx, [amended(1, "2026-04-05", tariff=both)])
    assert await billing.later(60) == []
    assert await states(billing) == ["recorded"]


async def test_usage_that_nobody_can_charge_raises_an_alert_for_its_provider(billing: Desk) -> None:
    strange = [record(f"m{n}", meter="none") for n in range(3)]
    await billing.take(KNOWN, reported(1, *strange, record("b", booking_id=uid(2))))
    facts = await billing.later(60)
    alerts = [each for each in facts if isinstance(each.data, AlertRaised)]
    assert [(a.data.kind, a.data.booking_id, a.data.meter, a.data.records) for a in alerts] == [  # type: ignore[attr-defined]
        ("usage_unknown_booking", uid(2), "hours", 1),
        ("usage_unknown_meter", uid(1), "none", 3),
    ]
    assert all(each.parties == {Audience.PROVIDER: "lrz"} for each in alerts)
    assert "3 Datensätze von lrz nicht abrechenbar" in alerts[1].data.message_de  # type: ignore[attr-defined]


async def test_while_facts_are_behind_nothing_that_waits_for_one_is_refused(billing: Desk) -> None:
    await billing.take(reported(1, record("a")))
    over = billing.now + dt.timedelta(seconds=60)
    billing.now += dt.timedelta(hours=1)
    assert await billing.tick(informed_until=over - dt.timedelta(microseconds=1)) == []
    assert refused(await billing.tick(informed_until=over)) == ["lrz a unknown_booking"]


async def test_what_still_waits_cannot_hold_a_period_open(billing: Desk) -> None:
    await billing.take(reported(1, record("a"), record("b", booking_id=uid(2))))
    facts = await billing.take(*CLOSE)
    assert codes(facts)[-1] == "SettlementClosed"
    await billing.take(KNOWN)
    assert await states(billing) == ["recorded", "parked"]
    marks = await billing.rows("select booking_id::text, period from usage_late")
    assert marks == [(uid(1), "2026-04")], "what counts only now is late"
    assert refused(await billing.later(60)) == ["lrz b unknown_booking"]


async def test_overdue_is_refused_exactly_once_and_not_a_moment_early(billing: Desk) -> None:
    await billing.take(reported(1, record("a"), record("b")), reported(2, record("a"), by="kit"))
    assert await billing.later(59.999999) == []
    assert refused(await billing.later(0.000001)) == [
        "kit a unknown_booking",
        "lrz a unknown_booking",
        "lrz b unknown_booking",
    ]
    assert await billing.later(3600) == []
    assert await billing.take(KNOWN) == [], "decided is decided"
    assert await states(billing) == ["refused"] * 3


async def test_two_processes_refuse_what_is_overdue_once(billing: Desk, desk: NewDesk) -> None:
    other = await desk(billing.handler, shares=billing)
    names = [f"r{number:03d}" for number in range(200)]
    await billing.take(reported(1, *(record(name) for name in names)))
    await asyncio.gather(*(each.later(60) for each in (billing, other, billing, other)))
    told = [each for each in billing.told + other.told if isinstance(each.data, UsageRefused)]
    assert refused(told) == [f"lrz {name} unknown_booking" for name in names]


async def test_what_was_refused_as_overdue_may_be_reported_again_and_then_counts(billing: Desk) -> None:
    await billing.take(reported(1, record("a", 5), record("b", 7)))
    await billing.later(60)
    await billing.take(KNOWN)
    (answer,) = await billing.take(reported(2, record("a", 5), record("b", "7.5")), reported(1))
    assert answer.data == UsageRecorded(accepted=2, repeated=0, parked=0, refused=())
    (answer,) = await billing.take(reported(3, record("a", 5)))
    assert answer.data == UsageRecorded(accepted=0, repeated=1, parked=0, refused=())
    settled = (await billing.take(*CLOSE))[-1].data
    assert isinstance(settled, SettlementClosed)
    assert (settled.usage_records, settled.charges_cents) == (2, 1_250)


async def test_what_was_refused_as_overdue_may_wait_again(billing: Desk) -> None:
    await billing.take(reported(1, record("a")))
    await billing.later(60)
    (answer,) = await billing.take(reported(2, record("a")))
    assert answer.data == UsageRecorded(accepted=0, repeated=0, parked=1, refused=())
    assert await billing.later(59) == []
    assert refused(await billing.later(1)) == ["lrz a unknown_booking"]


async def test_a_booking_learned_by_another_process_meanwhile_is_found_at_the_deadline(
    billing: Desk, desk: NewDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await desk(billing.handler, shares=billing)
    loaded, learned = asyncio.Event(), asyncio.Event()
    load_bookings = store.load_bookings

    async def slowly(tx: AsyncConnection, ids: Iterable[str]) -> dict[str, Booking]:
        found = await load_bookings(tx, ids)
        loaded.set()
        await learned.wait()
        return found

    monkeypatch.setattr(store, "load_bookings", slowly)
    reporting = asyncio.create_task(billing.take(reported(1)))
    await loaded.wait()
    assert await other.take(KNOWN) == [], "the record is not committed yet"
    learned.set()
    await reporting
    assert await states(billing) == ["parked"]
    assert await other.later(60) == []
    assert await states(billing) == ["recorded"]


async def test_thousands_that_waited_are_decided_slice_by_slice(billing: Desk, desk: NewDesk) -> None:
    ids = [f"{number:05d}".ljust(120, "\N{OLD ITALIC LETTER A}") for number in range(1_600)]
    for start in range(0, len(ids), 400):
        wrong = [record(id_, start=MARCH) for id_ in ids[start : start + 400]]
        await billing.take(reported(start + 1, *wrong, record(f"good{start}")))
    facts = await billing.take(KNOWN)
    assert len(refused(facts)) == usage_store.SLICE
    other = await desk(billing.handler, shares=billing)
    ticks = [await each.tick() for each in (billing, other, billing, other)]
    assert [len(refused(told)) for told in ticks] == [usage_store.SLICE, usage_store.SLICE, 100, 0]
    told = refused([*facts, *(fact for each in ticks for fact in each)])
    assert told == [f"lrz {id_} outside_booking" for id_ in ids]
    assert max(len(each.data.model_dump_json().encode()) for each in facts) < MESSAGE_BYTES_MAX - 2_000
    assert (await states(billing)).count("recorded") == 4


async def test_a_closing_does_not_wait_for_the_slices(billing: Desk) -> None:
    for start in range(3):
        await billing.take(reported(start + 1, *(record(f"{start}-{number}") for number in range(400))))
    await billing.take(KNOWN)
    settled = (await billing.take(*CLOSE))[-1].data
    assert isinstance(settled, SettlementClosed)
    assert settled.usage_records == 1_200
