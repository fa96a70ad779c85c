"""The ledger of the clearing house: double entry in integer cents, the books of every body in one journal.

An entry is written once. It balances in itself and within every body that it touches, so each body's own
books are whole; a mistake is taken back by one reversal, which is never taken back itself.
"""

import dataclasses
import datetime as dt
import re
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from allmende.schemas import chain
from allmende.schemas.journal import GENESIS, HEADINGS, JournalEntry, JournalPosting
from allmende.schemas.rejections import Rejected, rejected

from ..period import last_day_of, period_with

_NAME = re.compile(r"[a-z][a-z0-9-]{1,30}[a-z0-9]:(?P<heading>[^:]+):[a-zäöüß][a-z0-9äöüß-]{0,40}")


@dataclasses.dataclass(frozen=True)
class Kind:
    """How obligations of one kind are posted.

    Attributes:
        noun: what people call it.
        payer: heading and detail of the payer's account against its payable.
        payee: the same of the payee against its receivable. Without a detail the account is kept for each
            counterparty.
    """

    noun: str
    payer: str
    payee: str


KINDS: Mapping[str, Kind] = {
    "charge": Kind("Leistungen", "aufwendungen:leistungen", "erträge:leistungen"),
    "levy": Kind("Umlage", "aufwendungen:umlage", "erträge:umlage"),
    "advance": Kind("Abschlag", "geleistete-anzahlungen", "erhaltene-anzahlungen"),
    "true_up": Kind("Spitzabrechnung", "aufwendungen:spitzabrechnung", "erträge:spitzabrechnung"),
    # What is given back lowers the turnover of whoever gives and the expense of whoever gets it.
    "refund": Kind("Erstattung", "erträge:erstattungen", "aufwendungen:erstattungen"),
    "credit": Kind("Gutschrift", "erträge:gutschriften", "aufwendungen:gutschriften"),
    # Neither turnover nor expense: capital of the body that gets it.
    "equity": Kind("Kapitaleinlage", "beteiligungen", "eigenkapital"),
    # Collected in the name and for the account of another (§ 10 UStG): an expense, but nobody's turnover.
    "pass_through": Kind("Auslagen", "aufwendungen:auslagen", "durchlaufende-posten"),
}


@dataclasses.dataclass(frozen=True)
class Obligation:
    """What one party owes another for one kind of thing in one period.

    Attributes:
        amount_cents: net; negative where credits outweigh charges.
        lines: how many charge lines it sums up.
        tax_cents: VAT on it, which the payee owes the tax office.
        deducts_tax: whether the payer has it back from there (Vorsteuer).
        number: of the document that charges it, if there is one.
        due_on: when it is to be paid.
    """

    kind: str
    payer: str
    payee: str
    amount_cents: int
    lines: int
    tax_cents: int = 0
    deducts_tax: bool = False
    number: str | None = None
    due_on: dt.date | None = None

    @property
    def gross_cents(self) -> int:
        """What is to be paid."""
        return self.amount_cents + self.tax_cents


@dataclasses.dataclass(frozen=True)
class Posting:
    """One side of an entry: debit (Soll) is positive, credit (Haben) negative.

    Attributes:
        account: `<body>:<heading>:<detail>`, such as `desy:forderungen:lrz`.
    """

    account: str
    amount_cents: int

    @property
    def body(self) -> str:
        """In whose books it stands."""
        return self.account.partition(":")[0]


@dataclasses.dataclass(frozen=True)
class Entry:
    """What is to be posted.

    Attributes:
        date: the value date.
        reference: what it posts, `<period>/<kind>/<payer>/<payee>`.
        reverses: the id of the entry that it takes back, for
        reason: this reason.
        entry_id: where neither a closing nor a reversal makes it; derived from what does, so that it is
            posted once.
    """

    date: dt.date
    kind: str
    narration: str
    reference: str
    postings: tuple[Posting, ...]
    reverses: str | None = None
    reason: str | None = None
    entry_id: str | None = None

    @property
    def bodies(self) -> list[str]:
        """Whom it touches."""
        return sorted({posting.body for posting in self.postings})


