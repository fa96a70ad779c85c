"""Who books what: the bookings that hold, and three that are refused on purpose."""

import dataclasses
import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal

from .assumptions import Assumptions, DirectoryOrder, ExchangeOrder, HostingOrder
from .offerings import (
    COMPUTE_PLAN,
    DIRECTORY,
    DIRECTORY_PLAN,
    ENTRIES,
    EXCHANGE,
    EXCHANGE_PLAN,
    HOSTING,
    HOSTING_PLAN,
    MAILBOXES,
    compute_id,
)
from .trace import Use

_NAMESPACE = uuid.UUID("2c5d6c0e-6f0b-5d0e-9f43-20051120a11e")


def command_id(*about: object) -> str:
    """Give the same command the same id in every play, so that a repetition changes nothing."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(str(part) for part in about)))


def signed_id(moment: dt.datetime, *about: object) -> str:
    """The same for a command that a person signs: the id tells the moment of the signature (UUIDv7)."""
    number = uuid.UUID(command_id(*about)).int & ((1 << 80) - 1) | int(moment.timestamp() * 1000) << 80
    return str(uuid.UUID(int=number & ~(0xF << 76) | (7 << 76)))


@dataclasses.dataclass(frozen=True)
class Order:
    """A booking to be requested."""

    consumer: str
    offering_id: str
    plan_id: str
    quantities: Mapping[str, Decimal]
    start: dt.date
    reference: str

    @property
    def id(self) -> str:
        """The command's and the booking's id."""
        wanted = ",".join(f"{name}={value}" for name, value in sorted(self.quantities.items()))
        return command_id("booking", self.consumer, self.offering_id, self.start, self.reference, wanted)


def hosting_order(table: Assumptions, wanted: HostingOrder) -> Order:
    """Order a virtual machine."""
    quantities = {"vcpu": wanted.vcpu, "memory_gb": wanted.memory_gb, "disk_gb": wanted.disk_gb}
    return Order(
        wanted.consumer, HOSTING, HOSTING_PLAN, quantities, table.hosting.start, "Demonstration, Server"
    )


def exchange_order(table: Assumptions, wanted: ExchangeOrder) -> Order:
    """Order mailboxes."""
    quantities = {MAILBOXES: wanted.mailboxes}
    return Order(
        wanted.consumer,
        EXCHANGE,
        EXCHANGE_PLAN,
        quantities,
        table.exchange.start,
        "Demonstration, Postfächer",
    )


def directory_order(table: Assumptions, wanted: DirectoryOrder) -> Order:
    """Order entries in the directory."""
    quantities = {ENTRIES: wanted.entries}
    return Order(
        wanted.consumer,
        DIRECTORY,
        DIRECTORY_PLAN,
        quantities,
        table.directory.start,
        "Demonstration, Verzeichnis",
    )


def service_orders(table: Assumptions) -> tuple[Order, ...]:
    """All bookings beside computing."""
    return (
        *(hosting_order(table, wanted) for wanted in table.hosting.bookings),
        *(exchange_order(table, wanted) for wanted in table.exchange.bookings),
        *(directory_order(table, wanted) for wanted in table.directory.bookings),
    )


def refused_orders(table: Assumptions) -> tuple[Order, ...]:
    """The bookings that the market refuses: too many cores, a class not served, too few mailboxes."""
    return (
        *(hosting_order(table, wanted) for wanted in table.hosting.refused),
        *(exchange_order(table, wanted) for wanted in table.exchange.refused),
    )


@dataclasses.dataclass(frozen=True)
class ComputeOrders:
    """The bookings of computing, by provider and group in the order of their starts."""

    by_use: Mapping[tuple[str, str], tuple[Order, ...]]

    def all(self) -> tuple[Order, ...]:
        """Every booking."""
        return tuple(order for orders in self.by_use.values() for order in orders)

    def of(self, use: Use) -> Order:
        """Find the booking a use belongs to: the one that started last."""
        orders = self.by_use[use.provider, use.row.group]
        return next(order for order in reversed(orders) if order.start <= use.row.day)


def compute_orders(table: Assumptions, uses: Iterable[Use]) -> ComputeOrders:
    """Book for every group and provider on the first day of use, and again where the table says so."""
    starts: defaultdict[tuple[str, str], set[dt.date]] = defaultdict(set)
    for use in uses:
        key = (use.provider, use.row.group)
        starts[key] = {min([use.row.day, *starts[key]])}
    for again in table.rebooked:
        starts[again.provider, again.group].add(again.start)
    return ComputeOrders(
        {
            (provider, group): tuple(_compute_order(table, provider, group, day) for day in sorted(days))
            for (provider, group), days in sorted(starts.items())
        }
    )


def _compute_order(table: Assumptions, provider: str, group: str, start: dt.date) -> Order:
    consumer = table.home_of_group[group]
    return Order(consumer, compute_id(provider), COMPUTE_PLAN, {}, start, f"Demonstration, Gruppe {group}")
