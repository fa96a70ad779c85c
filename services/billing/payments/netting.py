"""Netting: from what is owed gross to who pays whom.

Gross stays gross on documents and for VAT; what is netted is payment only, and only where it was agreed
(Verrechnungsabrede, §§ 387 ff. BGB). Every function here gives the same for the same documents, whatever
their order; ties are decided by the order of names.
"""

import dataclasses
import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from allmende.schemas.payments import NettingMethod
from allmende.schemas.register import OffsettingAgreement

Pair = tuple[str, str]
"""Who owes, and whom."""


@dataclasses.dataclass(frozen=True)
class Item:
    """What of a document is open and neither disputed nor arranged for.

    Attributes:
        debtor: its recipient.
        creditor: its issuer.
        cents: gross; negative where the issuer gives back, as by a credit note. Never zero.
    """

    document: str
    debtor: str
    creditor: str
    cents: int
    due_on: dt.date

    @property
    def owing(self) -> Pair:
        """Who owes whom by this document alone."""
        return (self.debtor, self.creditor) if self.cents > 0 else (self.creditor, self.debtor)


@dataclasses.dataclass(frozen=True)
class Payment:
    """Who pays whom how much.

    Attributes:
        cents: above zero.
        documents: how many it settles for its debtor and creditor, offset ones included.
    """

    debtor: str
    creditor: str
    cents: int
    documents: int


@dataclasses.dataclass(frozen=True)
class Applied:
    """A document that is settled, and by which payments.

    Attributes:
        debtor_pays: the payment by which who owes it pays; None where it is offset for them as a whole.
        creditor_gets: likewise of who is owed it.
    """

    item: Item
    debtor_pays: Pair | None
    creditor_gets: Pair | None


@dataclasses.dataclass(frozen=True)
class Offset:
    """What two parties owe each other is lowered by the same amount on both sides.

    Attributes:
        cents: negative where what one gives back becomes what it owes.
    """

    one: str
    other: str
    cents: int


@dataclasses.dataclass(frozen=True)
class Cycle:
    """What each of these owes the next, and the last the first, is lowered by an amount."""

    parties: tuple[str, ...]
    cents: int


@dataclasses.dataclass(frozen=True)
class Netted:
    """What a netting comes to.

    Attributes:
        payments: by debtor and creditor, at most one for each direction of a pair.
        items: by document.
        positions: what every party receives (positive) or pays in all; they sum to zero.
        gross_cents: what was owed before; payable_cents is left of it, counted once where it passes through
            the clearing house.
        replaced: claims in whose place claims against the clearing house stand.
        offsets: afterwards, between two; `cycles` among more.
    """

    payments: tuple[Payment, ...]
    items: tuple[Applied, ...]
    positions: Mapping[str, int]
    gross_cents: int
    payable_cents: int
    replaced: tuple[tuple[Pair, int], ...]
    offsets: tuple[Offset, ...]
    cycles: tuple[Cycle, ...]


@dataclasses.dataclass(frozen=True)
class _Part:
    """The netting of those documents that may be offset with each other."""

    owed: Mapping[Pair, int]
    payable_cents: int
    replaced: Sequence[tuple[Pair, int]] = ()
    offsets: Sequence[Offset] = ()
    cycles: Sequence[Cycle] = ()


def net(
    items: Iterable[Item],
    method: NettingMethod,
    *,
    office: str,
    agreements: Sequence[OffsettingAgreement] | None,
    on: dt.date,
) -> Netted:
    """Net documents.

    Args:
        items: in any order, each document once.
        method: of the rules.
        office: the clearing house.
        agreements: to offset; None where the statutes bind all. What no agreement covers is paid gross, in
            one payment for all documents of an issuer to a recipient: a credit note lowers the claim that
            it corrects, which is no offsetting.
        on: the day on which agreements must be valid.
    """
    groups: defaultdict[_Group, list[Item]] = defaultdict(list)
    for item in sorted(items, key=lambda item: item.document):
        groups[_group(item, agreements, on)].append(item)
    owed: Counter[Pair] = Counter()
    about: Counter[Pair] = Counter()
    applied: list[Applied] = []
    parts = []
    for (agreement, _), group in sorted(groups.items()):
        through = office if method == "clearing_house" and agreement != _GROSS else None
        part = _net(group, "gross" if agreement == _GROSS else method, office)
        parts.append(part)
        owed.update(part.owed)
        for item in group:
            done = _applied(item, part.owed, through)
            applied.append(done)
            about.update({pair for pair in (done.debtor_pays, done.creditor_gets) if pair is not None})
            about.update(_offset_in(item, part.owed, through))
    claims = [abs(cents) for group in groups.values() for cents in _claims(group).values()]
    return Netted(
        payments=tuple(Payment(*pair, cents, about[pair]) for pair, cents in sorted(owed.items())),
        items=tuple(sorted(applied, key=lambda each: each.item.document)),
        positions=positions(each.item for each in applied),
        gross_cents=sum(claims),
        payable_cents=sum(part.payable_cents for part in parts),
        replaced=tuple(each for part in parts for each in part.replaced),
        offsets=tuple(each for part in parts for each in part.offsets),
        cycles=tuple(each for part in parts for each in part.cycles),
    )


def positions(items: Iterable[Item]) -> dict[str, int]:
    """What every party receives less what it pays, in the order of names."""
    found: Counter[str] = Counter()
    for item in items:
        found[item.creditor] += item.cents
        found[item.debtor] -= item.cents
    return dict(sorted(found.items()))


_GROSS = -1
_Group = tuple[int, Pair]


