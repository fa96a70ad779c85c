"""Netting keeps every position and shrinks what is paid, whatever the order of the documents."""

import datetime as dt
import itertools
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allmende.schemas.payments import NettingMethod
from allmende.schemas.register import OffsettingAgreement
from allmende.services.billing.payments import netting
from allmende.services.billing.payments.netting import Cycle, Item, Netted, Pair, clear_cycles, net

OFFICE = "office"
DAY = dt.date(2026, 6, 30)
PARTIES = ("ada", "bob", "cleo", "dora", "eve", OFFICE)
METHODS: tuple[NettingMethod, ...] = get_args(NettingMethod)


def item(debtor: str, creditor: str, cents: int, number: int = 1) -> Item:
    return Item(f"{creditor}/R/2026/{number:06d}", debtor, creditor, cents, DAY)


def agreed(*parties: str, since: dt.date = DAY, until: dt.date | None = None) -> OffsettingAgreement:
    return OffsettingAgreement(title="Abrede", parties=parties, valid_from=since, valid_until=until)


def netted(
    items: Iterable[Item], method: NettingMethod, agreements: Sequence[OffsettingAgreement] | None = None
) -> Netted:
    return net(items, method, office=OFFICE, agreements=agreements, on=DAY)


def paid(found: Netted) -> dict[Pair, int]:
    return {(each.debtor, each.creditor): each.cents for each in found.payments}


pairs = st.permutations(PARTIES).map(lambda names: (names[0], names[1]))
amounts = st.integers(-50, 300).filter(bool)
books = st.lists(st.tuples(pairs, amounts), max_size=14).map(
    lambda rows: [item(*pair, cents, number) for number, (pair, cents) in enumerate(rows, 1)]
)
agreements_ = st.none() | st.lists(
    st.sets(st.sampled_from(PARTIES), min_size=2).map(lambda parties: agreed(*sorted(parties))), max_size=3
)
methods = st.sampled_from(METHODS)


def balance(payments: Mapping[Pair, int]) -> Counter[str]:
    found: Counter[str] = Counter()
    for (debtor, creditor), cents in payments.items():
        found[creditor] += cents
        found[debtor] -= cents
    return found


@given(books, methods, agreements_)
def test_every_position_is_kept(
    book: list[Item], method: NettingMethod, agreements: list[OffsettingAgreement] | None
) -> None:
    found = netted(book, method, agreements)
    gets = balance(paid(found))
    assert {party: gets[party] for party in found.positions} == found.positions
    assert sum(found.positions.values()) == 0
    assert all(each.cents > 0 and each.debtor != each.creditor for each in found.payments)
    assert found.gross_cents >= found.payable_cents >= 0
    assert [each.item for each in found.items] == sorted(book, key=lambda each: each.document)


@given(books, methods, agreements_, st.randoms(use_true_random=False))
def test_the_order_of_documents_decides_nothing(
    book: list[Item],
    method: NettingMethod,
    agreements: list[OffsettingAgreement] | None,
    chance: random.Random,
) -> None:
    first = netted(book, method, agreements)
    chance.shuffle(book)
    assert netted(book, method, agreements) == first


@given(books, methods, agreements_)
def test_what_is_owed_among_all_after_offsetting_is_what_is_paid(
    book: list[Item], method: NettingMethod, agreements: list[OffsettingAgreement] | None
) -> None:
    """The postings replay: claims replaced, offset and cleared in cycles leave exactly the payments."""
    assert replayed(book, netted(book, method, agreements)) == paid(netted(book, method, agreements))


def replayed(book: Iterable[Item], found: Netted) -> dict[Pair, int]:
    owed: Counter[Pair] = Counter()
    for each in book:
        owed[each.debtor, each.creditor] += each.cents
    for (debtor, creditor), cents in found.replaced:
        owed[debtor, creditor] -= cents
        owed[debtor, OFFICE] += cents
        owed[OFFICE, creditor] += cents
    for offset in found.offsets:
        owed[offset.one, offset.other] -= offset.cents
        owed[offset.other, offset.one] -= offset.cents
    for cycle in found.cycles:
        for edge in zip(cycle.parties, [*cycle.parties[1:], cycle.parties[0]], strict=True):
            owed[edge] -= cycle.cents
    return {pair: cents for pair, cents in owed.items() if cents}


@given(books)
def test_through_the_clearing_house_everybody_has_one_amount_with_it(book: list[Item]) -> None:
    found = netted(book, "clearing_house")
    assert all(OFFICE in pair for pair in paid(found))
    partners = Counter(name for pair in paid(found) for name in pair if name != OFFICE)
    assert set(partners.values()) <= {1}
    received = sum(cents for (_, creditor), cents in paid(found).items() if creditor != OFFICE)
    own = max(found.positions.get(OFFICE, 0), 0)
    assert received + own == found.payable_cents
    assert found.payable_cents == sum(max(each, 0) for each in found.positions.values())


