"""Commands about bookings and the clock: what they touch is loaded once, decided in memory, written once."""

import datetime as dt
import typing
from collections.abc import Iterable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.brokerage import (
    AcceptBooking,
    AccessShared,
    AmendBooking,
    BookingAcknowledged,
    BookingAmended,
    BookingChanged,
    BookingConfirmed,
    BreachRecorded,
    MessageWritten,
    ReportBreach,
    RequestBooking,
    ShareAccess,
    WriteMessage,
)
from allmende.schemas.contract import Contract
from allmende.schemas.register import MemberRegister
from allmende.schemas.registry import Audience
from allmende.schemas.rejections import Rejected, rejected
from allmende.servicekit.messages import Incoming, Outgoing, refuse

from ..booking import Booking, LineKey
from ..capacity import store as capacity_store
from ..parking.awaited import Unknown
from ..term import day_of
from . import change, correspondence, deadline, store
from .move import Surroundings, told_of
from .request import Consumer, request
from .working_set import WorkingSet

Outcome = tuple[Contract, ...] | Rejected | Unknown
_MOVES_MAX = 20
"""How many steps the clock takes with one booking at once, as after a long outage."""


class Deciding:
    """Decides what becomes of bookings: by commands, by the clock, in the waiting lines."""

    def __init__(self, register: MemberRegister, backdate: dt.timedelta) -> None:
        self._backdate = backdate
        self._consumers = {member.id: Consumer(member.id, member.classes) for member in register.members}
        self._sealing_keys = {member.id: member.sealing_key for member in register.members}

    async def decide(
        self, tx: AsyncConnection, commands: Sequence[Incoming], now: dt.datetime
    ) -> tuple[list[Outgoing], list[tuple[Incoming, Unknown]]]:
        """Load all that the commands touch, decide one after the other, write once.

        Returns:
            The facts, and the commands that name what is not known yet.
        """
        books = await _load(tx, commands)
        facts: list[Outgoing] = []
        early: list[tuple[Incoming, Unknown]] = []
        for command in commands:
            outcome = self._outcome_of(command, books, now)
            if isinstance(outcome, Rejected):
                facts.append(refuse(command, outcome))
            elif isinstance(outcome, Unknown):
                early.append((command, outcome))
            else:
                facts += [_told(fact, command) for fact in outcome]
        await _save(tx, books, now)
        return facts, early

    def _outcome_of(self, command: Incoming, books: WorkingSet, now: dt.datetime) -> Outcome:
        match command.data:
            case RequestBooking():
                return self._request(command, command.data, books, now)
            case WriteMessage() | ShareAccess() | ReportBreach():
                return self._hand_over(command, books, now)
            case _ if isinstance(command.data, typing.get_args(change.Command)):
                return self._change(command, books, now)
            case _:
                raise TypeError(f"the brokerage has no command {command.message.name}")

    def _consumer(self, member: str) -> Consumer:
        return self._consumers.get(member) or Consumer(member)

    def _request(
        self, command: Incoming, asked: RequestBooking, books: WorkingSet, now: dt.datetime
    ) -> Outcome:
        if command.id in books.bookings:
            return rejected("booking_id_taken", "id", id=command.id)
        listed = books.listed.get(asked.offering_id)
        booked = request(
            asked,
            command.id,
            self._consumer(command.sender),
            listed,
            books.free,
            now,
            backdate=self._backdate,
            waiting=books.waiting,
        )
        if not isinstance(booked, Booking):
            return booked
        books.create(booked)
        place = books.waiting[booked.line] if booked.state == "held" else None
        return (told_of(booked, now, place),)

    def _change(self, command: Incoming, books: WorkingSet, now: dt.datetime) -> Outcome:
        asked = typing.cast("change.Command", command.data)
        found = books.bookings.get(asked.booking_id)
        if found is None:
            return Unknown(asked.booking_id)
        side = correspondence.side_of(found.agreement, command.sender)
        if isinstance(side, Rejected):
            return side
        around = Surroundings(
            now=now,
            free=books.free,
            waiting=books.waiting,
            listed=books.listed.get(found.agreement.offering_id),
            consumer=self._consumer(found.agreement.consumer),
            earliest=day_of(now) - self._backdate,
        )
        moved = change.decide(found, side, asked, around)
        if isinstance(moved, Rejected):
            return moved
        books.move(moved)
        return moved.facts

    def _hand_over(self, command: Incoming, books: WorkingSet, now: dt.datetime) -> Outcome:
        asked = command.data
        if not isinstance(asked, WriteMessage | ShareAccess | ReportBreach):
            raise TypeError(f"{command.message.name} hands nothing over")
        found = books.bookings.get(asked.booking_id)
        if found is None:
            return Unknown(asked.booking_id)
        terms = found.agreement
        side = correspondence.side_of(terms, command.sender)
        if isinstance(side, Rejected):
            return side
        fact: Contract | Rejected
        match asked:
            case WriteMessage():
                renewed = correspondence.with_time_to_answer(found, side, now)
                fact = correspondence.write(renewed, side, asked, now)
                if not isinstance(fact, Rejected) and renewed is not found:
                    books.renew(renewed)
            case ShareAccess():
                key = self._sealing_keys.get(terms.consumer)
                fact = correspondence.share_access(terms, side, asked, key, now)
            case ReportBreach():
                fact = correspondence.record_breach(terms, side, asked, command.id, now)
        if isinstance(fact, Rejected):
            return fact
        books.tell(fact)
        return (fact,)

    # -- the clock ------------------------------------------------------------------------------

    async def fall_due(self, tx: AsyncConnection, now: dt.datetime) -> list[Outgoing]:
        """Move on what waited until now."""
        due = await store.load_due(tx, now)
        if not due:
            return []
        books = await _load_around(tx, due)
        facts: list[Outgoing] = []
        for booking in due:
            for _ in range(_MOVES_MAX):
                moved = deadline.fall_due(books.bookings[booking.id], now)
                if moved is None:
                    break
                books.move(moved)
                facts += [_told(fact) for fact in moved.facts]
        await _save(tx, books, now)
        return facts

    async def serve_lines(self, tx: AsyncConnection, now: dt.datetime) -> list[Outgoing]:
        """Offer what has become free to those who wait."""
        if not (free_lines := await store.lines(tx)) or not await store.lock_lines(tx):
            return []
        facts: list[Outgoing] = []
        for line in free_lines:
            waiting = await store.load_line(tx, line)
            await capacity_store.hold_offerings(tx, [line[0]])
            free, total = await capacity_store.load_capacity(tx, [line])
            books = WorkingSet({each.id: each for each in waiting}, {}, free)
            for moved in deadline.offer_in_line(waiting, free, total, now):
                books.move(moved)
                facts += [_told(fact) for fact in moved.facts]
            await _save(tx, books, now)
        return facts


