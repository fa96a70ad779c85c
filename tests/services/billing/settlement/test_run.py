"""What may happen to a run in which state, purely."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from support.bodies import UNSIGNED
from support.builders import NOW, uid

from allmende.schemas.register import FOUNDING
from allmende.schemas.rejections import Rejected
from allmende.schemas.settlements import (
    ApproveSettlement,
    DraftSettlement,
    ReviewSettlement,
    RunAlert,
    RunState,
    SettleAlerts,
)
from allmende.services.billing.settlement import run
from allmende.services.billing.settlement.run import Run

BERLIN = ZoneInfo("Europe/Berlin")
MAY = dt.datetime(2026, 5, 1, tzinfo=BERLIN)
ANNA, BELA = (UNSIGNED.model_copy(update={"person": name}) for name in ("anna", "bela"))
HELD = RunAlert(alert=1, kind="charge_held", provider="lrz", message_de="-", message_en="-")
LINE = HELD.model_copy(update={"alert": 2, "kind": "unusual_jump", "line": 7})


def stands(state: RunState, revision: int = 2, reviewed_by: str | None = None) -> Run:
    return Run(uid(1), "2026-04", state, revision, MAY, MAY + dt.timedelta(days=10), reviewed_by)


def code(refusal: Rejected | None) -> str | None:
    if refusal is None:
        return None
    assert all(refusal.sentences)
    return refusal.code


@pytest.mark.parametrize(
    ("period", "found", "reason", "closed", "open_period", "now", "expected"),
    [
        ("2026-04", None, None, False, None, MAY, None),
        ("2026-04", None, None, False, None, MAY - dt.timedelta(seconds=1), "period_not_over"),
        ("2150-01", None, None, False, None, NOW, "period_not_over"),
        ("2026-04", None, None, True, None, NOW, "period_closed"),
        ("2026-04", "issued", "Fehler", True, None, NOW, "period_closed"),
        ("2026-05", None, None, False, "2026-04", NOW, "another_run_open"),
        ("2026-03", None, None, False, "2026-04", NOW, "another_run_open"),
        ("2026-04", "draft", None, True, "2026-04", NOW, None),
        ("2026-04", "in_review", None, True, "2026-04", NOW, "redraft_without_reason"),
        ("2026-04", "in_review", "Nachzügler", True, "2026-04", NOW, None),
    ],
)
def test_drafting(
    period: str,
    found: RunState | None,
    reason: str | None,
    closed: bool,
    open_period: str | None,
    now: dt.datetime,
    expected: str | None,
) -> None:
    command = DraftSettlement(period=period, reason=reason)
    standing = stands(found) if found else None
    refusal = run.refuse_draft(command, standing, closed=closed, open_period=open_period, now=now)
    assert code(refusal) == expected


@pytest.mark.parametrize(
    ("state", "alerts", "decision", "expected"),
    [
        (None, (1,), "held", "no_run"),
        ("issued", (1,), "held", "run_issued"),
        ("draft", (1, 2), "held", None),
        ("in_review", (2,), "released", None),
        ("draft", (1, 2), "released", "nothing_to_release"),
        ("draft", (2, 3), "held", "unknown_alert"),
    ],
)
def test_deciding(
    state: RunState | None, alerts: tuple[int, ...], decision: str, expected: str | None
) -> None:
    command = SettleAlerts.model_validate(
        {"period": "2026-04", "alerts": alerts, "decision": decision, "reason": "-", "claim": ANNA}
    )
    assert (
        code(run.refuse_decision(command, stands(state) if state else None, {1: HELD, 2: LINE})) == expected
    )


@pytest.mark.parametrize(
    ("state", "revision", "days", "expected"),
    [
        (None, 2, 10, "no_run"),
        ("issued", 2, 10, "run_issued"),
        ("in_review", 2, 10, "run_reviewed"),
        ("draft", 1, 10, "run_revision_changed"),
        ("draft", 2, 9, "run_in_grace"),
        ("draft", 2, 10, None),
    ],
)
def test_reviewing(state: RunState | None, revision: int, days: int, expected: str | None) -> None:
    command = ReviewSettlement(period="2026-04", revision=revision, claim=ANNA)
    found = stands(state) if state else None
    assert code(run.refuse_review(command, found, MAY + dt.timedelta(days=days))) == expected


@pytest.mark.parametrize(
    ("state", "revision", "left", "since", "expected"),
    [
        (None, 2, 0, (), "no_run"),
        ("issued", 2, 0, (), "run_issued"),
        ("draft", 2, 0, (), "run_not_reviewed"),
        ("in_review", 3, 0, (), "run_revision_changed"),
        ("in_review", 2, 1, (), "alerts_open"),
        ("in_review", 2, 0, ("bela",), "same_person"),
        ("in_review", 2, 0, ("anna",), None),
    ],
)
def test_approving(
    state: RunState | None, revision: int, left: int, since: tuple[str, ...], expected: str | None
) -> None:
    command = ApproveSettlement(period="2026-04", revision=revision, claim=BELA)
    found = stands(state, reviewed_by="anna" if state == "in_review" else None) if state else None
    refusal = run.refuse_approval(command, found, open_alerts=left, decided_since=since)
    assert code(refusal) == expected


def test_whoever_reviewed_does_not_approve() -> None:
    command = ApproveSettlement(period="2026-04", revision=2, claim=ANNA)
    found = stands("in_review", reviewed_by="anna")
    assert code(run.refuse_approval(command, found, open_alerts=0, decided_since=())) == "same_person"


def test_a_period_stays_a_draft_for_its_days_of_grace() -> None:
    assert run.grace_until("2026-04", FOUNDING) == MAY
    ten = FOUNDING.model_copy(update={"grace_days": 10})
    assert run.grace_until("2026-10", ten) == dt.datetime(2026, 11, 11, tzinfo=BERLIN)
