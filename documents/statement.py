"""The statement of a member as PDF: what it owes and is owed, by service, against the period before."""

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from allmende.schemas.billing import ChargeLine, StatementIssued, StatementItem
from allmende.schemas.bodies import Body
from allmende.schemas.money import plain
from allmende.schemas.register import SettlementRules
from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.settlements import ServiceSum

from . import wording
from .typeset import Language, Writing, address, pdf, sender, spaced


@dataclasses.dataclass(frozen=True)
class StatementFile:
    """All that a statement shows.

    Attributes:
        house: the body of the clearing house, which sends it; None where the register has none.
        body: of the member; likewise.
        names: of members, by id.
        services: sums by service with those of the period before.
        against: that period.
        lines: what the member owes, by number.
        rules: as they held when it was issued.
    """

    statement: StatementIssued
    house: Body | None
    body: Body | None
    names: Mapping[str, str]
    services: Sequence[ServiceSum]
    against: str | None
    lines: Sequence[ChargeLine]
    rules: SettlementRules


def render(file: StatementFile, language: Language) -> bytes | Rejected:
    """Write a statement as PDF/A-3a and PDF/UA-1, or tell whose body is missing."""
    for body, member in ((file.house, file.statement.clearing_house), (file.body, file.statement.member)):
        if body is None:
            return rejected("no_body", member=member)
    return pdf("statement", shown(file, language), file.statement.issued_at)


def shown(file: StatementFile, language: Language) -> dict[str, Any]:
    """Put in words and figures what the template shows; both bodies are known."""
    statement, house, body = file.statement, file.house, file.body
    if house is None or body is None:
        raise ValueError("a statement needs both bodies")
    write = Writing(language)
    german = language == "de"
    period = write.period(statement.period)
    issued_on = write.moment(statement.issued_at)
    facts = [
        ["Nummer" if german else "Number", statement.number],
        ["Zeitraum" if german else "Period", period],
        ["Ausgestellt am" if german else "Issued on", write.day(issued_on)],
        ["Mitglied" if german else "Member", statement.member],
    ]
    if body.leitweg_id:
        facts.append(["Leitweg-ID", body.leitweg_id])
    facts.append(["Auskunft" if german else "Contact", house.contact.phone])
    return {
        "language": language,
        "words": wording.words(wording.STATEMENT, language),
        "title": f"Abrechnung {period}" if german else f"Statement {period}",
        "description": f"{body.name}, {statement.number}",
        "number": statement.number,
        "sender": sender(house),
        "recipient": address(body),
        "facts": facts,
        "opening": _opening(file, write),
        "position": _position(statement, write),
        "payment": _payment(file, house, body, write),
        "sides": [each for each in (_side(file, "payable", write), _side(file, "receivable", write)) if each],
        "reasons": _reasons(file.lines, write),
        "lines": [_line(line, write) for line in file.lines],
        "hints": _hints(file, issued_on, write),
    }


def _opening(file: StatementFile, write: Writing) -> str:
    period = write.period(file.statement.period)
    if write.language == "en":
        before = f" Beside each sum stands that of {write.period(file.against)}." if file.against else ""
        return f"This is what was supplied between you and other members, and levied, in {period}.{before}"
    before = f" Neben jeder Summe steht die von {write.period(file.against)}." if file.against else ""
    return f"Dies wurde im {period} zwischen Ihnen und anderen Mitgliedern geleistet und umgelegt.{before}"


def _position(statement: StatementIssued, write: Writing) -> list[list[str]]:
    german, net = write.language == "de", statement.net_cents
    if net < 0:
        left = "Zu zahlen" if german else "To be paid by you"
    else:
        left = "Sie erhalten" if german else "To be paid to you"
    owed = "Sie schulden, brutto" if german else "You owe, VAT included"
    owing = "Ihnen steht zu, brutto" if german else "You are owed, VAT included"
    return [
        [owed, write.euro(statement.payable_cents)],
        [owing, write.euro(statement.receivable_cents)],
        [left, write.euro(abs(net))],
    ]


def _payment(file: StatementFile, house: Body, body: Body, write: Writing) -> str:
    """Tell how the difference is paid: amount, account and reference are those of the netting to come."""
    statement, german = file.statement, write.language == "de"
    if not statement.net_cents:
        return "Es ist nichts zu zahlen." if german else "Nothing has to be paid."
    if file.rules.netting != "clearing_house":
        return (
            "Bitte zahlen Sie noch nicht: Gezahlt wird, was nach der Verrechnung offen bleibt. Sie nennt zu "
            "jeder Zahlung Empfänger, Betrag, Tag und Verwendungszweck (RF…)."
            if german
            else "Please do not pay yet: what the offsetting leaves open is paid. It tells payee, amount, "
            "day and reference (RF…) of every payment."
        )
    if statement.net_cents > 0:
        theirs = spaced(body.iban)
        return (
            f"Was nach der Verrechnung mit allen fälligen Dokumenten bleibt, wird auf Ihr Konto {theirs} "
            "überwiesen; sie nennt Betrag, Tag und Verwendungszweck (RF…)."
            if german
            else f"What is left once all documents due are offset is transferred to your account {theirs}; "
            "the offsetting tells amount, day and reference (RF…)."
        )
    days = [item.due_on for item in statement.payable if item.due_on]
    due, ours = write.day(min(days)) if days else None, spaced(house.iban)
    if german:
        first = f"Die ersten Dokumente sind am {due} fällig. " if due else ""
        return (
            f"{first}Bitte zahlen Sie noch nicht: {house.name} verrechnet, was fällig ist, und nennt Ihnen "
            f"dann Betrag, Tag und Verwendungszweck (RF…) der Zahlung auf das Konto {ours}."
        )
    first = f"The first documents are due on {due}. " if due else ""
    return (
        f"{first}Please do not pay yet: {house.name} offsets what is due and then tells amount, day "
        f"and reference (RF…) of the payment to the account {ours}."
    )


