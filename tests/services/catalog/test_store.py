"""The catalogue's tables on a real PostgreSQL."""

import asyncio
from typing import Any

import asyncpg
import pytest
from support.builders import NOW, component, decimals, offering, plan, quantity, register, tariff
from support.desk import Desk, NewDesk

from allmende.schemas.catalog import Offering
from allmende.schemas.conditions import Circle
from allmende.schemas.tariff import Free, NotOffered, PerUnit
from allmende.servicekit.testing import Templates
from allmende.services.catalog import store
from allmende.services.catalog.handlers import CatalogHandler
from allmende.services.catalog.offering import Listed
from allmende.services.catalog.store import Reader

RICH = offering(
    plan(
        tariff(
            component("0.000000001", "999999999999999.999999999"),
            component(
                id="boxes",
                price_by_class={
                    "z": PerUnit(amount=decimals({"x": "12.50"})["x"]),
                    "1": Free(reason="Grundversorgung – für „alle“"),
                    "A": NotOffered(reason="nein"),
                },
            ),
            class_scheme="lrz",
        ),
        order=(quantity("cores", 1, 6), quantity("ram", "0.5")),
        capacity={"ram": "2048.25", "cores": 10},
    ),
    plan(plan_id="zweiter"),
    description="Zeile eins\nZeile zwei\tmit Tabulator",
)


async def save(desk: Desk, *listed: Listed, revisions: tuple[Listed, ...] = ()) -> None:
    async with desk.engine.begin() as tx:
        await store.save(tx, {each.offering.offering_id: each for each in listed}, revisions, NOW)


async def load(desk: Desk, *ids: str) -> dict[str, Listed]:
    async with desk.engine.begin() as tx:
        return await store.load(tx, ids)


async def test_an_offering_comes_back_as_it_was(desk: NewDesk) -> None:
    catalog = await desk(CatalogHandler(register("lrz")))
    await save(catalog, Listed(RICH, 3), Listed(offering(id_="kit/vm"), 1, "retired"))
    found = await load(catalog, "lrz/vm", "kit/vm", "lrz/vm", "desy/none")
    assert found == {"lrz/vm": Listed(RICH, 3), "kit/vm": Listed(offering(id_="kit/vm"), 1, "retired")}
    price = found["lrz/vm"].offering.plans[0].tariffs[0].components[1].price_by_class
    assert price is not None
    assert str(getattr(price["z"], "amount", "")) == "12.50", "digits as they were written"


async def test_saving_again_replaces_and_revisions_stay(desk: NewDesk) -> None:
    catalog = await desk(CatalogHandler(register("lrz")))
    first, second = Listed(offering(), 1), Listed(offering(title="Neu", category="hosting"), 2)
    await save(catalog, first, revisions=(first,))
    await save(catalog, second, revisions=(second,))
    await save(catalog, Listed(second.offering, 2, "retired"), revisions=(Listed(second.offering, 2),))
    rows = await catalog.rows("select state, category, revision from offering")
    assert rows == [("retired", "hosting", 2)]
    kept = await catalog.rows("select revision, document->>'title' from offering_revision order by 1")
    assert kept == [(1, "Maschine"), (2, "Neu")]


async def test_saving_nothing_is_allowed(desk: NewDesk) -> None:
    catalog = await desk(CatalogHandler(register("lrz")))
    await save(catalog)
    assert await load(catalog) == {}


async def test_revisions_are_written_once_and_never_changed(desk: NewDesk, templates: Templates) -> None:
    catalog = await desk(CatalogHandler(register("lrz")))
    listed = Listed(offering(), 1)
    await save(catalog, listed, revisions=(listed,))
    service = await asyncpg.connect(catalog.url)
    owner = await asyncpg.connect(templates.admin_url(catalog.url))
    await owner.execute("set role allmende_catalog_owner")
    for statement in ("update offering_revision set revision = 2", "delete from offering_revision"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute(statement)
        with pytest.raises(asyncpg.RestrictViolationError, match="never changed"):
            await owner.execute(statement)
    with pytest.raises(asyncpg.RestrictViolationError):
        await owner.execute("truncate offering_revision")
    await service.close()
    await owner.close()


async def test_pages_come_in_the_order_of_ids(desk: NewDesk) -> None:
    catalog = await desk(CatalogHandler(register("lrz")))
    ids = ["kit/b", "desy/a", "lrz/c", "kit/a"]
    await save(catalog, *(Listed(offering(id_=id_), 1) for id_ in ids))
    await save(catalog, Listed(offering(id_="lrz/d", category="hosting"), 2, "retired"))
    shown = offering(id_="tub/e", visible_to=Circle(members=("desy",), classes={"tub": ("A",)}))
    await save(catalog, Listed(shown, 1, "paused"))

    async def page(*marks: str, sees_all: bool = False, limit: int = 9, **given: Any) -> list[str]:
        async with catalog.engine.connect() as connection:
            reader = Reader("x", marks, sees_all)
            found = await store.page(connection, reader, limit=limit, **given)
        return [f"{each.offering.offering_id} {each.state} {each.revision}" for each in found]

    assert await page(limit=2) == ["desy/a published 1", "kit/a published 1"]
    assert await page(after="kit/a") == ["kit/b published 1", "lrz/c published 1", "lrz/d retired 2"]
    assert await page(category="hosting") == ["lrz/d retired 2"]
    assert await page(provider="kit") == ["kit/a published 1", "kit/b published 1"]
    assert await page(category="directory") == []
    for marks in (("member:desy",), ("class:tub:A",), ("member:tub",)):
        assert await page(*marks, provider="tub") == ["tub/e paused 1"]
    assert await page("member:kit", "class:tub:B", provider="tub") == []
    assert await page(sees_all=True, provider="tub") == ["tub/e paused 1"]


async def test_drafts_come_and_go_with_their_offerings(desk: NewDesk) -> None:
    catalog = await desk(CatalogHandler(register("lrz")))
    draft = offering(title="Entwurf")
    for listed in (
        Listed(draft, 0, "draft", draft=draft),
        Listed(offering(), 3, "paused", 8, draft),
        Listed(offering(), 3, "paused", 8),
    ):
        await save(catalog, listed)
        assert await load(catalog, "lrz/vm") == {"lrz/vm": listed}
    async with catalog.engine.begin() as tx:
        await store.save(tx, {"lrz/vm": None}, (), NOW)
    assert (await load(catalog, "lrz/vm"))["lrz/vm"].draft is None


async def test_two_processes_wait_for_each_other_even_where_there_is_no_row_yet(desk: NewDesk) -> None:
    catalog = await desk(CatalogHandler(register("lrz")))
    document: Offering = offering()
    async with catalog.engine.begin() as tx:
        assert await store.load(tx, ["lrz/vm"]) == {}
        other = asyncio.create_task(load(catalog, "lrz/vm"))
        await asyncio.sleep(0.1)
        assert not other.done()
        await store.save(tx, {"lrz/vm": Listed(document, 1)}, (), NOW)
    assert await other == {"lrz/vm": Listed(document, 1)}
