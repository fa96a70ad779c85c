"""A hub in memory, which decides by the services' own rules, and a member's connection to it."""

import datetime as dt
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from support.bodies import UNSIGNED
from support.settled import Closing, close

from allmende.client import Signer, Unanswered
from allmende.schemas.billing import (
    ChargeLevy,
    RefusedRecord,
    SettlementClosed,
    Statement,
    UsageRecord,
    UsageRecorded,
)
from allmende.schemas.brokerage import BookingConfirmed, BookingSummary, RequestBooking
from allmende.schemas.catalog import Offering, OfferingSummary
from allmende.schemas.payments import Payment, PaymentArranged
from allmende.schemas.permissions import Role
from allmende.schemas.register import MemberRegister
from allmende.schemas.rejections import Rejected, Rejection
from allmende.schemas.settlements import ReviewSettlement, SettlementDrafted
from allmende.schemas.statements import Objection, ObjectionRaised, StatementProgress
from allmende.services.billing.booking import Booking as Billed
from allmende.services.billing.rating import allowance, metering, reckoning, rerating
from allmende.services.billing.settlement import levy
from allmende.services.billing.usage import admission
from allmende.services.brokerage.booking import Booking
from allmende.services.brokerage.capacity.listing import Listed
from allmende.services.brokerage.life import request as requests
from allmende.services.brokerage.life.move import told_of
from allmende.services.catalog import offering as catalogue

NOW = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
_OF_A_DRAFT = (
    "settlement_id",
    "period",
    "charges_cents",
    "levies_cents",
    "tax_cents",
    "usage_records",
    "lines",
    "positions",
)


