"""Bookings and periods: read and written for a whole batch at once."""

import dataclasses
import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.brokerage import BookingAmended, BookingChanged, BookingConfirmed, BreachRecorded
from allmende.schemas.contract import unchecked
from allmende.schemas.tariff import Tariff

from .booking import Booking
from .period import last_day_of, period_of, period_with

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

# Thousands of bookings share a few tariffs, and a tariff is most of a booking's terms: each is read once.
_LOAD_BOOKINGS = text("""
    select (b.terms::jsonb - 'tariff')::text, r.tariff
    from booking b join rated_terms r on r.booking_id = b.booking_id and r.number = 0
    where b.booking_id = any(cast(:ids as uuid[]))
""")

_LOAD_TARIFFS = text("select digest, document::text from tariff where digest = any(cast(:ids as bytea[]))")

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

_OPEN_PERIODS = text("""
    insert into accounting_period (period)
    select period from unnest(cast(:periods as text[])) u (period) order by period
    on conflict do nothing
""")

_CLOSED_SHARED = text("""
    select period, closed_at is not null from accounting_period
    where period = any(cast(:periods as text[])) order by period for share
""")

_LATER_SHARED = text("""
    select period, closed_at is not null from accounting_period
    where period > :period order by period for share
""")

_CLOSED_EXCLUSIVE = text(
    "select closed_at is not null from accounting_period where period = :period for update"
)

_CLOSE_PERIOD = text("update accounting_period set closed_at = :now where period = :period")


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


class _Booked(BookingConfirmed):
    """A booking without its tariff, which stands elsewhere."""

    tariff: Tariff | None = None  # type: ignore[assignment]


def _booked(document: str, tariff: Tariff) -> BookingConfirmed:
    told = _Booked.model_validate_json(document)
    return unchecked(BookingConfirmed, {**vars(told), "tariff": tariff})


async def load_bookings(tx: AsyncConnection, booking_ids: Iterable[str]) -> dict[str, Booking]:
    """Load bookings by id, with all that was told of them."""
    ids = {"ids": sorted(set(booking_ids))}
    rows = (await tx.execute(_LOAD_BOOKINGS, ids)).all()
    told = await tx.execute(_LOAD_TARIFFS, {"ids": list({digest for _, digest in rows})})
    tariffs = {digest: Tariff.model_validate_json(document) for digest, document in map(tuple, told)}
    confirmed = [_booked(document, tariffs[digest]) for document, digest in rows]
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


async def closed_periods(tx: AsyncConnection, periods: Iterable[str]) -> set[str]:
    """Find which periods are closed, and keep the others open until this transaction ends."""
    names = {"periods": sorted(set(periods))}
    await tx.execute(_OPEN_PERIODS, names)
    return {row[0] for row in await tx.execute(_CLOSED_SHARED, names) if row[1]}


async def closed_after(tx: AsyncConnection, period: str) -> set[str]:
    """Find which periods after one are closed, and keep the others open until this transaction ends."""
    return {row[0] for row in await tx.execute(_LATER_SHARED, {"period": period}) if row[1]}


async def lock_period(tx: AsyncConnection, period: str) -> bool:
    """Wait until nobody adds to a period, and keep it so. Tells whether it is closed."""
    await tx.execute(_OPEN_PERIODS, {"periods": [period]})
    return bool((await tx.execute(_CLOSED_EXCLUSIVE, {"period": period})).scalar_one())


async def close_period(tx: AsyncConnection, period: str, now: dt.datetime) -> None:
    """Mark a period as collected: what comes after that is late."""
    await tx.execute(_CLOSE_PERIOD, {"period": period, "now": now})


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
