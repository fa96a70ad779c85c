"""Batches of the catalogue's commands: whole, in pieces, twice."""

import asyncio
import dataclasses
import datetime as dt

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from support.builders import NOW, command, component, offering, plan, register, tariff
from support.desk import Desk, NewDesk, codes, persistently, said

from allmende.schemas.catalog import (
    Certificate,
    DiscardDraft,
    DraftOffering,
    OfferingHidden,
    OfferingPublished,
    PauseOffering,
    PublishOffering,
    ResumeOffering,
    RetireOffering,
)
from allmende.schemas.conditions import Circle
from allmende.schemas.contract import Contract
from allmende.schemas.registry import Audience
from allmende.schemas.rejections import Rejection
from allmende.servicekit.messages import Incoming, Outgoing
from allmende.servicekit.testing import Someone
from allmende.services.catalog import store
from allmende.services.catalog.handlers import CatalogHandler

REGISTER = register("lrz", Someone("desy", classes={"lrz": "A"}), "kit", "tub")
ENDED = plan(tariff(valid_to=dt.date(2026, 12, 31)))
TITLED = offering(ENDED, title="Zweite Fassung")

STORY: list[tuple[str, Contract, str]] = [
    ("lrz", DraftOffering(offering=offering(title="Entwurf")), "OfferingDrafted"),
    ("lrz", PauseOffering(offering_id="lrz/vm", reason="Umzug"), "not_published"),
    ("lrz", PublishOffering(offering=offering()), "OfferingPublished 1 @1"),
    ("lrz", DiscardDraft(offering_id="lrz/vm"), "no_draft"),
    ("desy", PublishOffering(offering=offering()), "not_your_offering"),
    ("lrz", PublishOffering(offering=offering()), "OfferingPublished 1 @1"),
    ("lrz", PublishOffering(offering=offering(plan(tariff(component("9.00"))))), "tariff_version_changed"),
    ("lrz", PublishOffering(offering=offering(plan(tariff(version=2)))), "tariff_version_missing"),
    ("lrz", PublishOffering(offering=offering(plan(plan_id="neu"))), "plan_missing"),
    ("kit", RetireOffering(offering_id="kit/vm"), "unknown_offering"),
    ("kit", PublishOffering(offering=offering(id_="kit/vm")), "OfferingPublished 1 @2"),
    ("lrz", PublishOffering(offering=offering(ENDED)), "OfferingPublished 2 @3"),
    ("lrz", DraftOffering(offering=TITLED), "OfferingDrafted"),
    ("lrz", PublishOffering(offering=offering()), "tariff_version_changed"),
    ("lrz", PublishOffering(offering=TITLED), "OfferingPublished 3 @4"),
    ("desy", RetireOffering(offering_id="lrz/vm"), "not_your_offering"),
    ("lrz", ResumeOffering(offering_id="lrz/vm"), "not_paused"),
    ("lrz", PauseOffering(offering_id="lrz/vm", reason="Umzug"), "OfferingPaused 3 @5"),
    ("lrz", ResumeOffering(offering_id="lrz/vm"), "OfferingResumed 3 @6"),
    ("lrz", RetireOffering(offering_id="lrz/vm"), "OfferingRetired 3 @7"),
    ("lrz", RetireOffering(offering_id="lrz/vm"), "OfferingRetired 3 @7"),
    ("lrz", PublishOffering(offering=TITLED), "OfferingPublished 4 @8"),
    ("kit", RetireOffering(offering_id="kit/vm"), "OfferingRetired 1 @9"),
    ("kit", DraftOffering(offering=offering(id_="kit/neu")), "OfferingDrafted"),
    ("tub", DraftOffering(offering=offering(id_="tub/neu")), "OfferingDrafted"),
    ("tub", DiscardDraft(offering_id="tub/neu"), "DraftDiscarded"),
]
BATCH = [command(sender, data, number) for number, (sender, data, _) in enumerate(STORY, 1)]
EXPECTED = [expected for _, _, expected in STORY]


def handler() -> CatalogHandler:
    return CatalogHandler(REGISTER)


def outcomes(facts: list[Outgoing]) -> list[str]:
    """What was told, with revision and position where it changes the catalogue."""
    places = [
        f" {fact.data.revision} @{position}"  # type: ignore[attr-defined]
        if (position := getattr(fact.data, "position", None))
        else ""
        for fact in facts
    ]
    return [name + place for name, place in zip(codes(facts), places, strict=True)]


TABLES = (
    "select offering_id, provider, category, state, revision, position, seen_by, document from offering",
    "select offering_id, revision, seen_by, document from offering_revision",
    "select offering_id, document from draft",
    "select position, type, offering_id, categories, seen_by, unless, data::text from change",
    "select offering_id, state, revision, title, seen_by, open, facets, words::text, plain from listing",
    "select position from catalogue",
)


async def tables(desk: Desk) -> list[list[tuple[object, ...]]]:
    return [sorted(await desk.rows(statement), key=str) for statement in TABLES]


