"""The proof of exact cost."""

import datetime as dt

import pytest

from allmende.services.billing.reports.proof import PoolFigures, prove


def figures(cost: int, settled: int | None, charged: int, carried: int = 0) -> PoolFigures:
    year = dt.date(2026, 1, 1), dt.date(2026, 12, 31)
    return PoolFigures("rz", "Rechenzentrum", *year, cost, settled, charged, carried)


@pytest.mark.parametrize(
    ("pool", "state", "markup", "proven"),
    [
        (figures(100, 100, 100), "settled", 0, True),
        (figures(100, 100, 110, 10), "settled", 0, True),
        (figures(100, 100, 90, -10), "settled", 0, True),
        (figures(100, 100, 105), "settled", 5, False),
        (figures(100, 100, 99), "settled", -1, False),
        (figures(100, None, 100), "open", 0, False),
        (figures(120, 100, 100), "open", -20, False),
    ],
)
def test_what_is_charged_is_compared_with_what_it_costs(
    pool: PoolFigures, state: str, markup: int, proven: bool
) -> None:
    found = prove(2026, [pool])
    (only,) = found.pools
    assert (only.state, only.markup_cents, found.proven) == (state, markup, proven)
    assert prove(2026, [figures(1, 1, 1), pool]).proven == proven


def test_a_year_without_pools_charges_nothing_beyond_cost() -> None:
    assert prove(2026, []).proven
