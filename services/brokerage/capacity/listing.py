"""Offerings as the catalogue told them: whether they can be booked, and what they limit."""

import dataclasses
from decimal import Decimal

from allmende.schemas.catalog import Offering

from .reservation import CapacityKey

Availability = str
"""`open`, `paused` or `retired`."""


@dataclasses.dataclass(frozen=True)
class Listed:
    """An offering as the brokerage knows it."""

    offering: Offering
    revision: int
    availability: Availability = "open"


def limits_of(offering: Offering) -> dict[CapacityKey, Decimal]:
    """What there is in all of every quantity that an offering limits."""
    return {
        (offering.offering_id, plan.plan_id, pool, quantity): total
        for plan in offering.plans
        for pool, quantity, total in plan.limited
    }
