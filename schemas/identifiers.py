"""Identifiers, names, dates: one spelling each, bounded, safe to log and to print."""

import dataclasses
import datetime as dt
import functools
import re
import unicodedata
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    Field,
    GetCoreSchemaHandler,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import core_schema

_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Assigned and printable by category, yet nothing is to be seen of them."""
_COMBINING_RUN_MAX = 30
"""As in Stream-Safe Text (Unicode Standard Annex 15, section 13): longer runs cost quadratic time."""
_EARLIEST = dt.date(1990, 1, 1)
_LATEST = dt.date(2199, 12, 31)


_DAY_PATTERN = r"(199[0-9]|2[01][0-9]{2})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_INSTANT_PATTERN = (
    _DAY_PATTERN + r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?"
    r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)


def _hidden(text: str, allowed: str = "") -> str | None:
    for character in text:
        if character in allowed:
            continue
        if character in _BLANK_LETTERS or unicodedata.category(character) in _FORBIDDEN_CATEGORIES:
            return character
    return None


def _composed(text: str, length_max: int) -> str:
    run = 0
    for character in text:
        run = run + 1 if unicodedata.combining(character) else 0
        if run > _COMBINING_RUN_MAX:
            raise ValueError(f"piles up more than {_COMBINING_RUN_MAX} combining characters")
    text = unicodedata.normalize("NFC", text)
    if len(text) > length_max:
        raise ValueError(f"has more than {length_max} characters in its composed form")
    return text


def _legible(length_max: int, *, several_lines: bool = False) -> AfterValidator:
    """Bring text into NFC; control, bidirectional, zero-width, blank and unassigned characters are refused.

    White space around one line is refused too, since `a` and `a ` look the same.
    """
    allowed = "\n\t" if several_lines else ""

    def check(text: str) -> str:
        if text.isascii() and text.isprintable() and (several_lines or text == text.strip()):
            return text
        if not text.isascii():
            text = _composed(text, length_max)
        if not text.isprintable() or not _BLANK_LETTERS.isdisjoint(text):
            found = _hidden(text, allowed)
            if found is not None:
                raise ValueError(f"holds the hidden or control character U+{ord(found):04X}")
        if not several_lines and text != text.strip():
            raise ValueError("begins or ends with white space")
        return text

    return AfterValidator(check)


@dataclasses.dataclass(frozen=True)
class _FromText:
    """Reads text from JSON with one function; from Python, only the type itself is taken.

    The general readers of dates also take seconds since 1970 written as text, spaces, underscores and
    dashes that are no hyphens (against RFC 3339, section 5.6), so that one moment has many spellings.
    """

    kind: Literal["date", "datetime"]
    read: Callable[[str], dt.date]

    def __get_pydantic_core_schema__(
        self, source: type, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        text = core_schema.no_info_after_validator_function(self.read, core_schema.str_schema(strict=True))
        written = core_schema.simple_ser_schema(self.kind)
        return core_schema.json_or_python_schema(text, handler(source), serialization=written)


def _day_of(text: str) -> dt.date:
    if not _DAY.fullmatch(text):
        raise ValueError("must be a date such as 2026-03-31")
    return dt.date.fromisoformat(text)


@functools.lru_cache(maxsize=4_096)
def _instant_of(text: str) -> dt.datetime:
    """Read a moment; a thousand records share few of them."""
    if not _INSTANT.fullmatch(text):
        raise ValueError(
            "must be a moment with its offset, such as 2026-03-31T10:00:00Z or 2026-03-31T12:00:00+02:00"
        )
    return dt.datetime.fromisoformat(text)


def _bounded_day(day: dt.date) -> dt.date:
    if not _EARLIEST <= day <= _LATEST:
        raise ValueError(f"lies outside {_EARLIEST} to {_LATEST}")
    return day


def _bounded_instant(instant: dt.datetime) -> dt.datetime:
    # Compared by year first: an instant near year 1 or 9999 cannot be moved to UTC. Compared again
    # in UTC, since it is written in UTC and must be readable then.
    if not _EARLIEST.year <= instant.year <= _LATEST.year:
        raise ValueError(f"lies outside {_EARLIEST} to {_LATEST}")
    if instant.tzinfo is dt.UTC:
        return instant
    instant = instant.astimezone(dt.UTC)
    if not _EARLIEST.year <= instant.year <= _LATEST.year:
        raise ValueError(f"lies outside {_EARLIEST} to {_LATEST} in UTC")
    return instant


Uuid = Annotated[
    str, StringConstraints(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
]
"""A UUID in its canonical form (RFC 9562: lower case, hyphens); other spellings are refused, not mended,
since an idempotency key with two spellings would be two keys."""

MemberId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,30}[a-z0-9]$")]
"""A member of the market; one token of a NATS subject."""

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9_-]{0,46}[a-z0-9])?$")]
"""A short name inside a document: a plan, a component, a meter."""

OfferingId = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,30}[a-z0-9]/[a-z0-9]([a-z0-9_-]{0,46}[a-z0-9])?$"),
]
"""`<provider>/<slug>`: an offering belongs to the member before the slash."""

ClassName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")]
"""A consumer class within a provider's own scheme, such as a user class of a price list."""

Period = Annotated[str, StringConstraints(pattern=r"^(199[0-9]|2[01][0-9]{2})-(0[1-9]|1[0-2])$")]
"""A calendar month `YYYY-MM` in Europe/Berlin."""

SealingKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{43}=$")]
"""A public X25519 key, 32 bytes in base64, to which others seal what only its holder shall read."""

TraceParent = Annotated[str, StringConstraints(pattern=r"^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")]
"""W3C trace context, version 00."""

Line = Annotated[str, StringConstraints(min_length=1, max_length=200), _legible(200)]
"""One line of text for people, in NFC."""

RecordId = Annotated[str, StringConstraints(min_length=1, max_length=120), _legible(120)]
"""A usage record's name, unique for ever within its source."""

Text = Annotated[str, StringConstraints(max_length=8000), _legible(8000, several_lines=True)]
"""Several lines of text for people, in NFC."""

Day = Annotated[
    dt.date,
    _FromText("date", _day_of),
    AfterValidator(_bounded_day),
    WithJsonSchema({"type": "string", "format": "date", "pattern": f"^{_DAY_PATTERN}$"}),
]
Instant = Annotated[
    AwareDatetime,
    _FromText("datetime", _instant_of),
    AfterValidator(_bounded_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": f"^{_INSTANT_PATTERN}$"}),
]
"""A moment with its offset, kept in UTC; naive moments are refused."""

Count = Annotated[int, Field(ge=0, le=2**53)]
