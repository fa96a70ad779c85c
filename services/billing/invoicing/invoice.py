"""Invoices, credit notes and levy notices made of the released lines of a run.

All that a payee charges a payer in a run is one document, but levies stand apart from charges, and what is
not subject to VAT stands apart from what is: one invoice must not mix them (EN 16931, BR-O-11 to BR-O-14).
What the payee has not decided on is a document of its own, so that no reason is claimed for it.
"""

import datetime as dt
import itertools
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from allmende.schemas.billing import ChargeLine, LineTax
from allmende.schemas.contract import unchecked
from allmende.schemas.invoices import (
    Invoice,
    InvoiceHead,
    InvoiceKind,
    InvoiceLine,
    InvoiceParty,
    TaxSubtotal,
)
from allmende.schemas.register import MemberRegister, RegisteredMember, SettlementRules
from allmende.schemas.settlements import TaxTreatment

from .number import EIGHT_YEARS, LETTERS, Series, keep_until, number_of, reference_of
from .tax import Treatments, tax_on, treatments_in

_ORDER = {"S": 0, "E": 1, "O": 2}


def invoices_of(  # noqa: PLR0913 - what a run consists of
    settlement_id: str,
    period: str,
    lines: Iterable[ChargeLine],
    register: MemberRegister,
    rules: SettlementRules,
    issued_on: dt.date,
    earlier: Treatments | None = None,
) -> list[Invoice]:
    """Make the documents of a run, ordered by issuer, recipient, levies after charges and treatment.

    Args:
        settlement_id: the id of the run.
        period: `YYYY-MM`.
        lines: what is released, numbered, in any order; what comes to zero is shown too.
        register: the bodies as they are now.
        rules: of the day of issue, for the day on which they are due.
        issued_on: the day of issue.
        earlier: treatments that lines name and the register no longer has.

    Returns:
        Documents whose numbers have the place 0 in their series until `numbered` gives them one.
    """
    known = {**(earlier or {}), **treatments_in(register)}
    members = {member.id: member for member in register.members}
    ordered = sorted(lines, key=lambda line: (*_group(line), line.line))
    named = {line.payee for line in ordered} | {line.payer for line in ordered}
    parties = {each: party(each, members.get(each), issued_on) for each in named}
    return [
        _invoice(
            (settlement_id, period, issued_on, issued_on + dt.timedelta(days=rules.payment_days)),
            list(group),
            (parties[issuer], parties[recipient]),
            known,
        )
        for (issuer, recipient, _, _), group in itertools.groupby(ordered, key=_group)
    ]


def _group(line: ChargeLine) -> tuple[str, str, str, str]:
    treatment = "undecided" if line.tax is None else "O" if line.tax.category == "O" else "VAT"
    return line.payee, line.payer, line.kind, treatment


def party(member_id: str, member: RegisteredMember | None, day: dt.date) -> InvoiceParty:
    """Describe a side of a document: of its body what that shows, and not what it plans to spend."""
    body = member.body if member is not None else None
    return InvoiceParty(
        member=member_id,
        body=body
        and body.model_copy(update={"tax_status": (), "tax_rules": (), "budget_items": (), "remarks": ""}),
        tax_status=body.status_on(day) if body is not None else None,
    )


def _invoice(
    about: tuple[str, str, dt.date, dt.date],
    lines: Sequence[ChargeLine],
    parties: tuple[InvoiceParty, InvoiceParty],
    known: Treatments,
) -> Invoice:
    settlement_id, period, issued_on, due_on = about
    issuer, recipient = parties
    issuer_id, recipient_id, kind_of_lines, treatment = _group(lines[0])
    used = {line.tax for line in lines if line.tax is not None}
    treatments = {tax: known[issuer_id, tax] for tax in used if (issuer_id, tax) in known}
    subtotals = _subtotals(lines, treatments)
    net, tax = sum(each.net_cents for each in subtotals), sum(each.tax_cents for each in subtotals)
    kind: InvoiceKind = "notice" if kind_of_lines == "levy" else "credit_note" if net + tax < 0 else "invoice"
    name = f"{kind_of_lines}/{issuer_id}/{recipient_id}/{treatment}"
    number = number_of(issuer_id, kind, issued_on.year, 0)
    head = unchecked(
        InvoiceHead,
        {
            "invoice_id": str(uuid.uuid5(uuid.UUID(settlement_id), name)),
            "number": number,
            "kind": kind,
            "settlement_id": settlement_id,
            "period": period,
            "issuer": issuer_id,
            "recipient": recipient_id,
            "issued_on": issued_on,
            "due_on": due_on,
            "reference": reference_of(number),
            "net_cents": net,
            "tax_cents": tax,
            "gross_cents": net + tax,
            "lines": len(lines),
            "keep_until": keep_until(issued_on, EIGHT_YEARS),
        },
    )
    return unchecked(
        Invoice,
        {
            "head": head,
            "issuer": issuer,
            "recipient": recipient,
            "leitweg_id": recipient.body.leitweg_id if recipient.body is not None else None,
            "lines": tuple(_line(position, line) for position, line in enumerate(lines, 1)),
            "subtotals": subtotals,
            "treatments": tuple(sorted(treatments.values(), key=_place)),
        },
    )


