"""The catalogue's tables: read and written for a whole batch at once."""

import datetime as dt
from collections.abc import Iterable, Mapping

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.catalog import Offering, OfferingSummary

from .offering import Listed

# An offering that is not there yet has no row to lock, so its id is locked; all in one order, so that two
# processes with overlapping batches cannot wait for each other in a circle.
_LOCK = text("""
    select pg_advisory_xact_lock(hashtextextended(u.id, 0))
    from (select id from unnest(cast(:ids as text[])) t (id) order by id) u
""")

_LOAD = text("""
    select offering_id, document::text, revision, state from offering
    where offering_id = any(cast(:ids as text[]))
""")

_SAVE = text("""
    insert into offering (offering_id, provider, category, state, revision, document, changed_at)
    select u.id, u.provider, u.category, u.state, u.revision, u.document::jsonb, :now
    from unnest(cast(:ids as text[]), cast(:providers as text[]), cast(:categories as text[]),
                cast(:states as text[]), cast(:revisions as int[]), cast(:documents as text[]))
         u (id, provider, category, state, revision, document)
    order by u.id
    on conflict (offering_id) do update
    set category = excluded.category, state = excluded.state, revision = excluded.revision,
        document = excluded.document, changed_at = excluded.changed_at
""")

_SAVE_REVISIONS = text("""
    insert into offering_revision (offering_id, revision, document, published_at)
    select u.id, u.revision, u.document::jsonb, :now
    from unnest(cast(:ids as text[]), cast(:revisions as int[]), cast(:documents as text[]))
         u (id, revision, document)
    on conflict do nothing
""")

_PAGE = text("""
    select document::text, revision, state from offering
    where (cast(:category as text) is null or category = :category)
      and (cast(:after as text) is null or offering_id > :after)
    order by offering_id limit :limit
""")


async def load(tx: AsyncConnection, offering_ids: Iterable[str]) -> dict[str, Listed]:
    """Load and lock the offerings a batch touches."""
    ids = {"ids": sorted(set(offering_ids))}
    await tx.execute(_LOCK, ids)
    rows = await tx.execute(_LOAD, ids)
    return {row[0]: Listed(Offering.model_validate_json(row[1]), row[2], row[3]) for row in rows}


async def save(
    tx: AsyncConnection, listed: Mapping[str, Listed], revisions: Iterable[Listed], now: dt.datetime
) -> None:
    """Write what a batch changed: the newest state, and every revision it went through."""
    if listed:
        ids = sorted(listed)
        await tx.execute(
            _SAVE,
            {
                "now": now,
                "ids": ids,
                "providers": [listed[id_].offering.provider for id_ in ids],
                "categories": [listed[id_].offering.category for id_ in ids],
                "states": [listed[id_].state for id_ in ids],
                "revisions": [listed[id_].revision for id_ in ids],
                "documents": [listed[id_].offering.model_dump_json() for id_ in ids],
            },
        )
    if new := list(revisions):
        await tx.execute(
            _SAVE_REVISIONS,
            {
                "now": now,
                "ids": [each.offering.offering_id for each in new],
                "revisions": [each.revision for each in new],
                "documents": [each.offering.model_dump_json() for each in new],
            },
        )


async def page(
    connection: AsyncConnection, *, category: str | None, after: str | None, limit: int
) -> list[OfferingSummary]:
    """Read offerings in the order of their ids."""
    rows = await connection.execute(_PAGE, {"category": category, "after": after, "limit": limit})
    return [
        OfferingSummary(offering=Offering.model_validate_json(row[0]), revision=row[1], state=row[2])
        for row in rows
    ]
