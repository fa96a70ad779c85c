"""A batch of bookings, usage reports, levies and steps of runs in, one set of writes, facts out."""

import datetime as dt
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.billing import (
    ChargeLevy,
    ReportUsage,
    SettleClarification,
    SettlementClosed,
)
from allmende.schemas.brokerage import BookingAmended, BookingChanged, BookingConfirmed, BreachRecorded
from allmende.schemas.contract import Contract
from allmende.schemas.permissions import Role
from allmende.schemas.register import MemberRegister
from allmende.schemas.rejections import Rejected
from allmende.schemas.statements import InvoiceReissued
from allmende.servicekit.messages import Incoming, Outgoing, refuse

from . import store
from .documents import store as documents_store
from .payments.handlers import Paying
from .pools.handlers import Pooling
from .reports.handlers import Reporting
from .review import levies, reversals
from .review.handlers import Reviewing
from .settlement import levy
from .settlement import store as settlement_store
from .settlement.handlers import Settling
from .usage.handlers import Recording


class BillingHandler:
    """Decides everything that costs money."""

    def __init__(self, register: MemberRegister, park_seconds: float) -> None:
        self._register = register
        self._office = register.office.id
        self._lands = {
            member.id: member.land for member in register.members if member.role is not Role.OFFICE
        }
        self._recording = Recording(self._office, dt.timedelta(seconds=park_seconds))
        self._reviewing = Reviewing(register)
        self._pooling = Pooling(self._office, self._lands)
        self._settling = Settling(register, self._recording)
        self._reporting = Reporting(register)
        self._paying = Paying(register)

    async def handle(
        self, tx: AsyncConnection, messages: Sequence[Incoming], now: dt.datetime
    ) -> list[Outgoing]:
        """Bookings first, settlement runs last: within a batch, what belongs to a period gets into it."""
        reports = [message for message in messages if isinstance(message.data, ReportUsage)]
        facts = await self._learn(tx, [message.data for message in messages], now)
        facts += await self._recording.record(tx, reports, now) if reports else []
        for message in messages:
            if isinstance(message.data, SettleClarification):
                facts.append(await self._recording.settle(tx, message, message.data, now))
        for message in messages:
            if isinstance(message.data, ChargeLevy):
                facts.append(await self._charge_levy(tx, message, message.data, now))
            else:
                facts += await self._reviewing.take(tx, [message], now)
        facts += await self._pooling.take(tx, messages, now)
        facts += await self._settling.take(tx, messages, now)
        facts += await self._reporting.take(tx, messages, now)
        facts += await self._paying.take(tx, messages, now)
        await self._queue_files(tx, facts, now)
        return facts

    async def tick(
        self, tx: AsyncConnection, now: dt.datetime, informed_until: dt.datetime
    ) -> list[Outgoing]:
        """Decide, slice by slice, the usage that waited."""
        return await self._recording.due(tx, now, informed_until)

    # -- files ----------------------------------------------------------------------------------

    async def _queue_files(self, tx: AsyncConnection, facts: Sequence[Outgoing], now: dt.datetime) -> None:
        """Queue the files of whatever this batch issues; they are made beside the loop."""
        told = [fact.data for fact in facts]
        settlements = [data.settlement_id for data in told if isinstance(data, SettlementClosed)]
        reissued = [data for data in told if isinstance(data, InvoiceReissued)]
        numbers = [number for data in reissued for number in (data.credit_note, data.replacement)]
        if settlements or numbers:
            await documents_store.queue(tx, self._register, now, settlements=settlements, numbers=numbers)

    # -- bookings -------------------------------------------------------------------------------

    async def _learn(self, tx: AsyncConnection, told: Sequence[Contract], now: dt.datetime) -> list[Outgoing]:
        """Keep what is told of bookings, and decide the usage that waited for it."""
        amendments = [data for data in told if isinstance(data, BookingAmended)]
        if amendments:
            await store.save_amendments(tx, amendments)
            await self._recording.amended(tx, amendments, now)
        if changes := [data for data in told if isinstance(data, BookingChanged)]:
            await store.save_changes(tx, changes)
        if breaches := [data for data in told if isinstance(data, BreachRecorded)]:
            await store.save_breaches(tx, breaches)
        bookings = [data for data in told if isinstance(data, BookingConfirmed)]
        if bookings:
            await store.save_bookings(tx, bookings)
        awaited = {data.booking_id for data in (*bookings, *amendments)}
        return await self._recording.learned(tx, awaited, now) if awaited else []

    # -- levies --------------------------------------------------------------------

    async def _charge_levy(
        self, tx: AsyncConnection, message: Incoming, command: ChargeLevy, now: dt.datetime
    ) -> Outgoing:
        closed = await store.closed_periods(tx, [command.period])
        replaced = None
        if command.replaces is not None:
            found = levies.replacing(command.replaces, await reversals.lock_levy(tx, command.replaces))
            if isinstance(found, Rejected):
                return refuse(message, found)
            replaced = found
        charged = levy.charge(
            command,
            message.id,
            lands=self._lands,
            period_is_closed=command.period in closed,
            replaced=replaced,
        )
        if isinstance(charged, Rejected):
            return refuse(message, charged)
        await settlement_store.save_levy(tx, charged, now)
        if replaced is not None:
            await reversals.save_replacement(tx, replaced.levy_id, charged.fact.levy_id)
        return Outgoing(charged.fact, cause=message, subject=charged.fact.levy_id)
