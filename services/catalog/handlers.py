"""A batch of the catalogue's commands in, one set of writes, facts out."""

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas import subjects
from allmende.schemas.attachments import (
    AttachmentReceived,
    AttachmentRemoved,
    AttachmentStored,
    RemoveAttachment,
    StoreAttachment,
)
from allmende.schemas.catalog import (
    DiscardDraft,
    DraftDiscarded,
    DraftOffering,
    Offering,
    OfferingDrafted,
    OfferingHidden,
    OfferingPublished,
    PauseOffering,
    PublishOffering,
    ResumeOffering,
    RetireOffering,
)
from allmende.schemas.contract import Contract
from allmende.schemas.register import MemberRegister
from allmende.schemas.registry import Audience
from allmende.schemas.rejections import Rejected, rejected
from allmende.servicekit.messages import Incoming, Outgoing, refuse

from . import attachment, derived, index, offering, shelf, store, visibility
from .listing import listing_of
from .offering import Changed, Command, Listed
from .store import Told

_QUIET = (DraftOffering, DiscardDraft, StoreAttachment, RemoveAttachment)
"""What never changes the catalogue for others, and so does not wait for the count."""
_OUTDATED_MOST = 200


class CatalogHandler:
    """Decides commands about offerings."""

    def __init__(self, register: MemberRegister) -> None:
        self._register = register

    async def handle(
        self, tx: AsyncConnection, messages: Sequence[Incoming], now: dt.datetime
    ) -> list[Outgoing]:
        """Load every offering the batch names, decide in order, write once."""
        listed = await store.load(tx, _named(messages))
        counts = any(not isinstance(message.data, _QUIET) for message in messages)
        batch = _Batch(self._register, listed, await store.count_on(tx) if counts else 0, now)
        facts = []
        for message in messages:
            if isinstance(message.data, (StoreAttachment, RemoveAttachment)):
                facts.append(await self._attach(tx, message, batch.listed, now))
            else:
                facts += batch.decide(message)
        await batch.write(tx)
        return facts

    async def tick(
        self, tx: AsyncConnection, now: dt.datetime, informed_until: dt.datetime
    ) -> list[Outgoing]:
        """Forget unfinished attachments; let search forget certificates that have run out."""
        del informed_until
        await shelf.forget_unfinished(tx, now)
        if ids := await index.outdated(tx, now.date(), _OUTDATED_MOST):
            listed = await store.load(tx, ids)
            await index.save(
                tx, [listing_of(each, now.date()) for each in listed.values() if _found(each)], ()
            )
        return []

    async def _attach(
        self, tx: AsyncConnection, message: Incoming, listed: Mapping[str, Listed], now: dt.datetime
    ) -> Outgoing:
        """Decide one attachment's part at once: content is too large to be gathered."""
        command = message.data
        if not isinstance(command, (StoreAttachment, RemoveAttachment)):
            raise TypeError(f"{message.message.name} is about no attachment")
        about = {"offering": command.offering_id}
        if not command.offering_id.startswith(f"{message.sender}/"):
            return refuse(
                message, rejected("not_your_offering", "offering_id", **about, member=message.sender)
            )
        if (of := listed.get(command.offering_id)) is None:
            return refuse(message, rejected("unknown_offering", "offering_id", **about))
        fact = await _attached(tx, command, now)
        if isinstance(fact, Rejected):
            return refuse(message, fact)
        if isinstance(fact, AttachmentReceived):
            parties: Mapping[Audience, str | tuple[str, ...]] = {Audience.PROVIDER: fact.provider}
        else:
            parties = {Audience.CIRCLE: _circle(of, self._register)}
        return Outgoing(fact, cause=message, subject=command.offering_id, parties=parties)


