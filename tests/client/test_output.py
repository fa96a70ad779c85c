import csv
import datetime as dt
import io
import json
from decimal import Decimal

import pytest
import yaml

from allmende.client.output import Column, Format, Kind, Language, Listing, as_yaml, cell, write

COLUMNS = (
    Column("title", "Leistung", "Service"),
    Column("day", "Tag", "Day", Kind.DAY),
    Column("quantity", "Menge", "Quantity", Kind.NUMBER),
    Column("amount_eur", "Betrag", "Amount", Kind.CENTS),
)
ROWS = (
    {
        "title": "Laufzeit [x]",
        "day": dt.date(2026, 4, 1),
        "quantity": Decimal("5760.50"),
        "amount_eur": 123_456,
    },
    {"title": "=1+1", "day": None, "quantity": None, "amount_eur": -7},
)
DOCUMENT = [{"title": "Laufzeit", "quantity": "5760.50", "amount_cents": 123_456}, {"title": "Übertrag"}]
LISTING = Listing(COLUMNS, ROWS, DOCUMENT)


def written(form: Format, language: Language = "de", listing: Listing = LISTING) -> str:
    stream = io.StringIO()
    write(listing, form, stream, language)
    return stream.getvalue()


def test_a_table_speaks_german() -> None:
    table = written(Format.TABLE)
    assert [line.split() for line in table.splitlines()[:1]] == [["Leistung", "Tag", "Menge", "Betrag"]]
    assert "Laufzeit [x]   01.04.2026   5.760,50   1.234,56 €" in table
    assert "-0,07 €" in table


def test_a_table_speaks_english() -> None:
    table = written(Format.TABLE, "en")
    assert "Service" in table
    assert "2026-04-01   5,760.50   €1,234.56" in table


def test_a_piped_table_is_never_cut_and_has_no_colours_or_trailing_blanks() -> None:
    long = "x" * 500
    table = written(Format.TABLE, listing=Listing(COLUMNS, [{"title": long}], []))
    assert long in table
    assert "\x1b" not in table
    assert all(line == line.rstrip() for line in table.splitlines())


def test_json_is_the_document_with_plain_numbers() -> None:
    assert json.loads(written(Format.JSON)) == DOCUMENT
    assert "Übertrag" in written(Format.JSON)


def test_yaml_is_the_document_and_exact_numbers_stay_text() -> None:
    assert yaml.safe_load(written(Format.YAML)) == DOCUMENT
    assert "quantity: '5760.50'" in written(Format.YAML)
    assert as_yaml({"b": 1, "a": 2}) == "b: 1\na: 2\n"


def test_csv_opens_in_german_excel() -> None:
    text = written(Format.CSV)
    assert text.startswith("\ufefftitle;day;quantity;amount_eur\r\n")
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff")), delimiter=";"))
    assert rows[1] == ["Laufzeit [x]", "2026-04-01", "5760,50", "1234,56"]
    assert rows[2] == ["'=1+1", "", "", "-0,07"]


@pytest.mark.parametrize("mark", ["=", "+", "-", "@", "\t"])
def test_text_of_others_is_no_formula(mark: str) -> None:
    listing = Listing((Column("title", "", ""),), [{"title": f"{mark}cmd"}], [])
    assert f"'{mark}cmd" in written(Format.CSV, listing=listing)


@pytest.mark.parametrize("form", Format)
def test_nothing_is_written_well_too(form: Format) -> None:
    assert written(form, listing=Listing(COLUMNS, [], []))


@pytest.mark.parametrize(
    ("cents", "german", "english"),
    [(0, "0,00 €", "€0.00"), (100_000_000, "1.000.000,00 €", "€1,000,000.00"), (-5, "-0,05 €", "-€0.05")],
)
def test_amounts(cents: int, german: str, english: str) -> None:
    assert cell(cents, Kind.CENTS, "de") == german
    assert cell(cents, Kind.CENTS, "en") == english


def test_numbers_never_show_an_exponent() -> None:
    assert cell(Decimal("1E+3"), Kind.NUMBER, "de") == "1.000"
    assert cell(Decimal("0.000000001"), Kind.NUMBER, "en") == "0.000000001"


def test_line_numbers_are_not_grouped() -> None:
    assert cell(2501, Kind.TEXT, "de") == "2501"
    assert cell(2501, Kind.NUMBER, "de") == "2.501"


def test_moments_are_told_in_local_time() -> None:
    moment = dt.datetime(2026, 3, 12, 9, 30, 15, tzinfo=dt.UTC)
    assert cell(moment, Kind.INSTANT, "de") == moment.astimezone().strftime("%d.%m.%Y %H:%M:%S")
    assert cell(moment, Kind.INSTANT, "en") == moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
