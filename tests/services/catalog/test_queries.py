"""What the catalogue answers, and to whom."""

from collections.abc import Mapping
from typing import Any

import pytest
from support.builders import NOW, command, offering, plan, register, tariff
from support.desk import Desk, NewDesk

from allmende.schemas.catalog import (
    Changes,
    CompareRevisions,
    Comparison,
    DraftOffering,
    Estimate,
    EstimateCosts,
    History,
    ListOfferings,
    OfferingHidden,
    OfferingPublished,
    Offerings,
    OfferingShown,
    PauseOffering,
    PublishOffering,
    ReplayChanges,
    RetireOffering,
    ShowHistory,
    ShowOffering,
)
from allmende.schemas.conditions import Circle
from allmende.schemas.contract import Contract
from allmende.schemas.permissions import Role, sees_all
from allmende.schemas.rejections import Rejected
from allmende.servicekit.testing import Someone
from allmende.services.catalog import store
from allmende.services.catalog.handlers import CatalogHandler
from allmende.services.catalog.queries import ANSWERS

CLASSES: Mapping[str, Mapping[str, str]] = {"desy": {"lrz": "A"}}
REGISTER = register("lrz", Someone("desy", classes=CLASSES["desy"]), "kit", "tub")
INSIDE = Circle(members=("kit",))

STORY: list[tuple[str, Contract]] = [
    ("lrz", PublishOffering(offering=offering(title="Eins"))),  # 1
    ("kit", PublishOffering(offering=offering(id_="kit/netz", category="network"))),  # 2
    ("lrz", PublishOffering(offering=offering(title="Zwei", visible_to=INSIDE))),  # 3, hidden from others
    ("lrz", DraftOffering(offering=offering(title="Drei"))),
    ("lrz", DraftOffering(offering=offering(id_="lrz/neu"))),
    ("kit", PauseOffering(offering_id="kit/netz", reason="Umbau")),  # 4
    (
        "tub",
        PublishOffering(offering=offering(id_="tub/a", bookable_by=Circle(classes={"lrz": ("A",)}))),
    ),  # 5
    ("tub", PublishOffering(offering=offering(id_="tub/b"))),  # 6
    ("tub", RetireOffering(offering_id="tub/b")),  # 7
    ("kit", PublishOffering(offering=offering(id_="kit/netz", category="hosting"))),  # 8
]


@pytest.fixture
async def catalog(desk: NewDesk) -> Desk:
    made = await desk(CatalogHandler(REGISTER))
    await made.deliver([command(sender, data, number) for number, (sender, data) in enumerate(STORY, 1)])
    return made


async def ask(desk: Desk, member: str, name: str, asked: Contract) -> Any:
    from allmende.servicekit.queries import Caller

    role = Role.OFFICE if member == "office" else Role.MEMBER
    caller = Caller(member, role, sees_all(role, name), CLASSES.get(member, {}))
    async with desk.engine.connect() as connection:
        found = await ANSWERS[name](connection, caller, asked)
    return found.code if isinstance(found, Rejected) else found


async def listed(desk: Desk, member: str, **given: Any) -> list[str]:
    found = await ask(desk, member, "catalog.offering.list", ListOfferings(**given))
    assert isinstance(found, Offerings)
    return [f"{each.offering.offering_id} {each.state} {each.position}" for each in found.offerings]


# -- list ---------------------------------------------------------------------------------------------

OPEN = ["tub/a published 5", "tub/b retired 7"]


@pytest.mark.parametrize(
    ("member", "expected"),
    [
        ("desy", ["kit/netz published 8", *OPEN]),
        ("kit", ["kit/netz published 8", "lrz/vm published 3", *OPEN]),
        ("lrz", ["kit/netz published 8", "lrz/vm published 3", *OPEN]),
        ("office", ["kit/netz published 8", "lrz/vm published 3", *OPEN]),
    ],
)
async def test_everybody_lists_what_is_shown_to_it(catalog: Desk, member: str, expected: list[str]) -> None:
    assert await listed(catalog, member) == expected


async def test_drafts_are_their_providers_alone(catalog: Desk) -> None:
    assert await listed(catalog, "lrz", drafts=True) == ["lrz/neu draft 0", "lrz/vm draft 3"]
    for member in ("desy", "kit", "office"):
        assert await listed(catalog, member, drafts=True) == []
        shown = ShowOffering(offering_id="lrz/vm", draft=True)
        assert await ask(catalog, member, "catalog.offering.show", shown) == "no_draft"


async def test_pages_continue_and_say_the_position(catalog: Desk) -> None:
    after, found = None, []
    while True:
        page = await ask(catalog, "kit", "catalog.offering.list", ListOfferings(after=after, limit=3))
        assert page.position == 8
        found += [each.offering.offering_id for each in page.offerings]
        if (after := page.next_after) is None:
            break
    assert found == ["kit/netz", "lrz/vm", "tub/a", "tub/b"]


