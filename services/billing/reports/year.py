"""The end of a budget year: when it may be closed, and what is told of it."""

import dataclasses
import datetime as dt
from collections.abc import Sequence

from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.reports import YearClosed

from ..invoicing.number import EIGHT_YEARS, TEN_YEARS, keep_until
from ..period import day_of


@dataclasses.dataclass(frozen=True)
class Standing:
    """How a year stands.

    Attributes:
        closed: whether it is closed.
        not_issued: its months in which something is charged and whose runs are not issued.
        open_pools: pools that end in it and are not settled.
        objections: to lines of its runs, how many are not decided on.
        periods: how many of its runs are issued.
        entries: of the ledger with a value date in it, of which the last has
        last_sequence: this number and
        last_hash: this hash.
    """

    closed: bool
    not_issued: Sequence[str]
    open_pools: Sequence[str]
    objections: int
    periods: int
    entries: int
    last_sequence: int
    last_hash: str


def close(year: int, standing: Standing, person: str, now: dt.datetime) -> YearClosed | Rejected:
    """Close a year, or refuse to."""
    if standing.closed:
        return rejected("year_closed", "year", year=year)
    if day_of(now).year <= year:
        return rejected("year_not_over", "year", year=year)
    if standing.not_issued:
        return rejected("year_not_issued", "year", periods=", ".join(standing.not_issued))
    if standing.open_pools:
        return rejected("year_with_open_pools", "year", pools=", ".join(standing.open_pools))
    if standing.objections:
        return rejected("year_with_objections", "year", count=standing.objections, year=year)
    end = dt.date(year, 12, 31)
    return YearClosed(
        year=year,
        periods=standing.periods,
        entries=standing.entries,
        last_sequence=standing.last_sequence,
        last_hash=standing.last_hash,
        keep_books_until=keep_until(end, TEN_YEARS),
        keep_vouchers_until=keep_until(end, EIGHT_YEARS),
        closed_by=person,
        closed_at=now,
    )
