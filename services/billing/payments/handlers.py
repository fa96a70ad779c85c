"""Commands about payments: netting, account statements, reminders; each decided for itself."""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.bodies import Duty, Person
from allmende.schemas.claims import Claim
from allmende.schemas.payments import (
    ArrangePayments,
    BankStatementBooked,
    NettingDone,
    PaymentArranged,
    PaymentReceived,
    ReminderSent,
    RemindersSent,
    ReportBankStatement,
    SendReminders,
)
from allmende.schemas.register import MemberRegister
from allmende.schemas.registry import Audience
from allmende.schemas.rejections import Rejected, rejected
from allmende.servicekit.messages import Incoming, Outgoing, refuse

from .. import store as billing_store
from ..ledger import store as ledger_store
from ..period import day_of, last_day_of, period_of, period_with
from ..persons import sent_by
from . import posting, store
from .matching import Receipt, match, reference_of, references_in
from .netting import Netted, net
from .reminders import remind

_AboutPayment = TypeVar("_AboutPayment", PaymentArranged, PaymentReceived, ReminderSent)


class Paying:
    """Nets what is due, marks what is paid, reminds of what is not."""

    def __init__(self, register: MemberRegister) -> None:
        self._register = register
        self._office = register.office.id

    async def take(
        self, tx: AsyncConnection, messages: Sequence[Incoming], now: dt.datetime
    ) -> list[Outgoing]:
        """Decide commands about payments in their order; others are passed over."""
        facts: list[Outgoing] = []
        # All payments at once and in one order: who holds one and waits for another is waited for by nobody.
        reports = [message.data for message in messages if isinstance(message.data, ReportBankStatement)]
        await store.lock_named(tx, {name for each in reports for name in _named(each)})
        for message in messages:
            match message.data:
                case ArrangePayments() as command:
                    facts += await self._arrange(tx, message, command, now)
                case ReportBankStatement() as command:
                    facts += await self._report(tx, message, command, now)
                case SendReminders() as command:
                    facts += await self._remind(tx, message, command, now)
        return facts

    def _treasurer(self, message: Incoming, claim: Claim, now: dt.datetime) -> Person | Rejected:
        return sent_by(self._register, message, claim, Duty.TREASURY, now)

    # -- netting ----------------------------------------------------------------------------------

    async def _arrange(
        self, tx: AsyncConnection, message: Incoming, command: ArrangePayments, now: dt.datetime
    ) -> list[Outgoing]:
        person = self._treasurer(message, command.claim, now)
        if isinstance(person, Rejected):
            return [refuse(message, person)]
        found = await store.lock_items(tx, command.due_by)
        if not found.items:
            return [refuse(message, rejected("nothing_to_net", "due_by", day=command.due_by))]
        rules = self._register.rules_on(command.due_by)
        netted = net(
            found.items, rules.netting, office=self._office, agreements=rules.offsetting, on=command.due_by
        )
        done = NettingDone(
            netting_id=message.id,
            method=rules.netting,
            due_by=command.due_by,
            gross_cents=netted.gross_cents,
            offset_cents=netted.gross_cents - netted.payable_cents,
            payable_cents=netted.payable_cents,
            items=len(netted.items),
            disputed=found.disputed,
            payments=len(netted.payments),
            positions=tuple(netted.positions.items()),
            arranged_by=person.id,
            arranged_at=now,
        )
        payments = _payments(done, netted)
        await store.save_netting(
            tx, done, command.claim, {(each.debtor, each.creditor): each for each in payments}, netted.items
        )
        entries = posting.netted(done.netting_id, day_of(now), netted, self._office)
        await ledger_store.append(tx, entries, now)
        told = [_told(each, message) for each in payments]
        return [*told, Outgoing(done, cause=message, subject=done.netting_id)]

    # -- account statements -----------------------------------------------------------------------

    async def _report(
        self, tx: AsyncConnection, message: Incoming, command: ReportBankStatement, now: dt.datetime
    ) -> list[Outgoing]:
        member = self._register.find(message.sender)
        if member is None or member.body is None or member.body.iban != command.iban:
            why = rejected("not_your_account", "iban", iban=command.iban, member=message.sender)
            return [refuse(message, why)]
        # The payments are held before what was booked is read: the same entry may be told twice at once.
        payments = await store.lock_named(tx, _named(command))
        known = await store.known_entries(tx, command.iban, (entry.entry_id for entry in command.entries))
        matched = match(command.entries, member.id, payments=payments, known=known, today=day_of(now))
        await store.save_receipts(
            tx,
            matched.receipts,
            iban=command.iban,
            member=member.id,
            statement_id=command.statement_id,
            now=now,
        )
        moved = [each for each in matched.receipts if each.after.paid_cents != each.before.paid_cents]
        await self._post(tx, moved, command.iban, now)
        booked = BankStatementBooked(
            iban=command.iban,
            statement_id=command.statement_id,
            matched=len(matched.receipts),
            repeated=matched.repeated,
            unmatched=matched.unmatched,
        )
        told = [_told(_received(each), message) for each in moved]
        return [*told, Outgoing(booked, cause=message, subject=command.statement_id)]

    @staticmethod
    async def _post(tx: AsyncConnection, moved: Sequence[Receipt], iban: str, now: dt.datetime) -> None:
        """Post on the bank's day, or today where its month is closed or the day is before the netting."""
        periods = {period_with(each.entry.booked_on) for each in moved}
        closed = await billing_store.closed_periods(tx, sorted(periods)) if periods else set()
        entries = []
        for each in moved:
            payment, day = each.after.payment, each.entry.booked_on
            if period_with(day) in closed or day < day_of(payment.arranged_at):
                day = day_of(now)
            id_ = posting.entry_id_of(payment, iban, each.entry.entry_id)
            entries.append(posting.paid(payment, each.after.paid_cents - each.before.paid_cents, id_, day))
        await ledger_store.append(tx, entries, now)

    # -- reminders --------------------------------------------------------------------------------

    async def _remind(
        self, tx: AsyncConnection, message: Incoming, command: SendReminders, now: dt.datetime
    ) -> list[Outgoing]:
        person = self._treasurer(message, command.claim, now)
        if isinstance(person, Rejected):
            return [refuse(message, person)]
        if command.as_of > day_of(now):
            return [refuse(message, rejected("reminder_in_future", "as_of", day=command.as_of))]
        rules = self._register.rules_on(command.as_of)
        sent: list[ReminderSent] = []
        for overdue in await store.lock_overdue(tx, command.as_of):
            reminder = remind(overdue, rules, command.as_of)
            if isinstance(reminder, Rejected):
                return [refuse(message, reminder)]
            if reminder is not None:
                sent.append(reminder)
        if sent:
            period = await _open_period(tx, now)
            await store.save_reminders(
                tx, sent, period=period, as_of=command.as_of, claim=command.claim, now=now
            )
        done = RemindersSent(
            as_of=command.as_of,
            reminders=len(sent),
            fees_cents=sum(each.fee_cents for each in sent),
            late_charges_cents=sum(each.late_charge_cents for each in sent),
        )
        told = [_told(each, message) for each in sent]
        return [*told, Outgoing(done, cause=message, subject=command.as_of.isoformat())]


