"""What is told of statements and their progress, and of objections."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.statements import ListObjections, ListStatements, Objections, Statements
from allmende.servicekit.queries import Answer, Caller, fitting

from . import store


async def list_statements(
    connection: AsyncConnection, caller: Caller, asked: ListStatements
) -> Statements | Rejected:
    """One's issued statements with how far they are; the office sees all, or those of a member."""
    if asked.member not in {None, caller.member} and not caller.sees_all:
        return rejected("not_yours", "member", member=asked.member)
    found = await store.progress(
        connection,
        member=asked.member if caller.sees_all else caller.member,
        period=asked.period,
        state=asked.state,
        after=asked.after,
        limit=asked.limit + 1,
    )
    page = found[: min(asked.limit, fitting(found))]
    return Statements(statements=tuple(page), next_after=page[-1].number if len(found) > len(page) else None)


async def list_objections(connection: AsyncConnection, caller: Caller, asked: ListObjections) -> Objections:
    """Objections that one raised or has to decide; the office sees all."""
    found = await store.objections(
        connection,
        member=None if caller.sees_all else caller.member,
        period=asked.period,
        open_only=asked.open_only,
        after=asked.after,
        limit=asked.limit + 1,
    )
    page = found[: min(asked.limit, fitting(found))]
    return Objections(objections=tuple(page), next_after=page[-1].number if len(found) > len(page) else None)


ANSWERS: Mapping[str, Answer] = {
    "billing.statement.list": list_statements,
    "billing.objection.list": list_objections,
}
