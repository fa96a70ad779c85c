"""Invoices, credit notes and levy notices as they were issued, and the documents that show them."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from .bodies import Body, LeitwegId, TaxCategory, TaxStatus
from .contract import Contract
from .identifiers import Count, Day, Instant, Line, MemberId, OfferingId, Period, Slug, Uuid
from .money import Cents, ExactDecimal, TotalQuantity
from .settlements import TaxTreatment

DocumentNumber = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,30}[a-z0-9]/[RGU]/[0-9]{4}/[0-9]{6}$")
]
"""`<issuer>/<R|G|U>/<year>/<nnnnnn>`: Rechnung, Gutschrift, Umlagebescheid; each series is gapless."""

InvoiceKind = Literal["invoice", "credit_note", "notice"]

PaymentReference = Annotated[str, StringConstraints(pattern=r"^RF[0-9]{2}[A-Z0-9]{1,21}$")]
"""A structured creditor reference (ISO 11649): of a document its own, of a payment the one to pay under."""


class InvoiceParty(Contract):
    """One side of a document, as the register had it when it was issued.

    Attributes:
        body: without its rules and budget items; null where the register had none, so that no file is made.
    """

    member: MemberId
    body: Body | None
    tax_status: TaxStatus | None


class InvoiceLine(Contract):
    """One line; `line` is its number in the settlement, under which its story is found.

    Attributes:
        quantity: of a line that takes something back, that of the line it takes back.
        net_cents: negative where something is taken back or credited.
        budget_item: where the recipient books it (BT-133).
    """

    position: Count
    line: Count
    title: Line
    cause: str
    booking_id: Uuid | None = None
    offering_id: OfferingId | None = None
    quantity: TotalQuantity | None = None
    unit: Line | None = None
    service_from: Day
    service_to: Day
    net_cents: Cents
    category: TaxCategory
    rate_percent: ExactDecimal = Decimal(0)
    rule: Slug | None = None
    budget_item: Line | None = None
    trace_de: str
    trace_en: str


class TaxSubtotal(Contract):
    """All lines of one category and rate (BG-23); the tax is reckoned once on their sum.

    Attributes:
        code: null where its lines have several, or none.
        reason_de: of all its treatments, each once; null where the issuer has decided on nothing.
    """

    category: TaxCategory
    rate_percent: ExactDecimal
    code: str | None
    reason_de: str | None
    reason_en: str | None
    net_cents: Cents
    tax_cents: Cents


class Preceding(Contract):
    """The document that this one takes back or replaces (BG-3)."""

    number: DocumentNumber
    issued_on: Day


class InvoiceHead(Contract):
    """A document without its lines.

    Attributes:
        kind: charges are an invoice, or a credit note where they come to less than nothing; levies are a
            notice. A credit note also takes an invoice or a notice back, and an invoice a credit note. The
            amounts of a credit note are negative here.
        gross_cents: what the recipient owes the issuer by it.
        keep_until: the last day on which it must be kept (§ 147 Abs. 3, 4 AO: eight years after the year).
    """

    invoice_id: Uuid
    number: DocumentNumber
    kind: InvoiceKind
    settlement_id: Uuid
    period: Period
    issuer: MemberId
    recipient: MemberId
    issued_on: Day
    due_on: Day
    reference: PaymentReference
    net_cents: Cents
    tax_cents: Cents
    gross_cents: Cents
    lines: Count
    preceding: Preceding | None = None
    reason: Line | None = None
    keep_until: Day


class Invoice(Contract):
    """A document, whole."""

    head: InvoiceHead
    issuer: InvoiceParty
    recipient: InvoiceParty
    leitweg_id: LeitwegId | None
    lines: tuple[InvoiceLine, ...]
    subtotals: tuple[TaxSubtotal, ...]
    treatments: tuple[TaxTreatment, ...]


class ListInvoices(Contract):
    """Ask for documents that one issued or received, by number; the office may name a member."""

    period: Period | None = None
    member: MemberId | None = None
    after: Annotated[Line | None, Field(max_length=60)] = None
    limit: Annotated[int, Field(ge=1, le=500)] = 200


class Invoices(Contract):
    """A page of documents; `next_after` (a number) continues it."""

    invoices: tuple[InvoiceHead, ...]
    next_after: Line | None


DocumentKind = Literal["xrechnung", "statement_de", "statement_en", "notice_de", "notice_en"]


class DocumentMade(Contract):
    """A file that was made from issued figures and is never made anew.

    Attributes:
        reason_de: why it could not be made, such as a Leitweg-ID that is missing; then it has no content.
    """

    document_id: Uuid
    kind: DocumentKind
    period: Period
    issuer: MemberId
    recipient: MemberId
    number: Line
    file_name: Line
    media_type: Line
    state: Literal["pending", "made", "impossible"]
    size: Count = 0
    sha256: str | None = None
    made_at: Instant | None = None
    reason_de: str | None = None
    reason_en: str | None = None


class ListDocuments(Contract):
    """Ask for the files of a period that one issued or received; the office sees all."""

    period: Period
    kind: DocumentKind | None = None
    member: MemberId | None = None
    after: Annotated[Line | None, Field(max_length=80)] = None
    limit: Annotated[int, Field(ge=1, le=500)] = 200


class Documents(Contract):
    """A page of files by name; `pending` are not made yet, in the whole period."""

    documents: tuple[DocumentMade, ...]
    pending: Count
    next_after: Line | None


class ReadDocument(Contract):
    """Ask for one part of a file; parts have at most 512 KiB."""

    document_id: Uuid
    part: Annotated[int, Field(ge=0, le=10_000)] = 0


class DocumentPart(Contract):
    """A part of a file, in base64; `parts` in all."""

    document_id: Uuid
    part: Count
    parts: Count
    sha256: str
    content: str
