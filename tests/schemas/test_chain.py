"""The chain, purely: one known hash, and every way in which it breaks."""

import datetime as dt
import hashlib

import pytest
from support import examples
from support.journals import some_entries

from allmende.schemas import chain
from allmende.schemas.journal import GENESIS, JournalEntry, JournalPosting

ENTRIES = some_entries()


def test_the_canonical_content_is_what_is_published() -> None:
    """Written out by hand, so that nobody changes the format without seeing it: old hashes would not hold."""
    content = (
        '{"booked_at":"2026-03-12T09:26:53.000000+00:00","date":"2026-04-30",'
        '"entry_id":"' + examples.BOOKING_ID + '","kind":"charge",'
        '"narration":"Leistungen 2026-04: alster-it an weser-it",'
        '"numbers":{"alster-it":"2026/000001","weser-it":"2026/000001"},'
        '"postings":[["alster-it:aufwendungen:leistungen",27200],'
        '["alster-it:verbindlichkeiten:weser-it",-27200],["weser-it:forderungen:alster-it",27200],'
        '["weser-it:erträge:leistungen",-27200]],"previous_hash":"' + GENESIS + '","reason":null,'
        '"reference":"2026-04/charge/alster-it/weser-it","reverses":null,"sequence":1,'
        '"settlement_id":"' + examples.BOOKING_ID + '"}'
    )
    entry = examples.journal_entry().model_copy(
        update={"booked_at": dt.datetime(2026, 3, 12, 10, 26, 53, tzinfo=dt.timezone(dt.timedelta(hours=1)))}
    )
    assert chain.canonical(entry).decode() == content
    assert chain.hash_of(entry) == hashlib.sha256(content.encode()).hexdigest()


def test_an_unbroken_chain() -> None:
    found = chain.verify(ENTRIES)
    assert (found.checked, found.sequence, found.head, found.broken) == (9, 9, ENTRIES[-1].hash, None)
    assert not found.head_found
    assert all(chain.verify(ENTRIES, head=head).head_found for head in (GENESIS, *(e.hash for e in ENTRIES)))
    assert not chain.verify(ENTRIES, head="f" * 64).head_found


CHANGES: dict[str, object] = {
    "entry_id": examples.BOOKING_ID,
    "date": dt.date(2026, 4, 29),
    "booked_at": dt.datetime(2026, 6, 1, 8, 0, 1, tzinfo=dt.UTC),
    "kind": "charge",
    "narration": "",
    "reference": "",
    "settlement_id": None,
    "reverses": examples.BOOKING_ID,
    "reason": "so",
    "numbers": {"lrz": "2026/000005"},
    "postings": ENTRIES[4].postings[::-1],
    "hash": GENESIS,
}


def test_every_field_of_an_entry_is_hashed() -> None:
    placed = {"sequence", "previous_hash"}
    assert CHANGES.keys() | placed == JournalEntry.model_fields.keys()
    for field, value in CHANGES.items():
        changed = ENTRIES[4].model_copy(update={field: value})
        broken = chain.verify([*ENTRIES[:4], changed, *ENTRIES[5:]]).broken
        assert broken is not None, field
        assert (broken.sequence, broken.problem) == (5, "content"), field
    posting = JournalPosting(account="lrz:forderungen:kit", amount_cents=1)
    changed = ENTRIES[4].model_copy(update={"postings": (posting,)})
    assert chain.verify([changed], after=4, previous=ENTRIES[3].hash).broken is not None


@pytest.mark.parametrize(
    ("entries", "sequence", "problem"),
    [
        (ENTRIES[1:], 2, "missing"),
        ((*ENTRIES[:3], *ENTRIES[4:]), 5, "missing"),
        ((ENTRIES[0], ENTRIES[0]), 1, "link"),
        ((ENTRIES[1], ENTRIES[0]), 2, "missing"),
        ((ENTRIES[0], ENTRIES[1].model_copy(update={"previous_hash": GENESIS})), 2, "link"),
        ((ENTRIES[0], ENTRIES[2].model_copy(update={"sequence": 2})), 2, "link"),
    ],
)
def test_where_a_chain_breaks(entries: tuple[JournalEntry, ...], sequence: int, problem: str) -> None:
    broken = chain.verify(entries).broken
    assert broken is not None
    assert (broken.sequence, broken.problem) == (sequence, problem)


def test_an_extract_may_leave_entries_out_but_not_change_them() -> None:
    some = (ENTRIES[1], ENTRIES[2], ENTRIES[6])
    assert chain.verify(some, extract=True).broken is None
    assert chain.verify(some[::-1], extract=True).broken is not None
    for place in range(3):
        changed = list(some)
        changed[place] = some[place].model_copy(update={"narration": "Spende"})
        broken = chain.verify(changed, extract=True).broken
        assert broken is not None
        assert broken.sequence == some[place].sequence


def test_nothing_is_a_chain() -> None:
    found = chain.verify([])
    assert (found.checked, found.head, found.broken) == (0, GENESIS, None)
