"""What a quantity comes to by one price: exact, and told tier by tier."""

import dataclasses
from bisect import bisect_left
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.tariff import PerUnit, Tier, Tiered

from .wording import EXACT, Number, Told, both, comma, price_in, short

Exact = tuple[int, int, str, str]
"""Numerator and denominator of an amount in the smallest unit of its currency, and how it came about."""
Formula = Callable[[Number], Exact | Rejected]


@dataclasses.dataclass(frozen=True)
class Setting:
    """In what a price is reckoned.

    Attributes:
        name: what is priced, for refusals.
        scale: smallest units in one unit of the currency: 100 cents.
        factor: what an index makes of unit prices.
        told: what follows the price in a story: the index, the class.
    """

    name: str
    unit: str
    currency: str = "EUR"
    scale: int = 100
    factor: Fraction = Fraction(1)
    told: Told = ("", "")

    def rate(self, amount: Decimal, per: Decimal = Decimal(1)) -> Fraction:
        """Smallest units for one unit."""
        return Fraction(amount) / Fraction(per) * self.scale * self.factor

    def each(self, amount: Decimal, per: Decimal) -> Told:
        """A unit price as it stands in the tariff: `12,00 € je 4 Postfach`."""
        of = f"{short(per)} " if per != 1 else ""
        return (
            f"{price_in(self.currency, amount, 'de')} je {comma(of)}{self.unit}",
            f"{price_in(self.currency, amount, 'en')} per {of}{self.unit}",
        )


def formula(price: PerUnit | Tiered, setting: Setting) -> Formula:
    """Prepare a price, so that many quantities can be priced by it."""
    match price:
        case PerUnit():
            return _linear(price, setting)
        case Tiered():
            return _graduated(price, setting) if price.mode == "graduated" else _volume(price, setting)


def _linear(price: PerUnit, setting: Setting) -> Formula:
    numerator, denominator = setting.rate(price.amount, price.per).as_integer_ratio()
    each, told = setting.each(price.amount, price.per), setting.told
    german, english = f" × {each[0]}{told[0]}", f" × {each[1]}{told[1]}"

    def linear(quantity: Number) -> Exact:
        count, parts = quantity.as_integer_ratio()
        return count * numerator, parts * denominator, german, english

    return linear


def _volume(price: Tiered, setting: Setting) -> Formula:
    rates = [setting.rate(tier.amount, tier.per) for tier in price.tiers]
    flats = [setting.rate(tier.flat) for tier in price.tiers]
    told = [_volume_told(price.tiers, number, setting) for number in range(len(price.tiers))]
    ends = [tier.up_to for tier in price.tiers if tier.up_to is not None]

    def volume(quantity: Number) -> Exact | Rejected:
        number = bisect_left(ends, quantity)
        if quantity < 0 or number == len(rates):
            return _outside(quantity, ends, setting)
        exact = Fraction(quantity) * rates[number] + (flats[number] if quantity else 0)
        return exact.numerator, exact.denominator, *told[number]

    return volume


def _volume_told(tiers: tuple[Tier, ...], number: int, setting: Setting) -> Told:
    tier = tiers[number]
    parts: list[Told] = []
    if tier.amount or not tier.flat:
        german, english = setting.each(tier.amount, tier.per)
        parts.append((f" × {german}", f" × {english}"))
    if tier.flat:
        lead = " + " if parts else ": "
        parts.append(
            (
                f"{lead}{price_in(setting.currency, tier.flat, 'de')} pauschal",
                f"{lead}{price_in(setting.currency, tier.flat, 'en')} flat",
            )
        )
    above = tiers[number - 1].up_to if number else None
    german, english = _range(above, tier.up_to)
    parts.append((f" (Stufe {number + 1}{german})", f" (tier {number + 1}{english})"))
    parts.append(setting.told)
    return "".join(part[0] for part in parts), "".join(part[1] for part in parts)


