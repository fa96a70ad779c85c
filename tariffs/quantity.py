"""How a measured quantity becomes the quantity that is priced: rounding, minimum, allowance."""

import dataclasses
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction

from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.tariff import Included, QuantityRule, Rounding

from .rounding import to_integer
from .wording import EXACT, Number, Told, both, short

Quantities = Mapping[str, Decimal]

_ROUNDED = {
    "up": ("aufgerundet", "rounded up"),
    "down": ("abgerundet", "rounded down"),
    "nearest": ("gerundet", "rounded"),
    "half_even": ("gerundet zur geraden Ziffer", "rounded half to even"),
}
_TAKEN = {
    "sum": ("Summe", "sum"),
    "max": ("Maximum", "maximum"),
    "min": ("Minimum", "minimum"),
    "mean": ("Mittel", "mean"),
    "last": ("letzter Wert", "last value"),
    "count": ("Anzahl der Datensätze", "number of records"),
    "hours": ("Menge mal Stunden", "quantity times hours"),
}
_WINDOW = {
    "hour": ("je Stunde", "of each hour"),
    "day": ("je Tag", "of each day"),
    "month": ("je Monat", "of each month"),
    "quarter": ("je Quartal", "of each quarter"),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Billable:
    """A quantity to be priced.

    Attributes:
        story_de: how it came from what was measured, with the unit; `story_en` in English.
    """

    quantity: Number
    story_de: str
    story_en: str


Reader = Callable[[Number, Quantities, Decimal | None], Billable | Rejected]


def reader(rule: QuantityRule | None, unit: str, name: str) -> Reader:
    """Prepare a rule.

    A quantity of nothing is neither lifted to the minimum nor refused, and an allowance takes nothing off
    what is negative.

    Returns:
        What reads a quantity, with the order's quantities, and the part of a shared allowance where that is
        decided for all who share it.
    """
    if rule is None:
        return lambda quantity, _order, _part: _as_it_is(quantity, unit)
    measured = reading_of(rule)
    rounding = rule.round if rule.round is not None and rule.round.each == "total" else None
    rounded_how = rounding_of(rounding) if rounding is not None else ("", "")
    about = (f" ({measured[0]})", f" ({measured[1]})") if measured else ("", "")

    def read(quantity: Number, order: Quantities, part: Decimal | None) -> Billable | Rejected:
        german, english = both(quantity)
        german, english = f"{german} {unit}{about[0]}", f"{english} {unit}{about[1]}"
        if rounding is not None:
            rounded = multiple(quantity, rounding)
            if rounded != quantity:
                german, english = _step((german, english), rounded, unit, rounded_how)
                quantity = rounded
        if rule.at_least is not None and 0 < quantity < rule.at_least:
            if rule.below == "refuse":
                limit = short(rule.at_least)
                return rejected(
                    "below_minimum", f"quantities.{name}", quantity=name, value=short(quantity), limit=limit
                )
            quantity = rule.at_least
            how = "Mindestmenge", "minimum quantity"
            german, english = _step((german, english), quantity, unit, how)
        if rule.included is not None and quantity > 0:
            free = part if part is not None else allowance(rule.included, order)
            quantity, told = _less(quantity, free, unit)
            german, english = german + told[0], english + told[1]
        return Billable(quantity, german, english)

    return read


def _as_it_is(quantity: Number, unit: str) -> Billable:
    text = short(quantity)
    return Billable(quantity, f"{text.replace('.', ',')} {unit}", f"{text} {unit}")


def allowance(included: Included, order: Quantities) -> Decimal:
    """What costs nothing in a period: of a shared one, what all together may use."""
    if included.for_each is None:
        return included.quantity
    return EXACT.multiply(included.quantity, order.get(included.for_each, Decimal(0)))


def multiple(quantity: Number, rounding: Rounding) -> Decimal:
    """Round a quantity to a multiple."""
    numerator, denominator = quantity.as_integer_ratio()
    to_numerator, to_denominator = rounding.to.as_integer_ratio()
    count = to_integer(numerator * to_denominator, denominator * to_numerator, rounding.mode)
    return EXACT.multiply(Decimal(count), rounding.to)


def rounding_of(rounding: Rounding) -> Told:
    """Say how something is rounded."""
    german, english = _ROUNDED[rounding.mode]
    to_de, to_en = both(rounding.to)
    return f"{german} auf {to_de}", f"{english} to {to_en}"


def reading_of(rule: QuantityRule) -> Told | None:
    """Say how usage records became one quantity; None where they were added up."""
    parts: list[Told] = []
    if rule.round is not None and rule.round.each == "record":
        german, english = rounding_of(rule.round)
        parts.append((f"jeder Datensatz {german}", f"each record {english}"))
    if rule.window is not None and rule.window_take is not None:
        (window_de, window_en), (taken_de, taken_en) = _WINDOW[rule.window], _taken(rule, rule.window_take)
        parts.append((f"{taken_de} {window_de}", f"{taken_en} {window_en}"))
    if rule.window is not None or rule.take != "sum":
        german, english = _taken(rule, rule.take)
        parts.append((f"davon {german}", f"of these the {english}") if rule.window else (german, english))
    if not parts:
        return None
    return "; ".join(part[0] for part in parts), "; ".join(part[1] for part in parts)


def _taken(rule: QuantityRule, take: str) -> Told:
    if take == "percentile" and rule.percentile is not None:
        german, english = both(rule.percentile)
        return f"Perzentil {german}", f"percentile {english}"
    return _TAKEN[take]


def _step(told: Told, quantity: Number, unit: str, how: Told) -> Told:
    german, english = both(quantity)
    return f"{told[0]} → {german} {unit} ({how[0]})", f"{told[1]} → {english} {unit} ({how[1]})"


def _less(quantity: Number, free: Decimal, unit: str) -> tuple[Number, Told]:
    used: Number = min(free, quantity)
    rest = _difference(quantity, used)
    (used_de, used_en), (rest_de, rest_en) = both(used), both(rest)
    of_de, of_en = "", ""
    if used != free:
        free_de, free_en = both(free)
        of_de, of_en = f" von {free_de}", f" of {free_en}"
    return rest, (
        f" − {used_de}{of_de} {unit} frei = {rest_de} {unit}",
        f" − {used_en}{of_en} {unit} included = {rest_en} {unit}",
    )


def _difference(quantity: Number, less: Number) -> Number:
    if isinstance(quantity, Decimal) and isinstance(less, Decimal):
        return EXACT.subtract(quantity, less)
    return Fraction(quantity) - Fraction(less)
