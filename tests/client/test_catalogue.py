"""The catalogue as a snapshot and then for ever: nothing lost, nothing twice."""

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
from support.builders import NOW, offering, published
from support.fixtures import Connect, NewMarket

from allmende.client import Entry, Market, catalogue
from allmende.client.catalogue import Picture
from allmende.schemas.catalog import (
    Category,
    OfferingHidden,
    OfferingPublished,
    OfferingRetired,
    OfferingSummary,
)
from allmende.schemas.conditions import Circle
from allmende.schemas.rejections import Rejection
from allmende.servicekit.clock import system_clock
from allmende.servicekit.service import Runtime
from allmende.servicekit.testing import Sandbox
from allmende.services.catalog import app

# -- the rules ----------------------------------------------------------------------------------------


def summary(position: int, title: str = "a", category: Category = "compute") -> OfferingSummary:
    document = offering(id_=f"lrz/{title}", title=title, category=category)
    return OfferingSummary(offering=document, state="published", revision=1, position=position)


def change(position: int, title: str = "a", category: Category = "compute") -> OfferingPublished:
    return published(offering(id_=f"lrz/{title}", category=category), 1, position)


def retired(position: int, category: Category | None = "compute") -> OfferingRetired:
    return OfferingRetired(
        offering_id="lrz/a", provider="lrz", category=category, revision=1, position=position, retired_at=NOW
    )


def test_a_change_is_taken_once_whichever_way_it_comes() -> None:
    picture = Picture()
    picture.reach(3)
    assert picture.list(summary(2))
    assert picture.list(summary(5, "b")), "a later page is ahead of the first one's position"
    for again in (False, True):
        assert picture.take(change(2), again=again) is None, "it is in the snapshot"
        assert picture.take(change(5, "b"), again=again) is None, "so is this"
    assert picture.take(change(6))
    assert picture.take(change(4), again=True) is None, "an older one of the same offering came late"
    assert picture.take(change(4, "c"), again=True), "another offering's is news"
    picture.reach(6)
    assert picture.take(change(6)) is None
    assert picture.take(retired(7))
    assert picture.take(retired(7), again=True) is None


def test_what_came_as_an_event_says_nothing_about_what_came_before_it() -> None:
    picture = Picture()
    picture.reach(1)
    assert picture.take(change(3, "b"))
    assert picture.position == 1, "position 2 may be on its way from another process"
    assert picture.take(change(2, "a"), again=True)
    picture.reach(3)
    assert picture.position == 3


def test_an_offering_that_leaves_the_categories_is_hidden() -> None:
    picture = Picture(["compute"])
    picture.list(summary(1))
    left = picture.take(change(2, category="hosting"))
    assert left == Entry("lrz/a", "hidden", 1, 2)
    assert picture.take(retired(3, "hosting")) is None, "it is no longer followed"
    assert picture.take(change(4, "b", "hosting")) is None
    assert picture.take(change(5, "b")), "it comes in"
    assert picture.take(retired(6, None)), "told before categories were"


def test_what_is_asked_for_by_category_leads_out_of_it_even_unseen() -> None:
    picture = Picture(["compute"], position=10)
    found = picture.take(change(11, category="hosting"), again=True)
    assert found == Entry("lrz/a", "hidden", 1, 11)


def test_out_of_sight_is_hidden() -> None:
    picture = Picture()
    hidden = OfferingHidden(offering_id="lrz/a", provider="lrz", revision=2, position=2, hidden_at=NOW)
    assert picture.take(hidden) == Entry("lrz/a", "hidden", 2, 2)


# -- the real market ----------------------------------------------------------------------------------

ROUNDS = 12
IDS = [f"lrz/v{number:02}" for number in range(8)]


@contextlib.asynccontextmanager
async def several_processes(market: Sandbox, count: int = 2) -> AsyncIterator[None]:
    """Let so many catalogue processes take turns."""
    runtimes = [Runtime(app.service, market.settings("catalog"), system_clock) for _ in range(count)]
    for each in runtimes:
        await each.start()
    yield
    for each in runtimes:
        await each.stop()


