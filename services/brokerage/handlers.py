"""A batch of commands about bookings and of catalogue facts in, one set of writes, facts out."""

import datetime as dt
import typing
from collections.abc import Iterable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas import registry
from allmende.schemas.brokerage import (
    AcceptBooking,
    AccessShared,
    AmendBooking,
    AnnounceMaintenance,
    BookingAcknowledged,
    BookingAmended,
    BookingChanged,
    BookingConfirmed,
    BreachRecorded,
    MaintenanceNotice,
    MessageWritten,
    ReportBreach,
    RequestBooking,
    ShareAccess,
    UpdateMaintenance,
    WriteMessage,
)
from allmende.schemas.catalog import OfferingPaused, OfferingPublished, OfferingResumed, OfferingRetired
from allmende.schemas.contract import Contract
from allmende.schemas.register import MemberRegister
from allmende.schemas.registry import Audience
from allmende.schemas.rejections import Rejected, rejected
from allmende.servicekit.messages import Incoming, Outgoing, refuse

from . import booking as rules
from . import change, correspondence, deadline, maintenance, store
from .booking import Availability, Booking, Consumer, LineKey, Listed, Unknown
from .change import Surroundings
from .term import day_of
from .working_set import WorkingSet

Maintaining = AnnounceMaintenance | UpdateMaintenance
Outcome = tuple[Contract, ...] | Rejected | Unknown
_MOVES_MAX = 20
"""How many steps the clock takes with one booking at once, as after a long outage."""


