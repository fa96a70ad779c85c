"""Members' programs: they ask, answer and change their minds, and repeat until they know the outcome."""

import asyncio
import dataclasses
import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from support.market_walk import commands, market, wish

from allmende.schemas import registry, subjects
from allmende.schemas.brokerage import CancelBooking, RequestBooking, Side
from allmende.schemas.catalog import Offering, OfferingPaused, OfferingPublished, OfferingResumed
from allmende.schemas.contract import Contract
from allmende.schemas.envelope import seal
from allmende.services.brokerage import lifecycle
from allmende.services.brokerage.life import change

from .clockwork import Process
from .fate import Fate
from .jetstream import Publication, Server

OFFERINGS = ("lrz/vm", "lrz/box")
ACT_SECONDS = 0.25
LISTEN_SECONDS = 0.2
REPEAT_SECONDS = (0.5, 5.0)
"""Between two tries; the longest is beyond the time in which a stream recognises a repetition."""


@dataclasses.dataclass
class Post:
    """The way of members and catalogue to the hub, which loses messages and confirmations."""

    server: Server
    fate: Fate
    clock: Callable[[], dt.datetime]

    async def send(self, subject: str, source: str, id_: str, data: Contract) -> bool:
        """Send once; True when the stream has confirmed."""
        message = registry.message_of(data)
        body = seal(
            id=id_,
            source=source,
            type=message.type,
            time=self.clock(),
            data_json=data.model_dump_json(exclude_defaults=message.is_command).encode(),
        )
        await asyncio.sleep(self.fate.delay(0.1))
        if not self.server.is_up:
            return False
        self.server.publish(Publication(subject, body, {"Nats-Msg-Id": f"{message.type}:{id_}"}))
        await asyncio.sleep(self.fate.delay(0.1))
        return not self.fate.happens(self.fate.rates.lost_confirmation)


@dataclasses.dataclass(frozen=True)
class Sent:
    """A command that the stream has confirmed, or whose sender has not given up."""

    id: str
    sender: str
    data: Contract


@dataclasses.dataclass
class Seen:
    """A booking as its member has heard of it."""

    id: str
    phase: lifecycle.Phase
    number: int = 0


class Member:
    """A consumer or a provider.

    Half of the commands are repeated until their outcome is heard, the others only until the stream has
    confirmed them: from then on the market answers for them.
    """

    def __init__(self, name: str, side: Side, post: Post) -> None:
        self.name = name
        self.process = Process(name)
        self.sent: list[Sent] = []
        self._side = side
        self._post = post
        self._fate = post.fate
        self._bookings: dict[str, Seen] = {}
        self._answered: set[str] = set()
        self._heard = 0
        self._open = 0

    @property
    def is_done(self) -> bool:
        """Whether it waits for nothing."""
        return not self._open

    async def live(self, steps: int) -> None:
        """Do this and that."""
        for _ in range(steps):
            self._listen()
            if self._side == "consumer" and self._chance(0, 1):
                self._request()
            else:
                self._act()
            await asyncio.sleep(self._fate.chance.random() * ACT_SECONDS)

    async def listen(self) -> None:
        """Hear what is told, until the end."""
        while True:
            self._listen()
            await asyncio.sleep(LISTEN_SECONDS)

    def _chance(self, least: int, most: int) -> int:
        return self._fate.chance.randint(least, most)

    # -- asking ---------------------------------------------------------------------------------

    def _request(self) -> None:
        today = self._post.clock().date()
        asked = wish(self._chance, today)
        if self._chance(0, 1):  # everybody wants the same
            until = today + dt.timedelta(days=self._chance(1, 30))
            asked |= {"plan_id": "queued", "pool_id": None, "wait_until": [until, None][self._chance(0, 1)]}
        offering = OFFERINGS[self._chance(0, 5) == 0]
        id_ = self._send(RequestBooking(offering_id=offering, **asked))
        if not self._chance(0, 4):  # and thinks better of it before it has heard anything
            self._send(CancelBooking(booking_id=id_, reason="anders"))

    def _act(self) -> None:
        known = list(self._bookings.values())[-20:]
        if not known:
            return
        seen = self._fate.chance.choice(known)
        choices = commands(seen.id, self._post.clock(), self._chance(0, 60), self._chance(0, 12))
        if self._chance(0, 9):  # else something that the table may not know
            fitting = [
                each for each in choices if lifecycle.find(change.trigger_of(each), self._side, seen.phase)
            ]
            choices = fitting or choices
        self._send(self._fate.chance.choice(choices))

    def _send(self, data: Contract) -> str:
        command = Sent(str(self._fate.new_id()), self.name, data)
        self.sent.append(command)
        self._open += 1
        self.process.spawn(self._repeat(command, is_trusting=bool(self._chance(0, 1))))
        return command.id

    async def _repeat(self, command: Sent, *, is_trusting: bool) -> None:
        message = registry.message_of(command.data)
        subject = subjects.command_subject(self.name, message.service, message.noun, message.verb)
        while command.id not in self._answered:
            confirmed = await self._post.send(subject, f"/members/{self.name}", command.id, command.data)
            if confirmed and is_trusting:
                break
            least, most = REPEAT_SECONDS
            patience = most if self._fate.happens(0.05) else least
            await asyncio.sleep(least + self._fate.chance.random() * patience)
        self._open -= 1

    # -- hearing --------------------------------------------------------------------------------

    def _listen(self) -> None:
        events = self._post.server.events
        mine = f"ev.{self.name}."
        while self._heard < len(events):
            message = events[self._heard]
            self._heard += 1
            if message.subject.startswith(mine):
                self._hear(json.loads(message.body))

    def _hear(self, event: dict[str, Any]) -> None:
        self._answered.add(event.get("causationid", ""))
        data = event["data"]
        if "state" in data:
            seen = self._bookings.setdefault(data["booking_id"], Seen(data["booking_id"], lifecycle.HELD))
            number = data.get("number", 0)
            if number >= seen.number:
                seen.number, seen.phase = number, (data["state"], data.get("instance"))


