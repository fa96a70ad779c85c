"""Reading usage records and cancellations line by line, from CSV or JSON lines, however long the file is."""

import csv
import json
import re
from collections.abc import Callable, Iterator
from typing import IO, Any

from pydantic import ValidationError

from allmende.schemas.billing import UsageCancellation, UsageRecord
from allmende.schemas.mistakes import Mistake, errors_of, path_of, sentences

COLUMNS = ("id", "booking_id", "meter", "quantity", "start", "end")
CANCELLING = ("id", "cancels", "reason")
OPTIONAL = ("corrects", "cancels", "reason")
DIMENSION = "dimension:"
"""Begins the name of a column that holds a dimension, such as `dimension:purpose`."""
LINE_BYTES_MAX = 64 * 1024
_COMMA = re.compile(r"\d+,\d+|\d{1,3}(\.\d{3})+,\d+", re.ASCII)

Row = Callable[[str], dict[str, Any]]
Read = tuple[int, UsageRecord | UsageCancellation | Mistake]


class _Wrong(ValueError):  # noqa: N818 - never leaves this module
    def __init__(self, german: str, english: str) -> None:
        super().__init__(english)
        self.sentences = (german, english)


def read_usage(stream: IO[bytes], after: tuple[int, int] | None = None) -> Iterator[Read]:
    """Read records one after another, each with the number of its line.

    A line that begins with `{` makes it JSON lines, anything else CSV with a line of column names,
    separated by `;` or `,`. A row with `cancels` is a cancellation. A line that cannot be read is told and
    passed over; a file whose column names are wrong ends after telling so.

    Args:
        stream: UTF-8, or CP1252 as Excel writes it.
        after: go on behind this line and this position, which an earlier reading reached.
    """
    row: Row | None = None
    lines = _Lines(stream)
    for number, line in lines:
        if isinstance(line, Mistake):
            yield number, line
            if row is None:
                return
        elif row is not None:
            yield number, _record(number, line, row)
        elif line.startswith("{"):
            row = _json_row
            if not lines.go_on(after):
                yield number, _record(number, line, row)
        else:
            try:
                row = _csv_row(line)
            except _Wrong as error:
                yield number, Mistake(number, 0, "", *error.sentences)
                return
            lines.go_on(after)


