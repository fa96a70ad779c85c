"""The life of an offering over the real market: drafted, published, found, compared, priced, attached."""

import datetime as dt
import hashlib
import random
from pathlib import Path

import pytest
from support.builders import offering
from support.fixtures import Connect, NewMarket

from allmende.client.offerings import Unattachable
from allmende.schemas.attachments import ATTACHMENT_BYTES_MAX, PART_BYTES, AttachmentRemoved, AttachmentStored
from allmende.schemas.catalog import (
    Comparison,
    Estimate,
    Filter,
    OfferingDrafted,
    OfferingPaused,
    OfferingShown,
)
from allmende.schemas.conditions import Circle
from allmende.schemas.rejections import Rejection


def code(outcome: object) -> str | None:
    return outcome.code if isinstance(outcome, Rejection) else None


async def test_an_offering_lives(sandbox: NewMarket, member: Connect) -> None:
    market = await sandbox("lrz", "desy")
    await market.start("catalog")
    lrz, desy = await member(market, "lrz"), await member(market, "desy")
    assert isinstance(await lrz.draft(offering(title="Entwurf")), OfferingDrafted)
    assert code(await desy.offering("lrz/vm")) == "unknown_offering"
    assert [each.state async for each in lrz.offerings(drafts=True)] == ["draft"]
    await lrz.publish(offering(title="Virtuelle Maschine", visible_to=Circle(members=("desy",))))
    await lrz.publish(offering(title="Virtuelle Maschinen"))
    shown = await desy.offering("lrz/vm")
    assert isinstance(shown, OfferingShown)
    assert (shown.revision, shown.bookable) == (2, True)
    compared = await desy.compare("lrz/vm", 1)
    assert isinstance(compared, Comparison)
    assert [each.path for each in compared.differences] == ["title", "visible_to"]
    revisions = await desy.revisions("lrz/vm")
    assert not isinstance(revisions, Rejection)
    assert [each.revision for each in revisions] == [2, 1]
    found = await desy.search("Maschine", Filter(category=("compute",)))
    assert [hit.offering_id for hit in found.hits] == ["lrz/vm"]
    priced = await desy.estimate(
        "lrz/vm", "standard", start=dt.date(2026, 6, 1), usage_per_month={"hours": 10}
    )
    assert isinstance(priced, Estimate)
    assert priced.total_cents == 12 * 1_000
    assert isinstance(await lrz.pause("lrz/vm", "Umbau"), OfferingPaused)
    assert code(await desy.estimate("lrz/vm", "standard", start=dt.date(2026, 6, 1))) == "offering_paused"
    assert code(await lrz.reopen("lrz/vm")) is None
    assert code(await lrz.retire("lrz/vm")) is None
    assert (await desy.search("Maschine")).hits == ()
    assert code(await lrz.discard("lrz/vm")) == "no_draft"


async def test_a_file_is_attached_once_and_comes_back_as_it_was(
    sandbox: NewMarket, member: Connect, tmp_path: Path
) -> None:
    market = await sandbox("lrz", "desy")
    await market.start("catalog")
    lrz, desy = await member(market, "lrz"), await member(market, "desy")
    await lrz.publish(offering())
    content = random.Random(2).randbytes(2 * PART_BYTES + 7)  # noqa: S311 - not a secret
    (tmp_path / "avv.pdf").write_bytes(content)
    stored = [await lrz.attach("lrz/vm", tmp_path / "avv.pdf") for _ in range(2)]
    assert all(isinstance(each, AttachmentStored) for each in stored)
    shown = await desy.offering("lrz/vm")
    assert isinstance(shown, OfferingShown)
    [summary] = shown.attachments
    assert (summary.name, summary.size_bytes) == ("avv.pdf", len(content))
    assert await desy.attachment("lrz/vm", summary.sha256) == content
    assert code(await desy.attach("lrz/vm", tmp_path / "avv.pdf")) == "not_your_offering"
    assert isinstance(await lrz.detach("lrz/vm", summary.sha256), AttachmentRemoved)
    gone = await desy.attachment("lrz/vm", hashlib.sha256(content).hexdigest())
    assert isinstance(gone, Rejection)
    assert gone.code == "unknown_attachment"


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [
        ("leer.pdf", 0, "leer"),
        ("riese.pdf", ATTACHMENT_BYTES_MAX + 1, "größer als 8 MiB"),
        ("seite.html", 5, "keine Art"),
        ("programm", 5, "keine Art"),
    ],
)
async def test_what_is_not_taken_is_told_before_it_is_sent(
    sandbox: NewMarket, member: Connect, tmp_path: Path, name: str, size: int, said: str
) -> None:
    lrz = await member(await sandbox("lrz"), "lrz")
    with (tmp_path / name).open("wb") as file:
        file.truncate(size)
    with pytest.raises(Unattachable) as caught:
        await lrz.attach("lrz/vm", tmp_path / name)
    assert said in caught.value.german
    assert str(caught.value) == caught.value.english
