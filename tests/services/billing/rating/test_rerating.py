"""Random histories: whatever comes late, all settlements together charge what a fresh market would charge."""

import asyncio
import dataclasses
import datetime as dt
import json
import random
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

import pytest
from support.bodies import closing
from support.builders import booking, command, component, decimals, fact, record, register, tariff
from support.desk import Desk, NewDesk, persistently
from support.histories import amended, flat

from allmende.schemas.billing import ReportUsage, UsageCancellation, UsageRecord
from allmende.schemas.brokerage import BookingConfirmed
from allmende.schemas.tariff import Component, Tariff
from allmende.servicekit.messages import Incoming
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.settlement import collecting

MEMBERS = register("desy", "gsi", "lrz")
MONTHS = [*(f"2025-{month:02d}" for month in range(7, 13)), "2026-01"]
METERS = ("hours", "disk", "energy", "traffic")
Net = Counter[tuple[str, str, str]]


def metered(id_: str, price: object, **changes: object) -> Component:
    """A component of usage; several prices are a table."""
    given: dict[str, object] = {"id": id_, "title": id_, "billing": "usage", "measure": "hours", "unit": "h"}
    given |= {"prices" if isinstance(price, list) else "price": price} | changes
    return Component.model_validate_json(json.dumps(given))


def rich(version: int, price: str, free: int) -> Tariff:
    """Everything that makes one record change what others cost."""
    graduated = {
        "kind": "tiered",
        "mode": "graduated",
        "tiers": [{"up_to": "50", "amount": price}, {"amount": "0.007"}],
    }
    volume = {
        "kind": "tiered",
        "mode": "volume",
        "tiers": [{"up_to": "30", "amount": "0.11"}, {"amount": "0.031", "flat": "2"}],
    }
    shared = {"included": {"quantity": f"{free}", "shared_by": "offering"}}
    own = {"included": {"quantity": "3"}, "round": {"to": "2", "mode": "up"}}
    cells = [
        {
            "when": {"queue": "night"},
            "valid_from": "2025-08-15",
            "price": {"kind": "per_unit", "amount": "0.005"},
        },
        {"price": {"kind": "per_unit", "amount": "0.0333"}},
    ]
    per_day = {"reading": "gauge", "window": "day", "window_take": "max", "take": "mean"}
    overhead = {"kind": "percent", "percent": "7.5", "of": ["base", "hours", "energy", "tiers"]}
    made = [
        flat("12.34", "month"),
        component(price),
        metered("tiers", graduated, period="quarter"),
        metered("yearly", volume, period="year"),
        metered("queue", cells, quantity=own),
        metered("disk", {"kind": "per_unit", "amount": "0.777"}, measure="disk", quantity=per_day),
        metered(
            "energy",
            {"kind": "per_unit", "amount": "0.291"},
            measure="energy",
            quantity={"reading": "counter"},
        ),
        metered("traffic", {"kind": "per_unit", "amount": "0.19"}, measure="traffic", quantity=shared),
        metered("overhead", overhead, measure=None),
    ]
    return tariff(*made, version=version)


FIRST, SECOND = rich(1, "0.0137", 20), rich(2, "0.019", 35)
BOOKINGS = [
    booking(
        n, consumer=consumer, tariff=FIRST, start=dt.date(2025, 7, day), quantities=decimals({"cores": n})
    )
    for n, (consumer, day) in enumerate([("desy", 1), ("gsi", 1), ("desy", 17)], 1)
]


@dataclasses.dataclass
class History:
    """What is told, in order; closings apart."""

    told: list[Incoming]
    closings: list[list[Incoming]]


def closed(period: str) -> list[Incoming]:
    return closing(period, 5_000 + MONTHS.index(period))


def any_record(chance: random.Random, name: str, of: BookingConfirmed, **changes: object) -> UsageRecord:
    first = max(of.start, dt.date(2025, chance.randrange(7, 13), 1))
    start = dt.datetime.combine(first, dt.time(12), dt.UTC)
    start += dt.timedelta(hours=chance.randrange(30 * 24 - 12))
    dimensions = {"queue": chance.choice(["day", "night"])} if chance.random() < 0.5 else {}
    given: dict[str, object] = {
        "booking_id": of.booking_id,
        "start": start,
        "meter": chance.choice(METERS),
        "dimensions": dimensions,
    }
    return record(name, str(Decimal(chance.randrange(1, 4_000)) / 100), **given | changes)


def random_history(seed: int) -> History:
    chance = random.Random(seed)  # noqa: S311 - the same draw every time
    told: list[Incoming] = [fact(each, n) for n, each in enumerate(BOOKINGS)]
    known: list[UsageRecord] = []
    for number in range(36):
        match chance.choice(["report", "report", "report", "correct", "cancel", "amend"]):
            case "report":
                records = [any_record(chance, f"{number}-{n}", chance.choice(BOOKINGS)) for n in range(3)]
                known += records
                data = ReportUsage(records=tuple(records))
            case "correct" if known:
                gone = known.pop(chance.randrange(len(known)))
                of = next(each for each in BOOKINGS if each.booking_id == gone.booking_id)
                same = {} if chance.random() < 0.3 else {"meter": gone.meter, "start": gone.start}
                known.append(any_record(chance, f"c{number}", of, corrects=gone.id, **same))
                data = ReportUsage(records=(known[-1],))
            case "cancel" if known:
                gone = known.pop(chance.randrange(len(known)))
                cancelled = UsageCancellation(id=f"x{number}", cancels=gone.id, reason="doppelt")
                data = ReportUsage(records=(), cancellations=(cancelled,))
            case _:
                of, new = chance.choice(BOOKINGS), chance.choice([FIRST, SECOND])
                on = f"2025-{chance.randrange(7, 13):02d}-{chance.randrange(1, 29):02d}"
                if on > of.start.isoformat():
                    told.append(fact(amended(number + 1, on, of, tariff=new), 100 + number))
                continue
        told.append(command("lrz", data, 1_000 + number))
    months = MONTHS[:-1]
    chance.shuffle(months)
    return History(told, [closed(each) for each in months])


