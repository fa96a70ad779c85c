"""The journal in the database: entries are appended under one lock, numbered and chained, and read again.

Whoever posts locks the head of the chain first and then the number series in their order, so two who post
wait for each other and never lock in a ring. Both locks end with the transaction: what is rolled back leaves
neither a number nor a link behind.
"""

import datetime as dt
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.journal import JournalEntry, JournalPosting
from allmende.schemas.rejections import Rejected, rejected

from ..period import period_with
from .entries import Books, Entry, post, series_of
from .entries import reverse as reversal_of

_LOCK_HEAD = text("select sequence, hash from ledger_head for update")

_MOVE_HEAD = text("update ledger_head set sequence = :sequence, hash = :hash")

_OPEN_SERIES = text("""
    insert into number_series (body, year, last_number)
    select u.body, u.year, 0 from unnest(cast(:bodies as text[]), cast(:years as int[])) u (body, year)
    on conflict do nothing
""")

_LOCK_SERIES = text("""
    select s.body, s.year, s.last_number
    from unnest(cast(:bodies as text[]), cast(:years as int[])) u (body, year)
    join number_series s using (body, year)
    order by s.body, s.year for update of s
""")

_MOVE_SERIES = text("""
    update number_series s set last_number = s.last_number + u.used
    from unnest(cast(:bodies as text[]), cast(:years as int[]), cast(:used as int[])) u (body, year, used)
    where s.body = u.body and s.year = u.year
""")

_CLOSED = text("""
    select period from accounting_period
    where issued_at is not null and period = any(cast(:periods as text[]))
""")

_REVERSED = text("""
    select reverses::text from journal_entry where reverses = any(cast(:ids as uuid[]))
""")

_SAVE_ENTRIES = text("""
    insert into journal_entry (sequence, entry_id, value_date, booked_at, kind, narration, reference,
                               settlement_id, reverses, reason, previous_hash, hash)
    select u.sequence, u.id, u.value_date, :booked_at, u.kind, u.narration, u.reference,
           cast(:settlement_id as uuid), u.reverses, u.reason, u.previous_hash, u.hash
    from unnest(cast(:sequences as bigint[]), cast(:ids as uuid[]), cast(:dates as date[]),
                cast(:kinds as text[]), cast(:narrations as text[]), cast(:references as text[]),
                cast(:reverses as uuid[]), cast(:reasons as text[]), cast(:previous as text[]),
                cast(:hashes as text[]))
         u (sequence, id, value_date, kind, narration, reference, reverses, reason, previous_hash, hash)
""")

_SAVE_POSTINGS = text("""
    insert into posting (entry_id, position, account, body, amount_cents)
    select u.entry_id, u.position, u.account, split_part(u.account, ':', 1), u.amount_cents
    from unnest(cast(:entries as uuid[]), cast(:positions as int[]), cast(:accounts as text[]),
                cast(:amounts as bigint[])) u (entry_id, position, account, amount_cents)
""")

_SAVE_NUMBERS = text("""
    insert into entry_number (body, year, number, entry_id)
    select * from unnest(cast(:bodies as text[]), cast(:years as int[]), cast(:numbers as bigint[]),
                         cast(:entries as uuid[]))
""")

_COLUMNS = """
    e.sequence, e.entry_id::text, e.value_date, e.booked_at, e.kind, e.narration, e.reference,
    e.settlement_id::text, e.reverses::text, e.reason,
    (select json_object_agg(n.body, concat(n.year, '/', to_char(n.number, 'FM999999999000000')))
     from entry_number n where n.entry_id = e.entry_id)::text as numbers,
    (select json_agg(json_build_array(p.account, p.amount_cents) order by p.position)
     from posting p where p.entry_id = e.entry_id)::text as postings,
    e.previous_hash, e.hash
"""

_NAMED = text(f"select {_COLUMNS} from journal_entry e where e.entry_id = any(cast(:ids as uuid[]))")