class Hub:
    """Remembers every outcome by the command's id, as the services do."""

    def __init__(self, register: MemberRegister) -> None:
        self.register = register
        self._consumers = {each.id: requests.Consumer(each.id, each.classes) for each in register.members}
        self.outcomes: dict[tuple[str, str], tuple[object, Any]] = {}
        self.listed: dict[str, catalogue.Listed] = {}
        self.booked: dict[str, Billed] = {}
        self.recorded: dict[tuple[str, str], UsageRecord] = {}
        self.levies: list[Any] = []
        self._closing: Closing | None = None
        self.is_closed = False
        self.signed_by: list[str] = []
        self.moved: dict[str, list[str]] = {}
        self.disputed: list[ObjectionRaised] = []
        self.arranged: list[Payment] = []
        self.decided = 0
        self.dies_after: int | None = None

    def decide(self, sender: str, id_: str, body: object, work: Callable[[], Any]) -> Any:
        if (sender, id_) in self.outcomes:
            before, outcome = self.outcomes[sender, id_]
            assert before == body, "the same id with another body"
            return outcome
        if self.dies_after is not None and self.decided >= self.dies_after:
            raise Unanswered("the hub is gone")
        self.decided += 1
        outcome = work()
        if isinstance(outcome, Rejected):
            outcome = outcome.as_rejection("a.command")
        self.outcomes[sender, id_] = (body, outcome)
        return outcome

    def publish(self, member: str, offering: Offering) -> Any:
        before = self.listed.get(offering.offering_id)
        fact = catalogue.publish(before, offering, member, NOW, len(self.outcomes) + 1)
        if not isinstance(fact, Rejected):
            after = catalogue.evolve(before, fact)
            assert after is not None
            self.listed[offering.offering_id] = after
        return fact

    def book(self, member: str, id_: str, request: RequestBooking) -> Any:
        known = self.listed.get(request.offering_id)
        listed = Listed(known.offering, known.revision) if known else None
        outcome = requests.request(
            request, id_, self._consumers[member], listed, {}, NOW, backdate=dt.timedelta(days=36_500)
        )
        if not isinstance(outcome, Booking):
            return outcome
        told = told_of(outcome, NOW)
        assert isinstance(told, BookingConfirmed), "everything in the demonstration is booked at once"
        self.booked[id_] = Billed(told)
        return told

    def record(self, member: str, records: tuple[UsageRecord, ...]) -> UsageRecorded:
        accepted, refused = 0, []
        for record in records:
            outcome = admission.decide(record, member, booking=self.booked.get(record.booking_id))
            if isinstance(outcome, admission.Accepted):
                assert (member, record.id) not in self.recorded
                self.recorded[member, record.id] = record
                accepted += 1
            else:
                refused.append(RefusedRecord(id=record.id, code="x", message_de="x", message_en="x"))
        return UsageRecorded(accepted=accepted, repeated=0, parked=0, refused=tuple(refused))

    def charge(self, id_: str, command: ChargeLevy) -> Any:
        outcome = levy.charge(command, id_, lands=self._lands, period_is_closed=False)
        if not isinstance(outcome, Rejected):
            self.levies.append(outcome)
        return outcome

    def close(self, id_: str, period: str) -> SettlementClosed | Rejected:
        flat = [
            line
            for booked in self.booked.values()
            for line in reckoning.reckon(booked, (), since=booked.confirmed.start, period=period).lines
        ]
        sums, month = self._sums(), metering.span_with(period, "month")
        readings: list[metering.Reading] = []
        for id_booked, booked in self.booked.items():
            own = [each for each in sums if each.booking_id == id_booked]
            told, apart, unknown = metering.plan(_rated(booked), month, own)
            assert not [*apart, *unknown], "the demonstration is rated by plain sums"
            readings += told
        used = rerating.rate(allowance.with_allowances(readings), month, period, {})
        assert not used.held
        self._closing = close(
            id_,
            period,
            members=sorted(self._lands),
            clearing_house=self.register.office.id,
            usage_records=sum(each.records for each in sums),
            charges=[*used.lines.values(), *flat],
            levies=self.levies,
            now=NOW,
        )
        return self._closing.settlement

    def draft(self, id_: str, period: str) -> SettlementDrafted:
        self.close(id_, period)
        closed = self.closing.settlement
        named = {name: getattr(closed, name) for name in _OF_A_DRAFT}
        return SettlementDrafted(revision=1, grace_until=NOW, alerts=0, drafted_at=NOW, **named)

    def review(self, person: str) -> Any:
        self.signed_by.append(person)
        return self.closing.settlement

    def approve(self, person: str) -> Any:
        assert person not in self.signed_by, "two people"
        self.signed_by.append(person)
        self.is_closed = True
        return self.closing.settlement

    def move(self, member: str, person: str) -> Any:
        people = self.moved.setdefault(member, [])
        assert person not in people, "two people"
        people.append(person)
        return self.closing.settlement

    def dispute(self, member: str, id_: str, period: str, number: int, reason: str) -> Any:
        line = next(each for each in self.closing.lines if each.line == number)
        assert (line.payer, line.kind) == (member, "charge")
        raised = ObjectionRaised(
            objection_id=id_,
            period=period,
            line=number,
            payer=line.payer,
            payee=line.payee,
            gross_cents=line.amount_cents,
            reason=reason,
            suspends=True,
            raised_by="anna",
            raised_at=NOW,
        )
        self.disputed.append(raised)
        return raised

    def arrange(self, id_: str, due_by: dt.date) -> Any:
        """Through the clearing house, what is disputed left out."""
        office = self.register.office.id
        for number, position in enumerate(self.closing.settlement.positions, 1):
            cents = position.net_cents + sum(
                each.gross_cents * ((position.party == each.payer) - (position.party == each.payee))
                for each in self.disputed
            )
            if position.party == office or not cents:
                continue
            pays = cents < 0
            arranged = PaymentArranged(
                payment_id=id_,
                netting_id=id_,
                debtor=position.party if pays else office,
                creditor=office if pays else position.party,
                amount_cents=abs(cents),
                reference="RF18539007547034",
                due_on=due_by,
                items=1,
                arranged_at=NOW,
            )
            self.arranged.append(
                Payment(number=number, payment=arranged, paid_cents=0, open_cents=abs(cents), paid_on=None)
            )
        return self.closing.settlement

    def progress(self, period: str) -> list[StatementProgress]:
        return [
            StatementProgress(
                statement_id=each.statement_id,
                number=each.number,
                period=period,
                member=each.member,
                state="ordered" if each.member in self.moved else "received",
                payable_cents=each.payable_cents,
                receivable_cents=each.receivable_cents,
                disputed_cents=sum(d.gross_cents for d in self.disputed if d.payer == each.member),
                paid_cents=0,
                certified_by=self.moved.get(each.member, [None])[0],
                certified_at=None,
                ordered_by=self.moved.get(each.member, [None])[-1],
                ordered_at=None,
                kassenzeichen=None,
            )
            for each in self.closing.statements
        ]

    @property
    def closing(self) -> Closing:
        assert self._closing is not None
        return self._closing

    @property
    def _lands(self) -> dict[str, str | None]:
        return {member.id: member.land for member in self.register.members if member.role is Role.MEMBER}

    def _sums(self) -> list[metering.Sum]:
        by_meter: defaultdict[tuple[str, str], list[UsageRecord]] = defaultdict(list)
        for record in self.recorded.values():
            by_meter[record.booking_id, record.meter].append(record)
        return [
            metering.Sum(
                booking_id=id_,
                meter=meter,
                quantity=sum((record.quantity for record in records), Decimal(0)),
                records=len(records),
                first_day=min(record.start.date() for record in records),
                last_day=max(record.start.date() for record in records),
            )
            for (id_, meter), records in by_meter.items()
        ]


def _rated(booked: Billed) -> list[metering.Rated]:
    confirmed = booked.confirmed
    parties = confirmed.booking_id, confirmed.provider, confirmed.consumer, confirmed.offering_id
    return [metering.Rated(*parties, terms, metering.meters_of(terms.tariff)) for terms in booked.history]


