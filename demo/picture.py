"""What the market knows after the play, asked of the market."""

import dataclasses
import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from functools import partial

from allmende.schemas.billing import ChargeLine, SettlementClosed, Statement
from allmende.schemas.brokerage import BookingSummary
from allmende.schemas.catalog import OfferingSummary
from allmende.schemas.rejections import Rejection

from .closing import Aftermath, aftermath
from .connections import Markets, all_of
from .orders import Order
from .outcomes import Unexpected, agreed, refusal_of, report_day
from .script import Script


@dataclasses.dataclass(frozen=True)
class Day:
    """The usage of one day.

    Attributes:
        records: how many the market took.
        core_seconds: of the reports whose content the market confirmed as the one it took.
    """

    day: dt.date
    records: int
    core_seconds: Decimal


@dataclasses.dataclass(frozen=True)
class Picture:
    """The market after the play.

    Attributes:
        statements: every party's own, as it sees it itself.
    """

    said: Script
    offerings: tuple[OfferingSummary, ...]
    bookings: tuple[BookingSummary, ...]
    refusals: tuple[tuple[Order, Rejection], ...]
    days: tuple[Day, ...]
    statements: Mapping[str, Statement]
    settlement: SettlementClosed
    aftermath: Aftermath

    @property
    def net_total_cents(self) -> int:
        """The sum of all net positions."""
        return sum(position.net_cents for position in self.settlement.positions)

    @property
    def balanced(self) -> bool:
        """Whether the positions sum to zero and every party's statement says the same as its position."""
        positions = {position.party: position.net_cents for position in self.settlement.positions}
        stated = {party: statement.statement.net_cents for party, statement in self.statements.items()}
        return self.net_total_cents == 0 and positions == stated

    @property
    def lines(self) -> tuple[ChargeLine, ...]:
        """Every line of the period once, taken from the statement of its payee."""
        found = [
            line
            for party, statement in self.statements.items()
            for line in statement.lines
            if line.payee == party
        ]
        return tuple(sorted(found, key=lambda line: line.line))


async def read_back(said: Script, markets: Markets) -> Picture:
    """Ask for everything that is shown. Changes nothing.

    Refusals and reports are no object of a query: their commands are repeated under the same ids, which the
    market answers as the first time without deciding anew.

    Raises:
        Unexpected: the demonstration was not played to its end.
    """
    settlement = await settlement_of(said, markets)
    if settlement is None:
        raise Unexpected(
            f"Der Zeitraum {said.period} ist nicht abgeschlossen; bitte erst spielen.",
            f"The period {said.period} is not closed; play first.",
        )
    office = markets[said.office]
    refusals = await all_of(partial(refusal_of, markets, order) for order in said.refused)
    statements = await all_of(partial(_statement, said, markets, party) for party in said.names)
    return Picture(
        said=said,
        offerings=tuple([summary async for summary in office.offerings()]),
        bookings=tuple([booking async for booking in office.bookings()]),
        refusals=tuple(zip(said.refused, refusals, strict=True)),
        days=await _days(said, markets),
        statements=dict(zip(said.names, statements, strict=True)),
        settlement=settlement,
        aftermath=await aftermath(said, markets),
    )


async def settlement_of(said: Script, markets: Markets) -> SettlementClosed | None:
    """Ask for the issued run, if there is one."""
    found = await markets[said.office].settlements()
    return next((each for each in found if each.period == said.period), None)


async def _statement(said: Script, markets: Markets, party: str) -> Statement:
    return agreed(await markets[party].statement(said.period))


async def _days(said: Script, markets: Markets) -> tuple[Day, ...]:
    outcomes = await all_of(partial(report_day, markets, report) for report in said.reports)
    records: defaultdict[dt.date, int] = defaultdict(int)
    seconds: defaultdict[dt.date, Decimal] = defaultdict(Decimal)
    for report, outcome in zip(said.reports, outcomes, strict=True):
        records[report.day] += outcome.accepted + outcome.repeated + outcome.parked
        seconds[report.day] += report.core_seconds
    return tuple(Day(day, records[day], seconds[day]) for day in sorted(records))
