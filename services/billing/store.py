"""Usage, bookings and periods: read and written for a whole batch at once."""

import dataclasses
import datetime as dt
import json
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.billing import LevyCharged, UsageRecord
from allmende.schemas.brokerage import BookingAmended, BookingChanged, BookingConfirmed, BreachRecorded
from allmende.tariffs.allocation import Share

from .booking import Booking
from .levy import Levy
from .period import last_day_of, period_of, period_with
from .usage import digest_of

SLICE = 500
"""So many parked records are decided in one transaction."""

_SAVE_BOOKINGS = text("""
    insert into booking (booking_id, provider, consumer, start_day, end_day, open_from, terms)
    select u.id, u.provider, u.consumer, u.start_day, u.end_day, u.start_day, u.terms::json
    from unnest(cast(:ids as uuid[]), cast(:providers as text[]), cast(:consumers as text[]),
                cast(:starts as date[]), cast(:ends as date[]), cast(:terms as text[]))
         u (id, provider, consumer, start_day, end_day, terms)
    order by 1
    on conflict do nothing
""")

_SAVE_AMENDMENTS = text("""
    insert into booking_terms (booking_id, number, valid_from, document)
    select u.id, u.number, u.valid_from, u.document::json
    from unnest(cast(:ids as uuid[]), cast(:numbers as bigint[]), cast(:days as date[]),
                cast(:documents as text[])) u (id, number, valid_from, document)
    order by 1, 2
    on conflict do nothing
""")

# What rating needs of terms, each tariff kept once; `told` are documents of bookings or of later terms.
_SAVE_TARIFFS = text("""
    insert into tariff (digest, document)
    select distinct on (1) sha256(convert_to((u.document::json->'tariff')::text, 'UTF8')),
                           u.document::json->'tariff'
    from unnest(cast(:documents as text[])) u (document)
    order by 1
    on conflict do nothing
""")

_SAVE_RATED_TERMS = text("""
    insert into rated_terms (booking_id, number, valid_from, provider, consumer, offering_id, plan_id,
                             consumer_class, tariff, quantities, details)
    select u.id, u.number, u.valid_from, u.document->>'provider', u.document->>'consumer',
           u.document->>'offering_id', u.document->>'plan_id', u.document->>'consumer_class',
           sha256(convert_to((u.document->'tariff')::text, 'UTF8')), u.document->'quantities',
           nullif((u.document->'details')::text, 'null')::json
    from unnest(cast(:ids as uuid[]), cast(:numbers as bigint[]), cast(:days as date[]),
                cast(:documents as json[])) u (id, number, valid_from, document)
    order by 1, 2
    on conflict do nothing
""")

_SAVE_CHANGES = text("""
    insert into booking_change (booking_id, number, compensation_cents, due_in, document)
    select u.id, u.number, u.cents, u.due_in, u.document::json
    from unnest(cast(:ids as uuid[]), cast(:numbers as bigint[]), cast(:cents as bigint[]),
                cast(:periods as text[]), cast(:documents as text[])) u (id, number, cents, due_in, document)
    order by 1, 2
    on conflict do nothing
""")

_SAVE_BREACHES = text("""
    insert into breach (breach_id, booking_id, credit_cents, due_in, document)
    select u.id, u.booking_id, u.cents, u.due_in, u.document::json
    from unnest(cast(:ids as uuid[]), cast(:bookings as uuid[]), cast(:cents as bigint[]),
                cast(:periods as text[]), cast(:documents as text[]))
         u (id, booking_id, cents, due_in, document)
    order by 1
    on conflict do nothing
""")

_LOAD_BOOKINGS = text("select terms::text from booking where booking_id = any(cast(:ids as uuid[]))")

_LOAD_AMENDMENTS = text(
    "select document::text from booking_terms where booking_id = any(cast(:ids as uuid[])) order by number"
)

_LOAD_CHANGES = text(
    "select document::text from booking_change where booking_id = any(cast(:ids as uuid[])) order by number"
)

