"""Reviews of statements and objections, and what both and levies leave to the next run."""

from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.billing import ChargeLine
from allmende.schemas.claims import Claim
from allmende.schemas.statements import (
    Objection,
    ObjectionRaised,
    ObjectionSettled,
    ObjectionState,
    StatementCertified,
    StatementOrdered,
    StatementProgress,
)

from .objection import Charged, Credit, Standing
from .recipient import Received

# -- recipients -----------------------------------------------------------------------------------------

# The review is locked, so that one at a time orders; two that certify meet at its key.
_RECEIVED = text("""
    select st.statement_id::text, st.number, s.state = 'issued'
    from statement st join settlement s using (settlement_id)
    where st.period = :period and st.member = :member
""")

_REVIEW = text("""
    select certified_by, ordered_by from statement_review where statement_id = cast(:id as uuid) for update
""")

_UNISSUED = text("select 1 from settlement where period = :period and state <> 'issued'")

_CERTIFY = text("""
    insert into statement_review (statement_id, certified_by, certified_at, remark, certification_claim)
    values (cast(:id as uuid), :person, :now, :remark, cast(:claim as json))
    on conflict do nothing returning statement_id
""")

_ORDER = text("""
    update statement_review
    set ordered_by = :person, ordered_at = :now, kassenzeichen = :kassenzeichen,
        order_claim = cast(:claim as json)
    where statement_id = cast(:id as uuid)
""")

_PROGRESS = text("""
    select * from (
        select st.statement_id::text, st.number, st.period, st.member,
               case when p.paid_cents >= (st.document->>'payable_cents')::bigint
                         and (st.document->>'payable_cents')::bigint > 0 then 'paid'
                    when r.ordered_by is not null then 'ordered'
                    when r.certified_by is not null then 'certified'
                    else 'received' end as state,
               (st.document->>'payable_cents')::bigint as payable_cents,
               (st.document->>'receivable_cents')::bigint as receivable_cents,
               coalesce(d.gross_cents, 0)::bigint as disputed_cents,
               coalesce(p.paid_cents, 0)::bigint as paid_cents,
               r.certified_by, r.certified_at, r.ordered_by, r.ordered_at, r.kassenzeichen
        from statement st
        join settlement s using (settlement_id)
        left join statement_review r using (statement_id)
        left join statement_paid p using (statement_id)
        left join lateral (select sum(gross_cents) as gross_cents from disputed_line d
                           where d.settlement_id = st.settlement_id and d.payer = st.member) d on true
        where s.state = 'issued'
          and (cast(:member as text) is null or st.member = :member)
          and (cast(:period as text) is null or st.period = :period)
          and (cast(:after as text) is null or st.number < :after collate "C")
    ) found
    where cast(:state as text) is null or state = :state
    order by number collate "C" desc limit :limit
""")


async def received(tx: AsyncConnection, period: str, member: str) -> Received | None:
    """Load a member's statement of a period, its review locked."""
    row = (await tx.execute(_RECEIVED, {"period": period, "member": member})).first()
    if row is None:
        # What is drafted has no statements yet; its members are told that they have to wait.
        waits = (await tx.execute(_UNISSUED, {"period": period})).first()
        return Received("", "", period, member, issued=False) if waits else None
    review = (await tx.execute(_REVIEW, {"id": row[0]})).first()
    return Received(row[0], row[1], period, member, row[2], *(review or (None, None)))


async def certify(tx: AsyncConnection, fact: StatementCertified, claim: Claim) -> bool:
    """Keep that a statement is certified. Tells whether it was not before."""
    about = {"id": fact.statement_id, "person": fact.certified_by, "now": fact.certified_at}
    about |= {"remark": fact.remark, "claim": claim.model_dump_json()}
    return (await tx.execute(_CERTIFY, about)).first() is not None


async def order(tx: AsyncConnection, fact: StatementOrdered, claim: Claim) -> None:
    """Keep that the payment of a statement is ordered; its review is locked."""
    about = {"id": fact.statement_id, "person": fact.ordered_by, "now": fact.ordered_at}
    about |= {"kassenzeichen": fact.kassenzeichen, "claim": claim.model_dump_json()}
    await tx.execute(_ORDER, about)


async def progress(  # noqa: PLR0913 - what one can ask for
    connection: AsyncConnection,
    *,
    member: str | None,
    period: str | None,
    state: str | None,
    after: str | None,
    limit: int,
) -> list[StatementProgress]:
    """Read how far issued statements are, newest number first; `member` None reads those of all."""
    about = {"member": member, "period": period, "state": state, "after": after, "limit": limit}
    rows = (await connection.execute(_PROGRESS, about)).mappings()
    return [StatementProgress(**row) for row in rows]


# -- objections -----------------------------------------------------------------------------------------

# Of a levy's share the levy is locked, so that it is not taken back while somebody objects.
_LOCK_LEVY = text("""
    select 1 from levy where levy_id = (
        select cast(l.document->>'levy_id' as uuid)
        from charge_line l join settlement s using (settlement_id)
        where s.period = :period and l.line = :line)
    for share
""")

