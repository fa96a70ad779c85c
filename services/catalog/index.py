"""The index that search reads: written with every change, read without touching a document."""

import dataclasses
import datetime as dt
import functools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.catalog import Facets, FacetValue, Filter, Found, Hit, Place, SearchOfferings

from .listing import Listing
from .store import Reader

LOOKED_AT_MAX = 3_000
"""So many hits are ranked and counted; who finds more has not said enough."""
_WORDS_MAX = 8
_VALUES_MAX = 50
_ALIKE_RANK_MAX = 1_000
"""Ranks up to here are likeness in thousandths; what has the words ranks above."""
_INNER_CHARACTERS_MIN = 3
_FILLERS = frozenset({
    "als", "auf", "aus", "bei", "das", "dem", "den", "der", "des", "die", "ein", "eine", "einem", "einen",
    "einer", "eines", "für", "mit", "nach", "oder", "und", "vom", "von", "zum", "zur", "über",
})  # fmt: skip
"""Short words that nobody looks for inside of others."""
_MARKS = "\"'.,;:!?()"
_SPECIAL = re.compile(r"[\\%_]")

_SAVE = text("""
    insert into listing (offering_id, provider, category, state, revision, title, seen_by, bookable_by, open,
                         facets, proof_ends, headline, words, name, plain)
    select r.offering_id, r.provider, r.category, r.state, r.revision, r.title, r.seen_by, r.bookable_by,
           r.open, r.facets, r.proof_ends, to_tsvector('german_words', r.headline),
           setweight(to_tsvector('german_words', r.headline), 'A')
               || setweight(to_tsvector('german_words', r.names), 'B')
               || setweight(to_tsvector('german_words', r.description), 'C'),
           lower(unaccent(r.headline)), lower(unaccent(r.plain))
    from json_to_recordset(cast(:rows as json))
         r (offering_id text, provider text, category text, state text, revision int, title text,
            seen_by text[], bookable_by text[], open boolean, facets text[], proof_ends date, headline text,
            names text, description text, plain text)
    order by r.offering_id
    on conflict (offering_id) do update
    set category = excluded.category, state = excluded.state, revision = excluded.revision,
        title = excluded.title, seen_by = excluded.seen_by, bookable_by = excluded.bookable_by,
        open = excluded.open, facets = excluded.facets, proof_ends = excluded.proof_ends,
        headline = excluded.headline, words = excluded.words,
        name = excluded.name, plain = excluded.plain
""")

_DROP = text("delete from listing where offering_id = any(cast(:ids as text[]))")

_OUTDATED = text("""
    select offering_id from listing where proof_ends < :today
    order by proof_ends, offering_id limit :limit
""")

# As subqueries these are computed once for a statement, and not for every row that they are compared with.
_QUERY = "(select websearch_to_tsquery('german_words', :text))"
_LEFT_OUT = "(select websearch_to_tsquery('german_words', :left_out))"
_SPELT = "(select lower(unaccent(:text)))"
_BOOKABLE = """(:books and l.state = 'published' and l.open and l.provider <> :member
                and (l.bookable_by is null or l.bookable_by && cast(:marks as text[])))"""
_RANK = f"least(999999, (ts_rank(l.words, {_QUERY}) * 500000)::int)"
_NEARNESS = f"(word_similarity({_SPELT}, l.name) * 1000)::int"

# One reading of the hits serves the page, the count and the facets.
_HITS = """
    with hit as materialized ({hits} limit :most)
    select 'hit', h.offering_id, h.title, h.category, h.state, h.revision, h.rank, h.bookable
    from (select * from hit
          where cast(:after as text) is null or rank < :rank or (rank = :rank and offering_id > :after)
          order by rank desc, offering_id limit :limit) h
"""
_COUNTS = """
    union all
    select 'counted', null, null, null, null, 0, (select count(*) from hit), null
    union all
    (select 'facet', token, null, null, null, 0, count(*), null
     from hit, unnest(hit.facets) token group by token)
"""


@functools.cache
def _browse(kinds: tuple[str, ...], *, counts: bool) -> TextClause:
    """All that is visible, in the order of ids. A page that counts nothing reads no more than itself."""
    hits = _some("0", "cast(:after as text) is null or l.offering_id > :after", kinds)
    hits = f"{hits} order by l.offering_id"
    if counts:
        return text(_HITS.format(hits=hits) + _COUNTS)
    return text(_HITS.format(hits=hits).replace(":most", ":limit"))


@functools.cache
def _by_words(kinds: tuple[str, ...], words: int, *, counts: bool) -> TextClause:
    """Whole words in the headline, whole words anywhere, inner parts of words; each rung after the other."""
    inside = " and ".join(f"l.plain like (select lower(unaccent(:word_{number})))" for number in range(words))
    rungs = [
        _some(f"2000000 + {_RANK}", f"l.headline @@ {_QUERY}", kinds),
        _some(f"1000000 + {_RANK}", f"l.words @@ {_QUERY} and not l.headline @@ {_QUERY}", kinds),
    ]
    if words:
        rungs.append(
            _some(
                f"1001 + {_NEARNESS}",
                f"{inside} and not l.words @@ {_QUERY} and not l.words @@ {_LEFT_OUT}",
                kinds,
            )
        )
    hits = " union all ".join(f"({rung} limit :most)" for rung in rungs)
    return text(_HITS.format(hits=f"select * from ({hits}) rung") + (_COUNTS if counts else ""))


