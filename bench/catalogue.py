"""Searching and paging a large catalogue: through NATS as members do, beside the bare statements.

Run as `python -m bench.catalogue`; `ALLMENDE_BENCH_CATALOGUE` says how many offerings.
"""

import datetime as dt
import os
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal

import uvloop
from sqlalchemy.ext.asyncio import AsyncEngine

from allmende.client import Market
from allmende.schemas import registry
from allmende.schemas.catalog import (
    Certificate,
    Filter,
    ListOfferings,
    Offering,
    Offerings,
    Place,
    Plan,
    PublishOffering,
    SearchOfferings,
)
from allmende.schemas.conditions import Circle, Pool
from allmende.schemas.tariff import Component, OrderQuantity, PerUnit, Tariff
from allmende.servicekit import database
from allmende.servicekit.messages import Incoming
from allmende.servicekit.testing import Sandbox
from allmende.services.catalog import index, store
from allmende.services.catalog.handlers import CatalogHandler
from allmende.services.catalog.store import Reader
from bench.market import names, servers

OFFERINGS = int(os.environ.get("ALLMENDE_BENCH_CATALOGUE", "100000"))
MEMBERS = names(16)
QUESTIONS = int(os.environ.get("ALLMENDE_BENCH_QUESTIONS", "300"))
_BATCH = 1_000

_FIRST = ("Web", "Mail", "Daten", "Netz", "Server", "Cloud", "Fach", "Archiv", "Melde", "Personal", "Schul")
_SECOND = ("hosting", "verfahren", "speicher", "sicherung", "dienst", "plattform", "verwaltung", "portal")
_SENTENCES = """
Betrieb für Verwaltungen auf zwei Rechenzentren mit täglicher Sicherung und Rufbereitschaft an Werktagen
nach dem Stand der Technik für Kommunen Länder Hochschulen Zweckverbände Schulen Behörden Bürgerinnen Bürger
elektronische Akte Bescheid Antrag Zahlung Anbindung Schnittstelle Protokoll Überwachung Verfügbarkeit
"""
_TEXT = _SENTENCES.split()
_CATEGORIES = ("compute", "hosting", "storage", "network", "security", "groupware", "directory", "expertise")
_REGIONS = ("bremen", "hamburg", "hessen", "bayern", "sachsen", "berlin", "saarland", "thueringen")
_CERTIFICATES = ("BSI C5", "ISO/IEC 27001", "ISO 9001", "TISAX")
_TARIFF = Tariff(
    version=1,
    valid_from=dt.date(2026, 1, 1),
    components=(
        Component(
            id="vcpu",
            title="vCPU",
            billing="one_time",
            measure="vcpu",
            unit="core",
            price=PerUnit(amount=Decimal("42.00")),
        ),
    ),
)


def offering(number: int, generator: random.Random) -> Offering:
    """One of many: words of a German catalogue, some certificates, a region, every tenth for a circle."""
    word = generator.choice(_FIRST) + generator.choice(_SECOND)
    pool = Pool(
        pool_id="p",
        title="Standort",
        region=generator.choice(_REGIONS),
        capacity={"vcpu": Decimal(1000)},
    )
    plan = Plan(
        plan_id="standard",
        title="Standard",
        order=(OrderQuantity(id="vcpu", title="vCPU", unit="core"),),
        pools=(pool,),
        tariffs=(_TARIFF,),
    )
    return Offering(
        offering_id=f"{MEMBERS[number % len(MEMBERS)]}/v-{number:06d}",
        title=f"{word} {generator.choice(_TEXT)} {number}",
        description=" ".join(generator.choices(_TEXT, k=60)),
        category=generator.choice(_CATEGORIES),  # type: ignore[arg-type]
        keywords=tuple({generator.choice(_TEXT) for _ in range(2)}),
        certificates=tuple(
            Certificate(name=name) for name in _CERTIFICATES[: generator.randrange(len(_CERTIFICATES))]
        ),
        visible_to=Circle(members=(MEMBERS[0],)) if number % 10 == 0 else None,
        plans=(plan,),
    )


async def fill(market: Sandbox, engine: AsyncEngine) -> float:
    """Publish everything through the catalogue's own handler, without NATS. Returns offerings a second."""
    generator = random.Random(7)  # noqa: S311 - load, not a secret
    handler = CatalogHandler(market.register)
    publish = registry.message("catalog.offering.publish")
    now = dt.datetime.now(dt.UTC)
    started = time.perf_counter()
    for start in range(0, OFFERINGS, _BATCH):
        documents = [offering(number, generator) for number in range(start, min(start + _BATCH, OFFERINGS))]
        batch = [
            Incoming(publish, each.provider, str(uuid.uuid4()), PublishOffering(offering=each), b"", None)
            for each in documents
        ]
        async with engine.begin() as tx:
            await handler.handle(tx, batch, now)
    rate = OFFERINGS / (time.perf_counter() - started)
    async with market.admin("catalog") as admin:
        await admin.execute("vacuum analyze")
    return rate