def _named(command: ReportBankStatement) -> set[str]:
    return {reference for entry in command.entries for reference in references_in(entry)}


def _payments(done: NettingDone, netted: Netted) -> list[PaymentArranged]:
    ids = [
        str(uuid.uuid5(uuid.UUID(done.netting_id), f"{each.debtor}/{each.creditor}"))
        for each in netted.payments
    ]
    return [
        PaymentArranged(
            payment_id=id_,
            netting_id=done.netting_id,
            debtor=each.debtor,
            creditor=each.creditor,
            amount_cents=each.cents,
            reference=reference_of(id_),
            due_on=max(done.due_by, day_of(done.arranged_at)),
            items=each.documents,
            arranged_at=done.arranged_at,
        )
        for id_, each in zip(ids, netted.payments, strict=True)
    ]


def _received(receipt: Receipt) -> PaymentReceived:
    payment = receipt.after.payment
    return PaymentReceived(
        payment_id=payment.payment_id,
        reference=payment.reference,
        debtor=payment.debtor,
        creditor=payment.creditor,
        amount_cents=receipt.after.paid_cents - receipt.before.paid_cents,
        open_cents=receipt.after.open_cents,
        paid_on=receipt.entry.booked_on,
    )


def _told(fact: _AboutPayment, message: Incoming) -> Outgoing:
    parties: dict[Audience, str | tuple[str, ...]] = {
        Audience.CONSUMER: fact.debtor,
        Audience.PROVIDER: fact.creditor,
    }
    return Outgoing(fact, cause=message, subject=fact.reference, parties=parties)


async def _open_period(tx: AsyncConnection, now: dt.datetime) -> str:
    """Find the first period from now on whose lines are not collected yet, and keep it open."""
    period = period_of(now)
    while await billing_store.closed_periods(tx, [period]):
        period = period_with(last_day_of(period) + dt.timedelta(days=1))
    return period
