"""Attachments: parts twice and in any order, verified at the last, bounded."""

import base64
import hashlib
import random

import pytest
from support.builders import command, offering, register
from support.desk import Desk, NewDesk, codes

from allmende.schemas import attachments
from allmende.schemas.attachments import (
    PART_BYTES,
    AttachmentPart,
    AttachmentReceived,
    AttachmentStored,
    ReadAttachment,
    RemoveAttachment,
    StoreAttachment,
)
from allmende.schemas.catalog import DraftOffering, PublishOffering
from allmende.schemas.conditions import Circle
from allmende.schemas.permissions import Role
from allmende.schemas.registry import Audience
from allmende.schemas.rejections import Rejected
from allmende.servicekit.queries import Caller
from allmende.services.catalog import attachment, shelf
from allmende.services.catalog.handlers import CatalogHandler
from allmende.services.catalog.queries import read_attachment

CONTENT = random.Random(1).randbytes(2 * PART_BYTES + 1000)  # noqa: S311 - not a secret
OFFERED = PublishOffering(offering=offering(visible_to=Circle(members=("desy",))))


def parts(
    content: bytes = CONTENT, name: str = "avv.pdf", digest: str | None = None
) -> list[StoreAttachment]:
    return [
        StoreAttachment(
            offering_id="lrz/vm",
            name=name,
            media_type="application/pdf",
            size_bytes=len(content),
            sha256=digest or hashlib.sha256(content).hexdigest(),
            part=number,
            content=base64.b64encode(content[number * PART_BYTES :][:PART_BYTES]).decode(),
        )
        for number in range(attachments.parts_of(len(content)))
    ]


@pytest.fixture
async def catalog(desk: NewDesk) -> Desk:
    made = await desk(CatalogHandler(register("lrz", "desy", "kit")))
    await made.take(command("lrz", OFFERED))
    return made


async def read(desk: Desk, member: str, asked: ReadAttachment) -> AttachmentPart | str:
    async with desk.engine.connect() as connection:
        found = await read_attachment(connection, Caller(member, Role.MEMBER, sees_all=False), asked)
    return found.code if isinstance(found, Rejected) else found


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 1, 2, 2, 0), (2, 1, 0, 0)])
@pytest.mark.parametrize("size", [None, 1])
async def test_parts_come_twice_and_in_any_order(
    catalog: Desk, order: tuple[int, ...], size: int | None
) -> None:
    sent = [command("lrz", parts()[part], 10 + number) for number, part in enumerate(order)]
    facts = await catalog.deliver(sent, size)
    assert await catalog.deliver(sent, size) == []
    done = [isinstance(fact.data, AttachmentStored) for fact in facts]
    first = next(n for n in range(len(order)) if set(order[: n + 1]) == {0, 1, 2})
    assert done == [number >= first for number in range(len(order))]
    assert isinstance(facts[0].data, AttachmentReceived)
    assert facts[0].data.missing == tuple(sorted({0, 1, 2} - {order[0]}))
    assert facts[0].parties == {Audience.PROVIDER: "lrz"}
    assert facts[-1].parties == {Audience.CIRCLE: ("desy", "lrz", "office")}
    found = [
        await read(catalog, "desy", ReadAttachment(offering_id="lrz/vm", sha256=parts()[0].sha256, part=n))
        for n in range(3)
    ]
    assert b"".join(base64.b64decode(each.content) for each in found if not isinstance(each, str)) == CONTENT


async def test_what_does_not_match_its_digest_is_dropped_and_can_be_sent_again(catalog: Desk) -> None:
    wrong = parts(digest="0" * 64)
    facts = await catalog.deliver([command("lrz", each, 10 + each.part) for each in wrong])
    assert codes(facts) == ["AttachmentReceived", "AttachmentReceived", "digest_wrong"]
    assert await catalog.rows("select * from attachment") == []
    assert await catalog.rows("select part from attachment_part") == []
    facts = await catalog.deliver([command("lrz", each, 20 + each.part) for each in parts()])
    assert codes(facts)[-1] == "AttachmentStored"


