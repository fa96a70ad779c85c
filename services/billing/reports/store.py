"""What reports are drawn from, turnovers that were declared, and years that are closed."""

import datetime as dt

from pydantic import TypeAdapter
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.claims import Claim
from allmende.schemas.journal import GENESIS
from allmende.schemas.reports import TreatedSum, TurnoverDeclared, YearClosed
from allmende.schemas.settlements import TaxTreatment

from .proof import PoolFigures
from .year import Standing

_LIST = TypeAdapter(tuple[TaxTreatment, ...])

# A document that takes another back and its replacement cancel out.
_TREATED = text("""
    select i.issuer, i.recipient, l.service_year, l.category, l.rate_percent, l.rule,
           count(*) as lines, sum(l.net_cents)::bigint as net_cents, max(i.number) as number
    from invoice i join invoice_line l using (invoice_id)
    where i.preceding is null and i.issued_on between make_date(:year, 1, 1) and make_date(:year, 12, 31)
      and (cast(:member as text) is null or :member in (i.issuer, i.recipient))
    group by 1, 2, 3, 4, 5, 6
    order by 1, 2, 3, 4, 5, 6 nulls first
    offset :after limit :limit
""")

_TREATMENTS = text("""
    select number, (document->'treatments')::text from invoice where number = any(cast(:numbers as text[]))
""")

# A cost that was corrected is replaced by another; a charge without a document was carried, not charged.
_POOLS = text("""
    select p.pool_id, p.document->>'title' as title, (p.document->>'first_day')::date as first_day,
           (p.document->>'last_day')::date as last_day,
           (select coalesce(sum(c.amount_cents), 0)::bigint from pool_cost c
            where c.pool_id = p.pool_id
              and not exists (select from pool_cost d
                              where d.reporter = c.reporter and d.corrects = c.cost_id)) as cost_cents,
           (select (r.document->'proof'->>'costs_cents')::bigint from pool_run r
            where r.pool_id = p.pool_id and r.kind = 'settlement'
            order by r.number desc limit 1) as settled_cost_cents,
           h.charged_cents, h.carried_cents
    from pool p cross join lateral (
        select (coalesce(sum(amount_cents) filter (where document is not null), 0)
                - (select coalesce(sum(credit_cents), 0) from pool_credit c where c.pool_id = p.pool_id)
               )::bigint as charged_cents,
               -coalesce(sum(amount_cents) filter (where document is null), 0)::bigint as carried_cents
        from pool_charge where pool_id = p.pool_id and cost_id is null) h
    where (p.document->>'last_day')::date between make_date(:year, 1, 1) and make_date(:year, 12, 31)
      and (p.document->'clause'->'versions'->0->>'cash')::bool
      and (cast(:member as text) is null
           or exists (select from pool_participant m where m.member = :member and m.pool_id = p.pool_id))
    order by p.pool_id
""")

# The entries that touch a body are those that it numbers; revenues stand on the credit side.
_WITHIN = text("""
    select extract(year from e.value_date)::int, -sum(p.amount_cents)::bigint
    from entry_number n
    join journal_entry e using (entry_id)
    join posting p using (entry_id)
    where n.body = :member and n.year between :first and :last
      and p.body = :member and split_part(p.account, ':', 2) = 'erträge'
    group by 1
""")

_DECLARED = text("""
    select distinct on (year) year, open_market_cents from turnover
    where member = :member and year between :first and :last
    order by year, number desc
""")

_SAVE_TURNOVER = text("""
    insert into turnover (member, year, open_market_cents, document, claim)
    values (:member, :year, :open_market_cents, cast(:document as json), cast(:claim as json))
""")

# Nobody adds to a month of the year or posts to the ledger until this transaction ends.
_MONTHS = text("""
    insert into accounting_period (period)
    select :year || to_char(m, '"-"FM00') from generate_series(1, 12) m order by 1
    on conflict do nothing
""")

_LOCK_MONTHS = text("""
    select period from accounting_period where left(period, 4) = :year order by period for update
""")

_LOCK_LEDGER = text("select from ledger_head for update")

_NOT_ISSUED = text("""
    select p.period from accounting_period p
    cross join lateral (select to_date(p.period, 'YYYY-MM') as first_day,
                               (to_date(p.period, 'YYYY-MM') + interval '1 month')::date as next_day) d
    where left(p.period, 4) = :year and p.issued_at is null and (
        exists (select from settlement s where s.period = p.period)
        or exists (select from levy l where l.period = p.period)
        or exists (select from pool_charge c where c.period = p.period)
        or exists (select from objection o where o.credit_in = p.period)
        or exists (select from levy_reversal r where r.period = p.period)
        or exists (select from reminder r
                   where r.period = p.period and r.fee_cents + r.late_charge_cents > 0)
        or exists (select from booking_change c where c.due_in = p.period and c.compensation_cents <> 0)
        or exists (select from breach b where b.due_in = p.period and b.credit_cents <> 0)
        or exists (select from usage_record u
                   where u.period = p.period and u.state in ('recorded', 'parked'))
        or exists (select from booking b
                   where b.start_day < d.next_day and (b.end_day is null or b.end_day >= d.first_day)))
    order by p.period
""")

