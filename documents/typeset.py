"""Pages set by Typst: PDF/A-3a for the archive and PDF/UA-1 for readers who do not see, in one file."""

import dataclasses
import datetime as dt
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

from allmende.schemas.bodies import Body
from allmende.schemas.money import euro, plain

if TYPE_CHECKING:
    import typst

Language = Literal["de", "en"]
MEDIA_TYPE = "application/pdf"
_TEMPLATES = Path(__file__).parent / "templates"
_LARGE = 64 * 1024
_BERLIN = ZoneInfo("Europe/Berlin")
_MONTHS = {
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split(),  # noqa: SIM905
    "en": "January February March April May June July August September October November December".split(),  # noqa: SIM905
}


@functools.cache
def _compiler(template: str) -> "typst.Compiler":
    """Read a template and the fonts once; the fonts are Typst's own, never the machine's."""
    import typst  # noqa: PLC0415 - tables need the rest of this file, but no compiler

    return typst.Compiler(_TEMPLATES / f"{template}.typ", root=_TEMPLATES, ignore_system_fonts=True)


def pdf(template: str, data: Mapping[str, Any], issued_at: dt.datetime) -> bytes:
    """Set a document; the same data and moment give the same bytes.

    Args:
        template: the name of a file in `templates`.
        data: what the template shows, as JSON.
        issued_at: the moment that stands in the file as that of its creation.
    """
    text = json.dumps(data, ensure_ascii=False)
    made = _compiler(template).compile(
        format="pdf",
        pdf_standards=["a-3a", "ua-1"],
        timestamp=int(issued_at.timestamp()),
        sys_inputs={"data": text},
    )
    if len(text) > _LARGE:
        _forget()
    if not isinstance(made, bytes):
        raise TypeError("one file was asked for")
    return made


def _forget() -> None:
    """Let the compiler forget a large document at once: it keeps what it knows of the last ten."""
    for _ in range(12):
        _compiler("blank").compile(format="pdf")


@dataclasses.dataclass(frozen=True)
class Writing:
    """How numbers and days are written in a language."""

    language: Language

    def euro(self, cents: int) -> str:
        """Money, which no line break parts from its sign."""
        return euro(cents, language=self.language).replace(" ", "\N{NO-BREAK SPACE}")

    def difference(self, cents: int) -> str:
        """Money with its sign, as a change."""
        return ("+" if cents > 0 else "") + self.euro(cents)

    def number(self, text: str) -> str:
        """A decimal number, grouped by thousands."""
        whole, _, part = text.partition(".")
        english = f"{int(whole):,}" + (f".{part}" if part else "")
        return english.translate(str.maketrans(",.", ".,")) if self.language == "de" else english

    def quantity(self, quantity: Any, unit: str | None) -> str:
        """A quantity with its unit, or nothing."""
        if quantity is None:
            return ""
        return f"{self.number(plain(quantity.normalize()))}\N{NO-BREAK SPACE}{unit or ''}".strip()

    def day(self, day: dt.date) -> str:
        """A day: `03.02.2027`, `3 Feb 2027`."""
        if self.language == "de":
            return f"{day:%d.%m.%Y}"
        return f"{day.day} {_MONTHS['en'][day.month - 1][:3]} {day.year}"

    def days(self, first: dt.date, last: dt.date) -> str:
        """A span of days, in as few characters as it can be said."""
        if first == last:
            return self.day(first)
        if self.language == "de":
            start = f"{first:%d.%m.}" if first.year == last.year else f"{first:%d.%m.%Y}"
            return f"{start}–{last:%d.%m.%Y}"
        start = self.day(first)[:-5] if first.year == last.year else self.day(first)
        return f"{start} – {self.day(last)}"

    def moment(self, instant: dt.datetime) -> dt.date:
        """The day of a moment, by the clock of the members."""
        return instant.astimezone(_BERLIN).date()

    def period(self, period: str) -> str:
        """A month by its name."""
        year, month = period.split("-")
        return f"{_MONTHS[self.language][int(month) - 1]} {year}"


def address(body: Body, *, country: bool = False) -> list[str]:
    """The lines of an address."""
    place = body.address
    street = " ".join(part for part in (place.street, place.building_number) if part)
    found = [body.name, street, f"{place.post_code} {place.city}"]
    return [*found, place.country] if country else found


def spaced(iban: str) -> str:
    """An IBAN in groups of four, which no line break parts."""
    return "\N{NO-BREAK SPACE}".join(iban[n : n + 4] for n in range(0, len(iban), 4))


def sender(body: Body) -> dict[str, Any]:
    """What a letter shows of who sends it."""
    contact = body.contact
    bank = [f"IBAN {spaced(body.iban)}"] + ([f"BIC {body.bic}"] if body.bic else [])
    return {
        "name": body.name,
        "line": " · ".join(address(body)),
        "footer": [address(body), [contact.name, contact.phone, contact.email], bank],
    }
