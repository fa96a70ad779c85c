"""What the brokerage answers at once."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.brokerage import Bookings, ListBookings
from allmende.servicekit.queries import Answer, Caller, fitting

from . import store


async def list_bookings(connection: AsyncConnection, caller: Caller, asked: ListBookings) -> Bookings:
    """A page of bookings in which the caller takes part; the office sees all."""
    found = await store.page(
        connection,
        member=caller.member,
        all_members=caller.sees_all,
        side=asked.side,
        after=asked.after,
        limit=asked.limit + 1,
    )
    page = found[: min(asked.limit, fitting(booking for _, booking in found))]
    more = len(found) > len(page)
    return Bookings(bookings=tuple(booking for _, booking in page), next_after=page[-1][0] if more else None)


ANSWERS: Mapping[str, Answer] = {"brokerage.booking.list": list_bookings}
