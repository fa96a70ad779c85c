"""The one table of what is invented: bodies, seats, home groups, prices, who books what."""

import functools
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import Field, model_validator

from allmende.schemas.contract import Contract, read
from allmende.schemas.identifiers import ClassName, Day, Line, MemberId, Period
from allmende.schemas.money import PositiveQuantity, Quantity, UnitPrice
from allmende.schemas.register import Land

DATA = Path(__file__).parent / "data"

Some = Annotated[tuple[Line, ...], Field(max_length=50)]


class DatedPrice(Contract):
    """A price and the day from which it holds."""

    valid_from: Day
    price: UnitPrice


class Body(Contract):
    """A public body that ran hosts of the trace, or that is the home of its groups."""

    id: MemberId
    name: Line
    land: Land
    lrz_user_class: ClassName
    hosts: Some
    groups: Some
    eur_per_core_hour: tuple[DatedPrice, ...]


class Office(Contract):
    """The cooperative's office."""

    id: MemberId
    name: Line


class Rebooking(Contract):
    """A group's home body books a provider anew on a day."""

    provider: MemberId
    group: Line
    start: Day


class HostingOrder(Contract):
    """One virtual machine."""

    consumer: MemberId
    vcpu: Quantity
    memory_gb: Quantity
    disk_gb: Quantity


class Hosting(Contract):
    """The price list of Münster with its order limits."""

    eur_per_vcpu: UnitPrice
    eur_per_memory_gb: UnitPrice
    eur_per_disk_gb: UnitPrice
    vcpu_max: PositiveQuantity
    memory_gb_max: PositiveQuantity
    start: Day
    counted_on: Day
    bookings: tuple[HostingOrder, ...]
    refused: tuple[HostingOrder, ...]


class ExchangeOrder(Contract):
    """Mailboxes, ordered and counted."""

    consumer: MemberId
    mailboxes: Quantity


class Exchange(Contract):
    """The groupware of the LRZ with its class matrix."""

    eur_per_mailbox_and_year: UnitPrice
    mailboxes_min: Quantity
    start: Day
    counted_on: Day
    bookings: tuple[ExchangeOrder, ...]
    refused: tuple[ExchangeOrder, ...]


class DirectoryOrder(Contract):
    """Entries in the directory."""

    consumer: MemberId
    entries: Quantity


class Directory(Contract):
    """The directory service, supplied at no charge."""

    start: Day
    counted_on: Day
    bookings: tuple[DirectoryOrder, ...]


class OfficeCost(Contract):
    """What the office costs in the period, in euro."""

    amount: Annotated[Decimal, Field(strict=False, gt=0, decimal_places=2)]
    effective_from: Day

    @property
    def amount_cents(self) -> int:
        """The amount in cents."""
        return int(self.amount * 100)


class Assumptions(Contract):
    """The table as a whole."""

    period: Period
    office: Office
    bodies: Annotated[tuple[Body, ...], Field(min_length=2)]
    rebooked: tuple[Rebooking, ...]
    hosting: Hosting
    exchange: Exchange
    directory: Directory
    levy: OfficeCost

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        named = [
            *(body.id for body in self.bodies),
            *(host for body in self.bodies for host in body.hosts),
            *(f"group {group}" for body in self.bodies for group in body.groups),
            self.office.id,
        ]
        twice = [name for name, count in Counter(named).items() if count > 1]
        if twice:
            raise ValueError(f"{twice[0]} stands twice in the table")
        return self

    @functools.cached_property
    def body_of_host(self) -> dict[str, str]:
        """The body that ran each host."""
        return {host: body.id for body in self.bodies for host in body.hosts}

    @functools.cached_property
    def home_of_group(self) -> dict[str, str]:
        """The body at which each group is at home."""
        return {group: body.id for body in self.bodies for group in body.groups}


@functools.cache
def assumptions() -> Assumptions:
    """Read the table that comes with the demonstration."""
    table = yaml.safe_load((DATA / "bodies.yaml").read_text(encoding="utf-8"))
    return read(Assumptions, json.dumps(table).encode())
