"""What bookings cost, computed once more day by day from what was told, sharing no code with billing.

Only for documents whose prices are whole cents and whose quantities are whole numbers.
"""

import calendar
import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal

from allmende.schemas.brokerage import (
    Agreement,
    BookingAmended,
    BookingChanged,
    BookingConfirmed,
    BreachRecorded,
)
from allmende.schemas.tariff import Component, PerUnit

Fact = BookingConfirmed | BookingAmended | BookingChanged | BreachRecorded
ONE_DAY = dt.timedelta(days=1)


def agreed_on(facts: Iterable[Fact], day: dt.date) -> Agreement:
    """Whatever was agreed last of all that holds by a day."""
    (best,) = [fact for fact in facts if isinstance(fact, BookingConfirmed)]
    found: Agreement = best
    highest = 0
    for fact in facts:
        if isinstance(fact, BookingAmended) and fact.effective_on <= day and fact.number > highest:
            found, highest = fact, fact.number
    return found


def cents(component: Component, quantity: int) -> int:
    assert isinstance(component.price, PerUnit)
    return int(component.price.amount * 100) * quantity


def part(price: int, days: int, of: int) -> int:
    return int((Decimal(price) * days / of).quantize(Decimal(1), ROUND_HALF_UP))


def days_in(kind: str, day: dt.date) -> int:
    year = day.year
    february = 28 + calendar.isleap(year)
    if kind == "year":
        return 337 + february
    if kind == "quarter":
        return [62 + february, 91, 92, 92][(day.month - 1) // 3]
    return calendar.monthrange(year, day.month)[1]


def flat_cents(facts: Sequence[Fact], through: dt.date) -> Counter[tuple[str, str]]:
    """Cents by component and by the month in which they fall due, walking through the booking's days.

    What is prorated by days costs on each day what that day adds to the rounded cost of the days before it.
    """
    (confirmed,) = [fact for fact in facts if isinstance(fact, BookingConfirmed)]
    changes = sorted((f for f in facts if isinstance(f, BookingChanged)), key=lambda change: change.number)
    due: Counter[tuple[str, str]] = Counter()
    if any(change.state in {"cancelled", "failed"} for change in changes):
        return due
    numbered = sorted(
        (f for f in facts if isinstance(f, BookingChanged | BookingAmended)), key=lambda f: f.number
    )
    end = numbered[-1].end if numbered else confirmed.end
    seen: set[tuple[str, object]] = set()
    in_full: set[tuple[str, str, object]] = set()
    begun_on: dict[str, dt.date] = {}
    running: dict[tuple[str, str], int] = {}
    before: Agreement | None = None
    day, plan_before = confirmed.start, confirmed.plan_id
    while day <= through and (end is None or day <= end):
        agreed = agreed_on(facts, day)
        begun = {
            "total": "total",
            "month": (day.year, day.month),
            "quarter": (day.year, {1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 2, 7: 3, 8: 3, 9: 3}.get(day.month, 4)),
            "year": day.year,
        }
        fresh = {kind for kind, which in begun.items() if (kind, which) not in seen}
        seen |= set(begun.items())
        begun_on |= {kind: day for kind in begun if kind in fresh or agreed is not before}
        running_before, running = {} if before is None else running, {}
        for component in agreed.tariff.components:
            booked = int(agreed.quantities.get(component.measure, 0)) if component.measure else 1
            is_due = (
                (component.billing in {"fixed", "limit"} and component.period in fresh)
                or (component.billing == "one_time" and "total" in fresh)
                or (component.billing == "on_plan_change" and agreed.plan_id != plan_before)
            )
            kind = component.period or ""
            if component.proration == "day":
                if booked and (component.id, kind, begun[kind]) not in in_full:
                    nth = 0 if kind in fresh else running_before.get((component.id, kind), 0)
                    running[component.id, kind] = nth + 1
                    price, of = cents(component, booked), days_in(kind, day)
                    due[component.id, begun_on[kind].isoformat()[:7]] += part(price, nth + 1, of) - part(
                        price, nth, of
                    )
            elif is_due and booked:
                due[component.id, day.isoformat()[:7]] += cents(component, booked)
                in_full.add((component.id, kind, begun.get(kind)))
        before, plan_before = agreed, agreed.plan_id
        day += ONE_DAY
    return due


def usage_cents(facts: Sequence[Fact], used: Iterable[tuple[dt.date, int]]) -> int:
    """Cents of hours used on days, by what is agreed for each day as far as it was told."""
    total = 0
    for day, hours in used:
        tariff = agreed_on(facts, day).tariff
        total += sum(cents(each, hours) for each in tariff.components if each.billing == "usage")
    return total


def other_cents(facts: Iterable[Fact]) -> int:
    """What the consumer owes for changes, less what it is credited."""
    owed = sum(fact.compensation_cents for fact in facts if isinstance(fact, BookingChanged))
    return owed - sum(fact.credit_cents for fact in facts if isinstance(fact, BreachRecorded))
