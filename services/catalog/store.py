"""The catalogue's tables: read and written for a whole batch at once."""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.catalog import (
    Change,
    Offering,
    OfferingHidden,
    OfferingPaused,
    OfferingPublished,
    OfferingResumed,
    OfferingRetired,
    OfferingSummary,
    RevisionSummary,
    State,
)
from allmende.schemas.registry import message_of

from .offering import Listed
from .visibility import Marks, seen_by

_BETWEEN = "\x1f"
"""Between the entries of a list that travels as one text; no entry can hold a control character."""

# An offering that is not there yet has no row to lock, so its id is locked; all in one order, so that two
# processes with overlapping batches cannot wait for each other in a circle.
_LOCK = text("""
    select pg_advisory_xact_lock(hashtextextended(u.id, 0))
    from (select id from unnest(cast(:ids as text[])) t (id) order by id) u
""")

_LOAD = text("""
    select coalesce(o.offering_id, d.offering_id), o.document::text, o.revision, o.state, o.position,
           d.document::text
    from (select * from offering where offering_id = any(cast(:ids as text[]))) o
    full join (select * from draft where offering_id = any(cast(:ids as text[]))) d using (offering_id)
""")

_COUNT_ON = text("select position from catalogue for update")

_COUNTED = text("update catalogue set position = :position")

_POSITION = text("select position from catalogue")

_SAVE = text("""
    insert into offering (offering_id, provider, category, state, revision, position, seen_by, document,
                          changed_at)
    select u.id, u.provider, u.category, u.state, u.revision, u.position,
           string_to_array(u.seen_by, chr(31)), u.document::jsonb, :now
    from unnest(cast(:ids as text[]), cast(:providers as text[]), cast(:categories as text[]),
                cast(:states as text[]), cast(:revisions as int[]), cast(:positions as bigint[]),
                cast(:seen_by as text[]), cast(:documents as text[]))
         u (id, provider, category, state, revision, position, seen_by, document)
    order by u.id
    on conflict (offering_id) do update
    set category = excluded.category, state = excluded.state, revision = excluded.revision,
        position = excluded.position, seen_by = excluded.seen_by, document = excluded.document,
        changed_at = excluded.changed_at
""")

_SAVE_DRAFTS = text("""
    insert into draft (offering_id, provider, document, drafted_at)
    select u.id, split_part(u.id, '/', 1), u.document::jsonb, :now
    from unnest(cast(:ids as text[]), cast(:documents as text[])) u (id, document)
    order by u.id
    on conflict (offering_id) do update
    set document = excluded.document, drafted_at = excluded.drafted_at
""")

_DROP_DRAFTS = text("delete from draft where offering_id = any(cast(:ids as text[]))")

_SAVE_REVISIONS = text("""
    insert into offering_revision (offering_id, revision, document, published_at, seen_by)
    select u.id, u.revision, u.document::jsonb, :now, string_to_array(u.seen_by, chr(31))
    from unnest(cast(:ids as text[]), cast(:revisions as int[]), cast(:documents as text[]),
                cast(:seen_by as text[]))
         u (id, revision, document, seen_by)
    on conflict do nothing
""")

_SAVE_CHANGES = text("""
    insert into change (position, type, offering_id, categories, seen_by, unless, told_at, data)
    select u.position, u.type, u.id, string_to_array(u.categories, chr(31)),
           string_to_array(u.seen_by, chr(31)), string_to_array(u.unless, chr(31)), :now, u.data::json
    from unnest(cast(:positions as bigint[]), cast(:types as text[]), cast(:ids as text[]),
                cast(:categories as text[]), cast(:seen_by as text[]), cast(:unless as text[]),
                cast(:data as text[]))
         u (position, type, id, categories, seen_by, unless, data)
""")

_PAGE = text("""
    select document::text, revision, state, position from offering
    where (cast(:category as text) is null or category = :category)
      and (cast(:provider as text) is null or provider = :provider)
      and (cast(:after as text) is null or offering_id > :after)
      and (:sees_all or seen_by is null or seen_by && cast(:marks as text[]))
    order by offering_id limit :limit
""")

_DRAFTS = text("""
    select d.document::text, coalesce(o.revision, 0) + 1, 'draft', coalesce(o.position, 0)
    from draft d left join offering o using (offering_id)
    where d.provider = :member
      and (cast(:category as text) is null or d.document->>'category' = :category)
      and (cast(:provider as text) is null or d.provider = :provider)
      and (cast(:after as text) is null or d.offering_id > :after)
    order by d.offering_id limit :limit
""")

_ONE = text("""
    select o.document::text, o.revision, o.state, o.position, r.published_at
    from offering o join offering_revision r using (offering_id, revision)
    where offering_id = :id and (:sees_all or o.seen_by is null or o.seen_by && cast(:marks as text[]))
""")

