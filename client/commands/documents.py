"""Invoices and their files on the command line."""

from allmende.client.output import Column, Kind, Listing
from allmende.client.settlement_wording import INVOICES
from allmende.schemas.invoices import DocumentMade

from .language import hint, say, tell
from .sending import told
from .session import Session
from .settlements import month

_INVOICES = (
    Column("number", "Nummer", "Number"),
    Column("kind", "Art", "Kind"),
    Column("issuer", "Aussteller", "Issuer"),
    Column("recipient", "Empfänger", "Recipient"),
    Column("issued_on", "Ausgestellt", "Issued", Kind.DAY),
    Column("due_on", "Fällig", "Due", Kind.DAY),
    Column("net_eur", "Netto", "Net", Kind.CENTS),
    Column("tax_eur", "Umsatzsteuer", "VAT", Kind.CENTS),
    Column("gross_eur", "Brutto", "Gross", Kind.CENTS),
    Column("preceding", "Zu", "Of"),
    Column("reference", "Referenz", "Reference"),
)
_DOCUMENTS = (
    Column("file_name", "Datei", "File"),
    Column("kind", "Art", "Kind"),
    Column("number", "Nummer", "Number"),
    Column("issuer", "Aussteller", "Issuer"),
    Column("recipient", "Empfänger", "Recipient"),
    Column("state", "Stand", "State"),
    Column("size", "Bytes", "Bytes", Kind.NUMBER),
    Column("sha256", "SHA-256", "SHA-256"),
)
_KINDS = {
    "xrechnung": ("XRechnung", "XRechnung"),
    "notice_de": ("Bescheid, deutsch", "notice, German"),
    "notice_en": ("Bescheid, englisch", "notice, English"),
    "statement_de": ("Abrechnung, deutsch", "statement, German"),
    "statement_en": ("Abrechnung, englisch", "statement, English"),
}
_STATES = {
    "pending": ("wird erstellt", "being made"),
    "made": ("erstellt", "made"),
    "impossible": ("nicht möglich", "impossible"),
}


async def invoices(session: Session, period: str, of: str | None) -> None:
    """List invoices, credit notes and levy notices."""
    month(period)
    async with session.market() as market:
        found = [each async for each in market.invoices(period, member=of)]
    rows = [
        {
            "number": each.number,
            "kind": say(*INVOICES[each.kind]),
            "issuer": each.issuer,
            "recipient": each.recipient,
            "issued_on": each.issued_on,
            "due_on": each.due_on,
            "net_eur": each.net_cents,
            "tax_eur": each.tax_cents,
            "gross_eur": each.gross_cents,
            "preceding": each.preceding.number if each.preceding else None,
            "reference": each.reference,
        }
        for each in found
    ]
    listing = Listing(_INVOICES, rows, [each.model_dump(mode="json") for each in found])
    if session.empty(listing, "Es gibt keinen Beleg.", "There is no document."):
        return
    session.show(listing)
    hint(
        f"allmende settlement export {period} --format xrechnung --to ORDNER lädt sie herunter",
        f"allmende settlement export {period} --format xrechnung --to FOLDER downloads them",
    )


async def reissue(session: Session, number: str, reason: str, id_: str | None) -> None:
    """Take a document back and issue it again."""
    found = await told(session, lambda m, i: m.reissue_invoice(number, reason, id=i), id_)
    tell(
        f"{found.number} ist durch {found.credit_note} zurückgenommen und als {found.replacement} neu "
        "ausgestellt.",
        f"{found.number} is taken back by {found.credit_note} and issued again as {found.replacement}.",
    )


async def documents(session: Session, period: str, of: str | None) -> None:
    """List the files of a month."""
    month(period)
    found: list[DocumentMade] = []
    pending = 0
    async with session.market() as market:
        async for page in market.document_pages(period, member=of):
            found += page.documents
            pending = page.pending
    rows = [
        {
            "file_name": each.file_name,
            "kind": say(*_KINDS[each.kind]),
            "number": each.number,
            "issuer": each.issuer,
            "recipient": each.recipient,
            "state": say(*_STATES[each.state]),
            "size": each.size or None,
            "sha256": each.sha256,
        }
        for each in found
    ]
    listing = Listing(_DOCUMENTS, rows, [each.model_dump(mode="json") for each in found])
    if session.empty(listing, "Es gibt keine Datei.", "There is no file."):
        return
    session.show(listing)
    for each in found:
        if each.state == "impossible":
            tell(f"{each.file_name}: {each.reason_de}", f"{each.file_name}: {each.reason_en}")
    if pending:
        tell(f"{pending} Dateien werden noch erstellt.", f"{pending} files are still being made.")
    hint(
        f"allmende settlement export {period} --format pdf --to ORDNER lädt sie herunter",
        f"allmende settlement export {period} --format pdf --to FOLDER downloads them",
    )
