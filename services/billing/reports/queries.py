"""Reports on VAT treatments, exact cost and the open market."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.reports import (
    ExactCost,
    OpenMarketShare,
    ReportExactCost,
    ReportOpenMarket,
    ReportTreatments,
    Treatments,
)
from allmende.servicekit.queries import Answer, Caller, fitting

from . import store
from .market import YEARS, share_of
from .proof import prove


async def report_treatments(
    connection: AsyncConnection, caller: Caller, asked: ReportTreatments
) -> Treatments | Rejected:
    """The VAT treatments of a year with their reasons; a member sees what it supplied and got."""
    member = asked.member if caller.sees_all else asked.member or caller.member
    if refusal := _refuse(caller, member):
        return refusal
    found = await store.treated(connection, asked.year, member, after=asked.after, limit=asked.limit + 1)
    page = tuple(found[: min(asked.limit, fitting(found))])
    more = len(found) > len(page)
    return Treatments(year=asked.year, sums=page, next_after=asked.after + len(page) if more else None)


async def report_cost(connection: AsyncConnection, caller: Caller, asked: ReportExactCost) -> ExactCost:
    """The proof of exact cost over the pools that end in a year; a member sees those that concern it."""
    member = None if caller.sees_all else caller.member
    return prove(asked.year, await store.pools(connection, asked.year, member))


async def report_market(
    connection: AsyncConnection, caller: Caller, asked: ReportOpenMarket
) -> OpenMarketShare | Rejected:
    """A member's share of the open market, for itself and the office."""
    member = asked.member or caller.member
    if refusal := _refuse(caller, member):
        return refusal
    years = range(asked.year - YEARS + 1, asked.year + 1)
    within = await store.within(connection, member, years)
    return share_of(member, asked.year, within, await store.declared(connection, member, years))


def _refuse(caller: Caller, member: str | None) -> Rejected | None:
    if member == caller.member or caller.sees_all:
        return None
    return rejected("report_not_yours", "member", member=member)


ANSWERS: Mapping[str, Answer] = {
    "billing.report.treatments": report_treatments,
    "billing.report.cost": report_cost,
    "billing.report.market": report_market,
}
