"""Issuing a document again: it is taken back as a whole and replaced, and amounts stay.

The three sum to the original, so positions, payments and the ledger are as they were; the replacement is paid
under the original's reference and on its day.
"""

import datetime as dt
import uuid

from allmende.schemas.invoices import Invoice, InvoiceHead, InvoiceParty, Preceding
from allmende.schemas.register import MemberRegister
from allmende.schemas.rejections import Rejected, rejected

from .invoice import party
from .number import EIGHT_YEARS, keep_until, number_of


def reissue(
    invoice: Invoice, register: MemberRegister, reason: str, issued_on: dt.date
) -> tuple[Invoice, Invoice]:
    """Take a document back and replace it with the bodies as the register has them now.

    Args:
        invoice: as it was issued.
        register: whose bodies both new documents show; those of members that left stay as they were.
        reason: stands on both.
        issued_on: the day of issue.

    Returns:
        The document that takes it back, with every amount turned round, and the replacement. Their numbers
        have the place 0 in their series. A credit note is taken back by an invoice, everything else by a
        credit note.
    """
    now = invoice.model_copy(
        update={
            "issuer": _party(invoice.issuer, register, issued_on),
            "recipient": (recipient := _party(invoice.recipient, register, issued_on)),
            "leitweg_id": recipient.body.leitweg_id if recipient.body is not None else None,
        }
    )
    head = invoice.head.model_copy(
        update={
            "preceding": Preceding(number=invoice.head.number, issued_on=invoice.head.issued_on),
            "reason": reason,
            "issued_on": issued_on,
            "keep_until": keep_until(issued_on, EIGHT_YEARS),
        }
    )
    taken_back = _mirrored(now.model_copy(update={"head": _renamed(head, "taken back", _opposite(head))}))
    return taken_back, now.model_copy(update={"head": _renamed(head, "replaced", {"kind": head.kind})})


def refuse_reissue(invoice: Invoice, *, reissued: bool) -> Rejected | None:
    """Refuse to issue a document again twice, or one that takes another back."""
    head = invoice.head
    if head.preceding is not None and head.preceding.number.split("/")[1] != head.number.split("/")[1]:
        return rejected("invoice_takes_back", "number", number=head.number, preceding=head.preceding.number)
    if reissued:
        return rejected("invoice_reissued", "number", number=head.number)
    return None


def _party(before: InvoiceParty, register: MemberRegister, day: dt.date) -> InvoiceParty:
    member = register.find(before.member)
    return party(before.member, member, day) if member is not None else before


def _opposite(head: InvoiceHead) -> dict[str, object]:
    return {
        "kind": "invoice" if head.kind == "credit_note" else "credit_note",
        "net_cents": -head.net_cents,
        "tax_cents": -head.tax_cents,
        "gross_cents": -head.gross_cents,
    }


def _renamed(head: InvoiceHead, what: str, update: dict[str, object]) -> InvoiceHead:
    changed = head.model_copy(update=update)
    return changed.model_copy(
        update={
            "invoice_id": str(uuid.uuid5(uuid.UUID(head.invoice_id), what)),
            "number": number_of(head.issuer, changed.kind, head.issued_on.year, 0),
        }
    )


def _mirrored(invoice: Invoice) -> Invoice:
    return invoice.model_copy(
        update={
            "lines": tuple(line.model_copy(update={"net_cents": -line.net_cents}) for line in invoice.lines),
            "subtotals": tuple(
                each.model_copy(update={"net_cents": -each.net_cents, "tax_cents": -each.tax_cents})
                for each in invoice.subtotals
            ),
        }
    )
