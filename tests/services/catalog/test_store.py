"""The catalogue's tables on a real PostgreSQL."""

import asyncio

import asyncpg
import pytest
from support.builders import NOW, component, decimals, offering, plan, quantity, tariff
from support.desk import Desk, NewDesk

from allmende.schemas.catalog import Offering
from allmende.schemas.tariff import Free, NotOffered, PerUnit
from allmende.servicekit.testing import Templates
from allmende.services.catalog import store
from allmende.services.catalog.handlers import CatalogHandler
from allmende.services.catalog.offering import Listed

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
    catalog = await desk(CatalogHandler())
    await save(catalog, Listed(RICH, 3), Listed(offering(id_="kit/vm"), 1, "retired"))
    found = await load(catalog, "lrz/vm", "kit/vm", "lrz/vm", "desy/none")
    assert found == {"lrz/vm": Listed(RICH, 3), "kit/vm": Listed(offering(id_="kit/vm"), 1, "retired")}
    price = found["lrz/vm"].offering.plans[0].tariffs[0].components[1].price_by_class
    assert price is not None
    assert str(getattr(price["z"], "amount", "")) == "12.50", "digits as they were written"


async def test_saving_again_replaces_and_revisions_stay(desk: NewDesk) -> None:
    catalog = await desk(CatalogHandler())
    first, second = Listed(offering(), 1), Listed(offering(title="Neu", category="hosting"), 2)
    await save(catalog, first, revisions=(first,))
    await save(catalog, second, revisions=(second,))
    await save(catalog, Listed(second.offering, 2, "retired"), revisions=(Listed(second.offering, 2),))
    rows = await catalog.rows("select state, category, revision from offering")
    assert rows == [("retired", "hosting", 2)]
    kept = await catalog.rows("select revision, document->>'title' from offering_revision order by 1")
    assert kept == [(1, "Maschine"), (2, "Neu")]


async def test_saving_nothing_is_allowed(desk: NewDesk) -> None:
    catalog = await desk(CatalogHandler())
    await save(catalog)
    assert await load(catalog) == {}


async def test_revisions_are_written_once_and_never_changed(desk: NewDesk, templates: Templates) -> None:
    catalog = await desk(CatalogHandler())
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
    catalog = await desk(CatalogHandler())
    ids = ["kit/b", "desy/a", "lrz/c", "kit/a"]
    await save(catalog, *(Listed(offering(id_=id_), 1) for id_ in ids))
    await save(catalog, Listed(offering(id_="lrz/d", category="hosting"), 2, "retired"))

    async def page(category: str | None = None, after: str | None = None, limit: int = 9) -> list[str]:
        async with catalog.engine.connect() as connection:
            found = await store.page(connection, category=category, after=after, limit=limit)
        return [f"{each.offering.offering_id} {each.state} {each.revision}" for each in found]

    assert await page(limit=2) == ["desy/a published 1", "kit/a published 1"]
    assert await page(after="kit/a") == ["kit/b published 1", "lrz/c published 1", "lrz/d retired 2"]
    assert await page(category="hosting") == ["lrz/d retired 2"]
    assert await page(category="directory") == []


async def test_two_processes_wait_for_each_other_even_where_there_is_no_row_yet(desk: NewDesk) -> None:
    catalog = await desk(CatalogHandler())
    document: Offering = offering()
    async with catalog.engine.begin() as tx:
        assert await store.load(tx, ["lrz/vm"]) == {}
        other = asyncio.create_task(load(catalog, "lrz/vm"))
        await asyncio.sleep(0.1)
        assert not other.done()
        await store.save(tx, {"lrz/vm": Listed(document, 1)}, (), NOW)
    assert await other == {"lrz/vm": Listed(document, 1)}