_DRAFT = text("""
    select d.document::text, coalesce(o.revision, 0), coalesce(o.state, 'draft'), coalesce(o.position, 0),
           d.drafted_at
    from draft d left join offering o using (offering_id)
    where offering_id = :id and d.provider = :member
""")

_REVISIONS = text("""
    select revision, published_at, document->>'title', document::text
    from offering_revision
    where offering_id = :id and (cast(:before as int) is null or revision < :before)
      and (cast(:only as int) is null or revision = :only)
      and (:sees_all or seen_by is null or seen_by && cast(:marks as text[]))
    order by revision desc limit :limit
""")

# Positions are given in the order of commits, so everything up to one that can be read can be read too.
_CHANGES = text("""
    select position, type, data::text from change
    where position > :after and position <= :until
      and (cardinality(cast(:categories as text[])) = 0 or categories && cast(:categories as text[]))
      and ((:sees_all and type <> 'catalog.offering.hidden')
           or (not :sees_all and (seen_by is null or seen_by && cast(:marks as text[]))
               and not unless && cast(:marks as text[])))
    order by position limit :limit
""")

_BEFORE = text("select coalesce(min(position) - 1, :otherwise) from change where told_at >= :since")

_KINDS: dict[str, type[Change]] = {
    message_of(kind).name: kind
    for kind in (OfferingPublished, OfferingPaused, OfferingResumed, OfferingRetired, OfferingHidden)
}


@dataclasses.dataclass(frozen=True)
class Reader:
    """Who reads, and how far.

    Attributes:
        marks: of which one is enough to see what is shown to a circle.
        sees_all: the office.
    """

    member: str
    marks: Marks
    sees_all: bool = False

    @property
    def values(self) -> dict[str, object]:
        """What the statements ask for."""
        return {"marks": list(self.marks), "sees_all": self.sees_all}


@dataclasses.dataclass(frozen=True)
class Told:
    """A change with those who see it.

    Attributes:
        categories: of the offering, now and before.
        unless: the marks that keep it from whoever has one.
    """

    data: Change
    categories: tuple[str, ...]
    seen_by: Marks | None
    unless: Marks = ()


async def load(tx: AsyncConnection, offering_ids: Iterable[str]) -> dict[str, Listed]:
    """Load and lock the offerings a batch touches."""
    ids = {"ids": sorted(set(offering_ids))}
    await tx.execute(_LOCK, ids)
    return {row[0]: _loaded(row[1:]) for row in await tx.execute(_LOAD, ids)}


def _listed(document: str, revision: int, state: State, position: int) -> Listed:
    return Listed(Offering.model_validate_json(document), revision, state, position)


def _loaded(row: Any) -> Listed:
    document, revision, state, position, draft = row
    drafted = Offering.model_validate_json(draft) if draft is not None else None
    if drafted is not None and document is None:
        return Listed(drafted, 0, "draft", draft=drafted)
    return dataclasses.replace(_listed(document, revision, state, position), draft=drafted)


async def count_on(tx: AsyncConnection) -> int:
    """Read the position of the catalogue; nobody else counts until this transaction is over."""
    return int((await tx.execute(_COUNT_ON)).scalar_one())


async def position(connection: AsyncConnection) -> int:
    """Read the position of the catalogue."""
    return int((await connection.execute(_POSITION)).scalar_one())


async def save(
    tx: AsyncConnection,
    changed: Mapping[str, Listed | None],
    revisions: Sequence[Listed],
    now: dt.datetime,
) -> None:
    """Write what a batch changed: the newest state, the drafts, and every revision it went through."""
    ids = sorted(changed)
    published = [each for id_ in ids if (each := changed[id_]) is not None and each.revision]
    drafts = [each.draft for id_ in ids if (each := changed[id_]) is not None and each.draft is not None]
    if published:
        await tx.execute(_SAVE, {"now": now, **_columns(published), **_places(published)})
    if drafts:
        documents = [draft.model_dump_json() for draft in drafts]
        await tx.execute(
            _SAVE_DRAFTS,
            {"now": now, "ids": [draft.offering_id for draft in drafts], "documents": documents},
        )
    if gone := sorted(set(ids) - {draft.offering_id for draft in drafts}):
        await tx.execute(_DROP_DRAFTS, {"ids": gone})
    if revisions:
        await tx.execute(_SAVE_REVISIONS, {"now": now, **_columns(revisions)})


def _columns(listed: Sequence[Listed]) -> dict[str, object]:
    return {
        "ids": [each.offering.offering_id for each in listed],
        "revisions": [each.revision for each in listed],
        "documents": [each.offering.model_dump_json() for each in listed],
        "seen_by": [joined(seen_by(each.offering)) for each in listed],
    }


