"""The share of the open market: three years, cut, compared exactly."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.bodies import UNSIGNED

from allmende.schemas.rejections import Rejected
from allmende.schemas.reports import DeclareTurnover, TurnoverDeclared
from allmende.services.billing.reports.market import declare, share_of

YEARS = (2024, 2025, 2026)


def share(within: int, opened: int) -> tuple[str | None, bool | None]:
    found = share_of("lrz", 2026, {2025: within}, {2024: opened, 2025: 0, 2026: 0})
    return found.share_percent, found.below_limit


@pytest.mark.parametrize(
    ("within", "opened", "percent", "below"),
    [
        (80, 20, "20.00", False),
        (800_001, 200_000, "19.99", True),
        (80_000_000_001, 20_000_000_000, "19.99", True),
        (799_999, 200_000, "20.00", False),
        (799_000, 201_000, "20.10", False),
        (100, 0, "0.00", True),
        (0, 1, "100.00", False),
        (9_995, 5, "0.05", True),
        (0, 0, None, None),
        (-5, 0, None, None),
    ],
)
def test_the_share_is_cut_and_the_limit_is_exact(
    within: int, opened: int, percent: str | None, below: bool | None
) -> None:
    assert share(within, opened) == (percent, below)


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_what_is_below_is_never_shown_as_reached(within: int, opened: int) -> None:
    percent, below = share(within, opened)
    if percent is not None:
        assert below == (4 * opened < within)
        assert (Decimal(percent) < 20) == below


def test_the_average_of_three_years_counts() -> None:
    found = share_of("lrz", 2026, dict.fromkeys(YEARS, 70), {2023: 999, 2024: 60, 2025: 0, 2026: 0})
    assert (found.share_percent, found.below_limit) == ("22.22", False)
    assert [each.open_market_cents for each in found.years] == [60, 0, 0]
    assert (found.years[0].year, found.years[0].within_cents) == (2024, 70)


@pytest.mark.parametrize("missing", YEARS)
def test_without_a_declaration_of_every_year_nothing_is_known(missing: int) -> None:
    declared = {year: 10 for year in YEARS if year != missing}
    found = share_of("lrz", 2026, dict.fromkeys(YEARS, 100), declared)
    assert (found.share_percent, found.below_limit) == (None, None)


def test_a_year_is_declared_when_it_is_over() -> None:
    command = DeclareTurnover(year=2026, open_market_cents=5, evidence="Jahresabschluss", claim=UNSIGNED)
    too_early = declare(command, "lrz", "anna", dt.datetime(2026, 12, 31, 22, 59, tzinfo=dt.UTC))
    assert isinstance(too_early, Rejected)
    assert too_early.code == "year_not_over"
    in_time = dt.datetime(2026, 12, 31, 23, 0, tzinfo=dt.UTC)  # midnight in Berlin
    assert isinstance(declare(command, "lrz", "anna", in_time), TurnoverDeclared)
