"""A run that is issued as soon as it is collected, purely: what nobody has to decide on."""

import dataclasses
import datetime as dt
from collections.abc import Sequence

from support.builders import register

from allmende.schemas.billing import ChargeLine, SettlementClosed, StatementIssued
from allmende.schemas.register import FOUNDING, MemberRegister
from allmende.services.billing.invoicing.invoice import invoices_of, numbered
from allmende.services.billing.ledger.entries import Entry
from allmende.services.billing.settlement import statements
from allmende.services.billing.settlement.levy import Levy, lines_of
from allmende.services.billing.settlement.run import Run, grace_until


@dataclasses.dataclass(frozen=True)
class Closing:
    """Everything a run leaves behind."""

    settlement: SettlementClosed
    statements: tuple[StatementIssued, ...]
    lines: tuple[ChargeLine, ...]
    entries: tuple[Entry, ...]


def close(
    settlement_id: str,
    period: str,
    *,
    members: Sequence[str],
    clearing_house: str,
    usage_records: int,
    charges: Sequence[ChargeLine],
    levies: Sequence[Levy],
    now: dt.datetime,
    bodies: MemberRegister | None = None,
) -> Closing:
    """Issue what a period charges; without `bodies` nobody has one."""
    known = bodies or register(*members)
    found = [*charges, *(line for levy in levies for line in lines_of(levy, clearing_house))]
    lines = [
        found[place].model_copy(update={"line": n}) for n, place in enumerate(statements.in_order(found), 1)
    ]
    invoices = invoices_of(settlement_id, period, lines, known, FOUNDING, now.date())
    run = Run(settlement_id, period, "in_review", 1, now, grace_until(period, FOUNDING), "anna")
    issued = statements.issue(
        run,
        lines,
        (),
        statements.obligations_of(numbered(invoices, {}), known, period, final=True),
        statements.Parties(members, clearing_house),
        usage_records=usage_records,
        approved_by="bela",
        now=now,
    )
    return Closing(issued.settlement, issued.statements, tuple(lines), issued.entries)
