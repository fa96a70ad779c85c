"""How much of its turnover a member makes on the open market (§ 108 Abs. 4, 6, 7 GWB).

Cooperation without a tender holds as long as less than 20 % of the average turnover of three years comes from
the open market, which is the same as more than 80 % from within.
"""

import datetime as dt
from collections.abc import Mapping, Sequence

from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.reports import DeclareTurnover, MarketYear, OpenMarketShare, TurnoverDeclared

from ..period import day_of

LIMIT_PERCENT = 20
YEARS = 3


def declare(
    command: DeclareTurnover, member: str, person: str, now: dt.datetime
) -> TurnoverDeclared | Rejected:
    """Take a declaration of a year that is over."""
    if day_of(now).year <= command.year:
        return rejected("year_not_over", "year", year=command.year)
    return TurnoverDeclared(
        member=member,
        year=command.year,
        open_market_cents=command.open_market_cents,
        evidence=command.evidence,
        declared_by=person,
        declared_at=now,
    )


def share_of(
    member: str, year: int, within: Mapping[int, int], declared: Mapping[int, int]
) -> OpenMarketShare:
    """Work out the share of the open market over three years.

    Args:
        member: whose turnover it is.
        year: the last of the three.
        within: cents turned over within the cooperative, by year; none where a year is missing.
        declared: cents turned over on the open market, by year, as far as they are declared.
    """
    years = tuple(
        MarketYear(year=each, within_cents=within.get(each, 0), open_market_cents=declared.get(each))
        for each in range(year - YEARS + 1, year + 1)
    )
    share, below = _share(years)
    return OpenMarketShare(member=member, years=years, share_percent=share, below_limit=below)


def _share(years: Sequence[MarketYear]) -> tuple[str | None, bool | None]:
    open_market = [each.open_market_cents for each in years if each.open_market_cents is not None]
    opened = sum(open_market)
    total = opened + sum(each.within_cents for each in years)
    if len(open_market) < len(years) or total <= 0:
        return None, None
    # Cut, so that what is below the limit is never shown as having reached it; the exact share decides.
    hundredths = opened * 10_000 // total
    return f"{hundredths // 100}.{hundredths % 100:02d}", opened * 100 < LIMIT_PERCENT * total
