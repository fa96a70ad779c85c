"""Documents in the database: numbered without a gap, written once, read ever after.

Whoever issues locks the rows of its number series in their order until its transaction ends, so two who issue
wait for each other and never lock in a ring, and what is rolled back leaves no gap.
"""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.billing import ChargeLine, LineTax
from allmende.schemas.invoices import Invoice, InvoiceHead
from allmende.schemas.register import MemberRegister
from allmende.schemas.rejections import Rejected
from allmende.schemas.settlements import TaxTreatment

from ..period import day_of
from .invoice import invoices_of, numbered, series_of
from .number import Series
from .reissue import refuse_reissue
from .reissue import reissue as reissued
from .tax import Treatments, treatments_in

_OPEN_SERIES = text("""
    insert into invoice_series (issuer, kind, year, last_number)
    select u.issuer, u.kind, u.year, 0
    from unnest(cast(:issuers as text[]), cast(:kinds as text[]), cast(:years as int[]))
         u (issuer, kind, year)
    order by 1, 2, 3
    on conflict do nothing
""")

_LOCK_SERIES = text("""
    select s.issuer, s.kind, s.year, s.last_number
    from unnest(cast(:issuers as text[]), cast(:kinds as text[]), cast(:years as int[]))
         u (issuer, kind, year)
    join invoice_series s using (issuer, kind, year)
    order by 1, 2, 3 for update of s
""")

_MOVE_SERIES = text("""
    update invoice_series s set last_number = s.last_number + u.used
    from unnest(cast(:issuers as text[]), cast(:kinds as text[]), cast(:years as int[]),
                cast(:used as int[])) u (issuer, kind, year, used)
    where (s.issuer, s.kind, s.year) = (u.issuer, u.kind, u.year)
""")

_SAVE_INVOICES = text("""
    insert into invoice (invoice_id, number, kind, settlement_id, period, issuer, recipient, issued_on,
                         due_on, reference, net_cents, tax_cents, gross_cents, preceding, keep_until, head,
                         document)
    select h.invoice_id, h.number, h.kind, h.settlement_id, h.period, h.issuer, h.recipient, h.issued_on,
           h.due_on, h.reference, h.net_cents, h.tax_cents, h.gross_cents, u.head->'preceding'->>'number',
           h.keep_until, u.head, u.document::json
    from unnest(cast(:heads as json[]), cast(:documents as text[])) with ordinality u (head, document, place)
    cross join lateral json_to_record(u.head)
        h (invoice_id uuid, number text, kind text, settlement_id uuid, period text, issuer text,
           recipient text, issued_on date, due_on date, reference text, net_cents bigint, tax_cents bigint,
           gross_cents bigint, keep_until date)
    order by u.place
""")

_SAVE_LINES = text("""
    insert into invoice_line (invoice_id, position, settlement_id, line, net_cents, category, rate_percent,
                              rule, service_year, budget_item, document)
    select u.invoice_id, u.position, u.settlement_id, u.line, u.net_cents, u.category, u.rate_percent,
           u.rule, u.service_year, u.budget_item, u.document::json
    from unnest(cast(:invoices as uuid[]), cast(:positions as int[]), cast(:settlements as uuid[]),
                cast(:lines as int[]), cast(:amounts as bigint[]), cast(:categories as text[]),
                cast(:rates as numeric[]), cast(:rules as text[]), cast(:years as int[]),
                cast(:budget_items as text[]), cast(:documents as text[]))
         u (invoice_id, position, settlement_id, line, net_cents, category, rate_percent, rule, service_year,
            budget_item, document)
""")

_INVOICES = """
    select i.invoice_id::text, i.head::text, i.document::text from invoice i
"""

_NAMED = text(f"{_INVOICES} where i.number = any(cast(:numbers as text[])) order by i.number")

_OF_SETTLEMENT = text(
    f"{_INVOICES} where i.settlement_id = :settlement_id and i.preceding is null order by i.number"
)

