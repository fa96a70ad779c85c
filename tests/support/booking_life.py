"""What the journeys through a booking's life need: a clock, members who say everything twice, an offering."""

import base64
import contextlib
import datetime as dt
import uuid
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from support.broker import eventually

from allmende.client import Market
from allmende.client.market import Received
from allmende.schemas.brokerage import BookingStory
from allmende.schemas.catalog import Offering, OfferingPublished, Plan
from allmende.schemas.conditions import Conditions, Pool
from allmende.schemas.contract import Contract
from allmende.schemas.tariff import Component, OrderQuantity, PerUnit, Tariff
from allmende.servicekit.testing import Sandbox

MORNING = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
TODAY = dt.date(2026, 3, 2)
COURSE_STARTS = dt.datetime(2026, 3, 20, 8, 0, tzinfo=dt.UTC)
HOSTING = "landes-rz/hosting"


class MovableClock:
    """The time of a market, which passes when a test says so."""

    def __init__(self) -> None:
        self.now = MORNING

    def __call__(self) -> dt.datetime:
        return self.now

    def sleep(self, **time: float) -> None:
        """Let hours or days pass."""
        self.now += dt.timedelta(**time)


class Stutterer(Market):
    """A member's connection that sends every command twice and insists on the same answer."""

    async def command(self, data: Contract, *, id: str | None = None, **more: Any) -> Contract:  # noqa: A002
        command_id = id or str(uuid.uuid4())
        first = await super().command(data, id=command_id, **more)
        again = await super().command(data, id=command_id, **more)
        if type(again) is not type(first):
            # A command may have two outcomes, of which the second still came for the first time.
            again = await super().command(data, id=command_id, **more)
        assert again == first, f"{type(data).__name__} was answered twice, differently: {first!r}, {again!r}"
        return first


@contextlib.asynccontextmanager
async def members(market: Sandbox, *names: str) -> AsyncIterator[list[Stutterer]]:
    """Connect as these members."""
    async with contextlib.AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                Stutterer.connect(market.url, member=name, seed_file=market.key_file(name))
            )
            for name in names
        ]


async def story_of(member: Market, booking_id: str) -> BookingStory:
    """A booking's story, as one of its parties sees it."""
    found = await member.booking(booking_id)
    assert isinstance(found, BookingStory)
    return found


async def reaches(member: Market, booking_id: str, state: str, instance: str | None = None) -> BookingStory:
    """Wait until the clock has moved a booking there."""

    async def there() -> BookingStory | None:
        story = await story_of(member, booking_id)
        return story if (story.booking.state, story.booking.instance) == (state, instance) else None

    found = await eventually(there)
    assert isinstance(found, BookingStory)
    return found


async def heard_by(member: Market) -> list[Received]:
    """Every event that came for a member."""
    return [each async for each in member.events(idle_seconds=1.0)]


async def places_of(market: Sandbox, text: str) -> set[str]:
    """Where a text stands in the market: tables of its databases, files of its message server."""
    found = set()
    wanted = [text, *_in_base64(text)]
    for service in market.databases:
        tables = await market.rows(
            service,
            "select quote_ident(table_schema) || '.' || quote_ident(table_name) as name "
            "from information_schema.tables where table_type = 'BASE TABLE' "
            "and table_schema not in ('pg_catalog', 'information_schema')",
        )
        for (table,) in tables:
            rows = await market.rows(service, f"select t::text from {table} t")
            if any(each in row[0] for row in rows for each in wanted):
                found.add(f"{service}: {table}")
    for file in Path(market.home.path / "nats").rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            if any(each.encode() in content for each in wanted):
                found.add(f"nats: {file.name}")
    return found


def _in_base64(text: str) -> list[str]:
    """What every encoding of the text has in common, wherever it begins within a group of three bytes."""
    return [base64.b64encode(text.encode()[shift : len(text) - 3]).decode()[:-4] for shift in range(3)]


def hosting() -> Offering:
    """Specialist procedures with approval and setting up, beds in a shared room, a course."""
    return Offering(
        offering_id=HOSTING,
        title="Betrieb von Fachverfahren",
        category="hosting",
        plans=(
            Plan(
                plan_id="procedures",
                title="Umzug in das Rechenzentrum",
                order=(_cores(),),
                capacity={"cores": Decimal(32)},
                order_form={
                    "type": "object",
                    "properties": {"town": {"type": "string"}},
                    "required": ["town"],
                    "additionalProperties": False,
                },
                conditions=Conditions(
                    provider_approval_hours=72,
                    provisioning_hours=240,
                    dismantling_hours=48,
                    notice_months=1,
                    notice_to="month_end",
                ),
                tariffs=(_tariff(),),
            ),
            Plan(
                plan_id="shared",
                title="Gemeinsamer Raum",
                order=(_cores(),),
                capacity={"cores": Decimal(4)},
                conditions=Conditions(waiting_list=True, offer_hours=24),
                tariffs=(_tariff(),),
            ),
            Plan(
                plan_id="course",
                title="Einweisung",
                order=(_cores(),),
                pools=(
                    Pool(
                        pool_id="march",
                        title="Einweisung im März",
                        starts_at=COURSE_STARTS,
                        ends_at=COURSE_STARTS + dt.timedelta(hours=4),
                        capacity={"cores": Decimal(1)},
                    ),
                ),
                tariffs=(_tariff(),),
            ),
        ),
    )


def _cores() -> OrderQuantity:
    return OrderQuantity(id="cores", title="Kerne", unit="Kern", maximum=Decimal(16))


def _tariff() -> Tariff:
    flat = Component(
        id="flat",
        title="Pauschale",
        billing="limit",
        period="month",
        measure="cores",
        unit="Kern",
        price=PerUnit(amount=Decimal(100)),
    )
    return Tariff(version=1, valid_from=dt.date(2026, 1, 1), components=(flat,))


async def publish(provider: Market) -> None:
    """Offer it."""
    assert isinstance(await provider.publish(hosting()), OfferingPublished)
