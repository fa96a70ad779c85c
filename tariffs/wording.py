"""How numbers and money are written in a story, in German and English."""

from collections.abc import Callable
from decimal import Context, Decimal
from fractions import Fraction
from typing import Literal

from allmende.schemas.money import euro, plain

Number = Decimal | Fraction
Told = tuple[str, str]
"""The same in German and English."""
Money = Callable[[int], Told]
"""Writes an amount in the smallest unit of its currency."""

EXACT = Context(prec=60)
"""Sums and multiples have more digits than Decimal keeps by itself."""
_SWAP = str.maketrans(",.", ".,")


def short(number: Number) -> str:
    """Write a number without zeros at its end: `1.5`; `1/3` where it has no last decimal place."""
    if type(number) is not Decimal:  # a type is told faster than an abstract number is recognised
        fraction = Fraction(number)
        ended = decimal_of(fraction)
        if ended is None:
            return f"{fraction.numerator}/{fraction.denominator}"
        number = ended
    text = plain(number)
    return text.rstrip("0").rstrip(".") if "." in text else text


def comma(text: str) -> str:
    """Write a number in German."""
    return text.replace(".", ",")


def both(number: Number) -> Told:
    """Write a number in German and English."""
    text = short(number)
    return text.replace(".", ","), text


def decimal_of(number: Fraction) -> Decimal | None:
    """The same number with a last decimal place, if it has one."""
    numerator, denominator = number.as_integer_ratio()
    places = 0
    while denominator % 10 == 0:
        denominator //= 10
        places += 1
    while denominator % 2 == 0:
        numerator, denominator, places = numerator * 5, denominator // 2, places + 1
    while denominator % 5 == 0:
        numerator, denominator, places = numerator * 2, denominator // 5, places + 1
    return Decimal(numerator).scaleb(-places, EXACT) if denominator == 1 else None


def money_in(currency: str, decimals: int) -> Money:
    """How amounts of a currency are written: `1.234,50 €`, `1.234,567 AE`."""
    if currency == "EUR" and decimals == 2:
        return _euro
    scale = 10**decimals

    def written(amount: int) -> Told:
        whole, rest = divmod(abs(amount), scale)
        sign = "-" if amount < 0 else ""
        english = f"{whole:,}.{rest:0{decimals}d}" if decimals else f"{whole:,}"
        german = english.translate(_SWAP)
        if currency == "EUR":
            return f"{sign}{german} €", f"{sign}€{english}"
        return f"{sign}{german} {currency}", f"{sign}{currency} {english}"

    return written


def _euro(amount: int) -> Told:
    return euro(amount), euro(amount, language="en")


def price_in(currency: str, amount: Decimal, language: Literal["de", "en"]) -> str:
    """Write a price as it stands in the tariff, with its zeros: `12,00 €`, `€12.00`."""
    text, sign = plain(abs(amount)), "-" if amount < 0 else ""
    if language == "de":
        return f"{sign}{comma(text)} {'€' if currency == 'EUR' else currency}"
    return f"{sign}€{text}" if currency == "EUR" else f"{sign}{currency} {text}"
