"""Reading usage records line by line, from CSV or JSON lines, however long the file is."""

import csv
import json
from collections.abc import Callable, Iterator
from typing import IO, Any

from pydantic import ValidationError

from allmende.schemas.billing import UsageRecord
from allmende.schemas.mistakes import Mistake, errors_of, path_of, sentences

COLUMNS = ("id", "booking_id", "meter", "quantity", "start", "end")
LINE_BYTES_MAX = 64 * 1024

Row = Callable[[str], dict[str, Any]]
Read = tuple[int, UsageRecord | Mistake]


class _Wrong(ValueError):  # noqa: N818 - never leaves this module
    def __init__(self, german: str, english: str) -> None:
        super().__init__(english)
        self.sentences = (german, english)


def read_usage(stream: IO[bytes]) -> Iterator[Read]:
    """Read records one after another, each with the number of its line.

    A line that begins with `{` makes it JSON lines, anything else CSV with a line of column names,
    separated by `;` or `,`. A line that cannot be read is told and passed over; a file whose column names
    are wrong ends after telling so.
    """
    row: Row | None = None
    for number, line in _lines(stream):
        if isinstance(line, Mistake):
            yield number, line
            if row is None:
                return
        elif row is not None:
            yield number, _record(number, line, row)
        elif line.startswith("{"):
            row = _json_row
            yield number, _record(number, line, row)
        else:
            try:
                row = _csv_row(line)
            except _Wrong as error:
                yield number, Mistake(number, 0, "", *error.sentences)
                return


def _lines(stream: IO[bytes]) -> Iterator[tuple[int, str | Mistake]]:
    number = 0
    while raw := stream.readline(LINE_BYTES_MAX + 1):
        number += 1
        if len(raw) > LINE_BYTES_MAX:
            _skip_line(stream, raw)
            german = f"Die Zeile hat mehr als {LINE_BYTES_MAX} Bytes"
            yield number, Mistake(number, 0, "", german, f"The line has more than {LINE_BYTES_MAX} bytes")
            continue
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip("\r\n")
        except UnicodeDecodeError:
            german = "Die Zeile ist nicht in UTF-8 geschrieben"
            yield number, Mistake(number, 0, "", german, "The line is not written in UTF-8")
            continue
        if line.strip():
            yield number, line


def _skip_line(stream: IO[bytes], raw: bytes) -> None:
    while raw and not raw.endswith(b"\n"):
        raw = stream.readline(LINE_BYTES_MAX)


def _record(number: int, line: str, row: Row) -> UsageRecord | Mistake:
    try:
        return UsageRecord.model_validate_json(json.dumps(row(line)))
    except _Wrong as error:
        return Mistake(number, 0, "", *error.sentences)
    except ValidationError as error:
        first = errors_of(error)[0]
        return Mistake(number, 0, path_of(first["loc"]), *sentences(first))


def _csv_row(header: str) -> Row:
    separator = ";" if ";" in header else ","
    names = [name.strip() for name in _cells(header, separator)]
    if missing := [name for name in COLUMNS if name not in names]:
        listed = ", ".join(missing)
        raise _Wrong(f"Es fehlen die Spalten {listed}", f"The columns {listed} are missing")
    if len(names) > len(COLUMNS):
        odd = next(name for name in names if name not in COLUMNS or names.count(name) > 1)[:60]
        raise _Wrong(
            f"Die Spalte {odd!r} ist überzählig; erlaubt sind {', '.join(COLUMNS)}",
            f"The column {odd!r} is one too many; allowed are {', '.join(COLUMNS)}",
        )

    def row(line: str) -> dict[str, Any]:
        cells = _cells(line, separator)
        if len(cells) != len(names):
            raise _Wrong(
                f"Die Zeile hat {len(cells)} Werte, die Kopfzeile {len(names)} Spalten",
                f"The line has {len(cells)} values, the first line {len(names)} columns",
            )
        return dict(zip(names, cells, strict=True))

    return row


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
