"""Keys, cost pools, costs and what pools charge: read and written for a whole batch at once."""

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.billing import ChargeLine
from allmende.schemas.pools import (
    CostRecorded,
    Inputs,
    KeyPublished,
    PoolAdvanced,
    PoolChanged,
    PoolOpened,
    PoolRun,
    PoolSettled,
    PoolSummary,
)
from allmende.schemas.tariff import AllocationKey

from .apportionment import Entry, Standing
from .pool import Cost, Pool

_SAVE_KEY = text("""
    insert into allocation_key (key_id, version, recorded_at, document)
    values (:key_id, :version, :now, cast(:document as json))
    on conflict do nothing
""")

_KEY = text("""
    select recorded_at, document::text from allocation_key where key_id = :key_id and version = :version
""")

_KEYS = text("""
    select document::text from allocation_key where key_id = any(cast(:ids as text[]))
    order by key_id, version
""")

_KEY_PAGE = text("""
    select recorded_at, document::text from allocation_key
    where (cast(:key_id as text) is null or key_id = :key_id)
      and (key_id, version) > (cast(:after_id as text), cast(:after_version as int))
    order by key_id, version limit :limit
""")

_SAVE_POOL = text("""
    insert into pool (pool_id, opened_at, document) values (:pool_id, :now, cast(:document as json))
    on conflict do nothing returning pool_id
""")

_SAVE_CHANGE = text("""
    insert into pool_change (pool_id, number, changed_at, document)
    values (:pool_id, :number, :now, cast(:document as json))
""")

_SAVE_PARTICIPANTS = text("""
    insert into pool_participant (pool_id, number, bearer, party, member, since, until)
    select :pool_id, :number, u.bearer, u.party, u.member, u.since, u.until
    from unnest(cast(:bearer as bool[]), cast(:parties as text[]), cast(:members as text[]),
                cast(:since as date[]), cast(:until as date[])) u (bearer, party, member, since, until)
""")

# In the order of their ids, so that two processes wait for each other in one order.
_LOCK = text("""
    select pool_id, document::text from pool where pool_id = any(cast(:ids as text[]))
    order by pool_id for update
""")

_LOAD = text("select pool_id, document::text from pool where pool_id = any(cast(:ids as text[]))")

_CHANGES = text("""
    select pool_id, document::text from pool_change where pool_id = any(cast(:ids as text[]))
    order by pool_id, number
""")

_NUMBERS = text("""
    select pool_id, max(number) from pool_cost where pool_id = any(cast(:ids as text[])) group by 1
""")

_COSTS_NAMED = text("""
    select c.document::text, d.cost_id
    from unnest(cast(:reporters as text[]), cast(:costs as text[])) u (reporter, cost_id)
    join pool_cost c using (reporter, cost_id)
    left join pool_cost d on d.reporter = c.reporter and d.corrects = c.cost_id
""")

_SAVE_COSTS = text("""
    insert into pool_cost (reporter, cost_id, pool_id, number, corrects, amount_cents, recorded_at, document)
    select u.reporter, u.cost_id, u.pool_id, u.number, u.corrects, u.amount, :now, u.document::json
    from unnest(cast(:reporters as text[]), cast(:costs as text[]), cast(:pools as text[]),
                cast(:numbers as bigint[]), cast(:corrects as text[]), cast(:amounts as bigint[]),
                cast(:documents as text[]))
         u (reporter, cost_id, pool_id, number, corrects, amount, document)
    order by u.number
""")

_COSTS = text("""
    select c.document::text, d.cost_id
    from pool_cost c left join pool_cost d on d.reporter = c.reporter and d.corrects = c.cost_id
    where c.pool_id = :pool_id and c.number > :after
    order by c.number limit cast(:limit as bigint)
""")

_STANDING_SHARES = text("""
    select step, party, member, sum(cents)::bigint
    from (
        select step, party, member, amount_cents as cents from pool_charge
        where pool_id = :pool_id and cost_id is null
        union all
        select step, party, member, -credit_cents from pool_credit where pool_id = :pool_id
    ) charged
    group by 1, 2, 3
""")

