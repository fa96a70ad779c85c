"""What the catalogue answers at once."""

import base64
from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.attachments import AttachmentPart, ReadAttachment, parts_of
from allmende.schemas.catalog import (
    Changes,
    CompareRevisions,
    Comparison,
    Estimate,
    EstimateCosts,
    Found,
    History,
    ListOfferings,
    Offering,
    Offerings,
    OfferingShown,
    ReplayChanges,
    SearchOfferings,
    ShowHistory,
    ShowOffering,
)
from allmende.schemas.permissions import Role
from allmende.schemas.rejections import Rejected, rejected
from allmende.servicekit.queries import PAGE_BYTES_MAX, Answer, Caller, fitting

from . import difference, index, shelf, store
from .estimate import Consumer, estimate
from .offering import Listed
from .store import Reader
from .visibility import admits, marks_for, marks_of


def _reader(caller: Caller) -> Reader:
    return Reader(caller.member, marks_of(caller.member, caller.classes), caller.sees_all)


async def list_offerings(connection: AsyncConnection, caller: Caller, asked: ListOfferings) -> Offerings:
    """A page of the catalogue, or of one's own drafts."""
    # Read first: what is read afterwards has everything up to it.
    position = await store.position(connection)
    found = await store.page(
        connection,
        _reader(caller),
        category=asked.category,
        provider=asked.provider,
        after=asked.after,
        limit=asked.limit + 1,
        drafts=asked.drafts,
    )
    page = tuple(found[: min(asked.limit, fitting(found))])
    more = len(found) > len(page)
    return Offerings(
        offerings=page, next_after=page[-1].offering.offering_id if more else None, position=position
    )


async def show(connection: AsyncConnection, caller: Caller, asked: ShowOffering) -> OfferingShown | Rejected:
    """One offering, in any revision that the asker was shown."""
    reader = _reader(caller)
    read = store.draft if asked.draft else store.one
    found = await read(connection, reader, asked.offering_id)
    if found is None:
        return rejected(
            "no_draft" if asked.draft else "unknown_offering", "offering_id", offering=asked.offering_id
        )
    listed, since = found
    offering, revision = listed.offering, listed.revision + 1 if asked.draft else listed.revision
    if asked.revision is not None and not asked.draft:
        earlier = await store.revision(connection, reader, asked.offering_id, asked.revision)
        if earlier is None:
            return _no_revision(asked.offering_id, asked.revision)
        (offering, since), revision = earlier, asked.revision
    return OfferingShown(
        offering=offering,
        state=listed.state,
        revision=revision,
        newest=listed.revision,
        position=listed.position,
        since=since,
        bookable=not asked.draft and _bookable(listed, caller),
        attachments=await shelf.whole_ones(connection, asked.offering_id),
    )


async def history(connection: AsyncConnection, caller: Caller, asked: ShowHistory) -> History | Rejected:
    """The revisions of an offering, the newest first."""
    reader = _reader(caller)
    if await store.one(connection, reader, asked.offering_id) is None:
        return rejected("unknown_offering", "offering_id", offering=asked.offering_id)
    found = await store.revisions(
        connection, reader, asked.offering_id, before=asked.before, limit=asked.limit + 1
    )
    page = tuple(found[: asked.limit])
    return History(
        offering_id=asked.offering_id,
        revisions=page,
        next_before=page[-1].revision if len(found) > len(page) else None,
    )


async def compare(
    connection: AsyncConnection, caller: Caller, asked: CompareRevisions
) -> Comparison | Rejected:
    """What two revisions differ in, as far as the asker was shown both."""
    reader = _reader(caller)
    current = await store.one(connection, reader, asked.offering_id)
    if current is None:
        return rejected("unknown_offering", "offering_id", offering=asked.offering_id)
    before = await store.revision(connection, reader, asked.offering_id, asked.earlier)
    if before is None:
        return _no_revision(asked.offering_id, asked.earlier)
    after = await _later(connection, reader, asked, current[0])
    if isinstance(after, Rejected):
        return after
    offering, later = after
    found = difference.difference(before[0], offering)
    page = difference.fitting(found, PAGE_BYTES_MAX)
    return Comparison(
        offering_id=asked.offering_id,
        earlier=asked.earlier,
        later=later,
        differences=page,
        complete=len(page) == len(found),
    )


