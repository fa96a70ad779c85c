"""The notice of a levy (Umlagebescheid) as PDF, and the one that takes it back."""

import dataclasses
import datetime as dt
from collections.abc import Mapping
from typing import Any

from allmende.schemas.invoices import Invoice, InvoiceLine
from allmende.schemas.register import SettlementRules

from . import wording
from .typeset import Language, Writing, address, pdf, sender, spaced


@dataclasses.dataclass(frozen=True)
class NoticeFile:
    """All that a notice shows.

    Attributes:
        rules: as they held when it was issued.
        issued_at: the moment of that.
        legal_basis: what entitles the issuer, such as a paragraph of its statutes, by language.
    """

    invoice: Invoice
    rules: SettlementRules
    issued_at: dt.datetime
    legal_basis: Mapping[Language, str] = dataclasses.field(default_factory=dict)


def is_notice(invoice: Invoice) -> bool:
    """Whether a document is a notice or takes one back; every other is an invoice."""
    preceding = invoice.head.preceding
    return invoice.head.kind == "notice" or (
        invoice.head.kind == "credit_note" and preceding is not None and "/U/" in preceding.number
    )


def render(file: NoticeFile, language: Language) -> bytes:
    """Write a notice as PDF/A-3a and PDF/UA-1."""
    return pdf("notice", shown(file, language), file.issued_at)


def shown(file: NoticeFile, language: Language) -> dict[str, Any]:
    """Put in words and figures what the template shows."""
    head, write, german = file.invoice.head, Writing(language), language == "de"
    takes_back = head.kind == "credit_note"
    if takes_back:
        title = "Aufhebung eines Umlagebescheids" if german else "Withdrawal of a levy notice"
    else:
        title = "Umlagebescheid" if german else "Levy notice"
    facts = [
        ["Nummer" if german else "Number", head.number],
        ["Zeitraum" if german else "Period", write.period(head.period)],
        ["Ausgestellt am" if german else "Issued on", write.day(head.issued_on)],
    ]
    if file.invoice.leitweg_id:
        facts.append(["Leitweg-ID", file.invoice.leitweg_id])
    if not takes_back:
        facts.append(["Fällig am" if german else "Due on", write.day(head.due_on)])
    facts.append(["Auskunft" if german else "Contact", file.invoice.issuer.body.contact.phone])
    return {
        "language": language,
        "words": wording.words(wording.NOTICE, language),
        "title": title,
        "description": f"{file.invoice.recipient.body.name}, {head.number}",
        "number": head.number,
        "sender": sender(file.invoice.issuer.body),
        "recipient": address(file.invoice.recipient.body),
        "facts": facts,
        "opening": "Sehr geehrte Damen und Herren," if german else "Dear Sir or Madam,",
        "sections": _sections(file, write),
    }


def _sections(file: NoticeFile, write: Writing) -> list[dict[str, Any]]:
    head, german = file.invoice.head, write.language == "de"
    amount = write.euro(abs(head.gross_cents))
    preceding = head.preceding
    if preceding is not None:
        day = write.day(preceding.issued_on)
        decided = (
            f"Der Umlagebescheid {preceding.number} vom {day} über {amount} wird aufgehoben."
            if german
            else f"The levy notice {preceding.number} of {day} over {amount} is withdrawn."
        )
    else:
        decided = (
            f"Für {write.period(head.period)} wird von Ihnen eine Umlage von {amount} erhoben."
            if german
            else f"A levy of {amount} is charged to you for {write.period(head.period)}."
        )
    found = [_section("Entscheidung" if german else "Decision", decided)]
    if head.reason:
        found.append(_section("Grund" if german else "Reason", head.reason))
    if basis := file.legal_basis.get(write.language):
        found.append(_section("Rechtsgrundlage" if german else "Legal basis", basis))
    found.append(_reckoning(file.invoice, write))
    if preceding is None:
        found.append(_section("Zahlung" if german else "Payment", _payment(file, write)))
        found.append(_section("Einwendungen" if german else "Objections", _objection(file, write)))
    return found


def _section(title: str, *texts: str) -> dict[str, Any]:
    return {"title": title, "texts": list(texts)}


def _reckoning(invoice: Invoice, write: Writing) -> dict[str, Any]:
    """How the amount comes about, share by share; VAT only where there is some."""
    german, sign = write.language == "de", -1 if invoice.head.kind == "credit_note" else 1

    def row(line: InvoiceLine) -> list[Any]:
        trace = line.trace_de if german else line.trace_en
        notes = [trace]
        if line.budget_item:
            notes.append(f"{'Buchungsstelle' if german else 'Budget item'} {line.budget_item}")
        return [
            str(line.line),
            {"main": line.title, "notes": notes},
            write.days(line.service_from, line.service_to),
            write.euro(sign * line.net_cents),
        ]

    rows = [row(line) for line in invoice.lines]
    if invoice.head.tax_cents:
        rows.append(["", "Umsatzsteuer" if german else "VAT", "", write.euro(sign * invoice.head.tax_cents)])
    rows.append(
        ["", wording.said(wording.TOTAL, write.language), "", write.euro(sign * invoice.head.gross_cents)]
    )
    reasons = [
        f"{'Umsatzsteuer' if german else 'VAT'}: {reason}"
        for each in invoice.subtotals
        if (reason := each.reason_de if german else each.reason_en)
    ]
    title = "Berechnung" if german else "How it is worked out"
    return {"title": title, "texts": reasons, "rows": rows, "total": 1}


def _payment(file: NoticeFile, write: Writing) -> str:
    head, issuer = file.invoice.head, file.invoice.issuer.body
    due, account = write.day(head.due_on), spaced(issuer.iban)
    if write.language == "de":
        return (
            f"Der Betrag ist am {due} fällig und auf das Konto {account} von {issuer.name} zu zahlen, "
            f"Verwendungszweck {head.reference}, soweit er nicht mit Ihren Forderungen verrechnet wird."
        )
    return (
        f"The amount is due on {due} and payable to the account {account} of {issuer.name}, "
        f"reference {head.reference}, as far as it is not offset against what you are owed."
    )


def _objection(file: NoticeFile, write: Writing) -> str:
    """What may be done against it, by the cooperative's rules; statutory remedies are not theirs to tell."""
    terms, issuer = file.rules.levy_objections, file.invoice.issuer.body.name
    until = write.day(write.moment(file.issued_at) + dt.timedelta(days=terms.days))
    if write.language == "de":
        effect = (
            "Sie hat aufschiebende Wirkung: Bis zur Entscheidung ist der Betrag nicht zu zahlen."
            if terms.suspends
            else "Sie hat keine aufschiebende Wirkung: Der Betrag ist auch dann zum genannten Tag zu zahlen."
        )
        return (
            f"Gegen diesen Bescheid kann innerhalb von {terms.days} Tagen nach Ausstellung, also bis zum "
            f"{until}, über den Marktplatz Einwendung mit Begründung bei {issuer} erhoben werden. {effect}"
        )
    effect = (
        "It has suspensive effect: the amount need not be paid until it is decided."
        if terms.suspends
        else "It has no suspensive effect: the amount is due on the day named above all the same."
    )
    return (
        f"Within {terms.days} days of its issue, until {until}, an objection to this notice with its reason "
        f"may be raised with {issuer} through the market. {effect}"
    )