_ASKED = """
    from journal_entry e
    where e.value_date between cast(:first as date) and cast(:last as date)
      and (cast(:body as text) is null
           or exists (select from entry_number n where n.entry_id = e.entry_id and n.body = :body))
"""

_COUNT = text(f"select count(*) {_ASKED}")

_PAGE = text(f"select {_COLUMNS} {_ASKED} and e.sequence > :after order by e.sequence limit :limit")

# The head as it is in the very moment in which the entries are read.
_CHAIN = text(f"""
    select h.sequence as head_sequence, h.hash as head_hash, c.* from ledger_head h
    left join (select {_COLUMNS} from journal_entry e where e.sequence > :after
               order by e.sequence limit :limit) c on true
    order by c.sequence
""")


async def save(
    tx: AsyncConnection, settlement_id: str, entries: Sequence[Entry], now: dt.datetime
) -> tuple[JournalEntry, ...]:
    """Post what a run leaves behind, before its period is marked as issued.

    Raises:
        ValueError: the rules refuse an entry; the closing made it wrongly, so nothing of it may stand.
    """
    posted = await _post(tx, settlement_id, entries, now)
    if isinstance(posted, Rejected):
        raise ValueError(f"{posted.code}: {posted.sentences[1]}")  # noqa: TRY004 - a refusal is a value
    return posted


async def append(tx: AsyncConnection, entries: Sequence[Entry], now: dt.datetime) -> tuple[JournalEntry, ...]:
    """Post entries that bring their ids with them, in periods that are open.

    Raises:
        ValueError: the rules refuse an entry; whoever made it made it wrongly.
    """
    posted = await _post(tx, None, entries, now)
    if isinstance(posted, Rejected):
        raise ValueError(f"{posted.code}: {posted.sentences[1]}")  # noqa: TRY004 - a refusal is a value
    return posted


async def reverse(  # noqa: PLR0913 - what a reversal says
    tx: AsyncConnection,
    entry_id: str,
    *,
    reason: str,
    on: dt.date,
    now: dt.datetime,
    settlement_id: str | None = None,
) -> JournalEntry | Rejected:
    """Take an entry back on a day whose period is still open, or say why not."""
    named = await _named(tx, [entry_id])
    if entry_id not in named:
        return rejected("unknown_entry", "entry_id", entry=entry_id)
    posted = await _post(tx, settlement_id, [reversal_of(named[entry_id], reason, on)], now)
    return posted if isinstance(posted, Rejected) else posted[0]


async def _post(
    tx: AsyncConnection, settlement_id: str | None, entries: Sequence[Entry], now: dt.datetime
) -> tuple[JournalEntry, ...] | Rejected:
    if not entries:
        return ()
    used = sorted(series_of(entries).items())
    series: dict[str, list[Any]] = {
        "bodies": [body for (body, _), _ in used],
        "years": [year for (_, year), _ in used],
    }
    books = await _lock_books(tx, entries, series)
    posted = post(books, entries, settlement_id=settlement_id, now=now)
    if isinstance(posted, Rejected):
        return posted
    await _write(tx, settlement_id, posted, now)
    await tx.execute(_MOVE_SERIES, {**series, "used": [count for _, count in used]})
    await tx.execute(_MOVE_HEAD, {"sequence": posted[-1].sequence, "hash": posted[-1].hash})
    return posted


async def _lock_books(
    tx: AsyncConnection, entries: Sequence[Entry], series: Mapping[str, list[Any]]
) -> Books:
    """Load what decides on entries, and let nobody else post until this transaction ends."""
    sequence, head = (await tx.execute(_LOCK_HEAD)).one()
    await tx.execute(_OPEN_SERIES, series)
    numbers = {(body, year): last for body, year, last in await tx.execute(_LOCK_SERIES, series)}
    periods = sorted({period_with(entry.date) for entry in entries})
    closed = {row[0] for row in await tx.execute(_CLOSED, {"periods": periods})}
    ids = [entry.reverses for entry in entries if entry.reverses is not None]
    if not ids:
        return Books(sequence, head, numbers, closed)
    gone = {row[0] for row in await tx.execute(_REVERSED, {"ids": ids})}
    return Books(sequence, head, numbers, closed, await _named(tx, ids), gone)


