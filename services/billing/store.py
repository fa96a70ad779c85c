"""Usage, bookings and periods: read and written for a whole batch at once."""

import dataclasses
import datetime as dt
import json
from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.billing import LevyCharged, UsageRecord
from allmende.schemas.brokerage import BookingConfirmed
from allmende.tariffs.allocation import Share

from .levy import Levy
from .usage import Counted, digest_of, period_of

_SAVE_BOOKINGS = text("""
    insert into booking (booking_id, provider, consumer, start_day, end_day, terms)
    select u.id, u.provider, u.consumer, u.start_day, u.end_day, u.terms::json
    from unnest(cast(:ids as uuid[]), cast(:providers as text[]), cast(:consumers as text[]),
                cast(:starts as date[]), cast(:ends as date[]), cast(:terms as text[]))
         u (id, provider, consumer, start_day, end_day, terms)
    on conflict do nothing
""")

_LOAD_BOOKINGS = text("select terms::text from booking where booking_id = any(cast(:ids as uuid[]))")

_KNOWN_RECORDS = text("""
    select r.source, r.record_id, case when r.state <> 'refused' then r.digest end
    from usage_record r
    join unnest(cast(:sources as text[]), cast(:ids as text[])) k (source, record_id)
      on r.source = k.source and r.record_id = k.record_id
""")

_SAVE_RECORDS = text("""
    insert into usage_record (source, record_id, booking_id, meter, quantity, started_at, ended_at, period,
                              digest, state, parked_until, received_at)
    select u.*, :received_at
    from unnest(cast(:sources as text[]), cast(:ids as text[]), cast(:bookings as uuid[]),
                cast(:meters as text[]), cast(:quantities as numeric[]), cast(:starts as timestamptz[]),
                cast(:ends as timestamptz[]), cast(:periods as text[]), cast(:digests as bytea[]),
                cast(:states as text[]), cast(:untils as timestamptz[])) u
    order by 1, 2
""")

# A record that was refused after it waited counts for nothing, so it may be reported again.
_SAVE_AGAIN = text("""
    update usage_record r
    set booking_id = u.booking_id, meter = u.meter, quantity = u.quantity, started_at = u.started_at,
        ended_at = u.ended_at, period = u.period, digest = u.digest, state = u.state,
        parked_until = u.parked_until, received_at = :received_at
    from unnest(cast(:sources as text[]), cast(:ids as text[]), cast(:bookings as uuid[]),
                cast(:meters as text[]), cast(:quantities as numeric[]), cast(:starts as timestamptz[]),
                cast(:ends as timestamptz[]), cast(:periods as text[]), cast(:digests as bytea[]),
                cast(:states as text[]), cast(:untils as timestamptz[]))
         u (source, record_id, booking_id, meter, quantity, started_at, ended_at, period, digest, state,
            parked_until)
    where r.source = u.source and r.record_id = u.record_id and r.state = 'refused'
    returning 1
""")

_PARKED_FOR = text("""
    select source, record_id, booking_id::text, meter, quantity, started_at, ended_at
    from usage_record where state = 'parked' and booking_id = any(cast(:ids as uuid[]))
    order by source, record_id for update
""")

_OVERDUE = text("""
    select source, record_id, booking_id::text, meter, quantity, started_at, ended_at
    from usage_record where state = 'parked' and parked_until <= :now
    order by parked_until limit 1000 for update skip locked
""")

_RESOLVE = text("""
    update usage_record r set state = u.state, parked_until = null
    from unnest(cast(:sources as text[]), cast(:ids as text[]), cast(:states as text[])) u (source, id, state)
    where r.source = u.source and r.record_id = u.id and r.state = 'parked'
""")

_OPEN_PERIODS = text("""
    insert into accounting_period (period)
    select period from unnest(cast(:periods as text[])) u (period) order by period
    on conflict do nothing
""")

_CLOSED_SHARED = text("""
    select period, closed_at is not null from accounting_period
    where period = any(cast(:periods as text[])) order by period for share
""")

_CLOSED_EXCLUSIVE = text(
    "select closed_at is not null from accounting_period where period = :period for update"
)

_CLOSE_PERIOD = text("update accounting_period set closed_at = :now where period = :period")

_PARKED_IN = text("""
    select source, record_id, booking_id::text, meter, quantity, started_at, ended_at
    from usage_record where state = 'parked' and period = :period
    order by source, record_id for update
""")

