"""Netting through the clearing house: everybody has one counterparty and one amount.

Gross stays gross on every statement; only what is paid is netted.
"""

from collections.abc import Iterable

from allmende.schemas.billing import NetPosition

from ..ledger.entries import Obligation


def net(parties: Iterable[str], obligations: Iterable[Obligation]) -> list[NetPosition]:
    """Net what everybody owes and is owed, with VAT.

    The positions come in the order of the parties' names, whatever the order of the input, and sum to zero.
    """
    receivable = dict.fromkeys(parties, 0)
    payable = dict(receivable)
    for obligation in obligations:
        payable[obligation.payer] = payable.get(obligation.payer, 0) + obligation.gross_cents
        receivable[obligation.payee] = receivable.get(obligation.payee, 0) + obligation.gross_cents
    return [
        NetPosition(
            party=party,
            receivable_cents=receivable.get(party, 0),
            payable_cents=payable.get(party, 0),
            net_cents=receivable.get(party, 0) - payable.get(party, 0),
        )
        for party in sorted(receivable.keys() | payable.keys())
    ]