def _places(listed: Sequence[Listed]) -> dict[str, object]:
    return {
        "providers": [each.offering.provider for each in listed],
        "categories": [each.offering.category for each in listed],
        "states": [each.state for each in listed],
        "positions": [each.position for each in listed],
    }


def joined(entries: Sequence[str] | None) -> str | None:
    """Write a list as one text; none at all stays none."""
    return None if entries is None else _BETWEEN.join(entries)


async def save_changes(tx: AsyncConnection, changes: Sequence[Told], counted: int, now: dt.datetime) -> None:
    """Write what is told, and how far the catalogue has counted."""
    if not changes:
        return
    data = [each.data for each in changes]
    await tx.execute(
        _SAVE_CHANGES,
        {
            "now": now,
            "positions": [each.position for each in data],
            "types": [message_of(each).name for each in data],
            "ids": [id_of(each) for each in data],
            "categories": [joined(each.categories) for each in changes],
            "seen_by": [joined(each.seen_by) for each in changes],
            "unless": [joined(each.unless) for each in changes],
            "data": [each.model_dump_json() for each in data],
        },
    )
    await tx.execute(_COUNTED, {"position": counted})


def id_of(change: Change) -> str:
    """Which offering a change is about."""
    return change.offering.offering_id if isinstance(change, OfferingPublished) else change.offering_id


async def page(  # noqa: PLR0913 - what a page is made of
    connection: AsyncConnection,
    reader: Reader,
    *,
    category: str | None = None,
    provider: str | None = None,
    after: str | None = None,
    limit: int,
    drafts: bool = False,
) -> list[OfferingSummary]:
    """Read offerings, or drafts, in the order of their ids."""
    given = {"category": category, "provider": provider, "after": after, "limit": limit}
    if drafts:
        rows = await connection.execute(_DRAFTS, given | {"member": reader.member})
    else:
        rows = await connection.execute(_PAGE, given | reader.values)
    return [
        OfferingSummary(
            offering=Offering.model_validate_json(row[0]), revision=row[1], state=row[2], position=row[3]
        )
        for row in rows
    ]


async def one(
    connection: AsyncConnection, reader: Reader, offering_id: str
) -> tuple[Listed, dt.datetime] | None:
    """Read an offering that the reader sees, and since when its newest revision holds."""
    row = (await connection.execute(_ONE, reader.values | {"id": offering_id})).one_or_none()
    return (_listed(row[0], row[1], row[2], row[3]), row[4]) if row is not None else None


async def draft(
    connection: AsyncConnection, reader: Reader, offering_id: str
) -> tuple[Listed, dt.datetime] | None:
    """Read a draft of the reader's, as the offering would become by it, and when it was kept."""
    given = {"id": offering_id, "member": reader.member}
    row = (await connection.execute(_DRAFT, given)).one_or_none()
    return (_listed(row[0], row[1], row[2], row[3]), row[4]) if row is not None else None


async def revision(
    connection: AsyncConnection, reader: Reader, offering_id: str, number: int
) -> tuple[Offering, dt.datetime] | None:
    """Read one revision that the reader was shown."""
    given = {"id": offering_id, "before": None, "only": number, "limit": 1}
    row = (await connection.execute(_REVISIONS, given | reader.values)).one_or_none()
    return (Offering.model_validate_json(row[3]), row[1]) if row is not None else None


async def revisions(
    connection: AsyncConnection, reader: Reader, offering_id: str, *, before: int | None, limit: int
) -> list[RevisionSummary]:
    """Read the revisions that the reader was shown, the newest first."""
    given = {"id": offering_id, "before": before, "only": None, "limit": limit}
    rows = await connection.execute(_REVISIONS, given | reader.values)
    return [
        RevisionSummary(
            revision=row[0],
            published_at=row[1],
            title=row[2],
            tariffs={
                plan.plan_id: plan.tariffs[-1].version for plan in Offering.model_validate_json(row[3]).plans
            },
        )
        for row in rows
    ]


async def changes(  # noqa: PLR0913 - what a page is made of
    connection: AsyncConnection,
    reader: Reader,
    *,
    after: int,
    until: int,
    categories: Sequence[str],
    limit: int,
) -> list[Change]:
    """Read changes as they were told to the reader, in the order of their positions."""
    given = {"after": after, "until": until, "categories": list(categories), "limit": limit}
    rows = await connection.execute(_CHANGES, given | reader.values)
    return [_KINDS[row[1]].model_validate_json(row[2]) for row in rows]


async def position_before(connection: AsyncConnection, since: dt.datetime, otherwise: int) -> int:
    """Find the position after which everything was told since a moment."""
    found = await connection.execute(_BEFORE, {"since": since, "otherwise": otherwise})
    return int(found.scalar_one())
