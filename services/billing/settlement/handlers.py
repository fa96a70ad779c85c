"""Steps of settlement runs: drafted, decided on, reviewed, approved. Each is one transaction."""

import datetime as dt
from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.billing import ChargeLine
from allmende.schemas.bodies import Duty, Person
from allmende.schemas.claims import Claim
from allmende.schemas.permissions import Role
from allmende.schemas.register import MemberRegister
from allmende.schemas.registry import Audience
from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.settlements import (
    AlertsSettled,
    ApproveSettlement,
    DraftSettlement,
    ReviewSettlement,
    RunAlert,
    SettleAlerts,
    SettlementReviewed,
)
from allmende.servicekit.messages import Incoming, Outgoing, refuse

from .. import store as billing_store
from ..invoicing import budget, tax
from ..invoicing import store as invoicing_store
from ..invoicing.invoice import invoices_of
from ..payments import store as payments_store
from ..period import day_of, last_day_of
from ..persons import sent_by
from ..pools import store as pools_store
from ..rating import store as rating_store
from ..review import store as review_store
from ..usage.handlers import Recording
from . import alerts, collecting, levy, run, run_alerts, runs, statements, store
from .run import Run
from .run_alerts import Carried, Notified
from .statements import Parties

COMMANDS = (DraftSettlement, SettleAlerts, ReviewSettlement, ApproveSettlement)


