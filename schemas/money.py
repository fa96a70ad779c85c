"""Money and quantities: integer cents, exact decimals, never a float."""

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, StringConstraints, WithJsonSchema

_UNSIGNED = r"(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?"
_DECIMAL = re.compile(f"-?{_UNSIGNED}")
_SCHEMA = {"type": "string", "pattern": f"^-?{_UNSIGNED}$", "examples": ["12.50"]}
_NOT_NEGATIVE = _SCHEMA | {"pattern": f"^{_UNSIGNED}$"}
_POSITIVE = _NOT_NEGATIVE | {"not": {"pattern": "^[0.]*$"}}


def _decimal(value: object) -> Decimal:
    if not isinstance(value, str) and isinstance(value, Decimal) and value.is_finite():
        value = plain(value)
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        number = Decimal(value)
        return number or number.copy_abs()  # -0 and 0 are one number and print alike
    raise ValueError(
        'must be a decimal number written as text, such as "12.50", '
        "with at most 15 digits before the point and 9 behind it"
    )


def plain(number: Decimal) -> str:
    """Write a decimal without an exponent: `12.50`, never `1.25E+1`."""
    return format(number, "f")


ExactDecimal = Annotated[
    Decimal,
    BeforeValidator(_decimal),
    PlainSerializer(plain, return_type=str, when_used="json"),
    WithJsonSchema(_SCHEMA),
]

Quantity = Annotated[ExactDecimal, Field(ge=0), WithJsonSchema(_NOT_NEGATIVE)]
"""An amount of something in the unit its meter or order form names."""

PositiveQuantity = Annotated[ExactDecimal, Field(gt=0), WithJsonSchema(_POSITIVE)]

UnitPrice = Annotated[ExactDecimal, Field(ge=0), WithJsonSchema(_NOT_NEGATIVE)]
"""Euro for one unit of price; up to nine decimal places."""

_TOTAL = re.compile(r"(0|[1-9][0-9]{0,26})(\.[0-9]{1,9})?", re.ASCII)


def _total(value: object) -> Decimal:
    text = plain(value) if isinstance(value, Decimal) and value.is_finite() else value
    if isinstance(text, str) and _TOTAL.fullmatch(text):
        return Decimal(text)
    raise ValueError("must be a sum of quantities written as text")


TotalQuantity = Annotated[
    Decimal,
    BeforeValidator(_total),
    PlainSerializer(plain, return_type=str, when_used="json"),
    WithJsonSchema(_NOT_NEGATIVE | {"pattern": f"^{_TOTAL.pattern}$"}),
]
"""A sum of quantities, which may have more digits than any of them."""

Cents = Annotated[int, Field(strict=True, ge=-(10**18), le=10**18)]
"""An amount of money in euro cents; wide enough for every sum of a period."""

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2,4}$")]
"""EUR (ISO 4217), or the unit of an internal currency that is never paid out, such as work units `AE`."""


def euro(cents: int, *, language: Literal["de", "en"] = "de") -> str:
    """Write cents as people read them: `1.234,56 €` in German, `€1,234.56` in English."""
    sign = "-" if cents < 0 else ""
    whole, rest = divmod(abs(cents), 100)
    english = f"{whole:,}.{rest:02d}"
    if language == "en":
        return f"{sign}€{english}"
    return f"{sign}{english.translate(str.maketrans(',.', '.,'))} €"
