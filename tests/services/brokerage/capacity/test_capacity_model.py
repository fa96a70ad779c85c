"""Capacity in PostgreSQL against a model that anybody can reckon by hand."""

import asyncio
import contextlib
import dataclasses
import datetime as dt
from collections.abc import Callable, Coroutine, Iterator
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from support.builders import (
    command,
    decimals,
    fact,
    offering,
    plan,
    published,
    quantity,
    register,
    request,
    uid,
)
from support.desk import Desk, codes

from allmende.schemas.brokerage import (
    AcceptBooking,
    AmendBooking,
    BookingChanged,
    CancelBooking,
    TerminateBooking,
)
from allmende.schemas.catalog import Offering
from allmende.schemas.conditions import Conditions, Pool
from allmende.schemas.contract import Contract
from allmende.servicekit.testing import Templates
from allmende.services.brokerage.capacity import store
from allmende.services.brokerage.handlers import BrokerageHandler

T = TypeVar("T")
MEMBERS = register("desy", "lrz")
PLACES = ("plain", "north", "south")
"""A plan without pools, and the two pools of another."""
AMOUNTS = st.integers(1, 6)
LIMITS = st.one_of(st.none(), st.integers(1, 12))
DAY = dt.timedelta(days=1)


@dataclasses.dataclass
class Line:
    """One place in the model.

    Attributes:
        total: what there is, or None without a limit.
        held: what each booking holds.
        waiting: who waits in line, and for how much, the first first.
    """

    total: int | None
    held: dict[str, int] = dataclasses.field(default_factory=dict)
    waiting: dict[str, int] = dataclasses.field(default_factory=dict)

    @property
    def booked(self) -> int:
        """All that is held."""
        return sum(self.held.values())

    def has(self, amount: int) -> bool:
        """Whether so much is free."""
        return self.total is None or self.booked + amount <= self.total

    def limit(self, total: int | None) -> None:
        """Nothing is taken back from those who have it."""
        self.total = None if total is None else max(total, self.booked)

    def serve(self) -> list[str]:
        """Offer to the first in line, then the next, until one does not fit."""
        served = []
        for id_, amount in list(self.waiting.items()):
            if self.total is not None and amount > self.total:
                continue  # never to be served, so nobody waits behind it
            if not self.has(amount):
                break
            self.held[id_] = self.waiting.pop(id_)
            served.append(id_)
        return served


def document(limits: dict[str, int]) -> Offering:
    """An offering with these limits; a pool has one always."""
    conditions = Conditions(waiting_list=True, offer_hours=8784)
    order = (quantity("cores", 0, 20),)
    pools = [
        Pool(pool_id=name, title=name, capacity=decimals({"cores": limits[name]}))
        for name in ("north", "south")
    ]
    plain = {"cores": limits["plain"]} if "plain" in limits else None
    return offering(
        plan(plan_id="plain", capacity=plain, conditions=conditions, order=order),
        plan(plan_id="pooled", pools=tuple(pools), conditions=conditions, order=order),
    )


