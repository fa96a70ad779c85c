"""What becomes of an exact amount: all or nothing, minimum, maximum, and the one rounding of a line."""

from decimal import Decimal
from fractions import Fraction

from allmende.schemas.tariff import AmountRule

from .quantity import rounding_of
from .rounding import commercially, to_cents, to_multiple
from .wording import Money, Told


def settle(rule: AmountRule, exact: Fraction, decimals: int, money: Money) -> tuple[int, Told]:
    """Bring an exact amount to the smallest unit of its currency.

    A credit mirrors a charge: limits hold for what is negative as they hold for what is positive.

    Args:
        rule: what becomes of it.
        exact: in smallest units, before any rounding.
        decimals: of the currency.
        money: how amounts are written.

    Returns:
        The amount, and what the rule changed.
    """
    scale = 10**decimals
    sign, amount = (-1, -exact) if exact < 0 else (1, exact)
    before = commercially(exact.numerator, exact.denominator)
    told: list[Told] = []
    if rule.only_above is not None and 0 < amount <= scale * Fraction(rule.only_above):
        limit = _limit(rule.only_above, scale, money)
        return 0, _calculated(
            money(before),
            [(f"bis {limit[0]} wird nichts erhoben", f"nothing is charged up to {limit[1]}")],
        )
    if rule.at_least is not None and 0 < amount < scale * Fraction(rule.at_least):
        amount = scale * Fraction(rule.at_least)
        told.append(("Mindestbetrag", "minimum charge"))
    if rule.at_most is not None and amount > scale * Fraction(rule.at_most):
        amount = scale * Fraction(rule.at_most)
        told.append(("Höchstbetrag", "maximum charge"))
    if rule.round is not None:
        rounded = to_multiple(amount, scale * Fraction(rule.round.to), rule.round.mode)
        if rounded != amount:
            told.append(rounding_of(rule.round))
        amount = rounded
    return sign * to_cents(amount), _calculated(money(before), told)


def _limit(limit: Decimal, scale: int, money: Money) -> Told:
    return money(to_cents(scale * Fraction(limit)))


def _calculated(before: Told, changes: list[Told]) -> Told:
    if not changes:
        return "", ""
    german, english = ", ".join(change[0] for change in changes), ", ".join(change[1] for change in changes)
    return f" (gerechnet {before[0]}; {german})", f" (calculated {before[1]}; {english})"
