"""Netting through the clearing house: one amount for everybody, nothing gained, nothing lost."""

import random
from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from allmende.schemas.billing import NetPosition
from allmende.services.billing.ledger.entries import Obligation
from allmende.services.billing.settlement.netting import net

PARTIES = ["desy", "gsi", "kit", "lrz", "office"]
OBLIGATIONS = st.lists(
    st.builds(
        Obligation,
        kind=st.sampled_from(["charge", "levy"]),
        payer=st.sampled_from(PARTIES),
        payee=st.sampled_from(PARTIES),
        amount_cents=st.integers(-(10**12), 10**12),
        lines=st.integers(1, 9),
    ),
    max_size=30,
)


def test_two_that_owe_each_other_are_left_with_the_difference() -> None:
    owed = [Obligation("charge", "desy", "lrz", 500, 3), Obligation("charge", "lrz", "desy", 180, 1)]
    assert net(["desy", "gsi"], owed) == [
        NetPosition(party="desy", receivable_cents=180, payable_cents=500, net_cents=-320),
        NetPosition(party="gsi", receivable_cents=0, payable_cents=0, net_cents=0),
        NetPosition(party="lrz", receivable_cents=500, payable_cents=180, net_cents=320),
    ]


def test_a_circle_comes_to_nothing() -> None:
    circle = [Obligation("charge", a, b, 700, 1) for a, b in [("gsi", "kit"), ("kit", "lrz"), ("lrz", "gsi")]]
    assert {position.net_cents for position in net([], circle)} == {0}


@settings(max_examples=80)
@given(OBLIGATIONS, st.randoms(use_true_random=False))
def test_every_balance_is_preserved_and_all_sum_to_zero(
    obligations: list[Obligation], chance: random.Random
) -> None:
    positions = net(PARTIES, obligations)
    balance: defaultdict[str, int] = defaultdict(int)
    for each in obligations:
        balance[each.payer] -= each.amount_cents
        balance[each.payee] += each.amount_cents
    assert {position.party: position.net_cents for position in positions} == dict.fromkeys(PARTIES, 0) | dict(
        balance
    )
    assert sum(position.net_cents for position in positions) == 0
    assert sum(p.receivable_cents for p in positions) == sum(each.amount_cents for each in obligations)
    assert all(p.net_cents == p.receivable_cents - p.payable_cents for p in positions)

    received = sum(position.net_cents for position in positions if position.net_cents > 0)
    assert received == -sum(position.net_cents for position in positions if position.net_cents < 0)

    shuffled, parties = list(obligations), list(PARTIES)
    chance.shuffle(shuffled)
    chance.shuffle(parties)
    assert net(parties, shuffled) == positions
    assert [position.party for position in positions] == sorted(PARTIES)
