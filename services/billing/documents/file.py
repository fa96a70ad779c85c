"""Which files there are of what was issued, how they are called, and their parts."""

import dataclasses
import datetime as dt
import uuid

from allmende.schemas.billing import StatementIssued
from allmende.schemas.invoices import DocumentKind, InvoiceHead
from allmende.schemas.rejections import Rejected, rejected

from ..invoicing.number import EIGHT_YEARS, keep_until
from ..period import day_of

PART_BYTES = 512 * 1024
_ENDINGS: dict[DocumentKind, tuple[str, str]] = {
    "xrechnung": ("xrechnung.xml", "application/xml"),
    "statement_de": ("abrechnung.pdf", "application/pdf"),
    "statement_en": ("statement.pdf", "application/pdf"),
    "notice_de": ("bescheid.pdf", "application/pdf"),
    "notice_en": ("notice.pdf", "application/pdf"),
}


@dataclasses.dataclass(frozen=True)
class File:
    """A file that is to be made.

    Attributes:
        source_id: of the invoice, or of the statement where `of_statement`.
        refusal: why it cannot be made, if that is known beforehand.
    """

    document_id: str
    kind: DocumentKind
    source_id: str
    of_statement: bool
    settlement_id: str
    period: str
    issuer: str
    recipient: str
    number: str
    file_name: str
    media_type: str
    keep_until: dt.date
    refusal: Rejected | None


def files_of_invoice(head: InvoiceHead, without_body: str | None, *, bears_vat: bool) -> list[File]:
    """Tell which files show a document: a notice is a letter, everything else an XRechnung.

    A notice that bears VAT is an XRechnung, too: its recipient is owed an invoice (§ 14 UStG).

    Args:
        head: the document.
        bears_vat: whether any of its lines does.
        without_body: which of its parties has none, so that nothing can be shown.
    """
    preceding = head.preceding.number if head.preceding is not None else ""
    is_notice = head.kind == "notice" or (head.kind == "credit_note" and "/U/" in preceding)
    kinds: tuple[DocumentKind, ...] = ("notice_de", "notice_en") if is_notice else ()
    if bears_vat or not is_notice:
        kinds = ("xrechnung", *kinds)
    return [
        _file(
            kind,
            head.invoice_id,
            head.settlement_id,
            period=head.period,
            parties=(head.issuer, head.recipient),
            number=head.number,
            name=f"{head.period}-{head.number.replace('/', '-')}",
            keep=head.keep_until,
            without_body=without_body,
        )
        for kind in kinds
    ]


def files_of_statement(statement: StatementIssued, without_body: str | None) -> list[File]:
    """Tell which files show a statement: a letter in each language, from the clearing house."""
    kinds: tuple[DocumentKind, ...] = ("statement_de", "statement_en")
    return [
        _file(
            kind,
            statement.statement_id,
            statement.settlement_id,
            period=statement.period,
            parties=(statement.clearing_house, statement.member),
            number=statement.number,
            name=f"{statement.number}-{statement.member}",
            keep=keep_until(day_of(statement.issued_at), EIGHT_YEARS),
            without_body=without_body,
        )
        for kind in kinds
    ]


def _file(  # noqa: PLR0913 - the columns of a file
    kind: DocumentKind,
    source_id: str,
    settlement_id: str,
    *,
    period: str,
    parties: tuple[str, str],
    number: str,
    name: str,
    keep: dt.date,
    without_body: str | None,
) -> File:
    ending, media_type = _ENDINGS[kind]
    return File(
        document_id=str(uuid.uuid5(uuid.UUID(source_id), kind)),
        kind=kind,
        source_id=source_id,
        of_statement=kind in {"statement_de", "statement_en"},
        settlement_id=settlement_id,
        period=period,
        issuer=parties[0],
        recipient=parties[1],
        number=number,
        file_name=f"{name}-{ending}",
        media_type=media_type,
        keep_until=keep,
        refusal=rejected("no_body", member=without_body) if without_body is not None else None,
    )


def parts_of(size: int) -> int:
    """Count the parts of a file; an empty one has one."""
    return max(1, -(-size // PART_BYTES))