async def net(desk: Desk) -> Net:
    """What all settlements together charge, by booking, component and what it is charged for."""
    found: Net = Counter()
    for booking_id, component_id, label, cents in await desk.rows(
        "select document->>'booking_id', document->>'component', document->>'charged_for', amount_cents"
        " from charge_line"
    ):
        found[str(booking_id), str(component_id), str(label)] += int(str(cents))
    return +found


async def lines(desk: Desk) -> dict[tuple[object, ...], object]:
    rows = await desk.rows("select settlement_id::text, line, document::text from charge_line")
    return {row[:2]: row[2] for row in rows}


async def fresh(desk: NewDesk, told: Sequence[Incoming]) -> Desk:
    """A market that is told everything before the first month is closed."""
    made = await desk(BillingHandler(MEMBERS, 60))
    await made.take(*told)
    for month in MONTHS:
        await made.take(*closed(month))
    return made


async def lived(desk: NewDesk, history: History, seed: int) -> Desk:
    """Two processes that close in between, in any order; messages come twice; closed lines stay."""
    chance = random.Random(seed)  # noqa: S311 - the same draw every time
    first = await desk(BillingHandler(MEMBERS, 60))
    both = [first, await desk(BillingHandler(MEMBERS, 60), shares=first)]
    batches = [[each] for each in history.told]
    for each in history.closings:
        batches.insert(chance.randrange(len(BOOKINGS), len(batches) + 1), each)
    before: dict[tuple[object, ...], object] = {}
    for batch in [*batches, closed(MONTHS[-1])]:
        for _ in range(chance.choice([1, 1, 2])):
            taker = chance.choice(both)
            await persistently(lambda taker=taker, batch=batch: taker.take(*batch))  # type: ignore[misc]
        after = await lines(first)
        assert before.items() <= after.items(), "a closed period keeps its lines byte for byte"
        before = after
    return first


@pytest.mark.parametrize("seed", range(5))
async def test_all_settlements_charge_what_a_fresh_market_charges(desk: NewDesk, seed: int) -> None:
    history = random_history(seed)
    one, other = await lived(desk, history, seed), await fresh(desk, history.told)
    assert await net(one) == await net(other)
    assert await one.rows("select sum(amount_cents) from posting") == [(0,)]
    causes = Counter(row[0] for row in await one.rows("select document->>'cause' from charge_line"))
    assert causes["reversal"] > 0, "this history changes something that was charged"


async def test_two_processes_that_report_and_close_at_once_charge_the_same(desk: NewDesk) -> None:
    history = random_history(11)
    first = await desk(BillingHandler(MEMBERS, 60))
    both = [first, await desk(BillingHandler(MEMBERS, 60), shares=first)]
    known = len(BOOKINGS)
    await first.take(*history.told[:known])
    batches = [*([each] for each in history.told[known:]), *history.closings]
    random.Random(11).shuffle(batches)  # noqa: S311 - the same draw every time

    async def work(taker: Desk, own: Sequence[Sequence[Incoming]]) -> None:
        for batch in own:
            await persistently(lambda batch=batch: taker.take(*batch))  # type: ignore[misc]

    await asyncio.gather(*(work(each, batches[n::2]) for n, each in enumerate(both)))
    await first.tick()  # what overtook what it corrects is decided
    await first.take(*closed(MONTHS[-1]))
    assert await net(first) == await net(await fresh(desk, history.told))


@pytest.mark.parametrize("blinded", ["with_sharers", "_flat"])
async def test_without_looking_at_all_that_depends_on_it_the_totals_differ(
    desk: NewDesk, monkeypatch: pytest.MonkeyPatch, blinded: str
) -> None:
    async def themselves(_: object, bookings: object) -> object:
        return bookings

    async def no_amounts(*_: object) -> dict[object, object]:
        return {}

    instead = {"with_sharers": themselves, "_flat": no_amounts}[blinded]
    others = [await net(await fresh(desk, random_history(seed).told)) for seed in range(2)]
    monkeypatch.setattr(collecting._Rating, blinded, instead)
    blind = [await net(await lived(desk, random_history(seed), seed)) for seed in range(2)]
    assert blind != others


async def test_the_same_facts_in_another_order_give_the_same_lines_and_the_same_ledger(desk: NewDesk) -> None:
    chance = random.Random(5)  # noqa: S311 - the same draw every time
    told = random_history(5).told
    corrections = [m for m in told if isinstance(m.data, ReportUsage) and not _is_plain(m.data)]
    plain = [message for message in told if message not in corrections]
    one = await fresh(desk, [*plain, *corrections])
    chance.shuffle(plain)
    other = await desk(BillingHandler(MEMBERS, 60))
    for message in [*plain, *corrections]:
        await other.take(message)
    for month in MONTHS:
        await other.take(*closed(month))
    assert await lines(one) == await lines(other)
    head = "select sequence, hash from ledger_head"
    assert await one.rows(head) == await other.rows(head)


def _is_plain(data: ReportUsage) -> bool:
    return not data.cancellations and all(each.corrects is None for each in data.records)