def _group(item: Item, agreements: Sequence[OffsettingAgreement] | None, on: dt.date) -> _Group:
    """Tell with what a document is offset: all under the first agreement that covers it, or its own claim."""
    if agreements is None:
        return 0, ("", "")
    for number, each in enumerate(agreements):
        valid = each.valid_from <= on and (each.valid_until is None or on <= each.valid_until)
        if valid and {item.debtor, item.creditor} <= set(each.parties):
            return number, ("", "")
    return _GROSS, (item.debtor, item.creditor)


def _claims(items: Iterable[Item]) -> dict[Pair, int]:
    """Sum up what recipients owe issuers; negative where credits outweigh."""
    claims: Counter[Pair] = Counter()
    for item in items:
        claims[item.debtor, item.creditor] += item.cents
    return dict(sorted(claims.items()))


def _net(items: Sequence[Item], method: str, office: str) -> _Part:
    claims = _claims(items)
    match method:
        case "clearing_house":
            return _through(office, claims)
        case "bilateral":
            return _bilateral(claims)
        case "cycles":
            return _in_cycles(claims)
        case _:
            owed, turned = _turned(claims)
            return _Part(owed, sum(owed.values()), offsets=turned)


def _through(office: str, claims: Mapping[Pair, int]) -> _Part:
    """Every claim becomes one against the clearing house, and everybody has one amount with it."""
    gets, owes = Counter[str](), Counter[str]()
    for (debtor, creditor), cents in claims.items():
        owes[debtor] += cents
        gets[creditor] += cents
    owed: dict[Pair, int] = {}
    offsets = []
    for party in sorted((gets.keys() | owes.keys()) - {office}):
        position = gets[party] - owes[party]
        if position:
            owed[(office, party) if position > 0 else (party, office)] = abs(position)
        offsets.append(Offset(party, office, gets[party] if position < 0 else owes[party]))
    everybody = gets.keys() | owes.keys()
    return _Part(
        owed,
        sum(max(gets[party] - owes[party], 0) for party in everybody),
        [(pair, cents) for pair, cents in claims.items() if office not in pair and cents],
        [each for each in offsets if each.cents],
    )


def _bilateral(claims: Mapping[Pair, int]) -> _Part:
    owed: dict[Pair, int] = {}
    offsets = []
    for one, other in sorted({(min(pair), max(pair)) for pair in claims}):
        there, back = claims.get((one, other), 0), claims.get((other, one), 0)
        if there != back:
            owed[(one, other) if there > back else (other, one)] = abs(there - back)
        offsets.append(Offset(one, other, min(there, back)))
    return _Part(owed, sum(owed.values()), offsets=[each for each in offsets if each.cents])


def _turned(claims: Mapping[Pair, int]) -> tuple[dict[Pair, int], list[Offset]]:
    """Turn what issuers give back in sum into what they owe, so that every amount is above zero."""
    owed: Counter[Pair] = Counter()
    for (debtor, creditor), cents in claims.items():
        owed[(debtor, creditor) if cents > 0 else (creditor, debtor)] += abs(cents)
    turned = [Offset(*pair, cents) for pair, cents in claims.items() if cents < 0]
    return {pair: cents for pair, cents in sorted(owed.items()) if cents}, turned


def _in_cycles(claims: Mapping[Pair, int]) -> _Part:
    owed, turned = _turned(claims)
    cycles = clear_cycles(owed)
    return _Part(owed, sum(owed.values()), offsets=turned, cycles=cycles)


def clear_cycles(owed: dict[Pair, int]) -> list[Cycle]:
    """Lower what is owed along cycles until there is none, and drop what comes to nothing.

    A walk goes from debtor to creditor in the order of names. Where it meets itself, the cycle is lowered by
    its smallest amount, which takes at least one obligation away; who is owed by nobody on is left for good.
    So it ends after at most as many steps as obligations times parties.

    Args:
        owed: amounts above zero; afterwards what is left.
    """
    ahead: defaultdict[str, list[str]] = defaultdict(list)
    for debtor, creditor in sorted(owed, reverse=True):
        ahead[debtor].append(creditor)
    cycles = []
    for start in sorted(ahead):
        path = [start]
        while path:
            further = ahead[path[-1]]
            while further and (path[-1], further[-1]) not in owed:
                further.pop()
            if not further:
                path.pop()
                if path:
                    ahead[path[-1]].pop()
            elif further[-1] in path:
                path, cycle = _cut(path, path.index(further[-1]), owed)
                cycles.append(cycle)
            else:
                path.append(further[-1])
    return cycles


def _cut(path: list[str], first: int, owed: dict[Pair, int]) -> tuple[list[str], Cycle]:
    parties = path[first:]
    edges = list(zip(parties, [*parties[1:], parties[0]], strict=True))
    least = min(owed[edge] for edge in edges)
    for edge in edges:
        owed[edge] -= least
        if not owed[edge]:
            del owed[edge]
    return path[: first + 1], Cycle(tuple(parties), least)


def _applied(item: Item, owed: Mapping[Pair, int], through: str | None) -> Applied:
    debtor, creditor = item.owing
    pays = (debtor, creditor if through in {None, debtor} else through)
    gets = (debtor if through in {None, creditor} else through, creditor)
    return Applied(item, pays if pays in owed else None, gets if gets in owed else None)


def _offset_in(item: Item, owed: Mapping[Pair, int], through: str | None) -> set[Pair]:
    """Find the payments that a document lowers: those of its parties the other way."""
    debtor, creditor = item.owing
    lowered = {(through or creditor, debtor), (creditor, through or debtor)}
    return lowered & owed.keys()
