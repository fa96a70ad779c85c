"""Random histories: whatever comes late, all settlements together charge what a fresh market would charge."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence

import pytest
from support.desk import Desk, NewDesk, persistently
from support.usage_histories import BOOKINGS, MEMBERS, MONTHS, History, closed, random_history

from allmende.schemas.billing import ReportUsage
from allmende.servicekit.messages import Incoming
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.settlement import collecting

Net = Counter[tuple[str, str, str]]


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
