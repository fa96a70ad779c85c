"""Recipients' steps, objections, levies and documents taken back: a person decides each, in order."""

import dataclasses
import datetime as dt
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.bodies import Duty, Person
from allmende.schemas.claims import Claim
from allmende.schemas.register import MemberRegister
from allmende.schemas.registry import Audience
from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.statements import (
    CertifyStatement,
    DecideObjection,
    InvoiceReissued,
    ObjectionRaised,
    ObjectionSettled,
    OrderStatement,
    RaiseObjection,
    ReissueInvoice,
    ReverseLevy,
    WithdrawObjection,
)
from allmende.servicekit.messages import Incoming, Outgoing, refuse

from .. import store as billing_store
from ..invoicing import store as invoicing_store
from ..persons import sent_by
from . import levies, objection, recipient, reversals, store

COMMANDS = (
    CertifyStatement,
    OrderStatement,
    RaiseObjection,
    DecideObjection,
    WithdrawObjection,
    ReverseLevy,
    ReissueInvoice,
)

Command = (
    CertifyStatement
    | OrderStatement
    | RaiseObjection
    | DecideObjection
    | WithdrawObjection
    | ReverseLevy
    | ReissueInvoice
)


class Reviewing:
    """Decides what persons of members and of the office do with what is issued."""

    def __init__(self, register: MemberRegister) -> None:
        self._register = register
        self._office = register.office.id

    async def take(
        self, tx: AsyncConnection, messages: Sequence[Incoming], now: dt.datetime
    ) -> list[Outgoing]:
        """Decide commands in the order in which they came."""
        return [
            await self._decide(tx, message, message.data, now)
            for message in messages
            if isinstance(message.data, COMMANDS)
        ]

    async def _decide(
        self, tx: AsyncConnection, message: Incoming, command: Command, now: dt.datetime
    ) -> Outgoing:
        match command:
            case CertifyStatement():
                outcome = await self._certify(tx, message, command, now)
            case OrderStatement():
                outcome = await self._order(tx, message, command, now)
            case RaiseObjection():
                outcome = await self._raise(tx, message, command, now)
            case DecideObjection() | WithdrawObjection():
                outcome = await self._settle(tx, message, command, now)
            case ReverseLevy():
                outcome = await self._reverse(tx, message, command, now)
            case ReissueInvoice():
                outcome = await self._reissue(tx, message, command, now)
        return refuse(message, outcome) if isinstance(outcome, Rejected) else outcome

    def _person(self, message: Incoming, claim: Claim, duty: Duty, now: dt.datetime) -> Person | Rejected:
        return sent_by(self._register, message, claim, duty, now)

    # -- recipients -------------------------------------------------------------------------------

    async def _certify(
        self, tx: AsyncConnection, message: Incoming, command: CertifyStatement, now: dt.datetime
    ) -> Outgoing | Rejected:
        person = self._person(message, command.claim, Duty.CERTIFY, now)
        if isinstance(person, Rejected):
            return person
        found = await store.received(tx, command.period, message.sender)
        certified = recipient.certify(command, message.sender, found, person, now)
        if isinstance(certified, Rejected):
            return certified
        if not await store.certify(tx, certified, command.claim):
            # Somebody certified it meanwhile, which is known now.
            return await self._certify(tx, message, command, now)
        parties = {Audience.MEMBER: message.sender}
        return Outgoing(certified, cause=message, subject=certified.number, parties=parties)

    async def _order(
        self, tx: AsyncConnection, message: Incoming, command: OrderStatement, now: dt.datetime
    ) -> Outgoing | Rejected:
        person = self._person(message, command.claim, Duty.ORDER, now)
        if isinstance(person, Rejected):
            return person
        found = await store.received(tx, command.period, message.sender)
        ordered = recipient.order(command, message.sender, found, person, now)
        if isinstance(ordered, Rejected):
            return ordered
        await store.order(tx, ordered, command.claim)
        parties = {Audience.MEMBER: message.sender}
        return Outgoing(ordered, cause=message, subject=ordered.number, parties=parties)

    # -- objections -------------------------------------------------------------------------------

    async def _raise(
        self, tx: AsyncConnection, message: Incoming, command: RaiseObjection, now: dt.datetime
    ) -> Outgoing | Rejected:
        person = self._person(message, command.claim, Duty.OBJECT, now)
        if isinstance(person, Rejected):
            return person
        found = await store.charged(tx, command.period, command.line)
        if found is None:
            return objection.unknown_line(command)
        raised = objection.raise_(command, message.id, message.sender, found, self._register, person, now)
        if isinstance(raised, Rejected):
            return raised
        if not await store.raise_(tx, raised, found, command.claim):
            if await store.is_taken(tx, message.id):
                return rejected("objection_id_taken", "id", id=message.id)
            # Somebody objected meanwhile, which is known now.
            return await self._raise(tx, message, command, now)
        return _told(message, raised)

    async def _settle(
        self,
        tx: AsyncConnection,
        message: Incoming,
        command: DecideObjection | WithdrawObjection,
        now: dt.datetime,
    ) -> Outgoing | Rejected:
        person = self._person(message, command.claim, Duty.OBJECT, now)
        if isinstance(person, Rejected):
            return person
        found = await store.lock_objection(tx, command.objection_id)
        if found is not None and found.settled is None:
            # Whoever drafts may just be taking the line back: only then it is told what is left of it.
            await billing_store.closed_periods(tx, objection.months_after(found.raised.period, now))
            charged = await store.charged_of(tx, command.objection_id)
            found = dataclasses.replace(found, charged=charged)
        if found is None:
            return objection.unknown(command.objection_id)
        settled = (
            objection.decide(command, message.sender, found, person, now)
            if isinstance(command, DecideObjection)
            else objection.withdraw(command, message.sender, found, person, now)
        )
        if isinstance(settled, Rejected):
            return settled
        credit = await self._credit(tx, found, settled, now)
        await store.settle(tx, settled, credit, command.claim)
        return _told(message, settled)

    async def _credit(
        self, tx: AsyncConnection, found: objection.Standing, settled: ObjectionSettled, now: dt.datetime
    ) -> objection.Credit | None:
        if settled.state != "upheld":
            return None
        months = objection.months_after(settled.period, now)
        closed = await billing_store.closed_periods(tx, months)
        period = objection.next_run(months, closed)
        return objection.credit_of(found.charged, found.raised, settled, period)

    # -- levies -----------------------------------------------------------------------------------

    async def _reverse(
        self, tx: AsyncConnection, message: Incoming, command: ReverseLevy, now: dt.datetime
    ) -> Outgoing | Rejected:
        person = self._person(message, command.claim, Duty.APPROVE, now)
        if isinstance(person, Rejected):
            return person
        own = await reversals.period_of_levy(tx, command.levy_id)
        closed = await billing_store.closed_periods(tx, {command.period, own or command.period})
        found = await reversals.lock_levy(tx, command.levy_id)
        reversal = levies.reverse(command, found, person, office=self._office, closed=closed)
        if isinstance(reversal, Rejected):
            return reversal
        await reversals.save_reversal(tx, reversal, command.claim, now)
        return Outgoing(reversal.fact, cause=message, subject=command.levy_id)

    # -- documents --------------------------------------------------------------------------------

    async def _reissue(
        self, tx: AsyncConnection, message: Incoming, command: ReissueInvoice, now: dt.datetime
    ) -> Outgoing | Rejected:
        person = self._person(message, command.claim, Duty.APPROVE, now)
        if isinstance(person, Rejected):
            return person
        invoice = (await invoicing_store.named(tx, [command.number])).get(command.number)
        head = invoice.head if invoice is not None else None
        if (
            invoice is None
            or head is None
            or message.sender not in {head.issuer, head.recipient, self._office}
        ):
            return rejected("unknown_invoice", "number", number=command.number)
        if message.sender not in {head.issuer, self._office}:
            return rejected("not_your_invoice", "number", number=command.number, issuer=head.issuer)
        made = await invoicing_store.reissue(
            tx, invoice, register=self._register, reason=command.reason, now=now
        )
        if isinstance(made, Rejected):
            return made
        taken_back, replacement = made
        fact = InvoiceReissued(
            number=command.number,
            credit_note=taken_back.head.number,
            replacement=replacement.head.number,
            reason=command.reason,
            reissued_by=person.id,
            reissued_at=now,
        )
        await reversals.save_reissue(tx, fact, command.claim)
        parties = {Audience.CONSUMER: head.recipient, Audience.PROVIDER: head.issuer}
        return Outgoing(fact, cause=message, subject=fact.number, parties=parties)


def _told(message: Incoming, fact: ObjectionRaised | ObjectionSettled) -> Outgoing:
    return Outgoing(
        fact,
        cause=message,
        subject=fact.objection_id,
        parties={Audience.CONSUMER: fact.payer, Audience.PROVIDER: fact.payee},
    )
