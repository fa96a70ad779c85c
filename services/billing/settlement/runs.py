"""Runs in the database: their states, their alerts, what they leave to the next run, and undoing a draft."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.billing import ChargeLine, SettlementClosed
from allmende.schemas.claims import Claim
from allmende.schemas.settlements import Decision, RunAlert, SettlementDrafted

from .run import Run
from .run_alerts import Carried, Group, Notified
from .store import HELD

# One step of any run at a time, and nobody who only reads is kept waiting.
_SERIALIZE = text("lock table settlement in share row exclusive mode")

_COLUMNS = """settlement_id::text, period, state, revision, closed_at as drafted_first,
    coalesce(grace_until, closed_at) as grace_until, reviewed_by"""

_RUN = text(f"select {_COLUMNS} from settlement where period = :period")

_OPEN = text("select period from settlement where state <> 'issued'")

_LINES = text(f"""
    select l.document::text, {HELD} from charge_line l where l.settlement_id = :id order by l.line
""")

_SAVE_DRAFT = text("""
    insert into settlement (settlement_id, period, closed_at, state, revision, grace_until, redraft_reason,
                            late_records, document)
    values (:id, :period, :drafted_first, 'draft', :revision, :grace_until, :reason, :late,
            cast(:document as json))
    on conflict (settlement_id) do update
    set state = 'draft', revision = excluded.revision, grace_until = excluded.grace_until,
        redraft_reason = excluded.redraft_reason, late_records = excluded.late_records,
        document = excluded.document, reviewed_by = null, reviewed_at = null, review_claim = null
""")

_SAVE_ALERTS = text("""
    insert into run_alert (settlement_id, alert, line, provider, document)
    select :id, u.alert, u.line, u.provider, u.document::json
    from unnest(cast(:alerts as int[]), cast(:lines as int[]), cast(:providers as text[]),
                cast(:documents as text[])) u (alert, line, provider, document)
""")

_SAVE_CARRIED = text("""
    insert into carried_line (from_settlement, from_line, settlement_id, line)
    select u.origin, u.from_line, :id, u.line
    from unnest(cast(:origins as uuid[]), cast(:from_lines as int[]), cast(:lines as int[]))
         u (origin, from_line, line)
""")

# What has no line was told to its provider when it was drafted.
_TOLD = text("""
    select document->>'kind', provider, document->>'booking_id', (document->>'records')::int,
           document->>'message_de'
    from run_alert
    where settlement_id = :id and line is null
""")

_ALERTS = text("""
    select alert, document::text from run_alert
    where settlement_id = :id and alert = any(cast(:alerts as int[]))
""")

_DECIDE = text("""
    update run_alert
    set decision = :decision, decided_by = :person, reason = :reason, decided_at = :now,
        after_review = :after_review, claim = cast(:claim as json)
    where settlement_id = :id and alert = any(cast(:alerts as int[]))
""")

_OPEN_ALERTS = text("select count(*) from run_alert where settlement_id = :id and decision is null")

_DECIDED_SINCE = text("""
    select distinct decided_by from run_alert where settlement_id = :id and after_review
""")

_REVIEW = text("""
    update settlement
    set state = 'in_review', reviewed_by = :person, reviewed_at = :now, review_claim = cast(:claim as json)
    where settlement_id = :id
""")

_ISSUE = text("""
    update settlement
    set state = 'issued', approved_by = :person, issued_at = :now, approval_claim = cast(:claim as json),
        document = cast(:document as json)
    where settlement_id = :id
""")

_ISSUE_PERIOD = text("update accounting_period set issued_at = :now where period = :period")

_USAGE_RECORDS = text("select document->>'usage_records' from settlement where settlement_id = :id")

_LATE = text("""
    select count(*) from usage_record
    where period = :period and state = 'recorded' and received_at > :since
""")

# What was charged, without what was left out.
_PREVIOUS = text(f"""
    select l.document->>'booking_id', l.document->>'component', l.payer, l.payee, l.document->>'kind',
           sum(l.amount_cents)::bigint
    from charge_line l
    join settlement s using (settlement_id)
    where s.period = (select max(period) from settlement where state = 'issued' and period < :period)
      and not {HELD}
    group by 1, 2, 3, 4, 5
