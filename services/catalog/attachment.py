"""Attachments: which parts are taken, and what is missing."""

import base64
import binascii
import dataclasses

from allmende.schemas.attachments import (
    OFFERING_BYTES_MAX,
    PART_BYTES,
    AttachmentSummary,
    StoreAttachment,
    parts_of,
)
from allmende.schemas.rejections import Rejected, rejected


@dataclasses.dataclass(frozen=True)
class Held:
    """What is there of an attachment.

    Attributes:
        parts: the numbers of the parts that are there.
        stored: it is complete and verified.
    """

    summary: AttachmentSummary
    parts: frozenset[int] = frozenset()
    stored: bool = False

    @property
    def missing(self) -> tuple[int, ...]:
        """The numbers of the parts that are not there."""
        return tuple(sorted(set(range(parts_of(self.summary.size_bytes))) - self.parts))


def summary_of(command: StoreAttachment) -> AttachmentSummary:
    """What a part says about the whole."""
    return AttachmentSummary(
        name=command.name,
        media_type=command.media_type,
        size_bytes=command.size_bytes,
        sha256=command.sha256,
    )


def refuse_part(held: Held | None, command: StoreAttachment, others_bytes: int) -> Rejected | None:
    """Refuse a part that cannot belong to the whole, or a whole for which there is no room.

    Args:
        held: what is there of the attachment.
        command: the part.
        others_bytes: what the offering's other attachments take, unfinished ones included.
    """
    if held is not None and held.summary != summary_of(command):
        return rejected("attachment_differs", "name", name=command.name)
    if others_bytes + command.size_bytes > OFFERING_BYTES_MAX:
        return rejected(
            "attachments_full", "size_bytes", offering=command.offering_id, limit=OFFERING_BYTES_MAX
        )
    expected = min(PART_BYTES, command.size_bytes - command.part * PART_BYTES)
    content = content_of(command)
    if content is None or len(content) != expected:
        return rejected("content_unreadable", "content", part=command.part, expected=expected)
    return None


def content_of(command: StoreAttachment) -> bytes | None:
    """Read a part's bytes; None where they are no base64."""
    try:
        return base64.b64decode(command.content, validate=True)
    except binascii.Error:
        return None


def with_part(held: Held | None, command: StoreAttachment) -> Held:
    """Add a part."""
    before = held or Held(summary_of(command))
    return dataclasses.replace(before, parts=before.parts | {command.part})
