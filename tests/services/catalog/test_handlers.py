"""Batches of the catalogue's commands: whole, in pieces, twice."""

import asyncio
import dataclasses
import datetime as dt

import pytest
from support.builders import NOW, command, component, offering, plan, tariff
from support.desk import Desk, NewDesk, codes, persistently, said

from allmende.schemas.catalog import OfferingPublished, PublishOffering, RetireOffering
from allmende.schemas.contract import Contract
from allmende.schemas.rejections import Rejection
from allmende.servicekit.messages import Incoming, Outgoing
from allmende.services.catalog.handlers import CatalogHandler

ENDED = plan(tariff(valid_to=dt.date(2026, 12, 31)))
TITLED = offering(ENDED, title="Zweite Fassung")

STORY: list[tuple[str, Contract, str]] = [
    ("lrz", PublishOffering(offering=offering()), "OfferingPublished 1"),
    ("desy", PublishOffering(offering=offering()), "not_your_offering"),
    ("lrz", PublishOffering(offering=offering()), "OfferingPublished 1"),
    ("lrz", PublishOffering(offering=offering(plan(tariff(component("9.00"))))), "tariff_version_changed"),
    ("lrz", PublishOffering(offering=offering(plan(tariff(version=2)))), "tariff_version_missing"),
    ("lrz", PublishOffering(offering=offering(plan(plan_id="neu"))), "plan_missing"),
    ("kit", RetireOffering(offering_id="kit/vm"), "unknown_offering"),
    ("kit", PublishOffering(offering=offering(id_="kit/vm")), "OfferingPublished 1"),
    ("lrz", PublishOffering(offering=offering(ENDED)), "OfferingPublished 2"),
    ("lrz", PublishOffering(offering=offering()), "tariff_version_changed"),
    ("lrz", PublishOffering(offering=TITLED), "OfferingPublished 3"),
    ("desy", RetireOffering(offering_id="lrz/vm"), "not_your_offering"),
    ("lrz", RetireOffering(offering_id="lrz/vm"), "OfferingRetired"),
    ("lrz", RetireOffering(offering_id="lrz/vm"), "OfferingRetired"),
    ("lrz", PublishOffering(offering=TITLED), "OfferingPublished 4"),
    ("kit", RetireOffering(offering_id="kit/vm"), "OfferingRetired"),
]
BATCH = [command(sender, data, number) for number, (sender, data, _) in enumerate(STORY, 1)]
EXPECTED = [expected for _, _, expected in STORY]


def outcomes(facts: list[Outgoing]) -> list[str]:
    revisions = [
        f" {fact.data.revision}" if isinstance(fact.data, OfferingPublished) else "" for fact in facts
    ]
    return [name + revision for name, revision in zip(codes(facts), revisions, strict=True)]


async def tables(desk: Desk) -> list[list[tuple[object, ...]]]:
    return [
        await desk.rows(
            "select offering_id, provider, category, state, revision, document from offering order by 1"
        ),
        await desk.rows("select offering_id, revision, document from offering_revision order by 1, 2"),
    ]


@pytest.mark.parametrize("size", [None, 1, 3, 7])
async def test_a_batch_is_decided_in_its_order_whole_or_in_pieces(desk: NewDesk, size: int | None) -> None:
    catalog = await desk(CatalogHandler())
    facts = await catalog.deliver(BATCH, size)
    assert outcomes(facts) == EXPECTED
    assert [fact.cause.id for fact in facts if fact.cause] == [message.id for message in BATCH]
    rows = await catalog.rows("select offering_id, state, revision from offering order by 1")
    assert rows == [("kit/vm", "retired", 1), ("lrz/vm", "published", 4)]
    kept = await catalog.rows("select offering_id, revision from offering_revision order by 1, 2")
    assert kept == [("kit/vm", 1), ("lrz/vm", 1), ("lrz/vm", 2), ("lrz/vm", 3), ("lrz/vm", 4)]


