"""Lines to be invoiced, and a run that holds them."""

import datetime as dt
from collections.abc import Iterable
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from support.builders import NOW, uid

from allmende.schemas.billing import ChargeLine


def line(number: int = 1, cents: int = 100, **changes: Any) -> ChargeLine:
    """What desy owes lrz for April 2026."""
    given: dict[str, Any] = {
        "line": number,
        "kind": "charge",
        "payer": "desy",
        "payee": "lrz",
        "title": "Rechenzeit",
        "service_from": dt.date(2026, 4, 1),
        "service_to": dt.date(2026, 4, 30),
        "amount_cents": cents,
        "trace_de": "1 Stunde",
        "trace_en": "1 hour",
    }
    return ChargeLine(**given | changes)


async def run(
    tx: AsyncConnection, number: int, period: str, lines: Iterable[ChargeLine], now: dt.datetime = NOW
) -> str:
    """Write a run with its lines, as what issues it finds it."""
    found = list(lines)
    await tx.execute(
        text(
            "insert into settlement (settlement_id, period, closed_at, document, issued_at)"
            " values (:id, :period, :now, '{}', :now)"
        ),
        {"id": uid(number), "period": period, "now": now},
    )
    await tx.execute(
        text(
            "insert into charge_line (settlement_id, line, payer, payee, amount_cents, document)"
            " select :id, u.line, u.payer, u.payee, u.cents, u.document::json"
            " from unnest(cast(:lines as int[]), cast(:payers as text[]), cast(:payees as text[]),"
            " cast(:cents as bigint[]), cast(:documents as text[])) u (line, payer, payee, cents, document)"
        ),
        {
            "id": uid(number),
            "lines": [each.line for each in found],
            "payers": [each.payer for each in found],
            "payees": [each.payee for each in found],
            "cents": [each.amount_cents for each in found],
            "documents": [each.model_dump_json() for each in found],
        },
    )
    return uid(number)
