"""Issued documents between members, in the ledger and with their runs, to be netted and paid."""

import datetime as dt

from support.builders import NOW, uid
from support.desk import Desk
from support.invoices import line, run

from allmende.schemas.register import MemberRegister
from allmende.services.billing.invoicing import store as invoicing_store
from allmende.services.billing.invoicing.tax import treated
from allmende.services.billing.ledger import store as ledger_store
from allmende.services.billing.ledger.entries import Obligation, entries_of

Owed = tuple[str, str, int]
"""Payer, payee, cents."""


async def issue(
    desk: Desk, register: MemberRegister, number: int, *owed: Owed, now: dt.datetime = NOW
) -> list[str]:
    """A run of its own that issues what is owed. Returns the numbers of its documents."""
    period = f"{1990 + number}-04"
    lines, _ = treated(
        [
            line(place, cents, payer=payer, payee=payee, kind="levy" if payee == "office" else "charge")
            for place, (payer, payee, cents) in enumerate(owed, 1)
        ],
        register,
    )
    async with desk.engine.begin() as tx:
        id_ = await run(tx, number, period, lines, now)
        issued = await invoicing_store.issue(
            tx, settlement_id=id_, period=period, lines=lines, register=register, now=now
        )
        entries = entries_of(
            period,
            [
                Obligation("charge", each.head.recipient, each.head.issuer, each.head.gross_cents, 1)
                for each in issued
            ],
        )
        await ledger_store.save(tx, uid(number), entries, now)
    return [each.head.number for each in issued]


async def balances(desk: Desk) -> dict[str, int]:
    """What stands on accounts of claims and of banks, without those at zero."""
    rows = await desk.rows(
        "select account, sum(amount_cents)::bigint from posting"
        " where account ~ ':(forderungen|verbindlichkeiten|bank):' group by 1 having sum(amount_cents) <> 0"
        " order by 1"
    )
    return {str(account): int(str(cents)) for account, cents in rows}
