"""Answers about keys, for everybody, and about cost pools, for those whom they concern."""

import itertools
import re
from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.contract import Contract
from allmende.schemas.permissions import Role
from allmende.schemas.pools import (
    Costs,
    Keys,
    ListCosts,
    ListKeys,
    ListPools,
    Participant,
    PoolCost,
    Pools,
    PoolShare,
    PoolShown,
    ShowPool,
)
from allmende.schemas.register import MemberRegister
from allmende.schemas.rejections import Rejected, rejected
from allmende.servicekit.queries import PAGE_BYTES_MAX, Answer, Caller, fitting

from . import apportionment, store
from .handlers import look

_CLAUSE_BYTES_MAX = PAGE_BYTES_MAX // 4
_LIST_BYTES_MAX = PAGE_BYTES_MAX // 3
_RUNS_MAX = 200


async def list_keys(connection: AsyncConnection, _: Caller, asked: ListKeys) -> Keys:
    """All versions of keys, for everybody."""
    name, _slash, number = (asked.after or "").partition("/")
    after = (name, int(number)) if re.fullmatch(r"[0-9]{1,4}", number) else (name, 0)
    found = await store.key_page(connection, asked.key_id, after, asked.limit + 1)
    page = found[: min(asked.limit, fitting(found))]
    last = page[-1].key if len(found) > len(page) else None
    return Keys(keys=tuple(page), next_after=f"{last.key_id}/{last.version}" if last is not None else None)


async def list_pools(connection: AsyncConnection, caller: Caller, asked: ListPools) -> Pools:
    """The pools in which one takes part or bears costs; the office sees all."""
    member = None if caller.sees_all else caller.member
    found = await store.summaries(connection, member=member, after=asked.after or "", limit=asked.limit + 1)
    page = found[: asked.limit]
    return Pools(pools=tuple(page), next_after=page[-1].pool_id if len(found) > len(page) else None)


async def list_costs(connection: AsyncConnection, caller: Caller, asked: ListCosts) -> Costs | Rejected:
    """The costs of a pool with their evidence, for those whom it concerns."""
    member = None if caller.sees_all else caller.member
    if not await store.summaries(connection, member=member, pool_id=asked.pool_id):
        return rejected("unknown_cost_pool", "pool_id", pool=asked.pool_id)
    costs = await store.costs(connection, asked.pool_id, after=asked.after, limit=asked.limit + 1)
    found = [PoolCost(recorded=each.recorded, corrected_by=each.corrected_by) for each in costs]
    page = found[: min(asked.limit, fitting(found))]
    return Costs(costs=tuple(page), next_after=page[-1].recorded.number if len(found) > len(page) else None)


class _Amount(Contract):
    party: str
    amount: int


_Item = TypeVar("_Item", Participant, PoolShare, _Amount)


def _some(items: Iterable[_Item], own: Collection[str]) -> tuple[_Item, ...]:
    """Take as many as have room in an answer, one's own first; nearly always that is all, as they are."""
    found = list(items)
    if len("".join(each.model_dump_json() for each in found).encode()) <= _LIST_BYTES_MAX:
        return tuple(found)
    found.sort(key=lambda each: (each.name if isinstance(each, Participant) else each.party) not in own)
    sizes = itertools.accumulate(len(each.model_dump_json().encode()) for each in found)
    return tuple(each for each, size in zip(found, sizes, strict=True) if size <= _LIST_BYTES_MAX)


class PoolAnswers:
    """Answers that depend on where members have their seat."""

    def __init__(self, register: MemberRegister) -> None:
        self._lands = {
            member.id: member.land for member in register.members if member.role is not Role.OFFICE
        }

    async def show_pool(
        self, connection: AsyncConnection, caller: Caller, asked: ShowPool
    ) -> PoolShown | Rejected:
        """A pool with its story, for those whom it concerns."""
        member = None if caller.sees_all else caller.member
        found = await store.summaries(connection, member=member, pool_id=asked.pool_id)
        if not found:
            return rejected("unknown_cost_pool", "pool_id", pool=asked.pool_id)
        pool = (await store.load(connection, [asked.pool_id]))[asked.pool_id]
        known = await look(connection, pool, self._lands, 0)
        runs, settled = await store.runs(connection, pool.id)
        clause = pool.opened.clause
        fits = len(clause.model_dump_json().encode()) <= _CLAUSE_BYTES_MAX
        own = {name for name, each in pool.known.items() if each.member == caller.member}
        outlook = apportionment.outlook(known, asked.inputs, caller.member)
        amounts = [_Amount(party=party, amount=amount) for party, amount in outlook.amounts.items()]
        if settled is not None:
            settled = settled.model_copy(update={"shares": _some(settled.shares, own)})
        return PoolShown(
            summary=found[0],
            clause=clause if fits else None,
            participants=_some(pool.known.values(), own),
            bearers=tuple(sorted(pool.bearers)),
            changes=len(pool.changes),
            runs=tuple(runs[-_RUNS_MAX:]),
            settled=settled,
            outlook=outlook.model_copy(
                update={"amounts": {each.party: each.amount for each in _some(amounts, own)}}
            ),
        )


def answers(register: MemberRegister) -> Mapping[str, Answer]:
    """What answers questions about keys and pools, by the name of the query."""
    return {
        "billing.key.list": list_keys,
        "billing.pool.list": list_pools,
        "billing.pool.show": PoolAnswers(register).show_pool,
        "billing.cost.list": list_costs,
    }
