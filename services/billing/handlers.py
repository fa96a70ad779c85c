"""A batch of bookings, usage reports, levies and closings in, one set of writes, facts out."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.billing import (
    ChargeLevy,
    ChargeLine,
    CloseSettlement,
    RefusedRecord,
    ReportUsage,
    UsageRecord,
    UsageRecorded,
    UsageRefused,
)
from allmende.schemas.brokerage import BookingAmended, BookingChanged, BookingConfirmed, BreachRecorded
from allmende.schemas.contract import MESSAGE_BYTES_MAX, Contract
from allmende.schemas.permissions import Role
from allmende.schemas.register import MemberRegister
from allmende.schemas.registry import Audience
from allmende.schemas.rejections import Rejected, rejected
from allmende.servicekit.messages import Incoming, Outgoing, refuse

from . import books, charge, levy, reckoning, settlement, store, usage
from .period import period_of
from .store import Reported

_REFUSED_MOST = 250
"""Refused records of any length that fit into one message."""
_ANSWER_BYTES_MAX = MESSAGE_BYTES_MAX - 8 * 1024
"""What the envelope leaves."""


class BillingHandler:
    """Decides everything that costs money."""

    def __init__(self, register: MemberRegister, park_seconds: float) -> None:
        self._office = register.office.id
        self._lands = {
            member.id: member.land for member in register.members if member.role is not Role.OFFICE
        }
        self._park_for = dt.timedelta(seconds=park_seconds)

    async def handle(
        self, tx: AsyncConnection, messages: Sequence[Incoming], now: dt.datetime
    ) -> list[Outgoing]:
        """Bookings first, closings last: within a batch, what belongs to a period gets into it."""
        reports = [message for message in messages if isinstance(message.data, ReportUsage)]
        facts = await self._learn(tx, [message.data for message in messages])
        facts += await self._record(tx, reports, now) if reports else []
        for message in messages:
            if isinstance(message.data, ChargeLevy):
                facts.append(await self._charge_levy(tx, message, message.data, now))
        for message in messages:
            if isinstance(message.data, CloseSettlement):
                facts += await self._close(tx, message, message.data.period, now)
        return facts

    async def tick(self, tx: AsyncConnection, now: dt.datetime) -> list[Outgoing]:
        """Decide, slice by slice, the records that waited: their booking may have come by another process."""
        waited = await store.decidable(tx, now)
        return await self._resolve(tx, waited) if waited else []

    # -- bookings and usage ---------------------------------------------------------------------

    async def _learn(self, tx: AsyncConnection, told: Sequence[Contract]) -> list[Outgoing]:
        """Keep what is told of bookings; what waits beyond the first slice is left to the clock."""
        if amendments := [data for data in told if isinstance(data, BookingAmended)]:
            await store.save_amendments(tx, amendments)
        if changes := [data for data in told if isinstance(data, BookingChanged)]:
            await store.save_changes(tx, changes)
        if breaches := [data for data in told if isinstance(data, BreachRecorded)]:
            await store.save_breaches(tx, breaches)
        bookings = [data for data in told if isinstance(data, BookingConfirmed)]
        if not bookings:
            return []
        await store.save_bookings(tx, bookings)
        waited = await store.parked_for(tx, [booking.booking_id for booking in bookings])
        return await self._resolve(tx, waited) if waited else []

    async def _record(
        self, tx: AsyncConnection, reports: Sequence[Incoming], now: dt.datetime
    ) -> list[Outgoing]:
        reported = [Reported(report.sender, record) for report in reports for record in _records(report)]
        known = await store.known_records(tx, reported)
        again = {record for record, digest in known.items() if digest is None}
        bookings = await store.load_bookings(tx, (each.record.booking_id for each in reported))
        closed = await store.closed_periods(tx, (period_of(each.record.start) for each in reported))
        recorded: list[Reported] = []
        parked: list[Reported] = []
        facts = []
        for report in reports:
            outcomes: defaultdict[type, int] = defaultdict(int)
            refused: list[RefusedRecord] = []
            for record in _records(report):
                each = Reported(report.sender, record)
                outcome = usage.decide(
                    record,
                    report.sender,
                    known_digest=known.get(each.key),
                    booking=bookings.get(record.booking_id),
                    closed_periods=closed,
                )
                outcomes[type(outcome)] += 1
                match outcome:
                    case Rejected():
                        refused.append(_refused(record.id, outcome))
                        continue
                    case usage.Accepted():
                        recorded.append(each)
                    case usage.Parked():
                        parked.append(each)
                known[each.key] = usage.digest_of(record)
            told = UsageRecorded(
                accepted=outcomes[usage.Accepted],
                repeated=outcomes[usage.Repeated],
                parked=outcomes[usage.Parked],
                refused=tuple(refused),
            )
            facts.append(Outgoing(_fitting(told), cause=report))
        until = now + self._park_for
        await store.save_records(tx, recorded, parked, again=again, parked_until=until, now=now)
        return facts

    async def _resolve(self, tx: AsyncConnection, waited: Sequence[Reported]) -> list[Outgoing]:
        """Decide records that were parked; those whose booking is still unknown are refused for good."""
        bookings = await store.load_bookings(tx, (each.record.booking_id for each in waited))
        closed = await store.closed_periods(tx, (period_of(each.record.start) for each in waited))
        recorded: list[Reported] = []
        refused: list[Reported] = []
        reasons: defaultdict[str, list[RefusedRecord]] = defaultdict(list)
        for each in waited:
            outcome = usage.decide(
                each.record,
                each.source,
                known_digest=None,
                booking=bookings.get(each.record.booking_id),
                closed_periods=closed,
            )
            if isinstance(outcome, usage.Parked):
                outcome = rejected("unknown_booking", booking=each.record.booking_id)
            if isinstance(outcome, Rejected):
                refused.append(each)
                reasons[each.source].append(_refused(each.record.id, outcome))
            else:
                recorded.append(each)
        await store.resolve(tx, recorded, refused)
        return [
            Outgoing(
                UsageRefused(refused=tuple(records[start : start + _REFUSED_MOST])),
                parties={Audience.PROVIDER: provider},
            )
            for provider, records in sorted(reasons.items())
            for start in range(0, len(records), _REFUSED_MOST)
        ]

    # -- levies and closings --------------------------------------------------------------------

    async def _charge_levy(
        self, tx: AsyncConnection, message: Incoming, command: ChargeLevy, now: dt.datetime
    ) -> Outgoing:
        closed = await store.closed_periods(tx, [command.period])
        charged = levy.charge(
            command, message.id, lands=self._lands, period_is_closed=command.period in closed
        )
        if isinstance(charged, Rejected):
            return refuse(message, charged)
        await store.save_levy(tx, charged, now)
        return Outgoing(charged.fact, cause=message, subject=charged.fact.levy_id)

    async def _close(
        self, tx: AsyncConnection, message: Incoming, period: str, now: dt.datetime
    ) -> list[Outgoing]:
        closed = await store.lock_period(tx, period)
        refusal = settlement.refuse_closing(period, closed=closed, now=now)
        if refusal is not None:
            return [refuse(message, refusal)]
        # Every booking told before is known by now, so what still waits names none: it cannot hold the
        # period open, or anybody could.
        waiting = await store.parked_in(tx, period)
        refusals = await self._resolve(tx, waiting) if waiting else []
        closing = settlement.close(
            message.id,
            period,
            members=sorted(self._lands),
            clearing_house=self._office,
            counted=usage.count(await store.metered_in(tx, period)),
            charges=await self._charges(tx, period),
            levies=await store.levies_of(tx, period),
            now=now,
        )
        await books.save(tx, closing)
        await store.close_period(tx, period, now)
        statements = [
            Outgoing(
                statement,
                cause=message,
                subject=statement.number,
                parties={Audience.MEMBER: statement.member},
            )
            for statement in closing.statements
        ]
        return [*refusals, *statements, Outgoing(closing.settlement, cause=message, subject=period)]

    async def _charges(self, tx: AsyncConnection, period: str) -> list[ChargeLine]:
        """Find what bookings are charged and credited beside usage, and note that they are."""
        found = await store.lock_open(tx, period)
        standing = await books.standing(tx, {each.id: each.since for each in found})
        lines = [
            line
            for each in found
            for line in reckoning.reckon(each.booking, standing[each.id], since=each.since, period=period)
        ]
        await store.save_open_from(tx, {each.id: reckoning.open_from(each.booking, period) for each in found})
        owed = await store.charge_compensations(tx, period)
        credits_ = await store.give_credits(tx, period)
        lines += [charge.of_compensation(change, period) for change in owed]
        return lines + [charge.of_breach(breach, period) for breach in credits_]


def _records(report: Incoming) -> tuple[UsageRecord, ...]:
    if not isinstance(report.data, ReportUsage):
        raise TypeError(f"{report.message.name} reports no usage")
    return report.data.records


def _fitting(told: UsageRecorded) -> UsageRecorded:
    """Leave the sentences out where they would not fit into a message; what was reported fits without."""
    if len(told.refused) <= _REFUSED_MOST or len(told.model_dump_json().encode()) < _ANSWER_BYTES_MAX:
        return told
    silent = {"message_de": "", "message_en": ""}
    return told.model_copy(update={"refused": tuple(each.model_copy(update=silent) for each in told.refused)})


def _refused(record_id: str, reason: Rejected) -> RefusedRecord:
    german, english = reason.sentences
    return RefusedRecord(id=record_id, code=reason.code, message_de=german, message_en=english)
