"""Tables open in spreadsheets as what they are: numbers, days and texts, and nothing that runs."""

import csv
import datetime as dt
import io
from decimal import Decimal

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.statements import ISSUED_AT, LINES, charge

from allmende.documents import tables
from allmende.documents.typeset import Language

WICKED = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", '=HYPERLINK("x")', "＝1")


def read(content: bytes, language: Language = "de") -> list[dict[str, str]]:
    assert content.startswith(b"\xef\xbb\xbf")
    text = io.StringIO(content.decode("utf-8-sig"), newline="")
    return list(csv.DictReader(text, delimiter=";" if language == "de" else ","))


def test_german_csv_has_semicolons_commas_and_german_days() -> None:
    content = tables.csv_of(LINES)
    assert content.split(b"\r\n")[0].decode("utf-8-sig").split(";") == tables.heads("de")
    rows = read(content)
    assert [row["Netto in Euro"] for row in rows][:4] == ["123,46", "987,65", "0,00", "-40,00"]
    second = rows[1]
    assert (second["Menge"], second["Einheit"], second["Leistung bis"]) == ("1234,5", "GiB", "31.01.2027")
    assert (second["USt-Satz in %"], second["Buchungsstelle"]) == ("19", "11.1.07 / 5431000 / 0815")
    assert {row["Art"] for row in rows} == {"Leistung", "Umlage"}
    assert {"regulär", "Gutschrift"} <= {row["Anlass"] for row in rows}
    assert second["Herleitung"].startswith("1.234,5 GiB: die ersten 1.000")


def test_english_csv_has_commas_points_and_iso_days() -> None:
    rows = read(tables.csv_of(LINES, "en"), "en")
    assert (rows[1]["Quantity"], rows[1]["Net in euro"], rows[1]["Service to"]) == (
        "1234.5",
        "987.65",
        "2027-01-31",
    )
    assert (rows[1]["Kind"], rows[1]["Cause"]) == ("service", "regular")
    assert rows[1]["Explanation"].startswith("1,234.5 GiB: the first")


def test_a_workbook_has_numbers_days_and_texts() -> None:
    content = tables.xlsx_of(LINES, made_at=ISSUED_AT)
    assert content == tables.xlsx_of(LINES, made_at=ISSUED_AT)
    sheet = openpyxl.load_workbook(io.BytesIO(content)).active
    assert sheet is not None
    head = [str(cell.value) for cell in sheet[1]]
    assert head == tables.heads("de")
    second = dict(zip(head, sheet[3], strict=True))
    assert (second["Netto in Euro"].value, second["Netto in Euro"].data_type) == (987.65, "n")
    assert second["Menge"].value == 1234.5
    assert second["Leistung bis"].value == dt.datetime(2027, 1, 31)  # noqa: DTZ001 - spreadsheets know no zones
    assert sum(Decimal(str(row[14].value)) for row in sheet.iter_rows(min_row=2)) == Decimal("3987.78")


def test_a_number_that_no_cell_can_keep_stays_a_text() -> None:
    exact = Decimal("123456789012345678.123456789")
    content = tables.xlsx_of([charge(1, 1, quantity=exact)], made_at=ISSUED_AT)
    sheet = openpyxl.load_workbook(io.BytesIO(content)).active
    assert sheet is not None
    assert sheet["M2"].value == "123456789012345678.123456789"


@pytest.mark.parametrize("text", WICKED)
def test_no_text_is_a_formula(text: str) -> None:
    line = charge(1, -500).model_copy(update={"title": text, "trace_de": text})
    row = read(tables.csv_of([line]))[0]
    assert (row["Leistung"], row["Herleitung"]) == (f"'{text}", f"'{text}")
    assert row["Netto in Euro"] == "-5,00"
    sheet = openpyxl.load_workbook(io.BytesIO(tables.xlsx_of([line], made_at=ISSUED_AT))).active
    assert sheet is not None
    assert {cell.data_type for cell in sheet[2]} <= {"n", "s", "d"}
    assert sheet["F2"].value in {text, text.strip()}


def test_a_formula_would_be_seen_if_texts_were_written_as_they_are() -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active["A1"] = "=1+1"
    assert book.active["A1"].data_type == "f"


@given(st.lists(st.integers(-(10**13), 10**13), max_size=20), st.sampled_from(["de", "en"]))
def test_amounts_survive_the_way_into_a_table_and_back(cents: list[int], language: Language) -> None:
    lines = [charge(n, each) for n, each in enumerate(cents, 1)]
    rows = read(tables.csv_of(lines, language), language)
    column = "Netto in Euro" if language == "de" else "Net in euro"
    assert [Decimal(row[column].replace(",", ".")) * 100 for row in rows] == cents