async def publish_throughout(
    market: Market,
    ids: Sequence[str] = IDS,
    rounds: int = ROUNDS,
    under_way: Sequence[asyncio.Event] = (),
) -> None:
    """Publish revision after revision of several offerings at once; tell after each round of the first."""

    async def one(id_: str) -> None:
        for number in range(rounds):
            outcome = await market.publish(offering(id_=id_, title=f"Fassung {number}"))
            assert not isinstance(outcome, Rejection)
            if id_ == ids[0] and number < len(under_way):
                under_way[number].set()

    await asyncio.gather(*map(one, ids))


async def read_until(
    reader: AsyncIterator[Entry], done: Callable[[dict[str, Entry]], bool]
) -> tuple[list[Entry], dict[str, Entry]]:
    """Read until the picture is as it should be."""
    heard: list[Entry] = []
    picture: dict[str, Entry] = {}
    async with asyncio.timeout(60):
        async for entry in reader:
            heard.append(entry)
            picture[entry.offering_id] = entry
            if done(picture):
                return heard, picture
    raise AssertionError


def all_are_last(picture: dict[str, Entry]) -> bool:
    titles = [each.offering.title for each in picture.values() if each.offering]
    return titles.count(f"Fassung {ROUNDS - 1}") == len(IDS)


async def test_nothing_is_lost_and_nothing_twice_while_others_publish(
    sandbox: NewMarket, member: Connect
) -> None:
    market = await sandbox("lrz", "desy")
    async with several_processes(market):
        lrz, desy = await member(market, "lrz"), await member(market, "desy")
        under_way = [asyncio.Event() for _ in range(4)]
        publishing = asyncio.create_task(publish_throughout(lrz, under_way=under_way))
        readers = []
        for each in under_way:
            await each.wait()
            readers.append(asyncio.create_task(read_until(desy.catalogue(), all_are_last)))
        found = await asyncio.gather(*readers)
        await publishing
        whole = {each.offering.offering_id: each async for each in desy.offerings()}
    for heard, picture in found:
        positions = [(entry.offering_id, entry.position) for entry in heard]
        assert max(Counter(positions).values()) == 1, "nothing twice"
        for id_ in IDS:
            of_one = [entry.position for entry in heard if entry.offering_id == id_]
            assert of_one == sorted(of_one), "never back"
        held = {id_: (entry.position, entry.offering) for id_, entry in picture.items()}
        assert held == {id_: (each.position, each.offering) for id_, each in whole.items()}


async def test_every_change_since_a_position_comes_exactly_once(sandbox: NewMarket, member: Connect) -> None:
    market = await sandbox("lrz", "desy")
    async with several_processes(market):
        lrz, desy = await member(market, "lrz"), await member(market, "desy")
        publishing = asyncio.create_task(publish_throughout(lrz))
        heard, _ = await read_until(desy.catalogue(since=0), all_are_last)
        await publishing
    of_each = {id_: [entry.position for entry in heard if entry.offering_id == id_] for id_ in IDS}
    assert all(positions == sorted(set(positions)) for positions in of_each.values())
    # Two changes of one offering may come the other way round; then the newer stands alone.
    assert len(heard) >= 0.9 * ROUNDS * len(IDS)


async def naive(market: Market, listens: asyncio.Event) -> AsyncIterator[Entry]:
    """List the pages, then listen: what comes between the two is lost."""
    async for each in market.offerings():
        yield Entry(each.offering.offering_id, "published", each.revision, each.position, each.offering)
    doorstep = catalogue.Doorstep()
    for subject in catalogue._SUBJECTS:
        await market._live.subscribe(subject, cb=doorstep.put)
    await market._live.flush()
    listens.set()
    while True:
        if isinstance(change := await doorstep.get(1), OfferingPublished):
            id_ = change.offering.offering_id
            yield Entry(id_, "published", change.revision, change.position, change.offering)


