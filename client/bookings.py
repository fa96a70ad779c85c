"""The life of a booking for a member's program: booking, deciding, setting up, changing, ending."""

import datetime as dt
from collections.abc import AsyncIterator, Mapping
from typing import Any, Literal

from allmende.schemas.brokerage import (
    AcceptBooking,
    AmendBooking,
    ApproveBooking,
    BookingAcknowledged,
    BookingAmended,
    BookingChanged,
    BookingConfirmed,
    Bookings,
    BookingState,
    BookingStory,
    BookingSummary,
    CancelBooking,
    ConcedeCancellation,
    DeclineBooking,
    ListBookings,
    ReportProgress,
    RequestBooking,
    ResumeBooking,
    ShowBooking,
    SuspendBooking,
    TerminateBooking,
)
from allmende.schemas.rejections import Rejection

from .room import Amount, Room, exact

# Every command takes `id`, which is what CloudEvents calls it.
# ruff: noqa: A002

Step = Literal["accepted", "milestone", "active", "partial", "failed", "dismantled"]


class BookingRoom(Room):
    """What a member does with bookings."""

    # -- before the contract --------------------------------------------------------------------

    async def book(  # noqa: PLR0913 - a booking's own fields
        self,
        offering_id: str,
        plan_id: str,
        quantities: Mapping[str, Amount] | None = None,
        *,
        start: dt.date,
        end: dt.date | None = None,
        pool: str | None = None,
        details: Mapping[str, Any] | None = None,
        reference: str | None = None,
        binding: bool = True,
        wait_until: dt.date | None = None,
        own_approval_hours: int | None = None,
        id: str | None = None,
    ) -> BookingConfirmed | BookingAcknowledged | Rejection:
        """Book a plan and wait for the outcome.

        Args:
            offering_id: `<provider>/<slug>`.
            plan_id: one of the offering's plans.
            quantities: what the plan's order form asks for.
            start: decides which version of the tariff holds.
            end: the last day, if known.
            pool: the region or the time slot, where the plan has some.
            details: the answers to the plan's order form, by field.
            reference: the member's own words, shown on statements.
            binding: false states an interest, which `accept` makes binding later.
            wait_until: wait in line until this day if there is no capacity now.
            own_approval_hours: the member's own side approves first, within this time.
            id: a UUID that makes a repetition harmless; it becomes the booking's id.

        Returns:
            `BookingConfirmed` when both sides are bound; `BookingAcknowledged` when somebody has to act
            first, or a place in line has to come free.
        """
        request = RequestBooking(
            offering_id=offering_id,
            plan_id=plan_id,
            quantities=exact(quantities or {}),
            pool_id=pool,
            details=None if details is None else dict(details),
            start=start,
            end=end,
            reference=reference,
            binding=binding,
            wait_until=wait_until,
            own_approval_hours=own_approval_hours,
        )
        return await self._told(request, id, BookingConfirmed, BookingAcknowledged)

    async def accept(
        self, booking_id: str, *, id: str | None = None
    ) -> BookingConfirmed | BookingChanged | Rejection:
        """Take up an offer of the waiting list, or make an interest binding."""
        return await self._told(AcceptBooking(booking_id=booking_id), id, BookingConfirmed, BookingChanged)

    async def approve(
        self, booking_id: str, *, id: str | None = None
    ) -> BookingConfirmed | BookingAmended | BookingChanged | Rejection:
        """Say yes: to one's own order, or as provider to a booking or a change of one."""
        command = ApproveBooking(booking_id=booking_id)
        return await self._told(command, id, BookingConfirmed, BookingAmended, BookingChanged)

    async def decline(
        self, booking_id: str, reason: str, *, id: str | None = None
    ) -> BookingChanged | Rejection:
        """Say no where a yes was asked for; as provider also to a cancellation."""
        return await self._told(DeclineBooking(booking_id=booking_id, reason=reason), id, BookingChanged)

    async def cancel(
        self, booking_id: str, reason: str, *, compensation_cents: int = 0, id: str | None = None
    ) -> BookingChanged | Rejection:
        """Withdraw before the service is up, or take back a change that is not agreed yet.

        Args:
            booking_id: of the booking.
            reason: told to the other side.
            compensation_cents: what one offers the other side for it.
            id: of the command.
        """
        command = CancelBooking(booking_id=booking_id, reason=reason, compensation_cents=compensation_cents)
        return await self._told(command, id, BookingChanged)

    async def concede(
        self,
        booking_id: str,
        *,
        compensation_cents: int = 0,
        reason: str | None = None,
        id: str | None = None,
    ) -> BookingChanged | Rejection:
        """Agree, as provider, to a cancellation; perhaps for what was done in vain."""
        command = ConcedeCancellation(
            booking_id=booking_id, compensation_cents=compensation_cents, reason=reason
        )
        return await self._told(command, id, BookingChanged)

    # -- the service ----------------------------------------------------------------------------

    async def report_progress(  # noqa: PLR0913 - the command's own fields
        self,
        booking_id: str,
        step: Step,
        *,
        milestone: str | None = None,
        note: str | None = None,
        delivered: Mapping[str, Amount] | None = None,
        id: str | None = None,
    ) -> BookingAmended | BookingChanged | Rejection:
        """Report, as provider, what was set up, changed or taken down.

        Args:
            booking_id: of the booking.
            step: `accepted` and `milestone` renew the time limit; the others end what is under way.
            milestone: its name, with the step `milestone` only.
            note: for people.
            delivered: what there is of each order quantity, with the step `partial` only.
            id: of the command.
        """
        command = ReportProgress(
            booking_id=booking_id,
            step=step,
            milestone=milestone,
            note=note,
            delivered=None if delivered is None else exact(delivered),
        )
        return await self._told(command, id, BookingAmended, BookingChanged)

    async def suspend(
        self, booking_id: str, reason: str, *, id: str | None = None
    ) -> BookingChanged | Rejection:
        """Interrupt the service."""
        return await self._told(SuspendBooking(booking_id=booking_id, reason=reason), id, BookingChanged)

    async def resume(self, booking_id: str, *, id: str | None = None) -> BookingChanged | Rejection:
        """Go on after an interruption of one's own."""
        return await self._told(ResumeBooking(booking_id=booking_id), id, BookingChanged)

    async def amend(  # noqa: PLR0913 - the command's own fields
        self,
        booking_id: str,
        effective_on: dt.date,
        *,
        plan_id: str | None = None,
        quantities: Mapping[str, Amount] | None = None,
        details: Mapping[str, Any] | None = None,
        id: str | None = None,
    ) -> BookingAmended | BookingChanged | Rejection:
        """Change quantities, details or plan from a day on. What is left out stays.

        Args:
            booking_id: of the booking.
            effective_on: the first day of the new terms.
            plan_id: another plan of the same offering.
            quantities: all order quantities as they shall be, not the difference.
            details: the answers to the plan's order form.
            id: of the command.
        """
        command = AmendBooking(
            booking_id=booking_id,
            effective_on=effective_on,
            plan_id=plan_id,
            quantities=None if quantities is None else exact(quantities),
            details=None if details is None else dict(details),
        )
        return await self._told(command, id, BookingAmended, BookingChanged)

    async def terminate(
        self,
        booking_id: str,
        *,
        on: dt.date | None = None,
        reason: str | None = None,
        id: str | None = None,
    ) -> BookingChanged | Rejection:
        """Give notice to the last day `on`, or to the earliest possible one."""
        command = TerminateBooking(booking_id=booking_id, on=on, reason=reason)
        return await self._told(command, id, BookingChanged)

    # -- questions ------------------------------------------------------------------------------

    async def bookings(
        self,
        *,
        state: BookingState | None = None,
        waiting_for_me: bool = False,
        side: Literal["consumer", "provider", "both"] = "both",
    ) -> AsyncIterator[BookingSummary]:
        """The bookings in which the member takes part, oldest first.

        Args:
            state: only those in this state.
            waiting_for_me: only those in which one's own side must act.
            side: only those in which the member is this side.
        """
        after: int | None = 0
        while after is not None:
            question = ListBookings(state=state, waiting_for_me=waiting_for_me, side=side, after=after)
            page = await self.ask("brokerage.booking.list", question, Bookings)
            for each in page.bookings:
                yield each
            after = page.next_after

    async def booking(self, booking_id: str) -> BookingStory | Rejection:
        """One booking: how it stands, how it came to stand there, what was written about it."""
        return await self._shown("brokerage.booking.show", ShowBooking(booking_id=booking_id), BookingStory)