def _place(treatment: TaxTreatment) -> tuple[str, int, Decimal]:
    return treatment.rule, _ORDER[treatment.category], treatment.rate_percent


def _line(position: int, line: ChargeLine) -> InvoiceLine:
    return unchecked(
        InvoiceLine,
        {
            "position": position,
            "line": line.line,
            "title": line.title,
            "cause": line.cause,
            "booking_id": line.booking_id,
            "offering_id": line.offering_id,
            "quantity": line.quantity,
            "unit": line.unit,
            "service_from": line.service_from,
            "service_to": line.service_to,
            "net_cents": line.amount_cents,
            "category": line.tax.category if line.tax is not None else "O",
            "rate_percent": line.tax.rate_percent if line.tax is not None else Decimal(0),
            "rule": line.tax.rule if line.tax is not None else None,
            "budget_item": line.budget_item,
            "trace_de": line.trace_de,
            "trace_en": line.trace_en,
        },
    )


def _subtotals(
    lines: Iterable[ChargeLine], treatments: Mapping[LineTax, TaxTreatment]
) -> tuple[TaxSubtotal, ...]:
    """Sum up by category and rate: an invoice has one breakdown of each (BR-E-01, BR-O-01, BR-S-08)."""
    sums: Counter[tuple[str, Decimal]] = Counter()
    for line in lines:
        key = (line.tax.category, line.tax.rate_percent) if line.tax is not None else ("O", Decimal(0))
        sums[key] += line.amount_cents
    found = []
    for (category, rate), net in sorted(sums.items(), key=lambda each: (_ORDER[each[0][0]], each[0][1])):
        theirs = sorted(
            (each for each in treatments.values() if (each.category, each.rate_percent) == (category, rate)),
            key=_place,
        )
        codes = {each.code for each in theirs}
        found.append(
            unchecked(
                TaxSubtotal,
                {
                    "category": category,
                    "rate_percent": rate,
                    "code": codes.pop() if len(codes) == 1 else None,
                    "reason_de": _joined(each.reason_de for each in theirs),
                    "reason_en": _joined(each.reason_en for each in theirs),
                    "net_cents": net,
                    "tax_cents": tax_on(net, rate),
                },
            )
        )
    return tuple(found)


def _joined(reasons: Iterable[str | None]) -> str | None:
    return "; ".join(dict.fromkeys(reason for reason in reasons if reason)) or None


def numbered(invoices: Iterable[Invoice], last: Mapping[Series, int]) -> tuple[Invoice, ...]:
    """Give documents the next numbers of their series, in their order.

    Args:
        invoices: whose numbers have the place 0.
        last: the last number of each series; none was given where it is missing.
    """
    given = dict(last)
    found = []
    for invoice in invoices:
        head = invoice.head
        series = series_of(head)
        given[series] = given.get(series, 0) + 1
        number = number_of(head.issuer, head.kind, head.issued_on.year, given[series])
        update = {"number": number}
        if head.preceding is None:
            update["reference"] = reference_of(number)
        found.append(invoice.model_copy(update={"head": head.model_copy(update=update)}))
    return tuple(found)


def series_of(head: InvoiceHead) -> Series:
    """Tell which series numbers a document: issuer, letter and year of issue."""
    return head.issuer, LETTERS[head.kind], head.issued_on.year
