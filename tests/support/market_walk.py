"""A small market to walk through: rules only, no database, every step checked."""

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from support.builders import NOW, decimals, offering, plan, quantity, uid

from allmende.schemas import brokerage as contracts
from allmende.schemas import registry
from allmende.schemas.catalog import Offering
from allmende.schemas.conditions import Conditions, Pool
from allmende.schemas.contract import Contract, read
from allmende.schemas.rejections import Rejected
from allmende.services.brokerage import lifecycle
from allmende.services.brokerage.booking import Booking, LineKey
from allmende.services.brokerage.capacity.listing import Listed
from allmende.services.brokerage.capacity.reservation import CapacityKey
from allmende.services.brokerage.life import change, deadline
from allmende.services.brokerage.life import request as requests
from allmende.services.brokerage.life.move import Moved, Surroundings, told_of
from allmende.services.brokerage.life.request import Consumer
from allmende.services.brokerage.life.working_set import WorkingSet
from allmende.services.brokerage.lifecycle import Phase

CONSUMERS = ("desy", "kit", "gsi")
PLANS: dict[str, Conditions] = {
    "simple": Conditions(),
    "approved": Conditions(provider_approval_hours=48, notice_months=1, notice_to="month_end"),
    "built": Conditions(
        provider_approval_hours=24,
        provisioning_hours=72,
        dismantling_hours=24,
        waiting_list=True,
        offer_hours=12,
    ),
    "queued": Conditions(waiting_list=True, offer_hours=24, renewal_months=1),
    "undone": Conditions(provisioning_hours=24, renewal_months=2, notice_months=1),
}
YEARS = dt.timedelta(days=36_500)
HOLDING = {"offered", "pending_consumer", "pending_provider", "acknowledged", "in_progress"} | {
    "assessing_cancellation",
    "pending_cancellation",
}

Step = tuple[str, str, Phase | None, Phase]


def market() -> Offering:
    """One offering with a plan of every kind, each with capacity for ten cores."""
    plans = [
        plan(plan_id=name, capacity={"cores": 10}, conditions=conditions, order=(quantity("cores", 0, 20),))
        for name, conditions in PLANS.items()
    ]
    slots = (
        Pool(pool_id="north", title="Nord", region="nord", capacity=decimals({"cores": 4})),
        Pool(
            pool_id="course",
            title="Schulung",
            starts_at=NOW + dt.timedelta(days=20),
            ends_at=NOW + dt.timedelta(days=20, hours=6),
            capacity=decimals({"cores": 3}),
        ),
    )
    return offering(*plans, plan(plan_id="pooled", pools=slots, order=(quantity("cores", 0, 20),)))


