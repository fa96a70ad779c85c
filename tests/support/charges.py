"""What bookings cost, computed once more day by day from what was told, sharing no code with billing.

Only for documents whose prices are whole cents and whose quantities are whole numbers.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence

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


def flat_cents(facts: Sequence[Fact], through: dt.date) -> Counter[tuple[str, str]]:
    """Cents by component and by the month in which they fall due, walking through the booking's days."""
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
        for component in agreed.tariff.components:
            booked = int(agreed.quantities.get(component.measure, 0)) if component.measure else 1
            is_due = (
                (component.billing in {"fixed", "limit"} and component.period in fresh)
                or (component.billing == "one_time" and "total" in fresh)
                or (component.billing == "on_plan_change" and agreed.plan_id != plan_before)
            )
            if is_due and booked:
                due[component.id, day.isoformat()[:7]] += cents(component, booked)
        plan_before = agreed.plan_id
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
