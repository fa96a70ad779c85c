"""Keys, cost pools and their costs: commands in the order in which they came, facts out."""

import datetime as dt
import itertools
from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.contract import Contract
from allmende.schemas.pools import (
    AdvancePool,
    ChangePool,
    CostRecorded,
    OpenPool,
    PublishKey,
    ReportCost,
    SettlePool,
)
from allmende.schemas.registry import Audience
from allmende.schemas.rejections import Rejected, rejected
from allmende.servicekit.messages import Incoming, Outgoing, refuse

from .. import store as billing_store
from . import apportionment, pool, store, true_up
from .apportionment import Apportioned, Known
from .pool import Cost, Pool

COMMANDS = (PublishKey, OpenPool, ChangePool, ReportCost, AdvancePool, SettlePool)


class Pooling:
    """Decides what is told of keys, pools and their costs."""

    def __init__(self, office: str, lands: Mapping[str, str | None]) -> None:
        self._office = office
        self._lands = lands
        self._members = {office, *lands}

    async def take(
        self, tx: AsyncConnection, messages: Sequence[Incoming], now: dt.datetime
    ) -> list[Outgoing]:
        """Decide commands in the order in which they came; costs that follow each other at once."""
        facts: list[Outgoing] = []
        about = [message for message in messages if isinstance(message.data, COMMANDS)]
        for is_cost, some in itertools.groupby(about, lambda each: isinstance(each.data, ReportCost)):
            if is_cost:
                facts += await self._record(tx, list(some), now)
            else:
                for message in some:
                    facts.append(await self._decide(tx, message, now))
        return facts

    async def _decide(self, tx: AsyncConnection, message: Incoming, now: dt.datetime) -> Outgoing:
        match message.data:
            case PublishKey() as command:
                outcome = await self._publish(tx, command, now)
            case OpenPool() as command:
                outcome = await self._open(tx, command, now)
            case ChangePool() as command:
                outcome = await self._change(tx, command, now)
            case AdvancePool() | SettlePool() as command:
                outcome = await self._run(tx, command, message.id, now)
            case other:
                raise TypeError(f"{type(other).__name__} is no command about pools")
        if isinstance(outcome, Rejected):
            return refuse(message, outcome)
        fact, subject, circle = outcome
        return Outgoing(
            fact, cause=message, subject=subject, parties={Audience.CIRCLE: circle} if circle else {}
        )

    # -- keys and pools ---------------------------------------------------------------------------

    async def _publish(self, tx: AsyncConnection, command: PublishKey, now: dt.datetime) -> "_Outcome":
        # Whoever publishes the same version at the same time waits here, and then finds this one.
        standing = await store.publish(tx, command.key, now)
        published = pool.publish(command, standing.key)
        if isinstance(published, Rejected):
            return published
        return standing, f"{published.key_id}/{published.version}", ()

    async def _open(self, tx: AsyncConnection, command: OpenPool, now: dt.datetime) -> "_Outcome":
        exists = bool(await store.load(tx, [command.pool_id]))
        opened = pool.open_(command, members=self._members, exists=exists, now=now)
        if isinstance(opened, Rejected):
            return opened
        if not await store.save_pool(tx, opened):
            return rejected("cost_pool_exists", "pool_id", pool=command.pool_id)
        return opened, opened.pool_id, Pool(opened).circle

    async def _change(self, tx: AsyncConnection, command: ChangePool, now: dt.datetime) -> "_Outcome":
        found = (await store.lock(tx, [command.pool_id])).get(command.pool_id)
        if found is None:
            return _unknown(command.pool_id)
        changed = pool.change(command, found, members=self._members, now=now)
        if isinstance(changed, Rejected):
            return changed
        await store.save_change(tx, changed)
        return changed, found.id, Pool(found.opened, (*found.changes, changed)).circle

    # -- costs ------------------------------------------------------------------------------------

    async def _record(
        self, tx: AsyncConnection, messages: Sequence[Incoming], now: dt.datetime
    ) -> list[Outgoing]:
        reported = [(message, message.data) for message in messages if isinstance(message.data, ReportCost)]
        found = await store.lock(tx, (command.pool_id for _, command in reported))
        named = [
            (message.sender, id_)
            for message, command in reported
            for id_ in (command.cost_id, command.corrects)
            if id_ is not None
        ]
        known = await store.costs_named(tx, named)
        numbers = await store.cost_numbers(tx, found)
        facts: list[Outgoing] = []
        new: list[CostRecorded] = []
        for message, command in reported:
            outcome = self._cost(message.sender, command, found, known, numbers, now)
            if isinstance(outcome, Rejected):
                facts.append(refuse(message, outcome))
                continue
            facts.append(Outgoing(outcome, cause=message, subject=command.pool_id))
            key = (message.sender, command.cost_id)
            if key not in known:
                numbers[command.pool_id] = outcome.number
                known[key] = Cost(outcome)
                new.append(outcome)
                if command.corrects is not None:
                    original = known[message.sender, command.corrects]
                    known[message.sender, command.corrects] = Cost(original.recorded, command.cost_id)
        if new:
            await store.save_costs(tx, new, now)
        return facts

    def _cost(  # noqa: PLR0913 - what a cost is decided by
        self,
        sender: str,
        command: ReportCost,
        found: Mapping[str, Pool],
        known: Mapping[tuple[str, str], Cost],
        numbers: Mapping[str, int],
        now: dt.datetime,
    ) -> CostRecorded | Rejected:
        if command.pool_id not in found:
            return _unknown(command.pool_id)
        return pool.record(
            command,
            sender,
            found[command.pool_id],
            office=self._office,
            known={id_: cost for (reporter, id_), cost in known.items() if reporter == sender},
            number=numbers[command.pool_id] + 1,
            now=now,
        )

    # -- advances and settlements -----------------------------------------------------------------

    async def _run(
        self, tx: AsyncConnection, command: AdvancePool | SettlePool, id_: str, now: dt.datetime
    ) -> "_Outcome":
        wish = command.carry_forward if isinstance(command, SettlePool) else None
        found = await store.lock(tx, [command.pool_id, *([wish.into] if wish else [])])
        pool_ = found.get(command.pool_id)
        if pool_ is None:
            return _unknown(command.pool_id)
        if wish is not None:
            if wish.into == command.pool_id:
                return rejected("carry_into_itself", "carry_forward.into")
            if wish.into not in found:
                return _unknown(wish.into)
            if not found[wish.into].version.cash:
                return rejected("pool_not_cash", "carry_forward.into", pool=wish.into)
        if await billing_store.closed_periods(tx, [command.period]):
            return rejected("period_closed", "period", period=command.period)
        apportioned = await self._apportion(tx, command, id_, pool_, now)
        if isinstance(apportioned, Rejected):
            return apportioned
        await store.save_run(tx, id_, apportioned.fact, command.inputs, apportioned.entries, now)
        return apportioned.fact, pool_.id, pool_.circle

    async def _apportion(
        self,
        tx: AsyncConnection,
        command: AdvancePool | SettlePool,
        id_: str,
        pool_: Pool,
        now: dt.datetime,
    ) -> Apportioned | Rejected:
        earlier, settled = await store.runs(tx, pool_.id)
        known = await look(tx, pool_, self._lands, len(earlier) + 1)
        if isinstance(command, SettlePool):
            return true_up.settle(command, id_, known, office=self._office, now=now)
        return apportionment.advance(
            command, id_, known, office=self._office, settled=settled is not None, now=now
        )


_Outcome = tuple[Contract, str, tuple[str, ...]] | Rejected
"""A fact, what it is about, and the members whom it concerns; or why there is none."""


async def look(
    connection: AsyncConnection, pool_: Pool, lands: Mapping[str, str | None], number: int
) -> Known:
    """Load what a pool is run on."""
    named = [key.published for key in pool_.version.keys.values() if key.published is not None]
    return Known(
        pool=pool_,
        keys=await store.keys(connection, named),
        lands=lands,
        costs=await store.costs(connection, pool_.id),
        standing=await store.standing(connection, pool_.id),
        number=number,
    )


def _unknown(pool_id: str) -> Rejected:
    return rejected("unknown_cost_pool", "pool_id", pool=pool_id)
