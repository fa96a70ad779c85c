"""The catalogue as it stands and as it goes on: a snapshot, then every change, none lost and none twice."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Literal

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from allmende.schemas import registry
from allmende.schemas.catalog import (
    CatalogueChange,
    Category,
    Change,
    Changes,
    ListOfferings,
    Offering,
    OfferingHidden,
    OfferingPaused,
    OfferingPublished,
    OfferingResumed,
    OfferingRetired,
    Offerings,
    OfferingSummary,
    ReplayChanges,
)
from allmende.schemas.contract import Unreadable, read

from .room import Room, Unanswered

log = logging.getLogger(__name__)

CHECK_SECONDS = 30.0
"""So often the reader asks for what it may have missed, whether or not it knows of a reason."""
_LOOK_SECONDS = 1.0
_WAITING_MAX = 10_000
_PAGE = 100
_SUBJECTS = ("events.catalog.offering.*", "bulletin.catalog.offering.*")

State = Literal["published", "paused", "retired", "hidden"]
_STATES: dict[type[CatalogueChange], State] = {
    OfferingPublished: "published",
    OfferingPaused: "paused",
    OfferingResumed: "published",
    OfferingRetired: "retired",
    OfferingHidden: "hidden",
}


@dataclasses.dataclass(frozen=True)
class Entry:
    """One offering as the catalogue has it from a position on.

    Attributes:
        state: `hidden` is out of the reader's sight, or out of the categories it reads.
        position: of the change; it rises for each offering, and whoever has to stop may go on after it.
        offering: the document, where the change brings one; the others leave it as it was.
    """

    offering_id: str
    state: State
    revision: int
    position: int
    offering: Offering | None = None


class Picture:
    """What a reader holds: up to which position everything, and beyond it which offerings already.

    Events of several processes may come in another order than that of their positions, so a position that
    came as an event says nothing about those before it. What the catalogue itself was asked for does.
    """

    def __init__(self, categories: Sequence[Category] = (), position: int = 0) -> None:
        self.categories = frozenset(categories)
        self.position = position
        self._ahead: dict[str, int] = {}
        self._within: set[str] = set()

    def list(self, summary: OfferingSummary) -> Entry | None:
        """Take an offering of the snapshot. Later pages may be ahead of the first one's position."""
        offering = summary.offering
        if summary.state == "draft" or not self._hold(offering.offering_id, summary.position, listed=True):
            return None
        self._within.add(offering.offering_id)
        return Entry(offering.offering_id, summary.state, summary.revision, summary.position, offering)

    def take(self, change: Change, *, again: bool = False) -> Entry | None:
        """Take a change, or pass over what is held already.

        Args:
            change: as it was told.
            again: it was asked for, by the categories; so it concerns them even if it leads out of them.
        """
        offering = change.offering if isinstance(change, OfferingPublished) else None
        id_ = offering.offering_id if offering else change.offering_id  # type: ignore[union-attr]
        category = offering.category if offering else change.category  # type: ignore[union-attr]
        outside = bool(self.categories) and category is not None and category not in self.categories
        if outside and not again and id_ not in self._within:
            return None
        if not self._hold(id_, change.position):
            return None
        state: State = "hidden" if outside else _STATES[type(change)]
        if state == "hidden":
            self._within.discard(id_)
            return Entry(id_, state, change.revision, change.position)
        self._within.add(id_)
        return Entry(id_, state, change.revision, change.position, offering)

    def reach(self, position: int) -> None:
        """Note that everything up to a position is held."""
        self.position = max(self.position, position)
        self._ahead = {id_: held for id_, held in self._ahead.items() if held > self.position}

    def _hold(self, id_: str, position: int, *, listed: bool = False) -> bool:
        known = self._ahead.get(id_, 0 if listed else self.position)
        if position <= known:
            return False
        if position > self.position:
            self._ahead[id_] = position
        return True