# One closing at a time looks at a booking; another one waits here and then finds what was charged.
_LOCK_OPEN = text("""
    select booking_id::text, start_day, open_from
    from booking b
    where open_from <= :last_day
       or exists (select from booking_terms t where t.booking_id = b.booking_id and t.reckoned_in is null)
       or exists (select from booking_change c where c.booking_id = b.booking_id and c.reckoned_in is null)
    order by booking_id for update of b
""")

_RECKON_TERMS = text("""
    update booking_terms set reckoned_in = :period
    where reckoned_in is null and booking_id = any(cast(:ids as uuid[])) returning booking_id::text
""")

_RECKON_CHANGES = text("""
    update booking_change set reckoned_in = :period
    where reckoned_in is null and booking_id = any(cast(:ids as uuid[])) returning booking_id::text
""")

_OPEN_FROM = text("""
    update booking b set open_from = u.open_from
    from unnest(cast(:ids as uuid[]), cast(:days as date[])) u (booking_id, open_from)
    where b.booking_id = u.booking_id and b.open_from is distinct from u.open_from
""")

_CHARGE_COMPENSATIONS = text("""
    update booking_change set charged_in = :period
    where charged_in is null and compensation_cents <> 0 and due_in <= :period
    returning document::text
""")

_GIVE_CREDITS = text("""
    update breach set charged_in = :period
    where charged_in is null and credit_cents <> 0 and due_in <= :period
    returning document::text
""")

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
    order by source, record_id limit :limit for update skip locked
""")

# The bookings are looked up first, each once, however many records wait for it.
_DECIDABLE = text("""
    select source, record_id, r.booking_id::text, meter, quantity, started_at, ended_at
    from usage_record r
    where state = 'parked' and booking_id = any(array(
        select b.booking_id
        from (select distinct booking_id from usage_record where state = 'parked') w
        join booking b using (booking_id)))
    order by source, record_id limit :limit for update skip locked
""")

_OVERDUE = text("""
    select source, record_id, booking_id::text, meter, quantity, started_at, ended_at
    from usage_record where state = 'parked' and parked_until <= :now
    order by parked_until limit :limit for update skip locked
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
            "terms": (documents := [booking.model_dump_json() for booking in bookings]),
        },
    )
    await _save_rated(
        tx,
        [(booking.booking_id, 0, booking.start) for booking in bookings],
        documents,
    )


async def save_amendments(tx: AsyncConnection, amendments: Sequence[BookingAmended]) -> None:
    """Keep later terms, be their bookings known or not."""
    await tx.execute(
        _SAVE_AMENDMENTS,
        {
            "ids": [each.booking_id for each in amendments],
            "numbers": [each.number for each in amendments],
            "days": [each.effective_on for each in amendments],
            "documents": (documents := [each.model_dump_json() for each in amendments]),
        },
    )
    await _save_rated(
        tx, [(each.booking_id, each.number, each.effective_on) for each in amendments], documents
    )


async def _save_rated(
    tx: AsyncConnection, terms: Sequence[tuple[str, int, dt.date]], documents: Sequence[str]
) -> None:
    """Keep what rating needs of terms in columns, so that a closing reads each tariff once."""
    await tx.execute(_SAVE_TARIFFS, {"documents": documents})
    await tx.execute(
        _SAVE_RATED_TERMS,
        {
            "ids": [booking_id for booking_id, _, _ in terms],
            "numbers": [number for _, number, _ in terms],
            "days": [day for _, _, day in terms],
            "documents": documents,
        },
    )


async def save_changes(tx: AsyncConnection, changes: Sequence[BookingChanged]) -> None:
    """Keep what became of bookings, be they known or not."""
    await tx.execute(
        _SAVE_CHANGES,
        {
            "ids": [each.booking_id for each in changes],
            "numbers": [each.number for each in changes],
            "cents": [each.compensation_cents for each in changes],
            "periods": [period_of(each.changed_at) for each in changes],
            "documents": [each.model_dump_json() for each in changes],
        },
    )


