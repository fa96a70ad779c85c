"""Usage reduced to quantities by the database, so that a million records stay some thousand rows here."""

import dataclasses
import datetime as dt
import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.tariff import Tariff
from allmende.tariffs.recurrence import Terms
from allmende.tariffs.terms import order_attributes

from ..period import CALENDAR, period_with
from .metering import (
    Meters,
    Piece,
    Rated,
    Reading,
    Reduction,
    Span,
    Sum,
    meters_of,
    projected,
    reading,
)

# The calendar is that of Europe/Berlin; `at time zone` turns a moment into its day there.
_SUMS = """
    select u.booking_id::text, u.meter, sum(u.quantity), count(*),
           (min(u.started_at) at time zone 'Europe/Berlin')::date,
           (max(u.started_at) at time zone 'Europe/Berlin')::date, {told}
    from usage_record u
    where u.state = 'recorded' and u.period {months} {only}
    group by u.booking_id, u.meter {by}
"""
_OF_SOME = "and u.booking_id = any(cast(:ids as uuid[]))"
# Grouping by documents is slow, and few records have dimensions: they are counted first.
_TELLING = {"told": "count(u.dimensions)", "by": ""}
_PARTED = {"told": "u.dimensions::text", "by": ", u.dimensions"}

_WITHIN = """
    piece as (
        select * from unnest(cast(:numbers as int[]), cast(:bookings as uuid[]), cast(:meters as text[]),
                             cast(:since as timestamptz[]), cast(:until as timestamptz[]))
             p (number, booking_id, meter, since, until)
    ),
    read as (
        select p.number, p.since, p.until, u.started_at, u.ended_at, u.record_id, {quantity} as quantity,
               {dimensions} as dimensions
        from piece p
        join usage_record u on u.booking_id = p.booking_id and u.meter = p.meter
                           and u.started_at >= p.since and u.started_at < p.until and u.state = 'recorded'
    ),
"""

# What a counter rose by since the reading before, be that in an earlier span; after a fall it began at zero.
_RISEN = """
    stands as (
        select every_reading.*,
               lag(quantity) over (partition by number, dimensions order by started_at, record_id) as before
        from (
            select * from read
            union all
            select p.number, p.since, p.until, f.started_at, f.ended_at, f.record_id, f.quantity, f.dimensions
            from piece p
            cross join lateral (
                select distinct on (1) {dimensions} as dimensions, u.started_at, u.ended_at, u.record_id,
                       {quantity} as quantity
                from usage_record u
                where u.booking_id = p.booking_id and u.meter = p.meter and u.started_at < p.since
                  and u.state = 'recorded'
                order by 1, u.started_at desc, u.record_id desc
            ) f
        ) every_reading
    ),
    counted as (
        select *, case when before is null then 0 when quantity >= before then quantity - before
                       else quantity end as value
        from stands where started_at >= since
    ),
"""
_AS_READ = """
    counted as (select *, quantity as value from read),
"""

# `div` and `mod` are exact; a quotient has but so many digits.
_ROUNDED = {
    "up": "(div(u.quantity, :round_to) + (mod(u.quantity, :round_to) > 0)::int) * :round_to",
    "down": "div(u.quantity, :round_to) * :round_to",
    "nearest": """(div(u.quantity, :round_to)
                   + (2 * mod(u.quantity, :round_to) >= :round_to)::int) * :round_to""",
    "half_even": """(div(u.quantity, :round_to)
                     + (2 * mod(u.quantity, :round_to) > :round_to
                        or (2 * mod(u.quantity, :round_to) = :round_to
                            and mod(div(u.quantity, :round_to), 2) = 1))::int) * :round_to""",
}
# Dimensions by which nothing is priced do not part a quantity.
_NO_DIMENSIONS = "null::jsonb"
_ASKED = """(select jsonb_object_agg(d.key, d.value) from jsonb_each_text(u.dimensions) d
             where d.key = any(cast(:names as text[])))"""

