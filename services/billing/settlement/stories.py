"""What runs and lines tell when they are asked: read only, set by set."""

import dataclasses
import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.billing import ChargeLine, SettlementClosed, UsageRecord
from allmende.schemas.brokerage import BookingConfirmed
from allmende.schemas.settlements import PricedBy, RunAlert, RunState, ServiceSum, SettlementDrafted
from allmende.schemas.tariff import Tariff

from ..period import midnight
from ..usage.store import record_of
from .store import HELD

_ABOUT = text(f"""
    select s.settlement_id::text, s.state, s.closed_at, s.grace_until, s.redraft_reason, s.reviewed_by,
           s.reviewed_at, s.approved_by, s.issued_at, s.revision, s.late_records, s.document::text,
           p.closed_at as drafted_at,
           (select count(*) from run_alert a where a.settlement_id = s.settlement_id) as alerts,
           (select count(*) from run_alert a
            where a.settlement_id = s.settlement_id and a.decision is null) as open_alerts,
           (select count(*) from run_alert a
            where a.settlement_id = s.settlement_id and a.decision = 'released') as released,
           (select count(*) from charge_line l where l.settlement_id = s.settlement_id and {HELD})
           as held_lines
    from settlement s join accounting_period p using (period)
    where s.period = :period
""")

_PREVIOUS = text("""
    select document::text from settlement
    where state = 'issued' and period < :period order by period desc limit 1
""")

_ALERTS = text("""
    select a.document::text, a.decision, a.decided_by, a.reason
    from run_alert a join settlement s using (settlement_id)
    where s.period = :period and a.alert > :after and (not :open_only or a.decision is null)
      and (cast(:provider as text) is null or (a.provider = :provider and s.state = 'issued'))
    order by a.alert limit :limit
""")

_PAIRS = text(f"""
    select l.payee, l.payer,
           sum(l.amount_cents) filter (where l.document->>'kind' = 'charge')::bigint as charges,
           sum(l.amount_cents) filter (where l.document->>'kind' = 'levy')::bigint as levies,
           count(*) as lines
    from charge_line l
    where l.settlement_id = :id and not {HELD}
      and (cast(:member as text) is null or l.payer = :member or l.payee = :member)
    group by 1, 2 order by 1, 2
""")

# Documents that were issued again afterwards do not belong to what the run issued.
_TAX = text("""
    select issuer, recipient, sum(tax_cents)::bigint from invoice
    where settlement_id = :id and preceding is null group by 1, 2
""")

_SERVICES = text(f"""
    with mine as (
        select s.period,
               case when l.payer = :member then 'payable' else 'receivable' end as direction,
               case when l.payer = :member then l.payee else l.payer end as counterparty,
               l.document->>'kind' as kind, l.document->>'cause' as cause,
               l.document->>'offering_id' as offering_id, l.document->>'title' as title,
               l.document->>'unit' as unit, (l.document->>'quantity')::numeric as quantity, l.amount_cents
        from charge_line l join settlement s using (settlement_id)
        where s.period in (:period, :against) and (l.payer = :member or l.payee = :member) and not {HELD}
    )
    select direction, counterparty, kind, cause, offering_id, title,
           case when count(distinct unit) = 1 and count(unit) = count(*) then min(unit) end as unit,
           case when count(distinct unit) = 1 and count(unit) = count(*)
                then sum(quantity) filter (where period = :period) end as quantity,
           count(*) filter (where period = :period) as lines,
           coalesce(sum(amount_cents) filter (where period = :period), 0)::bigint as amount_cents,
           coalesce(sum(amount_cents) filter (where period = :against), 0)::bigint as previous_cents
    from mine group by 1, 2, 3, 4, 5, 6
    order by 1, 2, 3, 5 nulls last, 6, 4 limit :limit offset :after
""")

_LINE = text("""
    select s.settlement_id::text, s.state, l.document::text, p.closed_at,
           (select min(i.number) from invoice_line n join invoice i using (invoice_id)
            where n.settlement_id = l.settlement_id and n.line = l.line and i.preceding is null)
    from settlement s
    join accounting_period p using (period)
    join charge_line l using (settlement_id)
    where s.period = :period and l.line = :line and (l.payer = :member or l.payee = :member)
""")

