"""A year of the market at whose end reports are drawn: desy uses a machine of lrz, a pool is shared."""

import datetime as dt
from collections.abc import Sequence

from support import pooled
from support.bodies import UNSIGNED, closing, embodied, signed
from support.builders import booking, command, fact, record, register, report
from support.desk import Desk

from allmende.schemas.contract import Contract
from allmende.schemas.reports import CloseYear, DeclareTurnover
from allmende.servicekit.messages import Incoming

BODIES = embodied(register("desy", "gsi", "lrz"))
IN_2027 = dt.datetime(2027, 2, 1, 8, 0, tzinfo=dt.UTC)


def closes(year: int = 2026, who: str = "anna", number: int = 900) -> Incoming:
    return signed("office", who, CloseYear(year=year, claim=UNSIGNED), number)


def declares(member: str, year: int, cents: int, number: int) -> Incoming:
    told = DeclareTurnover(year=year, open_market_cents=cents, evidence="Jahresabschluss", claim=UNSIGNED)
    return signed(member, "anna", told, number)


async def april(desk: Desk, cents: int = 500) -> None:
    """A run of one charge, of a booking that ends with it."""
    await desk.take(
        fact(booking(end=dt.date(2026, 4, 30)), 1),
        command("lrz", report(record(amount=cents // 100)), 2),
        *closing("2026-04", 3),
    )


async def pool(desk: Desk, steps: Sequence[tuple[str, Contract]], number: int = 100) -> None:
    """A pool for 2026, and what is told of it."""
    told = [("office", pooled.published()), ("office", pooled.opening()), *steps]
    for place, (by, data) in enumerate(told, number):
        await desk.take(command(by, data, place))