_STANDING = text("""
    select exists (select from accounting_year where year = :year) as closed,
           (select count(*) from settlement
            where state = 'issued' and left(period, 4) = cast(:year as text)) as periods,
           count(*) as entries, coalesce(max(sequence), 0) as last_sequence
    from journal_entry
    where value_date between make_date(:year, 1, 1) and make_date(:year, 12, 31)
""")

_HASH = text("select hash from journal_entry where sequence = :sequence")

_OBJECTIONS = text("select count(*) from objection where state = 'raised' and left(period, 4) = :year")

_SAVE_YEAR = text("""
    insert into accounting_year (year, document, claim)
    values (:year, cast(:document as json), cast(:claim as json))
""")

# A month in which nothing was charged takes nothing any more either.
_CLOSE_MONTHS = text("""
    update accounting_period set closed_at = coalesce(closed_at, :now), issued_at = :now
    where left(period, 4) = :year and issued_at is null
""")


async def treated(
    connection: AsyncConnection, year: int, member: str | None, *, after: int, limit: int
) -> list[TreatedSum]:
    """Sum up what was issued in a year by supplier, consumer, year of the service and treatment.

    Args:
        connection: to the database.
        year: of issue.
        member: who supplied or got it; everybody without one.
        after: how many sums to leave out.
        limit: how many to read.
    """
    asked = {"year": year, "member": member, "after": after, "limit": limit}
    rows = (await connection.execute(_TREATED, asked)).all()
    told = {}
    for number, document in await connection.execute(_TREATMENTS, {"numbers": [row.number for row in rows]}):
        for each in _LIST.validate_json(document):
            told[number, each.rule, each.category, each.rate_percent] = each
    return [
        TreatedSum(
            supplier=row.issuer,
            consumer=row.recipient,
            service_year=row.service_year,
            treatment=told.get((row.number, row.rule, row.category, row.rate_percent)),
            lines=row.lines,
            net_cents=row.net_cents,
        )
        for row in rows
    ]


async def pools(connection: AsyncConnection, year: int, member: str | None) -> list[PoolFigures]:
    """Read what the pools that end in a year come to: all, or those that concern a member."""
    rows = await connection.execute(_POOLS, {"year": year, "member": member})
    return [PoolFigures(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name for it


async def within(connection: AsyncConnection, member: str, years: range) -> dict[int, int]:
    """Sum up a member's revenues by the ledger, net cents by year of the value date."""
    asked = {"member": member, "first": years[0], "last": years[-1]}
    return {row[0]: row[1] for row in await connection.execute(_WITHIN, asked)}


async def declared(connection: AsyncConnection, member: str, years: range) -> dict[int, int]:
    """Read a member's newest declarations, in cents by year."""
    asked = {"member": member, "first": years[0], "last": years[-1]}
    return {row[0]: row[1] for row in await connection.execute(_DECLARED, asked)}


async def save_turnover(tx: AsyncConnection, declared_: TurnoverDeclared, claim: Claim) -> None:
    """Keep a declaration; earlier ones of the year stay, and count no more."""
    await tx.execute(
        _SAVE_TURNOVER,
        {
            "member": declared_.member,
            "year": declared_.year,
            "open_market_cents": declared_.open_market_cents,
            "document": declared_.model_dump_json(),
            "claim": claim.model_dump_json(),
        },
    )


async def lock_year(tx: AsyncConnection, year: int) -> Standing:
    """Tell how a year stands, and keep it so until this transaction ends."""
    named = {"year": str(year)}
    # The ledger before the months, as whoever issues a run locks them.
    await tx.execute(_LOCK_LEDGER)
    await tx.execute(_MONTHS, named)
    await tx.execute(_LOCK_MONTHS, named)
    found = (await tx.execute(_STANDING, {"year": year})).one()
    hash_ = (await tx.execute(_HASH, {"sequence": found.last_sequence})).scalar()
    return Standing(
        closed=found.closed,
        not_issued=[row[0] for row in await tx.execute(_NOT_ISSUED, named)],
        open_pools=[each.pool_id for each in await pools(tx, year, None) if not each.is_settled],
        objections=(await tx.execute(_OBJECTIONS, named)).scalar_one(),
        periods=found.periods,
        entries=found.entries,
        last_sequence=found.last_sequence,
        last_hash=hash_ or GENESIS,
    )


async def close_year(tx: AsyncConnection, closed: YearClosed, claim: Claim, now: dt.datetime) -> None:
    """Close a year with all its months."""
    about = {"document": closed.model_dump_json(), "claim": claim.model_dump_json()}
    await tx.execute(_SAVE_YEAR, {"year": closed.year, **about})
    await tx.execute(_CLOSE_MONTHS, {"year": str(closed.year), "now": now})
