"""Closing a period: everything it charges is found, rated, stated, netted and posted in one transaction."""

import dataclasses
import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.billing import AlertRaised, ChargeLine
from allmende.schemas.registry import Audience
from allmende.schemas.rejections import Rejected, rejected
from allmende.servicekit.messages import Incoming, Outgoing, refuse

from . import books, charge, measuring, meters, pools, reckoning, settlement, store
from .metering import (
    Reading,
    Span,
    Sum,
    Unmeasured,
    UsageLine,
    plan,
    span_with,
    spans_ending,
    spans_rated,
    with_allowances,
)
from .recording import Recording
from .rerating import FlatAmounts, HeldUsage, RatedUsage, rate, reconcile


@dataclasses.dataclass(frozen=True)
class UsageCharged:
    """What a closing charges for usage.

    Attributes:
        lines: what is charged.
        taken_back: lines that take back what stood charged.
        records: of the closed month, how many were counted.
        held: what has no price.
    """

    lines: Sequence[UsageLine]
    taken_back: Sequence[ChargeLine]
    records: int
    held: Sequence[HeldUsage]


class Closing:
    """Closes periods. What it remembers between closings are tariffs, which never change."""

    def __init__(self, office: str, members: Sequence[str], recording: Recording) -> None:
        self._office = office
        self._members = members
        self._recording = recording
        self._tariffs = measuring.Tariffs()

    async def close(
        self, tx: AsyncConnection, message: Incoming, period: str, now: dt.datetime
    ) -> list[Outgoing]:
        """Close a period, or refuse to."""
        closed = await store.lock_period(tx, period)
        refusal = settlement.refuse_closing(period, closed=closed, now=now)
        if refusal is not None:
            return [refuse(message, refusal)]
        refusals = await self._recording.before_closing(tx, period, now)
        flat = await self._flat_lines(tx, period)
        used = await charge_usage(tx, self._tariffs, period, flat, now)
        closing = settlement.close(
            message.id,
            period,
            members=self._members,
            clearing_house=self._office,
            usage_records=used.records,
            charges=[
                *(charge.of_usage(each, period) for each in used.lines),
                *used.taken_back,
                *flat,
                *await pools.lines_of(tx, period),
            ],
            levies=await store.levies_of(tx, period),
            now=now,
        )
        await books.save(tx, closing)
        await store.close_period(tx, period, now)
        statements = [
            Outgoing(
                statement,
                cause=message,
                subject=statement.number,
                parties={Audience.MEMBER: statement.member},
            )
            for statement in closing.statements
        ]
        told = Outgoing(closing.settlement, cause=message, subject=period)
        return [*refusals, *_alerts(used.held), *statements, told]

    async def _flat_lines(self, tx: AsyncConnection, period: str) -> list[ChargeLine]:
        """Find what bookings are charged and credited beside usage, and note that they are."""
        found = await store.lock_open(tx, period)
        standing = await books.standing(tx, {each.id: each.since for each in found})
        lines = [
            line
            for each in found
            for line in reckoning.reckon(each.booking, standing[each.id], since=each.since, period=period)
        ]
        await store.save_open_from(tx, {each.id: reckoning.open_from(each.booking, period) for each in found})
        owed = await store.charge_compensations(tx, period)
        credits_ = await store.give_credits(tx, period)
        lines += [charge.of_compensation(change, period) for change in owed]
        return lines + [charge.of_breach(breach, period) for breach in credits_]


def _alerts(held: Iterable[HeldUsage]) -> list[Outgoing]:
    """Tell the provider and the office of usage that is held."""
    return [
        Outgoing(
            AlertRaised(
                kind="usage_unknown_meter" if each.reason.code == "unknown_meter" else "usage_unpriced",
                provider=each.rated.provider,
                booking_id=each.rated.booking_id,
                meter=each.meter,
                period=each.span.last_period,
                records=each.records,
                message_de=each.reason.sentences[0],
                message_en=each.reason.sentences[1],
            ),
            subject=each.rated.booking_id,
            parties={Audience.PROVIDER: each.rated.provider},
        )
        for each in held
    ]