def _side(file: StatementFile, direction: str, write: Writing) -> dict[str, Any] | None:
    """What the member owes, or what it is owed: documents first, then services by party."""
    german, payable = write.language == "de", direction == "payable"
    items = file.statement.payable if payable else file.statement.receivable
    found = [each for each in file.services if each.direction == direction]
    if not items and not found:
        return None
    if payable:
        title = "Bezogene Leistungen und Umlagen" if german else "Services received and levies"
    else:
        title = "Erbrachte Leistungen" if german else "Services supplied"
    parties = []
    for party in dict.fromkeys(each.counterparty for each in found):
        theirs = [each for each in found if each.counterparty == party]
        parties.append({"title": file.names.get(party, party), "rows": _services(theirs, file, write)})
    return {"title": title, "documents": [_document(each, file, write) for each in items], "parties": parties}


def _document(item: StatementItem, file: StatementFile, write: Writing) -> list[str]:
    german = write.language == "de"
    letter = item.number.split("/")[1] if item.number and item.number.count("/") == 3 else ""
    kinds = {
        "R": "Rechnung" if german else "Invoice",
        "G": "Gutschrift" if german else "Credit note",
        "U": "Umlagebescheid" if german else "Levy notice",
    }
    usual = (
        ("Umlage" if german else "Levy") if item.kind == "levy" else ("Leistungen" if german else "Services")
    )
    return [
        item.number or "–",
        file.names.get(item.counterparty, item.counterparty),
        kinds.get(letter, usual),
        write.euro(item.amount_cents),
        write.euro(item.tax_cents),
        write.euro(item.amount_cents + item.tax_cents),
        write.day(item.due_on) if item.due_on else "–",
    ]


def _services(found: Sequence[ServiceSum], file: StatementFile, write: Writing) -> list[list[Any]]:
    """One row for each service, and their sum; what is free stands there with zero."""

    def money(amount: int, before: int) -> list[str]:
        if file.against is None:
            return [write.euro(amount), "–", "–"]
        return [write.euro(amount), write.euro(before), write.difference(amount - before)]

    rows: list[list[Any]] = []
    for each in found:
        free = each.cause == "regular" and each.lines and not each.amount_cents
        note = wording.said(wording.FREE if free else wording.CAUSES[each.cause], write.language)
        quantity = write.quantity(each.quantity, each.unit)
        rows.append(
            [
                {"main": each.title, "notes": [note] if note else []},
                quantity,
                *money(each.amount_cents, each.previous_cents),
            ]
        )
    total = money(sum(each.amount_cents for each in found), sum(each.previous_cents for each in found))
    return [*rows, [wording.said(wording.TOTAL, write.language), "", *total]]


def _reasons(lines: Sequence[ChargeLine], write: Writing) -> list[list[Any]]:
    return [
        [
            str(line.line),
            {
                "main": f"{wording.said(wording.CAUSES[line.cause], write.language)}: {line.title}",
                "notes": [line.trace_de if write.language == "de" else line.trace_en],
            },
            write.euro(line.amount_cents),
        ]
        for line in lines
        if line.cause != "regular"
    ]


def tax_of(line: ChargeLine, language: Language) -> str:
    """How a line is treated for VAT, in a word; empty where nothing is decided."""
    if line.tax is None:
        return ""
    rate = plain(line.tax.rate_percent.normalize())
    rate = rate.replace(".", ",") if language == "de" else rate
    return str(wording.said(wording.TAXES[line.tax.category], language)).format(rate=rate)


def _line(line: ChargeLine, write: Writing) -> list[Any]:
    german = write.language == "de"
    trace = line.trace_de if german else line.trace_en
    notes = [trace]
    if line.budget_item:
        notes.append(f"{'Buchungsstelle' if german else 'Budget item'} {line.budget_item}")
    return [
        str(line.line),
        {"main": line.title, "notes": notes},
        write.days(line.service_from, line.service_to),
        write.quantity(line.quantity, line.unit),
        write.euro(line.amount_cents),
        tax_of(line, write.language),
    ]


def _hints(file: StatementFile, issued_on: dt.date, write: Writing) -> list[str]:
    """Until when a line can be objected to, and what that does."""
    german = write.language == "de"
    kinds = {item.kind for item in file.statement.payable}
    hints = []
    for kind, terms in (("charge", file.rules.objections), ("levy", file.rules.levy_objections)):
        if kind not in kinds:
            continue
        until = write.day(issued_on + dt.timedelta(days=terms.days))
        if german:
            what = "Leistungen" if kind == "charge" else "Umlagen"
            effect = "Bestrittene Positionen sind bis zur Entscheidung nicht zu zahlen."
            effect = effect if terms.suspends else "Sie haben keine aufschiebende Wirkung."
            hints.append(
                f"Einwendungen gegen einzelne Positionen von {what} sind bis zum {until} möglich. {effect}"
            )
        else:
            what = "services" if kind == "charge" else "levies"
            effect = "A disputed line need not be paid until it is decided."
            effect = effect if terms.suspends else "An objection has no suspensive effect."
            hints.append(f"Single lines of {what} may be objected to until {until}. {effect}")
    hints.append(
        "Jede Position lässt sich bis zu Tarif, Buchung und Nutzungssatz zurückverfolgen: allmende zeigt sie "
        "unter ihrer Nummer. Die Rechnungen liegen als XRechnung bei."
        if german
        else "Every line can be followed down to tariff, booking and usage record under its number. "
        "The invoices are enclosed as XRechnung."
    )
    return hints
