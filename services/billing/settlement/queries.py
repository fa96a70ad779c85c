"""What is told of runs, statements and lines. Members see what is issued, and of that what is theirs."""

from collections import Counter
from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.billing import (
    ChargeLine,
    ListSettlements,
    SettlementClosed,
    Settlements,
    ShowStatement,
    Statement,
    StatementIssued,
)
from allmende.schemas.register import MemberRegister
from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.settlements import (
    CompareStatements,
    ExplainLine,
    LineStory,
    ListAlerts,
    Matrix,
    MatrixCell,
    Run,
    RunAlerts,
    RunState,
    ShowMatrix,
    ShowRun,
    StatementComparison,
)
from allmende.servicekit.queries import Answer, Caller, fitting

from ..invoicing.invoice import invoices_of
from ..invoicing.tax import treatments_in
from ..ledger.entries import Obligation
from ..period import day_of
from ..review import objection
from ..review import store as review_store
from . import runs, statements, store, stories
from .run import no_run
from .stories import About


async def list_settlements(
    connection: AsyncConnection, caller: Caller, asked: ListSettlements
) -> Settlements:
    """The settlements; a member sees the sums and its own position."""
    found = await store.settlements(connection, asked.limit + 1, asked.after)
    if not caller.sees_all:
        found = [
            each.model_copy(
                update={"positions": tuple(p for p in each.positions if p.party == caller.member)}
            )
            for each in found
        ]
    page = found[: min(asked.limit, fitting(found))]
    return Settlements(
        settlements=tuple(page), next_after=page[-1].period if len(found) > len(page) else None
    )