_STANDING_COSTS = text("""
    select reporter, cost_id, sum(amount_cents)::bigint from pool_charge
    where pool_id = :pool_id and cost_id is not null group by 1, 2
""")

_RUNS = text("""
    select number, kind, period, ran_at, document::text from pool_run where pool_id = :pool_id order by number
""")

_SAVE_RUN = text("""
    insert into pool_run (run_id, pool_id, number, kind, period, ran_at, inputs, document)
    values (:run_id, :pool_id, :number, :kind, :period, :now, cast(:inputs as json), cast(:document as json))
""")

_SAVE_CHARGES = text("""
    insert into pool_charge (run_id, line, pool_id, step, party, member, reporter, cost_id, amount_cents,
                             period, document)
    select :run_id, u.line, u.pool_id, u.step, u.party, u.member, u.reporter, u.cost_id, u.amount, :period,
           u.document::json
    from unnest(cast(:lines as int[]), cast(:pools as text[]), cast(:steps as text[]),
                cast(:parties as text[]), cast(:members as text[]), cast(:reporters as text[]),
                cast(:costs as text[]), cast(:amounts as bigint[]), cast(:documents as text[]))
         u (line, pool_id, step, party, member, reporter, cost_id, amount, document)
""")

# What the clearing house bears itself, or pays itself back, is no claim on anybody.
_LINES = text("""
    select document::text from pool_charge
    where period = :period and document is not null and document->>'payer' <> document->>'payee'
    order by run_id, line
""")

_SUMMARIES = text("""
    select p.pool_id, p.document->>'title', (p.document->>'first_day')::date,
           (p.document->>'last_day')::date, p.document->'clause'->>'clause_id',
           (p.document->'clause'->'versions'->0->>'cash')::bool,
           (select coalesce(sum(amount_cents), 0)::bigint from pool_cost c
            where c.pool_id = p.pool_id
              and not exists (select from pool_cost d
                              where d.reporter = c.reporter and d.corrects = c.cost_id)),
           (select coalesce(sum(amount_cents), 0)::bigint from pool_charge h
            where h.pool_id = p.pool_id and h.cost_id is null and h.document is not null)
    from pool p
    where p.pool_id > :after
      and (cast(:pool_id as text) is null or p.pool_id = :pool_id)
      and (cast(:member as text) is null
           or exists (select from pool_participant m where m.member = :member and m.pool_id = p.pool_id))
    order by p.pool_id limit :limit
""")


# -- keys -------------------------------------------------------------------------------------------


async def publish(tx: AsyncConnection, key: AllocationKey, now: dt.datetime) -> KeyPublished:
    """Keep a version of a key unless there is one; tells the one that stands."""
    names = {"key_id": key.key_id, "version": key.version}
    await tx.execute(_SAVE_KEY, {**names, "now": now, "document": key.model_dump_json()})
    recorded_at, document = (await tx.execute(_KEY, names)).one()
    return KeyPublished(key=AllocationKey.model_validate_json(document), recorded_at=recorded_at)


async def keys(connection: AsyncConnection, ids: Iterable[str]) -> list[AllocationKey]:
    """Load all versions of keys."""
    rows = await connection.execute(_KEYS, {"ids": sorted(set(ids))})
    return [AllocationKey.model_validate_json(row[0]) for row in rows]


async def key_page(
    connection: AsyncConnection, key_id: str | None, after: tuple[str, int], limit: int
) -> list[KeyPublished]:
    """Read versions of keys in the order of id and version."""
    about = {"key_id": key_id, "after_id": after[0], "after_version": after[1], "limit": limit}
    return [
        KeyPublished(key=AllocationKey.model_validate_json(row[1]), recorded_at=row[0])
        for row in await connection.execute(_KEY_PAGE, about)
    ]


# -- pools ------------------------------------------------------------------------------------------