class FakeMarket:
    """One member's connection to the hub in memory."""

    hub: Hub

    def __init__(self, member: str) -> None:
        self.member = member

    @classmethod
    def connect(cls, url: str, *, member: str, seed_file: Path, name: str) -> Self:
        assert url.startswith("nats://")
        assert "demonstration" in name
        assert seed_file.read_text(encoding="ascii").startswith("SU")
        return cls(member)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def publish(self, offering: Offering, *, id: str) -> Any:  # noqa: A002
        return self.hub.decide(self.member, id, offering, lambda: self.hub.publish(self.member, offering))

    async def book(  # as the client has it
        self,
        offering_id: str,
        plan_id: str,
        quantities: Mapping[str, Decimal],
        *,
        start: dt.date,
        reference: str,
        id: str,  # noqa: A002
    ) -> Any:
        request = RequestBooking(
            offering_id=offering_id,
            plan_id=plan_id,
            quantities=dict(quantities),
            start=start,
            reference=reference,
        )
        return self.hub.decide(self.member, id, request, lambda: self.hub.book(self.member, id, request))

    async def report_usage(self, records: tuple[UsageRecord, ...], *, id: str) -> Any:  # noqa: A002
        return self.hub.decide(self.member, id, records, lambda: self.hub.record(self.member, records))

    async def charge_levy(self, period: str, title: str, amount: int, key: Any, *, id: str) -> Any:  # noqa: A002
        levied = ChargeLevy(period=period, title=title, amount_cents=amount, key=key)
        return self.hub.decide(self.member, id, levied, lambda: self.hub.charge(id, levied))

    async def draft_settlement(self, period: str, *, id: str) -> Any:  # noqa: A002
        return self.hub.decide(self.member, id, period, lambda: self.hub.draft(id, period))

    async def review_settlement(self, period: str, revision: int, *, by: Signer, id: str) -> Any:  # noqa: A002
        return self._signed(by, id, ("review", period, revision), lambda: self.hub.review(by.person))

    async def approve_settlement(self, period: str, revision: int, *, by: Signer, id: str) -> Any:  # noqa: A002
        return self._signed(by, id, ("approve", period, revision), lambda: self.hub.approve(by.person))

    async def certify_statement(self, period: str, *, by: Signer, id: str) -> Any:  # noqa: A002
        return self._signed(by, id, ("certify", period), lambda: self.hub.move(self.member, by.person))

    async def order_statement(self, period: str, reference: str, *, by: Signer, id: str) -> Any:  # noqa: A002
        about = ("order", period, reference)
        return self._signed(by, id, about, lambda: self.hub.move(self.member, by.person))

    async def raise_objection(
        self,
        period: str,
        line: int,
        reason: str,
        *,
        by: Signer,
        id: str,  # noqa: A002
    ) -> Any:
        about = (period, line, reason)
        return self._signed(by, id, about, lambda: self.hub.dispute(self.member, id, *about))

    async def arrange_payments(self, due_by: dt.date, *, by: Signer, id: str) -> Any:  # noqa: A002
        return self._signed(by, id, ("arrange", due_by), lambda: self.hub.arrange(id, due_by))

    def _signed(self, by: Signer, id_: str, about: object, work: Callable[[], Any]) -> Any:
        """Whoever repeats a command repeats its signature, or its content is another."""
        review = ReviewSettlement(period="2005-11", revision=1, claim=UNSIGNED)
        return self.hub.decide(self.member, id_, (about, by.signed(self.member, id_, review)), work)

    async def statements(self, *, period: str) -> AsyncIterator[StatementProgress]:
        for each in self.hub.progress(period):
            yield each

    async def objections(self, *, period: str, open_only: bool) -> AsyncIterator[Objection]:
        assert not open_only
        for number, raised in enumerate(self.hub.disputed, 1):
            assert raised.period == period
            yield Objection(number=number, raised=raised, settled=None)

    async def payments(self) -> AsyncIterator[Payment]:
        for each in self.hub.arranged:
            yield each

    async def offerings(self) -> AsyncIterator[OfferingSummary]:
        for _, listed in sorted(self.hub.listed.items()):
            yield OfferingSummary(
                offering=listed.offering,
                state=listed.state,
                revision=listed.revision,
                position=listed.position,
            )

    async def bookings(self) -> AsyncIterator[BookingSummary]:
        for booked in self.hub.booked.values():
            terms = booked.confirmed.model_dump(exclude={"confirmed_at"})
            yield BookingSummary(**terms, number=0)

    async def settlements(self) -> tuple[SettlementClosed, ...]:
        return (self.hub.closing.settlement,) if self.hub.is_closed else ()

    async def statement(self, period: str) -> Statement | Rejection:
        assert period == self.hub.closing.settlement.period
        issued = next(each for each in self.hub.closing.statements if each.member == self.member)
        lines = tuple(line for line in self.hub.closing.lines if self.member in {line.payer, line.payee})
        return Statement(statement=issued, lines=lines, next_after=None)
