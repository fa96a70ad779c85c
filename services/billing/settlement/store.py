"""Levies, settlements, statements and charge lines: written once, read ever after."""

import dataclasses
import datetime as dt
import json
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.billing import ChargeLine, LevyCharged, SettlementClosed, StatementIssued
from allmende.tariffs.allocation import Share

from ..ledger import store as ledger_store
from ..rating.reckoning import Standing
from .levy import Levy
from .statements import Issued

_SAVE_STATEMENTS = text("""
    insert into statement (statement_id, settlement_id, member, period, number, document)
    select u.id, :settlement_id, u.member, :period, u.number, u.document::json
    from unnest(cast(:ids as uuid[]), cast(:members as text[]), cast(:numbers as text[]),
                cast(:documents as text[])) u (id, member, number, document)
""")

_SAVE_LINES = text("""
    insert into charge_line (settlement_id, line, payer, payee, amount_cents, document)
    select :settlement_id, u.line, u.payer, u.payee, u.amount_cents, u.document::json
    from unnest(cast(:lines as int[]), cast(:payers as text[]), cast(:payees as text[]),
                cast(:amounts as bigint[]), cast(:documents as text[]))
         u (line, payer, payee, amount_cents, document)
""")

# The step follows from those before it, in one closing the taking back before the charge; if another closing
# wrote the same one meanwhile, the key refuses it.
_SAVE_COMPONENT_CHARGES = text("""
    insert into component_charge
        (booking_id, component, terms, charged_for, step, first_day, settlement_id, line, metered)
    select u.booking_id, u.component, u.terms, u.charged_for,
           row_number() over (partition by u.booking_id, u.component, u.terms, u.charged_for
                              order by u.taken_back desc)
               + (select count(*) from component_charge c
                  where c.booking_id = u.booking_id and c.component = u.component and c.terms = u.terms
                    and c.charged_for = u.charged_for),
           u.first_day, :settlement_id, u.line, u.metered
    from unnest(cast(:bookings as uuid[]), cast(:components as text[]), cast(:terms as bigint[]),
                cast(:spans as text[]), cast(:days as date[]), cast(:lines as int[]),
                cast(:taken_back as bool[]), cast(:metered as bool[]))
         u (booking_id, component, terms, charged_for, first_day, line, taken_back, metered)
""")

# A line that was left out and came up again stands where it came up last.
_LATEST = """
    left join lateral (
        with recursive copy as (
            select k.settlement_id, k.line, 1 as times from carried_line k
            where k.from_settlement = c.settlement_id and k.from_line = c.line
            union all
            select k.settlement_id, k.line, copy.times + 1 from copy
            join carried_line k on k.from_settlement = copy.settlement_id and k.from_line = copy.line
        )
        select settlement_id, line from copy order by times desc limit 1
    ) latest on true
    join charge_line l on l.settlement_id = coalesce(latest.settlement_id, c.settlement_id)
                      and l.line = coalesce(latest.line, c.line)
    join settlement s on s.settlement_id = l.settlement_id
"""

_CREDITED = """(select coalesce(sum(o.credit_cents), 0)::bigint from objection o
            where o.settlement_id = l.settlement_id and o.line = l.line) as credited"""

_STANDING = text(f"""
    select distinct on (c.booking_id, c.component, c.terms, c.charged_for)
           c.booking_id::text, c.component, c.terms, c.charged_for, c.step, s.period, l.document::text,
           {_CREDITED}
    from unnest(cast(:ids as uuid[]), cast(:days as date[])) u (booking_id, since)
    join component_charge c on c.booking_id = u.booking_id and c.first_day >= u.since and not c.metered
    {_LATEST}
    order by c.booking_id, c.component, c.terms, c.charged_for, c.step desc
""")

_STANDING_FOR = text(f"""
    select distinct on (c.booking_id, c.component, c.terms, c.charged_for)
           c.booking_id::text, c.component, c.terms, c.charged_for, c.step, s.period, l.document::text,
           {_CREDITED}
    from unnest(cast(:ids as uuid[])) u (booking_id)
    join component_charge c on c.booking_id = u.booking_id and c.metered
                           and (c.charged_for = :label or starts_with(c.charged_for, :label || ' '))
    {_LATEST}
    order by c.booking_id, c.component, c.terms, c.charged_for, c.step desc
""")

