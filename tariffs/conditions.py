"""When something holds: tests of a cost clause over its values, joined by `all` and `any`."""

import datetime as dt
import operator
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from allmende.schemas.clause import Condition, Group, Test

from .values import DATE, MONEY, NUMBER, ONE, Scalar, Unit, Value, single

Values = Mapping[str, Value]


def operand(text: str, values: Values, currency: Unit) -> Value:
    """Find what an operand stands for: a number, money, a value, or one party's part of it.

    Raises:
        KeyError: nothing has the name; a document that was checked has none such.
    """
    if NUMBER.fullmatch(text):
        return single("number", Fraction(text))
    if DATE.fullmatch(text):
        return single("date", dt.date.fromisoformat(text))
    if found := MONEY.fullmatch(text):
        return single("money", currency.smallest(Decimal(found[1])))
    if text in values:
        return values[text]
    name, _, party = text.partition(".")
    value = values[name]
    if value.kind in {"money", "number"}:
        return single(value.kind, value.number(party))
    part = value.of(party)
    return Value(value.kind, {}, each=True) if part is None else single(value.kind, part)


def holds(condition: Condition, values: Values, currency: Unit, party: str = ONE) -> bool:
    """Tell whether a condition holds, for one party where its values have a part for each."""

    def passes(test: Test) -> bool:
        part = operand(test.value, values, currency).of(party)
        return part is not None and _passes(part, test, values, currency, party)

    if condition.when is not None and not all(map(passes, condition.when)):
        return False
    alternatives = condition.when_any
    return alternatives is None or any(all(map(passes, tests)) for tests in alternatives)


def _passes(part: Scalar, test: Test, values: Values, currency: Unit, party: str) -> bool:
    comparison = test.comparison
    if comparison == "one_of":
        return part in (test.one_of or ())
    other = getattr(test, comparison)
    if isinstance(part, bool):
        return part is (other if isinstance(other, bool) else other == "true")
    if isinstance(part, str):
        return bool(part == other)
    limit = operand(other, values, currency).of(party)
    if isinstance(part, Fraction):
        return bool(_COMPARE[comparison](part, limit if isinstance(limit, Fraction) else Fraction(0)))
    return isinstance(limit, dt.date) and bool(_COMPARE[comparison](part, limit))


_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "equals": operator.eq,
    "above": operator.gt,
    "at_least": operator.ge,
    "below": operator.lt,
    "at_most": operator.le,
}


def is_each(condition: Condition, values: Values, currency: Unit) -> bool:
    """Tell whether a condition is asked for every party."""
    return any(operand(test.value, values, currency).each for test in condition.tests)


def members_of(group: Group | None, everybody: list[str], values: Values, currency: Unit) -> list[str]:
    """Find the parties of a group.

    Args:
        group: None for everybody.
        everybody: the parties to choose from, where the group does not name them itself.
        values: what its condition asks about.
        currency: of the clause.
    """
    if group is None:
        return everybody
    named = everybody if group.parties is None else list(group.parties)
    return [
        party
        for party in named
        if party not in (group.without or ()) and holds(group, values, currency, party)
    ]
