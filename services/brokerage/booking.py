"""Bookings: what one is, when the clock moves it, and who must act until when."""

import dataclasses
import datetime as dt
from collections.abc import Callable
from typing import TypeVar, cast

from allmende.schemas.brokerage import Agreement, BookingState, InstanceState, Side
from allmende.schemas.conditions import Hours
from allmende.schemas.contract import Contract
from allmende.schemas.identifiers import Day, Instant

from . import lifecycle
from .lifecycle import Phase
from .term import day_of, end_of, start_of

LineKey = tuple[str, str, str]
"""Offering, plan, pool: where one waits in line."""

INTEREST_DAYS = 90
ASSESSING_HOURS = 72
"""How long a provider may think about a cancellation."""


class Amendment(Contract):
    """A change of quantities or plan on its way.

    Attributes:
        agreed: the provider has said yes, or need not.
        until: the provider's time limit while it has not.
    """

    agreement: Agreement
    effective_on: Day
    agreed: bool
    until: Instant | None = None


class Progress(Contract):
    """What is remembered of a booking beside its terms."""

    wait_until: Day | None = None
    own_approval_hours: Hours | None = None
    notice_given: bool = False
    suspended_by: Side | None = None
    amendment: Amendment | None = None


NOTHING_SPECIAL = Progress()


@dataclasses.dataclass(frozen=True, slots=True)
class Booking:
    """A booking as it stands.

    Attributes:
        number: how often it was changed.
        waits_for: who must act until `until`.
    """

    agreement: Agreement
    state: BookingState
    instance: InstanceState | None = None
    number: int = 0
    waits_for: Side | None = None
    until: dt.datetime | None = None
    progress: Progress = NOTHING_SPECIAL

    @property
    def id(self) -> str:
        """Its id."""
        return self.agreement.booking_id

    @property
    def phase(self) -> Phase:
        """Where it stands in the table of transitions."""
        return self.state, self.instance

    @property
    def line(self) -> LineKey:
        """Where it would wait in line."""
        return self.agreement.offering_id, self.agreement.plan_id, self.agreement.pool_id or ""

    @property
    def act_by(self) -> dt.datetime | None:
        """Until when `waits_for` must act."""
        if self.waits_for is None:
            return None
        amendment = self.progress.amendment
        return self.until or (amendment.until if amendment is not None else None)

    @property
    def due(self) -> dt.datetime | None:
        """The moment at which the clock moves it, if nobody does before."""
        moments = [] if self.until is None else [self.until]
        if self.instance in {"active", "updating", "suspended"} and self.agreement.end is not None:
            moments.append(end_of(self.agreement.end))
        amendment = self.progress.amendment
        if amendment is not None and amendment.until is not None:
            moments.append(amendment.until)
        if amendment is not None and amendment.agreed and self.instance == "active":
            moments.append(start_of(amendment.effective_on))
        return min(moments, default=None)


def is_confirmed(booking: Booking) -> bool:
    """Whether both sides are bound."""
    return booking.phase in {lifecycle.ACKNOWLEDGED, lifecycle.CREATING, lifecycle.ACTIVE}


def waiting_in(booking: Booking, now: dt.datetime) -> Booking:  # noqa: C901 - one case for each phase
    """Say who must act in the phase a booking has come to, and until when. Nothing waits without an end."""
    agreement, conditions = booking.agreement, booking.agreement.conditions
    waits_for: Side | None = None
    until: dt.datetime | None = None
    match booking.phase:
        case lifecycle.INTERESTED:
            waits_for, until = "consumer", now + dt.timedelta(days=INTEREST_DAYS)
        case lifecycle.HELD:
            until = end_of(booking.progress.wait_until or day_of(now))
        case lifecycle.OFFERED:
            waits_for, until = "consumer", now + dt.timedelta(hours=conditions.offer_hours)
        case lifecycle.PENDING_CONSUMER:
            waits_for, until = "consumer", now + _hours(booking.progress.own_approval_hours)
        case lifecycle.PENDING_PROVIDER:
            waits_for, until = "provider", now + _hours(conditions.provider_approval_hours)
        case lifecycle.ACKNOWLEDGED:
            until = start_of(agreement.start)
        case lifecycle.CREATING:
            begins = max(now, start_of(agreement.start))
            waits_for, until = "provider", begins + _hours(conditions.provisioning_hours)
        case lifecycle.ASSESSING:
            waits_for, until = "provider", now + dt.timedelta(hours=ASSESSING_HOURS)
        case (_, "updating"):
            waits_for, until = "provider", now + _hours(conditions.provisioning_hours)
        case (_, "terminating"):
            waits_for, until = "provider", now + _hours(conditions.dismantling_hours)
        case (_, "active" | "suspended") if (change := booking.progress.amendment) and not change.agreed:
            # The change has its own time limit, kept with it.
            return dataclasses.replace(booking, waits_for="provider", until=None)
        case _:
            pass
    return dataclasses.replace(booking, waits_for=waits_for, until=until)


def _hours(number: int | None) -> dt.timedelta:
    return dt.timedelta(hours=number or 0)


F = TypeVar("F", bound=Agreement)


def with_terms(fact: type[F], booking: Booking, **more: object) -> F:
    """A fact that carries all terms of a booking. Its parts were validated on their way in."""
    construct = cast("Callable[..., F]", fact.model_construct)
    return construct(**booking.agreement.__dict__, **more)
