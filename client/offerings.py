"""Offerings for a member's program: drafting, publishing, pausing; finding, comparing, pricing."""

import base64
import datetime as dt
import hashlib
import mimetypes
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, cast, get_args

from allmende.schemas.attachments import (
    ATTACHMENT_BYTES_MAX,
    PART_BYTES,
    AttachmentPart,
    AttachmentRemoved,
    AttachmentStored,
    MediaType,
    ReadAttachment,
    RemoveAttachment,
    StoreAttachment,
    parts_of,
)
from allmende.schemas.catalog import (
    Category,
    CompareRevisions,
    Comparison,
    DiscardDraft,
    DraftDiscarded,
    DraftOffering,
    Estimate,
    EstimateCosts,
    Filter,
    Found,
    History,
    ListOfferings,
    Offering,
    OfferingDrafted,
    OfferingPaused,
    OfferingPublished,
    OfferingResumed,
    OfferingRetired,
    Offerings,
    OfferingShown,
    OfferingSummary,
    PauseOffering,
    Place,
    PublishOffering,
    ResumeOffering,
    RetireOffering,
    RevisionSummary,
    SearchOfferings,
    ShowHistory,
    ShowOffering,
)
from allmende.schemas.rejections import Rejection

from .room import Amount, Room, exact

# Every command takes `id`, which is what CloudEvents calls it.
# ruff: noqa: A002

_MEDIA_TYPES = {
    ".md": "text/markdown",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".ods": "application/vnd.oasis.opendocument.spreadsheet",
}


class Unattachable(ValueError):  # noqa: N818 - said to people
    """A file that cannot be attached, with the reason in both languages."""

    def __init__(self, german: str, english: str) -> None:
        super().__init__(english)
        self.german = german
        self.english = english