async def save_pool(tx: AsyncConnection, opened: PoolOpened) -> bool:
    """Keep a new pool. Tells whether its id was free."""
    about = {"pool_id": opened.pool_id, "now": opened.opened_at, "document": opened.model_dump_json()}
    if (await tx.execute(_SAVE_POOL, about)).first() is None:
        return False
    await _save_participants(tx, opened, 0)
    return True


async def save_change(tx: AsyncConnection, changed: PoolChanged) -> None:
    """Keep a change of a pool."""
    about = {"pool_id": changed.pool_id, "number": changed.number, "now": changed.changed_at}
    await tx.execute(_SAVE_CHANGE, {**about, "document": changed.model_dump_json()})
    await _save_participants(tx, changed, changed.number)


async def _save_participants(tx: AsyncConnection, told: PoolOpened | PoolChanged, number: int) -> None:
    people = [(False, each.name, each.member, each.since, each.until) for each in told.participants]
    people += [(True, member, member, None, None) for member in sorted(set(told.bearers))]
    bearer, parties, members, since, until = map(list, zip(*people, strict=True))
    about = {"pool_id": told.pool_id, "number": number, "bearer": bearer, "parties": parties}
    await tx.execute(_SAVE_PARTICIPANTS, about | {"members": members, "since": since, "until": until})


async def lock(tx: AsyncConnection, ids: Iterable[str]) -> dict[str, Pool]:
    """Load pools by id and keep others from them until this transaction ends."""
    return await _load(tx, await _documents(tx, _LOCK, ids))


async def load(connection: AsyncConnection, ids: Iterable[str]) -> dict[str, Pool]:
    """Load pools by id."""
    return await _load(connection, await _documents(connection, _LOAD, ids))


async def _documents(connection: AsyncConnection, statement: Any, ids: Iterable[str]) -> dict[str, str]:
    rows = await connection.execute(statement, {"ids": sorted(set(ids))})
    return {row[0]: row[1] for row in rows}


async def _load(connection: AsyncConnection, documents: dict[str, str]) -> dict[str, Pool]:
    changes: defaultdict[str, list[PoolChanged]] = defaultdict(list)
    for pool_id, document in map(tuple, await connection.execute(_CHANGES, {"ids": list(documents)})):
        changes[pool_id].append(PoolChanged.model_validate_json(document))
    return {
        pool_id: Pool(PoolOpened.model_validate_json(document), tuple(changes[pool_id]))
        for pool_id, document in documents.items()
    }


# -- costs ------------------------------------------------------------------------------------------


async def cost_numbers(tx: AsyncConnection, ids: Collection[str]) -> dict[str, int]:
    """Find the last number of a cost in each pool, which is locked."""
    numbers = {row[0]: row[1] for row in await tx.execute(_NUMBERS, {"ids": sorted(ids)})}
    return dict.fromkeys(ids, 0) | numbers


async def costs_named(tx: AsyncConnection, named: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Cost]:
    """Load costs by reporter and id."""
    keys_ = sorted(set(named))
    about = {"reporters": [reporter for reporter, _ in keys_], "costs": [cost for _, cost in keys_]}
    found = [_cost(row[0], row[1]) for row in await tx.execute(_COSTS_NAMED, about)]
    return {(each.recorded.reporter, each.recorded.cost.cost_id): each for each in found}


async def save_costs(tx: AsyncConnection, costs: Sequence[CostRecorded], now: dt.datetime) -> None:
    """Keep new costs."""
    await tx.execute(
        _SAVE_COSTS,
        {
            "now": now,
            "reporters": [each.reporter for each in costs],
            "costs": [each.cost.cost_id for each in costs],
            "pools": [each.pool_id for each in costs],
            "numbers": [each.number for each in costs],
            "corrects": [each.cost.corrects for each in costs],
            "amounts": [each.cost.amount_cents for each in costs],
            "documents": [each.model_dump_json() for each in costs],
        },
    )


