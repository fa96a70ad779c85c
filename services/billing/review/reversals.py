"""What is taken back: levies with the lines that do so, and documents that are issued again."""

import datetime as dt
import json
from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.billing import ChargeLine, LevyCharged
from allmende.schemas.claims import Claim
from allmende.schemas.statements import InvoiceReissued
from allmende.tariffs.allocation import Share

from . import levies

# -- levies ---------------------------------------------------------------------------------------------

_LOCK_ONE_LEVY = text("""
    select document::text, shares::text from levy where levy_id = cast(:id as uuid) for update
""")

_PERIOD_OF_LEVY = text("select period from levy where levy_id = cast(:id as uuid)")

_OF_LEVY = text("""
    select (select period from levy_reversal where levy_id = cast(:id as uuid)),
           (select levy_id::text from levy_replacement where replaces = cast(:id as uuid)),
           (select count(*) from objection where levy_id = cast(:id as uuid) and state = 'raised')
""")

# A share that was held is charged by the line that took it up last.
_LINES_OF_LEVY = text("""
    with recursive found as (
        select l.settlement_id, l.line, l.payer, l.document, 0 as step
        from charge_line l join settlement s using (settlement_id)
        where s.period = :period and l.document->>'levy_id' = :id and l.document->>'cause' = 'regular'
        union all
        select l.settlement_id, l.line, l.payer, l.document, f.step + 1
        from found f
        join carried_line c on (c.from_settlement, c.from_line) = (f.settlement_id, f.line)
        join charge_line l on (l.settlement_id, l.line) = (c.settlement_id, c.line))
    select payer, document::text from found order by step
""")

_CREDITED = text("""
    select payer, sum(credit_cents)::bigint from objection
    where levy_id = cast(:id as uuid) and credit_cents > 0 group by payer
""")

_REVERSE = text("""
    insert into levy_reversal (levy_id, period, reversed_at, document, claim, lines)
    values (cast(:id as uuid), :period, :now, cast(:document as json), cast(:claim as json),
            cast(:lines as json))
""")

_REPLACE = text("""
    insert into levy_replacement (replaces, levy_id) values (cast(:replaces as uuid), cast(:id as uuid))
""")


async def period_of_levy(tx: AsyncConnection, levy_id: str) -> str | None:
    """Tell the period of a levy, if there is one."""
    found: str | None = (await tx.execute(_PERIOD_OF_LEVY, {"id": levy_id})).scalar_one_or_none()
    return found


async def lock_levy(tx: AsyncConnection, levy_id: str) -> levies.Standing | None:
    """Load a levy with all that became of it, so that one at a time takes it back or bills it again."""
    about = {"id": levy_id}
    row = (await tx.execute(_LOCK_ONE_LEVY, about)).first()
    if row is None:
        return None
    fact = LevyCharged.model_validate_json(row[0])
    reversed_in, replaced_by, disputed_ = (await tx.execute(_OF_LEVY, about)).one()
    lines = await tx.execute(_LINES_OF_LEVY, about | {"period": fact.period})
    credited = await tx.execute(_CREDITED, about)
    return levies.Standing(
        fact=fact,
        shares=tuple(Share(**share) for share in json.loads(row[1])),
        reversed_in=reversed_in,
        replaced_by=replaced_by,
        disputed=disputed_,
        lines={each[0]: ChargeLine.model_validate_json(each[1]) for each in lines},
        credited={each[0]: each[1] for each in credited},
    )


async def save_reversal(
    tx: AsyncConnection, reversal: levies.Reversal, claim: Claim, now: dt.datetime
) -> None:
    """Keep that a levy, which is locked, is taken back, and by which lines."""
    await tx.execute(
        _REVERSE,
        {
            "id": reversal.fact.levy_id,
            "period": reversal.fact.period,
            "now": now,
            "document": reversal.fact.model_dump_json(),
            "claim": claim.model_dump_json(),
            "lines": _json(reversal.lines),
        },
    )


async def save_replacement(tx: AsyncConnection, replaces: str, levy_id: str) -> None:
    """Keep that a levy, which is locked, is billed again by another."""
    await tx.execute(_REPLACE, {"replaces": replaces, "id": levy_id})


def _json(lines: Sequence[ChargeLine]) -> str:
    return f"[{','.join(line.model_dump_json() for line in lines)}]"


# -- documents ------------------------------------------------------------------------------------------

_REISSUE = text("""
    insert into invoice_reissue (number, credit_note, replacement, reissued_at, document, claim)
    values (:number, :credit_note, :replacement, :now, cast(:document as json), cast(:claim as json))
""")


async def save_reissue(tx: AsyncConnection, fact: InvoiceReissued, claim: Claim) -> None:
    """Keep who had a document issued again."""
    about = {"number": fact.number, "credit_note": fact.credit_note, "replacement": fact.replacement}
    about |= {"document": fact.model_dump_json(), "claim": claim.model_dump_json()}
    await tx.execute(_REISSUE, {**about, "now": fact.reissued_at})
