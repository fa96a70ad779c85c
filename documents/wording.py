"""What the pages say, in German and English."""

from typing import Any

from .typeset import Language

CAUSES: dict[str, tuple[str, str]] = {
    "regular": ("", ""),
    "reversal": ("Storno", "reversal"),
    "compensation": ("Ausgleich", "compensation"),
    "credit": ("Gutschrift", "credit"),
    "advance": ("Abschlag", "advance"),
    "true_up": ("Spitzabrechnung", "true-up"),
    "reimbursement": ("Erstattung von Kosten", "reimbursement of costs"),
    "late_charge": ("Säumniszuschlag", "late charge"),
}
KINDS: dict[str, tuple[str, str]] = {"charge": ("Leistung", "service"), "levy": ("Umlage", "levy")}
REGULAR = ("regulär", "regular")
FREE = ("kostenfrei", "free of charge")
TOTAL = ("Summe", "Total")
TAXES: dict[str, tuple[str, str]] = {
    "S": ("{rate} %", "{rate}%"),
    "E": ("steuerfrei", "exempt"),
    "O": ("nicht steuerbar", "not subject"),
}

_COMMON = {
    "page": ("Seite", "Page"),
    "of": ("von", "of"),
    "line_heads": (
        ["Pos.", "Leistung und Herleitung", "Zeitraum", "Menge", "Netto", "USt"],
        ["No.", "Service and how it is worked out", "Period", "Quantity", "Net", "VAT"],
    ),
}

STATEMENT: dict[str, tuple[Any, Any]] = _COMMON | {
    "document_heads": (
        ["Nummer", "Gegenseite", "Art", "Netto", "USt", "Brutto", "Fällig am"],
        ["Number", "Other party", "Kind", "Net", "VAT", "Gross", "Due on"],
    ),
    "nothing": (
        "In diesem Zeitraum ist nichts abgerechnet worden.",
        "Nothing was charged in this period.",
    ),
    "service_heads": (
        ["Leistung", "Menge", "Netto", "Vorperiode", "Differenz"],
        ["Service", "Quantity", "Net", "Period before", "Difference"],
    ),
    "reasons": ("Gutschriften, Abschläge und Korrekturen", "Credits, advances and corrections"),
    "reason_heads": (["Pos.", "Grund", "Netto"], ["No.", "Reason", "Net"]),
    "lines": ("Einzelpositionen", "Lines"),
    "lines_note": (
        "Was Sie bezogen haben. Was Sie erbracht haben, steht auf Ihren Dokumenten und im Tabellenexport.",
        "What you received. What you supplied is on your documents and in the table export.",
    ),
    "hints": ("Hinweise", "Notes"),
}

NOTICE: dict[str, tuple[Any, Any]] = _COMMON | {
    "line_heads": (
        ["Pos.", "Umlage und Herleitung", "Zeitraum", "Betrag"],
        ["No.", "Levy and how it is worked out", "Period", "Amount"],
    ),
    "closing": ("Mit freundlichen Grüßen", "Yours faithfully"),
    "unsigned": (
        "Dieses Schreiben ist maschinell erstellt und ohne Unterschrift gültig.",
        "This letter was made by a machine and is valid without a signature.",
    ),
}


def said(pair: tuple[Any, Any], language: Language) -> Any:
    """One of both languages."""
    return pair[0 if language == "de" else 1]


def words(pairs: dict[str, tuple[Any, Any]], language: Language) -> dict[str, Any]:
    """All words of a page in a language."""
    return {name: said(pair, language) for name, pair in pairs.items()}