# What stands charged: what takes it back comes to less where it was credited.
_FLAT_FOR = text("""
    select c.booking_id::text, c.terms, c.component,
           coalesce(sum(l.amount_cents) filter (where c.step % 2 = 1 and not exists (
               select from component_charge n
               where (n.booking_id, n.component, n.terms, n.charged_for)
                   = (c.booking_id, c.component, c.terms, c.charged_for) and n.step = c.step + 1)), 0)::bigint
    from unnest(cast(:ids as uuid[])) u (booking_id)
    join component_charge c on c.booking_id = u.booking_id and not c.metered
                           and (c.charged_for = :label or starts_with(c.charged_for, :label || ' '))
    join charge_line l using (settlement_id, line)
    group by 1, 2, 3
""")

_SETTLEMENTS = text("""
    select document::text from settlement
    where state = 'issued' and (cast(:after as text) is null or period < :after)
    order by period desc limit :limit
""")

_STATEMENT = text("select document::text from statement where period = :period and member = :member")

# A line stays out until all of its alerts are released.
HELD = """exists (select from run_alert a where a.settlement_id = l.settlement_id and a.line = l.line
                  and a.decision is distinct from 'released')"""

# The clearing house's own statement covers what it receives itself; members' lines are theirs.
_LINES = text(f"""
    select l.document::text, {HELD} from charge_line l join settlement s using (settlement_id)
    where s.period = :period and (l.payer = :member or l.payee = :member) and l.line > :after
    order by l.line limit cast(:limit as bigint)
""")

_SAVE_LEVY = text("""
    insert into levy (levy_id, period, title, amount_cents, charged_at, document, shares)
    values (:levy_id, :period, :title, :amount_cents, :charged_at, cast(:document as json),
            cast(:shares as json))
""")

# What is taken back in its own period is charged to nobody.
_LEVIES = text("""
    select document::text, shares::text from levy l
    where period = :period
      and not exists (select from levy_reversal r where r.levy_id = l.levy_id and r.period = l.period)
    order by charged_at, levy_id
""")


async def save_issued(tx: AsyncConnection, issued: Issued) -> None:
    """Write the statements and the entries that an issued run leaves behind."""
    settlement = issued.settlement
    await tx.execute(
        _SAVE_STATEMENTS,
        {
            "settlement_id": settlement.settlement_id,
            "period": settlement.period,
            "ids": [statement.statement_id for statement in issued.statements],
            "members": [statement.member for statement in issued.statements],
            "numbers": [statement.number for statement in issued.statements],
            "documents": [statement.model_dump_json() for statement in issued.statements],
        },
    )
    await ledger_store.save(tx, settlement.settlement_id, issued.entries, settlement.closed_at)


async def save_lines(
    tx: AsyncConnection, settlement_id: str, lines: Sequence[ChargeLine], carried: Container[int] = ()
) -> None:
    """Write the lines of a draft. Those that are carried on stand charged by the run that made them first."""
    await tx.execute(
        _SAVE_LINES,
        {
            "settlement_id": settlement_id,
            "lines": [line.line for line in lines],
            "payers": [line.payer for line in lines],
            "payees": [line.payee for line in lines],
            "amounts": [line.amount_cents for line in lines],
            "documents": [line.model_dump_json() for line in lines],
        },
    )
    await _save_component_charges(tx, settlement_id, [line for line in lines if line.line not in carried])


