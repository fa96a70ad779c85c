"""A batch of commands about bookings and of catalogue facts in, one set of writes, facts out."""

import datetime as dt
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.register import MemberRegister
from allmende.servicekit.messages import Incoming, Outgoing

from .capacity import handlers as capacity
from .life.handlers import Deciding
from .maintenance import handlers as maintenance
from .parking import handlers as parking


class BrokerageHandler:
    """Decides everything about bookings and keeps the picture of the catalogue."""

    def __init__(self, register: MemberRegister, park_seconds: float, backdate_days: int) -> None:
        self._deciding = Deciding(register, dt.timedelta(days=backdate_days))
        self._park_for = dt.timedelta(seconds=park_seconds)

    async def handle(
        self, tx: AsyncConnection, messages: Sequence[Incoming], now: dt.datetime
    ) -> list[Outgoing]:
        """Learn the offerings first, so that a request in the same batch finds them."""
        learned = await capacity.learn(
            tx, [message for message in messages if not message.message.is_command]
        )
        waited = await parking.unpark(tx, learned)
        commands = waited + [message for message in messages if message.message.is_command]
        return await self._decide(tx, commands, now) if commands else []

    async def tick(
        self, tx: AsyncConnection, now: dt.datetime, informed_until: dt.datetime
    ) -> list[Outgoing]:
        """Whatever is due: parked commands, deadlines of bookings, waiting lines, maintenance."""
        facts = await self._unpark(tx, min(now, informed_until))
        facts += await self._deciding.fall_due(tx, now)
        facts += await self._deciding.serve_lines(tx, now)
        return facts + await maintenance.fall_due(tx, now)

    async def _unpark(self, tx: AsyncConnection, now: dt.datetime) -> list[Outgoing]:
        """Decide what another process has made known; refuse what waited too long."""
        ready = await parking.unpark_known(tx)
        facts = await self._decide(tx, ready, now) if ready else []
        return facts + await parking.refuse_overdue(tx, now)

    async def _decide(
        self, tx: AsyncConnection, commands: Sequence[Incoming], now: dt.datetime
    ) -> list[Outgoing]:
        """Maintenance first, then what moves bookings; what names something unknown waits for it."""
        maintaining = [command for command in commands if isinstance(command.data, maintenance.COMMANDS)]
        others = [command for command in commands if not isinstance(command.data, maintenance.COMMANDS)]
        facts = await maintenance.take(tx, maintaining, now) if maintaining else []
        if others:
            decided, early = await self._deciding.decide(tx, others, now)
            facts += decided
            await parking.park(tx, early, now + self._park_for)
        return facts
