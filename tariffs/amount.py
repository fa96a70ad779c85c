"""What becomes of an exact amount: all or nothing, minimum, maximum, and the one rounding of a line."""

from collections.abc import Callable
from fractions import Fraction

from allmende.schemas.tariff import AmountRule

from .quantity import rounding_of
from .rounding import to_cents, to_multiple
from .wording import Money, Told

Settle = Callable[[Fraction], tuple[int, Told]]
"""Brings an exact amount in smallest units to a whole number of them, and says what was changed."""


_UNCHANGED: Told = ("", "")


def settler(rule: AmountRule, decimals: int, money: Money) -> Settle:
    """Prepare what becomes of amounts.

    A credit mirrors a charge: limits hold for what is negative as they hold for what is positive.

    Args:
        rule: what becomes of them.
        decimals: of the currency.
        money: how amounts are written.
    """
    scale = 10**decimals
    only_above, at_least, at_most = (
        None if limit is None else scale * Fraction(limit)
        for limit in (rule.only_above, rule.at_least, rule.at_most)
    )
    to = None if rule.round is None else scale * Fraction(rule.round.to)
    rounded_how = rounding_of(rule.round) if rule.round is not None else _UNCHANGED

    def settle(exact: Fraction) -> tuple[int, Told]:
        sign, amount = (-1, -exact) if exact < 0 else (1, exact)
        told: list[Told] = []
        if only_above is not None and 0 < amount <= only_above:
            german, english = money(to_cents(only_above))
            told.append((f"bis {german} wird nichts erhoben", f"nothing is charged up to {english}"))
            return 0, _calculated(money(to_cents(exact)), told)
        if at_least is not None and 0 < amount < at_least:
            amount = at_least
            told.append(("Mindestbetrag", "minimum charge"))
        if at_most is not None and amount > at_most:
            amount = at_most
            told.append(("Höchstbetrag", "maximum charge"))
        if rule.round is not None and to is not None:
            rounded = to_multiple(amount, to, rule.round.mode)
            if rounded != amount:
                told.append(rounded_how)
            amount = rounded
        return sign * to_cents(amount), _calculated(money(to_cents(exact)), told) if told else _UNCHANGED

    return settle


def _calculated(before: Told, changes: list[Told]) -> Told:
    german, english = ", ".join(change[0] for change in changes), ", ".join(change[1] for change in changes)
    return f" (gerechnet {before[0]}; {german})", f" (calculated {before[1]}; {english})"
