"""What the states and causes of settlement are called, in German and English, once."""

from collections.abc import Mapping

from allmende.schemas.invoices import InvoiceKind
from allmende.schemas.settlements import AlertKind, Decision, RunState
from allmende.schemas.statements import ObjectionState, StatementState

from .wording import Words

RUNS: Mapping[RunState, Words] = {
    "draft": ("Entwurf", "draft"),
    "in_review": ("geprüft", "reviewed"),
    "issued": ("freigegeben", "issued"),
}

ALERTS: Mapping[AlertKind, Words] = {
    "usage_unknown_meter": ("Zähler fehlt im Tarif", "meter not in the tariff"),
    "usage_unpriced": ("Verbrauch ohne Preis", "usage without a price"),
    "charge_held": ("wartet auf Preis", "waits for a price"),
    "tax_undecided": ("Umsatzsteuer offen", "VAT undecided"),
    "budget_exceeded": ("Haushaltsansatz überschritten", "budget exceeded"),
    "unusual_jump": ("ungewöhnlicher Sprung", "unusual jump"),
    "held_before": ("früher zurückgestellt", "held before"),
}

DECISIONS: Mapping[Decision, Words] = {
    "released": ("wird berechnet", "is charged"),
    "held": ("zurückgestellt", "on hold"),
}

CAUSES: Mapping[str, Words] = {
    "regular": ("Entgelt", "charge"),
    "reversal": ("Storno", "reversal"),
    "compensation": ("Ausgleich", "compensation"),
    "credit": ("Gutschrift", "credit"),
    "advance": ("Abschlag", "advance"),
    "true_up": ("Spitzabrechnung", "true-up"),
    "reimbursement": ("Erstattung von Kosten", "reimbursement of costs"),
    "late_charge": ("Säumniszuschlag", "late charge"),
}

STATEMENTS: Mapping[StatementState, Words] = {
    "received": ("eingegangen", "received"),
    "certified": ("sachlich und rechnerisch richtig", "certified"),
    "ordered": ("angeordnet", "ordered"),
    "paid": ("bezahlt", "paid"),
}

OBJECTIONS: Mapping[ObjectionState, Words] = {
    "raised": ("erhoben", "raised"),
    "upheld": ("stattgegeben", "upheld"),
    "dismissed": ("zurückgewiesen", "dismissed"),
    "withdrawn": ("zurückgenommen", "withdrawn"),
}

INVOICES: Mapping[InvoiceKind, Words] = {
    "invoice": ("Rechnung", "invoice"),
    "credit_note": ("Gutschrift", "credit note"),
    "notice": ("Umlagebescheid", "levy notice"),
}

DIRECTIONS: Mapping[str, Words] = {
    "payable": ("zu zahlen", "payable"),
    "receivable": ("zu erhalten", "receivable"),
}
