"""What is told of maintenance."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.brokerage import ListMaintenance, Maintenance
from allmende.servicekit.queries import Answer, Caller, fitting

from . import store


async def list_maintenance(
    connection: AsyncConnection, caller: Caller, asked: ListMaintenance
) -> Maintenance:
    """Maintenance of what the caller books or provides; the office sees all."""
    found = await store.notices(
        connection,
        member=caller.member,
        all_members=caller.sees_all,
        include_over=asked.include_over,
        limit=asked.limit,
    )
    return Maintenance(notices=tuple(found[: fitting(found)]))


ANSWERS: Mapping[str, Answer] = {"brokerage.maintenance.list": list_maintenance}