async def test_the_rows_do_not_depend_on_how_the_batch_was_divided(desk: NewDesk) -> None:
    whole, pieces = await desk(CatalogHandler()), await desk(CatalogHandler())
    await whole.deliver(BATCH)
    await pieces.deliver(BATCH, 2)
    assert await tables(whole) == await tables(pieces)
    assert said(whole.told) == said(pieces.told)


@pytest.mark.parametrize("size", [None, 1])
async def test_a_batch_delivered_twice_has_one_effect(desk: NewDesk, size: int | None) -> None:
    catalog = await desk(CatalogHandler())
    await catalog.deliver(BATCH)
    before = await tables(catalog)
    assert await catalog.deliver(BATCH, size) == []
    assert await tables(catalog) == before


async def test_a_batch_twice_in_one_has_one_effect(desk: NewDesk) -> None:
    catalog = await desk(CatalogHandler())
    again = [dataclasses.replace(message) for message in BATCH]
    assert outcomes(await catalog.take(*BATCH, *again)) == EXPECTED


async def test_two_revisions_in_one_batch_are_both_kept(desk: NewDesk) -> None:
    catalog = await desk(CatalogHandler())
    facts = await catalog.take(
        command("lrz", PublishOffering(offering=offering(title="Eins")), 1),
        command("lrz", PublishOffering(offering=offering(title="Zwei")), 2),
    )
    assert outcomes(facts) == ["OfferingPublished 1", "OfferingPublished 2"]
    kept = await catalog.rows("select revision, document->>'title' from offering_revision order by 1")
    assert kept == [(1, "Eins"), (2, "Zwei")]


async def test_a_refusal_tells_its_sender_what_and_where(desk: NewDesk) -> None:
    catalog = await desk(CatalogHandler())
    (fact,) = await catalog.take(command("desy", PublishOffering(offering=offering())))
    assert fact.message is not None
    assert fact.message.name == "catalog.offering.rejected"
    assert isinstance(fact.data, Rejection)
    assert (fact.data.command, fact.data.field) == ("catalog.offering.publish", "offering.offering_id")
    assert fact.data.message_de == "Das Angebot lrz/vm gehört nicht zum Mitglied desy."


async def test_the_archive_says_the_same_moment_as_the_fact(desk: NewDesk) -> None:
    catalog = await desk(CatalogHandler())
    (fact,) = await catalog.take(command("lrz", PublishOffering(offering=offering())))
    assert isinstance(fact.data, OfferingPublished)
    assert fact.data.published_at == NOW
    assert await catalog.rows("select published_at from offering_revision") == [(NOW,)]
    assert await catalog.rows("select changed_at from offering") == [(NOW,)]


async def test_two_processes_give_each_change_a_revision_of_its_own(desk: NewDesk) -> None:
    first = await desk(CatalogHandler())
    second = await desk(CatalogHandler(), shares=first)

    def batch(start: int) -> list[Incoming]:
        ids = ("lrz/a", "lrz/b") if start else ("lrz/b", "lrz/a")
        return [
            command("lrz", PublishOffering(offering=offering(id_=id_, title=f"T{start + n}")), start + n)
            for n in range(1, 11)
            for id_ in ids[n % 2 :][:1]
        ]

    await asyncio.gather(
        *(persistently(lambda message=message: first.take(message)) for message in batch(0)),  # type: ignore[misc]
        *(persistently(lambda message=message: second.take(message)) for message in batch(100)),  # type: ignore[misc]
    )
    revisions = sorted(
        (fact.data.offering.offering_id, fact.data.revision)
        for fact in first.told + second.told
        if isinstance(fact.data, OfferingPublished)
    )
    assert revisions == [(id_, number) for id_ in ("lrz/a", "lrz/b") for number in range(1, 11)]


async def test_nothing_is_due_by_the_clock(desk: NewDesk) -> None:
    catalog = await desk(CatalogHandler())
    assert await catalog.later(1_000_000) == []
