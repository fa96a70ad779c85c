"""Invoices as XRechnung 3.0 in the syntax CII (KoSIT, XRechnung 3.0.2; EN 16931-1, business terms BT and BG).

A credit note is 381 with positive amounts; what an invoice takes back is a line with a negative quantity.
A levy that bears VAT is an invoice, too, whatever it is called (§ 14 UStG).
"""

import datetime as dt
from decimal import Decimal
from fractions import Fraction
from xml.etree import ElementTree as ET

from drafthorse.models.accounting import ApplicableTradeTax
from drafthorse.models.document import Document
from drafthorse.models.note import IncludedNote
from drafthorse.models.party import TaxRegistration, TradeParty
from drafthorse.models.payment import PaymentMeans, PaymentTerms
from drafthorse.models.tradelines import LineItem

from allmende.schemas.bodies import Body, check_iban, check_leitweg_id
from allmende.schemas.invoices import Invoice, InvoiceHead, InvoiceLine, InvoiceParty, TaxSubtotal
from allmende.schemas.money import plain
from allmende.schemas.rejections import Rejected, rejected

from .parties import bodies_of
from .units import ONE, code_of

SPECIFICATION = "urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0"
"""BT-24."""
PROCESS = "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"
"""BT-23."""
MEDIA_TYPE = "application/xml"
_PRICE_PLACES_MAX = 9


def missing(invoice: Invoice) -> Rejected | None:
    """Tell what keeps a document from being an XRechnung, beside what the contracts check.

    The official rules let wrong check digits pass, so both are checked here whatever the source of the data.
    """
    issuer, recipient = invoice.issuer, invoice.recipient
    bodies = bodies_of(invoice)
    if isinstance(bodies, Rejected):
        return bodies
    if invoice.leitweg_id is None:
        return rejected("no_leitweg_id", "leitweg_id", member=recipient.member)
    try:
        check_leitweg_id(invoice.leitweg_id)
    except ValueError:
        return rejected("leitweg_id_wrong", "leitweg_id", member=recipient.member, id=invoice.leitweg_id)
    for party, body in zip((issuer, recipient), bodies, strict=True):
        try:
            check_iban(body.iban)
        except ValueError:
            return rejected("iban_wrong", "iban", member=party.member)
    undecided = [line.line for line in invoice.lines if line.rule is None]
    if undecided:
        return rejected("no_tax_rule", "lines", member=issuer.member, line=undecided[0])
    status = issuer.tax_status
    taxed = any(each.category != "O" for each in invoice.subtotals)
    if taxed and not (status and (status.vat_id or status.tax_number)):
        return rejected("no_tax_number", "tax_status", member=issuer.member)
    return None


def render(invoice: Invoice) -> bytes | Rejected:
    """Write an invoice or credit note as XRechnung, the same bytes each time.

    Returns:
        UTF-8 XML, or why there is none.
    """
    if (refusal := missing(invoice)) is not None:
        return refusal
    bodies = bodies_of(invoice)
    if isinstance(bodies, Rejected):
        return bodies
    sign = -1 if _credits(invoice.head) else 1
    document = Document()
    document.context.guideline_parameter.id = SPECIFICATION
    document.context.business_parameter.id = PROCESS
    _header(document, invoice)
    agreement = document.trade.agreement
    agreement.buyer_reference = invoice.leitweg_id
    taxed = any(each.category != "O" for each in invoice.subtotals)
    _party(agreement.seller, invoice.issuer, bodies[0], taxed=taxed, issues=True)
    _party(agreement.buyer, invoice.recipient, bodies[1], taxed=taxed, issues=False)
    for line in invoice.lines:
        document.trade.items.add(_line(line, sign))
    _settlement(document, invoice, bodies[0] if invoice.head.gross_cents >= 0 else bodies[1], sign)
    root = document.to_etree()
    ET.indent(root)
    return bytes(ET.tostring(root, "utf-8", xml_declaration=True))


def _credits(head: InvoiceHead) -> bool:
    """Whether a document gives back: of notices and what takes them back the amount tells, not the kind."""
    preceding = head.preceding.number if head.preceding is not None else ""
    if head.kind == "notice" or "/U/" in preceding:
        return head.gross_cents < 0
    return head.kind == "credit_note"


def _header(document: Document, invoice: Invoice) -> None:
    head = invoice.head
    document.header.id = head.number
    document.header.type_code = "381" if _credits(head) else "380"
    document.header.issue_date_time = head.issued_on
    notes = [head.reason] if head.reason else []
    notes += sorted({each.basis for each in invoice.treatments})
    for text in notes:
        note = IncludedNote()
        note.content = text
        document.header.notes.add(note)