@dataclasses.dataclass(frozen=True)
class Books:
    """What of the ledger decides on further entries.

    Attributes:
        sequence: of the last entry, with
        head: its hash.
        numbers: the last number of each body and year that is touched.
        closed: which of the periods that are touched are closed.
        named: the entries that are to be reversed, by id.
        reversed: ids of those that were reversed.
    """

    sequence: int = 0
    head: str = GENESIS
    numbers: Mapping[tuple[str, int], int] = dataclasses.field(default_factory=dict)
    closed: AbstractSet[str] = frozenset()
    named: Mapping[str, JournalEntry] = dataclasses.field(default_factory=dict)
    reversed: AbstractSet[str] = frozenset()


def entries_of(period: str, obligations: Iterable[Obligation]) -> list[Entry]:
    """Post every obligation of a period in the books of both its parties.

    Whatever the order of the obligations, the entries are the same.

    Raises:
        ValueError: no accounts are known for an obligation of its kind.
    """
    ordered = sorted(obligations, key=lambda o: (o.kind, o.payer, o.payee, o.number or "", o.amount_cents))
    return [_entry_of(period, each) for each in ordered if each.amount_cents or each.tax_cents]


def _entry_of(period: str, obligation: Obligation) -> Entry:
    kind = KINDS.get(obligation.kind)
    if kind is None:
        known = ", ".join(KINDS)
        raise ValueError(f"no accounts are known for an obligation of kind {obligation.kind!r}, only {known}")
    payer, payee = obligation.payer, obligation.payee
    net, tax, gross = obligation.amount_cents, obligation.tax_cents, obligation.gross_cents
    spent = (
        f"{payer}:forderungen:vorsteuer" if obligation.deducts_tax else f"{payer}:aufwendungen:umsatzsteuer"
    )
    sides = (
        (_account(payer, kind.payer, payee), net),
        (spent, tax),
        (_account(payer, "verbindlichkeiten", payee), -gross),
        (_account(payee, "forderungen", payer), gross),
        (_account(payee, kind.payee, payer), -net),
        (f"{payee}:verbindlichkeiten:umsatzsteuer", -tax),
    )
    document = f", {obligation.number}" if obligation.number else ""
    return Entry(
        date=last_day_of(period),
        kind=obligation.kind,
        narration=f"{kind.noun} {period}{document}: {payer} an {payee}",
        reference=f"{period}/{obligation.kind}/{payer}/{payee}",
        postings=tuple(Posting(account, cents) for account, cents in sides if cents),
    )


def _account(body: str, heading: str, counterparty: str) -> str:
    return f"{body}:{heading}" if ":" in heading else f"{body}:{heading}:{counterparty}"


def reverse(posted: JournalEntry, reason: str, on: dt.date) -> Entry:
    """Take an entry back: the same accounts with the opposite amounts (Generalumkehr)."""
    return Entry(
        date=on,
        kind="reversal",
        narration=f"Storno {posted.sequence}: {posted.narration}"[:200].rstrip(),
        reference=posted.reference,
        postings=tuple(Posting(each.account, -each.amount_cents) for each in posted.postings),
        reverses=posted.entry_id,
        reason=reason,
    )


def refuse(entry: Entry, books: Books) -> Rejected | None:
    """Find the first reason why an entry cannot be posted: its shape, then what it reverses, then its day."""
    if refusal := _refuse_postings(entry) or _refuse_reversal(entry, books):
        return refusal
    if period_with(entry.date) in books.closed:
        return rejected("period_closed", "date", period=period_with(entry.date))
    return None


