"""Reports that finance and auditors draw from what is settled, and the end of a budget year."""

from typing import Annotated, Literal

from pydantic import Field

from .claims import Claim
from .contract import Contract
from .identifiers import Count, Day, Instant, Line, MemberId, Slug
from .money import Cents
from .settlements import TaxTreatment

Year = Annotated[int, Field(ge=1990, le=2199)]
_After = Annotated[int, Field(ge=0, le=2**31 - 1)]


class ReportTreatments(Contract):
    """Ask for all VAT treatments of what was issued in a year. Members see what they supply and get."""

    year: Year
    member: MemberId | None = None
    after: _After = 0
    limit: Annotated[int, Field(ge=1, le=500)] = 500


class TreatedSum(Contract):
    """What one supplier supplied under one treatment, by the year of the service."""

    supplier: MemberId
    consumer: MemberId
    service_year: Year
    treatment: TaxTreatment | None
    lines: Count
    net_cents: Cents


class Treatments(Contract):
    """A page of treatments with their reasons; `next_after` continues it."""

    year: Year
    sums: tuple[TreatedSum, ...]
    next_after: int | None


class ReportExactCost(Contract):
    """Ask for the proof that a year's pools charge exact cost (§ 4 Nr. 29 UStG)."""

    year: Year


class ProvenPool(Contract):
    """One pool: charged less carried and surplus is its cost, to the cent, with a mark-up of zero.

    Attributes:
        state: `open` where no settlement was made yet.
        charged_cents: over all participants, advances included.
        markup_cents: what was charged beyond the cost; zero, or the proof fails.
    """

    pool_id: Slug
    title: Line
    first_day: Day
    last_day: Day
    state: Literal["open", "settled"]
    cost_cents: Cents
    charged_cents: Cents
    carried_cents: Cents
    markup_cents: Cents


class ExactCost(Contract):
    """The proof over all pools of a year."""

    year: Year
    pools: tuple[ProvenPool, ...]
    proven: bool


class DeclareTurnover(Contract):
    """Tell what one turned over on the open market in a year (§ 108 GWB), with its evidence."""

    year: Year
    open_market_cents: Annotated[Cents, Field(ge=0)]
    evidence: Line
    claim: Claim


class TurnoverDeclared(Contract):
    """A member's turnover on the open market; the newest declaration of a year counts."""

    member: MemberId
    year: Year
    open_market_cents: Cents
    evidence: Line
    declared_by: Slug
    declared_at: Instant


class ReportOpenMarket(Contract):
    """Ask for a member's share of the open market over the three years up to one (§ 108 Abs. 4, 6, 7 GWB)."""

    year: Year
    member: MemberId | None = None


class MarketYear(Contract):
    """A year: within the cooperative by the ledger, on the open market as declared, if it was."""

    year: Year
    within_cents: Cents
    open_market_cents: Cents | None


class OpenMarketShare(Contract):
    """The share over three years.

    Attributes:
        share_percent: of the open market in the average turnover, cut to two digits; null while a year lacks
            its declaration or nothing was turned over.
        below_limit: less than 20 % on the open market; null while it is not known.
    """

    member: MemberId
    years: tuple[MarketYear, ...]
    share_percent: str | None
    below_limit: bool | None


class CloseYear(Contract):
    """Close a budget year: its runs are issued, its pools settled, nothing is posted in it any more."""

    year: Year
    claim: Claim


class YearClosed(Contract):
    """A closed budget year.

    Attributes:
        entries: of the ledger with a value date in the year, of which the last has this hash.
        keep_books_until: ten years after the year (§ 147 Abs. 3, 4 AO); vouchers eight.
    """

    year: Year
    periods: Count
    entries: Count
    last_sequence: Count
    last_hash: str
    keep_books_until: Day
    keep_vouchers_until: Day
    closed_by: Slug
    closed_at: Instant
