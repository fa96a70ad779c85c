"""What is told of a booking after it is confirmed, for the tests of billing: give only what matters."""

import datetime as dt
from typing import Any

from support.builders import NOW, booking, component, uid

from allmende.schemas.brokerage import BookingAmended, BookingChanged, BookingConfirmed, BreachRecorded
from allmende.schemas.tariff import Component, Price


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def noon(text: str) -> dt.datetime:
    return dt.datetime.combine(day(text), dt.time(12), tzinfo=dt.UTC)


def flat(price: str | Price, period: str, id_: str = "base", **changes: Any) -> Component:
    """A flat price for every begun period; with `measure="cores"` for the reserved quantity."""
    kind = "limit" if changes.get("measure") else "fixed"
    given = {"id": id_, "title": id_, "billing": kind, "period": period, "measure": None, "unit": "Monat"}
    return component(price, **given | changes)


def on_change(price: str, id_: str = "move") -> Component:
    return component(price, id=id_, title=id_, billing="on_plan_change", measure=None, unit="Wechsel")


def amended(
    number: int, effective_on: str, of: BookingConfirmed | None = None, **changes: Any
) -> BookingAmended:
    """New terms of a booking from a day on; another `plan_id` makes it a change of plan."""
    before = of or booking()
    given = {
        name: getattr(before, name)
        for name in BookingAmended.model_fields
        if name in BookingConfirmed.model_fields
    }
    given |= {"number": number, "effective_on": day(effective_on), "amended_at": NOW}
    given["plan_changed"] = changes.get("plan_id", before.plan_id) != before.plan_id
    return BookingAmended(**given | changes)


def changed(number: int, of: BookingConfirmed | None = None, **changes: Any) -> BookingChanged:
    """A booking moved on the last of May 2026; what is left out stays."""
    before = of or booking()
    given: dict[str, Any] = {"booking_id": before.booking_id, "offering_id": before.offering_id}
    given |= {"provider": before.provider, "consumer": before.consumer, "number": number}
    given |= {"trigger": "renew", "by": "clock", "state": "completed", "end": before.end}
    return BookingChanged(**given | {"changed_at": noon("2026-05-31")} | changes)


def breach(number: int, credit_cents: int = 500, **changes: Any) -> BreachRecorded:
    """The machine was away for a while in April 2026."""
    given: dict[str, Any] = {"breach_id": uid(number), "booking_id": uid(1), "offering_id": "lrz/vm"}
    given |= {"provider": "lrz", "consumer": "desy", "measure": "availability_percent"}
    given |= {"promised": "99.5", "measured": "98.25", "credit_cents": credit_cents, "reason": "Ausfall"}
    given |= {"first_day": day("2026-04-20"), "last_day": day("2026-04-21"), "recorded_at": NOW}
    return BreachRecorded(**given | changes)
