"""What every statement of inbox, outbox and brokerage means to the database in memory.

Keyed by the statements themselves, so that the services' own code runs up to its SQL. A statement that is not
here is an error that names it.
"""

import datetime as dt
import json
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import TextClause

from allmende.servicekit import inbox, outbox
from allmende.services.brokerage.capacity import store as capacity
from allmende.services.brokerage.life import store as life
from allmende.services.brokerage.maintenance import store as maintenance
from allmende.services.brokerage.parking import store as parking
from allmende.services.brokerage.store import SLICE

from .database import Key, Row, Transaction, violated

SEPARATOR, NULL = "\x1f", "\x1e"
Rows = list[tuple[Any, ...]]
Meaning = Callable[..., Awaitable[Rows]]
MEANINGS: dict[str, Meaning] = {}


def means(statement: TextClause) -> Callable[[Meaning], Meaning]:
    """Say what a statement does."""

    def keep(meaning: Meaning) -> Meaning:
        MEANINGS[statement.text] = meaning
        return meaning

    return keep


def _columns(*columns: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Read the columns of several rows, given as lists or joined into one text."""
    return list(zip(*map(_apart, columns), strict=True))


def _apart(column: Sequence[Any]) -> Sequence[Any]:
    if not isinstance(column, str):
        return column
    # As `string_to_array` does: an empty text has no elements.
    return [None if each == NULL else each for each in column.split(SEPARATOR)] if column else []


# -- inbox and outbox ---------------------------------------------------------------------------


@means(inbox._CLAIM)
async def _claim(tx: Transaction, ids: Any, senders: Any, types: Any, digests: Any) -> Rows:
    return [
        key
        for *key_, digest in _columns(ids, senders, types, digests)
        if await tx.insert("inbox", key := tuple(key_), {"digest": bytes.fromhex(digest[2:])})
    ]


@means(inbox._KNOWN)
async def _known(tx: Transaction, ids: Any, senders: Any, types: Any) -> Rows:
    found = [(key, tx.get("inbox", *key)) for key in _columns(ids, senders, types)]
    return [(*key, row["digest"]) for key, row in found if row is not None]


@means(outbox._WRITE_FACTS)
async def _write_facts(tx: Transaction, recorded_at: dt.datetime, **columns: Any) -> Rows:
    names = ("ids", "types", "business_keys", "causation_ids", "senders", "traceparents", "data")
    for id_, type_, subject, causation_id, sender, trace, data in _columns(*(columns[n] for n in names)):
        row = {
            "id": id_,
            "type": type_,
            "subject": subject,
            "causation_id": causation_id,
            "caused_by": sender,
            "traceparent": trace,
            "recorded_at": recorded_at,
            "data": data,
        }
        await tx.insert("fact", (tx.database.number("fact"),), row)
    return []


@means(outbox._WRITE_OUTBOX)
async def _write_outbox(tx: Transaction, message_ids: Any, subjects: Any, bodies: Any) -> Rows:
    written = []
    for message_id, where, body in _columns(message_ids, subjects, bodies):
        number = tx.database.number("outbox")
        row = {"message_id": message_id, "subjects": where.split(), "body": body, "created_at": tx.began_at}
        await tx.insert("outbox", (number,), row)
        written.append((number,))
    return written


@means(outbox._DELETE)
async def _delete(tx: Transaction, ids: Any) -> Rows:
    for number in ids:
        await tx.lock("outbox", (number,))
        tx.put("outbox", (number,), None)
    return []


def _letter(key: Key, row: Row) -> tuple[Any, ...]:
    return key[0], row["message_id"], row["subjects"], row["body"]


@means(outbox._LEFT_OVER)
async def _left_over(tx: Transaction, age_seconds: float, most: int) -> Rows:
    before = tx.began_at - age_seconds
    return [_letter(*each) for each in sorted(tx.rows("outbox")) if each[1]["created_at"] < before][:most]


@means(outbox._OUTCOMES)
async def _outcomes(tx: Transaction, ids: Any) -> Rows:
    names = ("causation_id", "caused_by", "type", "subject", "traceparent", "data")
    return [
        tuple(row[name] for name in names)
        for _, row in sorted(tx.rows("fact"), key=lambda each: each[0])
        if row["causation_id"] in ids and json.loads(row["data"]).get("code") != "id_conflict"
    ]


@means(outbox._ORIGINALS)
async def _originals(tx: Transaction, ids: Any) -> Rows:
    names = {f"{row['type']}:{row['id']}" for _, row in tx.rows("fact") if row["causation_id"] in ids}
    found = sorted(tx.rows("outbox"), key=lambda each: each[0])
    return [_letter(*each) for each in found if each[1]["message_id"] in names]


# -- bookings -----------------------------------------------------------------------------------

_BOOKING = ("state", "instance", "changes", "waits_for", "until", "terms", "progress", "number")


def _booking(key: Key, row: Row) -> tuple[Any, ...]:
    return (*key, *(row[name] for name in _BOOKING))


@means(life._LOAD_BOOKINGS)
async def _load_bookings(tx: Transaction, ids: Any) -> Rows:
    keys = sorted((id_,) for id_ in ids if tx.get("booking", id_) is not None)
    if "lock of bookings" in tx.database.without:
        return [_booking(key, row) for key in keys if (row := tx.get("booking", *key)) is not None]
    return [_booking(*each) for each in await tx.locked("booking", keys, lambda _: True)]


@means(life._LOAD_DUE)
async def _load_due(tx: Transaction, now: dt.datetime) -> Rows:
    def is_due(row: Row) -> bool:
        return row["due_at"] is not None and row["due_at"] <= now

    first = sorted((row["due_at"], key) for key, row in tx.rows("booking") if is_due(row))[:SLICE]
    found = []
    for key in sorted(key for _, key in first):
        if "lock of due bookings" in tx.database.without or tx.database.try_lock(tx, ("booking", key)):
            row = tx.get("booking", *key)
            if row is not None and is_due(row):
                found.append(_booking(key, row))
    return found


def _is_held(row: Row) -> bool:
    return bool(row["state"] == "held")


def _line(row: Row) -> tuple[str, str, str]:
    return row["offering_id"], row["plan_id"], row["pool_id"]


@means(life._LINES)
async def _lines(tx: Transaction) -> Rows:
    full = {key[:3] for key, row in tx.rows("capacity") if row["booked"] >= row["total"]}
    held = dict.fromkeys(_line(row) for _, row in tx.rows("booking") if _is_held(row))
    return [line for line in held if line not in full][:50]


@means(life._LOAD_LINE)
async def _load_line(tx: Transaction, offering: str, plan: str, pool: str) -> Rows:
    def waits(row: Row) -> bool:
        return _is_held(row) and _line(row) == (offering, plan, pool)

    numbered = sorted((row["joined"], key) for key, row in tx.rows("booking") if waits(row))
    keys = [key for _, key in numbered][:SLICE]
    if "lock of a line" in tx.database.without:
        return [_booking(key, row) for key in keys if (row := tx.get("booking", *key)) is not None]
    return [_booking(*each) for each in await tx.locked("booking", keys, waits)]


@means(life._WAITING)
async def _waiting(tx: Transaction, ids: Any) -> Rows:
    counted: dict[tuple[str, str, str], int] = {}
    for _, row in tx.rows("booking"):
        if _is_held(row) and row["offering_id"] in ids:
            counted[_line(row)] = counted.get(_line(row), 0) + 1
    return [(*line, count) for line, count in counted.items()]


@means(life._LOCK_LINES)
async def _lock_lines(tx: Transaction) -> Rows:
    free = "lock of the lines" in tx.database.without
    return [(free or tx.database.try_lock(tx, ("advisory", ("waiting lines",))),)]


def _reserved(column: str | None) -> dict[str, Decimal] | None:
    return None if column is None else {k: Decimal(v) for k, v in json.loads(column).items()}


_STATE = ("plans", "states", "instances", "waits_for", "until", "due_at", "progress", "terms")
_STATE_NAMES = ("plan_id", "state", "instance", "waits_for", "until", "due_at", "progress", "terms")


def _states(columns: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (id_, dict(zip(_STATE_NAMES, values, strict=True)) | {"reserved": _reserved(reserved)})
        for id_, reserved, *values in _columns(
            columns["ids"], columns["reserved"], *(columns[name] for name in _STATE)
        )
    ]


@means(life._SAVE_NEW)
async def _save_new(tx: Transaction, now: dt.datetime, **columns: Any) -> Rows:
    names = ("consumers", "providers", "offerings", "pools", "changes")
    parties = _columns(*(columns[name] for name in names))
    for (id_, state), (consumer, provider, offering, pool, number) in zip(
        _states(columns), parties, strict=True
    ):
        row = {
            **state,
            "number": tx.database.number("booking"),
            "consumer": consumer,
            "provider": provider,
            "offering_id": offering,
            "pool_id": pool,
            "changes": number,
            "requested_at": now,
            "joined": tx.database.number("waiting_line") if state["state"] == "held" else None,
        }
        if not await tx.insert("booking", (id_,), row):
            raise violated("booking_pkey")
    return []


@means(life._SAVE_CHANGED)
async def _save_changed(tx: Transaction, changes: Any, **columns: Any) -> Rows:
    for (id_, state), number in zip(_states(columns), changes, strict=True):
        await tx.lock("booking", (id_,))
        if row := tx.get("booking", id_):
            joined = row["joined"] or tx.database.number("waiting_line")
            place = joined if state["state"] == "held" else None
            tx.put("booking", (id_,), {**row, **state, "changes": number, "joined": place})
    return []


@means(life._SAVE_CHANGES)
async def _save_changes(tx: Transaction, ids: Any, numbers: Any, data: Any) -> Rows:
    for id_, number, document in _columns(ids, numbers, data):
        is_new = await tx.insert("change", (id_, number), {"data": document})
        if not is_new and "key of changes" not in tx.database.without:
            raise violated("change_pkey")
    return []


@means(life._SAVE_MESSAGES)
async def _save_messages(tx: Transaction, ids: Any, data: Any) -> Rows:
    for id_, document in _columns(ids, data):
        await tx.insert("message", (tx.database.number("message"),), {"booking_id": id_, "data": document})
    return []


# -- offerings and capacity ---------------------------------------------------------------------


@means(capacity._LOAD_OFFERINGS)
async def _load_offerings(tx: Transaction, ids: Any) -> Rows:
    await _hold_offerings(tx, ids)
    found = [(id_, tx.get("offering", id_), tx.get("availability", id_)) for id_ in sorted(ids)]
    return [
        (id_, row["document"], row["revision"], "open" if open_ is None else open_["state"])
        for id_, row, open_ in found
        if row is not None
    ]


@means(capacity._HOLD_OFFERINGS)
async def _hold_offerings(tx: Transaction, ids: Any) -> Rows:
    keys = [(id_,) for id_ in sorted(ids) if tx.get("offering", id_) is not None]
    await tx.locked("offering", keys, lambda _: True, "share")
    return []


@means(capacity._LOCK_NAMES)
async def _lock_names(tx: Transaction, ids: Any) -> Rows:
    for id_ in sorted(ids):
        await tx.lock("advisory", ("offering", id_))
    return []


@means(capacity._LOCK_OFFERINGS)
async def _lock_offerings(tx: Transaction, ids: Any) -> Rows:
    keys = [(id_,) for id_ in sorted(ids) if tx.get("offering", id_) is not None]
    return [(*key, row["document"]) for key, row in await tx.locked("offering", keys, lambda _: True)]


@means(capacity._LOAD_CAPACITY)
async def _load_capacity(tx: Transaction, offerings: Any, plans: Any, pools: Any) -> Rows:
    lines = set(_columns(offerings, plans, pools))
    keys = sorted(key for key, _ in tx.rows("capacity") if key[:3] in lines)
    if "lock of capacity" in tx.database.without:
        found = [(key, row) for key in keys if (row := tx.get("capacity", *key)) is not None]
    else:
        found = await tx.locked("capacity", keys, lambda _: True)
    return [(*key, row["total"] - row["booked"], row["total"]) for key, row in found]


def _check_capacity(tx: Transaction, row: Row) -> None:
    if "check of capacity" not in tx.database.without and not 0 <= row["booked"] <= row["total"]:
        raise violated("capacity_check", "23514")


@means(capacity._TAKE_CAPACITY)
async def _take_capacity(
    tx: Transaction, offerings: Any, plans: Any, pools: Any, quantities: Any, amounts: Any
) -> Rows:
    for *names, amount in _columns(offerings, plans, pools, quantities, amounts):
        key = tuple(names)
        if tx.get("capacity", *key) is None:
            continue
        await tx.lock("capacity", key)
        if row := tx.get("capacity", *key):
            taken = {**row, "booked": row["booked"] + amount}
            _check_capacity(tx, taken)
            tx.put("capacity", key, taken)
    return []


@means(capacity._SAVE_OFFERINGS)
async def _save_offerings(tx: Transaction, ids: Any, revisions: Any, documents: Any) -> Rows:
    saved = []
    for id_, revision, document in sorted(_columns(ids, revisions, documents)):
        await tx.lock("offering", (id_,))
        before = tx.get("offering", id_)
        if before is None or before["revision"] <= revision:
            tx.put("offering", (id_,), {"revision": revision, "document": document})
            saved.append((id_,))
    return saved


@means(capacity._DROP_CAPACITY)
async def _drop_capacity(
    tx: Transaction, ids: Any, offerings: Any, plans: Any, pools: Any, quantities: Any
) -> Rows:
    kept = set(_columns(offerings, plans, pools, quantities))
    for key, _ in list(tx.rows("capacity")):
        if key[0] in ids and key not in kept:
            await tx.lock("capacity", key)
            tx.put("capacity", key, None)
    return []


@means(capacity._SAVE_CAPACITY)
async def _save_capacity(
    tx: Transaction, offerings: Any, plans: Any, pools: Any, quantities: Any, totals: Any
) -> Rows:
    for *names, total in sorted(_columns(offerings, plans, pools, quantities, totals)):
        key = tuple(names)
        await tx.lock("capacity", key)
        booked = row["booked"] if (row := tx.get("capacity", *key)) else Decimal(0)
        tx.put("capacity", key, {"total": max(total, booked), "booked": booked})
    return []


@means(capacity._COUNT_BOOKED)
async def _count_booked(tx: Transaction, offerings: Any, plans: Any, pools: Any, quantities: Any) -> Rows:
    for key in _columns(offerings, plans, pools, quantities):
        offering, name = key[0], "/".join(key[1:])
        held = [
            row["reserved"][name]
            for _, row in tx.rows("booking")
            if row["offering_id"] == offering and row["reserved"] and name in row["reserved"]
        ]
        if held:
            await tx.lock("capacity", key)
            if row := tx.get("capacity", *key):
                booked = sum(held, Decimal(0))
                tx.put("capacity", key, {"total": max(row["total"], booked), "booked": booked})
    return []


@means(capacity._SAVE_AVAILABILITY)
async def _save_availability(tx: Transaction, ids: Any, positions: Any, states: Any) -> Rows:
    for id_, position, state in sorted(_columns(ids, positions, states)):
        await tx.lock("availability", (id_,))
        before = tx.get("availability", id_)
        if before is None or before["position"] <= position:
            tx.put("availability", (id_,), {"position": position, "state": state})
    return []


# -- what waits for what it names ---------------------------------------------------------------

_PARKED = ("awaited", "traceparent", "data", "until", "number")


@means(parking._PARK)
async def _park(tx: Transaction, until: dt.datetime, **columns: Any) -> Rows:
    names = ("ids", "senders", "messages", "awaited", "traceparents", "data")
    for id_, sender, message, awaited, trace, data in _columns(*(columns[name] for name in names)):
        number = tx.database.number("parked")
        row = dict(zip(_PARKED, (awaited, trace, data, until, number), strict=True))
        await tx.insert("parked", (id_, sender, message), row)
    return []


async def _take_parked(tx: Transaction, keys: list[Key]) -> Rows:
    taken = await tx.locked("parked", keys[:SLICE], lambda _: True)
    for key, _ in taken:
        tx.put("parked", key, None)
    return [(*key, *(row[name] for name in _PARKED)) for key, row in taken]


def _in_turn(tx: Transaction, condition: Callable[[Row], bool]) -> list[Key]:
    return [
        key for _, key in sorted((row["number"], key) for key, row in tx.rows("parked") if condition(row))
    ]


@means(parking._UNPARK)
async def _unpark(tx: Transaction, ids: Any) -> Rows:
    return await _take_parked(
        tx, _in_turn(tx, lambda row: row["awaited"] in ids and tx.get("offering", row["awaited"]) is not None)
    )


@means(parking._UNPARK_KNOWN)
async def _unpark_known(tx: Transaction) -> Rows:
    def is_known(row: Row) -> bool:
        return any(tx.get(table, row["awaited"]) is not None for table in ("offering", "booking"))

    return await _take_parked(tx, _in_turn(tx, is_known))


@means(parking._OVERDUE)
async def _overdue(tx: Transaction, now: dt.datetime) -> Rows:
    late = _in_turn(tx, lambda row: bool(row["until"] <= now))
    return await _take_parked(tx, [key for key in late if tx.database.try_lock(tx, ("parked", key))])


@means(maintenance._NOTICES_DUE)
async def _notices_due(tx: Transaction, now: dt.datetime) -> Rows:
    del tx, now
    return []  # nobody in the simulated market announces maintenance
