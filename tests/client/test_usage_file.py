import io
import itertools
import json
import tracemalloc
from collections.abc import Iterator

import pytest
from support.examples import usage_record

from allmende.client.usage_file import LINE_BYTES_MAX, Read, read_usage
from allmende.schemas.billing import UsageCancellation, UsageRecord
from allmende.schemas.mistakes import Mistake

BOOKING = "0196a3c4-7e1b-7c55-9d1e-3f5a6b7c8d9e"
HEADER = "id;booking_id;meter;quantity;start;end"
LINE = f"r1;{BOOKING};vcpu_hours;12.5;2026-04-01T00:00:00+02:00;2026-04-02T00:00:00+02:00"


def read(text: str | bytes) -> list[Read]:
    return list(read_usage(io.BytesIO(text.encode() if isinstance(text, str) else text)))


def mistake_of(text: str | bytes) -> Mistake:
    [mistake] = [found for _, found in read(text) if isinstance(found, Mistake)]
    return mistake


def record_of(text: str) -> UsageRecord:
    [(_, found)] = read(text)
    assert isinstance(found, UsageRecord), found
    return found


@pytest.mark.parametrize("separator", [";", ","])
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_csv_as_programs_and_excel_write_it(separator: str, end: str, mark: str) -> None:
    text = mark + (HEADER + (end or "\n") + LINE + end).replace(";", separator)
    record = record_of(text)
    assert (record.id, str(record.quantity)) == ("r1", "12.5")
    assert record.start.isoformat() == "2026-03-31T22:00:00+00:00"


def test_columns_in_any_order_with_quotes_and_blank_lines() -> None:
    text = (
        f'quantity,end,"id",start,meter,booking_id\n\n0.10,{LINE[-25:]},"a, b",{LINE[-25:]},m,{BOOKING}\n\n'
    )
    [(line, record)] = read(text)
    assert line == 3
    assert isinstance(record, UsageRecord)
    assert (record.id, str(record.quantity)) == ("a, b", "0.10")


def test_json_lines_keep_the_text_of_numbers() -> None:
    one = usage_record().model_dump(mode="json")
    text = json.dumps(one) + "\n\n" + json.dumps(one | {"quantity": 0.83}) + "\n"
    found = read(text)
    assert [line for line, _ in found] == [1, 3]
    assert found[0][1] == usage_record()
    assert isinstance(found[1][1], UsageRecord)
    assert str(found[1][1].quantity) == "0.83"


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("12.5", "12,5x", "quantity"),
        ("12.5", "-1", "quantity"),
        ("12.5", "1e3", "quantity"),
        ("12.5", "NaN", "quantity"),
        ("12.5", "", "quantity"),
        (BOOKING, BOOKING.upper(), "booking_id"),
        ("vcpu_hours", "vCPU", "meter"),
        ("2026-04-01T00:00:00+02:00", "2026-04-01", "start"),
        ("2026-04-02T00:00:00+02:00", "2026-04-31T00:00:00Z", "end"),
        ("r1", "r\u200b1", "id"),
    ],
)
def test_a_bad_value_names_its_line_and_field_and_the_rest_goes_on(old: str, new: str, field: str) -> None:
    text = "\n".join([HEADER, LINE, LINE.replace(old, new, 1), LINE])
    mistake = mistake_of(text)
    assert (mistake.line, mistake.path) == (3, field)
    assert mistake.german != mistake.english
    assert [isinstance(found, UsageRecord) for _, found in read(text)] == [True, False, True]


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("id;booking_id;meter;quantity;start\n" + LINE, 1, "end"),
        (HEADER + ";price\n" + LINE, 1, "price"),
        (HEADER + ";id\n" + LINE, 1, "id"),
        ("hallo\nwelt", 1, "booking_id"),
        (HEADER + "\n" + LINE + ";x", 2, "7"),
        (HEADER + "\nr1;x", 2, "2"),
        (HEADER + '\n"r1;x', 2, "Anführungszeichen"),
        ('{"id": "a", "id": "b"}', 1, "doppelt"),
        ('{"id": ', 1, "JSON"),
        ("{" * 60_000, 1, "JSON"),
        ('{"id": "a", "price": 1}', 1, "booking_id"),
        (HEADER + "\n" + LINE.replace("T00:00:00", "T23:00:00", 1).replace("04-02", "04-01"), 2, "endet"),
        (HEADER + "\n" + "x" * (LINE_BYTES_MAX + 9) + "\n" + LINE, 2, "Bytes"),
        ("x" * (LINE_BYTES_MAX + 9), 1, "Bytes"),
        (HEADER.encode() + "\nrä;x\n".encode() + b"r\xfc1;x", 2, "2"),
        (HEADER.encode() + b"\nr\x811;x", 2, "Windows-1252"),
        (HEADER.encode("utf-16"), 1, "UTF-8"),
    ],
)
def test_a_line_that_cannot_be_read_is_told(text: str | bytes, line: int, word: str) -> None:
    first = next(found for _, found in read(text) if isinstance(found, Mistake))
    assert first.line == line
    assert word in first.german + first.path


