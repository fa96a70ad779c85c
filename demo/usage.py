"""What the providers report: one report for every provider and day, in the order of the days."""

import dataclasses
import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from allmende.schemas.billing import UsageRecord

from .assumptions import Assumptions
from .offerings import CORE_SECONDS, ENTRIES, LICENCES, MAILBOXES
from .orders import ComputeOrders, Order, command_id, directory_order, exchange_order, hosting_order
from .trace import Divided

_ONE_DAY = dt.timedelta(days=1)


@dataclasses.dataclass(frozen=True)
class Report:
    """One command of a provider."""

    provider: str
    day: dt.date
    records: tuple[UsageRecord, ...]

    @property
    def id(self) -> str:
        """The command's id."""
        return command_id("usage", self.provider, self.day)

    @property
    def core_seconds(self) -> Decimal:
        """The computing time in it."""
        return sum((each.quantity for each in self.records if each.meter == CORE_SECONDS), Decimal(0))


def reports(table: Assumptions, divided: Divided, compute: ComputeOrders) -> tuple[Report, ...]:
    """All reports in the order of their days."""
    found: defaultdict[tuple[dt.date, str], list[UsageRecord]] = defaultdict(list)
    for use in divided.market:
        record = _record(use.row.record_id, compute.of(use), CORE_SECONDS, use.row.seconds, use.row.day)
        found[use.row.day, use.provider].append(record)
    for order, record, day in _counts(table):
        found[day, order.offering_id.split("/", 1)[0]].append(record)
    return tuple(Report(provider, day, tuple(records)) for (day, provider), records in sorted(found.items()))


def _counts(table: Assumptions) -> Iterator[tuple[Order, UsageRecord, dt.date]]:
    """What is counted on a key date: licences, mailboxes once in a quarter, entries of the directory."""
    counted_on = table.hosting.counted_on
    for machine in table.hosting.bookings:
        order, name = hosting_order(table, machine), f"vm/{counted_on}/{machine.consumer}"
        yield order, _record(name, order, LICENCES, 1, counted_on), counted_on
    counted_on = table.exchange.counted_on
    for mailboxes in table.exchange.bookings:
        order, name = exchange_order(table, mailboxes), f"exchange/2005-Q4/{mailboxes.consumer}"
        yield order, _record(name, order, MAILBOXES, mailboxes.mailboxes, counted_on), counted_on
    counted_on = table.directory.counted_on
    for entries in table.directory.bookings:
        order, name = directory_order(table, entries), f"verzeichnis/{counted_on}/{entries.consumer}"
        yield order, _record(name, order, ENTRIES, entries.entries, counted_on), counted_on


def _record(name: str, order: Order, meter: str, quantity: Decimal | int, day: dt.date) -> UsageRecord:
    start = dt.datetime.combine(day, dt.time(), dt.UTC)
    return UsageRecord(
        id=name,
        booking_id=order.id,
        meter=meter,
        quantity=Decimal(quantity),
        start=start,
        end=start + _ONE_DAY,
    )