@dataclasses.dataclass
class _Batch:
    """What a batch has decided so far.

    Attributes:
        position: of the catalogue, with all changes of the batch.
    """

    register: MemberRegister
    listed: dict[str, Listed]
    position: int
    now: dt.datetime
    changed: dict[str, Listed | None] = dataclasses.field(default_factory=dict)
    revisions: list[Listed] = dataclasses.field(default_factory=list)
    changes: list[Told] = dataclasses.field(default_factory=list)

    def decide(self, message: Incoming) -> list[Outgoing]:
        """Decide one command and remember what it changes."""
        offering_id, command = _offering_id(message), _command(message)
        before = self.listed.get(offering_id)

        def resolve(document: Offering, published: Offering | None) -> Offering | Rejected:
            sender = next((each for each in self.register.members if each.id == message.sender), None)
            borne = visibility.marks_of(message.sender, sender.classes if sender is not None else {})
            return derived.resolve(document, published, self.listed, borne, self.now.date())

        fact = offering.decide(before, command, message.sender, self.now, self.position + 1, resolve=resolve)
        if isinstance(fact, Rejected):
            return [refuse(message, fact)]
        if isinstance(fact, (OfferingDrafted, DraftDiscarded)):
            self._keep(offering_id, offering.evolve(before, fact))
            return [_outgoing(message, fact, {Audience.PROVIDER: fact.provider})]
        after = offering.change(before, fact)
        self._keep(offering_id, after)
        told = [_outgoing(message, fact, {Audience.CIRCLE: _circle(after, self.register)})]
        if fact.position > self.position:
            self.position = fact.position
            told += self._tell(message, before, after, fact)
        return told

    def _keep(self, offering_id: str, after: Listed | None) -> None:
        self.changed[offering_id] = after
        if after is None:
            self.listed.pop(offering_id, None)
        else:
            self.listed[offering_id] = after

    def _tell(self, message: Incoming, before: Listed | None, after: Listed, fact: Changed) -> list[Outgoing]:
        """Remember a change to be told again, and tell those who lose sight by it."""
        shown = before.offering if before is not None and before.revision else None
        categories = {after.offering.category, *([shown.category] if shown else [])}
        marks = visibility.seen_by(after.offering)
        self.changes.append(Told(fact, tuple(sorted(categories)), marks))
        if not isinstance(fact, OfferingPublished):
            return []
        self.revisions.append(after)
        lost = visibility.lost(shown, after.offering, self.register)
        if lost is None or shown is None:
            return []
        hidden = OfferingHidden(
            offering_id=fact.offering.offering_id,
            provider=fact.provider,
            category=shown.category,
            revision=fact.revision,
            position=fact.position,
            hidden_at=self.now,
        )
        self.changes.append(Told(hidden, (shown.category,), lost.before, marks or ()))
        return [_outgoing(message, hidden, {Audience.CIRCLE: lost.members})] if lost.members else []

    async def write(self, tx: AsyncConnection) -> None:
        """Write everything, one statement for each table."""
        if not self.changed:
            return
        await store.save(tx, self.changed, self.revisions, self.now)
        await store.save_changes(tx, self.changes, self.position, self.now)
        touched = {each.data.position for each in self.changes}
        kept = [each for each in self.changed.values() if each is not None and each.position in touched]
        listings = [listing_of(each, self.now.date()) for each in kept if _found(each)]
        await index.save(tx, listings, [each.offering.offering_id for each in kept if not _found(each)])


def _named(messages: Sequence[Incoming]) -> Iterator[str]:
    """The offerings that are decided on, and those whose prices they take."""
    for message in messages:
        yield _offering_id(message)
        if isinstance(message.data, (DraftOffering, PublishOffering)):
            yield from derived.sources_of(message.data.offering)


def _found(listed: Listed) -> bool:
    return listed.state in {"published", "paused"}


def _circle(listed: Listed, register: MemberRegister) -> str | tuple[str, ...]:
    if not listed.revision:
        return (listed.offering.provider,)
    members = visibility.audience_of(listed.offering, register)
    return subjects.EVERYONE if members is None else members


def _outgoing(
    message: Incoming, fact: Contract, parties: Mapping[Audience, str | tuple[str, ...]]
) -> Outgoing:
    return Outgoing(fact, cause=message, subject=_offering_id(message), parties=parties)


async def _attached(
    tx: AsyncConnection, command: StoreAttachment | RemoveAttachment, now: dt.datetime
) -> AttachmentReceived | AttachmentStored | AttachmentRemoved | Rejected:
    if isinstance(command, RemoveAttachment):
        return await _remove(tx, command, now)
    return await _store(tx, command, now)


async def _store(
    tx: AsyncConnection, command: StoreAttachment, now: dt.datetime
) -> AttachmentReceived | AttachmentStored | Rejected:
    held = await shelf.held(tx, command.offering_id, command.sha256)
    others = await shelf.others_bytes(tx, command.offering_id, command.sha256)
    if refusal := attachment.refuse_part(held, command, others):
        return refusal
    after = attachment.with_part(held, command)
    id_, whole = command.offering_id, after.summary
    provider = id_.split("/", 1)[0]
    if not after.stored:
        content = attachment.content_of(command) or b""
        await shelf.put(tx, command.offering_id, after.summary, part=command.part, content=content, now=now)
        if after.missing:
            return AttachmentReceived(
                offering_id=id_, provider=provider, attachment=whole, missing=after.missing
            )
        if not await shelf.finish(tx, command.offering_id, command.sha256, now):
            return rejected("digest_wrong", "sha256", name=command.name)
    return AttachmentStored(offering_id=id_, provider=provider, attachment=whole, stored_at=now)


async def _remove(
    tx: AsyncConnection, command: RemoveAttachment, now: dt.datetime
) -> AttachmentRemoved | Rejected:
    if not await shelf.remove(tx, command.offering_id, command.sha256):
        return rejected("unknown_attachment", "sha256", offering=command.offering_id, sha256=command.sha256)
    return AttachmentRemoved(
        offering_id=command.offering_id,
        provider=command.offering_id.split("/", 1)[0],
        sha256=command.sha256,
        removed_at=now,
    )


def _command(message: Incoming) -> Command:
    if not isinstance(message.data, Command):
        raise TypeError(f"the catalogue has no command {message.message.name}")
    return message.data


def _offering_id(message: Incoming) -> str:
    match message.data:
        case DraftOffering() | PublishOffering() as command:
            return command.offering.offering_id
        case StoreAttachment() | RemoveAttachment() as command:
            return command.offering_id
        case DiscardDraft() | PauseOffering() | ResumeOffering() | RetireOffering() as command:
            return command.offering_id
        case _:
            raise TypeError(f"the catalogue has no command {message.message.name}")
