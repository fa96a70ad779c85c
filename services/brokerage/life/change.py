"""What a command of either side does to a booking: it goes where the table leads, or is refused."""

import dataclasses
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from allmende.schemas.brokerage import (
    AcceptBooking,
    Agreement,
    AmendBooking,
    ApproveBooking,
    CancelBooking,
    ConcedeCancellation,
    DeclineBooking,
    ReportProgress,
    ResumeBooking,
    Side,
    SuspendBooking,
    TerminateBooking,
    Trigger,
)
from allmende.schemas.money import plain
from allmende.schemas.rejections import Rejected, rejected

from .. import lifecycle
from ..booking import Booking, is_confirmed, waiting_in
from ..capacity.reservation import shortage
from ..term import day_of, earliest_end
from .amendment import amend, amended_fact, apply_change, drop_change, take_up
from .move import Moved, Surroundings, confirmed_or_waiting, down, move, to_phase
from .request import enter, plan_of, pool_of, refuse_consumer, through_gates

Command = (
    AcceptBooking
    | ApproveBooking
    | DeclineBooking
    | CancelBooking
    | ConcedeCancellation
    | ReportProgress
    | SuspendBooking
    | ResumeBooking
    | AmendBooking
    | TerminateBooking
)
"""The commands that move a booking."""


def decide(booking: Booking, side: Side, command: Command, around: Surroundings) -> Moved | Rejected:
    """Decide one command about an existing booking.

    Args:
        booking: as it stands.
        side: which party the sender is.
        command: what it wants.
        around: what else matters.
    """
    trigger = trigger_of(command)
    if lifecycle.find(trigger, side, booking.phase) is None:
        state = lifecycle.name_of(booking.phase)
        return rejected("not_now", "booking_id", state=state, action=trigger)
    moved = _DECISIONS[type(command)](booking, side, command, around)
    refusal = moved if isinstance(moved, Rejected) else shortage(moved.booking, booking, around.free)
    if refusal is None:
        return moved
    # What stood in the request may not stand in this command.
    known = refusal.field.split(".")[0] in type(command).model_fields
    return refusal if known else dataclasses.replace(refusal, field="booking_id")


def trigger_of(command: Command) -> Trigger:
    """The trigger by which the table of transitions knows a command."""
    if isinstance(command, ReportProgress):
        return command.step
    return _TRIGGERS[type(command)]


# -- before the contract ------------------------------------------------------------------------


def _accept(booking: Booking, side: Side, command: AcceptBooking, around: Surroundings) -> Moved | Rejected:
    del command
    if booking.state == "offered":  # capacity is reserved for it already
        return confirmed_or_waiting(booking, "accept", side, through_gates(booking, around.now), around.now)
    if refusal := _refuse_interest(booking.agreement, around):
        return refusal
    entered = enter(booking, around.free, around.waiting, around.now)
    if isinstance(entered, Rejected):
        return entered
    return confirmed_or_waiting(booking, "accept", side, entered, around.now)


def _refuse_interest(terms: Agreement, around: Surroundings) -> Rejected | None:
    """What was possible when the interest was stated may be so no more."""
    if around.listed is None:
        return rejected("unknown_offering", "booking_id", offering=terms.offering_id)
    if refusal := refuse_consumer(around.listed, around.consumer):
        return refusal
    plan = plan_of(around.listed.offering, terms.plan_id)
    if plan is None or plan.closed_to_new:
        return rejected("plan_closed", "booking_id", plan=terms.plan_id)
    if terms.start < around.earliest:
        return rejected("starts_too_early", "booking_id", start=terms.start, earliest=around.earliest)
    pool = pool_of(plan, terms.pool_id, terms.start, around.now)
    return pool if isinstance(pool, Rejected) else None


def _approve(booking: Booking, side: Side, command: ApproveBooking, around: Surroundings) -> Moved | Rejected:
    del command
    if booking.instance is None:
        return confirmed_or_waiting(booking, "approve", side, through_gates(booking, around.now), around.now)
    change = booking.progress.amendment
    if change is None or change.agreed:
        return rejected("nothing_to_decide", "booking_id")
    agreed = change.model_copy(update={"agreed": True, "until": None})
    return take_up(booking, "approve", side, agreed, around.now)


def _decline(booking: Booking, side: Side, command: DeclineBooking, around: Surroundings) -> Moved | Rejected:
    if booking.phase == lifecycle.ASSESSING:
        return move(
            booking,
            "decline",
            side,
            to_phase(booking, lifecycle.CREATING, around.now),
            around.now,
            reason=command.reason,
        )
    if booking.instance is not None:
        change = booking.progress.amendment
        if change is None or change.agreed:
            return rejected("nothing_to_decide", "booking_id")
        return drop_change(booking, "decline", side, around.now, reason=command.reason)
    phase = lifecycle.REJECTED if side == "provider" else lifecycle.CANCELLED
    return move(
        booking, "decline", side, to_phase(booking, phase, around.now), around.now, reason=command.reason
    )