@given(books)
def test_bilaterally_each_pair_has_one_amount(book: list[Item]) -> None:
    found = netted(book, "bilateral")
    owed = {frozenset(pair) for pair in paid(found)}
    assert len(owed) == len(found.payments)
    assert {frozenset(pair) for pair in owed} <= {frozenset((i.debtor, i.creditor)) for i in book}
    assert found.payable_cents == sum(paid(found).values())


@given(books)
def test_cycles_only_shrink_obligations(book: list[Item]) -> None:
    before: Counter[Pair] = Counter()
    claims: Counter[Pair] = Counter()
    for each in book:
        claims[each.debtor, each.creditor] += each.cents
    for (debtor, creditor), cents in claims.items():
        before[(debtor, creditor) if cents > 0 else (creditor, debtor)] += abs(cents)
    after = paid(netted(book, "cycles"))
    assert all(cents <= before[pair] for pair, cents in after.items())
    assert not has_cycle(after)


def has_cycle(owed: Mapping[Pair, int]) -> bool:
    """Kahn's algorithm: a graph without a cycle can be taken apart from its ends."""
    edges = set(owed)
    while ends := {pair for pair in edges if not any(pair[1] == debtor for debtor, _ in edges)}:
        edges -= ends
    return bool(edges)


def test_a_graph_with_a_cycle_is_told_from_one_without() -> None:
    assert has_cycle({("ada", "bob"): 1, ("bob", "cleo"): 1, ("cleo", "ada"): 1, ("ada", "dora"): 1})
    assert not has_cycle({("ada", "bob"): 1, ("bob", "cleo"): 1, ("ada", "cleo"): 1})


def least_left(owed: Mapping[Pair, int]) -> int:
    """The least that any clearing of cycles leaves: every residual that keeps the positions is tried."""
    edges = sorted(owed)
    position = balance(owed)
    best = sum(owed.values())
    for left in itertools.product(*(range(owed[edge] + 1) for edge in edges)):
        total = sum(left)
        if total < best and balance(dict(zip(edges, left, strict=True))) == position:
            best = total
    return best


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.permutations(PARTIES[:4]).map(lambda n: (n[0], n[1])), st.integers(1, 3), max_size=6)
)
def test_no_clearing_leaves_less_than_positions_need_and_none_more_than_was_owed(
    owed: dict[Pair, int],
) -> None:
    least, before = least_left(owed), sum(owed.values())
    need = sum(max(each, 0) for each in balance(owed).values())
    left = dict(owed)
    cycles = clear_cycles(left)
    assert need <= least <= sum(left.values()) <= before
    assert before - sum(left.values()) == sum(each.cents * len(each.parties) for each in cycles)
    if least == before:
        assert cycles == []


@given(books, methods, agreements_, st.data())
def test_an_amount_in_dispute_changes_only_its_two_parties(
    book: list[Item],
    method: NettingMethod,
    agreements: list[OffsettingAgreement] | None,
    data: st.DataObject,
) -> None:
    if not book:
        return
    place = data.draw(st.integers(0, len(book) - 1))
    disputed = book[place]
    kept = data.draw(st.integers(0, abs(disputed.cents) - 1)) * (1 if disputed.cents > 0 else -1)
    rest = [] if not kept else [Item(disputed.document, disputed.debtor, disputed.creditor, kept, DAY)]
    less = netted(book[:place] + rest + book[place + 1 :], method, agreements)
    whole = netted(book, method, agreements)
    changed = {
        party: less.positions.get(party, 0) - cents
        for party, cents in whole.positions.items()
        if less.positions.get(party, 0) != cents
    }
    out = disputed.cents - kept
    assert changed == {disputed.debtor: out, disputed.creditor: -out}


THREE = (item("ada", "bob", 100, 1), item("bob", "cleo", 80, 2), item("cleo", "ada", 30, 3))


@pytest.mark.parametrize(
    ("method", "payments"),
    [
        ("clearing_house", {("ada", OFFICE): 70, (OFFICE, "bob"): 20, (OFFICE, "cleo"): 50}),
        ("bilateral", {("ada", "bob"): 100, ("bob", "cleo"): 80, ("cleo", "ada"): 30}),
        ("cycles", {("ada", "bob"): 70, ("bob", "cleo"): 50}),
    ],
)
def test_three_who_owe_each_other(method: NettingMethod, payments: dict[Pair, int]) -> None:
    assert paid(netted(THREE, method)) == payments