async def _later(
    connection: AsyncConnection, reader: Reader, asked: CompareRevisions, current: Listed
) -> tuple[Offering, int] | Rejected:
    if asked.draft:
        drafted = await store.draft(connection, reader, asked.offering_id)
        if drafted is None:
            return rejected("no_draft", "offering_id", offering=asked.offering_id)
        return drafted[0].offering, current.revision + 1
    if asked.later is None:
        return current.offering, current.revision
    found = await store.revision(connection, reader, asked.offering_id, asked.later)
    return (found[0], asked.later) if found else _no_revision(asked.offering_id, asked.later)


async def search(connection: AsyncConnection, caller: Caller, asked: SearchOfferings) -> Found:
    """Offerings that have the words and pass the filters."""
    books = caller.role is Role.MEMBER
    return await index.search(connection, _reader(caller), asked, books=books)


async def estimate_costs(
    connection: AsyncConnection, caller: Caller, asked: EstimateCosts
) -> Estimate | Rejected:
    """What a booking would cost the asker."""
    found = await store.one(connection, _reader(caller), asked.offering_id)
    if found is None:
        return rejected("unknown_offering", "offering_id", offering=asked.offering_id)
    return estimate(asked, found[0], Consumer(caller.member, caller.classes))


async def replay(connection: AsyncConnection, caller: Caller, asked: ReplayChanges) -> Changes:
    """Changes of the catalogue, as they were told to the asker."""
    newest = await store.position(connection)
    after = asked.after
    if asked.since is not None:
        after = max(after, await store.position_before(connection, asked.since, newest))
    found = await store.changes(
        connection,
        _reader(caller),
        after=after,
        until=newest,
        categories=asked.categories,
        limit=asked.limit + 1,
    )
    page = tuple(found[: min(asked.limit, fitting(found))])
    end = len(page) == len(found)
    return Changes(changes=page, position=max(after, newest) if end else page[-1].position, end=end)


async def read_attachment(
    connection: AsyncConnection, caller: Caller, asked: ReadAttachment
) -> AttachmentPart | Rejected:
    """One part of an attachment."""
    reader = _reader(caller)
    seen = await store.one(connection, reader, asked.offering_id) or await store.draft(
        connection, reader, asked.offering_id
    )
    if seen is None:
        return rejected("unknown_offering", "offering_id", offering=asked.offering_id)
    found = await shelf.read(connection, asked.offering_id, asked.sha256, asked.part)
    if found is None:
        return rejected("unknown_attachment", "sha256", offering=asked.offering_id, sha256=asked.sha256)
    summary, content = found
    return AttachmentPart(
        attachment=summary,
        part=asked.part,
        parts=parts_of(summary.size_bytes),
        content=base64.b64encode(content).decode(),
    )


def _bookable(listed: Listed, caller: Caller) -> bool:
    offering = listed.offering
    return (
        caller.role is Role.MEMBER
        and listed.state == "published"
        and offering.provider != caller.member
        and any(not plan.closed_to_new for plan in offering.plans)
        and admits(marks_for(offering.bookable_by), marks_of(caller.member, caller.classes))
    )


def _no_revision(offering_id: str, revision: int) -> Rejected:
    return rejected("unknown_revision", "revision", offering=offering_id, revision=revision)


ANSWERS: Mapping[str, Answer] = {
    "catalog.offering.list": list_offerings,
    "catalog.offering.show": show,
    "catalog.offering.history": history,
    "catalog.offering.compare": compare,
    "catalog.offering.search": search,
    "catalog.offering.estimate": estimate_costs,
    "catalog.change.replay": replay,
    "catalog.attachment.read": read_attachment,
}