_CHARGED = """
    select l.settlement_id::text, s.period,
           case when s.state = 'issued' then coalesce(s.issued_at, s.closed_at) end as issued_at,
           l.document::text as document,
           exists (select from run_alert a
                   where a.settlement_id = l.settlement_id and a.line = l.line
                     and a.decision is distinct from 'released') as held,
           coalesce(o.disputed, false) as disputed,
           exists (select from levy_reversal r
                   where r.levy_id = cast(l.document->>'levy_id' as uuid))
           or exists (
               with recursive origin as (
                   select l.settlement_id, l.line
                   union all
                   select k.from_settlement, k.from_line
                   from origin join carried_line k using (settlement_id, line))
               select from origin
               join component_charge c using (settlement_id, line)
               join component_charge n
                 on (n.booking_id, n.component, n.terms, n.charged_for, n.step)
                  = (c.booking_id, c.component, c.terms, c.charged_for, c.step + 1)) as reversed,
           coalesce(o.credited, 0)::bigint as credited, coalesce(o.gross, 0)::bigint as gross
    from charge_line l
    join settlement s using (settlement_id)
    left join lateral (select bool_or(state = 'raised') as disputed, sum(credit_cents) as credited,
                              sum(credit_gross_cents) as gross
                       from objection o where o.settlement_id = l.settlement_id and o.line = l.line) o on true
"""

_CHARGED_LINE = text(f"{_CHARGED} where s.period = :period and l.line = :line")

_CHARGED_OF = text(f"""
    {_CHARGED} where (l.settlement_id, l.line) = (
        select settlement_id, line from objection where objection_id = cast(:id as uuid))
""")

_LATEST = text("""
    select o.objection_id::text, o.state from objection o
    where o.period = :period and o.line = :line order by o.number desc limit 1
""")

_RAISE = text("""
    insert into objection (objection_id, settlement_id, line, period, payer, payee, levy_id, gross_cents,
                           suspends, raised, raise_claim)
    values (cast(:id as uuid), cast(:settlement_id as uuid), :line, :period, :payer, :payee,
            cast(:levy_id as uuid), :gross_cents, :suspends, cast(:raised as json), cast(:claim as json))
    on conflict do nothing returning objection_id
""")

_IS_TAKEN = text("select 1 from objection where objection_id = cast(:id as uuid)")

_LOCK_OBJECTION = text("""
    select raised::text, settled::text from objection where objection_id = cast(:id as uuid) for update
""")

_SETTLE = text("""
    update objection
    set state = :state, settled = cast(:settled as json), settle_claim = cast(:claim as json),
        credit_cents = :credit_cents, credit_gross_cents = :credit_gross_cents, credit_in = :credit_in,
        credit = cast(:credit as json)
    where objection_id = cast(:id as uuid)
""")

_OBJECTIONS = text("""
    select number, raised::text, settled::text from objection
    where number > :after
      and (cast(:member as text) is null or payer = :member or payee = :member)
      and (cast(:period as text) is null or period = :period)
      and (not :open_only or state = 'raised')
    order by number limit :limit
""")

_DISPUTED = text("select settlement_id::text, line, gross_cents from disputed_line")


async def charged(tx: AsyncConnection, period: str, line: int) -> Charged | None:
    """Load a line of the run of a period with what was objected to it; the levy behind it is locked."""
    about = {"period": period, "line": line}
    await tx.execute(_LOCK_LEVY, about)
    row = (await tx.execute(_CHARGED_LINE, about)).first()
    return _charged(row) if row is not None else None


async def objected(
    connection: AsyncConnection, period: str, line: int
) -> tuple[Charged | None, tuple[str, ObjectionState] | None]:
    """Read a line of the run of a period, and the id and state of the last objection to it."""
    about = {"period": period, "line": line}
    row = (await connection.execute(_CHARGED_LINE, about)).first()
    last = (await connection.execute(_LATEST, about)).first()
    return _charged(row) if row is not None else None, (last[0], last[1]) if last is not None else None


def _charged(row: Row[Any]) -> Charged:
    line = ChargeLine.model_validate_json(row.document)
    return Charged(
        row.settlement_id,
        row.period,
        row.issued_at,
        line,
        held=row.held,
        disputed=row.disputed,
        reversed=row.reversed,
        credited_cents=row.credited,
        credited_gross_cents=row.gross,
    )


async def raise_(tx: AsyncConnection, fact: ObjectionRaised, about: Charged, claim: Claim) -> bool:
    """Keep an objection. Tells whether its id is new and no other one to the line is open."""
    found = await tx.execute(
        _RAISE,
        {
            "id": fact.objection_id,
            "settlement_id": about.settlement_id,
            "line": fact.line,
            "period": fact.period,
            "payer": fact.payer,
            "payee": fact.payee,
            "levy_id": about.line.levy_id,
            "gross_cents": fact.gross_cents,
            "suspends": fact.suspends,
            "raised": fact.model_dump_json(),
            "claim": claim.model_dump_json(),
        },
    )
    return found.first() is not None


