"""Attachments of offerings: agreements, price lists, descriptions, sent and read in parts."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from .contract import Contract
from .identifiers import Count, Instant, Line, MemberId, OfferingId

PART_BYTES = 256 * 1024
"""Every part but the last has exactly so many bytes, so that a part's number says where it belongs."""
ATTACHMENT_BYTES_MAX = 8 * 1024 * 1024
OFFERING_BYTES_MAX = 32 * 1024 * 1024
PARTS_MAX = ATTACHMENT_BYTES_MAX // PART_BYTES

MediaType = Literal[
    "application/pdf",
    "application/json",
    "application/yaml",
    "application/vnd.oasis.opendocument.text",
    "application/vnd.oasis.opendocument.spreadsheet",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "image/png",
    "image/jpeg",
    "text/csv",
    "text/markdown",
    "text/plain",
]
"""What can be attached. Nothing that a browser would run."""

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 of the whole content."""
Base64 = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9+/]+={0,2}$", max_length=PART_BYTES * 4 // 3 + 4)
]
PartNumber = Annotated[int, Field(ge=0, lt=PARTS_MAX)]
Size = Annotated[int, Field(ge=1, le=ATTACHMENT_BYTES_MAX)]


def parts_of(size: int) -> int:
    """Tell into how many parts so many bytes are cut."""
    return -(-size // PART_BYTES)


class StoreAttachment(Contract):
    """Send one part of an attachment. Parts may come twice and in any order.

    Attributes:
        sha256: of the whole; it names the attachment within its offering.
        part: counted from 0.
        content: the part in base64.
    """

    offering_id: OfferingId
    name: Line
    media_type: MediaType
    size_bytes: Size
    sha256: Digest
    part: PartNumber
    content: Base64

    @model_validator(mode="after")
    def _within(self) -> Self:
        if self.part >= parts_of(self.size_bytes):
            raise ValueError(f"{self.size_bytes} bytes have no part {self.part}")
        return self


class RemoveAttachment(Contract):
    """Take an attachment away."""

    offering_id: OfferingId
    sha256: Digest


class AttachmentSummary(Contract):
    """An attachment without its content."""

    name: Line
    media_type: MediaType
    size_bytes: Size
    sha256: Digest


class AttachmentReceived(Contract):
    """A part is kept; others are missing.

    Attributes:
        missing: the numbers of the parts that are missing.
    """

    offering_id: OfferingId
    provider: MemberId
    attachment: AttachmentSummary
    missing: tuple[PartNumber, ...]


class AttachmentStored(Contract):
    """An attachment is complete and is what its digest says."""

    offering_id: OfferingId
    provider: MemberId
    attachment: AttachmentSummary
    stored_at: Instant


class AttachmentRemoved(Contract):
    """An attachment is no longer there."""

    offering_id: OfferingId
    provider: MemberId
    sha256: Digest
    removed_at: Instant


class ReadAttachment(Contract):
    """Ask for one part of an attachment."""

    offering_id: OfferingId
    sha256: Digest
    part: PartNumber = 0


class AttachmentPart(Contract):
    """One part of an attachment, and how many there are."""

    attachment: AttachmentSummary
    part: PartNumber
    parts: Count
    content: Base64