class Walk:
    """The market's rules, step by step, with what must hold after each."""

    def __init__(self) -> None:
        self.now = NOW
        self.offering = market()
        self.total: dict[CapacityKey, Decimal] = {
            ("lrz/vm", each.plan_id, pool, name): total
            for each in self.offering.plans
            for pool, name, total in each.limited
        }
        self.books = WorkingSet({}, {"lrz/vm": Listed(self.offering, 1)}, dict(self.total))
        self.steps: list[Step] = []
        self.refusals: list[str] = []
        self._next = 1

    # -- what can happen ------------------------------------------------------------------------

    def request(self, member: str, **asked: Any) -> Booking | None:
        """Book."""
        id_ = uid(self._next)
        self._next += 1
        request = contracts.RequestBooking(offering_id="lrz/vm", **asked)
        booked = requests.request(
            request,
            id_,
            Consumer(member),
            self.books.listed["lrz/vm"],
            self.books.free,
            self.now,
            backdate=YEARS,
            waiting=self.books.waiting,
        )
        if isinstance(booked, Rejected):
            self.refusals.append(booked.code)
            return None
        assert isinstance(booked, Booking)
        self.books.create(booked)
        place = self.books.waiting[booked.line] if booked.state == "held" else None
        self._told([told_of(booked, self.now, place)])
        self.steps.append(("request", "consumer", None, booked.phase))
        self.check()
        return booked

    def act(self, booking_id: str, side: contracts.Side, command: change.Command) -> Rejected | None:
        """Let one side do something; the table says whether it can."""
        before = self.books.bookings[booking_id]
        around = Surroundings(
            self.now,
            self.books.free,
            self.books.waiting,
            self.books.listed["lrz/vm"],
            Consumer(before.agreement.consumer),
        )
        outcome = change.decide(before, side, command, around)
        if isinstance(outcome, Rejected):
            assert all(outcome.sentences)
            assert not outcome.field or outcome.field.split(".")[0] in type(command).model_fields
            self.refusals.append(outcome.code)
            return outcome
        self._apply(before, outcome, side, change.trigger_of(command))
        return None

    def sleep(self, hours: int) -> None:
        """Let time pass; then the clock does all that is due, and serves the lines."""
        self.now += dt.timedelta(hours=hours)
        for id_ in list(self.books.bookings):
            for _ in range(500):
                before = self.books.bookings[id_]
                moved = deadline.fall_due(before, self.now)
                if moved is None:
                    break
                self._apply(before, moved, "clock", None)
            else:
                raise AssertionError(f"{before.phase} never comes to rest")
        for line in {each.line for each in self.books.bookings.values() if each.state == "held"}:
            self._serve(line)

    def _serve(self, line: LineKey) -> None:
        waiting = [b for b in self.books.bookings.values() if b.state == "held" and b.line == line]
        offered = deadline.offer_in_line(waiting, self.books.free, self.total, self.now)
        served = [moved.booking.id for moved in offered]
        assert served == [each.id for each in waiting][: len(served)], "nobody is overtaken"
        for moved in offered:
            self._apply(self.books.bookings[moved.booking.id], moved, "clock", "offer")

    # -- what must hold -------------------------------------------------------------------------

    def _apply(self, before: Booking, moved: Moved, by: str, trigger: str | None) -> None:
        changed = moved.facts[-1]
        assert isinstance(changed, contracts.BookingChanged)
        assert trigger in (None, changed.trigger)
        assert moved.booking.number == before.number + 1 == changed.number
        row = lifecycle.find(changed.trigger, changed.by, before.phase)
        assert row is not None
        assert moved.booking.phase in row.targets
        self.books.move(moved)
        self._told(moved.facts)
        self.steps.append((changed.trigger, by, before.phase, moved.booking.phase))
        self.check()

    def _told(self, facts: Any) -> None:
        for fact in facts:
            assert isinstance(fact, Contract)
            again = read(type(fact), fact.model_dump_json().encode())
            assert again == fact, "what is told can be read by others"
            assert registry.message_of(fact)

    def check(self) -> None:
        """Capacity adds up, and whatever waits has an end."""
        for key, total in self.total.items():
            held = sum(
                (amount for b in self.books.bookings.values() for amount in _holds(b, key)), Decimal(0)
            )
            assert self.books.free[key] == total - held, key
            assert 0 <= self.books.free[key] <= total, key
        for booking in self.books.bookings.values():
            # An agreed change rests while the service does.
            change_ = booking.progress.amendment
            resting = booking.instance == "suspended" and change_ is not None and change_.agreed
            lasting = booking.instance in {"active", "suspended"} and (change_ is None or resting)
            if booking.phase in lifecycle.FINAL:
                assert booking.due is None
                assert booking.waits_for is None
            elif not lasting:
                assert booking.due is not None, booking.phase
            if booking.waits_for is not None:
                assert booking.act_by is not None, booking.phase
        counted = [b for b in self.books.bookings.values() if b.state == "held"]
        assert sum(self.books.waiting.values()) == len(counted)


def _holds(booking: Booking, key: CapacityKey) -> Iterator[Decimal]:
    """What a booking holds of a quantity, reckoned anew."""
    if booking.state not in HOLDING and booking.instance not in {
        "active",
        "updating",
        "suspended",
        "terminating",
    }:
        return
    terms = [booking.agreement]
    if booking.progress.amendment is not None:
        terms.append(booking.progress.amendment.agreement)
    amounts = [
        each.quantities.get(key[3], Decimal(0))
        for each in terms
        if (each.offering_id, each.plan_id, each.pool_id or "") == key[:3]
    ]
    if amounts:
        yield max(amounts)


