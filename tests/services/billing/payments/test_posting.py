"""Postings of nettings and payments leave in the books of everybody exactly what is to be paid."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st
from support.builders import NOW, uid

from allmende.schemas.journal import HEADINGS
from allmende.schemas.payments import NettingMethod, PaymentArranged
from allmende.schemas.register import OffsettingAgreement
from allmende.schemas.rejections import Rejected
from allmende.services.billing.ledger.entries import Books, Entry, Obligation, entries_of, post
from allmende.services.billing.payments import posting
from allmende.services.billing.payments.netting import Item, Netted, net

OFFICE = "office"
DAY = dt.date(2026, 6, 30)
PARTIES = ("ada", "bob", "cleo", OFFICE)
ID = uid(7)

pairs = st.permutations(PARTIES).map(lambda names: (names[0], names[1]))
books = st.lists(st.tuples(pairs, st.integers(-50, 300).filter(bool)), min_size=1, max_size=9)
agreements_ = st.none() | st.lists(
    st.sets(st.sampled_from(PARTIES), min_size=2).map(
        lambda parties: OffsettingAgreement(title="Abrede", parties=tuple(sorted(parties)), valid_from=DAY)
    ),
    max_size=2,
)


def items_of(rows: Sequence[tuple[tuple[str, str], int]]) -> list[Item]:
    return [
        Item(f"{creditor}/R/2026/{number:06d}", debtor, creditor, cents, DAY)
        for number, ((debtor, creditor), cents) in enumerate(rows, 1)
    ]


def sums(entries: Iterable[Entry]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for entry in entries:
        for each in entry.postings:
            found[each.account] += each.amount_cents
    return {account: cents for account, cents in sorted(found.items()) if cents}


def claims(netted: Netted) -> dict[str, int]:
    found = {f"{each.creditor}:forderungen:{each.debtor}": each.cents for each in netted.payments}
    found |= {f"{each.debtor}:verbindlichkeiten:{each.creditor}": -each.cents for each in netted.payments}
    return dict(sorted(found.items()))


def owed(items: Iterable[Item]) -> list[Entry]:
    return entries_of("2026-05", [Obligation("charge", i.debtor, i.creditor, i.cents, 1) for i in items])


@given(books, st.sampled_from(get_args(NettingMethod)), agreements_)
def test_what_is_left_in_the_books_is_what_is_to_be_paid(
    rows: list[tuple[tuple[str, str], int]],
    method: NettingMethod,
    agreements: list[OffsettingAgreement] | None,
) -> None:
    items = items_of(rows)
    netted = net(items, method, office=OFFICE, agreements=agreements, on=DAY)
    entries = posting.netted(ID, DAY, netted, OFFICE)
    left = {
        account: cents
        for account, cents in sums([*owed(items), *entries]).items()
        if account.split(":")[1] in {"forderungen", "verbindlichkeiten"}
    }
    assert left == claims(netted)
    assert not isinstance(post(Books(), entries, settlement_id=None, now=NOW), Rejected)
    assert len({entry.entry_id for entry in entries}) == len(entries)
    assert {each.account.split(":")[1] for entry in entries for each in entry.postings} <= HEADINGS.keys()


def test_a_payment_moves_money_and_settles_the_claim() -> None:
    payment = PaymentArranged(
        payment_id=uid(1),
        netting_id=ID,
        debtor="ada",
        creditor="bob",
        amount_cents=100,
        reference="RF18539007547034",
        due_on=DAY,
        items=1,
        arranged_at=NOW,
    )
    ids = [posting.entry_id_of(payment, "DE1", name) for name in "abc"]
    first, second = posting.paid(payment, 40, ids[0], DAY), posting.paid(payment, 60, ids[1], DAY)
    item = Item("bob/R/2026/000001", "ada", "bob", 100, DAY)
    assert sums([*owed([item]), first, second]) == {
        "ada:aufwendungen:leistungen": 100,
        "ada:bank:girokonto": -100,
        "bob:bank:girokonto": 100,
        "bob:erträge:leistungen": -100,
    }
    assert len(set(ids)) == 3
    assert ids[0] == posting.entry_id_of(payment, "DE1", "a") != posting.entry_id_of(payment, "DE2", "a")
    back = posting.paid(payment, -60, ids[2], DAY)
    assert back.narration.startswith("Rückgabe RF")
    posted = post(Books(), [first, second, back], settlement_id=None, now=NOW)
    assert not isinstance(posted, Rejected)
    assert sums([first, second, back]) == sums([first])


def test_a_cycle_is_seen_by_its_parties_only() -> None:
    rows = [(("ada", "bob"), 9), (("bob", "cleo"), 8), (("cleo", "ada"), 7), (("ada", "office"), 6)]
    netted = net(items_of(rows), "cycles", office=OFFICE, agreements=None, on=DAY)
    (entry,) = posting.netted(ID, DAY, netted, OFFICE)
    assert entry.bodies == ["ada", "bob", "cleo"]
    assert entry.reference == f"netting/{ID}/ada/bob/cleo"


def test_long_cycles_fit_into_a_line() -> None:
    names = [f"mitglied-mit-langem-namen-{number:02d}" for number in range(30)]
    rows = [((one, other), 5) for one, other in zip(names, [*names[1:], names[0]], strict=True)]
    netted = net(items_of(rows), "cycles", office=OFFICE, agreements=None, on=DAY)
    posted = post(Books(), posting.netted(ID, DAY, netted, OFFICE), settlement_id=None, now=NOW)
    assert not isinstance(posted, Rejected)
    assert len(posted[0].numbers) == 30