# -- batches ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [None, 1, 3, 7])
async def test_a_batch_is_decided_in_its_order_whole_or_in_pieces(desk: NewDesk, size: int | None) -> None:
    catalog = await desk(handler())
    facts = await catalog.deliver(BATCH, size)
    assert outcomes(facts) == EXPECTED
    assert [fact.cause.id for fact in facts if fact.cause] == [message.id for message in BATCH]
    rows = await catalog.rows("select offering_id, state, revision, position from offering order by 1")
    assert rows == [("kit/vm", "retired", 1, 9), ("lrz/vm", "published", 4, 8)]
    kept = await catalog.rows("select offering_id, revision from offering_revision order by 1, 2")
    assert kept == [("kit/vm", 1), ("lrz/vm", 1), ("lrz/vm", 2), ("lrz/vm", 3), ("lrz/vm", 4)]
    assert await catalog.rows("select offering_id from draft") == [("kit/neu",)]
    assert await catalog.rows("select offering_id from listing") == [("lrz/vm",)]
    positions = await catalog.rows("select position from change order by 1")
    assert positions == [(number,) for number in range(1, 10)], "without a gap"


@pytest.mark.parametrize("size", [1, 2, 5])
async def test_the_rows_do_not_depend_on_how_the_batch_was_divided(desk: NewDesk, size: int) -> None:
    whole, pieces = await desk(handler()), await desk(handler())
    await whole.deliver(BATCH)
    await pieces.deliver(BATCH, size)
    assert await tables(whole) == await tables(pieces)
    assert said(whole.told) == said(pieces.told)


@pytest.mark.parametrize("size", [None, 1])
async def test_a_batch_delivered_twice_has_one_effect(desk: NewDesk, size: int | None) -> None:
    catalog = await desk(handler())
    await catalog.deliver(BATCH)
    before = await tables(catalog)
    assert await catalog.deliver(BATCH, size) == []
    assert await tables(catalog) == before


async def test_a_batch_twice_in_one_has_one_effect(desk: NewDesk) -> None:
    catalog = await desk(handler())
    again = [dataclasses.replace(message) for message in BATCH]
    assert outcomes(await catalog.take(*BATCH, *again)) == EXPECTED


async def test_a_refusal_tells_its_sender_what_and_where(desk: NewDesk) -> None:
    catalog = await desk(handler())
    (fact,) = await catalog.take(command("desy", PublishOffering(offering=offering())))
    assert fact.message is not None
    assert fact.message.name == "catalog.offering.rejected"
    assert isinstance(fact.data, Rejection)
    assert (fact.data.command, fact.data.field) == ("catalog.offering.publish", "offering.offering_id")
    assert fact.data.message_de == "Das Angebot lrz/vm gehört nicht zum Mitglied desy."


async def test_the_archive_says_the_same_moment_as_the_fact(desk: NewDesk) -> None:
    catalog = await desk(handler())
    (fact,) = await catalog.take(command("lrz", PublishOffering(offering=offering())))
    assert isinstance(fact.data, OfferingPublished)
    assert fact.data.published_at == NOW
    assert await catalog.rows("select published_at from offering_revision") == [(NOW,)]
    assert await catalog.rows("select changed_at from offering") == [(NOW,)]
    assert await catalog.rows("select told_at from change") == [(NOW,)]


# -- several processes --------------------------------------------------------------------------------


def _of_two(start: int) -> list[Incoming]:
    ids = ("lrz/a", "lrz/b") if start else ("lrz/b", "lrz/a")
    return [
        command("lrz", PublishOffering(offering=offering(id_=id_, title=f"T{start + n}")), start + n)
        for n in range(1, 11)
        for id_ in ids[n % 2 :][:1]
    ]


async def _race(first: Desk, second: Desk) -> list[OfferingPublished]:
    await asyncio.gather(
        *(persistently(lambda message=message: first.take(message)) for message in _of_two(0)),  # type: ignore[misc]
        *(persistently(lambda message=message: second.take(message)) for message in _of_two(100)),  # type: ignore[misc]
    )
    return [fact.data for fact in first.told + second.told if isinstance(fact.data, OfferingPublished)]


async def test_two_processes_give_each_change_a_revision_and_a_position_of_its_own(desk: NewDesk) -> None:
    first = await desk(handler())
    facts = await _race(first, await desk(handler(), shares=first))
    revisions = sorted((fact.offering.offering_id, fact.revision) for fact in facts)
    assert revisions == [(id_, number) for id_ in ("lrz/a", "lrz/b") for number in range(1, 11)]
    assert sorted(fact.position for fact in facts) == list(range(1, 21))
    assert await first.rows("select position from catalogue") == [(20,)]


