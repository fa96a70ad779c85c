"""The ledger of the clearing house: double entry in integer cents."""

import dataclasses
from collections.abc import Iterable

from .netting import Obligation


@dataclasses.dataclass(frozen=True)
class Posting:
    """One side of an entry: what a party is owed is positive, what it owes negative."""

    party: str
    amount_cents: int


@dataclasses.dataclass(frozen=True)
class Entry:
    """One booking-keeping entry, whose postings sum to zero.

    Raises:
        ValueError: they do not.
    """

    narration: str
    postings: tuple[Posting, ...]

    def __post_init__(self) -> None:
        if total := sum(posting.amount_cents for posting in self.postings):
            raise ValueError(f"the postings of {self.narration!r} sum to {total} cents, not to zero")


def entries_of(period: str, obligations: Iterable[Obligation]) -> list[Entry]:
    """Book every obligation of a period between its two parties."""
    names = {"charge": "Leistungen", "levy": "Umlage"}
    return [
        Entry(
            narration=f"{names[each.kind]} {period}: {each.payer} an {each.payee}",
            postings=(Posting(each.payer, -each.amount_cents), Posting(each.payee, each.amount_cents)),
        )
        for each in obligations
        if each.amount_cents
    ]
