"""A member's lines summed up by service, beside those of an earlier period."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Literal

from allmende.schemas.billing import ChargeLine
from allmende.schemas.settlements import ServiceSum

_Key = tuple[str, str, str, str, str, str]


def sums_by_service(
    lines: Iterable[ChargeLine], before: Iterable[ChargeLine], member: str
) -> list[ServiceSum]:
    """Sum up what a member owes and is owed, by counterparty, kind, cause and service.

    Args:
        lines: of the period.
        before: of the one it is compared with; what is only there stands with zero beside it.
        member: one side of every line.

    Returns:
        What it owes first, then what it is owed; services in the order of their names, the regular first.
    """
    now, earlier = _grouped(lines, member), _grouped(before, member)
    keys = sorted(now.keys() | earlier.keys(), key=lambda key: (key[0], key[1], key[2], key[4], key[3]))
    return [_sum(key, now.get(key, []), earlier.get(key, [])) for key in keys]


def _grouped(lines: Iterable[ChargeLine], member: str) -> dict[_Key, list[ChargeLine]]:
    found: dict[_Key, list[ChargeLine]] = {}
    for line in lines:
        direction, other = ("payable", line.payee) if line.payer == member else ("receivable", line.payer)
        cause = "" if line.cause == "regular" else line.cause
        key = (direction, other, line.kind, cause, line.title, line.offering_id or "")
        found.setdefault(key, []).append(line)
    return found


def _sum(key: _Key, lines: Sequence[ChargeLine], before: Sequence[ChargeLine]) -> ServiceSum:
    one = (lines or before)[0]
    direction: Literal["payable", "receivable"] = "payable" if key[0] == "payable" else "receivable"
    units = {line.unit for line in lines}
    counted = [line.quantity for line in lines if line.quantity is not None]
    alike = len(units) == 1 and len(counted) == len(lines)
    return ServiceSum(
        direction=direction,
        counterparty=key[1],
        kind=one.kind,
        cause=one.cause,
        offering_id=one.offering_id,
        title=one.title,
        unit=one.unit if alike else None,
        quantity=sum(counted, Decimal()) if alike else None,
        lines=len(lines),
        amount_cents=sum(line.amount_cents for line in lines),
        previous_cents=sum(line.amount_cents for line in before),
    )
