"""Reports for finance and auditors, and the end of a budget year."""

from collections.abc import AsyncIterator

from allmende.schemas.rejections import Rejection
from allmende.schemas.reports import (
    CloseYear,
    DeclareTurnover,
    ExactCost,
    OpenMarketShare,
    ReportExactCost,
    ReportOpenMarket,
    ReportTreatments,
    TreatedSum,
    Treatments,
    TurnoverDeclared,
    YearClosed,
)

from .persons import Signer
from .room import Room

# Every command takes `id`, which is what CloudEvents calls it.
# ruff: noqa: A002


class ReportRoom(Room):
    """What finance and auditors draw from what is settled."""

    async def treatments(self, year: int, *, member: str | None = None) -> AsyncIterator[TreatedSum]:
        """All VAT treatments of what was issued in a year, with their reasons."""
        after: int | None = 0
        while after is not None:
            asked = ReportTreatments(year=year, member=member, after=after)
            page = await self.ask("billing.report.treatments", asked, Treatments)
            for each in page.sums:
                yield each
            after = page.next_after

    async def exact_cost(self, year: int) -> ExactCost | Rejection:
        """The proof that a year's pools charge exact cost (§ 4 Nr. 29 UStG)."""
        return await self._shown("billing.report.cost", ReportExactCost(year=year), ExactCost)

    async def open_market_share(self, year: int, member: str | None = None) -> OpenMarketShare | Rejection:
        """A member's share of the open market over the three years up to one (§ 108 GWB)."""
        asked = ReportOpenMarket(year=year, member=member)
        return await self._shown("billing.report.market", asked, OpenMarketShare)

    async def declare_turnover(
        self,
        year: int,
        open_market_cents: int,
        evidence: str,
        *,
        by: Signer | None = None,
        id: str | None = None,
    ) -> TurnoverDeclared | Rejection:
        """Tell what one turned over on the open market in a year."""
        given = {"year": year, "open_market_cents": open_market_cents, "evidence": evidence}
        return await self._acted(DeclareTurnover, id, by, given, TurnoverDeclared)

    async def close_year(
        self, year: int, *, by: Signer | None = None, id: str | None = None
    ) -> YearClosed | Rejection:
        """Close a budget year: nothing is posted in it any more (office only)."""
        return await self._acted(CloseYear, id, by, {"year": year}, YearClosed)
