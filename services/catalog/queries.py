"""What the catalogue answers at once."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.catalog import ListOfferings, Offerings
from allmende.servicekit.queries import Answer, Caller, fitting

from . import store


async def list_offerings(connection: AsyncConnection, caller: Caller, asked: ListOfferings) -> Offerings:
    """A page of offerings; everybody sees all."""
    del caller
    found = await store.page(connection, category=asked.category, after=asked.after, limit=asked.limit + 1)
    page = tuple(found[: min(asked.limit, fitting(found))])
    more = len(found) > len(page)
    return Offerings(offerings=page, next_after=page[-1].offering.offering_id if more else None)


ANSWERS: Mapping[str, Answer] = {"catalog.offering.list": list_offerings}
