"""The notice of a levy (Umlagebescheid) as PDF, and the one that takes it back."""

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any

from allmende.schemas.bodies import Body
from allmende.schemas.invoices import Invoice, InvoiceHead, InvoiceLine
from allmende.schemas.register import SettlementRules
from allmende.schemas.rejections import Rejected

from . import wording
from .parties import bodies_of
from .typeset import Language, Writing, address, pdf, sender, spaced


@dataclasses.dataclass(frozen=True)
class NoticeFile:
    """All that a notice shows.

    Attributes:
        rules: as they held when it was issued.
        issued_at: the moment of that.
        legal_bases: what entitles the issuer, such as a paragraph of its statutes, once for each levy.
    """

    invoice: Invoice
    rules: SettlementRules
    issued_at: dt.datetime
    legal_bases: Sequence[str] = ()


def is_notice(invoice: Invoice) -> bool:
    """Whether a document is a notice or takes one back; every other is an invoice."""
    preceding = invoice.head.preceding
    return invoice.head.kind == "notice" or (
        invoice.head.kind == "credit_note" and preceding is not None and "/U/" in preceding.number
    )


def render(file: NoticeFile, language: Language) -> bytes | Rejected:
    """Write a notice as PDF/A-3a and PDF/UA-1, or tell whose body is missing."""
    bodies = bodies_of(file.invoice)
    if isinstance(bodies, Rejected):
        return bodies
    return pdf("notice", shown(file, bodies, language), file.issued_at)


def shown(file: NoticeFile, bodies: tuple[Body, Body], language: Language) -> dict[str, Any]:
    """Put in words and figures what the template shows."""
    issuer, recipient = bodies
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
    facts.append(["Auskunft" if german else "Contact", issuer.contact.phone])
    return {
        "language": language,
        "words": wording.words(wording.NOTICE, language),
        "title": title,
        "description": f"{recipient.name}, {head.number}",
        "number": head.number,
        "sender": sender(issuer),
        "recipient": address(recipient),
        "facts": facts,
        "opening": "Sehr geehrte Damen und Herren," if german else "Dear Sir or Madam,",
        "sections": _sections(file, issuer, write),
    }


def _sections(file: NoticeFile, issuer: Body, write: Writing) -> list[dict[str, Any]]:
    head, german = file.invoice.head, write.language == "de"
    found = [_section("Entscheidung" if german else "Decision", *_decision(head, write))]
    if head.reason:
        found.append(_section("Grund" if german else "Reason", head.reason))
    if file.legal_bases:
        found.append(_section("Rechtsgrundlage" if german else "Legal basis", *file.legal_bases))
    found.append(_reckoning(file.invoice, write))
    if head.kind == "notice" and head.gross_cents > 0:
        found.append(_section("Zahlung" if german else "Payment", _payment(head, issuer, write)))
    if head.kind == "notice":
        found.append(
            _section("Einwendungen" if german else "Objections", _objection(file, issuer.name, write))
        )
    return found


def _decision(head: InvoiceHead, write: Writing) -> list[str]:
    """What is levied, paid back or withdrawn, and what it replaces."""
    german, amount = write.language == "de", write.euro(abs(head.gross_cents))
    period, preceding = write.period(head.period), head.preceding
    before = (
        f"{preceding.number} {'vom' if german else 'of'} {write.day(preceding.issued_on)}"
        if preceding
        else ""
    )
    if head.kind == "credit_note":
        if german:
            return [f"Der Umlagebescheid {before} über {amount} wird aufgehoben."]
        return [f"The levy notice {before} over {amount} is withdrawn."]
    if german:
        verb = "wird von Ihnen eine Umlage" if head.gross_cents >= 0 else "wird Ihnen aus Umlagen ein Betrag"
        ending = "erhoben" if head.gross_cents >= 0 else "erstattet"
        decided = f"Für {period} {verb} von {amount} {ending}."
        return [decided, *([f"Dieser Bescheid ersetzt den Bescheid {before}."] if before else [])]
    verb = "A levy of {} is charged to you" if head.gross_cents >= 0 else "{} of levies is paid back to you"
    decided = f"{verb.format(amount)} for {period}."
    return [decided, *([f"This notice replaces the notice {before}."] if before else [])]


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


def _payment(head: InvoiceHead, issuer: Body, write: Writing) -> str:
    """Tell when it is due; amount and reference of the payment are those of the netting to come."""
    due, account = write.day(head.due_on), spaced(issuer.iban)
    if write.language == "de":
        return (
            f"Der Betrag ist am {due} fällig. Bitte zahlen Sie noch nicht: Er wird mit Ihren Forderungen "
            f"verrechnet; Betrag, Tag und Verwendungszweck (RF…) der Zahlung auf das Konto {account} nennt "
            f"Ihnen {issuer.name} mit der Verrechnung."
        )
    return (
        f"The amount is due on {due}. Please do not pay yet: it is offset against what you are owed; "
        f"{issuer.name} then tells amount, day and reference (RF…) of the payment to the account {account}."
    )


def _objection(file: NoticeFile, issuer: str, write: Writing) -> str:
    """What may be done against it, by the cooperative's rules; statutory remedies are not theirs to tell."""
    terms = file.rules.levy_objections
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
