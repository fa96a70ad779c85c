"""How an amount is shared by weights within caps and floors, exactly, and who gets the units left over."""

import dataclasses
from collections.abc import Mapping
from fractions import Fraction

from allmende.schemas.rejections import Rejected, rejected

from .rounding import apportion


@dataclasses.dataclass(frozen=True)
class Allotment:
    """What one party bears.

    Attributes:
        amount: in the smallest unit of the currency.
        exact: before rounding.
        limit: `cap` or `floor` where one of them decided.
        extra: units added to the whole ones of the exact share, since its remainder was among the largest, or
            because the party takes what is left over.
    """

    amount: int
    exact: Fraction
    limit: str | None = None
    extra: int = 0


@dataclasses.dataclass(frozen=True)
class Bounds:
    """What no share may exceed or fall below, in the smallest unit; not everybody needs one."""

    caps: Mapping[str, Fraction] = dataclasses.field(default_factory=dict)
    floors: Mapping[str, Fraction] = dataclasses.field(default_factory=dict)
    redistribute: bool = True


NO_BOUNDS = Bounds()


def allot(
    amount: int,
    weights: Mapping[str, Fraction],
    bounds: Bounds = NO_BOUNDS,
    *,
    unit: int = 1,
    remainder: str | None = None,
) -> dict[str, Allotment] | Rejected:
    """Share an amount by weights.

    Within caps and floors everybody bears the same multiple of its weight, held at its cap or floor: what a
    cap cuts off is borne by the others in the ratio of their weights, and what a floor adds relieves them.
    This is one solution, whatever the order in which it is looked for. The shares sum to the amount, unless
    what caps cut off is to stay over.

    Args:
        amount: in the smallest unit; a negative one (a credit) is shared as the positive one, mirrored.
        weights: by party, not negative.
        bounds: of the unsigned shares.
        unit: shares are multiples of so many smallest units.
        remainder: who takes everything that rounding down leaves, instead of the largest remainders.
    """
    if not any(weight > 0 for weight in weights.values()):
        return rejected("nobody_to_share", amount=amount)
    sign, unsigned = (-1, -amount) if amount < 0 else (1, amount)
    exact = _within(unsigned, weights, bounds)
    if isinstance(exact, Rejected):
        return exact
    total = sum(exact.values(), Fraction(0))
    shared = int(total) if total.denominator == 1 else _whole(total)
    rounded = _rounded(shared, exact, weights, unit, remainder)
    return {
        party: Allotment(
            sign * rounded[party],
            sign * exact[party],
            _limit(party, exact[party], bounds),
            rounded[party] - exact[party].__floor__() // unit * unit,
        )
        for party in rounded
        if party in exact
    } | {
        party: Allotment(sign * rounded[party], Fraction(0), None, rounded[party])
        for party in rounded
        if party not in exact and rounded[party]
    }


def _whole(total: Fraction) -> int:
    return total.numerator // total.denominator


def _limit(party: str, exact: Fraction, bounds: Bounds) -> str | None:
    if party in bounds.caps and exact == bounds.caps[party]:
        return "cap"
    return "floor" if party in bounds.floors and exact == bounds.floors[party] else None


def _within(amount: int, weights: Mapping[str, Fraction], bounds: Bounds) -> dict[str, Fraction] | Rejected:
    """Find the level at which everybody's clamped multiple of its weight sums to the amount."""
    floors = {party: bounds.floors.get(party, Fraction(0)) for party in weights}
    caps = {party: bounds.caps[party] for party in weights if party in bounds.caps}
    if any(cap < floors[party] for party, cap in caps.items()):
        return rejected("cap_below_floor", party=next(p for p, cap in caps.items() if cap < floors[p]))
    if sum(floors.values()) > amount:
        return rejected("floors_above_amount", amount=amount, floors=int(sum(floors.values())))
    if not bounds.redistribute:
        level = amount / sum(weights.values(), Fraction(0))
        found = {party: max(level * weight, floors[party]) for party, weight in weights.items()}
        return {party: min(share, caps.get(party, share)) for party, share in found.items()}
    reach = sum(caps.get(party, Fraction(0)) for party in weights)
    if all(party in caps for party, weight in weights.items() if weight) and reach < amount:
        return rejected("caps_below_amount", amount=amount, caps=int(reach))
    level = _level(Fraction(amount), weights, floors, caps)
    return {
        party: min(max(level * weight, floors[party]), caps.get(party, max(level * weight, floors[party])))
        for party, weight in weights.items()
    }


def _level(
    amount: Fraction,
    weights: Mapping[str, Fraction],
    floors: Mapping[str, Fraction],
    caps: Mapping[str, Fraction],
) -> Fraction:
    """Walk over the levels at which somebody reaches its floor or cap; between them the sum is linear."""
    turns = sorted(
        {
            bound / weights[party]
            for limits in (floors, caps)
            for party, bound in limits.items()
            if weights[party] > 0
        }
        | {Fraction(0)}
    )

    def held(level: Fraction) -> tuple[Fraction, Fraction]:
        fixed, moving = Fraction(0), Fraction(0)
        for party, weight in weights.items():
            share = level * weight
            if party in caps and share >= caps[party]:
                fixed += caps[party]
            elif share < floors[party] or not weight:
                fixed += floors[party]
            else:
                moving += weight
        return fixed, moving

    for lower, upper in zip(turns, [*turns[1:], None], strict=True):
        fixed, moving = held(lower)
        if moving and (upper is None or fixed + upper * moving >= amount):
            return (amount - fixed) / moving
        if not moving and fixed >= amount:
            return lower
    return turns[-1]


def _rounded(
    amount: int,
    exact: Mapping[str, Fraction],
    weights: Mapping[str, Fraction],
    unit: int,
    remainder: str | None,
) -> dict[str, int]:
    """Bring exact shares to multiples of the unit; what makes no full one follows the remainder rule too."""
    if remainder is not None:
        whole = {party: share.__floor__() // unit * unit for party, share in exact.items()}
        whole[remainder] = whole.get(remainder, 0) + amount - sum(whole.values())
        return whole
    units, broken = divmod(amount, unit)
    scaled = {party: share / unit for party, share in exact.items()}
    if not broken:
        return {party: count * unit for party, count in apportion(units, scaled, weights).items()}
    # One party more than there are full units for gets the broken one: the next in the same ranking.
    with_broken = apportion(units + 1, scaled, weights)
    without = apportion(units, scaled, weights)
    rounded = {party: count * unit for party, count in without.items()}
    last = next(party for party in with_broken if with_broken[party] != without[party])
    rounded[last] += broken
    return rounded