class Settling:
    """Takes runs from step to step. What it remembers between them are tariffs, which never change."""

    def __init__(self, register: MemberRegister, recording: Recording) -> None:
        self._register = register
        members = sorted(each.id for each in register.members if each.role is not Role.OFFICE)
        self._parties = Parties(members, register.office.id)
        self._recording = recording
        self._tariffs = rating_store.Tariffs()

    async def take(
        self, tx: AsyncConnection, messages: Sequence[Incoming], now: dt.datetime
    ) -> list[Outgoing]:
        """Decide commands in the order in which they came."""
        facts: list[Outgoing] = []
        for message in messages:
            if not isinstance(message.data, COMMANDS):
                continue
            await runs.serialize(tx)
            outcome = await self._step(tx, message, now)
            facts += [refuse(message, outcome)] if isinstance(outcome, Rejected) else outcome
        return facts

    async def _step(
        self, tx: AsyncConnection, message: Incoming, now: dt.datetime
    ) -> list[Outgoing] | Rejected:
        match message.data:
            case DraftSettlement() as command:
                return await self._draft(tx, message, command, now)
            case SettleAlerts() as command:
                return await self._decide(tx, message, command, now)
            case ReviewSettlement() as command:
                return await self._review(tx, message, command, now)
            case ApproveSettlement() as command:
                return await self._approve(tx, message, command, now)
            case other:
                raise TypeError(f"{type(other).__name__} is no step of a run")

    def _acting(self, message: Incoming, claim: Claim, duty: Duty, now: dt.datetime) -> Person | Rejected:
        return sent_by(self._register, message, claim, duty, now)

    # -- drafting ---------------------------------------------------------------------------------

    async def _draft(
        self, tx: AsyncConnection, message: Incoming, command: DraftSettlement, now: dt.datetime
    ) -> list[Outgoing] | Rejected:
        """Collect a period, or undo its draft and collect it again."""
        period = command.period
        # Whoever adds to the period waits from here on, and then finds it collected.
        closed = await billing_store.lock_period(tx, period)
        before = await runs.find(tx, period)
        refusal = run.refuse_draft(
            command, before, closed=closed, open_period=await runs.open_period(tx), now=now
        )
        if refusal is not None:
            return refusal
        notified: set[Notified] = set()
        if before is not None:
            notified = await runs.told(tx, before.settlement_id)
            await runs.undo(tx, before)
        refusals = await self._recording.before_closing(tx, period, now)
        flat, dues = await collecting.flat_lines(tx, period)
        used = await collecting.charge_usage(tx, self._tariffs, period, flat, now)
        levies = await store.levies_of(tx, period)
        fresh = [
            *used.lines,
            *flat,
            *await pools_store.lines_of(tx, period),
            *await review_store.lines_of(tx, period),
            *await payments_store.lines_of(tx, period),
            *(line for each in levies for line in levy.lines_of(each, self._parties.clearing_house)),
        ]
        lines, carried = _numbered(fresh, await runs.to_carry(tx))
        lines, found = await self._treated(tx, period, lines, carried)
        raised = [*alerts.of_usage(used.held), *alerts.of_dues(dues, period)]
        found = run_alerts.numbered([*found, *run_alerts.of_unpriced(raised)])
        held = {each.line for each in found if each.line is not None}
        drafted = Run(
            settlement_id=before.settlement_id if before is not None else message.id,
            period=period,
            state="draft",
            revision=before.revision + 1 if before is not None else 1,
            drafted_first=before.drafted_first if before is not None else now,
            grace_until=run.grace_until(period, self._register.rules_on(last_day_of(period))),
        )
        day = day_of(now)
        charged = [line for line in lines if line.line not in held]
        rules = self._register.rules_on(day)
        invoices = invoices_of(drafted.settlement_id, period, charged, self._register, rules, day)
        told = statements.draft(
            drafted,
            lines,
            held,
            statements.obligations_of(invoices, self._register, period),
            self._parties,
            usage_records=used.records,
            late_records=await runs.late_records(tx, drafted) if before is not None else 0,
            alerts=len(found),
            now=now,
        )
        await runs.save_draft(tx, drafted, told, command.reason)
        await store.save_lines(tx, drafted.settlement_id, lines, carried)
        await runs.save_carried(tx, drafted.settlement_id, carried)
        await runs.save_alerts(tx, drafted.settlement_id, found)
        await billing_store.close_period(tx, period, now)
        to_providers = [
            Outgoing(each, subject=each.booking_id, parties={Audience.PROVIDER: each.provider})
            for each in raised
            if Notified.of(each) not in notified
        ]
        return [*refusals, *to_providers, Outgoing(told, cause=message, subject=period)]

    async def _treated(
        self, tx: AsyncConnection, period: str, lines: Sequence[ChargeLine], carried: Mapping[int, Carried]
    ) -> tuple[list[ChargeLine], list[RunAlert]]:
        """Decide on VAT and budget items of lines, and find what somebody has to decide on."""
        again = {number - 1: each for number, each in carried.items()}
        treated, undecided = tax.treated(lines, self._register)
        back = run_alerts.balanced(lines, again)
        for place, standing in back.items():
            treated[place] = treated[place].model_copy(update={"tax": treated[standing].tax})
        booked = budget.booked(treated, self._register)
        spent = await invoicing_store.spent_in(tx, int(period[:4]), self._register)
        rule = self._register.rules_on(last_day_of(period)).jump
        previous = await runs.previous(tx, period) if rule is not None else {}
        # What sums to zero needs nobody's decision.
        settled = {*back, *back.values()}
        over = budget.overruns(booked, spent, self._register)
        found = run_alerts.of_lines(
            booked,
            carried={place: each for place, each in again.items() if place not in settled},
            undecided=[place for place in undecided if place not in settled],
            overruns=[each for each in over if each[0] not in settled],
            unusual=run_alerts.jumps(booked, previous, rule, without={*again, *settled}),
        )
        return booked, found

    # -- deciding, reviewing ----------------------------------------------------------------------

    async def _decide(
        self, tx: AsyncConnection, message: Incoming, command: SettleAlerts, now: dt.datetime
    ) -> list[Outgoing] | Rejected:
        found = await runs.find(tx, command.period)
        named = await runs.alerts_named(tx, found.settlement_id, command.alerts) if found else {}
        refusal = run.refuse_decision(command, found, named)
        if refusal is not None or found is None:
            return refusal or run.no_run(command.period)
        person = self._acting(message, command.claim, Duty.REVIEW, now)
        if isinstance(person, Rejected):
            return person
        left = await runs.decide(
            tx, found, command.alerts, command.decision, command.reason, command.claim, now
        )
        told = AlertsSettled(
            settlement_id=found.settlement_id,
            period=found.period,
            alerts=command.alerts,
            decision=command.decision,
            person=person.id,
            reason=command.reason,
            open=left,
        )
        return [Outgoing(told, cause=message, subject=found.period)]

    async def _review(
        self, tx: AsyncConnection, message: Incoming, command: ReviewSettlement, now: dt.datetime
    ) -> list[Outgoing] | Rejected:
        found = await runs.find(tx, command.period)
        refusal = run.refuse_review(command, found, now)
        if refusal is not None or found is None:
            return refusal or run.no_run(command.period)
        person = self._acting(message, command.claim, Duty.REVIEW, now)
        if isinstance(person, Rejected):
            return person
        await runs.review(tx, found, command.claim, now)
        told = SettlementReviewed(
            settlement_id=found.settlement_id,
            period=found.period,
            revision=found.revision,
            reviewed_by=person.id,
            reviewed_at=now,
        )
        return [Outgoing(told, cause=message, subject=found.period)]

    # -- issuing ----------------------------------------------------------------------------------

    async def _approve(
        self, tx: AsyncConnection, message: Incoming, command: ApproveSettlement, now: dt.datetime
    ) -> list[Outgoing] | Rejected:
        """Issue a run: documents, statements, positions and entries, all of them or none."""
        found = await runs.find(tx, command.period)
        refusal = run.refuse_approval(
            command,
            found,
            open_alerts=await runs.open_alerts(tx, found.settlement_id) if found else 0,
            decided_since=await runs.decided_since(tx, found.settlement_id) if found else (),
        )
        if refusal is not None or found is None:
            return refusal or run.no_run(command.period)
        person = self._acting(message, command.claim, Duty.APPROVE, now)
        if isinstance(person, Rejected):
            return person
        lines, held = await runs.lines(tx, found.settlement_id)
        charged = [line for line in lines if line.line not in held]
        if gone := tax.forgotten(charged, self._register):
            rule = gone[0].tax.rule if gone[0].tax else ""
            about = {"rule": rule, "payee": gone[0].payee, "line": gone[0].line}
            return rejected("treatment_forgotten", "period", **about)
        invoices = await invoicing_store.issue(
            tx,
            settlement_id=found.settlement_id,
            period=found.period,
            lines=charged,
            register=self._register,
            now=now,
        )
        issued = statements.issue(
            found,
            lines,
            held,
            statements.obligations_of(invoices, self._register, found.period, final=True),
            self._parties,
            usage_records=await runs.usage_records(tx, found.settlement_id),
            approved_by=person.id,
            now=now,
        )
        await store.save_issued(tx, issued)
        await runs.issue(tx, found, issued.settlement, command.claim, now)
        told = [
            Outgoing(each, cause=message, subject=each.number, parties={Audience.MEMBER: each.member})
            for each in issued.statements
        ]
        return [*told, Outgoing(issued.settlement, cause=message, subject=found.period)]


def _numbered(
    fresh: Sequence[ChargeLine], held: Sequence[Carried]
) -> tuple[list[ChargeLine], dict[int, Carried]]:
    """Number the lines of a run, and tell by number which of them come up again."""
    lines = [*fresh, *(each.again() for each in held)]
    places = statements.in_order(lines)
    numbered = [lines[place].model_copy(update={"line": n}) for n, place in enumerate(places, 1)]
    first = len(fresh)
    carried = {n: held[place - first] for n, place in enumerate(places, 1) if place >= first}
    return numbered, carried