# -- show, history, compare ---------------------------------------------------------------------------


async def show(desk: Desk, member: str, id_: str = "lrz/vm", **given: Any) -> Any:
    return await ask(desk, member, "catalog.offering.show", ShowOffering(offering_id=id_, **given))


async def test_one_offering_in_any_revision_that_was_shown(catalog: Desk) -> None:
    now = await show(catalog, "kit")
    assert isinstance(now, OfferingShown)
    assert (now.offering.title, now.revision, now.newest, now.since) == ("Zwei", 2, 2, NOW)
    before = await show(catalog, "kit", revision=1)
    assert (before.offering.title, before.revision, before.newest) == ("Eins", 1, 2)
    draft = await show(catalog, "lrz", draft=True)
    assert (draft.offering.title, draft.revision, draft.newest, draft.bookable) == ("Drei", 3, 2, False)
    new = await show(catalog, "lrz", "lrz/neu", draft=True)
    assert (new.state, new.revision, new.newest) == ("draft", 1, 0)
    assert await show(catalog, "kit", revision=3) == "unknown_revision"
    assert await show(catalog, "desy", revision=1) == "unknown_offering", "hidden is hidden"
    assert await show(catalog, "lrz", "lrz/neu") == "unknown_offering"


@pytest.mark.parametrize(
    ("member", "id_", "bookable"),
    [
        ("desy", "tub/a", True),
        ("kit", "tub/a", False),
        ("tub", "tub/a", False),
        ("office", "tub/a", False),
        ("desy", "tub/b", False),
        ("desy", "kit/netz", True),
        ("kit", "lrz/vm", True),
    ],
)
async def test_what_can_be_booked_is_marked(catalog: Desk, member: str, id_: str, *, bookable: bool) -> None:
    assert (await show(catalog, member, id_)).bookable is bookable


async def test_a_revision_from_before_one_was_let_in_stays_closed(catalog: Desk) -> None:
    inside = offering(id_="lrz/x", visible_to=INSIDE, title="Innen")
    for number, document in enumerate((inside, offering(id_="lrz/x", title="Offen")), 50):
        await catalog.take(command("lrz", PublishOffering(offering=document), number))
    assert (await show(catalog, "desy", "lrz/x")).revision == 2
    assert await show(catalog, "desy", "lrz/x", revision=1) == "unknown_revision"
    history = await ask(catalog, "desy", "catalog.offering.history", ShowHistory(offering_id="lrz/x"))
    assert [each.title for each in history.revisions] == ["Offen"]
    compared = CompareRevisions(offering_id="lrz/x", earlier=1)
    assert await ask(catalog, "desy", "catalog.offering.compare", compared) == "unknown_revision"
    assert isinstance(await ask(catalog, "kit", "catalog.offering.compare", compared), Comparison)


async def test_the_history_is_paged_from_the_newest(catalog: Desk) -> None:
    async def page(before: int | None) -> History:
        asked = ShowHistory(offering_id="lrz/vm", before=before, limit=1)
        found: History = await ask(catalog, "kit", "catalog.offering.history", asked)
        return found

    first = await page(None)
    assert [(each.revision, each.title, each.tariffs) for each in first.revisions] == [
        (2, "Zwei", {"standard": 1})
    ]
    second = await page(first.next_before)
    assert ([each.title for each in second.revisions], second.next_before) == (["Eins"], None)


async def test_revisions_and_a_draft_are_compared(catalog: Desk) -> None:
    async def differ(member: str, **given: Any) -> Any:
        asked = CompareRevisions(offering_id="lrz/vm", **given)
        found = await ask(catalog, member, "catalog.offering.compare", asked)
        return found if isinstance(found, str) else [(each.path, each.after) for each in found.differences]

    assert await differ("kit", earlier=1) == [
        ("title", "Zwei"),
        ("visible_to", {"members": ["kit"], "classes": {}}),
    ]
    assert await differ("kit", earlier=2, later=1) == [("title", "Eins"), ("visible_to", None)]
    assert await differ("lrz", earlier=2, draft=True) == [("title", "Drei"), ("visible_to", None)]
    assert await differ("kit", earlier=2, draft=True) == "no_draft"
    assert await differ("kit", earlier=9) == "unknown_revision"
    assert await differ("desy", earlier=1) == "unknown_offering"


# -- estimate -----------------------------------------------------------------------------------------


async def test_an_estimate_knows_the_asker(catalog: Desk) -> None:
    async def estimated(member: str, id_: str = "tub/a") -> Any:
        asked = EstimateCosts(offering_id=id_, plan_id="standard", start=NOW.date())
        return await ask(catalog, member, "catalog.offering.estimate", asked)

    assert isinstance(await estimated("desy"), Estimate)
    assert await estimated("kit") == "not_eligible"
    assert await estimated("desy", "lrz/vm") == "unknown_offering"
    assert await estimated("desy", "tub/b") == "offering_retired"


