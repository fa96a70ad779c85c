"""The journal of the ledger: entries with their postings, numbers and places in the chain."""

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from .contract import Contract
from .identifiers import Count, Day, Instant, Line, MemberId, Period, Slug, Uuid
from .money import Cents

AccountType = Literal["asset", "liability", "equity", "revenue", "expense"]

HEADINGS: dict[str, AccountType] = {
    "bank": "asset",
    "forderungen": "asset",
    "geleistete-anzahlungen": "asset",
    "beteiligungen": "asset",
    "verbindlichkeiten": "liability",
    "erhaltene-anzahlungen": "liability",
    "durchlaufende-posten": "liability",
    "eigenkapital": "equity",
    "erträge": "revenue",
    "aufwendungen": "expense",
}
"""The chart of accounts: the second part of every account's name, and what kind of account it makes."""

GENESIS = "0" * 64
"""What stands before the first entry in the place of a hash."""

AccountName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,30}[a-z0-9](:[a-zäöüß][a-z0-9äöüß-]{0,40}){2}$"),
]
"""`<body>:<heading>:<detail>`, such as `desy:forderungen:lrz` or `lrz:erträge:leistungen`."""

EntryNumber = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}/[0-9]{6,}$")]
"""`<year>/<nnnnnn>`: gapless within a body and a budget year."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

_Place = Annotated[int, Field(ge=0, le=2**53)]


class JournalPosting(Contract):
    """One side of an entry: debit (Soll) is positive, credit (Haben) negative."""

    account: AccountName
    amount_cents: Cents


class JournalEntry(Contract):
    """An entry as it was written; it is never changed.

    Attributes:
        sequence: counts from 1 through the whole ledger without a gap.
        date: the value date, which decides period and budget year.
        booked_at: when it was written.
        reference: what it posts, `<period>/<kind>/<payer>/<payee>`: the charge lines of that kind between
            the two in the settlement, which stand on the statements of both; `netting/<id>/<parties>`; or
            the reference of a payment.
        reverses: the id of the entry that it takes back.
        numbers: the number of each body that it touches.
        previous_hash: the hash of the entry before it; of the first entry 64 zeros.
        hash: SHA-256 over the canonical content with the previous hash.
    """

    sequence: Annotated[int, Field(ge=1, le=2**53)]
    entry_id: Uuid
    date: Day
    booked_at: Instant
    kind: Slug
    narration: Line
    reference: Line
    settlement_id: Uuid | None
    reverses: Uuid | None
    reason: Line | None
    numbers: dict[MemberId, EntryNumber]
    postings: tuple[JournalPosting, ...]
    previous_hash: Sha256
    hash: Sha256

    @property
    def period(self) -> str:
        """The month of its value date."""
        return period_with(self.date)


def period_with(day: dt.date) -> str:
    """Tell the calendar month in which a day lies."""
    return f"{day:%Y-%m}"


class ExportJournal(Contract):
    """Ask for entries in the order of the ledger. Members get those that touch them, the office all.

    Attributes:
        period: value dates of this month only; or
        year: of this budget year only.
        body: entries that touch this body only.
        after: the sequence after which to go on.
    """

    period: Period | None = None
    year: Annotated[int, Field(ge=1990, le=2199)] | None = None
    body: MemberId | None = None
    after: _Place = 0
    limit: Annotated[int, Field(ge=1, le=500)] = 500


class JournalPage(Contract):
    """Some entries, whole; `next_after` continues them, or is null on the last page.

    Attributes:
        total: how many entries all pages hold.
    """

    entries: tuple[JournalEntry, ...]
    total: Count
    next_after: int | None


class VerifyJournal(Contract):
    """Ask the ledger to check its chain, some thousand entries at once.

    Attributes:
        after: the sequence after which to go on, with
        previous_hash: the hash of the entry there.
        head: a hash that was remembered, to be looked for.
    """

    after: _Place = 0
    previous_hash: Sha256 = GENESIS
    head: Sha256 | None = None
    limit: Annotated[int, Field(ge=1, le=5000)] = 2000


Problem = Literal["content", "link", "missing", "end"]


class BrokenPlace(Contract):
    """Where a chain is broken.

    Attributes:
        problem: `content` where the entry is not what its hash says, `link` where it does not follow the
            entry before it, `missing` where entries before it are gone, `end` where the ledger ends elsewhere
            than its head says.
    """

    sequence: Count
    entry_id: str
    problem: Problem


class JournalVerified(Contract):
    """What a check of the chain found.

    Attributes:
        checked: entries that were found in order.
        sequence: of the last of them.
        head: its hash.
        head_found: whether one of them has the hash that was remembered.
        broken: the first broken place; nothing after it is checked.
        next_after: where to go on; null at the end.
    """

    checked: Count
    sequence: Count
    head: Sha256
    head_found: bool
    broken: BrokenPlace | None
    next_after: int | None
