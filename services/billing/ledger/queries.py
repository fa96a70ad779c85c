"""What is told of the journal: its entries, and whether its chain is unbroken."""

import datetime as dt
from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas import chain
from allmende.schemas.journal import BrokenPlace, ExportJournal, JournalPage, JournalVerified, VerifyJournal
from allmende.schemas.rejections import Rejected, rejected
from allmende.servicekit.queries import Answer, Caller, fitting

from ..period import first_day_of, last_day_of
from . import store


async def export_journal(
    connection: AsyncConnection, caller: Caller, asked: ExportJournal
) -> JournalPage | Rejected:
    """A page of the journal; a member sees the entries that touch it, whole."""
    body = asked.body if caller.sees_all else asked.body or caller.member
    if body != caller.member and not caller.sees_all:
        return rejected("not_your_journal", "body", member=body)
    first, last = _span(asked)
    entries, total = await store.page(
        connection, first=first, last=last, body=body, after=asked.after, limit=asked.limit + 1
    )
    shown = tuple(entries[: min(asked.limit, fitting(entries))])
    more = len(entries) > len(shown)
    return JournalPage(entries=shown, total=total, next_after=shown[-1].sequence if more else None)


def _span(asked: ExportJournal) -> tuple[dt.date, dt.date]:
    """The value dates that are asked for: those of both the period and the year, where both are given."""
    spans = [(dt.date.min, dt.date.max)]
    if asked.period is not None:
        spans.append((first_day_of(asked.period), last_day_of(asked.period)))
    if asked.year is not None:
        spans.append((dt.date(asked.year, 1, 1), dt.date(asked.year, 12, 31)))
    return max(first for first, _ in spans), min(last for _, last in spans)


async def verify_journal(
    connection: AsyncConnection,
    caller: Caller,  # noqa: ARG001 - everybody may check everybody's ledger; nothing of it is told
    asked: VerifyJournal,
) -> JournalVerified:
    """Check a piece of the chain; at its end, that the ledger ends where its head says."""
    entries, (sequence, head) = await store.links(connection, after=asked.after, limit=asked.limit)
    found = chain.verify(entries, after=asked.after, previous=asked.previous_hash, head=asked.head)
    if found.broken is not None:
        return found
    if len(entries) == asked.limit:
        return found.model_copy(update={"next_after": found.sequence})
    if (found.sequence, found.head) != (sequence, head):
        place = BrokenPlace(sequence=max(sequence, found.sequence), entry_id="", problem="end")
        return found.model_copy(update={"broken": place})
    return found


ANSWERS: Mapping[str, Answer] = {
    "billing.journal.export": export_journal,
    "billing.journal.verify": verify_journal,
}
