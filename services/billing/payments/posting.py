"""What netting and payments do to the books.

A claim stands in two books: `<debtor>:verbindlichkeiten:<creditor>` and `<creditor>:forderungen:<debtor>`.
Netting moves and lowers such pairs, a payment settles one against the bank accounts of both.

| event | debtor's books | creditor's books |
|---|---|---|
| a claim goes to the clearing house | payable to the creditor becomes one to it | receivable likewise |
| two are offset | payable to and receivable from the other are lowered | likewise |
| a cycle is cleared | payable to the next, receivable from the one before are lowered | likewise |
| a payment | payable against bank | bank against receivable |

The clearing house has the receivable and the payable of every claim that goes to it.
"""

import datetime as dt
import uuid
from collections.abc import Iterable, Iterator

from allmende.schemas.payments import PaymentArranged

from ..ledger.entries import Entry, Posting
from .netting import Cycle, Netted, Offset, Pair

BANK = "bank:girokonto"


def netted(netting_id: str, on: dt.date, found: Netted, office: str) -> list[Entry]:
    """Post a netting, so that what is left in the books is exactly what is to be paid.

    Args:
        netting_id: the entries' ids come from it.
        on: the value date.
        found: what it came to.
        office: the clearing house.
    """
    made = [
        *(_replaced(pair, cents, office) for pair, cents in found.replaced),
        *(_offset(each) for each in found.offsets),
        *(_cleared(each) for each in found.cycles),
    ]
    return [
        Entry(
            date=on,
            kind="netting",
            narration=narration[:200].rstrip(),
            reference=f"netting/{netting_id}/{parties}"[:200],
            postings=tuple(postings),
            entry_id=str(uuid.uuid5(uuid.UUID(netting_id), f"netting {place}")),
        )
        for place, (narration, parties, postings) in enumerate(made)
    ]


def paid(payment: PaymentArranged, cents: int, entry_id: str, on: dt.date) -> Entry:
    """Post what was paid, in the books of both.

    Args:
        payment: what was arranged.
        cents: what is paid by it; below zero where a bank returned it.
        entry_id: of the entry, derived from the bank's, which tells of it once.
        on: the value date.
    """
    debtor, creditor = payment.debtor, payment.creditor
    return Entry(
        date=on,
        kind="payment",
        narration=f"{'Zahlung' if cents > 0 else 'Rückgabe'} {payment.reference}: {debtor} an {creditor}",
        reference=payment.reference,
        postings=(
            *_claim(debtor, creditor, -cents, bodies={debtor}),
            Posting(f"{debtor}:{BANK}", -cents),
            Posting(f"{creditor}:{BANK}", cents),
            *_claim(debtor, creditor, -cents, bodies={creditor}),
        ),
        entry_id=entry_id,
    )


def entry_id_of(payment: PaymentArranged, iban: str, bank_entry: str) -> str:
    """Derive the id of an entry from that of a bank, which is unique within its account."""
    return str(uuid.uuid5(uuid.UUID(payment.payment_id), f"{iban} {bank_entry}"))


_Made = tuple[str, str, Iterable[Posting]]


def _claim(debtor: str, creditor: str, cents: int, bodies: Iterable[str]) -> Iterator[Posting]:
    """What a debtor owes a creditor becomes so much more, or less where negative, in some of both books."""
    if debtor in bodies:
        yield Posting(f"{debtor}:verbindlichkeiten:{creditor}", -cents)
    if creditor in bodies:
        yield Posting(f"{creditor}:forderungen:{debtor}", cents)


def _change(debtor: str, creditor: str, cents: int) -> Iterator[Posting]:
    return _claim(debtor, creditor, cents, (debtor, creditor))


def _replaced(pair: Pair, cents: int, office: str) -> _Made:
    debtor, creditor = pair
    postings = [
        *_change(debtor, creditor, -cents),
        *_change(debtor, office, cents),
        *_change(office, creditor, cents),
    ]
    return f"Verrechnung über {office}: {debtor} an {creditor}", f"{debtor}/{creditor}", postings


def _offset(offset: Offset) -> _Made:
    one, other, cents = offset.one, offset.other, offset.cents
    postings = [*_change(one, other, -cents), *_change(other, one, -cents)]
    return f"Aufrechnung: {one} mit {other}", f"{one}/{other}", postings


def _cleared(cycle: Cycle) -> _Made:
    following = (*cycle.parties[1:], cycle.parties[0])
    postings = [
        posting
        for debtor, creditor in zip(cycle.parties, following, strict=True)
        for posting in _change(debtor, creditor, -cycle.cents)
    ]
    parties = ", ".join(cycle.parties)
    return f"Ringverrechnung: {parties}", "/".join(cycle.parties), postings
