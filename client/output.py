"""Data for people and programs: as a table, JSON, YAML, or CSV the way German Excel reads it."""

import csv
import dataclasses
import datetime as dt
import enum
import io
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, TextIO

Language = Literal["de", "en"]
_FORMULA_MARKS = ("=", "+", "-", "@", "\t", "\r")


class Format(enum.StrEnum):
    """How data is written."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    CSV = "csv"


class Kind(enum.Enum):
    """What a column holds, which decides how it is written."""

    TEXT = "text"
    CENTS = "cents"
    NUMBER = "number"
    DAY = "day"
    INSTANT = "instant"


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: the key in a row and the column's name in CSV; amounts end in `_eur` there.
    """

    name: str
    german: str
    english: str
    kind: Kind = Kind.TEXT


@dataclasses.dataclass(frozen=True)
class Listing:
    """Data in both its shapes.

    Attributes:
        rows: values by column name, for tables and CSV; amounts in cents.
        document: the whole, as JSON knows it.
    """

    columns: Sequence[Column]
    rows: Sequence[Mapping[str, object]]
    document: Any


def write(listing: Listing, form: Format, stream: TextIO, language: Language = "de") -> None:
    """Write data to a stream."""
    match form:
        case Format.TABLE:
            _write_table(listing, stream, language)
        case Format.JSON:
            json.dump(listing.document, stream, ensure_ascii=False, indent=2)
            stream.write("\n")
        case Format.YAML:
            stream.write(as_yaml(listing.document))
        case Format.CSV:
            _write_csv(listing, stream)


def as_yaml(document: Any) -> str:
    """Write JSON data as YAML; numbers that are text keep their quotation marks."""
    import yaml  # noqa: PLC0415 - not needed by the other forms

    return yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=100)


def cell(value: object, kind: Kind, language: Language) -> str:
    """Write one value for people."""
    if value is None:
        return ""
    if kind is Kind.CENTS and isinstance(value, int):
        return _euro(value, language)
    if kind is Kind.NUMBER and isinstance(value, (Decimal, int)):
        return _grouped(f"{value:,f}" if isinstance(value, Decimal) else f"{value:,}", language)
    if isinstance(value, dt.datetime):
        local = value.astimezone()
        return local.strftime("%d.%m.%Y %H:%M:%S" if language == "de" else "%Y-%m-%d %H:%M:%S")
    if isinstance(value, dt.date):
        return value.strftime("%d.%m.%Y") if language == "de" else value.isoformat()
    return str(value)


def _euro(cents: int, language: Language) -> str:
    from allmende.schemas.money import euro  # noqa: PLC0415 - brings pydantic

    return euro(cents, language=language)


def _grouped(english: str, language: Language) -> str:
    return english if language == "en" else english.translate(str.maketrans(",.", ".,"))


def _write_table(listing: Listing, stream: TextIO, language: Language) -> None:
    from rich import box  # noqa: PLC0415 - only tables need it
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in listing.columns:
        right = column.kind in {Kind.CENTS, Kind.NUMBER}
        title = column.english if language == "en" else column.german
        table.add_column(Text(title), justify="right" if right else "left", overflow="fold", no_wrap=right)
    for row in listing.rows:
        table.add_row(*(Text(cell(row.get(c.name), c.kind, language)) for c in listing.columns))
    if stream.isatty():
        Console(file=stream, highlight=False).print(table)
        return
    # A pipe has no width: nothing is cut off or broken there.
    text = io.StringIO()
    Console(file=text, width=10_000, highlight=False).print(table)
    stream.writelines(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


def _write_csv(listing: Listing, stream: TextIO) -> None:
    stream.write("\ufeff")
    writer = csv.writer(stream, delimiter=";")
    writer.writerow(column.name for column in listing.columns)
    for row in listing.rows:
        writer.writerow(_csv_cell(row.get(column.name), column.kind) for column in listing.columns)


def _csv_cell(value: object, kind: Kind) -> str:
    """Numbers without grouping and with a decimal comma; text that a spreadsheet would compute is defused."""
    if value is None:
        return ""
    if kind is Kind.CENTS and isinstance(value, int):
        return _with_comma(f"{Decimal(value).scaleb(-2):.2f}")
    if isinstance(value, (Decimal, int)):
        return _with_comma(f"{value:f}" if isinstance(value, Decimal) else str(value))
    if isinstance(value, (dt.datetime, dt.date)):
        return value.isoformat()
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA_MARKS) else text


def _with_comma(number: str) -> str:
    return number.replace(".", ",")
