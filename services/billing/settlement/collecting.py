"""Collecting what a period charges: what falls due beside usage, usage itself, and what changed of both."""

import dataclasses
import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.billing import ChargeLine

from .. import store as billing_store
from ..rating import charge, reckoning
from ..rating import store as rating_store
from ..rating.allowance import with_allowances
from ..rating.metering import (
    Reading,
    Span,
    Sum,
    Unmeasured,
    plan,
    span_named,
    span_with,
    spans_ending,
    spans_rated,
)
from ..rating.rerating import FlatAmounts, HeldUsage, RatedUsage, rate, reconcile, unmeasured
from ..usage import store as usage_store
from . import store


@dataclasses.dataclass(frozen=True)
class UsageCharged:
    """What a closing charges for usage.

    Attributes:
        records: of the closed month, how many were counted.
        held: what has no price.
    """

    lines: tuple[ChargeLine, ...]
    records: int
    held: tuple[HeldUsage, ...]


async def flat_lines(tx: AsyncConnection, period: str) -> tuple[list[ChargeLine], list[reckoning.HeldDue]]:
    """Find what bookings are charged and credited beside usage, and note that they are."""
    found = await billing_store.lock_open(tx, period)
    standing = await store.standing(tx, {each.id: each.since for each in found})
    reckoned = [
        (each, reckoning.reckon(each.booking, standing[each.id], since=each.since, period=period))
        for each in found
    ]
    lines = [line for _, done in reckoned for line in done.lines]
    await billing_store.save_open_from(
        tx, {each.id: done.open_from(each.booking, period) for each, done in reckoned}
    )
    owed = await billing_store.charge_compensations(tx, period)
    credits_ = await billing_store.give_credits(tx, period)
    lines += [charge.of_compensation(change, period) for change in owed]
    lines += [charge.of_breach(breach, period) for breach in credits_]
    return lines, [held for _, done in reckoned for held in done.held]


@dataclasses.dataclass(frozen=True)
class _Flat:
    """What a flat component is charged for a span."""

    booking_id: str
    terms: int
    component: str
    span: Span
    cents: int


def _flat_of(lines: Iterable[ChargeLine], bookings: Collection[str]) -> Iterator[_Flat]:
    for line in lines:
        if line.booking_id in bookings and line.booking_id and line.component and line.charged_for:
            span = span_named(line.charged_for)
            if span is not None:
                yield _Flat(line.booking_id, line.terms or 0, line.component, span, line.amount_cents)