class Answers:
    """Answers that need the register."""

    def __init__(self, register: MemberRegister) -> None:
        self._register = register
        self._treatments = treatments_in(register)

    async def show_run(self, connection: AsyncConnection, caller: Caller, asked: ShowRun) -> Run | Rejected:
        """A run with its history and the sums of the period before."""
        found = await self._about(connection, caller, asked.period)
        if isinstance(found, Rejected):
            return found
        sums = statements.Totals(found.told.charges_cents, found.told.levies_cents, found.told.tax_cents)
        if found.state != "issued" and found.released:
            lines, held = await runs.lines(connection, found.settlement_id)
            charged = [line for line in lines if line.line not in held]
            owed = self._owed(found, asked.period, charged)
            sums = statements.totals(charged, owed, self._register.office.id)
        before = await stories.issued_before(connection, asked.period)
        return Run(
            settlement_id=found.settlement_id,
            period=asked.period,
            state=found.state,
            revision=found.revision,
            drafted_at=found.drafted_at,
            grace_until=found.grace_until or found.drafted_at,
            redraft_reason=found.redraft_reason,
            reviewed_by=found.reviewed_by,
            reviewed_at=found.reviewed_at,
            approved_by=found.approved_by,
            issued_at=found.issued_at,
            charges_cents=sums.charges_cents,
            levies_cents=sums.levies_cents,
            tax_cents=sums.tax_cents,
            lines=found.told.lines,
            held_lines=found.held_lines,
            late_records=found.late_records,
            alerts=found.alerts,
            open_alerts=found.open_alerts,
            previous_period=before.period if before is not None else None,
            previous_charges_cents=before.charges_cents if before is not None else None,
            previous_levies_cents=before.levies_cents if before is not None else None,
        )

    async def list_alerts(
        self, connection: AsyncConnection, caller: Caller, asked: ListAlerts
    ) -> RunAlerts | Rejected:
        """The alerts of a run; providers see those of their own lines."""
        about = await self._about(connection, caller, asked.period)
        if isinstance(about, Rejected):
            return about
        found = await stories.alerts(
            connection,
            asked.period,
            provider=None if caller.sees_all else caller.member,
            open_only=asked.open_only,
            after=asked.after,
            limit=asked.limit + 1,
        )
        page = found[: min(asked.limit, fitting(found))]
        return RunAlerts(alerts=tuple(page), next_after=page[-1].alert if len(found) > len(page) else None)

    async def show_matrix(
        self, connection: AsyncConnection, caller: Caller, asked: ShowMatrix
    ) -> Matrix | Rejected:
        """Who charges whom; a member sees its own row and column."""
        found = await self._about(connection, caller, asked.period)
        if isinstance(found, Rejected):
            return found
        taxes: Mapping[tuple[str, str], int]
        if found.state == "issued":
            taxes = await stories.tax_of(connection, found.settlement_id)
        else:
            lines, held = await runs.lines(connection, found.settlement_id)
            sums: Counter[tuple[str, str]] = Counter()
            for each in self._owed(found, asked.period, [x for x in lines if x.line not in held]):
                sums[each.payee, each.payer] += each.tax_cents
            taxes = sums
        member = None if caller.sees_all else caller.member
        cells = tuple(
            MatrixCell(
                provider=provider,
                consumer=consumer,
                charges_cents=charges,
                levies_cents=levies,
                tax_cents=taxes.get((provider, consumer), 0),
                lines=count,
            )
            for provider, consumer, charges, levies, count in await stories.pairs(
                connection, found.settlement_id, member
            )
        )
        return Matrix(period=asked.period, state=found.state, cells=cells)

    async def show_statement(
        self, connection: AsyncConnection, caller: Caller, asked: ShowStatement
    ) -> Statement | Rejected:
        """A statement with a page of its lines; before it is issued, as it would be."""
        member = asked.member or caller.member
        if member != caller.member and not caller.sees_all:
            return rejected("not_yours", "member", member=member)
        state: RunState = "issued"
        found = await store.statement(connection, asked.period, member)
        if found is None and caller.sees_all:
            about = await stories.about(connection, asked.period)
            if about is not None and not isinstance(about.told, SettlementClosed):
                state, found = about.state, await self._drafted(connection, about, asked.period, member)
        if found is None:
            return rejected("no_statement", member=member, period=asked.period)
        lines = await store.lines(
            connection, period=asked.period, member=member, after=asked.after, limit=asked.limit + 1
        )
        page = lines[: min(asked.limit, fitting(line for line, _ in lines))]
        return Statement(
            state=state,
            statement=found,
            lines=tuple(line for line, _ in page),
            held=tuple(line.line for line, held in page if held),
            next_after=page[-1][0].line if len(lines) > len(page) else None,
        )

    async def _drafted(
        self, connection: AsyncConnection, about: About, period: str, member: str
    ) -> StatementIssued | None:
        """State a member's side of a run as it would be issued now."""
        places = [position.party for position in about.told.positions]
        if member not in places:
            return None
        found = await store.lines(connection, period=period, member=member, after=0, limit=None)
        owed = self._owed(about, period, [line for line, held in found if not held])
        return statements.as_drafted(
            about.settlement_id,
            period,
            member,
            owed,
            number=places.index(member) + 1,
            clearing_house=self._register.office.id,
            drafted_at=about.drafted_at,
        )

    async def compare(
        self, connection: AsyncConnection, caller: Caller, asked: CompareStatements
    ) -> StatementComparison | Rejected:
        """A statement by service, beside an earlier one."""
        member = asked.member or caller.member
        if member != caller.member and not caller.sees_all:
            return rejected("not_yours", "member", member=member)
        against = asked.against
        if against is None:
            before = await stories.issued_before(connection, asked.period)
            against = before.period if before is not None else None
        for period in (asked.period, against):
            about = await self._about(connection, caller, period) if period is not None else None
            if isinstance(about, Rejected):
                return about
        found = await stories.services(
            connection,
            period=asked.period,
            against=against,
            member=member,
            after=asked.after,
            limit=asked.limit + 1,
        )
        page = found[: min(asked.limit, fitting(found))]
        return StatementComparison(
            period=asked.period,
            against=against,
            member=member,
            services=tuple(page),
            next_after=asked.after + len(page) if len(found) > len(page) else None,
        )

    async def explain(
        self, connection: AsyncConnection, caller: Caller, asked: ExplainLine
    ) -> LineStory | Rejected:
        """A line down to its records, a page of these at a time."""
        member = asked.member or caller.member
        if member != caller.member and not caller.sees_all:
            return rejected("not_yours", "member", member=member)
        told = await stories.line(connection, asked.period, asked.line, member)
        if told is None or (told.state != "issued" and not caller.sees_all):
            return rejected("unknown_line", "line", line=asked.line)
        line = told.line
        priced = await stories.priced_by(connection, line)
        meter = priced.component.measure if priced is not None and line.billing == "usage" else None
        records = (
            await stories.records(connection, told, meter, after=asked.after, limit=asked.limit + 1)
            if meter is not None
            else ()
        )
        page = records[: min(asked.limit, fitting(records))]
        booking = await stories.booking(connection, line.booking_id) if line.booking_id else None
        related = [
            *await stories.related(connection, told, sees_all=caller.sees_all),
            *await review_store.related(connection, told.settlement_id, line, sees_all=caller.sees_all),
        ]
        charged, last = await review_store.objected(connection, asked.period, asked.line)
        objection_id, objection_state = last or (None, None)
        return LineStory(
            period=asked.period,
            state=told.state,
            line=line,
            invoice_number=told.invoice_number,
            treatment=self._treatments.get((line.payee, line.tax)) if line.tax is not None else None,
            priced_by=priced,
            booking=booking,
            related=tuple(related),
            records=tuple(page),
            next_after=asked.after + len(page) if len(records) > len(page) else None,
            objection_id=objection_id,
            objection_state=objection_state,
            objection_until=objection.possible_until(charged, self._register) if charged else None,
        )

    async def _about(self, connection: AsyncConnection, caller: Caller, period: str) -> About | Rejected:
        found = await stories.about(connection, period)
        if found is None or (found.state != "issued" and not caller.sees_all):
            return no_run(period)
        return found

    def _owed(self, about: About, period: str, lines: list[ChargeLine]) -> list[Obligation]:
        """Find what would be owed if a run were issued now."""
        day = day_of(about.drafted_at)
        rules = self._register.rules_on(day)
        invoices = invoices_of(about.settlement_id, period, lines, self._register, rules, day)
        return statements.obligations_of(invoices, self._register, period)


def answers(register: MemberRegister) -> Mapping[str, Answer]:
    """What answers each question."""
    found = Answers(register)
    return {
        "billing.settlement.list": list_settlements,
        "billing.settlement.show": found.show_run,
        "billing.settlement.alerts": found.list_alerts,
        "billing.settlement.matrix": found.show_matrix,
        "billing.statement.show": found.show_statement,
        "billing.statement.compare": found.compare,
        "billing.line.explain": found.explain,
    }
