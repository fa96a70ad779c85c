"""Turnovers that members declare, and years that the office closes."""

import datetime as dt
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.bodies import Duty, Person
from allmende.schemas.claims import Claim
from allmende.schemas.register import MemberRegister
from allmende.schemas.rejections import Rejected
from allmende.schemas.reports import CloseYear, DeclareTurnover
from allmende.servicekit.messages import Incoming, Outgoing, refuse

from ..persons import sent_by
from . import market, store, year

COMMANDS = (DeclareTurnover, CloseYear)


class Reporting:
    """Decides what persons tell of turnovers, and when a year is closed."""

    def __init__(self, register: MemberRegister) -> None:
        self._register = register

    async def take(
        self, tx: AsyncConnection, messages: Sequence[Incoming], now: dt.datetime
    ) -> list[Outgoing]:
        """Decide commands in the order in which they came."""
        facts = []
        for message in messages:
            match message.data:
                case DeclareTurnover() as command:
                    outcome = await self._declare(tx, message, command, now)
                case CloseYear() as command:
                    outcome = await self._close(tx, message, command, now)
                case _:
                    continue
            facts.append(refuse(message, outcome) if isinstance(outcome, Rejected) else outcome)
        return facts

    def _acting(self, message: Incoming, claim: Claim, duty: Duty, now: dt.datetime) -> Person | Rejected:
        return sent_by(self._register, message, claim, duty, now)

    async def _declare(
        self, tx: AsyncConnection, message: Incoming, command: DeclareTurnover, now: dt.datetime
    ) -> Outgoing | Rejected:
        person = self._acting(message, command.claim, Duty.CERTIFY, now)
        if isinstance(person, Rejected):
            return person
        declared = market.declare(command, message.sender, person.id, now)
        if isinstance(declared, Rejected):
            return declared
        await store.save_turnover(tx, declared, command.claim)
        return Outgoing(declared, cause=message, subject=str(command.year))

    async def _close(
        self, tx: AsyncConnection, message: Incoming, command: CloseYear, now: dt.datetime
    ) -> Outgoing | Rejected:
        person = self._acting(message, command.claim, Duty.APPROVE, now)
        if isinstance(person, Rejected):
            return person
        standing = await store.lock_year(tx, command.year)
        closed = year.close(command.year, standing, person.id, now)
        if isinstance(closed, Rejected):
            return closed
        await store.close_year(tx, closed, command.claim, now)
        return Outgoing(closed, cause=message, subject=str(command.year))