def _party(found: TradeParty, party: InvoiceParty, body: Body, *, taxed: bool, issues: bool) -> None:
    """Fill in a party; who is not subject to VAT shows no tax numbers (BR-O-02 to BR-O-04)."""
    status = party.tax_status
    found.id = party.member
    found.name = body.name
    if body.registration_id:
        found.legal_organization.id = body.registration_id
    found.contact.person_name = body.contact.name
    found.contact.telephone.number = body.contact.phone
    found.contact.email.address = body.contact.email
    street = (body.address.street, body.address.building_number)
    found.address.postcode = body.address.post_code
    found.address.line_one = " ".join(part for part in street if part)
    found.address.city_name = body.address.city
    found.address.country_id = body.address.country
    found.electronic_address.uri_ID = ("EM", body.electronic_address)
    if taxed and status and status.vat_id:
        found.tax_registrations.add(TaxRegistration(id=("VA", status.vat_id)))
    if taxed and issues and status and status.tax_number:
        found.tax_registrations.add(TaxRegistration(id=("FC", status.tax_number)))


def amount(cents: int) -> Decimal:
    """Write cents as euro with two decimal places."""
    return Decimal(cents).scaleb(-2)


def _line(line: InvoiceLine, sign: int) -> LineItem:
    item = LineItem()
    item.document.line_id = str(line.position)
    note = IncludedNote()
    note.content = f"Position {line.line} der Abrechnung: {line.trace_de}"
    item.document.notes.add(note)
    item.product.name = line.title
    if line.offering_id:
        item.product.seller_assigned_id = line.offering_id
    net = sign * line.net_cents
    quantity, price, unit = _priced(line, abs(net))
    if unit == ONE and line.quantity is not None and line.unit:
        item.product.description = f"{plain(line.quantity)} {line.unit}".replace(".", ",")
    item.agreement.net.amount = price
    item.delivery.billed_quantity = (plain(-quantity if net < 0 else quantity), unit)
    tax = item.settlement.trade_tax
    tax.type_code = "VAT"
    tax.category_code = line.category
    if line.category != "O":
        tax.rate_applicable_percent = plain(line.rate_percent)
    item.settlement.period.start = line.service_from
    item.settlement.period.end = line.service_to
    item.settlement.monetary_summation.total_amount = amount(net)
    if line.budget_item:
        item.settlement.accounting_account.id = line.budget_item
    return item


def _priced(line: InvoiceLine, cents: int) -> tuple[Decimal, str, str]:
    """Find quantity, unit price and unit whose product is the amount exactly; else it is once the amount.

    Args:
        line: with its quantity, which may be for steps or shares that no single price explains.
        cents: what it comes to, not negative.
    """
    if line.quantity:
        price = Fraction(cents, 100) / Fraction(line.quantity)
        scaled = price * 10**_PRICE_PLACES_MAX
        if scaled.denominator == 1:
            shown = Decimal(scaled.numerator).scaleb(-_PRICE_PLACES_MAX).normalize()
            places = max(2, -int(shown.as_tuple().exponent))
            return line.quantity.normalize(), plain(round(shown, places)), code_of(line.unit)
    return Decimal(1), plain(amount(cents)), ONE


def _settlement(document: Document, invoice: Invoice, creditor: Body, sign: int) -> None:
    """Sums, treatments and payment, which goes to the issuer, or to the recipient of what is credited."""
    head, found = invoice.head, document.trade.settlement
    found.currency_code = "EUR"
    means = PaymentMeans()
    means.type_code = "58"  # SEPA credit transfer
    means.payee_account.iban = creditor.iban
    means.payee_account.account_name = creditor.name
    if creditor.bic:
        means.payee_institution.bic = creditor.bic
    found.payment_means.add(means)
    for subtotal in invoice.subtotals:
        found.trade_tax.add(_tax(subtotal, sign))
    found.period.start = min((line.service_from for line in invoice.lines), default=_first(head.period))
    found.period.end = max((line.service_to for line in invoice.lines), default=head.issued_on)
    terms = PaymentTerms()
    # What is paid is told by the netting, under a reference of its own (BT-83 would name another).
    terms.description = (
        f"Fällig am {head.due_on:%d.%m.%Y}. Zuvor wird verrechnet: "
        "Betrag und Verwendungszweck nennt die Zahlungsmitteilung."
    )
    terms.due = head.due_on
    found.terms.add(terms)
    total = found.monetary_summation
    net, tax, gross = (sign * each for each in (head.net_cents, head.tax_cents, head.gross_cents))
    total.line_total = amount(net)
    total.tax_basis_total = amount(net)
    total.tax_total = (amount(tax), "EUR")
    total.grand_total = amount(gross)
    total.due_amount = amount(gross)
    if head.preceding is not None:
        found.invoice_referenced_document.issuer_assigned_id = head.preceding.number
        found.invoice_referenced_document.issue_date_time = head.preceding.issued_on


def _tax(subtotal: TaxSubtotal, sign: int) -> ApplicableTradeTax:
    """One treatment; the reason is told of whatever bears no VAT."""
    tax = ApplicableTradeTax()
    tax.calculated_amount = amount(sign * subtotal.tax_cents)
    tax.type_code = "VAT"
    tax.basis_amount = amount(sign * subtotal.net_cents)
    tax.category_code = subtotal.category
    tax.rate_applicable_percent = plain(subtotal.rate_percent)
    if subtotal.category != "S":
        tax.exemption_reason = subtotal.reason_de or ""
        if code := "VATEX-EU-O" if subtotal.category == "O" else subtotal.code:
            tax.exemption_reason_code = code
    return tax


def _first(period: str) -> dt.date:
    return dt.date.fromisoformat(f"{period}-01")
