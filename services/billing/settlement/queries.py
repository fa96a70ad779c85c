"""What is told of settlements and statements."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.billing import ListSettlements, Settlements, ShowStatement, Statement
from allmende.schemas.rejections import Rejected, rejected
from allmende.servicekit.queries import Answer, Caller, fitting

from . import store


async def list_settlements(
    connection: AsyncConnection, caller: Caller, asked: ListSettlements
) -> Settlements:
    """The settlements; a member sees the sums and its own position."""
    found = await store.settlements(connection, asked.limit)
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
    found = await store.statement(connection, asked.period, member)
    if found is None:
        return rejected("no_statement", member=member, period=asked.period)
    lines = await store.lines(
        connection, period=asked.period, member=member, after=asked.after, limit=asked.limit + 1
    )
    page = tuple(lines[: min(asked.limit, fitting(lines))])
    return Statement(
        statement=found, lines=page, next_after=page[-1].line if len(lines) > len(page) else None
    )


ANSWERS: Mapping[str, Answer] = {
    "billing.settlement.list": list_settlements,
    "billing.statement.show": show_statement,
}