_LINES = text("""
    select l.invoice_id::text, l.document::text from invoice_line l
    where l.invoice_id = any(cast(:ids as uuid[])) order by l.invoice_id, l.position
""")

# What an issuer once decided is kept with the documents that say so, newest first.
_TREATMENTS = text("""
    select distinct on (i.issuer, t->>'rule', t->>'category', t->>'rate_percent') i.issuer, t::text
    from invoice i cross join lateral json_array_elements(i.document->'treatments') t
    where i.issuer = any(cast(:issuers as text[])) and t->>'rule' = any(cast(:rules as text[]))
    order by i.issuer, t->>'rule', t->>'category', t->>'rate_percent', i.issued_on desc, i.number desc
""")

_HEADS = text("""
    select head::text from invoice
    where (cast(:period as text) is null or period = :period)
      and (cast(:member as text) is null or issuer = :member or recipient = :member)
      and number > :after
    order by number limit :limit
""")

_IS_REISSUED = text("select exists (select from invoice where preceding = :number)")

_SPENT = text("""
    select i.recipient, l.budget_item, sum(l.net_cents)::bigint
    from invoice i join invoice_line l using (invoice_id)
    where i.recipient = any(cast(:members as text[])) and i.period between :first and :last
      and l.budget_item is not null
    group by 1, 2
""")


async def issue(  # noqa: PLR0913 - what a run consists of
    tx: AsyncConnection,
    *,
    settlement_id: str,
    period: str,
    lines: Sequence[ChargeLine],
    register: MemberRegister,
    now: dt.datetime,
) -> tuple[Invoice, ...]:
    """Number and save the documents of a run, whose lines are saved before.

    Args:
        tx: the transaction; it holds the number series until it ends.
        settlement_id: the id of the run, which issues once.
        period: `YYYY-MM`.
        lines: what is released, treated and booked.
        register: the bodies as they are now.
        now: the moment of issue, whose day in Europe/Berlin stands on the documents.
    """
    day = day_of(now)
    taxes = {(line.payee, line.tax) for line in lines if line.tax is not None}
    earlier = await _treatments_told(tx, taxes - treatments_in(register).keys())
    rules = register.rules_on(day)
    return await save(tx, invoices_of(settlement_id, period, lines, register, rules, day, earlier))


async def save(tx: AsyncConnection, invoices: Sequence[Invoice]) -> tuple[Invoice, ...]:
    """Give documents the next numbers of their series, and keep them."""
    if not invoices:
        return ()
    used = sorted(Counter(series_of(each.head) for each in invoices).items())
    final = numbered(invoices, await _lock_series(tx, used))
    await tx.execute(
        _SAVE_INVOICES,
        {
            "heads": [each.head.model_dump_json() for each in final],
            "documents": [each.model_dump_json(exclude={"head", "lines"}) for each in final],
        },
    )
    lines = [(each.head, line) for each in final for line in each.lines]
    await tx.execute(
        _SAVE_LINES,
        {
            "invoices": [head.invoice_id for head, _ in lines],
            "positions": [line.position for _, line in lines],
            "settlements": [head.settlement_id for head, _ in lines],
            "lines": [line.line for _, line in lines],
            "amounts": [line.net_cents for _, line in lines],
            "categories": [line.category for _, line in lines],
            "rates": [line.rate_percent for _, line in lines],
            "rules": [line.rule for _, line in lines],
            "years": [line.service_to.year for _, line in lines],
            "budget_items": [line.budget_item for _, line in lines],
            "documents": [line.model_dump_json() for _, line in lines],
        },
    )
    return final


