"""Charge lines as tables: CSV as German or English spreadsheets read it, and XLSX."""

import csv
import datetime as dt
import io
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

from allmende.schemas.billing import ChargeLine
from allmende.schemas.money import plain

from . import wording
from .typeset import Language, Writing

CSV_MEDIA_TYPE = "text/csv; charset=utf-8"
XLSX_MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
Cell = str | int | Decimal | dt.date | None
_INJECTION = ("=", "+", "-", "@", "\t", "\r", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}")
_EXACT_DIGITS = 15
"""What a cell of a spreadsheet keeps of a number (IEEE 754, binary64)."""

_COLUMNS: tuple[tuple[str, str, int, Callable[[ChargeLine], Cell]], ...] = (
    ("Position", "Line", 9, lambda line: line.line),
    ("Art", "Kind", 9, lambda line: line.kind),
    ("Anlass", "Cause", 12, lambda line: line.cause),
    ("Zahlungspflichtig", "Payer", 16, lambda line: line.payer),
    ("Empfänger", "Payee", 16, lambda line: line.payee),
    ("Leistung", "Service", 36, lambda line: line.title),
    ("Angebot", "Offering", 20, lambda line: line.offering_id),
    ("Buchung", "Booking", 38, lambda line: line.booking_id),
    ("Preisbestandteil", "Component", 16, lambda line: line.component),
    ("Abgerechnet für", "Charged for", 14, lambda line: line.charged_for),
    ("Leistung von", "Service from", 12, lambda line: line.service_from),
    ("Leistung bis", "Service to", 12, lambda line: line.service_to),
    ("Menge", "Quantity", 12, lambda line: line.quantity),
    ("Einheit", "Unit", 12, lambda line: line.unit),
    ("Netto in Euro", "Net in euro", 14, lambda line: Decimal(line.amount_cents).scaleb(-2)),
    ("USt-Kategorie", "VAT category", 13, lambda line: line.tax.category if line.tax else None),
    ("USt-Satz in %", "VAT rate in %", 13, lambda line: line.tax.rate_percent if line.tax else None),
    ("Buchungsstelle", "Budget item", 24, lambda line: line.budget_item),
    ("Herleitung", "Explanation", 60, lambda line: line.trace_de),
)


def heads(language: Language) -> list[str]:
    """The heads of the columns."""
    return [german if language == "de" else english for german, english, _, _ in _COLUMNS]


def _cells(line: ChargeLine, language: Language) -> list[Cell]:
    told = {
        "Art": wording.said(wording.KINDS[line.kind], language),
        "Anlass": wording.said(wording.CAUSES[line.cause], language)
        or wording.said(wording.REGULAR, language),
        "Herleitung": line.trace_de if language == "de" else line.trace_en,
    }
    return [told.get(german, value(line)) for german, _, _, value in _COLUMNS]


def harmless(text: str) -> str:
    """Keep a text from being run as a formula by whoever opens the file (OWASP, CSV injection)."""
    return f"'{text}" if text.startswith(_INJECTION) else text


def csv_of(lines: Iterable[ChargeLine], language: Language = "de") -> bytes:
    """Write lines as CSV in UTF-8 with a byte order mark, one row each.

    Args:
        lines: in the order in which they are to stand.
        language: `de` has semicolons and decimal commas, `en` commas and decimal points.
    """
    german = language == "de"
    write = Writing(language)

    def shown(cell: Cell) -> str:
        match cell:
            case None:
                return ""
            case str():
                return harmless(cell)
            case Decimal():
                return plain(cell).replace(".", ",") if german else plain(cell)
            case dt.date():
                return write.day(cell) if german else cell.isoformat()
            case number:
                return str(number)

    return _csv([heads(language), *([shown(c) for c in _cells(line, language)] for line in lines)], language)


def _csv(rows: Iterable[Iterable[str]], language: Language) -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=";" if language == "de" else ",").writerows(rows)
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def records_csv(columns: Iterable[str], records: Iterable[Mapping[str, str]]) -> bytes:
    """Write records as plain CSV for machines: commas, no byte order mark."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), restval="", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue().encode()


def xlsx_of(lines: Iterable[ChargeLine], language: Language = "de", *, made_at: dt.datetime) -> bytes:
    """Write lines as a workbook of one sheet: amounts are numbers, days are days, texts never formulas.

    Args:
        lines: in the order in which they are to stand.
        language: of the heads and explanations.
        made_at: stands in the file as the moment of its creation.
    """
    import xlsxwriter  # noqa: PLC0415 - whoever writes CSV does not need it

    file = io.BytesIO()
    book = xlsxwriter.Workbook(
        file, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    )
    title = "Abrechnung" if language == "de" else "Statement"
    book.set_properties({"title": title, "created": made_at.replace(tzinfo=None)})
    sheet = book.add_worksheet(title)
    head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
    money = book.add_format({"num_format": "#,##0.00"})
    day = book.add_format({"num_format": "dd.mm.yyyy" if language == "de" else "yyyy-mm-dd"})
    for column, (name, (*_, width, _)) in enumerate(zip(heads(language), _COLUMNS, strict=True)):
        sheet.write_string(0, column, name, head)
        sheet.set_column(column, column, width)
    last = 0
    for row, line in enumerate(lines, 1):
        last = row
        for column, cell in enumerate(_cells(line, language)):
            match cell:
                case None | "":
                    continue
                case str():
                    sheet.write_string(row, column, cell)
                case dt.date():
                    sheet.write_datetime(row, column, dt.datetime.combine(cell, dt.time()), day)
                case Decimal() if len(cell.normalize().as_tuple().digits) > _EXACT_DIGITS:
                    sheet.write_string(row, column, plain(cell))
                case Decimal():
                    is_money = column == _MONEY
                    sheet.write_number(row, column, cell, money if is_money else None)
                case number:
                    sheet.write_number(row, column, number)
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, last, len(_COLUMNS) - 1)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    book.close()
    return file.getvalue()


_MONEY = next(n for n, (german, *_) in enumerate(_COLUMNS) if german == "Netto in Euro")
