"""What a command of either side does to a booking: it goes where the table leads, or is refused."""

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from allmende.schemas.brokerage import (
    AcceptBooking,
    Actor,
    Agreement,
    AmendBooking,
    ApproveBooking,
    BookingAmended,
    BookingChanged,
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
from allmende.schemas.contract import Contract
from allmende.schemas.money import plain
from allmende.schemas.rejections import Rejected, rejected

from . import lifecycle
from .booking import (
    Amendment,
    Booking,
    CapacityKey,
    Consumer,
    LineKey,
    Listed,
    agree,
    enter,
    is_confirmed,
    plan_of,
    pool_of,
    refuse_consumer,
    shortage,
    through_gates,
    told_of,
    waiting_in,
    with_terms,
)
from .lifecycle import Phase
from .term import day_of, earliest_end

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


@dataclasses.dataclass(frozen=True)
class Moved:
    """A booking after a move, and what is told of it, the most telling first."""

    booking: Booking
    facts: tuple[Contract, ...]


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What a decision depends on beside the booking.

    Attributes:
        free: what is left of every limited quantity.
        waiting: how many wait in each line.
        listed: the offering as it is now, where a new agreement is made: for an accepted interest, for
            changes of plan or quantity.
        consumer: the consumer with its classes.
        earliest: how far back a start may lie.
    """

    now: dt.datetime
    free: Mapping[CapacityKey, Decimal]
    waiting: Mapping[LineKey, int]
    listed: Listed | None
    consumer: Consumer
    earliest: dt.date = dt.date.min


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


def move(
    before: Booking,
    trigger: Trigger,
    by: Actor,
    after: Booking,
    now: dt.datetime,
    *facts: Contract,
    **told: object,
) -> Moved:
    """Make a move and tell it.

    Raises:
        ValueError: the table of transitions has no such way; a rule is wrong.
    """
    row = lifecycle.find(trigger, by, before.phase)
    if row is None or after.phase not in row.targets:
        way = f"{lifecycle.name_of(before.phase)} to {lifecycle.name_of(after.phase)}"
        raise ValueError(f"{trigger} by {by} does not lead from {way}")
    after = dataclasses.replace(after, number=before.number + 1)
    agreement = after.agreement
    changed = BookingChanged.model_validate(
        {
            "booking_id": agreement.booking_id,
            "offering_id": agreement.offering_id,
            "provider": agreement.provider,
            "consumer": agreement.consumer,
            "number": after.number,
            "trigger": trigger,
            "by": by,
            "state": after.state,
            "instance": after.instance,
            "waits_for": after.waits_for,
            "until": after.act_by,
            "end": agreement.end,
            "changed_at": now,
            **told,
        }
    )
    return Moved(after, (*facts, changed))


def to_phase(booking: Booking, phase: Phase, now: dt.datetime, **changes: object) -> Booking:
    """Put a booking into a phase and start its time limit."""
    state, instance = phase
    moved = dataclasses.replace(booking, state=state, instance=instance, **changes)  # type: ignore[arg-type]
    return waiting_in(moved, now)


def confirmed_or_waiting(
    before: Booking, trigger: Trigger, by: Actor, after: Booking, now: dt.datetime
) -> Moved:
    """Tell a booking that went through a gate: confirmed with its terms, or waiting for the next."""
    facts = (
        (told_of(dataclasses.replace(after, number=before.number + 1), now),) if is_confirmed(after) else ()
    )
    return move(before, trigger, by, after, now, *facts)


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


# -- setting up, changing, taking down ----------------------------------------------------------


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


def down(booking: Booking) -> Phase:
    """Where a booking is whose service was taken down."""
    if booking.state == "pending_cancellation":
        return lifecycle.UNDONE
    return lifecycle.TERMINATED if booking.state == "completed" else lifecycle.PARTLY_TERMINATED


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


# -- changes of quantity and plan ---------------------------------------------------------------


def _amend(booking: Booking, side: Side, command: AmendBooking, around: Surroundings) -> Moved | Rejected:
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
    AmendBooking: _amend,
    TerminateBooking: _terminate,
}
