"""The calendar of settlements: days and months of Europe/Berlin."""

import datetime as dt
import functools
from zoneinfo import ZoneInfo

CALENDAR = ZoneInfo("Europe/Berlin")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_HOUR = dt.timedelta(hours=1)


def day_of(instant: dt.datetime) -> dt.date:
    """Tell the day in which a moment lies."""
    return instant.astimezone(CALENDAR).date()


def period_of(instant: dt.datetime) -> str:
    """Tell the calendar month in which a moment lies."""
    return _period_of_hour((instant - _EPOCH) // _HOUR)


@functools.lru_cache(maxsize=8_192)
def _period_of_hour(hour: int) -> str:
    """Days begin at full hours of UTC, in winter and in summer."""
    return period_with(day_of(_EPOCH + hour * _HOUR))


def midnight(day: dt.date) -> dt.datetime:
    """Tell the moment at which a day begins, in UTC."""
    return dt.datetime.combine(day, dt.time(), CALENDAR).astimezone(dt.UTC)


def period_with(day: dt.date) -> str:
    """Tell the calendar month in which a day lies."""
    return f"{day:%Y-%m}"


def first_day_of(period: str) -> dt.date:
    """Tell the first day of a month."""
    return dt.date.fromisoformat(f"{period}-01")


def last_day_of(period: str) -> dt.date:
    """Tell the last day of a month."""
    return (first_day_of(period) + dt.timedelta(days=31)).replace(day=1) - dt.timedelta(days=1)