async def _named(tx: AsyncConnection, ids: Sequence[str]) -> dict[str, JournalEntry]:
    return {
        row.entry_id: _entry(row) for row in await tx.execute(_NAMED, {"ids": [uuid.UUID(i) for i in ids]})
    }


async def _write(
    tx: AsyncConnection, settlement_id: str | None, posted: Sequence[JournalEntry], now: dt.datetime
) -> None:
    await tx.execute(
        _SAVE_ENTRIES,
        {
            "settlement_id": settlement_id,
            "booked_at": now,
            "sequences": [entry.sequence for entry in posted],
            "ids": [entry.entry_id for entry in posted],
            "dates": [entry.date for entry in posted],
            "kinds": [entry.kind for entry in posted],
            "narrations": [entry.narration for entry in posted],
            "references": [entry.reference for entry in posted],
            "reverses": [entry.reverses for entry in posted],
            "reasons": [entry.reason for entry in posted],
            "previous": [entry.previous_hash for entry in posted],
            "hashes": [entry.hash for entry in posted],
        },
    )
    postings = [
        (entry.entry_id, position, each)
        for entry in posted
        for position, each in enumerate(entry.postings, 1)
    ]
    await tx.execute(
        _SAVE_POSTINGS,
        {
            "entries": [id_ for id_, _, _ in postings],
            "positions": [position for _, position, _ in postings],
            "accounts": [each.account for _, _, each in postings],
            "amounts": [each.amount_cents for _, _, each in postings],
        },
    )
    numbers = [
        (body, *map(int, number.split("/")), entry.entry_id)
        for entry in posted
        for body, number in entry.numbers.items()
    ]
    names = ("bodies", "years", "numbers", "entries")
    await tx.execute(
        _SAVE_NUMBERS,
        {name: list(column) for name, column in zip(names, zip(*numbers, strict=True), strict=True)},
    )


async def page(  # noqa: PLR0913 - what can be asked
    connection: AsyncConnection, *, first: dt.date, last: dt.date, body: str | None, after: int, limit: int
) -> tuple[list[JournalEntry], int]:
    """Read entries by value date, of everybody or touching one body, and count how many there are in all."""
    asked = {"first": first, "last": last, "body": body}
    total = (await connection.execute(_COUNT, asked)).scalar_one()
    rows = await connection.execute(_PAGE, {**asked, "after": after, "limit": limit})
    return [_entry(row) for row in rows], total


async def links(
    connection: AsyncConnection, *, after: int, limit: int
) -> tuple[list[JournalEntry], tuple[int, str]]:
    """Read a piece of the chain, and the sequence and hash with which the whole ledger ends."""
    rows = (await connection.execute(_CHAIN, {"after": after, "limit": limit})).all()
    head = (rows[0].head_sequence, rows[0].head_hash) if rows else (0, "")
    return [_entry(row) for row in rows if row.sequence is not None], head


def _entry(row: Row[Any]) -> JournalEntry:
    """Take a row as it is: one that somebody tampered with is a finding, not an error."""
    return JournalEntry.model_construct(
        sequence=row.sequence,
        entry_id=row.entry_id,
        date=row.value_date,
        booked_at=row.booked_at,
        kind=row.kind,
        narration=row.narration,
        reference=row.reference,
        settlement_id=row.settlement_id,
        reverses=row.reverses,
        reason=row.reason,
        numbers=dict(sorted(json.loads(row.numbers or "{}").items())),
        postings=tuple(
            JournalPosting.model_construct(account=account, amount_cents=cents)
            for account, cents in json.loads(row.postings or "[]")
        ),
        previous_hash=row.previous_hash,
        hash=row.hash,
    )