# Nine decimal places, half up: an average has but so many digits, a quotient of integers has none to lose.
_TAKES = {
    "sum": "sum(value)",
    "max": "max(value)",
    "min": "min(value)",
    "mean": "div(2 * sum(value) * 1000000000 + count(*), 2 * count(*)) * 0.000000001",
    "last": "(array_agg(value order by started_at desc, record_id desc))[1]",
    "count": "count(*)::numeric",
    "hours": "div(2 * sum(value * extract(epoch from lasting)) * 1000000000 + 3600, 7200) * 0.000000001",
    "percentile": """(array_agg(value order by value))
                  [ceil(cast(:percentile as numeric) * count(*) / 100)::int]""",
}
_REDUCE = """
    select number, dimensions::text, {take}, sum(records)::bigint,
           (min(started_at) at time zone 'Europe/Berlin')::date,
           (max(last_at) at time zone 'Europe/Berlin')::date
    from reduced group by number, dimensions order by number, dimensions
"""
_NO_WINDOWS = """
    reduced as (
        select number, dimensions, value, 1 as records, started_at, started_at as last_at, record_id,
               ended_at - started_at as lasting
        from counted
    )
"""
# The value of a window holds for the whole of it, as far as it lies within the piece.
_WINDOWS = """
    windowed as (
        select *, ended_at - started_at as lasting,
               date_trunc('{window}', started_at, 'Europe/Berlin') as begins
        from counted
    ),
    reduced as (
        select number, dimensions, {take} as value, count(*) as records, min(started_at) as started_at,
               max(started_at) as last_at, min(record_id) as record_id,
               least(date_add(begins, '{length}', 'Europe/Berlin'), until) - greatest(begins, since)
               as lasting
        from windowed
        group by number, dimensions, begins, since, until
    )
"""
_LENGTHS = {"hour": "1 hour", "day": "1 day", "month": "1 month", "quarter": "3 months"}


_HISTORY = text("""
    select booking_id::text, number, valid_from, provider, consumer, offering_id, plan_id, consumer_class,
           tariff, quantities::text, details::text
    from rated_terms where booking_id = any(cast(:ids as uuid[])) order by booking_id, number
""")

_TARIFFS = text("select digest, document::text from tariff where digest = any(cast(:digests as bytea[]))")

# Few tariffs charge usage by quarter or year; only their bookings are looked at when these end.
_WITH = """
    select distinct r.booking_id::text
    from tariff t join rated_terms r on r.tariff = t.digest
    where jsonb_path_exists(t.document::jsonb, '$.components[*] ? (@.billing == "usage" && {usage})',
                            jsonb_build_object('kind', cast(:kind as text)))
"""
_LONGER = text(_WITH.format(usage="@.period == $kind"))
_COUNTING = text(_WITH.format(usage="@.quantity.reading == $kind"))
_WITH_PERCENTAGES = text(_WITH.format(usage="@.price.kind == $kind"))

_SHARING = text("""
    select distinct r.booking_id::text from rated_terms r
    where r.offering_id = any(cast(:offerings as text[]))
""")


class Tariffs:
    """Tariffs frozen into bookings, each read once and kept as one object, by which rating knows them."""

    def __init__(self) -> None:
        self._kept: dict[bytes, tuple[Tariff, Meters]] = {}

    async def find(
        self, tx: AsyncConnection, digests: Collection[bytes]
    ) -> Mapping[bytes, tuple[Tariff, Meters]]:
        """Find tariffs with their meters by digest."""
        if len(self._kept) > _TARIFFS_KEPT:
            self._kept.clear()
        unknown = sorted(set(digests) - self._kept.keys())
        if unknown:
            for digest, document in await tx.execute(_TARIFFS, {"digests": unknown}):
                tariff = Tariff.model_validate_json(document)
                self._kept[digest] = (tariff, meters_of(tariff))
        return self._kept


_TARIFFS_KEPT = 2000


async def histories(
    tx: AsyncConnection, tariffs: Tariffs, booking_ids: Collection[str]
) -> dict[str, list[Rated]]:
    """Read by which terms bookings are rated, by number."""
    rows = (await tx.execute(_HISTORY, {"ids": sorted(booking_ids)})).all()
    known = await tariffs.find(tx, {row.tariff for row in rows})
    found: dict[str, list[Rated]] = {}
    quantities: dict[str, Mapping[str, Decimal]] = {}
    for row in rows:
        booking_id, number, valid_from, provider, consumer, offering, plan, class_, digest, told, details = (
            row
        )
        tariff, meters = known[digest]
        if told not in quantities:
            quantities[told] = {name: Decimal(value) for name, value in json.loads(told).items()}
        answers = order_attributes(consumer, class_, json.loads(details) if details is not None else None)
        terms = Terms(number, valid_from, plan, tariff, class_, quantities[told], answers)
        found.setdefault(booking_id, []).append(
            Rated(booking_id, provider, consumer, offering, terms, meters)
        )
    return found


async def bookings_by(tx: AsyncConnection, kind: str) -> set[str]:
    """Find the bookings that are charged usage by quarter or by year."""
    return {row[0] for row in await tx.execute(_LONGER, {"kind": kind})}