def questions(generator: random.Random) -> Mapping[str, list[dict[str, object]]]:
    """What is searched for: rare and frequent words, parts of compounds, filters, mistakes."""

    def some(make: Callable[[], dict[str, object]]) -> list[dict[str, object]]:
        return [make() for _ in range(QUESTIONS)]

    def region() -> Filter:
        return Filter(region=(generator.choice(_REGIONS),))

    return {
        "one offering's words": some(
            lambda: {"text": f"{generator.choice(_TEXT)} {generator.randrange(OFFERINGS)}"}
        ),
        "compound and region": some(
            lambda: {
                "text": generator.choice(_FIRST) + generator.choice(_SECOND),
                "filter": region(),
            }
        ),
        "part of a compound": some(lambda: {"text": generator.choice(_SECOND), "filter": region()}),
        "a word of every text": some(lambda: {"text": generator.choice(_TEXT)}),
        "facets only": some(
            lambda: {
                "filter": Filter(
                    category=(generator.choice(_CATEGORIES),),  # type: ignore[arg-type]
                    certificate=(generator.choice(_CERTIFICATES[:2]),),
                )
            }
        ),
        "nothing at all": some(dict),
    }


async def spread(
    work: Callable[[dict[str, object]], Awaitable[object]], asked: list[dict[str, object]]
) -> str:
    """Do it one after the other; tell p50 and p99 in milliseconds."""
    milliseconds = []
    for each in asked:
        started = time.perf_counter()
        await work(each)
        milliseconds.append((time.perf_counter() - started) * 1000)
    warm = sorted(milliseconds[len(milliseconds) // 10 :])
    return f"{warm[len(warm) // 2]:7.1f} {warm[int(len(warm) * 0.99)]:7.1f}"


async def measure(market: Sandbox) -> None:
    """Print everything: filling, searching, paging."""
    engine = database.engine(market.databases["catalog"])
    rate = await fill(market, engine)
    print(f"{OFFERINGS:,} offerings, filled at {rate:,.0f}/s without NATS\n")
    await market.start("catalog")
    member = MEMBERS[1]
    reader = Reader(member, (f"member:{member}",))
    async with Market.connect(market.url, member=member, seed_file=market.key_file(member)) as desk:

        async def bare(asked: dict[str, object]) -> None:
            async with engine.connect() as connection:
                given = SearchOfferings(**asked)  # type: ignore[arg-type]
                await index.search(connection, reader, given, books=True)

        async def through_nats(asked: dict[str, object]) -> None:
            await desk.search(**asked)  # type: ignore[arg-type]

        print("milliseconds                 statement        through NATS")
        print("search                      p50     p99        p50     p99")
        for name, asked in questions(random.Random(8)).items():  # noqa: S311 - load, not a secret
            print(f"{name:24} {await spread(bare, asked)}    {await spread(through_nats, asked)}")
        await _pages(desk, engine, reader)
    await market.stop("catalog")
    await engine.dispose()


async def _pages(desk: Market, engine: AsyncEngine, reader: Reader) -> None:
    generator = random.Random(9)  # noqa: S311 - load, not a secret
    places: list[dict[str, object]] = [
        {"after": f"{generator.choice(MEMBERS)}/v-{generator.randrange(OFFERINGS):06d}"}
        for _ in range(QUESTIONS)
    ]

    async def bare(asked: dict[str, object]) -> None:
        async with engine.connect() as connection:
            await store.page(connection, reader, after=str(asked["after"]), limit=51)

    async def listed(asked: dict[str, object]) -> None:
        await desk.ask("catalog.offering.list", ListOfferings(after=str(asked["after"]), limit=50), Offerings)

    async def hits(asked: dict[str, object]) -> None:
        await desk.search(after=Place(rank=0, offering_id=str(asked["after"])), limit=50)

    async def bare_hits(asked: dict[str, object]) -> None:
        async with engine.connect() as connection:
            place = Place(rank=0, offering_id=str(asked["after"]))
            given = SearchOfferings(after=place, limit=50, facets=False)
            await index.search(connection, reader, given, books=True)

    print("pages of 50 from anywhere")
    print(f"{'whole documents':24} {await spread(bare, places)}    {await spread(listed, places)}")
    print(f"{'search without words':24} {await spread(bare_hits, places)}    {await spread(hits, places)}")


async def main() -> None:
    """Measure in a market of its own."""
    async with servers() as found, found.market(len(MEMBERS)) as market:
        await measure(market)


if __name__ == "__main__":
    uvloop.run(main())
