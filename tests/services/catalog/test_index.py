"""Search: German words, parts of compounds, what is spelt alike; facets, filters, pages, circles."""

import datetime as dt
from typing import Any

import pytest
from support.builders import command, decimals, offering, plan, register
from support.desk import Desk, NewDesk

from allmende.schemas.catalog import (
    Certificate,
    FacetValue,
    Filter,
    Found,
    Offering,
    PauseOffering,
    PublishOffering,
    RetireOffering,
    SearchOfferings,
)
from allmende.schemas.conditions import Circle, Pool
from allmende.servicekit.testing import Someone
from allmende.services.catalog import index
from allmende.services.catalog.handlers import CatalogHandler
from allmende.services.catalog.store import Reader

REGISTER = register("lrz", Someone("desy", classes={"lrz": "A"}), "kit")
DESY = Reader("desy", ("member:desy", "class:lrz:A"))
KIT = Reader("kit", ("member:kit",))
OFFICE = Reader("office", ("member:office",), sees_all=True)


def in_region(region: str, **changes: Any) -> Any:
    pool = Pool(pool_id="p", title="Bereich", region=region, capacity=decimals({"cores": 1}))
    return plan(pools=(pool,), **changes)


CATALOGUE: list[Offering] = [
    offering(
        in_region("bremen"),
        id_="lrz/web",
        title="Webhosting für Verwaltungen",
        category="hosting",
        description="Betrieb von Webauftritten mit täglicher Datensicherung.",
        keywords=("Internet", "Wordpress"),
        certificates=(Certificate(name="BSI C5", valid_until=dt.date(2099, 1, 1)),),
    ),
    offering(
        in_region("muenchen"),
        id_="kit/sicherung",
        title="Sicherung",
        category="storage",
        description="Sicherungen für Server. Hosting ist nicht dabei.",
        certificates=(Certificate(name="ISO/IEC 27001"), Certificate(name="BSI C5")),
    ),
    offering(
        id_="kit/strasse",
        title="Straßenverkehrswesen",
        category="hosting",
        description="Fachverfahren für Bußgelder",
        visible_to=Circle(classes={"lrz": ("A",)}),
    ),
    offering(plan(closed_to_new=True), id_="kit/alt", title="Altes Hosting", category="hosting"),
    offering(id_="lrz/nur", title="Nur für kit", bookable_by=Circle(members=("kit",))),
]


@pytest.fixture
async def catalog(desk: NewDesk) -> Desk:
    made = await desk(CatalogHandler(REGISTER))
    story = [(each.provider, PublishOffering(offering=each)) for each in CATALOGUE]
    await made.deliver([command(sender, data, number) for number, (sender, data) in enumerate(story, 1)])
    return made


async def search(desk: Desk, text: str = "", reader: Reader = DESY, **given: Any) -> Found:
    books = reader is not OFFICE
    async with desk.engine.connect() as connection:
        return await index.search(connection, reader, SearchOfferings(text=text, **given), books=books)


def ids(found: Found) -> list[str]:
    return [hit.offering_id for hit in found.hits]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Webhosting", ["lrz/web"]),
        ("verwaltung", ["lrz/web"]),  # stemmed
        ("WORDPRESS", ["lrz/web"]),
        ("für Verwaltungen", ["lrz/web"]),  # a stop word is no condition
        ("Bussgeld", ["kit/strasse"]),  # ß and ss
        ("strassen", ["kit/strasse"]),  # begins a compound
        ("verkehr", ["kit/strasse"]),  # inside of one
        ("Hosting", ["kit/alt", "kit/sicherung", "lrz/web"]),  # headline, text, compound
        ("Sicherung", ["kit/sicherung", "lrz/web"]),
        ("Hosting -alt", ["kit/sicherung", "lrz/web"]),
        ('"tägliche Datensicherung"', ["lrz/web"]),
        ("hosting sicherung", ["kit/sicherung", "lrz/web"]),
        ("100%", []),
        ("_", []),
        ("'); drop table listing; --", []),
        ("sicherung für verkehr", []),
        ("daten für web", ["lrz/web"]),
    ],
)
async def test_words_are_found_as_people_write_them(catalog: Desk, text: str, expected: list[str]) -> None:
    found = await search(catalog, text)
    assert ids(found) == expected
    assert found.counted == len(expected)
    assert not found.similar


async def test_what_is_misspelt_is_found_by_likeness_and_says_so(catalog: Desk) -> None:
    found = await search(catalog, "Webhostng")
    assert (ids(found), found.similar) == (["lrz/web"], True)


