"""The two bodies of a document, without which no file can show it."""

from allmende.schemas.bodies import Body
from allmende.schemas.invoices import Invoice
from allmende.schemas.rejections import Rejected, rejected


def bodies_of(invoice: Invoice) -> tuple[Body, Body] | Rejected:
    """Find issuer and recipient, or tell whose body the register had not."""
    issuer, recipient = invoice.issuer.body, invoice.recipient.body
    if issuer is None or recipient is None:
        missing = invoice.recipient if recipient is None else invoice.issuer
        return rejected("no_body", "body", member=missing.member)
    return issuer, recipient