class Catalogue:
    """Tells what is offered, and changes it: limits come, go, rise and fall; offerings pause and go on.

    Attributes:
        told: the last revision and availability of each offering.
    """

    def __init__(self, post: Post) -> None:
        self.process = Process("catalogue")
        self.told: dict[str, tuple[int, str]] = {}
        self._post = post
        self._position = 0
        self._base = market()

    async def live(self, changes: int) -> None:
        """Publish a while after the first requests, then change."""
        for id_ in OFFERINGS:
            await asyncio.sleep(self._post.fate.chance.random())
            await self._publish(id_)
        for _ in range(changes):
            await asyncio.sleep(self._post.fate.chance.random() * 4)
            id_ = self._post.fate.chance.choice(OFFERINGS)
            revision, state = self.told[id_]
            if state == "paused":
                await self._resume(id_)
            elif self._post.fate.chance.random() < 0.2:
                await self._pause(id_)
            else:
                await self._publish(id_, revision + 1)

    async def _publish(self, id_: str, revision: int = 1) -> None:
        offering = self._limited(id_, revision)
        self.told[id_] = revision, "open"
        await self._tell(
            OfferingPublished(
                offering=offering,
                provider="lrz",
                revision=revision,
                position=self._next(),
                published_at=self._post.clock(),
            )
        )

    def _limited(self, id_: str, revision: int) -> Offering:
        """The same plans with other limits, or none."""
        plans = tuple(
            plan if plan.pools or revision == 1 else plan.model_copy(update={"capacity": self._limit()})
            for plan in self._base.plans
        )
        changed = {"offering_id": id_, "plans": plans}
        return self._base.model_copy(update=changed)

    def _limit(self) -> dict[str, Decimal]:
        chance = self._post.fate.chance
        return {"cores": Decimal(chance.choice([4, 8, 14, 20]))} if chance.random() < 0.8 else {}

    async def _pause(self, id_: str) -> None:
        revision, _ = self.told[id_]
        self.told[id_] = revision, "paused"
        now = self._post.clock()
        about = {"offering_id": id_, "provider": "lrz", "revision": revision, "position": self._next()}
        await self._tell(OfferingPaused.model_validate({**about, "reason": "Umbau", "paused_at": now}))

    async def _resume(self, id_: str) -> None:
        revision, _ = self.told[id_]
        self.told[id_] = revision, "open"
        about = {"offering_id": id_, "provider": "lrz", "revision": revision, "position": self._next()}
        await self._tell(OfferingResumed.model_validate({**about, "resumed_at": self._post.clock()}))

    def _next(self) -> int:
        self._position += 1
        return self._position

    async def _tell(self, data: Contract) -> None:
        id_ = str(self._post.fate.new_id())
        subject = f"fact.{registry.message_of(data).name}"
        while not await self._post.send(subject, "/services/catalog", id_, data):  # noqa: ASYNC110 - it is repeated until it works
            await asyncio.sleep(self._post.fate.chance.random())