# -- replay -------------------------------------------------------------------------------------------


async def replay(desk: Desk, member: str, **given: Any) -> Changes:
    found = await ask(desk, member, "catalog.change.replay", ReplayChanges(**given))
    assert isinstance(found, Changes)
    return found


def told(changes: Changes) -> list[str]:
    return [f"{each.position} {type(each).__name__} {store.id_of(each)}" for each in changes.changes]


COMMON = [
    "4 OfferingPaused kit/netz",
    "5 OfferingPublished tub/a",
    "6 OfferingPublished tub/b",
    "7 OfferingRetired tub/b",
    "8 OfferingPublished kit/netz",
]


@pytest.mark.parametrize(
    ("member", "third"),
    [("desy", "Hidden"), ("kit", "Published"), ("lrz", "Published"), ("office", "Published")],
)
async def test_changes_are_told_again_as_they_were(catalog: Desk, member: str, third: str) -> None:
    found = await replay(catalog, member)
    assert told(found) == [
        "1 OfferingPublished lrz/vm",
        "2 OfferingPublished kit/netz",
        f"3 Offering{third} lrz/vm",
        *COMMON,
    ]
    assert (found.position, found.end) == (8, True)
    heard = [
        fact.data for fact in catalog.told if getattr(fact.data, "position", None)
    ]  # everything, in order; the two tellings of position 3 differ by who they are for
    mine = [each for each in heard if each.position != 3 or type(each).__name__ == f"Offering{third}"]  # type: ignore[attr-defined]
    assert list(found.changes) == mine, "to the letter"


async def test_pages_of_changes_join_without_a_gap(catalog: Desk) -> None:
    whole = told(await replay(catalog, "desy"))
    for limit in (1, 2, 3, 8):
        after, joined = 0, []
        while True:
            page = await replay(catalog, "desy", after=after, limit=limit)
            joined += told(page)
            after = page.position
            if page.end:
                break
        assert joined == whole
        assert after == 8
    nothing = await replay(catalog, "desy", after=8)
    assert (nothing.changes, nothing.position, nothing.end) == ((), 8, True)
    assert (await replay(catalog, "desy", after=99)).position == 99, "never back"


async def test_changes_are_filtered_by_what_an_offering_is_or_was(catalog: Desk) -> None:
    assert told(await replay(catalog, "tub", categories=("network",))) == [
        "2 OfferingPublished kit/netz",
        "4 OfferingPaused kit/netz",
        "8 OfferingPublished kit/netz",
    ]
    assert told(await replay(catalog, "tub", categories=("hosting",))) == ["8 OfferingPublished kit/netz"]
    assert told(await replay(catalog, "desy", categories=("compute",), after=2, limit=1)) == [
        "3 OfferingHidden lrz/vm"
    ]


async def test_changes_since_a_moment(catalog: Desk) -> None:
    await catalog.later(60)
    await catalog.take(command("tub", PublishOffering(offering=offering(id_="tub/c")), 90))
    assert told(await replay(catalog, "desy", since=catalog.now)) == ["9 OfferingPublished tub/c"]
    assert len((await replay(catalog, "desy", since=NOW)).changes) == 9
    assert told(await replay(catalog, "desy", since=NOW, after=7)) == [
        "8 OfferingPublished kit/netz",
        "9 OfferingPublished tub/c",
    ]
    await catalog.later(60)
    assert (await replay(catalog, "desy", since=catalog.now)).position == 9


async def test_whoever_comes_later_reads_what_was_shown_to_its_class(catalog: Desk) -> None:
    shown = offering(id_="lrz/k", visible_to=Circle(classes={"lrz": ("A",)}))
    await catalog.take(command("lrz", PublishOffering(offering=shown), 60))
    moved = shown.model_copy(update={"visible_to": Circle(classes={"lrz": ("B",)})})
    await catalog.take(command("lrz", PublishOffering(offering=moved), 61))
    for member, expected in (("desy", [OfferingPublished, OfferingHidden]), ("kit", [])):
        changes = (await replay(catalog, member, after=8)).changes
        assert [type(each) for each in changes] == expected


async def test_pages_of_large_documents_fit_into_one_answer(desk: NewDesk) -> None:
    catalog = await desk(CatalogHandler(REGISTER))
    plans = [plan(*(tariff(),), plan_id=f"p{n}", title="x" * 190) for n in range(20)]
    large = [
        offering(*plans, id_=f"lrz/v{number:03}", description="ü" * 8_000, title=f"{number}")
        for number in range(60)
    ]
    await catalog.deliver(
        [command("lrz", PublishOffering(offering=each), n) for n, each in enumerate(large, 1)]
    )
    found = await replay(catalog, "desy", limit=500)
    assert not found.end
    assert found.position == len(found.changes) < 60
    assert len(found.model_dump_json().encode()) < 900 * 1024