# -- loading and saving -------------------------------------------------------------------------


async def _load(tx: AsyncConnection, commands: Sequence[Incoming]) -> WorkingSet:
    """Load all that a batch of commands touches."""
    ids = [_booking_id(command) for command in commands]
    bookings = await store.load_bookings(tx, ids)
    lines: dict[LineKey, None] = {}
    offerings: dict[str, None] = {}
    for command in commands:
        match command.data:
            case RequestBooking() as asked:
                offerings[asked.offering_id] = None
                lines[asked.offering_id, asked.plan_id, asked.pool_id or ""] = None
            case AmendBooking() as asked if found := bookings.get(asked.booking_id):
                offering, plan, pool = found.line
                offerings[offering] = None
                lines[offering, asked.plan_id or plan, pool] = None
            case AcceptBooking() as asked if found := bookings.get(asked.booking_id):
                offerings[found.agreement.offering_id] = None
            case _:
                pass
    lines.update(dict.fromkeys(_lines_of(bookings.values())))
    await capacity_store.hold_offerings(tx, {each.agreement.offering_id for each in bookings.values()})
    listed = await capacity_store.load_offerings(tx, offerings) if offerings else {}
    free, _ = await capacity_store.load_capacity(tx, lines)
    queued = [
        id_ for id_, each in listed.items() if any(p.conditions.waiting_list for p in each.offering.plans)
    ]
    queued += [each.agreement.offering_id for each in bookings.values() if each.state == "interested"]
    waiting = await store.count_waiting(tx, queued) if queued else {}
    return WorkingSet(bookings, listed, free, waiting)


async def _load_around(tx: AsyncConnection, bookings: Sequence[Booking]) -> WorkingSet:
    await capacity_store.hold_offerings(tx, {each.agreement.offering_id for each in bookings})
    free, _ = await capacity_store.load_capacity(tx, _lines_of(bookings))
    return WorkingSet({each.id: each for each in bookings}, {}, free)


def _lines_of(bookings: Iterable[Booking]) -> list[LineKey]:
    found = [each.line for each in bookings]
    for each in bookings:
        if each.progress.amendment is not None:
            terms = each.progress.amendment.agreement
            found.append((terms.offering_id, terms.plan_id, terms.pool_id or ""))
    return found


async def _save(tx: AsyncConnection, books: WorkingSet, now: dt.datetime) -> None:
    taken = {key: amount for key, amount in books.taken.items() if amount}
    await capacity_store.take_capacity(tx, taken)
    await store.save_new(tx, [books.bookings[id_] for id_ in books.created], now)
    await store.save_changed(tx, [books.bookings[id_] for id_ in books.changed])
    await store.save_story(tx, books.story)


def _booking_id(command: Incoming) -> str:
    if isinstance(command.data, RequestBooking):
        return command.id
    found = getattr(command.data, "booking_id", None)
    if not isinstance(found, str):
        raise TypeError(f"the brokerage has no command {command.message.name}")
    return found


# -- telling ------------------------------------------------------------------------------------


def _told(fact: Contract, cause: Incoming | None = None) -> Outgoing:
    if not isinstance(
        fact,
        BookingAcknowledged
        | BookingConfirmed
        | BookingChanged
        | BookingAmended
        | MessageWritten
        | AccessShared
        | BreachRecorded,
    ):
        raise TypeError(f"{type(fact).__name__} is not about a booking")
    parties = {Audience.CONSUMER: fact.consumer, Audience.PROVIDER: fact.provider}
    return Outgoing(fact, cause=cause, subject=fact.booking_id, parties=parties)
