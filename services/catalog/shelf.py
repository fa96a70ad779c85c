"""Where attachments lie: whole ones, and those whose parts are still coming."""

import datetime as dt

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.attachments import AttachmentSummary

from .attachment import Held

UNFINISHED_HOURS_MAX = 24

_HELD = text("""
    select a.name, a.media_type, a.size_bytes, a.sha256, a.stored_at is not null,
           array(select part from attachment_part p
                 where p.offering_id = a.offering_id and p.sha256 = a.sha256)
    from attachment a where a.offering_id = :id and a.sha256 = :sha256
""")

_OTHERS = text("""
    select coalesce(sum(size_bytes), 0) from attachment where offering_id = :id and sha256 <> :sha256
""")

_BEGIN = text("""
    insert into attachment (offering_id, sha256, name, media_type, size_bytes, begun_at)
    values (:id, :sha256, :name, :media_type, :size_bytes, :now)
    on conflict do nothing
""")

_PUT = text("""
    insert into attachment_part (offering_id, sha256, part, content)
    values (:id, :sha256, :part, :content)
    on conflict (offering_id, sha256, part) do update set content = excluded.content
""")

_DIGEST = text("""
    select encode(sha256(string_agg(content, ''::bytea order by part)), 'hex') from attachment_part
    where offering_id = :id and sha256 = :sha256
""")

_FINISH = text("update attachment set stored_at = :now where offering_id = :id and sha256 = :sha256")

_REMOVE = text("delete from attachment where offering_id = :id and sha256 = :sha256 returning 1")

_FORGET = text("delete from attachment where stored_at is null and begun_at < :before")

_LIST = text("""
    select name, media_type, size_bytes, sha256 from attachment
    where offering_id = :id and stored_at is not null order by name, sha256
""")

_READ = text("""
    select a.name, a.media_type, a.size_bytes, a.sha256, p.content
    from attachment a join attachment_part p using (offering_id, sha256)
    where offering_id = :id and sha256 = :sha256 and part = :part and a.stored_at is not null
""")


async def held(tx: AsyncConnection, offering_id: str, sha256: str) -> Held | None:
    """Read what is there of an attachment. The caller holds the offering's lock."""
    row = (await tx.execute(_HELD, {"id": offering_id, "sha256": sha256})).one_or_none()
    return Held(_summary(*row[:4]), frozenset(row[5]), row[4]) if row is not None else None


async def others_bytes(tx: AsyncConnection, offering_id: str, sha256: str) -> int:
    """Add up what the offering's other attachments take or will take."""
    return int((await tx.execute(_OTHERS, {"id": offering_id, "sha256": sha256})).scalar_one())


async def put(  # noqa: PLR0913 - what a row is made of
    tx: AsyncConnection,
    offering_id: str,
    summary: AttachmentSummary,
    *,
    part: int,
    content: bytes,
    now: dt.datetime,
) -> None:
    """Keep a part. One that comes twice is kept once, as it came last."""
    key = {"id": offering_id, "sha256": summary.sha256}
    about = {"name": summary.name, "media_type": summary.media_type, "size_bytes": summary.size_bytes}
    await tx.execute(_BEGIN, key | about | {"now": now})
    await tx.execute(_PUT, key | {"part": part, "content": content})


async def finish(tx: AsyncConnection, offering_id: str, sha256: str, now: dt.datetime) -> bool:
    """Verify the whole and keep it, or drop it all; tell which."""
    key = {"id": offering_id, "sha256": sha256}
    if (await tx.execute(_DIGEST, key)).scalar_one() != sha256:
        await tx.execute(_REMOVE, key)
        return False
    await tx.execute(_FINISH, key | {"now": now})
    return True


async def remove(tx: AsyncConnection, offering_id: str, sha256: str) -> bool:
    """Take an attachment away; tell whether it was there."""
    return (await tx.execute(_REMOVE, {"id": offering_id, "sha256": sha256})).one_or_none() is not None


async def forget_unfinished(tx: AsyncConnection, now: dt.datetime) -> None:
    """Drop what nobody went on sending."""
    await tx.execute(_FORGET, {"before": now - dt.timedelta(hours=UNFINISHED_HOURS_MAX)})


async def whole_ones(connection: AsyncConnection, offering_id: str) -> tuple[AttachmentSummary, ...]:
    """List an offering's attachments."""
    return tuple(_summary(*row) for row in await connection.execute(_LIST, {"id": offering_id}))


async def read(
    connection: AsyncConnection, offering_id: str, sha256: str, part: int
) -> tuple[AttachmentSummary, bytes] | None:
    """Read one part of a whole attachment."""
    given = {"id": offering_id, "sha256": sha256, "part": part}
    row = (await connection.execute(_READ, given)).one_or_none()
    return (_summary(*row[:4]), bytes(row[4])) if row is not None else None


def _summary(name: str, media_type: str, size_bytes: int, sha256: str) -> AttachmentSummary:
    return AttachmentSummary.model_validate(
        {"name": name, "media_type": media_type, "size_bytes": size_bytes, "sha256": sha256}
    )
