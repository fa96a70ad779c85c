"""What a cost clause reckons with: money, numbers, texts, flags and dates, single or one for every party."""

import dataclasses
import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from allmende.schemas.clause import Input, Kind
from allmende.schemas.rejections import Rejected, rejected

Scalar = Fraction | str | bool | dt.date

ONE = ""
"""The name of the only part of a single value."""

NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
MONEY = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?) ([A-Z]{2,4})", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Unit:
    """A currency.

    Attributes:
        decimals: 2 where its smallest unit is the cent.
    """

    code: str = "EUR"
    decimals: int = 2

    def smallest(self, amount: Decimal) -> Fraction:
        """Bring an amount of the currency into its smallest unit."""
        return Fraction(amount) * Fraction(10**self.decimals)

    def text(self, amount: Fraction, language: str) -> str:
        """Write an amount given in the smallest unit: `1.234,56 €`, `€1,234.56`, `14,000 AE`."""
        sign = "-" if amount < 0 else ""
        whole, rest = divmod(_nearest(abs(amount)), 10**self.decimals)
        digits = f"{whole:,}" + (f".{rest:0{self.decimals}d}" if self.decimals else "")
        if language == "de":
            german = digits.translate(str.maketrans(",.", ".,"))
            return f"{sign}{german} {'€' if self.code == 'EUR' else self.code}"
        return f"{sign}€{digits}" if self.code == "EUR" else f"{sign}{digits} {self.code}"


def _nearest(amount: Fraction) -> int:
    return (2 * amount.numerator + amount.denominator) // (2 * amount.denominator)


@dataclasses.dataclass(frozen=True)
class Value:
    """A value.

    Attributes:
        parts: by party; of a single value, its only part has the name `ONE`. Money is in smallest units.
        each: whether it has a part for every party.
        otherwise: the part of a party of which nothing is told.
    """

    kind: Kind
    parts: Mapping[str, Scalar]
    each: bool = False
    otherwise: Scalar | None = None

    @property
    def one(self) -> Scalar:
        """The only part of a single value."""
        return self.parts[ONE]

    def of(self, party: str) -> Scalar | None:
        """The part of a party; a single value is the same for everybody."""
        return self.parts.get(party, self.otherwise) if self.each else self.one

    def number(self, party: str) -> Fraction:
        """The part of a party as a number; nothing counts as zero."""
        part = self.of(party)
        return part if isinstance(part, Fraction) else Fraction(0)

    def filled(self, parties: Iterable[str]) -> "Value":
        """The same with what holds otherwise told of these parties, too."""
        if not self.each or self.otherwise is None:
            return self
        return dataclasses.replace(self, parts=dict.fromkeys(parties, self.otherwise) | dict(self.parts))

    @property
    def total(self) -> Fraction:
        """The sum of all parts."""
        return sum((part for part in self.parts.values() if isinstance(part, Fraction)), Fraction(0))


def single(kind: Kind, part: Scalar) -> Value:
    """A single value."""
    return Value(kind, {ONE: part})


def each_of(kind: Kind, parts: Mapping[str, Scalar]) -> Value:
    """A value with a part for every party."""
    return Value(kind, parts, each=True)


def labels(values: Iterable[Value]) -> list[str]:
    """The parties of several values, in the order of their names; the only part where all are single."""
    found = {party for value in values if value.each for party in value.parts}
    return sorted(found) or [ONE]


def read(told: Mapping[str, Any], inputs: Mapping[str, Input], currency: Unit) -> dict[str, Value] | Rejected:
    """Take what a clause is fed with, or say what is missing or wrong.

    Args:
        told: by input: money as whole smallest units, or as text with the currency; numbers as int, Decimal,
            Fraction or text; dates also as text; with `each`, a mapping of parties to such.
        inputs: what the clause asks for.
        currency: of the clause.
    """
    for name in told:
        if name not in inputs:
            return rejected("input_unknown", name, input=name)
    values = {}
    for name, asked in inputs.items():
        value = _read(name, told.get(name), asked, currency)
        if isinstance(value, Rejected):
            return value
        values[name] = value
    return values