async def reissue(
    tx: AsyncConnection, invoice: Invoice, *, register: MemberRegister, reason: str, now: dt.datetime
) -> tuple[Invoice, Invoice] | Rejected:
    """Take a document back and issue it again, once; nothing is posted, since amounts stay.

    Returns:
        The document that takes it back and the replacement, numbered and saved.

    Raises:
        IntegrityError: another transaction has just issued it again; repeated, this one refuses.
    """
    found = (await tx.execute(_IS_REISSUED, {"number": invoice.head.number})).scalar_one()
    refusal = refuse_reissue(invoice, reissued=found)
    if refusal is not None:
        return refusal
    taken_back, replacement = await save(tx, reissued(invoice, register, reason, day_of(now)))
    return taken_back, replacement


async def _lock_series(tx: AsyncConnection, used: Sequence[tuple[Series, int]]) -> dict[Series, int]:
    """Hold number series until the transaction ends, and take the numbers that are used."""
    series: dict[str, list[Any]] = {
        "issuers": [issuer for (issuer, _, _), _ in used],
        "kinds": [kind for (_, kind, _), _ in used],
        "years": [year for (_, _, year), _ in used],
    }
    await tx.execute(_OPEN_SERIES, series)
    last = {(row[0], row[1], row[2]): row[3] for row in await tx.execute(_LOCK_SERIES, series)}
    await tx.execute(_MOVE_SERIES, {**series, "used": [count for _, count in used]})
    return last


async def _treatments_told(connection: AsyncConnection, named: Collection[tuple[str, LineTax]]) -> Treatments:
    """Find what documents say of treatments, which lines name by issuer and rule."""
    if not named:
        return {}
    rows = await connection.execute(
        _TREATMENTS,
        {
            "issuers": sorted({issuer for issuer, _ in named}),
            "rules": sorted({tax.rule for _, tax in named}),
        },
    )
    found = {}
    for issuer, document in rows:
        each = TaxTreatment.model_validate_json(document)
        tax = LineTax(category=each.category, rate_percent=each.rate_percent, rule=each.rule)
        found[issuer, tax] = each
    return found


async def spent_in(tx: AsyncConnection, year: int, register: MemberRegister) -> dict[tuple[str, str], int]:
    """Sum up what members with a limit spent by their budget items in the periods of a year.

    Returns:
        Net cents by member and label, of all that was issued.
    """
    members = [
        member.id
        for member in register.members
        if member.body and any(item.limit_cents is not None for item in member.body.budget_items)
    ]
    if not members:
        return {}
    asked = {"members": members, "first": f"{year}-01", "last": f"{year}-12"}
    return {(member, label): cents for member, label, cents in await tx.execute(_SPENT, asked)}


async def heads(
    connection: AsyncConnection, *, period: str | None, member: str | None, after: str, limit: int
) -> list[InvoiceHead]:
    """Read documents without their lines, in the order of their numbers."""
    asked = {"period": period, "member": member, "after": after, "limit": limit}
    rows = await connection.execute(_HEADS, asked)
    return [InvoiceHead.model_validate_json(row[0]) for row in rows]


async def named(connection: AsyncConnection, numbers: Iterable[str]) -> dict[str, Invoice]:
    """Read whole documents by number; those that do not exist are missing."""
    rows = await connection.execute(_NAMED, {"numbers": sorted(set(numbers))})
    found = await _whole(connection, [tuple(row) for row in rows])
    return {each.head.number: each for each in found}


async def of_settlement(connection: AsyncConnection, settlement_id: str) -> list[Invoice]:
    """Read all documents that a run issued, by number, without those that took one back or replaced it."""
    rows = await connection.execute(_OF_SETTLEMENT, {"settlement_id": settlement_id})
    return await _whole(connection, [tuple(row) for row in rows])


async def _whole(connection: AsyncConnection, rows: Sequence[tuple[Any, ...]]) -> list[Invoice]:
    lines: defaultdict[str, list[str]] = defaultdict(list)
    for invoice_id, document in await connection.execute(_LINES, {"ids": [row[0] for row in rows]}):
        lines[invoice_id].append(document)
    return [
        Invoice.model_validate_json(
            f'{document[:-1]},"head":{head},"lines":[{",".join(lines[invoice_id])}]}}'
        )
        for invoice_id, head, document in rows
    ]
