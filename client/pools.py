"""Cost pools for a member's program: keys, costs with their evidence, advances, settlements."""

from collections.abc import AsyncIterator

from allmende.schemas.pools import (
    AdvancePool,
    ChangePool,
    CostRecorded,
    Costs,
    Inputs,
    KeyPublished,
    Keys,
    ListCosts,
    ListKeys,
    ListPools,
    OpenPool,
    PoolAdvanced,
    PoolChanged,
    PoolCost,
    PoolOpened,
    Pools,
    PoolSettled,
    PoolShown,
    PoolSummary,
    PublishKey,
    ReportCost,
    SettlePool,
    ShowPool,
)
from allmende.schemas.rejections import Rejection
from allmende.schemas.tariff import AllocationKey

from .room import Room

# Every command takes `id`, which is what CloudEvents calls it.
# ruff: noqa: A002


class PoolRoom(Room):
    """Keys and cost pools."""

    async def publish_key(self, key: AllocationKey, *, id: str | None = None) -> KeyPublished | Rejection:
        """Publish a version of a key (office only); the same again does no harm."""
        return await self._told(PublishKey(key=key), id, KeyPublished)

    async def open_pool(self, pool: OpenPool, *, id: str | None = None) -> PoolOpened | Rejection:
        """Open a cost pool (office only)."""
        return await self._told(pool, id, PoolOpened)

    async def change_pool(self, change: ChangePool, *, id: str | None = None) -> PoolChanged | Rejection:
        """Let parties join or leave a pool, or name further bearers (office only)."""
        return await self._told(change, id, PoolChanged)

    async def report_cost(self, cost: ReportCost, *, id: str | None = None) -> CostRecorded | Rejection:
        """Report a cost of a pool, as one of its bearers or the office; the same again does no harm."""
        return await self._told(cost, id, CostRecorded)

    async def advance_pool(self, advance: AdvancePool, *, id: str | None = None) -> PoolAdvanced | Rejection:
        """Charge an advance on estimates (office only)."""
        return await self._told(advance, id, PoolAdvanced)

    async def settle_pool(self, settle: SettlePool, *, id: str | None = None) -> PoolSettled | Rejection:
        """Charge the actual costs less all that was charged (office only)."""
        return await self._told(settle, id, PoolSettled)

    async def keys(self, key_id: str | None = None) -> AsyncIterator[KeyPublished]:
        """All versions of all keys, or of one."""
        after: str | None = None
        while True:
            page = await self.ask("billing.key.list", ListKeys(key_id=key_id, after=after), Keys)
            for each in page.keys:
                yield each
            after = page.next_after
            if after is None:
                return

    async def pools(self) -> AsyncIterator[PoolSummary]:
        """The pools in which one takes part or bears costs; all of them for the office."""
        after: str | None = None
        while True:
            page = await self.ask("billing.pool.list", ListPools(after=after), Pools)
            for each in page.pools:
                yield each
            after = page.next_after
            if after is None:
                return

    async def pool(self, pool_id: str, inputs: Inputs | None = None) -> PoolShown | Rejection:
        """A pool with its story, and what its clause comes to by now.

        Args:
            pool_id: the pool.
            inputs: what else the clause is told beside the reported costs.
        """
        return await self._shown(
            "billing.pool.show", ShowPool(pool_id=pool_id, inputs=inputs or {}), PoolShown
        )

    async def pool_costs(self, pool_id: str) -> AsyncIterator[PoolCost]:
        """The costs of a pool with their evidence, in the order in which they were recorded.

        Raises:
            Refused: there is no such pool, or it does not concern oneself.
        """
        after: int | None = 0
        while after is not None:
            page = await self.ask("billing.cost.list", ListCosts(pool_id=pool_id, after=after), Costs)
            for each in page.costs:
                yield each
            after = page.next_after