def _cancel(booking: Booking, side: Side, command: CancelBooking, around: Surroundings) -> Moved | Rejected:
    now = around.now
    if booking.instance in {"active", "suspended"}:
        if booking.progress.amendment is None:
            return rejected("nothing_to_decide", "booking_id")
        return drop_change(booking, "cancel", side, now, reason=command.reason)
    # Nothing was agreed yet, so nothing is owed.
    bound = is_confirmed(booking)
    owed = command.compensation_cents if bound else 0
    phase = lifecycle.CANCELLED
    if booking.phase == lifecycle.CREATING:
        phase = lifecycle.ASSESSING if side == "consumer" else lifecycle.UNDONE
        owed = owed if side == "provider" else 0  # the provider names what a cancellation costs
    sign = 1 if side == "consumer" else -1
    after = to_phase(booking, phase, now)
    return move(booking, "cancel", side, after, now, reason=command.reason, compensation_cents=sign * owed)


def _concede(
    booking: Booking, side: Side, command: ConcedeCancellation, around: Surroundings
) -> Moved | Rejected:
    to_be_undone = booking.agreement.conditions.dismantling_hours is not None
    phase = lifecycle.UNDOING if to_be_undone else lifecycle.UNDONE
    return move(
        booking,
        "concede",
        side,
        to_phase(booking, phase, around.now),
        around.now,
        reason=command.reason,
        compensation_cents=command.compensation_cents,
    )


# -- setting up, interrupting, ending -----------------------------------------------------------


def _report(booking: Booking, side: Side, command: ReportProgress, around: Surroundings) -> Moved | Rejected:
    now = around.now
    told: dict[str, Any] = {"milestone": command.milestone, "note": command.note}
    match command.step:
        case "accepted" | "milestone":
            return move(booking, command.step, side, waiting_in(booking, now), now, **told)
        case "active" if booking.instance == "updating":
            return apply_change(booking, "active", side, now, **told)
        case "active":
            return move(booking, "active", side, to_phase(booking, lifecycle.ACTIVE, now), now, **told)
        case "partial":
            return _deliver_partly(booking, side, command, around)
        case "failed" if booking.instance == "updating":
            return drop_change(booking, "failed", side, now, **told)
        case "failed":
            return move(booking, "failed", side, to_phase(booking, lifecycle.FAILED, now), now, **told)
        case "dismantled":
            return move(booking, "dismantled", side, to_phase(booking, down(booking), now), now, **told)


def _deliver_partly(
    booking: Booking, side: Side, command: ReportProgress, around: Surroundings
) -> Moved | Rejected:
    ordered, delivered = booking.agreement.quantities, command.delivered or {}
    for name, amount in delivered.items():
        if amount > ordered.get(name, Decimal(0)):
            value, most = plain(amount), plain(ordered.get(name, Decimal(0)))
            return rejected("delivered_more", f"delivered.{name}", quantity=name, value=value, ordered=most)
    reduced = booking.agreement.model_copy(update={"quantities": delivered})
    after = to_phase(booking, lifecycle.PARTLY_ACTIVE, around.now, agreement=reduced)
    amended = amended_fact(booking, after, booking.agreement.start, around.now)
    return move(
        booking,
        "partial",
        side,
        after,
        around.now,
        amended,
        note=command.note,
        delivered=delivered,
        effective_on=booking.agreement.start,
    )


def _suspend(booking: Booking, side: Side, command: SuspendBooking, around: Surroundings) -> Moved:
    progress = booking.progress.model_copy(update={"suspended_by": side})
    after = to_phase(booking, (booking.state, "suspended"), around.now, progress=progress)
    return move(booking, "suspend", side, after, around.now, reason=command.reason)


def _resume(booking: Booking, side: Side, command: ResumeBooking, around: Surroundings) -> Moved | Rejected:
    del command
    if booking.progress.suspended_by != side:
        return rejected("suspended_by_other", "booking_id")
    progress = booking.progress.model_copy(update={"suspended_by": None})
    after = to_phase(booking, (booking.state, "active"), around.now, progress=progress)
    return move(booking, "resume", side, after, around.now)


def _terminate(
    booking: Booking, side: Side, command: TerminateBooking, around: Surroundings
) -> Moved | Rejected:
    agreement = booking.agreement
    ends_anyway = agreement.end is not None and agreement.conditions.renewal_months is None
    earliest = earliest_end(agreement, day_of(around.now))
    last_day = command.on or earliest
    if booking.progress.notice_given or (
        ends_anyway and agreement.end is not None and last_day >= agreement.end
    ):
        return rejected("notice_given", "on", end=agreement.end)
    if last_day < earliest:
        return rejected("notice_too_short", "on", earliest=earliest)
    after = dataclasses.replace(
        booking,
        agreement=agreement.model_copy(update={"end": last_day}),
        progress=booking.progress.model_copy(update={"notice_given": True}),
    )
    return move(booking, "terminate", side, after, around.now, reason=command.reason)


_TRIGGERS: dict[type[Command], Trigger] = {
    AcceptBooking: "accept",
    ApproveBooking: "approve",
    DeclineBooking: "decline",
    CancelBooking: "cancel",
    ConcedeCancellation: "concede",
    SuspendBooking: "suspend",
    ResumeBooking: "resume",
    AmendBooking: "amend",
    TerminateBooking: "terminate",
}

_DECISIONS: dict[type[Command], Callable[..., Moved | Rejected]] = {
    AcceptBooking: _accept,
    ApproveBooking: _approve,
    DeclineBooking: _decline,
    CancelBooking: _cancel,
    ConcedeCancellation: _concede,
    ReportProgress: _report,
    SuspendBooking: _suspend,
    ResumeBooking: _resume,
    AmendBooking: amend,
    TerminateBooking: _terminate,
}
