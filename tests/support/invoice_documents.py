"""Invoices as billing issues them, of any treatment, and parties to change."""

import datetime as dt
from decimal import Decimal
from fractions import Fraction
from typing import Any

from support.bodies import EXEMPT, NOT_TAXABLE, STANDARD, body
from support.builders import uid

from allmende.schemas.bodies import TaxRule, TaxStatus
from allmende.schemas.invoices import Invoice, InvoiceHead, InvoiceLine, InvoiceParty, Preceding, TaxSubtotal
from allmende.schemas.settlements import TaxTreatment
from allmende.tariffs.rounding import to_integer

ISSUED = dt.date(2027, 2, 3)
REFERENCE = "RF23LRZDESY202701"


def party(member: str, number: int = 1, **changes: Any) -> InvoiceParty:
    found = body(member, number, **changes)
    return InvoiceParty(member=member, body=found, tax_status=found.status_on(ISSUED))


def line(cents: int, rule: TaxRule = STANDARD, position: int = 1, **changes: Any) -> InvoiceLine:
    given: dict[str, Any] = {
        "position": position,
        "line": 100 + position,
        "title": "Virtuelle Maschine, groß",
        "cause": "regular",
        "booking_id": uid(position),
        "offering_id": "lrz/vm",
        "quantity": Decimal(2),
        "unit": "Monat",
        "service_from": dt.date(2027, 1, 1),
        "service_to": dt.date(2027, 1, 31),
        "net_cents": cents,
        "category": rule.category,
        "rate_percent": rule.rate_percent,
        "rule": rule.id,
        "budget_item": "11.1.07 / 5431 / 0815",
        "trace_de": "2 Monat × 61,73 € = 123,46 €; Tarif 3 für München & Zürich <ab 2027>",
        "trace_en": "2 Monat × €61.73 = €123.46; tariff 3",
    }
    return InvoiceLine(**given | changes)


def treatment(rule: TaxRule) -> TaxTreatment:
    return TaxTreatment(
        rule=rule.id,
        category=rule.category,
        rate_percent=rule.rate_percent,
        code=rule.code,
        reason_de=rule.reason_de,
        reason_en=rule.reason_en,
        basis=rule.basis,
        decided_on=rule.decided_on,
        decided_by=rule.decided_by,
    )


def invoice(*lines: InvoiceLine, kind: str = "invoice", **changes: Any) -> Invoice:
    """A document over lines; their order, sums and subtotals are worked out here independently."""
    rules = {rule.id: rule for rule in (STANDARD, EXEMPT, NOT_TAXABLE)}
    placed = tuple(each.model_copy(update={"position": n}) for n, each in enumerate(lines, 1))
    used = [rules[name] for name in sorted({each.rule for each in placed if each.rule})]
    subtotals = []
    for rule in used:
        net = sum(each.net_cents for each in placed if each.rule == rule.id)
        tax = Fraction(net) * Fraction(rule.rate_percent) / 100
        subtotals.append(
            TaxSubtotal(
                category=rule.category,
                rate_percent=rule.rate_percent,
                code=rule.code,
                reason_de=rule.reason_de,
                reason_en=rule.reason_en,
                net_cents=net,
                tax_cents=to_integer(tax.numerator, tax.denominator, "nearest"),
            )
        )
    net = sum(each.net_cents for each in subtotals)
    tax_cents = sum(each.tax_cents for each in subtotals)
    letter = {"invoice": "R", "credit_note": "G", "notice": "U"}[kind]
    head = InvoiceHead(
        invoice_id=uid(7),
        number=f"lrz/{letter}/2027/000001",
        kind=kind,  # type: ignore[arg-type]
        settlement_id=uid(50),
        period="2027-01",
        issuer="lrz",
        recipient="desy",
        issued_on=ISSUED,
        due_on=dt.date(2027, 3, 5),
        reference=REFERENCE,
        net_cents=net,
        tax_cents=tax_cents,
        gross_cents=net + tax_cents,
        lines=len(placed),
        preceding=Preceding(number="lrz/R/2026/000009", issued_on=dt.date(2026, 12, 3))
        if kind == "credit_note"
        else None,
        reason="Leitweg-ID berichtigt" if kind == "credit_note" else None,
        keep_until=dt.date(2035, 12, 31),
    )
    taxed = any(each.category != "O" for each in subtotals)
    status = (TaxStatus(valid_from=dt.date(2005, 1, 1), vat_id="DE123456789" if taxed else None),)
    given: dict[str, Any] = {
        "head": head,
        "issuer": party("lrz", 1, name="Leibniz-Rechenzentrum Garching", tax_status=status),
        "recipient": party("desy", 2, name="Deutsches Elektronen-Synchrotron"),
        "leitweg_id": "04011000-1234512345-06",
        "lines": placed,
        "subtotals": tuple(subtotals),
        "treatments": tuple(treatment(rule) for rule in used),
    }
    return Invoice(**given | changes)