async def test_control_without_the_lock_positions_are_given_twice(
    desk: NewDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unlocked(tx: AsyncConnection) -> int:
        found = int((await tx.execute(text("select position from catalogue"))).scalar_one())
        await asyncio.sleep(0)
        return found

    monkeypatch.setattr(store, "count_on", unlocked)
    first = await desk(handler())
    second = await desk(handler(), shares=first)
    async with first.engine.begin() as one, second.engine.begin() as two:
        positions = []
        for tx, id_ in ((one, "lrz/a"), (two, "lrz/b")):
            document = PublishOffering(offering=offering(id_=id_))
            [fact] = await first.handler.handle(tx, [command("lrz", document)], NOW)
            assert isinstance(fact.data, OfferingPublished)
            positions.append(fact.data.position)
            await tx.rollback()
    assert positions == [1, 1]


async def test_a_draft_waits_for_nobodys_count(desk: NewDesk) -> None:
    first = await desk(handler())
    second = await desk(handler(), shares=first)
    async with first.engine.begin() as tx:
        await store.count_on(tx)
        drafted = await asyncio.wait_for(
            second.take(command("lrz", DraftOffering(offering=offering()), 1)), timeout=5
        )
        assert codes(drafted) == ["OfferingDrafted"]
        publishing = asyncio.create_task(second.take(command("lrz", PublishOffering(offering=offering()), 2)))
        done, _ = await asyncio.wait({publishing}, timeout=0.1)
        assert not done, "a change waits until the count before it is committed"
    assert outcomes(await publishing) == ["OfferingPublished 1 @1"]


# -- who hears ----------------------------------------------------------------------------------------


def heard(facts: list[Outgoing]) -> list[tuple[str, object]]:
    return [
        (type(fact.data).__name__, fact.parties.get(Audience.CIRCLE) or fact.parties[Audience.PROVIDER])
        for fact in facts
    ]


async def test_those_in_the_circle_hear_and_those_who_leave_it_hear_that(desk: NewDesk) -> None:
    catalog = await desk(handler())
    shown = [None, Circle(members=("desy", "kit")), Circle(classes={"lrz": ("A",)}), None]
    documents = [offering(visible_to=circle) for circle in shown]
    facts = await catalog.deliver(
        [command("lrz", PublishOffering(offering=each), number) for number, each in enumerate(documents, 1)]
        + [command("lrz", DraftOffering(offering=documents[1]), 5)]
    )
    assert heard(facts) == [
        ("OfferingPublished", "everyone"),
        ("OfferingPublished", ("desy", "kit", "lrz", "office")),
        ("OfferingHidden", ("tub",)),
        ("OfferingPublished", ("desy", "lrz", "office")),
        ("OfferingHidden", ("kit",)),
        ("OfferingPublished", "everyone"),
        ("OfferingDrafted", "lrz"),
    ]
    for published, hidden in ((facts[1].data, facts[2].data), (facts[3].data, facts[4].data)):
        assert isinstance(published, OfferingPublished)
        assert isinstance(hidden, OfferingHidden)
        assert hidden.position == published.position, "one change, told in two ways"


@pytest.mark.parametrize("move", ["pause", "resume", "retire"])
async def test_moves_are_told_to_the_circle_alone(desk: NewDesk, move: str) -> None:
    catalog = await desk(handler())
    story: list[Contract] = [
        PublishOffering(offering=offering(visible_to=Circle(members=("desy",)))),
        PauseOffering(offering_id="lrz/vm", reason="Umzug"),
        ResumeOffering(offering_id="lrz/vm"),
        RetireOffering(offering_id="lrz/vm"),
    ]
    facts = await catalog.deliver([command("lrz", each, number) for number, each in enumerate(story, 1)])
    assert {audience for _, audience in heard(facts)} == {("desy", "lrz", "office")}


# -- the clock ----------------------------------------------------------------------------------------


async def test_a_certificate_that_runs_out_is_no_longer_found(desk: NewDesk) -> None:
    catalog = await desk(handler())
    proofs = (
        Certificate(name="BSI C5", valid_until=NOW.date() + dt.timedelta(days=1)),
        Certificate(name="ISO 27001", valid_until=NOW.date() + dt.timedelta(days=9)),
        Certificate(name="alt", valid_until=NOW.date() - dt.timedelta(days=1)),
        Certificate(name="ewig"),
    )
    await catalog.take(command("lrz", PublishOffering(offering=offering(certificates=proofs))))

    async def proven() -> set[str]:
        rows = await catalog.rows("select unnest(facets) from listing")
        found = {str(facet).partition(":") for (facet,) in rows}
        return {name for kind, _, name in found if kind == "certificate"}

    assert await proven() == {"BSI C5", "ISO 27001", "ewig"}
    assert await catalog.later(86_400) == []
    assert await proven() == {"BSI C5", "ISO 27001", "ewig"}, "valid to the end of its last day"
    for _ in range(2):
        assert await catalog.later(86_400) == []
        assert await proven() == {"ISO 27001", "ewig"}
    await catalog.later(30 * 86_400)
    assert await proven() == {"ewig"}
    assert await catalog.rows("select position from catalogue") == [(1,)], "no change of the catalogue"
