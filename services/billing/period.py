"""The calendar of settlements: days and months of Europe/Berlin."""

import datetime as dt
import functools
from zoneinfo import ZoneInfo

CALENDAR = ZoneInfo("Europe/Berlin")


def day_of(instant: dt.datetime) -> dt.date:
    """Tell the day in which a moment lies."""
    return instant.astimezone(CALENDAR).date()


@functools.lru_cache(maxsize=8_192)
def period_of(instant: dt.datetime) -> str:
    """Tell the calendar month in which a moment lies."""
    return period_with(day_of(instant))


def midnight(day: dt.date) -> dt.datetime:
    """Tell the moment at which a day begins, in UTC."""
    return dt.datetime.combine(day, dt.time(), CALENDAR).astimezone(dt.UTC)


@functools.lru_cache(maxsize=8_192)
def period_with(day: dt.date) -> str:
    """Tell the calendar month in which a day lies."""
    return f"{day:%Y-%m}"


def first_day_of(period: str) -> dt.date:
    """Tell the first day of a month."""
    return dt.date.fromisoformat(f"{period}-01")


def last_day_of(period: str) -> dt.date:
    """Tell the last day of a month."""
    return (first_day_of(period) + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)