# The database sums, so that a period of a million records stays a few thousand rows here.
_COUNTED = text("""
    select b.terms::text, u.meter, u.quantity, u.records, u.first_day, u.last_day
    from (
        select booking_id, meter, sum(quantity) as quantity, count(*) as records,
               min((started_at at time zone 'Europe/Berlin')::date) as first_day,
               max((started_at at time zone 'Europe/Berlin')::date) as last_day
        from usage_record where state = 'recorded' and period = :period
        group by booking_id, meter
    ) u join booking b using (booking_id)
    order by b.booking_id, u.meter
""")

_CHARGE_ONE_TIME = text("""
    update booking set one_time_charged_in = :period
    where one_time_charged_in is null and start_day < :next_period
    returning terms::text
""")

_SAVE_LEVY = text("""
    insert into levy (levy_id, period, title, amount_cents, charged_at, document, shares)
    values (:levy_id, :period, :title, :amount_cents, :charged_at, cast(:document as json),
            cast(:shares as json))
""")

_LEVIES = text(
    "select document::text, shares::text from levy where period = :period order by charged_at, levy_id"
)


@dataclasses.dataclass(frozen=True)
class Reported:
    """A usage record with the provider that reported it."""

    source: str
    record: UsageRecord

    @property
    def key(self) -> tuple[str, str]:
        """Unique for ever."""
        return (self.source, self.record.id)


async def save_bookings(tx: AsyncConnection, bookings: Sequence[BookingConfirmed]) -> None:
    """Keep confirmed bookings with their terms."""
    await tx.execute(
        _SAVE_BOOKINGS,
        {
            "ids": [booking.booking_id for booking in bookings],
            "providers": [booking.provider for booking in bookings],
            "consumers": [booking.consumer for booking in bookings],
            "starts": [booking.start for booking in bookings],
            "ends": [booking.end for booking in bookings],
            "terms": [booking.model_dump_json() for booking in bookings],
        },
    )


async def load_bookings(tx: AsyncConnection, booking_ids: Iterable[str]) -> dict[str, BookingConfirmed]:
    """Load bookings by id."""
    rows = await tx.execute(_LOAD_BOOKINGS, {"ids": sorted(set(booking_ids))})
    found = [BookingConfirmed.model_validate_json(row[0]) for row in rows]
    return {booking.booking_id: booking for booking in found}


async def known_records(
    tx: AsyncConnection, reported: Sequence[Reported]
) -> dict[tuple[str, str], bytes | None]:
    """Find which records are known, with the digests of their content; None for those that were refused."""
    names = {"sources": [each.source for each in reported], "ids": [each.record.id for each in reported]}
    return {(row[0], row[1]): row[2] for row in await tx.execute(_KNOWN_RECORDS, names)}


async def save_records(  # noqa: PLR0913 - what one write is made of
    tx: AsyncConnection,
    recorded: Sequence[Reported],
    parked: Sequence[Reported],
    *,
    again: Container[tuple[str, str]] = (),
    parked_until: dt.datetime,
    now: dt.datetime,
) -> None:
    """Store new records; the primary key refuses what another process stored meanwhile.

    Raises:
        RuntimeError: another process stored one of those that come again after they were refused.
    """
    each_with_deadline = [(each, None) for each in recorded] + [(each, parked_until) for each in parked]
    if new := [each for each in each_with_deadline if each[0].key not in again]:
        await tx.execute(_SAVE_RECORDS, {"received_at": now, **_columns(new)})
    if old := [each for each in each_with_deadline if each[0].key in again]:
        saved = await tx.execute(_SAVE_AGAIN, {"received_at": now, **_columns(old)})
        if len(saved.all()) < len(old):
            raise RuntimeError("another process stored a record meanwhile")


def _columns(each_with_deadline: Sequence[tuple[Reported, dt.datetime | None]]) -> dict[str, list[object]]:
    records = [each.record for each, _ in each_with_deadline]
    return {
        "sources": [each.source for each, _ in each_with_deadline],
        "ids": [record.id for record in records],
        "bookings": [record.booking_id for record in records],
        "meters": [record.meter for record in records],
        "quantities": [record.quantity for record in records],
        "starts": [record.start for record in records],
        "ends": [record.end for record in records],
        "periods": [period_of(record.start) for record in records],
        "digests": [digest_of(record) for record in records],
        "states": ["parked" if until else "recorded" for _, until in each_with_deadline],
        "untils": [until for _, until in each_with_deadline],
    }


async def parked_for(tx: AsyncConnection, booking_ids: Sequence[str]) -> list[Reported]:
    """Find and lock the records that wait for these bookings."""
    return [_reported(row) for row in await tx.execute(_PARKED_FOR, {"ids": list(booking_ids)})]