async def bookings_counting(tx: AsyncConnection) -> set[str]:
    """Find the bookings whose counters are charged: a reading matters to the span after it, too."""
    return {row[0] for row in await tx.execute(_COUNTING, {"kind": "counter"})}


async def bookings_with_percentages(tx: AsyncConnection) -> set[str]:
    """Find the bookings that are charged a percentage with their usage, which may be of flat components."""
    return {row[0] for row in await tx.execute(_WITH_PERCENTAGES, {"kind": "percent"})}


async def bookings_of(tx: AsyncConnection, offerings: Collection[str]) -> set[str]:
    """Find all bookings of some offerings."""
    return {row[0] for row in await tx.execute(_SHARING, {"offerings": sorted(offerings)})}


def _statement(reduction: Reduction, names: Sequence[str]) -> str:
    """Write the statement of a reduction: its parts are constants of this module, its numbers parameters."""
    given = {
        "dimensions": _ASKED if names else _NO_DIMENSIONS,
        "quantity": "u.quantity" if reduction.round_mode is None else _ROUNDED[reduction.round_mode],
    }
    counted = _RISEN.format(**given) if reduction.reading == "counter" else _AS_READ
    if reduction.window is None:
        reduced = _NO_WINDOWS
    else:
        reduced = _WINDOWS.format(
            take=_TAKES[reduction.window_take or "sum"],
            window=reduction.window,
            length=_LENGTHS[reduction.window],
        )
    return f"with {_WITHIN.format(**given)}{counted}{reduced}{_REDUCE.format(take=_TAKES[reduction.take])}"


async def sums(tx: AsyncConnection, span: Span, only: Collection[str] | None = None) -> list[Sum]:
    """Sum up the usage of a span by booking, meter and dimensions.

    Args:
        tx: the transaction.
        span: the month, quarter or year.
        only: the bookings to look at; None for all.
    """
    rows = await _summed(tx, span, only, _TELLING)
    parted = {row[0] for row in rows if row[6]}
    found = [Sum(*row[:6]) for row in rows if row[0] not in parted]
    if parted:
        again = await _summed(tx, span, parted, _PARTED)
        found += [dataclasses.replace(Sum(*row[:6]), dimensions=_dimensions(row[6])) for row in again]
    return found


def _dimensions(told: str | None) -> Mapping[str, str] | None:
    return json.loads(told) if told is not None else None


async def _summed(
    tx: AsyncConnection, span: Span, only: Collection[str] | None, parting: Mapping[str, str]
) -> Sequence[tuple[Any, ...]]:
    months = "= :last" if span.kind == "month" else "between :first and :last"
    statement = _SUMS.format(months=months, only=_OF_SOME if only is not None else "", **parting)
    values: dict[str, object] = {"last": span.last_period}
    if span.kind != "month":
        values["first"] = period_with(span.first_day)
    if only is not None:
        values["ids"] = sorted(only)
    return [tuple(row) for row in await tx.execute(text(statement), values)]


async def measure(tx: AsyncConnection, span: Span, pieces: Sequence[Piece]) -> list[Reading]:
    """Measure what sums do not tell, one statement for each kind of reduction."""
    by_kind: defaultdict[tuple[Reduction, tuple[str, ...]], list[Piece]] = defaultdict(list)
    for piece in pieces:
        by_kind[piece.metered.reduction, piece.names].append(piece)
    found: list[Reading] = []
    for (reduction, names), alike in sorted(by_kind.items(), key=repr):
        found += await _measure(tx, span, reduction, names, alike)
    return found


async def _measure(
    tx: AsyncConnection, span: Span, reduction: Reduction, names: tuple[str, ...], pieces: Sequence[Piece]
) -> list[Reading]:
    values: dict[str, object] = {
        "numbers": list(range(len(pieces))),
        "bookings": [piece.rated.booking_id for piece in pieces],
        "meters": [piece.metered.component.measure for piece in pieces],
        "since": [_midnight(piece.since) for piece in pieces],
        "until": [_midnight(piece.through + dt.timedelta(days=1)) for piece in pieces],
    }
    if reduction.round_to is not None:
        values["round_to"] = reduction.round_to
    if reduction.percentile is not None:
        values["percentile"] = reduction.percentile
    if names:
        values["names"] = list(names)
    found = []
    for number, dimensions, quantity, records, first_day, last_day in await tx.execute(
        text(_statement(reduction, names)), values
    ):
        piece = pieces[number]
        total = Sum(piece.rated.booking_id, "", quantity, records, first_day, last_day)
        asked = projected(json.loads(dimensions) if dimensions is not None else None, names)
        found.append(reading(piece.rated, piece.metered, span, total, asked, piece.suffix))
    return found


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), CALENDAR)