def _refuse_postings(entry: Entry) -> Rejected | None:
    if len(entry.postings) < 2:
        return rejected("entry_without_postings", "postings")
    for posting in entry.postings:
        name = _NAME.fullmatch(posting.account)
        if name is None or name["heading"] not in HEADINGS:
            return rejected("unknown_account", "postings", account=posting.account)
        if not posting.amount_cents:
            return rejected("posting_of_nothing", "postings", account=posting.account)
    if total := sum(posting.amount_cents for posting in entry.postings):
        return rejected("entry_unbalanced", "postings", cents=total)
    sums: Counter[str] = Counter()
    for posting in entry.postings:
        sums[posting.body] += posting.amount_cents
    for body in sorted(sums):
        if sums[body]:
            return rejected("body_unbalanced", "postings", body=body, cents=sums[body])
    return None


def _refuse_reversal(entry: Entry, books: Books) -> Rejected | None:
    if entry.reverses is None:
        return None
    posted = books.named.get(entry.reverses)
    if posted is None:
        return rejected("unknown_entry", "reverses", entry=entry.reverses)
    if posted.reverses is not None:
        return rejected("entry_is_reversal", "reverses", entry=posted.sequence)
    if posted.entry_id in books.reversed:
        return rejected("entry_reversed", "reverses", entry=posted.sequence)
    if not entry.reason:
        return rejected("reversal_without_reason", "reason", entry=posted.sequence)
    if _sides(entry.postings, 1) != _sides(posted.postings, -1):
        return rejected("reversal_differs", "postings", entry=posted.sequence)
    return None


def _sides(postings: Iterable[Posting | JournalPosting], sign: int) -> Counter[tuple[str, int]]:
    return Counter((each.account, sign * each.amount_cents) for each in postings)


def series_of(entries: Iterable[Entry]) -> Counter[tuple[str, int]]:
    """Count how many numbers each body needs, by budget year, which is the calendar year."""
    return Counter((body, entry.date.year) for entry in entries for body in entry.bodies)


def post(
    books: Books, entries: Sequence[Entry], *, settlement_id: str | None, now: dt.datetime
) -> tuple[JournalEntry, ...] | Rejected:
    """Write entries into the books: all of them, or none and why.

    Args:
        books: what is known of the ledger, of everything that the entries touch.
        entries: in the order in which they are written.
        settlement_id: the closing that posts them; only reversals and entries with an id do without. It
            posts once, since the entries' ids come from it.
        now: when they are written.
    """
    numbers, gone = dict(books.numbers), set(books.reversed)
    sequence, head = books.sequence, books.head
    posted: list[JournalEntry] = []
    for place, entry in enumerate(entries):
        refusal = refuse(entry, dataclasses.replace(books, reversed=gone) if entry.reverses else books)
        if refusal is not None:
            return refusal
        sequence += 1
        for body in entry.bodies:
            numbers[body, entry.date.year] = numbers.get((body, entry.date.year), 0) + 1
        if entry.reverses:
            gone.add(entry.reverses)
        written = JournalEntry(
            sequence=sequence,
            entry_id=_id_of(entry, settlement_id, place),
            date=entry.date,
            booked_at=now,
            kind=entry.kind,
            narration=entry.narration,
            reference=entry.reference,
            settlement_id=settlement_id,
            reverses=entry.reverses,
            reason=entry.reason,
            numbers={
                body: f"{entry.date.year}/{numbers[body, entry.date.year]:06d}" for body in entry.bodies
            },
            postings=tuple(
                JournalPosting(account=each.account, amount_cents=each.amount_cents)
                for each in entry.postings
            ),
            previous_hash=head,
            hash=GENESIS,
        )
        head = chain.hash_of(written)
        posted.append(written.model_copy(update={"hash": head}))
    return tuple(posted)


def _id_of(entry: Entry, settlement_id: str | None, place: int) -> str:
    """Derive an id: a settlement posts once, and an entry is reversed once, whoever asks how often."""
    if entry.reverses is not None:
        return str(uuid.uuid5(uuid.UUID(entry.reverses), "reversal"))
    if entry.entry_id is not None:
        return entry.entry_id
    if settlement_id is None:
        raise ValueError(f"{entry.narration!r} is posted by no settlement")
    return str(uuid.uuid5(uuid.UUID(settlement_id), f"entry {place}"))
