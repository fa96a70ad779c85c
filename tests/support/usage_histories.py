"""Random histories of usage and terms, in which one record changes what others cost."""

import dataclasses
import datetime as dt
import json
import random
from decimal import Decimal

from support.bodies import closing
from support.builders import booking, command, component, decimals, fact, record, register, tariff
from support.histories import amended, flat

from allmende.schemas.billing import ReportUsage, UsageCancellation, UsageRecord
from allmende.schemas.brokerage import BookingConfirmed
from allmende.schemas.tariff import Component, Tariff
from allmende.servicekit.messages import Incoming

MEMBERS = register("desy", "gsi", "lrz")
MONTHS = [*(f"2025-{month:02d}" for month in range(7, 13)), "2026-01"]
METERS = ("hours", "disk", "energy", "traffic")


def metered(id_: str, price: object, **changes: object) -> Component:
    """A component of usage; several prices are a table."""
    given: dict[str, object] = {"id": id_, "title": id_, "billing": "usage", "measure": "hours", "unit": "h"}
    given |= {"prices" if isinstance(price, list) else "price": price} | changes
    return Component.model_validate_json(json.dumps(given))


def rich(version: int, price: str, free: int) -> Tariff:
    """Everything that makes one record change what others cost."""
    graduated = {
        "kind": "tiered",
        "mode": "graduated",
        "tiers": [{"up_to": "50", "amount": price}, {"amount": "0.007"}],
    }
    volume = {
        "kind": "tiered",
        "mode": "volume",
        "tiers": [{"up_to": "30", "amount": "0.11"}, {"amount": "0.031", "flat": "2"}],
    }
    shared = {"included": {"quantity": f"{free}", "shared_by": "offering"}}
    own = {"included": {"quantity": "3"}, "round": {"to": "2", "mode": "up"}}
    cells = [
        {
            "when": {"queue": "night"},
            "valid_from": "2025-08-15",
            "price": {"kind": "per_unit", "amount": "0.005"},
        },
        {"price": {"kind": "per_unit", "amount": "0.0333"}},
    ]
    per_day = {"reading": "gauge", "window": "day", "window_take": "max", "take": "mean"}
    overhead = {"kind": "percent", "percent": "7.5", "of": ["base", "hours", "energy", "tiers"]}
    made = [
        flat("12.34", "month"),
        component(price),
        metered("tiers", graduated, period="quarter"),
        metered("yearly", volume, period="year"),
        metered("queue", cells, quantity=own),
        metered("disk", {"kind": "per_unit", "amount": "0.777"}, measure="disk", quantity=per_day),
        metered(
            "energy",
            {"kind": "per_unit", "amount": "0.291"},
            measure="energy",
            quantity={"reading": "counter"},
        ),
        metered("traffic", {"kind": "per_unit", "amount": "0.19"}, measure="traffic", quantity=shared),
        metered("overhead", overhead, measure=None),
    ]
    return tariff(*made, version=version)


FIRST, SECOND = rich(1, "0.0137", 20), rich(2, "0.019", 35)
BOOKINGS = [
    booking(
        n, consumer=consumer, tariff=FIRST, start=dt.date(2025, 7, day), quantities=decimals({"cores": n})
    )
    for n, (consumer, day) in enumerate([("desy", 1), ("gsi", 1), ("desy", 17)], 1)
]


@dataclasses.dataclass
class History:
    """What is told, in order; closings apart."""

    told: list[Incoming]
    closings: list[list[Incoming]]


def closed(period: str) -> list[Incoming]:
    return closing(period, 5_000 + MONTHS.index(period))


def any_record(chance: random.Random, name: str, of: BookingConfirmed, **changes: object) -> UsageRecord:
    first = max(of.start, dt.date(2025, chance.randrange(7, 13), 1))
    start = dt.datetime.combine(first, dt.time(12), dt.UTC)
    start += dt.timedelta(hours=chance.randrange(30 * 24 - 12))
    dimensions = {"queue": chance.choice(["day", "night"])} if chance.random() < 0.5 else {}
    given: dict[str, object] = {
        "booking_id": of.booking_id,
        "start": start,
        "meter": chance.choice(METERS),
        "dimensions": dimensions,
    }
    return record(name, str(Decimal(chance.randrange(1, 4_000)) / 100), **given | changes)


def random_history(seed: int) -> History:
    chance = random.Random(seed)  # noqa: S311 - the same draw every time
    told: list[Incoming] = [fact(each, n) for n, each in enumerate(BOOKINGS)]
    known: list[UsageRecord] = []
    for number in range(36):
        match chance.choice(["report", "report", "report", "correct", "cancel", "amend"]):
            case "report":
                records = [any_record(chance, f"{number}-{n}", chance.choice(BOOKINGS)) for n in range(3)]
                known += records
                data = ReportUsage(records=tuple(records))
            case "correct" if known:
                gone = known.pop(chance.randrange(len(known)))
                of = next(each for each in BOOKINGS if each.booking_id == gone.booking_id)
                same = {} if chance.random() < 0.3 else {"meter": gone.meter, "start": gone.start}
                known.append(any_record(chance, f"c{number}", of, corrects=gone.id, **same))
                data = ReportUsage(records=(known[-1],))
            case "cancel" if known:
                gone = known.pop(chance.randrange(len(known)))
                cancelled = UsageCancellation(id=f"x{number}", cancels=gone.id, reason="doppelt")
                data = ReportUsage(records=(), cancellations=(cancelled,))
            case _:
                of, new = chance.choice(BOOKINGS), chance.choice([FIRST, SECOND])
                on = f"2025-{chance.randrange(7, 13):02d}-{chance.randrange(1, 29):02d}"
                if on > of.start.isoformat():
                    told.append(fact(amended(number + 1, on, of, tariff=new), 100 + number))
                continue
        told.append(command("lrz", data, 1_000 + number))
    months = MONTHS[:-1]
    chance.shuffle(months)
    return History(told, [closed(each) for each in months])