async def costs(
    connection: AsyncConnection, pool_id: str, *, after: int = 0, limit: int | None = None
) -> list[Cost]:
    """Load the costs of a pool in the order of their numbers."""
    rows = await connection.execute(_COSTS, {"pool_id": pool_id, "after": after, "limit": limit})
    return [_cost(row[0], row[1]) for row in rows]


def _cost(document: str, corrected_by: str | None) -> Cost:
    return Cost(CostRecorded.model_validate_json(document), corrected_by)


# -- what is charged --------------------------------------------------------------------------------


async def standing(connection: AsyncConnection, pool_id: str) -> Standing:
    """Sum what stands charged for a pool: what was credited after an objection does not."""
    about = {"pool_id": pool_id}
    shares = await connection.execute(_STANDING_SHARES, about)
    paid_back = await connection.execute(_STANDING_COSTS, about)
    return Standing(
        {(row[0], row[1], row[2]): row[3] for row in shares}, {(row[0], row[1]): row[2] for row in paid_back}
    )


async def runs(connection: AsyncConnection, pool_id: str) -> tuple[list[PoolRun], PoolSettled | None]:
    """Read the advances and settlements of a pool, and the last settlement as a whole."""
    found, settled = [], None
    for number, kind, period, ran_at, document in map(
        tuple, await connection.execute(_RUNS, {"pool_id": pool_id})
    ):
        if kind == "settlement":
            settled = PoolSettled.model_validate_json(document)
            charged = settled.proof.true_up_cents
        else:
            advanced = PoolAdvanced.model_validate_json(document)
            charged = advanced.amount_cents + advanced.carried_cents
        found.append(PoolRun(number=number, kind=kind, period=period, charged_cents=charged, ran_at=ran_at))
    return found, settled


async def save_run(  # noqa: PLR0913 - what is kept of it
    tx: AsyncConnection,
    run_id: str,
    fact: PoolAdvanced | PoolSettled,
    inputs: Inputs,
    entries: Sequence[Entry],
    now: dt.datetime,
) -> None:
    """Keep an advance or a settlement with what it charges."""
    about = {"run_id": run_id, "period": fact.period}
    await tx.execute(
        _SAVE_RUN,
        {
            **about,
            "pool_id": fact.pool_id,
            "number": fact.number,
            "kind": "advance" if isinstance(fact, PoolAdvanced) else "settlement",
            "now": now,
            "inputs": json.dumps(inputs, ensure_ascii=False),
            "document": fact.model_dump_json(),
        },
    )
    await tx.execute(
        _SAVE_CHARGES,
        {
            **about,
            "lines": list(range(1, len(entries) + 1)),
            "pools": [each.pool_id for each in entries],
            "steps": [each.step for each in entries],
            "parties": [each.party for each in entries],
            "members": [each.member for each in entries],
            "reporters": [each.cost[0] if each.cost else None for each in entries],
            "costs": [each.cost[1] if each.cost else None for each in entries],
            "amounts": [each.amount_cents for each in entries],
            "documents": [each.line.model_dump_json() if each.line else None for each in entries],
        },
    )


async def lines_of(tx: AsyncConnection, period: str) -> list[ChargeLine]:
    """Load what pools charge in the statements of a period."""
    rows = await tx.execute(_LINES, {"period": period})
    return [ChargeLine.model_validate_json(row[0]) for row in rows]


async def summaries(
    connection: AsyncConnection,
    *,
    member: str | None,
    after: str = "",
    pool_id: str | None = None,
    limit: int = 1,
) -> list[PoolSummary]:
    """Read pools in the order of their ids.

    Args:
        connection: to the database.
        member: who takes part or bears costs; None for all pools.
        after: only ids beyond this one.
        pool_id: only this one.
        limit: at most so many.
    """
    about = {"member": member, "after": after, "pool_id": pool_id, "limit": limit}
    return [
        PoolSummary(
            pool_id=row[0],
            title=row[1],
            first_day=row[2],
            last_day=row[3],
            clause_id=row[4],
            cash=row[5],
            costs_cents=row[6],
            charged_cents=row[7],
        )
        for row in await connection.execute(_SUMMARIES, about)
    ]