async def overdue(tx: AsyncConnection, now: dt.datetime) -> list[Reported]:
    """Find and lock the records that waited too long."""
    return [_reported(row) for row in await tx.execute(_OVERDUE, {"now": now})]


async def resolve(tx: AsyncConnection, recorded: Sequence[Reported], refused: Sequence[Reported]) -> None:
    """End the waiting of parked records."""
    both = [(each, "recorded") for each in recorded] + [(each, "refused") for each in refused]
    if both:
        await tx.execute(
            _RESOLVE,
            {
                "sources": [each.source for each, _ in both],
                "ids": [each.record.id for each, _ in both],
                "states": [state for _, state in both],
            },
        )


async def closed_periods(tx: AsyncConnection, periods: Iterable[str]) -> set[str]:
    """Find which periods are closed, and keep the others open until this transaction ends."""
    names = {"periods": sorted(set(periods))}
    await tx.execute(_OPEN_PERIODS, names)
    return {row[0] for row in await tx.execute(_CLOSED_SHARED, names) if row[1]}


async def lock_period(tx: AsyncConnection, period: str) -> bool:
    """Wait until nobody adds to a period, and keep it so. Tells whether it is closed."""
    await tx.execute(_OPEN_PERIODS, {"periods": [period]})
    return bool((await tx.execute(_CLOSED_EXCLUSIVE, {"period": period})).scalar_one())


async def close_period(tx: AsyncConnection, period: str, now: dt.datetime) -> None:
    """Close a period for good."""
    await tx.execute(_CLOSE_PERIOD, {"period": period, "now": now})


async def parked_in(tx: AsyncConnection, period: str) -> list[Reported]:
    """Find and lock the records of a period that still wait for their booking."""
    return [_reported(row) for row in await tx.execute(_PARKED_IN, {"period": period})]


async def counted_in(tx: AsyncConnection, period: str) -> list[Counted]:
    """Sum up the usage of a period by booking and meter."""
    quantities: defaultdict[str, dict[str, Decimal]] = defaultdict(dict)
    records: defaultdict[str, dict[str, int]] = defaultdict(dict)
    days: defaultdict[str, list[dt.date]] = defaultdict(list)
    terms: dict[str, BookingConfirmed] = {}
    for row in await tx.execute(_COUNTED, {"period": period}):
        booking = BookingConfirmed.model_validate_json(row[0])
        terms[booking.booking_id] = booking
        quantities[booking.booking_id][row[1]] = row[2]
        records[booking.booking_id][row[1]] = row[3]
        days[booking.booking_id] += [row[4], row[5]]
    return [
        Counted(booking, quantities[id_], records[id_], min(days[id_]), max(days[id_]))
        for id_, booking in terms.items()
    ]


async def charge_one_time(tx: AsyncConnection, period: str) -> list[BookingConfirmed]:
    """Take the bookings that started by the end of a period and were not charged yet, each once."""
    first = dt.date.fromisoformat(f"{period}-01")
    next_period = (first + dt.timedelta(days=32)).replace(day=1)
    rows = await tx.execute(_CHARGE_ONE_TIME, {"period": period, "next_period": next_period})
    return [BookingConfirmed.model_validate_json(row[0]) for row in rows]


async def save_levy(tx: AsyncConnection, levy: Levy, now: dt.datetime) -> None:
    """Store a levy with its shares."""
    await tx.execute(
        _SAVE_LEVY,
        {
            "levy_id": levy.fact.levy_id,
            "period": levy.fact.period,
            "title": levy.fact.title,
            "amount_cents": levy.fact.amount_cents,
            "charged_at": now,
            "document": levy.fact.model_dump_json(),
            "shares": json.dumps([dataclasses.asdict(share) for share in levy.shares], ensure_ascii=False),
        },
    )


async def levies_of(tx: AsyncConnection, period: str) -> list[Levy]:
    """Load the levies of a period."""
    rows = await tx.execute(_LEVIES, {"period": period})
    return [
        Levy(LevyCharged.model_validate_json(row[0]), tuple(Share(**share) for share in json.loads(row[1])))
        for row in rows
    ]


def _reported(row: Sequence[object]) -> Reported:
    source, record_id, booking_id, meter, quantity, start, end = row
    return Reported(
        str(source),
        UsageRecord.model_validate(
            {
                "id": record_id,
                "booking_id": booking_id,
                "meter": meter,
                "quantity": quantity,
                "start": start,
                "end": end,
            }
        ),
    )