async def test_nothing_is_found_of_what_is_not_shown(catalog: Desk) -> None:
    assert ids(await search(catalog, "Bußgelder", KIT)) == ["kit/strasse"], "the provider sees its own"
    stranger = Reader("tub", ("member:tub",))
    found = await search(catalog, "Bußgelder", stranger)
    assert (found.hits, found.counted) == ((), 0)
    assert "kit/strasse" not in ids(await search(catalog, "", stranger))
    assert found.facets is not None
    assert found.facets.category == ()
    assert ids(await search(catalog, "Bußgelder", OFFICE)) == ["kit/strasse"]


async def test_facets_count_the_hits(catalog: Desk) -> None:
    found = await search(catalog)
    assert found.facets is not None
    facets = {kind: {each.value: each.count for each in getattr(found.facets, kind)} for kind in _KINDS}
    assert facets == {
        "category": {"hosting": 3, "storage": 1, "compute": 1},
        "provider": {"kit": 3, "lrz": 2},
        "region": {"bremen": 1, "muenchen": 1},
        "certificate": {"BSI C5": 2, "ISO/IEC 27001": 1},
        "keyword": {"Internet": 1, "Wordpress": 1},
    }
    assert found.facets.category[0] == FacetValue(value="hosting", count=3), "the most frequent first"
    assert (await search(catalog, facets=False)).facets is None


_KINDS = ("category", "provider", "region", "certificate", "keyword")


@pytest.mark.parametrize(
    ("filter_", "expected"),
    [
        ({"category": ("storage",)}, ["kit/sicherung"]),
        ({"category": ("storage", "compute")}, ["kit/sicherung", "lrz/nur"]),
        ({"region": ("bremen",)}, ["lrz/web"]),
        ({"certificate": ("BSI C5",)}, ["kit/sicherung", "lrz/web"]),
        ({"certificate": ("BSI C5",), "provider": ("kit",)}, ["kit/sicherung"]),
        ({"keyword": ("Wordpress",)}, ["lrz/web"]),
        ({"keyword": ("wordpress",)}, []),
        ({"region": ("bremen",), "category": ("storage",)}, []),
    ],
)
async def test_filters_are_or_within_a_kind_and_and_between(
    catalog: Desk, filter_: dict[str, Any], expected: list[str]
) -> None:
    assert ids(await search(catalog, filter=Filter(**filter_))) == expected
    assert set(ids(await search(catalog, "hosting", filter=Filter(**filter_)))) <= set(expected)


async def test_what_can_be_booked_is_marked_and_filtered(catalog: Desk) -> None:
    found = await search(catalog)
    marks = {hit.offering_id: hit.bookable for hit in found.hits}
    assert marks == {
        "kit/alt": False,
        "kit/sicherung": True,
        "kit/strasse": True,
        "lrz/nur": False,
        "lrz/web": True,
    }
    assert ids(await search(catalog, bookable=True)) == [id_ for id_, can in marks.items() if can]
    assert not any(hit.bookable for hit in (await search(catalog, "", OFFICE)).hits)
    await catalog.take(command("lrz", PauseOffering(offering_id="lrz/web", reason="Umbau"), 50))
    [paused] = (await search(catalog, "Webhosting")).hits
    assert (paused.state, paused.bookable) == ("paused", False)
    await catalog.take(command("lrz", RetireOffering(offering_id="lrz/web"), 51))
    assert "lrz/web" not in ids(await search(catalog))


@pytest.mark.parametrize("text", ["", "hosting", "Maschinen", "Servr"])
async def test_pages_join_without_a_gap_or_a_double(desk: NewDesk, text: str) -> None:
    catalog = await desk(CatalogHandler(REGISTER))
    words = ("Hosting", "Server", "Webhosting", "Maschine")
    documents = [
        offering(id_=f"lrz/v{n:02}", title=f"{words[n % 4]} {n}", description="Maschinen " * (n % 3))
        for n in range(37)
    ]
    await catalog.deliver(
        [command("lrz", PublishOffering(offering=each), n) for n, each in enumerate(documents, 1)]
    )
    whole = await search(catalog, text, limit=100)
    assert whole.hits
    ranks = [hit.rank for hit in whole.hits]
    assert ranks == sorted(ranks, reverse=True)
    for limit in (1, 5, 36):
        after, joined = None, []
        while True:
            page = await search(catalog, text, limit=limit, after=after, facets=after is None)
            joined += ids(page)
            if (after := page.next_after) is None:
                break
        assert joined == ids(whole)


async def test_more_hits_than_are_looked_at_are_said_to_be_more(
    catalog: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "LOOKED_AT_MAX", 2)
    found = await search(catalog, "hosting")
    assert (found.counted, found.complete) == (2, False)
    assert ids(found)[:2] == ["kit/alt", "kit/sicherung"], "headlines come before the rest"
    found = await search(catalog, "webhosting")
    assert (found.counted, found.complete) == (1, True)
    after, joined = None, []
    while True:
        page = await search(catalog, limit=2, after=after)
        joined += ids(page)
        if (after := page.next_after) is None:
            break
    assert len(joined) == 5, "without a text the pages go on to the end"