@functools.cache
def _alike(kinds: tuple[str, ...], *, counts: bool) -> TextClause:
    """What is spelt alike."""
    hits = _some(_NEARNESS, f"{_SPELT} <% l.name", kinds)
    return text(_HITS.format(hits=hits) + (_COUNTS if counts else ""))


def _some(rank: str, matching: str, kinds: tuple[str, ...]) -> str:
    """Read the rows that match, that the reader sees and that pass the filters given."""
    filters = "".join(f" and l.facets && cast(:{kind} as text[])" for kind in kinds if kind != "bookable")
    if "bookable" in kinds:
        filters += f" and {_BOOKABLE}"
    return f"""
        select l.offering_id, l.title, l.category, l.state, l.revision, l.facets, {rank} as rank,
               {_BOOKABLE} as bookable
        from listing l
        where ({matching}) and (:sees_all or l.seen_by is null or l.seen_by && cast(:marks as text[]))
        {filters}"""


async def save(tx: AsyncConnection, listings: Sequence[Listing], gone: Sequence[str]) -> None:
    """Write what search shall find from now on, and drop what it shall not."""
    if listings:
        await tx.execute(_SAVE, {"rows": json.dumps([_row(each) for each in listings])})
    if gone:
        await tx.execute(_DROP, {"ids": list(gone)})


def _row(listing: Listing) -> dict[str, object]:
    names, description = listing.body
    found = dataclasses.asdict(listing) | {"names": names, "description": description}
    found["proof_ends"] = listing.proof_ends.isoformat() if listing.proof_ends else None
    return found | {"plain": listing.plain}


async def outdated(tx: AsyncConnection, today: dt.date, limit: int) -> list[str]:
    """Find offerings that a certificate has run out of since they were indexed."""
    rows = await tx.execute(_OUTDATED, {"today": today, "limit": limit})
    return [row[0] for row in rows]


async def search(
    connection: AsyncConnection, reader: Reader, asked: SearchOfferings, *, books: bool
) -> Found:
    """Find offerings: by whole words, by inner parts of words, and where nothing has these, by likeness.

    Args:
        connection: to the database.
        reader: who asks.
        asked: what for.
        books: whether the reader is one who books at all.
    """
    kinds = tuple(_filters(asked.filter)) + (("bookable",) if asked.bookable else ())
    given = _given(reader, asked, books=books)
    counts = asked.facets
    if not asked.text.strip():
        return _found(await connection.execute(_browse(kinds, counts=counts), given), asked)
    words = _words_in(asked.text)
    given |= {f"word_{number}": word for number, word in enumerate(words)}
    if asked.after is None or asked.after.rank > _ALIKE_RANK_MAX:
        statement = _by_words(kinds, len(words), counts=counts)
        found = _found(await connection.execute(statement, given), asked)
        if found.hits or asked.after is not None:
            return found
    similar = _found(await connection.execute(_alike(kinds, counts=counts), given), asked)
    return similar.model_copy(update={"similar": bool(similar.hits)})


def _given(reader: Reader, asked: SearchOfferings, *, books: bool) -> dict[str, object]:
    return {
        **reader.values,
        **_filters(asked.filter),
        "member": reader.member,
        "books": books,
        "text": asked.text,
        "left_out": _left_out_of(asked.text),
        "after": asked.after.offering_id if asked.after else None,
        "rank": asked.after.rank if asked.after else 0,
        "limit": asked.limit + 1,
        "most": LOOKED_AT_MAX + 1,
    }


def _filters(filter_: Filter) -> dict[str, list[str]]:
    given: Mapping[str, Sequence[str]] = filter_.model_dump()
    return {kind: [f"{kind}:{value}" for value in values] for kind, values in given.items() if values}


def _words_in(asked: str) -> list[str]:
    """The words worth looking for inside of others, as patterns."""
    found = (word.strip(_MARKS) for word in asked.split() if not word.startswith("-"))
    worth = [word for word in found if len(word) >= _INNER_CHARACTERS_MIN and word.lower() not in _FILLERS]
    return ["%" + _SPECIAL.sub(r"\\\g<0>", word) + "%" for word in worth[:_WORDS_MAX]]


def _left_out_of(asked: str) -> str:
    """The words to leave out, each of which is reason enough."""
    return " or ".join(word.strip("-" + _MARKS) for word in asked.split() if word.startswith("-"))


def _found(rows: Iterable[Any], asked: SearchOfferings) -> Found:
    hits: list[Hit] = []
    counted: int | None = None
    facets: dict[str, list[FacetValue]] = {}
    for kind, name, title, category, state, revision, number, bookable in rows:
        match kind:
            case "hit":
                hits.append(
                    Hit(
                        offering_id=name,
                        title=title,
                        category=category,
                        state=state,
                        revision=revision,
                        rank=number,
                        bookable=bookable,
                    )
                )
            case "counted":
                counted = number
            case _:
                of, _, value = name.partition(":")
                facets.setdefault(of, []).append(FacetValue(value=value, count=number))
    page = hits[: asked.limit]
    last = page[-1] if len(hits) > len(page) else None
    return Found(
        hits=tuple(page),
        counted=None if counted is None else min(counted, LOOKED_AT_MAX),
        complete=counted is None or counted <= LOOKED_AT_MAX,
        facets=_most_frequent(facets) if asked.facets else None,
        next_after=Place(rank=last.rank, offering_id=last.offering_id) if last else None,
    )


def _most_frequent(facets: Mapping[str, list[FacetValue]]) -> Facets:
    ordered = {
        kind: tuple(sorted(values, key=lambda each: (-each.count, each.value))[:_VALUES_MAX])
        for kind, values in facets.items()
    }
    return Facets(**ordered)