def _range(above: Decimal | None, up_to: Decimal | None) -> Told:
    german, english = ":", ":"
    if above is not None:
        above_de, above_en = both(above)
        german, english = f"{german} über {above_de}", f"{english} above {above_en}"
    if up_to is not None:
        up_to_de, up_to_en = both(up_to)
        german, english = f"{german} bis {up_to_de}", f"{english} up to {up_to_en}"
    return ("", "") if german == ":" else (german, english)


@dataclasses.dataclass(frozen=True, slots=True)
class _Step:
    """A tier, and what all before it come to.

    Attributes:
        below: the quantity below it.
        base: what the full tiers before it come to, with its own flat amount; a numerator and denominator.
        rate: within it, likewise.
        lead: the story of the tiers before it.
    """

    below: Decimal
    base: tuple[int, int]
    rate: tuple[int, int]
    lead: Told
    each: Told
    flat: Told


def _graduated(price: Tiered, setting: Setting) -> Formula:
    steps = _steps(price.tiers, setting)
    ends = [tier.up_to for tier in price.tiers if tier.up_to is not None]
    unit, (of_de, of_en) = setting.unit, setting.told
    first = steps[0]
    nothing: Exact = (0, 1, f"{first.each[0]}{of_de}", f"{first.each[1]}{of_en}")

    def graduated(quantity: Number) -> Exact | Rejected:
        number = bisect_left(ends, quantity)
        if quantity < 0 or number == len(steps):
            return _outside(quantity, ends, setting)
        if not quantity:
            return nothing
        step = steps[number]
        (base, of_base), (rate, of_rate) = step.base, step.rate
        part: Number = (
            EXACT.subtract(quantity, step.below)
            if isinstance(quantity, Decimal)
            else quantity - Fraction(step.below)
        )
        count, of_count = part.as_integer_ratio()
        text = short(part)
        (lead_de, lead_en), (each_de, each_en), (flat_de, flat_en) = step.lead, step.each, step.flat
        return (
            base * of_count * of_rate + count * rate * of_base,
            of_base * of_count * of_rate,
            f"{lead_de}{text.replace('.', ',')} {unit}{each_de}{flat_de}{of_de}",
            f"{lead_en}{text} {unit}{each_en}{flat_en}{of_en}",
        )

    return graduated


def _steps(tiers: tuple[Tier, ...], setting: Setting) -> list[_Step]:
    steps = []
    base, below, german, english = Fraction(0), Decimal(0), " gestaffelt: ", " by tiers: "
    for tier in tiers:
        rate, base = setting.rate(tier.amount, tier.per), base + setting.rate(tier.flat)
        each, flat = _tier_told(tier, setting)
        lead = german, english
        steps.append(_Step(below, base.as_integer_ratio(), rate.as_integer_ratio(), lead, each, flat))
        if tier.up_to is not None:
            width = EXACT.subtract(tier.up_to, below)
            base, below = base + Fraction(width) * rate, tier.up_to
            width_de, width_en = both(width)
            german += f"{width_de} {setting.unit}{each[0]}{flat[0]} + "
            english += f"{width_en} {setting.unit}{each[1]}{flat[1]} + "
    return steps


def _tier_told(tier: Tier, setting: Setting) -> tuple[Told, Told]:
    each_de, each_en = setting.each(tier.amount, tier.per)
    flat = "", ""
    if tier.flat:
        flat = (
            f" + {price_in(setting.currency, tier.flat, 'de')} pauschal",
            f" + {price_in(setting.currency, tier.flat, 'en')} flat",
        )
    return (f" × {each_de}", f" × {each_en}"), flat


def _outside(quantity: Number, ends: list[Decimal], setting: Setting) -> Rejected:
    if quantity < 0:
        return rejected("negative_quantity", component=setting.name, value=short(quantity))
    return rejected(
        "beyond_last_tier",
        component=setting.name,
        value=short(quantity),
        limit=short(ends[-1]),
        unit=setting.unit,
    )