# Odd steps charge, even ones take back what the step before charged. What came up again is the same line.
_RELATED = text("""
    with recursive forth as (
        select k.settlement_id, k.line from carried_line k
        where k.from_settlement = :id and k.from_line = :line
        union
        select k.settlement_id, k.line from forth
        join carried_line k on k.from_settlement = forth.settlement_id and k.from_line = forth.line
    ), back as (
        select k.from_settlement, k.from_line from carried_line k
        where k.settlement_id = :id and k.line = :line
        union
        select k.from_settlement, k.from_line from back
        join carried_line k on k.settlement_id = back.from_settlement and k.line = back.from_line
    ), same as (
        select cast(:id as uuid) as settlement_id, cast(:line as int) as line
        union select * from forth union select * from back
    ), others as (
        select o.settlement_id, o.line
        from same
        join component_charge c using (settlement_id, line)
        join component_charge o
          on o.booking_id = c.booking_id and o.component = c.component and o.terms = c.terms
         and o.charged_for = c.charged_for
         and o.step = case when c.step % 2 = 1 then c.step + 1 else c.step - 1 end
        union select * from same
    )
    select s.period, l.document::text
    from others o
    join charge_line l using (settlement_id, line)
    join settlement s using (settlement_id)
    where (l.settlement_id, l.line) <> (cast(:id as uuid), :line) and (:sees_all or s.state = 'issued')
    order by s.period, l.line
""")

_BOOKING = text("select terms::text from booking where booking_id = cast(:booking_id as uuid)")

_TARIFF = text("""
    select t.document::text from rated_terms r join tariff t on t.digest = r.tariff
    where r.booking_id = cast(:booking_id as uuid) and r.number = :number
""")

# Those that counted when the run was drafted, whatever became of them later.
_RECORDS = text("""
    select r.record_id, r.booking_id::text, r.meter, r.quantity, r.started_at, r.ended_at,
           r.dimensions::text, r.corrects
    from usage_record r
    left join usage_lineage g on g.source = r.source and g.record_id = r.record_id
    where r.booking_id = cast(:booking_id as uuid) and r.meter = :meter
      and r.started_at >= :since and r.started_at < :until and r.received_at <= :drafted_at
      and (r.state = 'recorded' or g.noted_at > :drafted_at)
      and coalesce(r.dimensions, '{}') @> cast(:dimensions as jsonb)
    order by r.record_id, r.source limit :limit offset :after
""")


@dataclasses.dataclass(frozen=True)
class About:
    """A run with its history, as its row tells it."""

    settlement_id: str
    state: RunState
    drafted_first: dt.datetime
    grace_until: dt.datetime | None
    redraft_reason: str | None
    reviewed_by: str | None
    reviewed_at: dt.datetime | None
    approved_by: str | None
    issued_at: dt.datetime | None
    revision: int
    late_records: int
    told: SettlementDrafted | SettlementClosed
    drafted_at: dt.datetime
    alerts: int
    open_alerts: int
    released: int
    held_lines: int


async def about(connection: AsyncConnection, period: str) -> About | None:
    """Read a run; what it told last is its draft or its issue."""
    row = (await connection.execute(_ABOUT, {"period": period})).first()
    if row is None:
        return None
    kind = SettlementClosed if row.state == "issued" else SettlementDrafted
    found = list(row)
    found[11] = kind.model_validate_json(found[11])
    return About(*found)


async def issued_before(connection: AsyncConnection, period: str) -> SettlementClosed | None:
    """Read the issued run of the period before."""
    row = (await connection.execute(_PREVIOUS, {"period": period})).first()
    return SettlementClosed.model_validate_json(row[0]) if row is not None else None


async def alerts(  # noqa: PLR0913 - what is asked
    connection: AsyncConnection, period: str, *, provider: str | None, open_only: bool, after: int, limit: int
) -> list[RunAlert]:
    """Read alerts of a run with their decisions, of everybody or of one provider's issued lines."""
    rows = await connection.execute(
        _ALERTS,
        {"period": period, "provider": provider, "open_only": open_only, "after": after, "limit": limit},
    )
    return [
        RunAlert.model_validate_json(document).model_copy(
            update={"decision": decision, "decided_by": person, "reason": reason}
        )
        for document, decision, person, reason in rows
    ]