async def _save_component_charges(
    tx: AsyncConnection, settlement_id: str, lines: Iterable[ChargeLine]
) -> None:
    """Keep which component was charged, or taken back, by which line."""
    found = [line for line in lines if line.charged_for is not None]
    await tx.execute(
        _SAVE_COMPONENT_CHARGES,
        {
            "settlement_id": settlement_id,
            "bookings": [line.booking_id for line in found],
            "components": [line.component for line in found],
            "terms": [line.terms for line in found],
            "spans": [line.charged_for for line in found],
            "days": [line.service_from for line in found],
            "lines": [line.line for line in found],
            "taken_back": [line.cause == "reversal" for line in found],
            "metered": [line.billing == "usage" for line in found],
        },
    )


async def standing(tx: AsyncConnection, since: Mapping[str, dt.date]) -> dict[str, list[Standing]]:
    """Find what stands charged of bookings, by id, of what fell due on a day of each or later."""
    return _standing(await tx.execute(_STANDING, {"ids": list(since), "days": list(since.values())}))


async def standing_for(
    tx: AsyncConnection, booking_ids: Iterable[str], label: str
) -> dict[str, list[Standing]]:
    """Find what stands charged of bookings, by id, for a month, quarter or year or a part of it."""
    return _standing(await tx.execute(_STANDING_FOR, {"ids": sorted(booking_ids), "label": label}))


async def flat_for(
    tx: AsyncConnection, booking_ids: Iterable[str], label: str
) -> dict[tuple[str, int], dict[str, int]]:
    """Sum up what flat components of bookings were charged for a month, quarter or year or parts of it.

    Returns:
        Cents by component, of each booking and terms.
    """
    found: defaultdict[tuple[str, int], dict[str, int]] = defaultdict(dict)
    for booking_id, terms, component, cents in await tx.execute(
        _FLAT_FOR, {"ids": sorted(booking_ids), "label": label}
    ):
        found[booking_id, terms][component] = cents
    return found


def _standing(rows: Iterable[Row[Any]]) -> dict[str, list[Standing]]:
    """Of each component, terms and span the last step decides: odd ones charge, even ones take back."""
    found: defaultdict[str, list[Standing]] = defaultdict(list)
    for booking_id, component, terms, charged_for, step, period, document, credited in map(tuple, rows):
        if step % 2:
            line = ChargeLine.model_validate_json(document)
            found[booking_id].append(Standing((component, terms, charged_for), line, period, credited))
    return found


async def settlements(
    connection: AsyncConnection, limit: int, after: str | None = None
) -> list[SettlementClosed]:
    """Read issued runs, newest period first, from before a period on."""
    rows = await connection.execute(_SETTLEMENTS, {"limit": limit, "after": after})
    return [SettlementClosed.model_validate_json(row[0]) for row in rows]


async def statement(connection: AsyncConnection, period: str, member: str) -> StatementIssued | None:
    """Read one member's statement."""
    row = (await connection.execute(_STATEMENT, {"period": period, "member": member})).first()
    return StatementIssued.model_validate_json(row[0]) if row is not None else None


async def lines(
    connection: AsyncConnection, *, period: str, member: str, after: int, limit: int | None
) -> list[tuple[ChargeLine, bool]]:
    """Read the lines in which a member takes part, and whether they are on hold."""
    rows = await connection.execute(
        _LINES, {"period": period, "member": member, "after": after, "limit": limit}
    )
    return [(ChargeLine.model_validate_json(row[0]), row[1]) for row in rows]


async def save_levy(tx: AsyncConnection, levy: Levy, now: dt.datetime) -> None:
    """Store a levy with its shares."""
    await tx.execute(
        _SAVE_LEVY,
        {
            "levy_id": levy.fact.levy_id,
            "period": levy.fact.period,
            "title": levy.fact.title,
            "amount_cents": levy.fact.amount_cents,
            "charged_at": now,
            "document": levy.fact.model_dump_json(),
            "shares": json.dumps([dataclasses.asdict(share) for share in levy.shares], ensure_ascii=False),
        },
    )


async def levies_of(tx: AsyncConnection, period: str) -> list[Levy]:
    """Load the levies of a period."""
    rows = await tx.execute(_LEVIES, {"period": period})
    return [
        Levy(LevyCharged.model_validate_json(row[0]), tuple(Share(**share) for share in json.loads(row[1])))
        for row in rows
    ]
