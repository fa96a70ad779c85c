"""Posting to the ledger of a desk and looking at what came of it."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from support.builders import NOW, uid
from support.desk import Desk

from allmende.schemas.journal import JournalEntry, JournalVerified, VerifyJournal
from allmende.schemas.permissions import Role
from allmende.servicekit.queries import Caller
from allmende.services.billing.ledger import store as ledger_store
from allmende.services.billing.ledger.entries import Obligation, entries_of
from allmende.services.billing.ledger.queries import verify_journal

_ASKING = Caller("desy", Role.MEMBER, sees_all=False)


async def settle(
    tx: AsyncConnection, number: int, period: str, *owed: Obligation
) -> tuple[JournalEntry, ...]:
    """Post what is owed as the closing of a period does."""
    await tx.execute(
        text("insert into settlement values (:id, :name, :now, '{}')"),
        {"id": uid(number), "name": f"{number}", "now": NOW},
    )
    return await ledger_store.save(tx, uid(number), entries_of(period, owed), NOW)


def owes(payer: str, payee: str = "lrz", cents: int = 100, kind: str = "charge") -> Obligation:
    return Obligation(kind, payer, payee, cents, 1)


async def entries(desk: Desk) -> list[JournalEntry]:
    async with desk.engine.connect() as connection:
        found, _ = await ledger_store.links(connection, after=0, limit=10_000)
    return found


async def verified(desk: Desk, **asked: str | int) -> JournalVerified:
    async with desk.engine.connect() as connection:
        return await verify_journal(connection, _ASKING, VerifyJournal.model_validate(asked))


def gapless(found: Sequence[JournalEntry]) -> bool:
    """No number of any body and year is missing or there twice."""
    series: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for each in found:
        for body, number in each.numbers.items():
            series[body, number.split("/")[0]].append(int(number.split("/")[1]))
    return all(sorted(numbers) == list(range(1, len(numbers) + 1)) for numbers in series.values())
