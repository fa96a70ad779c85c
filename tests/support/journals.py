"""Chained entries without a database, for the tests of files and of the command line."""

from collections.abc import Sequence

from support.builders import NOW, uid

from allmende.schemas.journal import JournalEntry
from allmende.schemas.rejections import Rejected
from allmende.services.billing.ledger.entries import (
    KINDS,
    Books,
    Entry,
    Obligation,
    entries_of,
    post,
    reverse,
)
from allmende.services.billing.period import last_day_of

WICKED = (
    'Zähler "vertauscht"',
    "C:\\Akte\\",
    'am Ende \\"',
    "Blatt 1; Blatt 2 | Seite",
    "date:2026-99-99, date2: morgen, [2026-99-99]",
    "=2+3",
    "@SUMME",
    "; * ! % # (1) {x} 5 EUR",
    "account desy:verbindlichkeiten:lrz",
    "zwei  Leerzeichen  und 1.00 EUR",
    "\N{OLD ITALIC LETTER A}ẞßäöü €",
)
"""What a reason or a narration may hold, and what a format might take for its own."""


def chained(entries: Sequence[Entry], books: Books | None = None) -> tuple[JournalEntry, ...]:
    found = post(books or Books(), entries, settlement_id=uid(50), now=NOW)
    assert not isinstance(found, Rejected), found
    return found


def some_entries() -> tuple[JournalEntry, ...]:
    """An obligation of every kind, and the first of them taken back."""
    owed = [Obligation(kind, "desy-zeuthen", "lrz", 1_000 + n, 1) for n, kind in enumerate(KINDS)]
    posted = chained(entries_of("2026-04", owed))
    books = Books(len(posted), posted[-1].hash, {("desy-zeuthen", 2026): 8, ("lrz", 2026): 8})
    named = Books(books.sequence, books.head, books.numbers, named={posted[0].entry_id: posted[0]})
    return posted + chained([reverse(posted[0], "Versehen", last_day_of("2026-05"))], named)


def wicked_entries() -> tuple[JournalEntry, ...]:
    """Entries that say everything a person might say."""
    first = some_entries()[0]
    return tuple(
        first.model_copy(
            update={"sequence": number, "narration": said, "reason": said, "entry_id": uid(number)}
        )
        for number, said in enumerate(WICKED, 1)
    )