async def is_taken(tx: AsyncConnection, objection_id: str) -> bool:
    """Tell whether there is an objection of an id."""
    return (await tx.execute(_IS_TAKEN, {"id": objection_id})).first() is not None


async def lock_objection(tx: AsyncConnection, objection_id: str) -> Standing | None:
    """Load an objection with its line, so that one at a time settles it."""
    about = {"id": objection_id}
    row = (await tx.execute(_LOCK_OBJECTION, about)).first()
    if row is None:
        return None
    settled = ObjectionSettled.model_validate_json(row[1]) if row[1] is not None else None
    return Standing(ObjectionRaised.model_validate_json(row[0]), settled, await charged_of(tx, objection_id))


async def charged_of(tx: AsyncConnection, objection_id: str) -> Charged:
    """Load the line that an objection is about."""
    return _charged((await tx.execute(_CHARGED_OF, {"id": objection_id})).one())


async def settle(tx: AsyncConnection, fact: ObjectionSettled, credit: Credit | None, claim: Claim) -> None:
    """Keep what became of an objection, which is locked, with the line that credits it."""
    await tx.execute(
        _SETTLE,
        {
            "id": fact.objection_id,
            "state": fact.state,
            "settled": fact.model_dump_json(),
            "claim": claim.model_dump_json(),
            "credit_cents": fact.credit_cents,
            "credit_gross_cents": credit.gross_cents if credit else 0,
            "credit_in": credit.period if credit else None,
            "credit": credit.line.model_dump_json() if credit else None,
        },
    )


async def objections(  # noqa: PLR0913 - what one can ask for
    connection: AsyncConnection,
    *,
    member: str | None,
    period: str | None,
    open_only: bool,
    after: int,
    limit: int,
) -> list[Objection]:
    """Read objections that a member raised or has to decide, by number; `member` None reads all."""
    about = {"member": member, "period": period, "open_only": open_only, "after": after, "limit": limit}
    return [
        Objection(
            number=number,
            raised=ObjectionRaised.model_validate_json(raised),
            settled=ObjectionSettled.model_validate_json(settled) if settled is not None else None,
        )
        for number, raised, settled in map(tuple, await connection.execute(_OBJECTIONS, about))
    ]


async def disputed(tx: AsyncConnection) -> dict[tuple[str, int], int]:
    """Tell what need not be paid for the time being: gross cents by settlement and line.

    That is all of a line that is disputed with suspensive effect; and what is credited of such a line, as
    long as the run that credits it is not issued, since until then nothing stands against it. VAT is that of
    the line alone (`objection.gross`).
    """
    rows = await tx.execute(_DISPUTED)
    return {(settlement_id, line): cents for settlement_id, line, cents in map(tuple, rows)}


# What credits a line and is credited by it; of a levy's share what charges it and takes it back.
_RELATED = text("""
    select s.period, l.document::text
    from objection o
    join settlement s on s.period = o.credit_in
    join charge_line l on l.settlement_id = s.settlement_id and l.payer = o.payer
                      and l.document->>'objection_id' = o.objection_id::text
    where o.settlement_id = :id and o.line = :line and (:sees_all or s.state = 'issued')
    union all
    select s.period, l.document::text
    from objection o
    join settlement s using (settlement_id)
    join charge_line l using (settlement_id, line)
    where o.objection_id = cast(:objection_id as uuid)
    union all
    select s.period, l.document::text
    from levy v
    left join levy_reversal r using (levy_id)
    join settlement s on s.period in (v.period, r.period)
    join charge_line l on l.settlement_id = s.settlement_id and l.payer = :payer
                      and l.document->>'levy_id' = v.levy_id::text and l.document->>'cause' <> 'credit'
    where v.levy_id = cast(:levy_id as uuid) and :cause <> 'credit' and (:sees_all or s.state = 'issued')
      and (l.settlement_id, l.line) <> (cast(:id as uuid), :line)
    order by 1
""")


async def related(
    connection: AsyncConnection, settlement_id: str, of: ChargeLine, *, sees_all: bool
) -> list[tuple[str, ChargeLine]]:
    """Find the lines that credit a line or take its levy back, and those that it credits or takes back.

    Returns:
        Each with the period of its run, by period.
    """
    rows = await connection.execute(
        _RELATED,
        {
            "id": settlement_id,
            "line": of.line,
            "payer": of.payer,
            "cause": of.cause,
            "objection_id": of.objection_id,
            "levy_id": of.levy_id,
            "sees_all": sees_all,
        },
    )
    return [(row[0], ChargeLine.model_validate_json(row[1])) for row in rows]


# -- what the run of a period contains --------------------------------------------------------------------

_LINES = text("""
    select credit::text from objection where credit_in = :period
    union all
    select line::text from levy_reversal, json_array_elements(lines) line where period = :period
""")


async def lines_of(tx: AsyncConnection, period: str) -> list[ChargeLine]:
    """Load credits after objections, and what takes levies back, in the run of a period.

    Both are tied to a period that was not collected when they were decided, so that the run may be collected
    again and again and always holds the same.
    """
    rows = await tx.execute(_LINES, {"period": period})
    return [ChargeLine.model_validate_json(row[0]) for row in rows]
