"""How exact amounts become integers: one line at a time, to a multiple, or a whole to be shared out."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Literal

Mode = Literal["up", "down", "nearest", "half_even"]


def to_cents(amount: Fraction) -> int:
    """Round an exact amount in cents commercially: half a cent goes away from zero (DIN 1333).

    A line is rounded once, at its end.
    """
    return commercially(amount.numerator, amount.denominator)


def commercially(numerator: int, denominator: int) -> int:
    """Round a fraction to an integer, half away from zero. The denominator is positive."""
    if numerator < 0:
        return -((denominator - 2 * numerator) // (2 * denominator))
    return (2 * numerator + denominator) // (2 * denominator)


def to_integer(numerator: int, denominator: int, mode: Mode) -> int:
    """Round a fraction to an integer; what is negative mirrors what is positive.

    Args:
        numerator: of the fraction.
        denominator: positive.
        mode: `up` is away from zero, `down` towards it; `nearest` and `half_even` differ for halves only.
    """
    if numerator < 0:
        return -to_integer(-numerator, denominator, mode)
    match mode:
        case "up":
            return -(-numerator // denominator)
        case "down":
            return numerator // denominator
        case "nearest":
            return (2 * numerator + denominator) // (2 * denominator)
        case "half_even":
            return round(Fraction(numerator, denominator))


def to_multiple(amount: Fraction, to: Fraction, mode: Mode) -> Fraction:
    """Round to a multiple of a positive number."""
    ratio = amount / to
    return to_integer(ratio.numerator, ratio.denominator, mode) * to


def share_out(total_cents: int, weights: Mapping[str, Fraction]) -> dict[str, int]:
    """Share a total by weights, exact to the cent (largest remainder, Hamilton).

    Everybody gets the whole cents of the exact share; the cents left over go one each to the largest
    remainders. Of equal remainders the larger weight comes first, then the name in code point order, so
    that the result depends on nothing else.

    Args:
        total_cents: what is shared; may be negative (a credit), which mirrors the positive case.
        weights: by name; not negative, with a positive sum.

    Raises:
        ValueError: no weight, or a negative one.
    """
    whole = sum(weights.values(), Fraction(0))
    if whole <= 0 or any(weight < 0 for weight in weights.values()):
        raise ValueError("shares need weights that are not negative and sum to more than zero")
    return apportion(
        total_cents, {name: total_cents * weight / whole for name, weight in weights.items()}, weights
    )


def apportion(total: int, exact: Mapping[str, Fraction], weights: Mapping[str, Fraction]) -> dict[str, int]:
    """Round exact shares of a total to whole units that sum to it, as `share_out` does.

    Args:
        total: in the units of the shares; may be negative.
        exact: the shares, of the sign of the total and summing to it.
        weights: what decides between equal remainders.
    """
    sign, amount = (-1, -total) if total < 0 else (1, total)
    unsigned = {name: sign * share for name, share in exact.items()}
    units = {name: share.numerator // share.denominator for name, share in unsigned.items()}
    left = amount - sum(units.values())
    ranking = sorted(unsigned, key=lambda name: (units[name] - unsigned[name], -weights[name], name))
    for name in ranking[:left]:
        units[name] += 1
    return {name: sign * units[name] for name in exact}
