"""What is told of bookings."""

import functools
from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.brokerage import Bookings, BookingStory, ListBookings, ShowBooking
from allmende.schemas.register import MemberRegister
from allmende.schemas.rejections import Rejected, rejected
from allmende.servicekit.queries import Answer, Caller, fitting

from . import store


async def list_bookings(connection: AsyncConnection, caller: Caller, asked: ListBookings) -> Bookings:
    """A page of bookings in which the caller takes part; the office sees all."""
    found = await store.page(
        connection,
        member=caller.member,
        all_members=caller.sees_all,
        side=asked.side,
        state=asked.state,
        waiting=asked.waiting_for_me,
        after=asked.after,
        limit=asked.limit + 1,
    )
    page = found[: min(asked.limit, fitting(booking for _, booking in found))]
    more = len(found) > len(page)
    return Bookings(bookings=tuple(booking for _, booking in page), next_after=page[-1][0] if more else None)


async def show_booking(
    register: MemberRegister, connection: AsyncConnection, caller: Caller, asked: ShowBooking
) -> BookingStory | Rejected:
    """One booking with its story, for its parties and the office."""
    found = await store.show(connection, asked.booking_id)
    if found is None or not (caller.sees_all or caller.member in {found.consumer, found.provider}):
        return rejected("unknown_booking", "booking_id", booking=asked.booking_id)
    changes, messages = await store.story(connection, asked.booking_id)
    # The newest fit, whatever was written before; each document was told when it came.
    fits = fitting([*changes, *reversed(messages)])
    shown = messages[max(0, len(messages) - max(0, fits - len(changes))) :]
    consumer = register.find(found.consumer)
    return BookingStory(
        booking=found,
        changes=tuple(changes[:fits]),
        messages=tuple(shown),
        consumer_sealing_key=consumer.sealing_key if consumer is not None else None,
    )


def answers(register: MemberRegister) -> Mapping[str, Answer]:
    """What answers each question. The register tells the key to which a provider seals access data."""
    return {
        "brokerage.booking.list": list_bookings,
        "brokerage.booking.show": functools.partial(show_booking, register),
    }