async def charge_usage(
    tx: AsyncConnection,
    tariffs: measuring.Tariffs,
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
    late = await meters.take_late(tx, period)
    amounts = _flat_amounts(flat)
    lines: list[UsageLine] = []
    taken_back: list[ChargeLine] = []
    held: list[HeldUsage] = []
    records = 0
    for span in spans_ending(period):
        only = None if span.kind == "month" else await measuring.bookings_by(tx, span.kind)
        rated, counted = await _rate(tx, tariffs, span, only, amounts)
        lines += rated.lines
        held += rated.held
        records += counted if span.kind == "month" else 0
    for span, bookings in (await _again(tx, period, late)).items():
        shared = await _with_sharers(tx, tariffs, bookings)
        rated, _ = await _rate(tx, tariffs, span, shared, amounts)
        standing = await books.standing_for(tx, shared, span.label)
        new, back = reconcile(rated, standing)
        lines += new
        taken_back += back
        held += rated.held
    await meters.mark_late(tx, [(each.rated.booking_id, each.span.last_period) for each in held], now)
    return UsageCharged(lines, taken_back, records, held)


async def _again(tx: AsyncConnection, period: str, late: Iterable[tuple[str, str]]) -> dict[Span, set[str]]:
    """Find which spans of which bookings are rated anew.

    What is late changes its month, quarter and year, as far as these were rated. A month that is closed after
    the last one of its quarter or year changes these.
    """
    found: defaultdict[Span, set[str]] = defaultdict(set)
    late = list(late)
    months = {month for _, month in late} | {period}
    ends = {span_with(month, kind).last_period for month in months for kind in ("month", "quarter", "year")}
    closed = await store.closed_periods(tx, ends)
    for booking_id, month in late:
        for span in spans_rated(month, closed):
            found[span].add(booking_id)
    for span in spans_rated(period, closed):
        if span.kind != "month":
            found[span] |= await measuring.bookings_by(tx, span.kind)
    return dict(found)


async def _with_sharers(
    tx: AsyncConnection, tariffs: measuring.Tariffs, bookings: Collection[str]
) -> set[str]:
    """Add the bookings that share an allowance with these: what one uses is lacking to the others."""
    histories = await measuring.histories(tx, tariffs, bookings)
    offerings = {
        rated.offering_id
        for history in histories.values()
        for rated in history
        if any(metered.shared is not None for found in rated.meters.values() for metered in found)
    }
    return set(bookings) | (await measuring.bookings_of(tx, offerings) if offerings else set())


async def _rate(
    tx: AsyncConnection,
    tariffs: measuring.Tariffs,
    span: Span,
    only: Collection[str] | None,
    amounts: FlatAmounts,
) -> tuple[RatedUsage, int]:
    if only is not None and not only:
        return RatedUsage((), ()), 0
    sums = await measuring.sums(tx, span, only)
    by_booking: defaultdict[str, list[Sum]] = defaultdict(list)
    for each in sums:
        by_booking[each.booking_id].append(each)
    histories = await measuring.histories(tx, tariffs, by_booking)
    readings: list[Reading] = []
    pieces = []
    lost: list[Unmeasured] = []
    for booking_id, found in by_booking.items():
        told, apart, unknown = plan(histories[booking_id], span, found)
        readings += told
        pieces += apart
        lost += unknown
    if pieces:
        readings += await measuring.measure(tx, span, pieces)
    rated = rate(with_allowances(readings), span, amounts)
    held = [HeldUsage(each.rated, each.meter, span, each.records, _unknown(each)) for each in lost]
    if span.kind != "month":
        held = []
    return RatedUsage(rated.lines, (*rated.held, *held)), sum(each.records for each in sums)


def _unknown(lost: Unmeasured) -> Rejected:
    return rejected("unknown_meter", meter=lost.meter)


def _flat_amounts(lines: Iterable[ChargeLine]) -> FlatAmounts:
    found: defaultdict[tuple[str, str], defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for line in lines:
        if line.booking_id is not None and line.component is not None and line.charged_for is not None:
            found[line.booking_id, line.charged_for.split(" ", 1)[0]][line.component] += line.amount_cents
    return found