async def test_control_listing_and_then_listening_loses_what_comes_between(
    sandbox: NewMarket, member: Connect
) -> None:
    market = await sandbox("lrz", "desy")
    await market.start("catalog")
    lrz, desy = await member(market, "lrz"), await member(market, "desy")
    listens = asyncio.Event()
    reader = naive(desy, listens)
    await lrz.publish(offering(id_="lrz/v", title="vorher"))
    heard = [await anext(reader)]
    lost = await lrz.publish(offering(id_="lrz/w", title="dazwischen"))
    assert isinstance(lost, OfferingPublished)
    following = asyncio.ensure_future(anext(reader))
    await listens.wait()
    await lrz.publish(offering(id_="lrz/x", title="danach"))
    heard.append(await following)
    assert [entry.offering_id for entry in heard] == ["lrz/v", "lrz/x"]
    good, _ = await read_until(desy.catalogue(), lambda picture: len(picture) == 3)
    assert [entry.offering_id for entry in good] == ["lrz/v", "lrz/w", "lrz/x"]


async def test_an_outage_is_made_up_for(
    sandbox: NewMarket, member: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "CHECK_SECONDS", 3600.0)
    market = await sandbox("lrz", "desy")
    await market.start("catalog")
    lrz, desy = await member(market, "lrz"), await member(market, "desy")
    await lrz.publish(offering(id_="lrz/a"))
    reader = desy.catalogue()
    heard = [await anext(reader)]
    await lrz.publish(offering(id_="lrz/b"))
    heard.append(await anext(reader))
    # The reader's connection is cut; meanwhile others go on.
    cut = desy._live._transport
    assert cut is not None
    cut.close()  # type: ignore[no-untyped-call]
    await lrz.publish(offering(id_="lrz/c"))
    async with asyncio.timeout(30):
        heard.append(await anext(reader))
    assert [entry.offering_id for entry in heard] == ["lrz/a", "lrz/b", "lrz/c"]
    assert desy._live.stats["reconnects"] == 1


async def test_a_flood_that_no_doorstep_holds_is_made_up_for(
    sandbox: NewMarket, member: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "_WAITING_MAX", 2)
    monkeypatch.setattr(catalogue, "CHECK_SECONDS", 3600.0)
    market = await sandbox("lrz", "desy")
    await market.start("catalog")
    lrz, desy = await member(market, "lrz"), await member(market, "desy")
    await lrz.publish(offering(id_="lrz/v00"))
    reader = desy.catalogue()
    assert (await anext(reader)).offering_id == "lrz/v00"
    await publish_throughout(lrz, [f"lrz/w{number}" for number in range(10)], rounds=1)
    heard, _ = await read_until(reader, lambda picture: len(picture) == 10)
    assert len(heard) == 10


async def test_only_the_categories_asked_for_and_only_what_is_shown(
    sandbox: NewMarket, member: Connect
) -> None:
    market = await sandbox("lrz", "desy", "kit")
    await market.start("catalog")
    lrz, desy = await member(market, "lrz"), await member(market, "desy")
    inside = Circle(members=("kit",))
    for id_, category in (("lrz/a", "compute"), ("lrz/b", "hosting"), ("lrz/c", "storage")):
        await lrz.publish(offering(id_=id_, category=category))
    reader = desy.catalogue(categories=["hosting", "compute"])
    heard = [await anext(reader), await anext(reader)]
    await lrz.publish(offering(id_="lrz/c", category="storage", title="neu"))
    await lrz.publish(offering(id_="lrz/geheim", category="hosting", visible_to=inside))
    await lrz.pause("lrz/b", "Umbau")
    await lrz.reopen("lrz/b")
    await lrz.publish(offering(id_="lrz/a", category="network"))
    await lrz.publish(offering(id_="lrz/b", category="hosting", visible_to=inside))
    await lrz.publish(offering(id_="lrz/d", category="compute"))
    heard += [each async for each in _some(reader, 5)]
    assert [(each.offering_id, each.state) for each in heard] == [
        ("lrz/a", "published"),
        ("lrz/b", "published"),
        ("lrz/b", "paused"),
        ("lrz/b", "published"),
        ("lrz/a", "hidden"),
        ("lrz/b", "hidden"),
        ("lrz/d", "published"),
    ]
    late = desy.catalogue(categories=["hosting"], since=3)
    again = [(each.offering_id, each.state) async for each in _some(late, 3)]
    assert again == [("lrz/b", "paused"), ("lrz/b", "published"), ("lrz/b", "hidden")]


async def _some(reader: AsyncIterator[Entry], count: int) -> AsyncIterator[Entry]:
    async with asyncio.timeout(20):
        for _ in itertools.repeat(None, count):
            yield await anext(reader)
