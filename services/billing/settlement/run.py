"""What may happen to a settlement run in which state, and by whom.

draft ──► in_review ──► issued
  ▲           │
  └───────────┘  drafted anew, for a reason

What a run collects rests on every run before it. So one run at a time is not issued, and whoever drafts it
anew takes nothing away from under another.
"""

import dataclasses
import datetime as dt
from collections.abc import Collection, Mapping

from allmende.schemas.register import SettlementRules
from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.settlements import (
    ApproveSettlement,
    DraftSettlement,
    ReviewSettlement,
    RunAlert,
    RunState,
    SettleAlerts,
)

from ..period import day_of, last_day_of, midnight, period_of


@dataclasses.dataclass(frozen=True)
class Run:
    """A run as it stands.

    Attributes:
        drafted_first: what of its period came later is late, even if a later draft contains it.
        reviewed_by: a person of the office.
    """

    settlement_id: str
    period: str
    state: RunState
    revision: int
    drafted_first: dt.datetime
    grace_until: dt.datetime
    reviewed_by: str | None = None


def grace_until(period: str, rules: SettlementRules) -> dt.datetime:
    """Tell until when the run of a period stays a draft, by the rules of its last day."""
    return midnight(last_day_of(period) + dt.timedelta(days=1 + rules.grace_days))


def refuse_draft(
    command: DraftSettlement, run: Run | None, *, closed: bool, open_period: str | None, now: dt.datetime
) -> Rejected | None:
    """Refuse to collect a period.

    Args:
        command: which period, and why anew.
        run: its run, if it was drafted before.
        closed: whether the period takes no more charges.
        open_period: the period whose run is not issued, if there is one.
        now: the period must be over by then.
    """
    period = command.period
    if run.state == "issued" if run is not None else closed:
        return rejected("period_closed", "period", period=period)
    if period >= period_of(now):
        return rejected("period_not_over", "period", period=period)
    if open_period is not None and open_period != period:
        return rejected("another_run_open", "period", period=open_period)
    if run is not None and run.state == "in_review" and command.reason is None:
        return rejected("redraft_without_reason", "reason", period=period)
    return None


def refuse_decision(
    command: SettleAlerts, run: Run | None, alerts: Mapping[int, RunAlert]
) -> Rejected | None:
    """Refuse to decide on alerts.

    Args:
        command: which and how.
        run: of the period.
        alerts: of the run, by number; those that are named suffice.
    """
    if run is None or run.state == "issued":
        return _not_open(command.period, run)
    for number in command.alerts:
        if number not in alerts:
            return rejected("unknown_alert", "alerts", alert=number, period=command.period)
        if command.decision == "released" and alerts[number].line is None:
            return rejected("nothing_to_release", "alerts", alert=number)
    return None


def refuse_review(command: ReviewSettlement, run: Run | None, now: dt.datetime) -> Rejected | None:
    """Refuse to take a draft as right."""
    if run is None or run.state == "issued":
        return _not_open(command.period, run)
    if run.revision != command.revision:
        return _another_revision(run, command.revision)
    if run.state == "in_review":
        return rejected("run_reviewed", "period", period=run.period)
    if now < run.grace_until:
        day = day_of(run.grace_until) - dt.timedelta(days=1)
        return rejected("run_in_grace", "period", period=run.period, until=day)
    return None


def refuse_approval(
    command: ApproveSettlement, run: Run | None, *, open_alerts: int, decided_since: Collection[str]
) -> Rejected | None:
    """Refuse to issue a run.

    Args:
        command: which draft, and who approves it.
        run: of the period.
        open_alerts: how many are not decided on.
        decided_since: who decided on alerts after the review, which nobody has reviewed.
    """
    if run is None or run.state == "issued":
        return _not_open(command.period, run)
    if run.revision != command.revision:
        return _another_revision(run, command.revision)
    if run.state == "draft":
        return rejected("run_not_reviewed", "period", period=run.period)
    if command.claim.person in {run.reviewed_by, *decided_since}:
        return rejected("same_person", "claim.person", person=command.claim.person)
    if open_alerts:
        return rejected("alerts_open", "period", count=open_alerts, period=run.period)
    return None


def no_run(period: str) -> Rejected:
    """Say that a period was never drafted."""
    return rejected("no_run", "period", period=period)


def _not_open(period: str, run: Run | None) -> Rejected:
    return no_run(period) if run is None else rejected("run_issued", "period", period=period)


def _another_revision(run: Run, named: int) -> Rejected:
    return rejected("run_revision_changed", "revision", period=run.period, revision=run.revision, named=named)
