"""Closing a period: from rated lines and levies to statements and net positions."""

import dataclasses
import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Sequence

from allmende.schemas.billing import (
    ChargeLine,
    SettlementClosed,
    StatementIssued,
    StatementItem,
)
from allmende.schemas.rejections import Rejected, rejected

from ..ledger.entries import Entry, Obligation, entries_of
from ..period import period_of
from .levy import Levy, lines_of
from .netting import net


@dataclasses.dataclass(frozen=True)
class Closing:
    """Everything a closed period leaves behind."""

    settlement: SettlementClosed
    statements: tuple[StatementIssued, ...]
    lines: tuple[ChargeLine, ...]
    entries: tuple[Entry, ...]


def refuse_closing(period: str, *, closed: bool, now: dt.datetime) -> Rejected | None:
    """Refuse to close twice, or before the period is over."""
    if closed:
        return rejected("period_closed", "period", period=period)
    if period >= period_of(now):
        return rejected("period_not_over", "period", period=period)
    return None


def close(  # noqa: PLR0913 - what a period consists of
    settlement_id: str,
    period: str,
    *,
    members: Sequence[str],
    clearing_house: str,
    usage_records: int,
    charges: Sequence[ChargeLine],
    levies: Sequence[Levy],
    now: dt.datetime,
) -> Closing:
    """Rate, state and net a period.

    Args:
        settlement_id: the id of the command that closes it.
        period: `YYYY-MM`.
        members: everybody who gets a statement, even over nothing; so does whoever owes or is owed.
        clearing_house: the cooperative's office, which also receives the levies.
        usage_records: of the period, how many are charged.
        charges: what bookings are charged and credited now, and what cost pools charge and pay back.
        levies: levies of the period.
        now: the moment of closing.
    """
    lines = _numbered([*charges, *(line for levy in levies for line in lines_of(levy, clearing_house))])
    obligations = _obligations(lines)
    positions = net([*members, clearing_house], obligations)
    settlement = SettlementClosed(
        settlement_id=settlement_id,
        period=period,
        clearing_house=clearing_house,
        charges_cents=sum(line.amount_cents for line in lines if line.kind == "charge"),
        levies_cents=sum(
            line.amount_cents for line in lines if line.kind == "levy" and line.payee == clearing_house
        ),
        usage_records=usage_records,
        lines=len(lines),
        positions=tuple(positions),
        closed_at=now,
    )
    statements = tuple(
        _statement(settlement, number, position.party, obligations)
        for number, position in enumerate(positions, 1)
    )
    return Closing(settlement, statements, tuple(lines), tuple(entries_of(period, obligations)))


def _numbered(lines: list[ChargeLine]) -> list[ChargeLine]:
    """Number lines in an order that does not depend on the order they were found in."""

    def place(line: ChargeLine) -> tuple[str, ...]:
        return (
            line.kind,
            line.payee,
            line.payer,
            line.offering_id or "",
            line.booking_id or "",
            line.component or "",
            line.charged_for or "",
            line.pool_id or "",
            line.service_from.isoformat(),
            line.cause,
            line.title,
            line.trace_de,
        )

    ordered = sorted(lines, key=place)
    return [line.model_copy(update={"line": number}) for number, line in enumerate(ordered, 1)]


def _obligations(lines: Sequence[ChargeLine]) -> list[Obligation]:
    sums: defaultdict[tuple[str, str, str], list[int]] = defaultdict(list)
    for line in lines:
        sums[line.kind, line.payer, line.payee].append(line.amount_cents)
    return [
        Obligation(kind, payer, payee, sum(amounts), len(amounts))
        for (kind, payer, payee), amounts in sorted(sums.items())
    ]


def _statement(
    settlement: SettlementClosed, number: int, member: str, obligations: Sequence[Obligation]
) -> StatementIssued:
    payable = tuple(_item(each, each.payee) for each in obligations if each.payer == member)
    receivable = tuple(_item(each, each.payer) for each in obligations if each.payee == member)
    owed = sum(item.amount_cents for item in receivable)
    owing = sum(item.amount_cents for item in payable)
    return StatementIssued(
        statement_id=str(uuid.uuid5(uuid.UUID(settlement.settlement_id), member)),
        settlement_id=settlement.settlement_id,
        number=f"{settlement.period}-{number:04d}",
        period=settlement.period,
        member=member,
        payable=payable,
        receivable=receivable,
        payable_cents=owing,
        receivable_cents=owed,
        net_cents=owed - owing,
        clearing_house=settlement.clearing_house,
        issued_at=settlement.closed_at,
    )


def _item(obligation: Obligation, counterparty: str) -> StatementItem:
    return StatementItem(
        kind="levy" if obligation.kind == "levy" else "charge",
        counterparty=counterparty,
        amount_cents=obligation.amount_cents,
        lines=obligation.lines,
    )