def test_after_a_line_too_long_the_next_is_read() -> None:
    found = read(f"{HEADER}\n{'x' * (3 * LINE_BYTES_MAX)}\n{LINE}\n")
    assert [(line, isinstance(each, UsageRecord)) for line, each in found] == [(2, False), (3, True)]


@pytest.mark.parametrize("text", ["", "\n\n", HEADER, HEADER + "\n"])
def test_nothing_to_report(text: str) -> None:
    assert read(text) == []


class Endless(io.RawIOBase):
    """More lines than fit into memory, made when they are asked for."""

    def __init__(self) -> None:
        self._lines: Iterator[bytes] = itertools.chain(
            [f"{HEADER}\n".encode()], (f"{number}{LINE[2:]}\n".encode() for number in itertools.count())
        )

    def readline(self, _size: int | None = -1, /) -> bytes:
        return next(self._lines)


def test_the_file_is_never_held_as_a_whole() -> None:
    records = read_usage(Endless())  # type: ignore[arg-type]
    next(records)
    tracemalloc.start()
    for _ in itertools.islice(records, 2_000):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 500_000


EXCEL = (
    "id;booking_id;meter;quantity;start;end;corrects;cancels;reason;dimension:purpose\r\n"
    f"zähler-1;{BOOKING};vcpu_hours;1.012,50;2026-04-01T00:00:00+02:00;2026-04-02T00:00:00+02:00;;;;lehre\r\n"
    f"b;{BOOKING};vcpu_hours;3,5;2026-04-01T00:00:00+02:00;2026-04-02T00:00:00+02:00;zähler-1;;;\r\n"
    "c;;;;;;;b;doppelt gezählt;\r\n"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_german_excel_with_corrections_and_cancellations(encoding: str) -> None:
    first, second, third = [found for _, found in read(EXCEL.encode(encoding))]
    assert isinstance(first, UsageRecord)
    assert isinstance(second, UsageRecord)
    assert (first.id, str(first.quantity), first.dimensions) == ("zähler-1", "1012.50", {"purpose": "lehre"})
    assert (second.corrects, str(second.quantity), second.dimensions) == ("zähler-1", "3.5", {})
    assert third == UsageCancellation(id="c", cancels="b", reason="doppelt gezählt")


def test_a_file_of_cancellations_needs_no_other_columns() -> None:
    [(_, found)] = read("id,cancels,reason\nc,b,doppelt\n")
    assert found == UsageCancellation(id="c", cancels="b", reason="doppelt")
    [(_, found)] = read('{"id": "c", "cancels": "b", "reason": "doppelt"}')
    assert isinstance(found, UsageCancellation)


def test_a_comma_is_decimal_only_where_it_separates_nothing() -> None:
    assert mistake_of(f"{HEADER}\n{LINE}".replace(";", ",").replace("12.5", '"12,5"')).path == "quantity"


def test_the_encoding_does_not_change_within_a_file() -> None:
    text = EXCEL.encode() + "ä;\r\n".encode("cp1252")
    assert "UTF-8" in mistake_of(text).german


@pytest.mark.parametrize("json_lines", [False, True])
def test_reading_goes_on_where_it_ended(json_lines: bool) -> None:
    one = usage_record().model_dump_json()
    text = "\n".join([one] * 5) if json_lines else "\n".join([HEADER, *[LINE] * 5])
    stream = io.BytesIO(text.encode())
    records = read_usage(stream)
    line = next(itertools.islice(records, 1, None))[0]
    place = stream.tell()
    assert [found[0] for found in read_usage(io.BytesIO(text.encode()), (line, place))] == [
        line + 1,
        line + 2,
        line + 3,
    ]