class Doorstep:
    """Where changes wait that come as events, until the reader has time. A flood is counted, not kept."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Change] = asyncio.Queue(_WAITING_MAX)
        self.overrun = False

    async def put(self, message: Msg) -> None:
        """Take an event in."""
        kind = registry.message(".".join(message.subject.split(".")[-3:]))
        if kind.data not in _STATES:
            return
        try:
            self._waiting.put_nowait(read(kind.envelope, message.data, tolerant=True).data)
        except asyncio.QueueFull:
            self.overrun = True
        except Unreadable as error:
            log.warning("an event on %s cannot be read: %s", message.subject, error)
            self.overrun = True

    async def get(self, seconds: float) -> Change | None:
        """Wait for a change."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await self._waiting.get()
        return None


class CatalogueRoom(Room):
    """The catalogue, read for ever."""

    async def catalogue(
        self, categories: Sequence[Category] = (), *, since: int | dt.datetime | None = None
    ) -> AsyncIterator[Entry]:
        """Every offering as it stands, then every change as it comes, for ever.

        No change is lost and none comes twice, whatever happens to the connection: events tell what is new,
        and after every interruption, and now and then without one, the catalogue is asked for what they did
        not tell.

        Args:
            categories: only these; an offering that leaves them becomes `hidden`.
            since: no snapshot, but the changes after a position, or since a moment.

        Raises:
            Unanswered: the snapshot cannot be read. Later interruptions are waited out.
        """
        doorstep = Doorstep()
        subscriptions = [await self._live.subscribe(subject, cb=doorstep.put) for subject in _SUBJECTS]
        try:
            # What comes while the snapshot is read waits at the doorstep.
            await self._live.flush()
            picture = Picture(categories, since if isinstance(since, int) else 0)
            if since is None:
                async for entry in self._snapshot(picture):
                    yield entry
            async for entry in self._missed(picture, since if isinstance(since, dt.datetime) else None):
                yield entry
            async for entry in self._go_on(picture, doorstep):
                yield entry
        finally:
            await _end(subscriptions)

    async def _snapshot(self, picture: Picture) -> AsyncIterator[Entry]:
        position = None
        for category in sorted(picture.categories) or (None,):
            after, more = None, True
            while more:
                asked = ListOfferings(category=category, after=after, limit=_PAGE)
                page = await self.ask("catalog.offering.list", asked, Offerings)
                if position is None:
                    position = page.position
                    picture.reach(position)
                for summary in page.offerings:
                    if (entry := picture.list(summary)) is not None:
                        yield entry
                after, more = page.next_after, page.next_after is not None

    async def _missed(self, picture: Picture, since: dt.datetime | None = None) -> AsyncIterator[Entry]:
        """Ask for everything after the position held, to the end."""
        while True:
            asked = ReplayChanges(
                after=picture.position, since=since, categories=tuple(sorted(picture.categories)), limit=_PAGE
            )
            page = await self.ask("catalog.change.replay", asked, Changes)
            for change in page.changes:
                if (entry := picture.take(change, again=True)) is not None:
                    yield entry
            picture.reach(page.position)
            if page.end:
                return

    async def _go_on(self, picture: Picture, doorstep: Doorstep) -> AsyncIterator[Entry]:
        clock = asyncio.get_running_loop().time
        checked, lives = clock(), self._live.stats["reconnects"]
        while True:
            change = await doorstep.get(_LOOK_SECONDS)
            if change is not None and (entry := picture.take(change)) is not None:
                yield entry
            interrupted = doorstep.overrun or self._live.stats["reconnects"] != lives
            if interrupted or clock() - checked >= CHECK_SECONDS:
                doorstep.overrun, lives = False, self._live.stats["reconnects"]
                try:
                    async for entry in self._missed(picture):
                        yield entry
                except Unanswered as error:
                    log.info("the catalogue does not answer, and is asked again: %s", error)
                    doorstep.overrun = True
                checked = clock()


async def _end(subscriptions: Sequence[Subscription]) -> None:
    for subscription in subscriptions:
        with contextlib.suppress(NatsError):
            await subscription.unsubscribe()
