"""What bookings hold: how much a move takes from what is left, or gives back."""

from collections.abc import Mapping
from decimal import Decimal

from allmende.schemas.brokerage import Agreement
from allmende.schemas.money import plain
from allmende.schemas.rejections import Rejected, rejected

from .. import lifecycle
from ..booking import Booking

CapacityKey = tuple[str, str, str, str]
"""Offering, plan, pool (empty where the plan has none), order quantity."""


def reserved(booking: Booking | None) -> dict[CapacityKey, Decimal]:
    """What a booking holds of every order quantity, limited or not; of a change, the greater of both."""
    if booking is None or booking.phase in lifecycle.WITHOUT_CAPACITY:
        return {}
    held = _ordered(booking.agreement)
    if booking.progress.amendment is not None:
        for key, amount in _ordered(booking.progress.amendment.agreement).items():
            held[key] = max(amount, held.get(key, amount))
    return held


def _ordered(agreement: Agreement) -> dict[CapacityKey, Decimal]:
    offering, plan, pool = agreement.offering_id, agreement.plan_id, agreement.pool_id or ""
    return {(offering, plan, pool, name): amount for name, amount in agreement.quantities.items() if amount}


def difference(before: Booking | None, after: Booking) -> dict[CapacityKey, Decimal]:
    """What a move takes from the free capacity; negative where it gives back."""
    old, new = reserved(before), reserved(after)
    if not old:
        return new
    changed = {key: new.get(key, Decimal(0)) - old.get(key, Decimal(0)) for key in {**old, **new}}
    return {key: amount for key, amount in changed.items() if amount}


def shortage(after: Booking, before: Booking | None, free: Mapping[CapacityKey, Decimal]) -> Rejected | None:
    """Refuse what is more than what is left."""
    for key, amount in difference(before, after).items():
        left = free.get(key)
        if left is not None and amount > 0 and amount > left:
            name = key[3]
            return rejected(
                "no_capacity", f"quantities.{name}", quantity=name, value=plain(amount), free=plain(left)
            )
    return None
