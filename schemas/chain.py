"""The hash chain of the ledger: whoever changes, inserts or removes an entry breaks it from there on.

Pure, so that a member checks an exported journal without any market. The canonical content of an entry is a
JSON object (RFC 8259) with sorted keys, without white space, in UTF-8; moments are in UTC with microseconds.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterable

from .journal import GENESIS, BrokenPlace, JournalEntry, JournalVerified, Problem


def canonical(entry: JournalEntry) -> bytes:
    """Write everything that an entry says, its place in the chain included, in the one way that is hashed."""
    content = {
        "sequence": entry.sequence,
        "entry_id": entry.entry_id,
        "date": entry.date.isoformat(),
        "booked_at": entry.booked_at.astimezone(dt.UTC).isoformat(timespec="microseconds"),
        "kind": entry.kind,
        "narration": entry.narration,
        "reference": entry.reference,
        "settlement_id": entry.settlement_id,
        "reverses": entry.reverses,
        "reason": entry.reason,
        "numbers": entry.numbers,
        "postings": [[posting.account, posting.amount_cents] for posting in entry.postings],
        "previous_hash": entry.previous_hash,
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def hash_of(entry: JournalEntry) -> str:
    """Compute the hash that an entry must have: SHA-256 (FIPS 180-4) in lower-case hexadecimal."""
    return hashlib.sha256(canonical(entry)).hexdigest()


def verify(
    entries: Iterable[JournalEntry],
    *,
    after: int = 0,
    previous: str = GENESIS,
    head: str | None = None,
    extract: bool = False,
) -> JournalVerified:
    """Check a chain up to its first broken place.

    Args:
        entries: in the order in which they were written.
        after: the sequence of the entry before the first, with
        previous: its hash.
        head: a hash that was remembered, to be looked for.
        extract: entries may be left out, as in the journal of one body; what is there is checked.
    """
    checked, found = 0, head == previous
    for entry in entries:
        problem = _problem(entry, after, previous, extract=extract)
        if problem is not None:
            place = BrokenPlace(sequence=entry.sequence, entry_id=entry.entry_id, problem=problem)
            return _verified(checked, after, previous, found=found, broken=place)
        checked, after, previous = checked + 1, entry.sequence, entry.hash
        found = found or previous == head
    return _verified(checked, after, previous, found=found, broken=None)


def _problem(entry: JournalEntry, after: int, previous: str, *, extract: bool) -> Problem | None:
    if entry.sequence <= after:
        return "link"
    if entry.sequence > after + 1 and not extract:
        return "missing"
    if entry.sequence == after + 1 and entry.previous_hash != previous:
        return "link"
    if entry.hash != hash_of(entry):
        return "content"
    return None


def _verified(
    checked: int, sequence: int, head: str, *, found: bool, broken: BrokenPlace | None
) -> JournalVerified:
    return JournalVerified(
        checked=checked, sequence=sequence, head=head, head_found=found, broken=broken, next_after=None
    )