class Books(RuleBasedStateMachine):
    """One brokerage, its database and the model, step by step."""

    templates: Templates
    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, Line] = {}
        self.offered: set[str] = set()
        self.number = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    @initialize(limit=LIMITS, north=st.integers(1, 12), south=st.integers(1, 12))
    def begin(self, limit: int | None, north: int, south: int) -> None:
        url = self.run(self.templates.copy("brokerage"))
        self.desk = Desk(BrokerageHandler(MEMBERS, 60, 36_500), url)
        self.lines = {name: Line(None) for name in PLACES}
        self.revision = 0
        self.publish(limit, north, south)

    def teardown(self) -> None:
        if self.lines:
            self.run(self.desk.close())

    def tell(self, data: Contract) -> list[str]:
        self.number += 1
        return codes(self.run(self.desk.take(command("desy", data, self.number))))

    # -- what can happen ------------------------------------------------------------------------

    @rule(limit=LIMITS, north=st.integers(1, 12), south=st.integers(1, 12))
    def publish(self, limit: int | None, north: int, south: int) -> None:
        """Limit, unlimit, lower or raise."""
        self.revision += 1
        limits = {name: each for name, each in zip(PLACES, (limit, north, south), strict=True) if each}
        told = fact(published(document(limits), self.revision), self.revision)
        self.run(self.desk.take(told))
        for name, line in self.lines.items():
            line.limit(limits.get(name))

    @rule(place=st.sampled_from(PLACES), amount=AMOUNTS, waits=st.booleans(), lasts=st.integers(0, 20))
    def request(self, place: str, amount: int, *, waits: bool, lasts: int) -> None:
        """Book from today on, or tomorrow, which can still be cancelled."""
        line, today = self.lines[place], self.desk.now.date()
        start = today + DAY * (lasts % 2)
        wanted: dict[str, Any] = {"plan_id": "plain" if place == "plain" else "pooled", "start": start}
        wanted |= {"pool_id": None if place == "plain" else place, "cores": amount}
        wanted["end"] = start + DAY * lasts if lasts > 10 else None
        wanted["wait_until"] = today + DAY * 60 if waits else None
        (told,) = self.tell(request(**wanted))
        if waits and line.total is not None and amount > line.total:
            assert told == "above_maximum"
        elif line.has(amount) and not line.waiting:
            assert told == "BookingConfirmed"
            line.held[uid(self.number)] = amount
        elif waits:
            assert told == "BookingAcknowledged"
            line.waiting[uid(self.number)] = amount
        else:
            assert told == ("line_before_you" if line.has(amount) else "no_capacity")

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Leave a line, let an offer go, withdraw before the first day: refused once a service is up."""
        self.give_back(data, CancelBooking, reason="anders")

    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        """Give notice to today; the clock ends it tomorrow."""
        found = self.choose(data)
        if found is not None:
            self.tell(TerminateBooking(booking_id=found[1]))

    @rule(data=st.data())
    def accept(self, data: st.DataObject) -> None:
        """Take an offer up: what was reserved stays so."""
        if self.offered:
            id_ = data.draw(st.sampled_from(sorted(self.offered)))
            told = self.tell(AcceptBooking(booking_id=id_))
            assert told in (["BookingConfirmed", "BookingChanged"], ["not_now"])
            self.offered.discard(id_)

    @rule(data=st.data(), amount=AMOUNTS)
    def amend(self, data: st.DataObject, amount: int) -> None:
        """Change the amount from today on."""
        found = self.choose(data)
        if found is None:
            return
        line, id_ = found
        today = self.desk.now.date()
        quantities = decimals({"cores": amount})
        told = self.tell(AmendBooking(booking_id=id_, effective_on=today, quantities=quantities))
        if told == ["BookingAmended", "BookingChanged"]:
            assert line.has(amount - line.held[id_]) or amount <= line.held[id_]
            line.held[id_] = amount
        elif told == ["no_capacity"]:
            assert not line.has(amount - line.held[id_])

    @rule(days=st.integers(0, 15))
    def pass_time(self, days: int) -> None:
        """Let the clock end what is over, then offer what is free."""
        for fact_ in self.run(self.desk.later(days * 86_400)):
            if isinstance(fact_.data, BookingChanged) and fact_.data.trigger in {"end", "lapse"}:
                for line in self.lines.values():
                    line.held.pop(fact_.data.booking_id, None)
                    line.waiting.pop(fact_.data.booking_id, None)
            elif isinstance(fact_.data, BookingChanged) and fact_.data.trigger == "offer":
                self.offered.add(fact_.data.booking_id)
        for line in self.lines.values():
            served = line.serve()
            assert self.offered.issuperset(served)

    def choose(self, data: st.DataObject) -> tuple[Line, str] | None:
        known = [(name, id_) for name, line in self.lines.items() for id_ in line.held]
        if not known:
            return None
        name, id_ = data.draw(st.sampled_from(known))
        return self.lines[name], id_

    def give_back(self, data: st.DataObject, kind: Callable[..., Contract], **more: Any) -> None:
        known = [(n, id_) for n, line in self.lines.items() for id_ in (*line.held, *line.waiting)]
        if known:
            name, id_ = data.draw(st.sampled_from(known))
            if self.tell(kind(booking_id=id_, **more)) == ["BookingChanged"]:
                self.lines[name].held.pop(id_, None)
                self.lines[name].waiting.pop(id_, None)

    # -- what must hold -------------------------------------------------------------------------

    @invariant()
    def the_table_is_as_the_model(self) -> None:
        if not self.lines:
            return
        rows = self.run(self.desk.rows("select plan_id, pool_id, total, booked from capacity"))
        stored = {pool or plan_id: (total, booked) for plan_id, pool, total, booked in rows}
        limited = {name: line for name, line in self.lines.items() if line.total is not None}
        assert stored == {
            name: (Decimal(line.total or 0), Decimal(line.booked)) for name, line in limited.items()
        }
        held = self.run(
            self.desk.rows("select booking_id::text from booking where state = 'held' order by 1")
        )
        assert [id_ for (id_,) in held] == sorted(id_ for line in self.lines.values() for id_ in line.waiting)


@pytest.fixture
def books(templates: Templates) -> Iterator[type[Books]]:
    """The machine on the test's servers, in a loop of its own."""
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        yield type("BooksHere", (Books,), {"templates": templates, "loop": loop})


FEW = settings(
    max_examples=12,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)


def test_capacity_is_what_anybody_reckons_by_hand(books: type[Books]) -> None:
    run_state_machine_as_test(books, settings=FEW)


def test_the_model_notices_capacity_that_is_not_given_back(
    books: type[Books], monkeypatch: pytest.MonkeyPatch
) -> None:
    take_capacity = store.take_capacity

    async def greedy(tx: Any, taken: dict[Any, Decimal]) -> None:
        await take_capacity(tx, {key: amount for key, amount in taken.items() if amount > 0})

    monkeypatch.setattr(store, "take_capacity", greedy)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(books, settings=FEW)