def commands(booking_id: str, now: dt.datetime, number: int, amount: int) -> list[change.Command]:
    """One command of every kind, with variations by number."""
    day = now.date() + dt.timedelta(days=number % 40)
    other = ["simple", "approved", "built", "undone"][number % 4]
    delivered = decimals({"cores": min(amount, 1)})
    return [
        contracts.AcceptBooking(booking_id=booking_id),
        contracts.ApproveBooking(booking_id=booking_id),
        contracts.DeclineBooking(booking_id=booking_id, reason="nein"),
        contracts.CancelBooking(booking_id=booking_id, reason="anders", compensation_cents=number),
        contracts.ConcedeCancellation(booking_id=booking_id, compensation_cents=number),
        contracts.ReportProgress(booking_id=booking_id, step="accepted"),
        contracts.ReportProgress(booking_id=booking_id, step="milestone", milestone="moved"),
        contracts.ReportProgress(booking_id=booking_id, step="active", note="läuft"),
        contracts.ReportProgress(booking_id=booking_id, step="partial", delivered=delivered),
        contracts.ReportProgress(booking_id=booking_id, step="failed"),
        contracts.ReportProgress(booking_id=booking_id, step="dismantled"),
        contracts.SuspendBooking(booking_id=booking_id, reason="Umzug"),
        contracts.ResumeBooking(booking_id=booking_id),
        contracts.AmendBooking(
            booking_id=booking_id, effective_on=day, quantities=decimals({"cores": amount})
        ),
        contracts.AmendBooking(booking_id=booking_id, effective_on=day, plan_id=other),
        contracts.TerminateBooking(booking_id=booking_id, on=day if number % 2 else None),
    ]


@dataclasses.dataclass
class Dice:
    """Draws numbers, from Hypothesis or from a seeded generator.

    Attributes:
        seen: how often each row was walked, over several walks; the rarer is preferred.
    """

    draw: Callable[[int, int], int]
    seen: Counter[object] = dataclasses.field(default_factory=Counter)

    def walk(self, walk: Walk) -> None:
        """Take one step."""
        kind = self.draw(0, 9)
        if kind <= 2 or not walk.books.bookings:
            self._request(walk)
        elif kind <= 8:
            self._act(walk)
        else:
            walk.sleep([1, 2, 13, 13, 25, 49, 24 * 20, 24 * 35][self.draw(0, 7)])

    def _act(self, walk: Walk) -> None:
        sides: tuple[contracts.Side, ...] = ("consumer", "provider")
        number, amount = self.draw(0, 60), self.draw(0, 12)
        ids = list(walk.books.bookings)[-12:]
        if not self.draw(0, 4):  # now and then what the table does not know
            id_ = ids[self.draw(0, len(ids) - 1)]
            choices = commands(id_, walk.now, number, amount)
            walk.act(id_, sides[self.draw(0, 1)], choices[self.draw(0, len(choices) - 1)])
            return
        ways = []
        for id_ in ids:
            phase = walk.books.bookings[id_].phase
            for side in sides:
                for command in commands(id_, walk.now, number, amount):
                    trigger = change.trigger_of(command)
                    if lifecycle.find(trigger, side, phase):
                        ways.append((self.seen[side, trigger, phase], side, id_, command, (trigger, phase)))
        ways.sort(key=lambda way: way[0])
        if ways:
            _, side, id_, command, (trigger, phase) = ways[self.draw(0, min(3, len(ways) - 1))]
            self.seen[side, trigger, phase] += 1
            walk.act(id_, side, command)

    def _request(self, walk: Walk) -> None:
        walk.request(CONSUMERS[self.draw(0, 2)], **wish(self.draw, walk.now.date()))


def wish(draw: Callable[[int, int], int], today: dt.date) -> dict[str, Any]:
    """What somebody may ask of the market, as the fields of a request without the offering."""
    names = [*PLANS, "built", "undone", "pooled"]
    plan_id = names[draw(0, len(names) - 1)]
    start = today + dt.timedelta(days=[0, 0, 0, -3, 2, 10][draw(0, 5)])
    asked: dict[str, Any] = {
        "plan_id": plan_id,
        "start": start,
        "quantities": decimals({"cores": draw(0, 7)}),
        "binding": draw(0, 5) > 0,
    }
    if draw(0, 2) == 0:
        asked["end"] = start + dt.timedelta(days=draw(0, 60))
    if draw(0, 3) == 0:
        asked["wait_until"] = today + dt.timedelta(days=draw(0, 30))
    if draw(0, 4) == 0:
        asked["own_approval_hours"] = 24
    if plan_id == "pooled":
        asked["pool_id"] = ["north", "course"][draw(0, 1)]
        if asked["pool_id"] == "course":
            asked |= {"start": dt.date(2026, 6, 21), "end": None}
    return asked