@dataclasses.dataclass(frozen=True)
class _Rating:
    """Rates the usage of spans in the closing of a period.

    Attributes:
        flat: what flat components of these are charged now.
        percentages: bookings that are charged a percentage with their usage.
    """

    tx: AsyncConnection
    tariffs: rating_store.Tariffs
    period: str
    flat: Sequence[_Flat]
    percentages: Collection[str]

    async def again(self, late: Iterable[tuple[str, str]]) -> dict[Span, set[str]]:
        """Find which spans of which bookings are rated anew.

        What is late changes its month, quarter and year, as far as these were rated. A month that is closed
        after the last one of its quarter or year changes these. A reading of a counter changes what is
        counted with the next one, a flat component what percentages of it come to.
        """
        found: defaultdict[Span, set[str]] = defaultdict(set)
        late = [*late, *await self._counted_on(late)]
        months = {month for _, month in late} | {self.period}
        ends = {
            span_with(month, kind).last_period for month in months for kind in ("month", "quarter", "year")
        }
        ends |= {each.span.last_period for each in self.flat}
        closed = await billing_store.closed_periods(self.tx, ends)
        for booking_id, month in late:
            for span in spans_rated(month, closed):
                found[span].add(booking_id)
        for each in self.flat:
            if each.span.last_period in closed:
                found[each.span].add(each.booking_id)
        for span in spans_rated(self.period, closed):
            if span.kind != "month":
                found[span] |= await rating_store.bookings_by(self.tx, span.kind)
        return dict(found)

    async def _counted_on(self, late: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Find the closed months after late readings of counters, and after those of this period."""
        counting = await rating_store.bookings_counting(self.tx)
        if not counting:
            return []
        since = [each for each in late if each[0] in counting]
        if await billing_store.closed_after(self.tx, self.period):
            since += [(booking_id, self.period) for booking_id in sorted(counting)]
        touched = await usage_store.touched(self.tx, since) if since else []
        return [each for each in touched if each[1] != self.period]

    async def with_sharers(self, bookings: Collection[str]) -> set[str]:
        """Add the bookings that share an allowance with these: what one uses is lacking to the others."""
        histories = await rating_store.histories(self.tx, self.tariffs, bookings)
        offerings = {
            rated.offering_id
            for history in histories.values()
            for rated in history
            if any(metered.is_shared for found in rated.meters.values() for metered in found)
        }
        return set(bookings) | (await rating_store.bookings_of(self.tx, offerings) if offerings else set())

    async def rate(self, span: Span, only: Collection[str] | None) -> tuple[RatedUsage, int]:
        """Rate the usage of a span, of some bookings or of all; and tell how many records that are."""
        if only is not None and not only:
            return RatedUsage({}, ()), 0
        sums = await rating_store.sums(self.tx, span, only)
        by_booking: defaultdict[str, list[Sum]] = defaultdict(list)
        for each in sums:
            by_booking[each.booking_id].append(each)
        flat = await self._flat(span, self.percentages if only is None else {*only} & {*self.percentages})
        bookings = by_booking.keys() | {booking_id for booking_id, _ in flat}
        histories = await rating_store.histories(self.tx, self.tariffs, bookings)
        readings: list[Reading] = []
        pieces = []
        lost: list[Unmeasured] = []
        for booking_id, found in sorted(by_booking.items()):
            told, apart, unknown = plan(histories[booking_id], span, found)
            readings += told
            pieces += apart
            lost += unknown
        if pieces:
            readings += await rating_store.measure(self.tx, span, pieces)
        priced = [
            each
            for booking_id, number in flat
            for each in histories[booking_id]
            if each.terms.number == number
        ]
        rated = rate(with_allowances(readings), span, self.period, flat, priced)
        # A quarter or year knows a meter whenever one of its months does.
        held = [unmeasured(each, span) for each in lost] if span.kind == "month" else []
        return RatedUsage(rated.lines, (*rated.held, *held)), sum(each.records for each in sums)

    async def _flat(self, span: Span, bookings: Collection[str]) -> FlatAmounts:
        """Find what flat components of bookings come to in a span, with what is charged now."""
        if not bookings:
            return {}
        found = await store.flat_for(self.tx, bookings, span.label)
        for each in self.flat:
            if each.span == span and each.booking_id in bookings:
                amounts = found.setdefault((each.booking_id, each.terms), {})
                amounts[each.component] = amounts.get(each.component, 0) + each.cents
        return found


async def charge_usage(
    tx: AsyncConnection,
    tariffs: rating_store.Tariffs,
    period: str,
    flat: Sequence[ChargeLine],
    now: dt.datetime,
) -> UsageCharged:
    """Rate the usage of a month, and anew what changed of spans that were rated before.

    Args:
        tx: the transaction, which holds the period.
        tariffs: those that are known.
        period: the month that is closed.
        flat: lines of flat components in the same settlement, of which usage may be a percentage.
        now: when it is closed.
    """
    late = await usage_store.take_late(tx, period)
    percentages = await rating_store.bookings_with_percentages(tx)
    rating = _Rating(tx, tariffs, period, tuple(_flat_of(flat, percentages)), frozenset(percentages))
    lines: list[ChargeLine] = []
    held: list[HeldUsage] = []
    records = 0
    for span in spans_ending(period):
        only = None if span.kind == "month" else await rating_store.bookings_by(tx, span.kind) | percentages
        rated, counted = await rating.rate(span, only)
        lines += rated.lines.values()
        held += rated.held
        records += counted if span.kind == "month" else 0
    for span, bookings in (await rating.again(late)).items():
        shared = await rating.with_sharers(bookings)
        rated, _ = await rating.rate(span, shared)
        standing = await store.standing_for(tx, shared, span.label)
        lines += reconcile(rated, standing)
        held += rated.held
    await usage_store.mark_late(tx, [(each.rated.booking_id, each.span.last_period) for each in held], now)
    return UsageCharged(tuple(lines), records, tuple(held))
