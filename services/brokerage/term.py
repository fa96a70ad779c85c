"""Days and terms: when a booking begins and ends, and when notice ends it at the earliest."""

import calendar
import datetime as dt
from zoneinfo import ZoneInfo

from allmende.schemas.brokerage import Agreement
from allmende.schemas.conditions import Conditions

BERLIN = ZoneInfo("Europe/Berlin")


def day_of(moment: dt.datetime) -> dt.date:
    """The calendar day in Europe/Berlin."""
    return moment.astimezone(BERLIN).date()


def start_of(day: dt.date) -> dt.datetime:
    """The first moment of a day in Europe/Berlin, in UTC."""
    return dt.datetime.combine(day, dt.time(), BERLIN).astimezone(dt.UTC)


def end_of(day: dt.date) -> dt.datetime:
    """The first moment after a day."""
    return start_of(day + dt.timedelta(days=1))


def months_later(day: dt.date, months: int) -> dt.date:
    """The same day so many months later, or the last day of a shorter month (§ 188 BGB)."""
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def earliest_end(agreement: Agreement, today: dt.date) -> dt.date:
    """The earliest last day by a notice given today: minimum term, notice period, day of notice."""
    conditions = agreement.conditions
    if agreement.end is not None and conditions.renewal_months is not None:
        latest_notice = months_later(agreement.end, -conditions.notice_months)
        if today <= latest_notice:
            return agreement.end
        return renewed(agreement.end, conditions.renewal_months)
    earliest = max(months_later(today, conditions.notice_months), today)
    if conditions.minimum_term_months:
        term = months_later(agreement.start, conditions.minimum_term_months) - dt.timedelta(days=1)
        earliest = max(earliest, term)
    return day_of_notice(conditions, max(earliest, agreement.start))


def day_of_notice(conditions: Conditions, earliest: dt.date) -> dt.date:
    """The first day from `earliest` on to which notice can be given."""
    if conditions.notice_to == "any_day":
        return earliest
    months = {"month_end": 1, "quarter_end": 3, "year_end": 12}[conditions.notice_to]
    month = (earliest.month + months - 1) // months * months
    return dt.date(earliest.year, month, calendar.monthrange(earliest.year, month)[1])


def renewed(end: dt.date, months: int) -> dt.date:
    """The last day after a renewal; the last day of a month stays one."""
    following = end + dt.timedelta(days=1)
    return months_later(following, months) - dt.timedelta(days=1)
