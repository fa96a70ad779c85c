"""Changes of quantity and plan: asked for, agreed, set up, in effect, or dropped."""

import dataclasses
import datetime as dt

from allmende.schemas.brokerage import Actor, Agreement, AmendBooking, BookingAmended, Side, Trigger
from allmende.schemas.rejections import Rejected, rejected

from .. import lifecycle
from ..booking import Amendment, Booking, waiting_in, with_terms
from ..term import day_of
from .move import Moved, Surroundings, move, to_phase
from .request import agree, plan_of


def amend(booking: Booking, side: Side, command: AmendBooking, around: Surroundings) -> Moved | Rejected:
    """Take in the wish for a change, unless it cannot be."""
    if booking.progress.amendment is not None:
        return rejected("change_pending", "booking_id")
    earliest = max(day_of(around.now), booking.agreement.start)
    if command.effective_on < earliest:
        return rejected("effective_too_early", "effective_on", earliest=earliest)
    if booking.agreement.end is not None and command.effective_on > booking.agreement.end:
        return rejected("notice_given", "effective_on", end=booking.agreement.end)
    terms = _new_terms(booking.agreement, command, around)
    if isinstance(terms, Rejected):
        return terms
    hours = terms.conditions.provider_approval_hours
    until = None if hours is None else around.now + dt.timedelta(hours=hours)
    change = Amendment(agreement=terms, effective_on=command.effective_on, agreed=hours is None, until=until)
    return take_up(booking, "amend", side, change, around.now)


def _new_terms(before: Agreement, command: AmendBooking, around: Surroundings) -> Agreement | Rejected:
    if around.listed is None:
        return rejected("unknown_offering", "booking_id", offering=before.offering_id)
    plan_id = command.plan_id or before.plan_id
    plan = plan_of(around.listed.offering, plan_id)
    if plan is None:
        return rejected("unknown_plan", "plan_id", offering=before.offering_id, plan=plan_id)
    if plan.closed_to_new and plan_id != before.plan_id:
        return rejected("plan_closed", "plan_id", plan=plan_id)
    pools: set[str | None] = {pool.pool_id for pool in plan.pools}
    if before.pool_id not in (pools or {None}):
        return rejected("unknown_pool", "plan_id", plan=plan_id, pool=before.pool_id)
    return agree(
        before.booking_id,
        around.consumer,
        around.listed,
        plan,
        before.quantities if command.quantities is None else command.quantities,
        start=before.start,
        end=before.end,
        pool_id=before.pool_id,
        details=before.details if command.details is None else command.details,
        reference=before.reference,
        priced_on=command.effective_on,
    )


def take_up(booking: Booking, trigger: Trigger, by: Actor, change: Amendment, now: dt.datetime) -> Moved:
    """Go on with a change: wait for the provider's yes or for its day, have it set up, or let it hold."""
    progress = booking.progress.model_copy(update={"amendment": change})
    kept = dataclasses.replace(booking, progress=progress)
    told = {"effective_on": change.effective_on}
    due = change.agreed and change.effective_on <= day_of(now) and booking.instance == "active"
    if not due:
        return move(booking, trigger, by, waiting_in(kept, now), now, **told)
    if change.agreement.conditions.provisioning_hours is not None:
        after = to_phase(kept, (booking.state, "updating"), now)
        return move(booking, trigger, by, after, now, **told)
    return apply_change(kept, trigger, by, now, before=booking)


def apply_change(
    booking: Booking,
    trigger: Trigger,
    by: Actor,
    now: dt.datetime,
    *,
    before: Booking | None = None,
    **told: object,
) -> Moved:
    """The new terms hold from now on.

    Raises:
        ValueError: there is no change.
    """
    change = booking.progress.amendment
    if change is None:
        raise ValueError(f"the booking {booking.id} has no change to apply")
    # Notice may have been given meanwhile, and the term renewed.
    terms = change.agreement.model_copy(update={"end": booking.agreement.end})
    progress = booking.progress.model_copy(update={"amendment": None})
    after = to_phase(booking, lifecycle.ACTIVE, now, agreement=terms, progress=progress)
    effective_on = max(change.effective_on, day_of(now))
    before = before or booking
    amended = amended_fact(before, after, effective_on, now)
    return move(before, trigger, by, after, now, amended, effective_on=effective_on, **told)


def drop_change(booking: Booking, trigger: Trigger, by: Actor, now: dt.datetime, **told: object) -> Moved:
    """The old terms stay."""
    progress = booking.progress.model_copy(update={"amendment": None})
    instance = "active" if booking.instance == "updating" else booking.instance
    after = to_phase(booking, (booking.state, instance), now, progress=progress)
    return move(booking, trigger, by, after, now, **told)


def amended_fact(before: Booking, after: Booking, effective_on: dt.date, now: dt.datetime) -> BookingAmended:
    """Tell the new terms."""
    return with_terms(
        BookingAmended,
        after,
        number=before.number + 1,
        effective_on=effective_on,
        plan_changed=after.agreement.plan_id != before.agreement.plan_id,
        amended_at=now,
    )