class _Lines(Iterator[tuple[int, str | Mistake]]):
    """The lines that hold something, with their numbers. The first letter beyond ASCII tells the encoding."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._number = 0
        self._encoding: str | None = None

    def go_on(self, after: tuple[int, int] | None) -> bool:
        """Go to where an earlier reading ended, if there was one."""
        if after is not None:
            self._number = after[0]
            self._stream.seek(after[1])
        return after is not None

    def __next__(self) -> tuple[int, str | Mistake]:
        while raw := self._stream.readline(LINE_BYTES_MAX + 1):
            self._number += 1
            if len(raw) > LINE_BYTES_MAX:
                _skip_line(self._stream, raw)
                german = f"Die Zeile hat mehr als {LINE_BYTES_MAX} Bytes"
                return self._mistake(german, f"The line has more than {LINE_BYTES_MAX} bytes")
            try:
                line = self._decoded(raw).strip("\r\n")
            except UnicodeDecodeError:
                german = "Die Zeile ist weder in UTF-8 noch in Windows-1252 geschrieben wie die davor"
                return self._mistake(
                    german, "The line is not written in UTF-8 or Windows-1252 as those before"
                )
            if line.strip():
                return self._number, line
        raise StopIteration

    def _decoded(self, raw: bytes) -> str:
        raw = raw.removeprefix(b"\xef\xbb\xbf") if self._number == 1 else raw
        if self._encoding is None and not raw.isascii():
            try:
                raw.decode("utf-8")
            except UnicodeDecodeError:
                self._encoding = "cp1252"
            else:
                self._encoding = "utf-8"
        if b"\0" in raw:
            raise UnicodeDecodeError("utf-8", raw, 0, 1, "this is UTF-16")
        return raw.decode(self._encoding or "ascii")

    def _mistake(self, german: str, english: str) -> tuple[int, Mistake]:
        return self._number, Mistake(self._number, 0, "", german, english)


def _skip_line(stream: IO[bytes], raw: bytes) -> None:
    while raw and not raw.endswith(b"\n"):
        raw = stream.readline(LINE_BYTES_MAX)


def _record(number: int, line: str, row: Row) -> UsageRecord | UsageCancellation | Mistake:
    try:
        given = row(line)
        kind = UsageCancellation if "cancels" in given else UsageRecord
        return kind.model_validate_json(json.dumps(given))
    except _Wrong as error:
        return Mistake(number, 0, "", *error.sentences)
    except ValidationError as error:
        first = errors_of(error)[0]
        return Mistake(number, 0, path_of(first["loc"]), *sentences(first))


def _csv_row(header: str) -> Row:
    separator = ";" if ";" in header else ","
    names = [name.strip() for name in _cells(header, separator)]
    only_cancelling = "cancels" in names and "meter" not in names
    if missing := [name for name in (CANCELLING if only_cancelling else COLUMNS) if name not in names]:
        listed = ", ".join(missing)
        raise _Wrong(f"Es fehlen die Spalten {listed}", f"The columns {listed} are missing")
    allowed = (*COLUMNS, *OPTIONAL, f"{DIMENSION}…")
    known = [name for name in names if name in allowed or name.startswith(DIMENSION)]
    if len(known) < len(names) or len(set(names)) < len(names):
        odd = next(name for name in names if name not in known or names.count(name) > 1)[:60]
        raise _Wrong(
            f"Die Spalte {odd!r} ist überzählig; erlaubt sind {', '.join(allowed)}",
            f"The column {odd!r} is one too many; allowed are {', '.join(allowed)}",
        )

    def row(line: str) -> dict[str, Any]:
        cells = _cells(line, separator)
        if len(cells) != len(names):
            raise _Wrong(
                f"Die Zeile hat {len(cells)} Werte, die Kopfzeile {len(names)} Spalten",
                f"The line has {len(cells)} values, the first line {len(names)} columns",
            )
        return _given(dict(zip(names, cells, strict=True)), decimal_comma=separator == ";")

    return row


def _given(cells: dict[str, str], *, decimal_comma: bool) -> dict[str, Any]:
    """Make of a row what a record or a cancellation says."""
    found: dict[str, Any] = {
        name: text
        for name, text in cells.items()
        if not name.startswith(DIMENSION) and (text or name not in OPTIONAL)
    }
    if "cancels" in found:  # the other columns are those of the records beside it
        return {name: text for name, text in found.items() if text}
    dimensions = {
        name.removeprefix(DIMENSION): text
        for name, text in cells.items()
        if name.startswith(DIMENSION) and text
    }
    if decimal_comma and _COMMA.fullmatch(found["quantity"]):
        found["quantity"] = found["quantity"].replace(".", "").replace(",", ".")
    return found | ({"dimensions": dimensions} if dimensions else {})


def _cells(line: str, separator: str) -> list[str]:
    # Each line for itself: a forgotten quotation mark spoils its own line and no other.
    try:
        return next(csv.reader([line], delimiter=separator, strict=True))
    except csv.Error:
        raise _Wrong("Die Anführungszeichen gehen nicht auf", "The quotation marks do not match") from None


def _json_row(line: str) -> dict[str, Any]:
    try:
        found = json.loads(
            line, parse_float=str, parse_int=str, parse_constant=str, object_pairs_hook=_each_once
        )
    except (json.JSONDecodeError, RecursionError):
        raise _Wrong("Die Zeile ist kein gültiges JSON", "The line is not valid JSON") from None
    if not isinstance(found, dict):
        raise _Wrong("Die Zeile ist kein JSON-Objekt", "The line is not a JSON object")
    return found


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Wrong("Ein Feld steht doppelt", "A field stands twice")
    return found
