"""Offerings whose prices follow another list: taken when a version is published, and then kept."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from support.builders import NOW, command, component, offering, plan, register, tariff
from support.desk import NewDesk, codes

from allmende.schemas.catalog import (
    DraftOffering,
    Offering,
    OfferingDrafted,
    OfferingPublished,
    PublishOffering,
)
from allmende.schemas.conditions import Circle
from allmende.schemas.rejections import Rejected
from allmende.schemas.tariff import Derived, Free, PerUnit, Price, PriceCell, Tariff
from allmende.services.catalog.derived import resolve, sources_of
from allmende.services.catalog.handlers import CatalogHandler
from allmende.services.catalog.offering import Listed
from allmende.services.catalog.visibility import marks_of

DAY = dt.date(2026, 6, 1)
ASKED = Derived(offering_id="dfn/netz", plan_id="standard", component="hours", factor=Decimal(2))


def source(*tariffs: Tariff, **changes: Any) -> Offering:
    given = tariffs or (tariff(component("3.00")),)
    return offering(plan(*given), id_="dfn/netz", **changes)


def listed(document: Offering | None = None, state: Any = "published") -> dict[str, Listed]:
    return {"dfn/netz": Listed(document or source(), 1, state)}


def asks(price: Price = ASKED, version: int = 1, **changes: Any) -> Offering:
    return offering(plan(tariff(component(price), version=version, **changes)))


def taken(
    document: Offering, before: Offering | None = None, sources: dict[str, Listed] | None = None
) -> Offering | Rejected:
    known = listed() if sources is None else sources
    return resolve(document, before, known, marks_of("lrz", {"weser": "B"}), DAY)


def amounts(document: Offering | Rejected) -> list[str]:
    assert isinstance(document, Offering), document
    found = [each.components[0].price for each in document.plans[0].tariffs]
    return [str(price.amount) if isinstance(price, PerUnit) else "-" for price in found]


def test_a_document_names_what_it_takes() -> None:
    assert list(sources_of(asks())) == ["dfn/netz"]
    assert list(sources_of(offering())) == []


def test_the_price_of_the_day_is_taken_and_says_where_it_comes_from() -> None:
    dated = source(
        tariff(component("3.00"), valid_to=dt.date(2026, 5, 31)),
        tariff(component("4.00"), version=2, valid_from=DAY),
    )
    found = taken(asks(), sources=listed(dated))
    assert isinstance(found, Offering)
    price = found.plans[0].tariffs[0].components[0].price
    assert price == PerUnit(amount=Decimal("8.00"), derived_from=ASKED, derived_version=2)


@pytest.mark.parametrize("where", ["class", "table"])
def test_cells_take_prices_too(where: str) -> None:
    priced = (
        component(price_by_class={"A": ASKED, "B": Free(reason="nichts")})
        if where == "class"
        else component(prices=(PriceCell(when={"class": "A"}, price=ASKED),))
    )
    found = taken(offering(plan(tariff(priced, class_scheme="weser"))))
    assert isinstance(found, Offering)
    assert '"amount":"6.00"' in found.model_dump_json()
    assert '"kind":"derived","offering_id":"dfn/netz"' in found.model_dump_json(), "where it comes from"
    assert list(sources_of(found)) == ["dfn/netz"]


def test_what_a_published_version_took_stays_and_the_next_version_takes_anew() -> None:
    first = taken(asks())
    assert isinstance(first, Offering)
    dearer = listed(source(tariff(component("5.00"))))
    assert taken(asks(), first, dearer) == first
    assert taken(first, first, dearer) == first, "a document may also be sent back as it was told"
    assert taken(asks(), first, {}) == first, "even when the other list is gone"
    ended = asks(valid_to=dt.date(2026, 12, 31)).plans[0].tariffs[0]
    following = asks(version=2, valid_from=dt.date(2027, 1, 1)).plans[0].tariffs[0]
    assert amounts(taken(offering(plan(ended, following)), first, dearer)) == ["6.00", "10.00"]


def test_nobody_invents_where_a_price_comes_from() -> None:
    invented = PerUnit(amount=Decimal("5.99"), derived_from=ASKED, derived_version=1)
    refused = taken(asks(invented))
    assert isinstance(refused, Rejected)
    assert refused.code == "derived_otherwise"
    honest = PerUnit(amount=Decimal("6.00"), derived_from=ASKED, derived_version=1)
    assert amounts(taken(asks(honest))) == ["6.00"]


@pytest.mark.parametrize(
    ("sources", "code"),
    [
        ({}, "derived_unknown"),
        (listed(state="retired"), "derived_unknown"),
        (listed(state="draft"), "derived_unknown"),
        (listed(state="paused"), None),
        (listed(source(visible_to=Circle(members=("kit",)))), "derived_unknown"),
        (listed(source(visible_to=Circle(classes={"weser": ("B",)}))), None),
        (listed(offering(plan(plan_id="gross"), id_="dfn/netz")), "derived_unknown"),
        (listed(source(tariff(valid_from=dt.date(2027, 1, 1)))), "derived_unknown"),
        (listed(source(tariff(component(unit="GB")))), "derived_unlike"),
        (listed(source(tariff(component(Free(reason="frei"))))), "derived_not_plain"),
    ],
)
def test_only_what_is_listed_and_seen_is_taken(sources: dict[str, Listed], code: str | None) -> None:
    found = taken(asks(), sources=sources)
    assert (found.code if isinstance(found, Rejected) else None) == code
    if isinstance(found, Rejected):
        assert all(found.sentences)


async def test_publication_takes_the_price_and_a_draft_goes_on_asking(desk: NewDesk) -> None:
    catalogue = await desk(CatalogHandler(register("lrz", "dfn", "kit")))
    told = await catalogue.take(
        command("lrz", PublishOffering(offering=asks()), 1),
        command("dfn", PublishOffering(offering=source()), 2),
        command("lrz", DraftOffering(offering=asks()), 3),
        command("lrz", PublishOffering(offering=asks()), 4),
        command("kit", PublishOffering(offering=asks()), 5),
    )
    assert codes(told)[0] == "derived_unknown", "the other list comes later"
    drafted, published = (
        next(fact.data for fact in told if isinstance(fact.data, kind) and fact.data.provider == "lrz")
        for kind in (OfferingDrafted, OfferingPublished)
    )
    assert isinstance(drafted, OfferingDrafted)
    assert drafted.offering == asks()
    assert isinstance(published, OfferingPublished)
    assert amounts(published.offering) == ["6.00"]
    assert published.published_at == NOW
    assert codes(told)[-1] == "not_your_offering"
    later = await catalogue.take(
        command("dfn", PublishOffering(offering=source(tariff(component("3.00"), valid_to=DAY))), 6),
        command("lrz", PublishOffering(offering=asks()), 7),
    )
    again = later[-1].data
    assert isinstance(again, OfferingPublished)
    assert (again.revision, amounts(again.offering)) == (1, ["6.00"]), "nothing changes"