async def pairs(
    connection: AsyncConnection, settlement_id: str, member: str | None
) -> list[tuple[str, str, int, int, int]]:
    """Sum up who charges whom: payee, payer, net charges, net levies, lines."""
    rows = await connection.execute(_PAIRS, {"id": settlement_id, "member": member})
    return [(row[0], row[1], row[2] or 0, row[3] or 0, row[4]) for row in rows]


async def tax_of(connection: AsyncConnection, settlement_id: str) -> dict[tuple[str, str], int]:
    """Sum up the VAT of the documents that a run issued, by issuer and recipient."""
    return {(row[0], row[1]): row[2] for row in await connection.execute(_TAX, {"id": settlement_id})}


async def services(  # noqa: PLR0913 - what is asked
    connection: AsyncConnection, *, period: str, against: str | None, member: str, after: int, limit: int
) -> list[ServiceSum]:
    """Sum up a member's lines by service, beside those of another period."""
    asked = {"period": period, "against": against, "member": member, "after": after, "limit": limit}
    rows = await connection.execute(_SERVICES, asked)
    return [ServiceSum.model_validate(dict(row._mapping)) for row in rows]  # noqa: SLF001 - its public name


@dataclasses.dataclass(frozen=True)
class Told:
    """A line with what its row tells.

    Attributes:
        drafted_at: when the run collected it last.
    """

    settlement_id: str
    state: RunState
    line: ChargeLine
    drafted_at: dt.datetime
    invoice_number: str | None


async def line(connection: AsyncConnection, period: str, number: int, member: str) -> Told | None:
    """Read a line of a member's statement."""
    row = (await connection.execute(_LINE, {"period": period, "line": number, "member": member})).first()
    if row is None:
        return None
    return Told(row[0], row[1], ChargeLine.model_validate_json(row[2]), row[3], row[4])


async def related(connection: AsyncConnection, told: Told, *, sees_all: bool) -> list[tuple[str, ChargeLine]]:
    """Find the lines that take a line back, that it takes back, and where it came up again."""
    asked = {"id": told.settlement_id, "line": told.line.line, "sees_all": sees_all}
    return [
        (row[0], ChargeLine.model_validate_json(row[1])) for row in await connection.execute(_RELATED, asked)
    ]


async def booking(connection: AsyncConnection, booking_id: str) -> BookingConfirmed | None:
    """Read a booking as it was confirmed."""
    row = (await connection.execute(_BOOKING, {"booking_id": booking_id})).first()
    return BookingConfirmed.model_validate_json(row[0]) if row is not None else None


async def priced_by(connection: AsyncConnection, of: ChargeLine) -> PricedBy | None:
    """Find the component and the tariff version that price a line."""
    if of.booking_id is None or of.component is None:
        return None
    row = (await connection.execute(_TARIFF, {"booking_id": of.booking_id, "number": of.terms or 0})).first()
    if row is None:
        return None
    tariff = Tariff.model_validate_json(row[0])
    component = next((each for each in tariff.components if each.id == of.component), None)
    if component is None:
        return None
    return PricedBy(tariff_version=tariff.version, valid_from=tariff.valid_from, component=component)


async def records(
    connection: AsyncConnection, told: Told, meter: str, *, after: int, limit: int
) -> Sequence[UsageRecord]:
    """Read a page of the usage records that a line counts."""
    of = told.line
    rows = await connection.execute(
        _RECORDS,
        {
            "booking_id": of.booking_id,
            "meter": meter,
            "since": midnight(of.service_from),
            "until": midnight(of.service_to + dt.timedelta(days=1)),
            "drafted_at": told.drafted_at,
            "dimensions": json.dumps(_dimensions(of.charged_for or "")),
            "after": after,
            "limit": limit,
        },
    )
    return [record_of(tuple(row)) for row in rows]


def _dimensions(charged_for: str) -> Mapping[str, str]:
    """Read the dimensions by which a line is priced from what it is charged for."""
    return dict(re.findall(r" ([a-z0-9-]+)=([A-Za-z0-9_-]+)", charged_for))