def test_a_cycle_is_cleared_by_its_smallest_amount() -> None:
    assert netted(THREE, "cycles").cycles == (Cycle(("ada", "bob", "cleo"), 30),)


@pytest.mark.parametrize("method", METHODS)
def test_without_a_common_agreement_each_direction_is_paid_gross(method: NettingMethod) -> None:
    book = [*THREE, item("bob", "ada", 40, 4), item("ada", "bob", 5, 5)]
    gross = {("ada", "bob"): 105, ("bob", "ada"): 40, ("bob", "cleo"): 80, ("cleo", "ada"): 30}
    yesterday = DAY - dt.timedelta(days=1)
    for none in (
        [],
        [agreed("ada", "dora")],
        [agreed("ada", "bob", "cleo", until=yesterday, since=yesterday)],
    ):
        found = netted(book, method, none)
        assert paid(found) == gross
        assert found.payable_cents == found.gross_cents == 255
    assert paid(netted(book, method, [agreed("ada", "bob", "cleo", until=DAY)])) != gross


def test_only_parties_of_a_common_agreement_are_offset() -> None:
    book = [*THREE, item("bob", "ada", 40, 4)]
    found = paid(netted(book, "bilateral", [agreed("ada", "bob")]))
    assert found == {("ada", "bob"): 60, ("bob", "cleo"): 80, ("cleo", "ada"): 30}


def test_claims_under_two_agreements_are_not_offset_with_each_other() -> None:
    book = [item("ada", "bob", 100, 1), item("bob", "cleo", 100, 2)]
    found = paid(netted(book, "clearing_house", [agreed("ada", "bob"), agreed("bob", "cleo")]))
    assert found == {
        ("ada", OFFICE): 100, (OFFICE, "bob"): 100, ("bob", OFFICE): 100, (OFFICE, "cleo"): 100,
    }  # fmt: skip


def test_a_credit_note_lowers_the_claim_it_corrects_even_without_an_agreement() -> None:
    found = netted([item("ada", "bob", 100, 1), item("ada", "bob", -30, 2)], "bilateral", [])
    assert paid(found) == {("ada", "bob"): 70}
    assert [(each.debtor_pays, each.creditor_gets) for each in found.items] == [
        (("ada", "bob"), ("ada", "bob")),
        (None, None),
    ]
    assert paid(netted([item("ada", "bob", -30)], "bilateral", [])) == {("bob", "ada"): 30}


def test_a_payment_counts_the_documents_it_settles_and_those_offset_in_it() -> None:
    book = [
        item("ada", "bob", 100, 1),
        item("ada", "cleo", 10, 2),
        item("bob", "ada", 40, 3),
        item("cleo", "dora", 1, 4),
    ]
    counts = {
        (each.debtor, each.creditor): each.documents for each in netted(book, "clearing_house").payments
    }
    assert counts == {("ada", OFFICE): 3, (OFFICE, "bob"): 2, (OFFICE, "cleo"): 2, (OFFICE, "dora"): 1}


def test_nothing_comes_of_nothing() -> None:
    found = netted([], "cycles")
    assert (found.payments, found.items, found.gross_cents) == ((), (), 0)


def test_the_walk_ends_on_a_dense_graph() -> None:
    names = [f"m{number:02d}" for number in range(40)]
    owed = {
        (one, other): (7 * i + 13 * j) % 97 + 1
        for i, one in enumerate(names)
        for j, other in enumerate(names)
        if one != other
    }
    before = balance(owed)
    netting.clear_cycles(owed)
    assert balance(owed) == before
    assert not has_cycle(owed)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("providers", "density"), [(40, 0.1), (40, 0.5), (8, 0.5), (8, 1.0)])
def test_of_forty_members_cycles_leave_less_than_pairs_and_more_than_the_clearing_house(
    seed: int, providers: int, density: float
) -> None:
    """The table of docs/decisions/0021-netting.md, in smaller samples."""
    chance = random.Random(seed)  # noqa: S311 - the same draw every time
    names = [f"m{number:02d}x" for number in range(40)]
    book = [
        item(payer, payee, int(chance.lognormvariate(11, 1.5)) + 1, number)
        for number, (payee, payer) in enumerate(itertools.product(names[:providers], names), 1)
        if payer != payee and chance.random() < density
    ]
    left = {method: netted(book, method) for method in METHODS}
    through, pairs_, cycles = (left[method] for method in ("clearing_house", "bilateral", "cycles"))
    assert through.payable_cents < cycles.payable_cents < pairs_.payable_cents < pairs_.gross_cents
    assert len(through.payments) <= len(names) < len(cycles.payments) < len(book)
