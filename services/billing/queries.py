"""What billing answers at once."""

import datetime as dt
from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas import chain
from allmende.schemas.billing import (
    Clarifications,
    ListClarifications,
    ListSettlements,
    Settlements,
    ShowStatement,
    Statement,
)
from allmende.schemas.journal import BrokenPlace, ExportJournal, JournalPage, JournalVerified, VerifyJournal
from allmende.schemas.rejections import Rejected, rejected
from allmende.servicekit.queries import Answer, Caller, fitting

from . import books, journal, lineage
from .period import first_day_of, last_day_of


async def list_settlements(
    connection: AsyncConnection, caller: Caller, asked: ListSettlements
) -> Settlements:
    """The settlements; a member sees the sums and its own position."""
    found = await books.settlements(connection, asked.limit)
    if not caller.sees_all:
        found = [
            each.model_copy(
                update={"positions": tuple(p for p in each.positions if p.party == caller.member)}
            )
            for each in found
        ]
    return Settlements(settlements=tuple(found[: fitting(found)]))


async def show_statement(
    connection: AsyncConnection, caller: Caller, asked: ShowStatement
) -> Statement | Rejected:
    """A statement with a page of its lines."""
    member = asked.member or caller.member
    if member != caller.member and not caller.sees_all:
        return rejected("not_yours", "member", member=member)
    found = await books.statement(connection, asked.period, member)
    if found is None:
        return rejected("no_statement", member=member, period=asked.period)
    lines = await books.lines(
        connection, period=asked.period, member=member, after=asked.after, limit=asked.limit + 1
    )
    page = tuple(lines[: min(asked.limit, fitting(lines))])
    return Statement(
        statement=found, lines=page, next_after=page[-1].line if len(lines) > len(page) else None
    )


async def list_clarifications(
    connection: AsyncConnection, caller: Caller, asked: ListClarifications
) -> Clarifications | Rejected:
    """A page of contradictory records; a member sees its own."""
    provider = asked.provider if caller.sees_all else caller.member
    if asked.provider not in {None, provider}:
        return rejected("not_your_records", "provider", member=asked.provider)
    found = await lineage.clarifications(
        connection, source=provider, open_only=asked.open_only, after=asked.after, limit=asked.limit + 1
    )
    page = tuple(found[: min(asked.limit, fitting(found))])
    return Clarifications(
        clarifications=page, next_after=page[-1].clarification if len(found) > len(page) else None
    )


async def export_journal(
    connection: AsyncConnection, caller: Caller, asked: ExportJournal
) -> JournalPage | Rejected:
    """A page of the journal; a member sees the entries that touch it, whole."""
    body = asked.body if caller.sees_all else asked.body or caller.member
    if body != caller.member and not caller.sees_all:
        return rejected("not_your_journal", "body", member=body)
    first, last = _span(asked)
    entries, total = await journal.page(
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
    entries, (sequence, head) = await journal.links(connection, after=asked.after, limit=asked.limit)
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
    "billing.clarification.list": list_clarifications,
    "billing.settlement.list": list_settlements,
    "billing.statement.show": show_statement,
    "billing.journal.export": export_journal,
    "billing.journal.verify": verify_journal,
}