class OfferingRoom(Room):
    """What a member does with offerings, its own and others'."""

    # -- one's own ------------------------------------------------------------------------------

    async def draft(self, offering: Offering, *, id: str | None = None) -> OfferingDrafted | Rejection:
        """Keep a draft that nobody else sees."""
        return await self._told(DraftOffering(offering=offering), id, OfferingDrafted)

    async def discard(self, offering_id: str, *, id: str | None = None) -> DraftDiscarded | Rejection:
        """Throw a draft away."""
        return await self._told(DiscardDraft(offering_id=offering_id), id, DraftDiscarded)

    async def publish(self, offering: Offering, *, id: str | None = None) -> OfferingPublished | Rejection:
        """Publish an offering or its next revision."""
        return await self._told(PublishOffering(offering=offering), id, OfferingPublished)

    async def pause(
        self, offering_id: str, reason: str, *, id: str | None = None
    ) -> OfferingPaused | Rejection:
        """Close an offering for new bookings for a while."""
        return await self._told(PauseOffering(offering_id=offering_id, reason=reason), id, OfferingPaused)

    async def reopen(self, offering_id: str, *, id: str | None = None) -> OfferingResumed | Rejection:
        """Open a paused offering again."""
        return await self._told(ResumeOffering(offering_id=offering_id), id, OfferingResumed)

    async def retire(self, offering_id: str, *, id: str | None = None) -> OfferingRetired | Rejection:
        """Close an offering for new bookings for good."""
        return await self._told(RetireOffering(offering_id=offering_id), id, OfferingRetired)

    async def attach(
        self, offering_id: str, path: str | Path, *, name: str | None = None
    ) -> AttachmentStored | Rejection:
        """Attach a file. Sending it again, after an interruption or not, changes nothing.

        Raises:
            Unattachable: the file is empty, too large or of a kind that is not taken.
            OSError: it cannot be read.
        """
        file = Path(path)
        media_type = media_type_of(file)
        content = _content_of(file)
        digest = hashlib.sha256(content).hexdigest()
        for part in range(parts_of(len(content))):
            command = StoreAttachment(
                offering_id=offering_id,
                name=name or file.name,
                media_type=media_type,
                size_bytes=len(content),
                sha256=digest,
                part=part,
                content=base64.b64encode(content[part * PART_BYTES :][:PART_BYTES]).decode(),
            )
            outcome = await self.command(command)
            if isinstance(outcome, (AttachmentStored, Rejection)):
                return outcome
        raise RuntimeError(f"{file} was taken and is not complete")

    async def detach(
        self, offering_id: str, sha256: str, *, id: str | None = None
    ) -> AttachmentRemoved | Rejection:
        """Take an attachment away."""
        command = RemoveAttachment(offering_id=offering_id, sha256=sha256)
        return await self._told(command, id, AttachmentRemoved)

    # -- everybody's ----------------------------------------------------------------------------

    async def offerings(
        self, category: Category | None = None, *, provider: str | None = None, drafts: bool = False
    ) -> AsyncIterator[OfferingSummary]:
        """All offerings in the order of their ids, or one's own drafts."""
        after, more = None, True
        while more:
            asked = ListOfferings(category=category, provider=provider, drafts=drafts, after=after)
            page = await self.ask("catalog.offering.list", asked, Offerings)
            for each in page.offerings:
                yield each
            after, more = page.next_after, page.next_after is not None

    async def offering(
        self, offering_id: str, *, revision: int | None = None, draft: bool = False
    ) -> OfferingShown | Rejection:
        """One offering, as it is, as it was, or as one's own draft has it."""
        asked = ShowOffering(offering_id=offering_id, revision=revision, draft=draft)
        return await self._shown("catalog.offering.show", asked, OfferingShown)

    async def revisions(self, offering_id: str) -> tuple[RevisionSummary, ...] | Rejection:
        """The revisions of an offering, the newest first."""
        found: list[RevisionSummary] = []
        before, more = None, True
        while more:
            asked = ShowHistory(offering_id=offering_id, before=before)
            page = await self._shown("catalog.offering.history", asked, History)
            if isinstance(page, Rejection):
                return page
            found += page.revisions
            before, more = page.next_before, page.next_before is not None
        return tuple(found)

    async def compare(
        self, offering_id: str, earlier: int, later: int | None = None, *, draft: bool = False
    ) -> Comparison | Rejection:
        """What two revisions differ in; without a later one, the earlier and the newest or one's draft."""
        asked = CompareRevisions(offering_id=offering_id, earlier=earlier, later=later, draft=draft)
        return await self._shown("catalog.offering.compare", asked, Comparison)

    async def search(
        self,
        text: str = "",
        filter: Filter | None = None,
        *,
        bookable: bool = False,
        after: Place | None = None,
        limit: int = 20,
    ) -> Found:
        """A page of offerings that have the words; `next_after` of the answer continues it."""
        asked = SearchOfferings(
            text=text,
            filter=filter or Filter(),
            bookable=bookable,
            facets=after is None,
            after=after,
            limit=limit,
        )
        return await self.ask("catalog.offering.search", asked, Found)

    async def estimate(  # noqa: PLR0913 - what a price depends on
        self,
        offering_id: str,
        plan_id: str,
        quantities: Mapping[str, Amount] | None = None,
        *,
        start: dt.date,
        months: int = 12,
        usage_per_month: Mapping[str, Amount] | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> Estimate | Rejection:
        """What a booking would cost; refused where the booking would be."""
        asked = EstimateCosts(
            offering_id=offering_id,
            plan_id=plan_id,
            start=start,
            months=months,
            quantities=exact(quantities or {}),
            details=None if details is None else dict(details),
            usage_per_month=exact(usage_per_month or {}),
        )
        return await self._shown("catalog.offering.estimate", asked, Estimate)

    async def attachment(self, offering_id: str, sha256: str) -> bytes | Rejection:
        """The content of an attachment, which is what its digest says.

        Raises:
            ValueError: it is not; it was taken away and put back meanwhile.
        """
        content, part, parts = b"", 0, 1
        while part < parts:
            asked = ReadAttachment(offering_id=offering_id, sha256=sha256, part=part)
            found = await self._shown("catalog.attachment.read", asked, AttachmentPart)
            if isinstance(found, Rejection):
                return found
            content += base64.b64decode(found.content)
            part, parts = part + 1, found.parts
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ValueError(f"the attachment {sha256} came with another content")
        return content


def media_type_of(file: Path) -> MediaType:
    """Tell the media type of a file by its name.

    Raises:
        Unattachable: it is none that is taken.
    """
    guessed = _MEDIA_TYPES.get(file.suffix.lower()) or mimetypes.guess_type(file.name)[0]
    if guessed in get_args(MediaType):
        return cast("MediaType", guessed)
    raise Unattachable(
        f"{file.name} ist keine Art von Datei, die angehängt werden kann.",
        f"{file.name} is not a kind of file that can be attached.",
    )


def _content_of(file: Path) -> bytes:
    size = file.stat().st_size
    if not 1 <= size <= ATTACHMENT_BYTES_MAX:
        limit = ATTACHMENT_BYTES_MAX // 2**20
        raise Unattachable(
            f"{file.name} ist leer oder größer als {limit} MiB.",
            f"{file.name} is empty or larger than {limit} MiB.",
        )
    return file.read_bytes()
