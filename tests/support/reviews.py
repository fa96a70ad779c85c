"""Issued runs with statements, persons who act on them, and the steps of a whole settlement run."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from support.bodies import UNSIGNED, embodied, signed
from support.builders import NOW, OFFICE, command, key, register, uid
from support.desk import Desk, NewDesk, codes
from support.invoices import line, run

from allmende.schemas.billing import ChargeLevy, ChargeLine
from allmende.schemas.contract import Contract
from allmende.schemas.register import MemberRegister, SettlementRules
from allmende.schemas.settlements import (
    ApproveSettlement,
    DraftSettlement,
    ReviewSettlement,
    SettlementDrafted,
)
from allmende.schemas.statements import (
    CertifyStatement,
    DecideObjection,
    OrderStatement,
    RaiseObjection,
    ReverseLevy,
    WithdrawObjection,
)
from allmende.servicekit.messages import Incoming
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.review import store

PERIOD = "2026-04"
LINES = [
    line(1, 10_000),
    line(2, 500),
    line(3, -200, cause="credit"),
    line(4, 700, payer="kit"),
    line(5, 900, payer="lrz", payee="desy"),
]
"""What desy owes lrz, with a credit; what kit owes lrz, and lrz desy."""


def market(
    *members: str, rules: tuple[SettlementRules, ...] = (), **bodies: dict[str, Any]
) -> MemberRegister:
    """Members with bodies, and persons `anna` and `bela`; `bodies` are changes of a member's body."""
    found = embodied(register(*(members or ("desy", "kit", "lrz"))), **bodies)
    return found.model_copy(update={"rules": rules})


def certifying(**changes: Any) -> CertifyStatement:
    given: dict[str, Any] = {"period": PERIOD, "claim": UNSIGNED}
    return CertifyStatement(**given | changes)


def ordering(**changes: Any) -> OrderStatement:
    given: dict[str, Any] = {"period": PERIOD, "kassenzeichen": "26/0815-1", "claim": UNSIGNED}
    return OrderStatement(**given | changes)


def objecting(line: int = 1, **changes: Any) -> RaiseObjection:
    given: dict[str, Any] = {"period": PERIOD, "line": line, "reason": "Zähler vertauscht"}
    return RaiseObjection(**given | {"claim": UNSIGNED} | changes)


def deciding(objection: int, decision: str = "upheld", **changes: Any) -> DecideObjection:
    given: dict[str, Any] = {"objection_id": uid(objection), "decision": decision, "reason": "trifft zu"}
    return DecideObjection(**given | {"claim": UNSIGNED} | changes)


def withdrawing(objection: int) -> WithdrawObjection:
    return WithdrawObjection(objection_id=uid(objection), reason="hat sich geklärt", claim=UNSIGNED)


def reversing(levy: int, period: str = "2026-05", **changes: Any) -> ReverseLevy:
    given: dict[str, Any] = {"levy_id": uid(levy), "period": period, "reason": "OVG: Schlüssel rechtswidrig"}
    return ReverseLevy(**given | {"claim": UNSIGNED} | changes)


def levying(period: str = PERIOD, cents: int = 10_000, **changes: Any) -> ChargeLevy:
    by = key({"desy": 1, "kit": 1, "lrz": 1})
    given: dict[str, Any] = {"period": period, "title": "Geschäftsstelle", "amount_cents": cents, "key": by}
    return ChargeLevy(**given | changes)


def by(who: str, data: Contract, number: int, at: dt.datetime = NOW) -> Incoming:
    """A command of `member/person`."""
    member, _, person = who.partition("/")
    return signed(member, person, data, number, at)


async def issued(
    tx: AsyncConnection,
    number: int,
    lines: Iterable[ChargeLine],
    period: str = PERIOD,
    now: dt.datetime = NOW,
) -> str:
    """Write an issued run with a statement for everybody who owes or is owed, as the approval leaves it."""
    found = list(lines)
    id_ = await run(tx, number, period, found, now)
    members = sorted({each.payer for each in found} | {each.payee for each in found})
    for place, member in enumerate(members, 1):
        owing = sum(each.amount_cents for each in found if each.payer == member)
        owed = sum(each.amount_cents for each in found if each.payee == member)
        await tx.execute(
            text(
                "insert into statement (statement_id, settlement_id, member, period, number, document)"
                " values (:id, :run, :member, :period, :number,"
                " json_build_object('payable_cents', cast(:owing as bigint),"
                " 'receivable_cents', cast(:owed as bigint)))"
            ),
            {
                "id": uid(1000 * number + place),
                "run": id_,
                "member": member,
                "period": period,
                "number": f"{period}-{place:04d}",
                "owing": owing,
                "owed": owed,
            },
        )
    await tx.execute(
        text(
            "insert into accounting_period (period, closed_at, issued_at) values (:period, :now, :now)"
            " on conflict (period) do update set closed_at = :now, issued_at = :now"
        ),
        {"period": period, "now": now},
    )
    return id_


async def settle(desk: Desk, period: str, number: int) -> None:
    """Draft, review and approve a period; uses the ids `number` to `number` + 2."""
    (told,) = await desk.take(command(OFFICE, DraftSettlement(period=period), number))
    assert isinstance(told.data, SettlementDrafted), told.data
    of: dict[str, Any] = {"period": period, "revision": told.data.revision, "claim": UNSIGNED}
    await desk.take(by("office/anna", ReviewSettlement(**of), number + 1))
    facts = await desk.take(by("office/bela", ApproveSettlement(**of), number + 2))
    assert codes(facts)[-1] == "SettlementClosed", [fact.data for fact in facts]


async def lines_of(desk: Desk, period: str) -> list[ChargeLine]:
    """The lines of a run."""
    rows = await desk.rows(
        "select l.document::text from charge_line l join settlement s using (settlement_id)"
        " where s.period = :period order by l.line",
        period=period,
    )
    return [ChargeLine.model_validate_json(str(row[0])) for row in rows]


async def desks(desk: NewDesk, count: int = 1) -> list[Desk]:
    """Processes that share a database in which `LINES` are issued."""
    first = await desk(BillingHandler(market(), 60))
    async with first.engine.begin() as tx:
        await issued(tx, 50, LINES)
    others = [await desk(BillingHandler(market(), 60), shares=first) for _ in range(count - 1)]
    return [first, *others]


def meet(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let two transactions go on from a function of the store only when both have come through it."""
    real: Callable[..., Awaitable[object]] = getattr(store, name)
    came: list[object] = []
    both = asyncio.Event()

    async def meeting(*arguments: object) -> object:
        found = await real(*arguments)
        came.append(found)
        if len(came) == 2:
            both.set()
        await both.wait()
        return found

    monkeypatch.setattr(store, name, meeting)
