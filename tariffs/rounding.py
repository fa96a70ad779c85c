"""How exact amounts become integer cents: one line at a time, or a whole to be shared out."""

from collections.abc import Mapping
from fractions import Fraction


def to_cents(amount: Fraction) -> int:
    """Round an exact amount in cents commercially: half a cent goes away from zero (DIN 1333).

    A line is rounded once, at its end.
    """
    doubled = 2 * abs(amount)
    cents = (doubled.numerator + doubled.denominator) // (2 * doubled.denominator)
    return cents if amount >= 0 else -cents


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
    sign, amount = (-1, -total_cents) if total_cents < 0 else (1, total_cents)
    exact = {name: amount * weight / whole for name, weight in weights.items()}
    cents = {name: share.numerator // share.denominator for name, share in exact.items()}
    left = amount - sum(cents.values())
    ranking = sorted(exact, key=lambda name: (cents[name] - exact[name], -weights[name], name))
    for name in ranking[:left]:
        cents[name] += 1
    return {name: sign * cents[name] for name in weights}