async def test_control_without_the_check_a_wrong_content_would_stay(
    catalog: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def trusting(*_: object) -> bool:
        return True

    monkeypatch.setattr(shelf, "finish", trusting)
    facts = await catalog.deliver([command("lrz", each, 10 + each.part) for each in parts(digest="0" * 64)])
    assert codes(facts)[-1] == "AttachmentStored"


async def test_a_part_that_cannot_belong_is_refused(catalog: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, last = parts()
    refused = {
        "content_unreadable": [
            second.model_copy(update={"content": last.content}),
            last.model_copy(update={"content": second.content}),
            first.model_copy(update={"content": "AAAA="}),
        ],
        "attachment_differs": [second.model_copy(update={"name": "anders.pdf"})],
        "unknown_offering": [first.model_copy(update={"offering_id": "lrz/nix"})],
    }
    await catalog.take(command("lrz", first, 10))
    number = 20
    for code, commands in refused.items():
        for each in commands:
            number += 1
            assert codes(await catalog.take(command("lrz", each, number))) == [code]
    assert codes(await catalog.take(command("desy", second, 90))) == ["not_your_offering"]
    monkeypatch.setattr(attachment, "OFFERING_BYTES_MAX", 3 * len(CONTENT) - 1)
    others = [parts(CONTENT[:-1] + bytes([n]))[0] for n in (1, 2)]
    facts = await catalog.deliver([command("lrz", each, 100 + n) for n, each in enumerate(others)])
    assert codes(facts) == ["AttachmentReceived", "attachments_full"]


async def test_an_attachment_is_shown_to_whom_the_offering_is_and_only_whole(catalog: Desk) -> None:
    asked = ReadAttachment(offering_id="lrz/vm", sha256=parts()[0].sha256, part=1)
    *most, last = parts()
    await catalog.deliver([command("lrz", each, 10 + each.part) for each in most])
    assert await read(catalog, "desy", asked) == "unknown_attachment"
    await catalog.take(command("lrz", last, 20))
    for member in ("desy", "lrz"):
        assert isinstance(await read(catalog, member, asked), AttachmentPart)
    assert await read(catalog, "kit", asked) == "unknown_offering"


async def test_a_draft_has_attachments_that_its_provider_sees(desk: NewDesk) -> None:
    catalog = await desk(CatalogHandler(register("lrz", "desy")))
    await catalog.take(command("lrz", DraftOffering(offering=offering())))
    facts = await catalog.deliver([command("lrz", each, 10 + each.part) for each in parts()])
    assert facts[-1].parties == {Audience.CIRCLE: ("lrz",)}
    asked = ReadAttachment(offering_id="lrz/vm", sha256=parts()[0].sha256)
    assert isinstance(await read(catalog, "lrz", asked), AttachmentPart)
    assert await read(catalog, "desy", asked) == "unknown_offering"


async def test_an_attachment_is_taken_away_once(catalog: Desk) -> None:
    await catalog.deliver([command("lrz", each, 10 + each.part) for each in parts()])
    remove = RemoveAttachment(offering_id="lrz/vm", sha256=parts()[0].sha256)
    facts = await catalog.take(command("lrz", remove, 20), command("lrz", remove, 21))
    assert codes(facts) == ["AttachmentRemoved", "unknown_attachment"]
    assert await catalog.rows("select part from attachment_part") == []


async def test_what_nobody_goes_on_sending_is_forgotten(catalog: Desk) -> None:
    await catalog.take(command("lrz", parts()[0], 10))
    whole = parts(b"kurz", "kurz.pdf")
    await catalog.take(command("lrz", whole[0], 11))
    await catalog.later(shelf.UNFINISHED_HOURS_MAX * 3600 - 1)
    assert len(await catalog.rows("select 1 from attachment")) == 2
    await catalog.later(2)
    assert await catalog.rows("select name from attachment") == [("kurz.pdf",)]


async def test_the_digest_is_of_the_parts_in_their_order(catalog: Desk) -> None:
    first, second, last = parts()
    swapped = [
        first.model_copy(update={"content": second.content}),
        second.model_copy(update={"content": first.content}),
        last,
    ]
    facts = await catalog.deliver([command("lrz", each, 10 + each.part) for each in swapped])
    assert codes(facts)[-1] == "digest_wrong"
