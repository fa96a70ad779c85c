"""Short ways to rated lines, of which the tests expect a price."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal

from allmende.schemas.tariff import Component, Tariff
from allmende.tariffs import rating
from allmende.tariffs.rating import Line, Unrated
from allmende.tariffs.recurrence import Due

FIRST, LAST = dt.date(2026, 5, 1), dt.date(2026, 5, 31)


def priced(line: Line | Unrated) -> Line:
    assert isinstance(line, Line), line.reason.sentences[1]
    return line


def rate(
    tariff: Tariff, component: Component, known: Mapping[str, str] | str | None, quantity: Decimal
) -> Line:
    return priced(rating.rate(tariff, component, known, quantity))


def rate_due(due: Due) -> Line:
    return priced(rating.rate_due(due))


def rate_usage(
    tariff: Tariff, known: Mapping[str, str] | str | None, counted: Mapping[str, Decimal]
) -> list[Line]:
    """Lines of what the meters counted in May."""
    measured = rating.measured_by_meter(tariff, counted, FIRST, LAST)
    return [priced(line) for line in rating.rate_usage(tariff, known, measured)]
