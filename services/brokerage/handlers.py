"""A batch of booking requests and catalogue facts in, one set of writes, facts out."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas import registry
from allmende.schemas.brokerage import BookingConfirmed, RequestBooking
from allmende.schemas.catalog import OfferingPublished, OfferingRetired
from allmende.schemas.register import MemberRegister
from allmende.schemas.registry import Audience
from allmende.schemas.rejections import Rejected, rejected
from allmende.servicekit.messages import Incoming, Outgoing, refuse

from . import booking, store
from .booking import CapacityKey, Consumer, Listed, Unknown

_REQUEST = registry.message("brokerage.booking.request")


class BrokerageHandler:
    """Decides booking requests and keeps the picture of the catalogue."""

    def __init__(self, register: MemberRegister, park_seconds: float, backdate_days: int) -> None:
        self._backdate = dt.timedelta(days=backdate_days)
        self._consumers = {member.id: Consumer(member.id, member.classes) for member in register.members}
        self._park_for = dt.timedelta(seconds=park_seconds)

    async def handle(
        self, tx: AsyncConnection, messages: Sequence[Incoming], now: dt.datetime
    ) -> list[Outgoing]:
        """Learn the offerings first, so that a request in the same batch finds them."""
        learned = await self._learn(tx, [message for message in messages if not message.message.is_command])
        waited = [_as_message(parked) for parked in await store.unpark(tx, learned)]
        requests = waited + [message for message in messages if message.message.is_command]
        return await self._decide(tx, requests, now) if requests else []

    async def tick(self, tx: AsyncConnection, now: dt.datetime) -> list[Outgoing]:
        """Decide parked requests whose offering another process has learned; refuse those overdue."""
        ready = [_as_message(parked) for parked in await store.unpark_known(tx)]
        decided = await self._decide(tx, ready, now) if ready else []
        return decided + [
            refuse(
                _as_message(parked),
                rejected("unknown_offering", "offering_id", offering=parked.request.offering_id),
            )
            for parked in await store.overdue(tx, now)
        ]

    async def _learn(self, tx: AsyncConnection, facts: Sequence[Incoming]) -> list[str]:
        """Keep what the catalogue told. Returns the offerings it told of."""
        published: dict[str, Listed] = {}
        retired: dict[str, int] = {}
        for fact in facts:
            match fact.data:
                case OfferingPublished() as told:
                    id_ = told.offering.offering_id
                    if id_ not in published or told.revision > published[id_].revision:
                        published[id_] = Listed(told.offering, told.revision)
                case OfferingRetired() as told:
                    retired[told.offering_id] = max(told.revision, retired.get(told.offering_id, 0))
                case _:
                    raise TypeError(f"the brokerage does not read {fact.message.name}")
        await store.retire(tx, retired)
        await store.save_offerings(tx, published)
        return sorted({*published, *retired})

    async def _decide(
        self, tx: AsyncConnection, requests: Sequence[Incoming], now: dt.datetime
    ) -> list[Outgoing]:
        """Load all that the requests touch, decide one after the other, write once."""
        wanted = [_request(message).offering_id for message in requests]
        listed = await store.load_offerings(tx, wanted)
        free = await store.load_free(tx, listed)
        used_ids = await store.taken_ids(tx, [message.id for message in requests])
        taken: dict[CapacityKey, Decimal] = {}
        confirmed: list[BookingConfirmed] = []
        parked: list[store.Parked] = []
        facts: list[Outgoing] = []
        for message in requests:
            request = _request(message)
            if message.id in used_ids:
                facts.append(refuse(message, rejected("booking_id_taken", "id", id=message.id)))
                continue
            consumer = self._consumers.get(message.sender) or Consumer(message.sender)
            found = listed.get(request.offering_id)
            outcome = booking.decide(request, message.id, consumer, found, free, now, backdate=self._backdate)
            match outcome:
                case Rejected():
                    facts.append(refuse(message, outcome))
                case Unknown():
                    until = now + self._park_for
                    parked.append(
                        store.Parked(message.id, message.sender, request, message.traceparent, until)
                    )
                case BookingConfirmed() if found is not None:
                    used_ids.add(message.id)
                    confirmed.append(outcome)
                    facts.append(_told(outcome, message))
                    _take(outcome, found, free, taken)
        await store.take_capacity(tx, taken)
        await store.save_bookings(tx, confirmed, now)
        await store.park(tx, parked)
        return facts


def _take(
    confirmed: BookingConfirmed,
    listed: Listed,
    free: dict[CapacityKey, Decimal],
    taken: dict[CapacityKey, Decimal],
) -> None:
    plan = booking.plan_of(listed.offering, confirmed.plan_id)
    if plan is None:
        raise ValueError(f"{confirmed.booking_id} is confirmed for a plan that does not exist")
    for key, amount in booking.taken_by(confirmed, plan).items():
        free[key] -= amount
        taken[key] = taken.get(key, Decimal(0)) + amount


def _request(message: Incoming) -> RequestBooking:
    if not isinstance(message.data, RequestBooking):
        raise TypeError(f"the brokerage has no command {message.message.name}")
    return message.data


def _told(confirmed: BookingConfirmed, cause: Incoming) -> Outgoing:
    return Outgoing(
        confirmed,
        cause=cause,
        subject=confirmed.booking_id,
        parties={Audience.CONSUMER: confirmed.consumer, Audience.PROVIDER: confirmed.provider},
    )


def _as_message(parked: store.Parked) -> Incoming:
    """The request as it came in; its id was claimed then."""
    return Incoming(_REQUEST, parked.sender, parked.booking_id, parked.request, b"", parked.traceparent)