def _read(name: str, told: Any, asked: Input, currency: Unit) -> Value | Rejected:
    if told is None:
        if asked.default is None:
            return rejected("input_missing", name, input=name)
        told = {} if asked.each else _default(asked, currency)
    otherwise = _part(_default(asked, currency), asked.kind, currency)
    if asked.each != isinstance(told, Mapping):
        alone = _expected(asked.kind, currency)
        expected = f"{{A: {alone}, B: ...}}" if asked.each else alone
        return rejected("input_invalid", name, input=name, expected=expected)
    given = told if asked.each else {ONE: told}
    parts: dict[str, Scalar] = {}
    for party, raw in given.items():
        place = f"{name}.{party}" if party else name
        part = _part(raw, asked.kind, currency)
        if part is None:
            return rejected("input_invalid", place, input=place, expected=_expected(asked.kind, currency))
        if refusal := _beyond(place, part, asked, currency):
            return refusal
        parts[party] = part
    return Value(asked.kind, parts, asked.each, otherwise)


def _default(asked: Input, currency: Unit) -> Any:
    if asked.kind == "money" and isinstance(asked.default, str) and NUMBER.fullmatch(asked.default):
        return f"{asked.default} {currency.code}"
    return asked.default


def _beyond(place: str, part: Scalar, asked: Input, currency: Unit) -> Rejected | None:
    if asked.one_of is not None and part not in asked.one_of:
        return rejected("input_not_known", place, input=place, value=part, known=", ".join(asked.one_of))
    if not isinstance(part, Fraction):
        return None
    scale = currency.smallest if asked.kind == "money" else Fraction
    for limit, sign in ((asked.at_least, 1), (asked.at_most, -1)):
        if limit is not None and sign * part < sign * scale(limit):
            told = part / 10**currency.decimals if asked.kind == "money" else part
            return rejected("input_limit", place, input=place, value=number_text(told, "en"), limit=limit)
    return None


def _part(raw: Any, kind: Kind, currency: Unit) -> Scalar | None:
    if kind == "money" and isinstance(raw, str) and (written := MONEY.fullmatch(raw)):
        amount = currency.smallest(Decimal(written[1]))
        return amount if written[2] == currency.code and amount.denominator == 1 else None
    return _PARSE[kind](raw)


def _expected(kind: Kind, currency: Unit) -> str:
    return {
        "money": f"1250 (smallest unit) / 12.50 {currency.code}",
        "number": "12.5",
        "text": "abc",
        "flag": "true / false",
        "date": "2026-03-31",
    }[kind]


def _number(raw: Any) -> Fraction | None:
    if isinstance(raw, bool) or not isinstance(raw, int | Decimal | Fraction | str):
        return None
    if isinstance(raw, str) and not re.fullmatch(r"-?[0-9]+(\.[0-9]+|/[1-9][0-9]*)?", raw, re.ASCII):
        return None
    if isinstance(raw, Decimal) and not raw.is_finite():
        return None
    return Fraction(raw)


def _money(raw: Any) -> Fraction | None:
    found = _number(raw)
    return found if found is not None and found.denominator == 1 else None


def _text(raw: Any) -> str | None:
    return raw if isinstance(raw, str) else None


def _flag(raw: Any) -> bool | None:
    if isinstance(raw, bool):
        return raw
    return {"true": True, "false": False}.get(raw) if isinstance(raw, str) else None


def _date(raw: Any) -> dt.date | None:
    if isinstance(raw, dt.date) and not isinstance(raw, dt.datetime):
        return raw
    try:
        return dt.date.fromisoformat(raw) if isinstance(raw, str) else None
    except ValueError:
        return None


_PARSE: Mapping[Kind, Callable[[Any], Scalar | None]] = {
    "money": _money,
    "number": _number,
    "text": _text,
    "flag": _flag,
    "date": _date,
}


def number_text(number: Fraction, language: str) -> str:
    """Write a number exactly where its decimals end within nine places, else as a fraction: `15/52`."""
    scaled = number * 10**9
    if scaled.denominator != 1:
        return f"{number.numerator}/{number.denominator}"
    digits = f"{abs(scaled.numerator):010d}"
    text = f"{int(digits[:-9])}.{digits[-9:]}".rstrip("0").rstrip(".")
    signed = f"-{text}" if number < 0 else text
    return signed.replace(".", ",") if language == "de" else signed


def told(part: Scalar, kind: Kind, currency: Unit, language: str) -> str:
    """Write one part of a value as people read it."""
    if isinstance(part, Fraction):
        return currency.text(part, language) if kind == "money" else number_text(part, language)
    if isinstance(part, bool):
        return {"de": ("nein", "ja"), "en": ("no", "yes")}[language][part]
    if isinstance(part, dt.date):
        return f"{part:%d.%m.%Y}" if language == "de" else part.isoformat()
    return part