async def save_breaches(tx: AsyncConnection, breaches: Sequence[BreachRecorded]) -> None:
    """Keep missed service levels with their credits."""
    await tx.execute(
        _SAVE_BREACHES,
        {
            "ids": [each.breach_id for each in breaches],
            "bookings": [each.booking_id for each in breaches],
            "cents": [each.credit_cents for each in breaches],
            "periods": [period_with(each.last_day) for each in breaches],
            "documents": [each.model_dump_json() for each in breaches],
        },
    )


async def load_bookings(tx: AsyncConnection, booking_ids: Iterable[str]) -> dict[str, Booking]:
    """Load bookings by id, with all that was told of them."""
    ids = {"ids": sorted(set(booking_ids))}
    confirmed = [
        BookingConfirmed.model_validate_json(row[0]) for row in await tx.execute(_LOAD_BOOKINGS, ids)
    ]
    amendments: defaultdict[str, list[BookingAmended]] = defaultdict(list)
    for row in await tx.execute(_LOAD_AMENDMENTS, ids):
        amended = BookingAmended.model_validate_json(row[0])
        amendments[amended.booking_id].append(amended)
    changes: defaultdict[str, list[BookingChanged]] = defaultdict(list)
    for row in await tx.execute(_LOAD_CHANGES, ids):
        changed = BookingChanged.model_validate_json(row[0])
        changes[changed.booking_id].append(changed)
    return {
        each.booking_id: Booking(each, tuple(amendments[each.booking_id]), tuple(changes[each.booking_id]))
        for each in confirmed
    }


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
    """Find and lock some of the records that wait for these bookings."""
    rows = await tx.execute(_PARKED_FOR, {"ids": list(booking_ids), "limit": SLICE})
    return [_reported(row) for row in rows]


async def decidable(tx: AsyncConnection, now: dt.datetime) -> list[Reported]:
    """Find and lock some of the records whose booking came, or else of those that waited too long."""
    rows = (await tx.execute(_DECIDABLE, {"limit": SLICE})).all()
    if not rows:
        rows = (await tx.execute(_OVERDUE, {"now": now, "limit": SLICE})).all()
    return [_reported(row) for row in rows]


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


@dataclasses.dataclass(frozen=True)
class Open:
    """A booking of which more may fall due.

    Attributes:
        since: nothing that fell due before this day has changed.
    """

    booking: Booking
    since: dt.date

    @property
    def id(self) -> str:
        """The booking's id."""
        return self.booking.confirmed.booking_id


async def lock_open(tx: AsyncConnection, period: str) -> list[Open]:
    """Find and lock the bookings of which something may fall due by the end of a period, or has changed."""
    rows = (await tx.execute(_LOCK_OPEN, {"last_day": last_day_of(period)})).all()
    about = {"period": period, "ids": [row[0] for row in rows]}
    changed = {row[0] for row in await tx.execute(_RECKON_TERMS, about)}
    changed |= {row[0] for row in await tx.execute(_RECKON_CHANGES, about)}
    since = {id_: start if id_ in changed else day for id_, start, day in rows}
    bookings = await load_bookings(tx, about["ids"])
    # One that another closing has dealt with while this one waited has nothing left to be looked at.
    return [Open(bookings[id_], day) for id_, day in since.items() if day is not None]


async def save_open_from(tx: AsyncConnection, days: Mapping[str, dt.date | None]) -> None:
    """Note from which day on bookings must be looked at again."""
    await tx.execute(_OPEN_FROM, {"ids": list(days), "days": list(days.values())})


async def charge_compensations(tx: AsyncConnection, period: str) -> list[BookingChanged]:
    """Take what one side owes the other by the end of a period and was not charged yet, each once."""
    rows = await tx.execute(_CHARGE_COMPENSATIONS, {"period": period})
    return [BookingChanged.model_validate_json(row[0]) for row in rows]


async def give_credits(tx: AsyncConnection, period: str) -> list[BreachRecorded]:
    """Take the credits that are due by the end of a period and were not given yet, each once."""
    rows = await tx.execute(_GIVE_CREDITS, {"period": period})
    return [BreachRecorded.model_validate_json(row[0]) for row in rows]


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
