"""Numbers of documents, the references by which they are paid, and how long they are kept."""

import base64
import datetime as dt
import hashlib
from collections.abc import Mapping

from allmende.schemas.invoices import InvoiceKind

Series = tuple[str, str, int]
"""Issuer, letter, year of issue: numbered without a gap."""

LETTERS: Mapping[InvoiceKind, str] = {"invoice": "R", "credit_note": "G", "notice": "U"}
"""Rechnung, Gutschrift, Umlagebescheid."""

EIGHT_YEARS, TEN_YEARS = 8, 10
"""How long vouchers and books are kept after the year (§ 147 Abs. 3 AO)."""

_LAST = 999_999


def number_of(issuer: str, kind: InvoiceKind, year: int, place: int) -> str:
    """Write a document's number: `<issuer>/<letter>/<year>/<six digits>`.

    Raises:
        ValueError: the series is full.
    """
    if place > _LAST:
        raise ValueError(f"the series {issuer}/{LETTERS[kind]}/{year} is full")
    return f"{issuer}/{LETTERS[kind]}/{year}/{place:06d}"


def reference_of(number: str) -> str:
    """Derive the creditor reference of a document (ISO 11649): `RF`, check digits and 21 characters.

    They are ten of a hash of the issuer, whose name may be longer, then letter, year and number. Two of 2,000
    issuers share theirs with a probability of one to 500 million.
    """
    issuer, letter, year, place = number.split("/")
    digest = base64.b32encode(hashlib.sha256(issuer.encode()).digest()).decode()
    body = f"{digest[:10]}{letter}{year}{place}"
    remainder = int("".join(str(int(character, 36)) for character in f"{body}RF00")) % 97
    return f"RF{98 - remainder:02d}{body}"


def keep_until(day: dt.date, years: int) -> dt.date:
    """Tell the last day on which a record must be kept: whole years after its own (§ 147 Abs. 4 AO)."""
    return dt.date(day.year + years, 12, 31)