class BrokerageHandler:
    """Decides everything about bookings and keeps the picture of the catalogue."""

    def __init__(self, register: MemberRegister, park_seconds: float, backdate_days: int) -> None:
        self._backdate = dt.timedelta(days=backdate_days)
        self._consumers = {member.id: Consumer(member.id, member.classes) for member in register.members}
        self._sealing_keys = {member.id: member.sealing_key for member in register.members}
        self._park_for = dt.timedelta(seconds=park_seconds)

    async def handle(
        self, tx: AsyncConnection, messages: Sequence[Incoming], now: dt.datetime
    ) -> list[Outgoing]:
        """Learn the offerings first, so that a request in the same batch finds them."""
        learned = await self._learn(tx, [message for message in messages if not message.message.is_command])
        waited = [_as_message(parked) for parked in await store.unpark(tx, learned)]
        commands = waited + [message for message in messages if message.message.is_command]
        return await self._decide(tx, commands, now) if commands else []

    async def tick(
        self, tx: AsyncConnection, now: dt.datetime, informed_until: dt.datetime
    ) -> list[Outgoing]:
        """Whatever is due: parked commands, deadlines of bookings, waiting lines, maintenance."""
        facts = await self._unpark(tx, min(now, informed_until))
        facts += await self._move_by_the_clock(tx, now)
        facts += await self._serve_the_lines(tx, now)
        due = await store.notices_due(tx, now)
        moved = [went for notice in due.values() if (went := maintenance.fall_due(notice, now)) is not None]
        return facts + await self._note(tx, moved)

    # -- the picture of the catalogue -----------------------------------------------------------

    async def _learn(self, tx: AsyncConnection, facts: Sequence[Incoming]) -> list[str]:
        """Keep what the catalogue told. Returns the offerings it told of."""
        published: dict[str, Listed] = {}
        news: dict[str, tuple[int, Availability]] = {}

        def tell(offering_id: str, position: int, state: Availability) -> None:
            news[offering_id] = max((position, state), news.get(offering_id, (0, "")))

        for fact in facts:
            match fact.data:
                case OfferingPublished() as told:
                    id_ = told.offering.offering_id
                    if id_ not in published or told.revision >= published[id_].revision:
                        published[id_] = Listed(told.offering, told.revision)
                    tell(id_, told.position, "open")
                case OfferingPaused() as told:
                    tell(told.offering_id, told.position, "paused")
                case OfferingResumed() as told:
                    tell(told.offering_id, told.position, "open")
                case OfferingRetired() as told:
                    tell(told.offering_id, told.position, "retired")
                case _:
                    raise TypeError(f"the brokerage does not read {fact.message.name}")
        await store.save_offerings(tx, published)
        await store.save_availability(tx, news)
        return sorted(published)

    # -- commands -------------------------------------------------------------------------------

    async def _decide(
        self, tx: AsyncConnection, commands: Sequence[Incoming], now: dt.datetime
    ) -> list[Outgoing]:
        """Load all that the commands touch, decide one after the other, write once."""
        maintaining = [command for command in commands if isinstance(command.data, Maintaining)]
        others = [command for command in commands if not isinstance(command.data, Maintaining)]
        facts = await self._maintain(tx, maintaining, now) if maintaining else []
        if not others:
            return facts
        books = await _load(tx, others)
        parked: list[store.Parked] = []
        for command in others:
            outcome = self._outcome_of(command, books, now)
            if isinstance(outcome, Rejected):
                facts.append(refuse(command, outcome))
            elif isinstance(outcome, Unknown):
                parked.append(_to_be_parked(command, outcome, now + self._park_for))
            else:
                facts += [_told(fact, command) for fact in outcome]
        await _save(tx, books, now)
        await store.park(tx, parked)
        return facts

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
        booked = rules.request(
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
        return (rules.told_of(booked, now, place),)

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

    async def _unpark(self, tx: AsyncConnection, now: dt.datetime) -> list[Outgoing]:
        """Decide what another process has made known; refuse what waited too long."""
        ready = [_as_message(parked) for parked in await store.unpark_known(tx)]
        facts = await self._decide(tx, ready, now) if ready else []
        for parked in await store.overdue(tx, now):
            about_offering = "/" in parked.awaited
            reason = (
                rejected("unknown_offering", "offering_id", offering=parked.awaited)
                if about_offering
                else rejected("unknown_booking", "booking_id", booking=parked.awaited)
            )
            facts.append(refuse(_as_message(parked), reason))
        return facts

    async def _move_by_the_clock(self, tx: AsyncConnection, now: dt.datetime) -> list[Outgoing]:
        due = await store.load_due(tx, now)
        if not due:
            return []
        books = await _load_around(tx, due)
        facts: list[Outgoing] = []
        for booking_ in due:
            for _ in range(_MOVES_MAX):
                moved = deadline.fall_due(books.bookings[booking_.id], now)
                if moved is None:
                    break
                books.move(moved)
                facts += [_told(fact) for fact in moved.facts]
        await _save(tx, books, now)
        return facts

    async def _serve_the_lines(self, tx: AsyncConnection, now: dt.datetime) -> list[Outgoing]:
        """Offer what has become free to those who wait."""
        if not (free_lines := await store.lines(tx)) or not await store.lock_lines(tx):
            return []
        facts: list[Outgoing] = []
        for line in free_lines:
            waiting = await store.load_line(tx, line)
            await store.hold_offerings(tx, [line[0]])
            free, total = await store.load_capacity(tx, [line])
            books = WorkingSet({each.id: each for each in waiting}, {}, free)
            for moved in deadline.offer_in_line(waiting, free, total, now):
                books.move(moved)
                facts += [_told(fact) for fact in moved.facts]
            await _save(tx, books, now)
        return facts

    # -- maintenance ----------------------------------------------------------------------------

    async def _maintain(
        self, tx: AsyncConnection, commands: Sequence[Incoming], now: dt.datetime
    ) -> list[Outgoing]:
        named = {id_ for command in commands for id_ in getattr(command.data, "offering_ids", ())}
        known = await store.load_offerings(tx, named) if named else {}
        notices = await store.load_notices(
            tx,
            [command.data.notice_id for command in commands if isinstance(command.data, UpdateMaintenance)],
        )
        facts: list[Outgoing] = []
        for command in commands:
            notice: MaintenanceNotice | Rejected
            if isinstance(command.data, AnnounceMaintenance):
                missing = [id_ for id_ in command.data.offering_ids if id_ not in known]
                notice = (
                    rejected("unknown_offering", "offering_ids", offering=missing[0])
                    if missing
                    else maintenance.announce(command.data, command.id, command.sender, now)
                )
            else:
                asked = typing.cast("UpdateMaintenance", command.data)
                notice = maintenance.update(notices.get(asked.notice_id), asked, command.sender, now)
            if isinstance(notice, Rejected):
                facts.append(refuse(command, notice))
            else:
                before = notices.get(notice.notice_id)
                never_told = before is not None and before.state == "draft" and notice.state == "cancelled"
                notices[notice.notice_id] = notice
                facts += await self._note(tx, [notice], command, quietly=never_told)
        return facts

    async def _note(
        self,
        tx: AsyncConnection,
        notices: Sequence[MaintenanceNotice],
        cause: Incoming | None = None,
        *,
        quietly: bool = False,
    ) -> list[Outgoing]:
        """Keep notices and tell them to the provider and, unless they are drafts, to all who booked."""
        await store.save_notices(tx, notices, [maintenance.due(notice) for notice in notices])
        facts = []
        for notice in notices:
            hidden = quietly or notice.state == "draft"
            circle = () if hidden else await store.consumers_of(tx, notice.offering_ids)
            parties: dict[Audience, str | tuple[str, ...]] = {
                Audience.PROVIDER: notice.provider,
                Audience.CIRCLE: circle,
            }
            facts.append(Outgoing(notice, cause=cause, subject=notice.notice_id, parties=parties))
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
    await store.hold_offerings(tx, {each.agreement.offering_id for each in bookings.values()})
    listed = await store.load_offerings(tx, offerings) if offerings else {}
    free, _ = await store.load_capacity(tx, lines)
    queued = [
        id_ for id_, each in listed.items() if any(p.conditions.waiting_list for p in each.offering.plans)
    ]
    queued += [each.agreement.offering_id for each in bookings.values() if each.state == "interested"]
    waiting = await store.count_waiting(tx, queued) if queued else {}
    return WorkingSet(bookings, listed, free, waiting)


async def _load_around(tx: AsyncConnection, bookings: Sequence[Booking]) -> WorkingSet:
    await store.hold_offerings(tx, {each.agreement.offering_id for each in bookings})
    free, _ = await store.load_capacity(tx, _lines_of(bookings))
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
    await store.take_capacity(tx, taken)
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


def _to_be_parked(command: Incoming, unknown: Unknown, until: dt.datetime) -> store.Parked:
    return store.Parked(
        command_id=command.id,
        sender=command.sender,
        message=command.message.name,
        awaited=unknown.awaited,
        data=command.data.model_dump_json(),
        traceparent=command.traceparent,
        until=until,
    )


def _as_message(parked: store.Parked) -> Incoming:
    """The command as it came in; its id was claimed then."""
    message = registry.message(parked.message)
    data = message.data.model_validate_json(parked.data)
    return Incoming(message, parked.sender, parked.command_id, data, b"", parked.traceparent)
