"""What is told of contradictory usage records."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.billing import Clarifications, ListClarifications
from allmende.schemas.rejections import Rejected, rejected
from allmende.servicekit.queries import Answer, Caller, fitting

from . import lineage


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


ANSWERS: Mapping[str, Answer] = {"billing.clarification.list": list_clarifications}