""")

_TO_CARRY = text("""
    select distinct l.settlement_id::text, s.period, l.line, l.document::text
    from run_alert a
    join settlement s on s.settlement_id = a.settlement_id and s.state = 'issued'
    join charge_line l on l.settlement_id = a.settlement_id and l.line = a.line
    where a.decision = 'held'
      and not exists (select from carried_line c
                      where c.from_settlement = l.settlement_id and c.from_line = l.line)
    order by s.period, l.line
""")

# The order matters: charge lines go last, since everything refers to them.
_UNDO = (
    text("""
        update booking b set open_from = least(b.open_from, u.first_day)
        from (select booking_id, min(first_day) as first_day from component_charge
              where settlement_id = :id and not metered group by 1) u
        where b.booking_id = u.booking_id
    """),
    text("delete from component_charge where settlement_id = :id"),
    text("delete from carried_line where settlement_id = :id"),
    text("delete from run_alert where settlement_id = :id"),
    text("delete from charge_line where settlement_id = :id"),
)
_UNTAKE = (
    text("update booking_terms set reckoned_in = null where reckoned_in = :period"),
    text("update booking_change set reckoned_in = null where reckoned_in = :period"),
    text("update booking_change set charged_in = null where charged_in = :period"),
    text("update breach set charged_in = null where charged_in = :period"),
    text("update usage_late set rated_in = null where rated_in = :period"),
    text("update accounting_period set closed_at = null where period = :period"),
)


async def serialize(tx: AsyncConnection) -> None:
    """Wait until nobody else takes a step with any run, and keep it so until this transaction ends."""
    await tx.execute(_SERIALIZE)


async def find(connection: AsyncConnection, period: str) -> Run | None:
    """Find the run of a period."""
    row = (await connection.execute(_RUN, {"period": period})).first()
    return Run(*row) if row is not None else None


async def open_period(tx: AsyncConnection) -> str | None:
    """Tell the period whose run is not issued, if there is one."""
    row = (await tx.execute(_OPEN)).first()
    return row[0] if row is not None else None


async def undo(tx: AsyncConnection, run: Run) -> None:
    """Take a draft back: what it collected is as if it had never been collected."""
    for statement in _UNDO:
        await tx.execute(statement, {"id": run.settlement_id})
    for statement in _UNTAKE:
        await tx.execute(statement, {"period": run.period})


async def save_draft(tx: AsyncConnection, run: Run, drafted: SettlementDrafted, reason: str | None) -> None:
    """Write a run that is drafted, or drafted anew."""
    await tx.execute(
        _SAVE_DRAFT,
        {
            "id": run.settlement_id,
            "period": run.period,
            "drafted_first": run.drafted_first,
            "revision": run.revision,
            "grace_until": run.grace_until,
            "reason": reason,
            "late": drafted.late_records,
            "document": drafted.model_dump_json(),
        },
    )


async def save_alerts(tx: AsyncConnection, settlement_id: str, alerts: Sequence[RunAlert]) -> None:
    """Write the alerts of a draft."""
    await tx.execute(
        _SAVE_ALERTS,
        {
            "id": settlement_id,
            "alerts": [each.alert for each in alerts],
            "lines": [each.line for each in alerts],
            "providers": [each.provider for each in alerts],
            "documents": [each.model_dump_json() for each in alerts],
        },
    )


async def save_carried(tx: AsyncConnection, settlement_id: str, carried: Mapping[int, Carried]) -> None:
    """Note which lines of a draft, by number, take up lines that an issued run left out."""
    found = sorted(carried.items())
    await tx.execute(
        _SAVE_CARRIED,
        {
            "id": settlement_id,
            "origins": [each.settlement_id for _, each in found],
            "from_lines": [each.line.line for _, each in found],
            "lines": [number for number, _ in found],
        },
    )


async def to_carry(tx: AsyncConnection) -> list[Carried]:
    """Find the lines that issued runs left out and that no run has taken up."""
    return [
        Carried(row[0], row[1], ChargeLine.model_validate_json(row[3])) for row in await tx.execute(_TO_CARRY)
    ]


async def lines(connection: AsyncConnection, settlement_id: str) -> tuple[list[ChargeLine], set[int]]:
    """Read the lines of a run, and the numbers of those that are on hold."""
    rows = (await connection.execute(_LINES, {"id": settlement_id})).all()
    found = [ChargeLine.model_validate_json(row[0]) for row in rows]
    return found, {line.line for line, row in zip(found, rows, strict=True) if row[1]}


async def told(tx: AsyncConnection, settlement_id: str) -> set[Notified]:
    """Find of what providers were told when a run was drafted last."""
    return {Notified(*row) for row in await tx.execute(_TOLD, {"id": settlement_id})}


async def alerts_named(
    tx: AsyncConnection, settlement_id: str, numbers: Collection[int]
) -> dict[int, RunAlert]:
    """Read alerts of a run by number."""
    rows = await tx.execute(_ALERTS, {"id": settlement_id, "alerts": sorted(numbers)})
    return {row[0]: RunAlert.model_validate_json(row[1]) for row in rows}


async def decide(  # noqa: PLR0913 - what is kept of a decision
    tx: AsyncConnection,
    run: Run,
    numbers: Collection[int],
    decision: Decision,
    reason: str,
    claim: Claim,
    now: dt.datetime,
) -> int:
    """Keep a decision on alerts. Returns how many are left open."""
    await tx.execute(
        _DECIDE,
        {
            "id": run.settlement_id,
            "alerts": sorted(numbers),
            "decision": decision,
            "person": claim.person,
            "reason": reason,
            "now": now,
            "after_review": run.state == "in_review",
            "claim": claim.model_dump_json(),
        },
    )
    return await open_alerts(tx, run.settlement_id)


async def open_alerts(tx: AsyncConnection, settlement_id: str) -> int:
    """Count the alerts that are not decided on."""
    return int((await tx.execute(_OPEN_ALERTS, {"id": settlement_id})).scalar_one())


async def decided_since(tx: AsyncConnection, settlement_id: str) -> set[str]:
    """Find who decided on alerts after the review."""
    return {row[0] for row in await tx.execute(_DECIDED_SINCE, {"id": settlement_id})}


async def review(tx: AsyncConnection, run: Run, claim: Claim, now: dt.datetime) -> None:
    """Note who found a draft right."""
    about = {"id": run.settlement_id, "person": claim.person, "now": now, "claim": claim.model_dump_json()}
    await tx.execute(_REVIEW, about)


async def issue(
    tx: AsyncConnection, run: Run, closed: SettlementClosed, claim: Claim, now: dt.datetime
) -> None:
    """Note who approved a run: nothing of it changes any more, and nothing is posted in its period."""
    about = {"id": run.settlement_id, "person": claim.person, "now": now, "claim": claim.model_dump_json()}
    await tx.execute(_ISSUE, {**about, "document": closed.model_dump_json()})
    await tx.execute(_ISSUE_PERIOD, {"period": run.period, "now": now})


async def usage_records(tx: AsyncConnection, settlement_id: str) -> int:
    """Tell how many records of its period a run charges."""
    return int((await tx.execute(_USAGE_RECORDS, {"id": settlement_id})).scalar_one())


async def late_records(tx: AsyncConnection, run: Run) -> int:
    """Count the records of the period that came after its first draft."""
    return int((await tx.execute(_LATE, {"period": run.period, "since": run.drafted_first})).scalar_one())


async def previous(tx: AsyncConnection, period: str) -> dict[Group, int]:
    """Sum up what the issued period before charged, by what is compared."""
    found: dict[Group, int] = {}
    for booking, component, payer, payee, kind, cents in await tx.execute(_PREVIOUS, {"period": period}):
        group = (booking, component, None) if booking is not None else (payer, payee, kind)
        found[group] = found.get(group, 0) + cents
    return found
