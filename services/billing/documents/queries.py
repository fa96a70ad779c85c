"""What is told of files, and the files themselves, part by part."""

import base64
from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.invoices import DocumentPart, Documents, ListDocuments, ReadDocument
from allmende.schemas.rejections import Rejected, Said, rejected
from allmende.servicekit.queries import Answer, Caller, fitting

from . import store
from .file import parts_of


async def list_documents(connection: AsyncConnection, caller: Caller, asked: ListDocuments) -> Documents:
    """A page of the files that the asker issued or received; the office sees all."""
    found, pending = await store.page(
        connection,
        caller,
        period=asked.period,
        kind=asked.kind,
        member=asked.member,
        after=asked.after or "",
        limit=asked.limit + 1,
    )
    shown = tuple(found[: min(asked.limit, fitting(found))])
    more = len(found) > len(shown)
    return Documents(documents=shown, pending=pending, next_after=shown[-1].file_name if more else None)


async def read_document(
    connection: AsyncConnection, caller: Caller, asked: ReadDocument
) -> DocumentPart | Rejected:
    """One part of a file; of others' files it is not told that there are any."""
    found = await store.one(connection, caller, asked.document_id)
    if found is None:
        return rejected("unknown_document", "document_id", document=asked.document_id)
    if found.state == "impossible":
        reason = Said(found.reason_de or "", found.reason_en or "")
        return rejected("document_impossible", "document_id", document=asked.document_id, reason=reason)
    if found.state == "pending" or found.sha256 is None:
        return rejected("document_not_made", "document_id", document=asked.document_id)
    parts = parts_of(found.size)
    if asked.part >= parts:
        return rejected("no_such_part", "part", document=asked.document_id, part=asked.part)
    content = await store.part(connection, asked.document_id, asked.part)
    return DocumentPart(
        document_id=asked.document_id,
        part=asked.part,
        parts=parts,
        sha256=found.sha256,
        content=base64.b64encode(content).decode(),
    )


ANSWERS: Mapping[str, Answer] = {
    "billing.document.list": list_documents,
    "billing.document.read": read_document,
}
