"""Files are listed and read by those whom they concern."""

import base64
import hashlib

import asyncpg
import pytest
from support.bodies import embodied
from support.builders import register, uid
from support.desk import Desk, NewDesk

from allmende.schemas.contract import EVENT_BYTES_MAX
from allmende.schemas.invoices import DocumentPart, Documents, ListDocuments, ReadDocument
from allmende.schemas.permissions import Role
from allmende.schemas.rejections import Rejected
from allmende.servicekit.queries import Caller
from allmende.servicekit.testing import Templates
from allmende.services.billing.documents.file import PART_BYTES, parts_of
from allmende.services.billing.documents.queries import list_documents, read_document

from .test_making import NAMES, issued, maker

OFFICE = Caller("office", Role.OFFICE, sees_all=True)


def member(name: str) -> Caller:
    return Caller(name, Role.MEMBER, sees_all=False)


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    return await issued(desk)


async def listed(desk: Desk, caller: Caller, **asked: object) -> Documents:
    async with desk.engine.connect() as connection:
        return await list_documents(
            connection, caller, ListDocuments.model_validate({"period": "2026-04", **asked})
        )


async def read(desk: Desk, caller: Caller, document_id: str, part: int = 0) -> DocumentPart | Rejected:
    async with desk.engine.connect() as connection:
        return await read_document(connection, caller, ReadDocument(document_id=document_id, part=part))


def named(found: Documents) -> list[str]:
    return [each.file_name for each in found.documents]


async def test_everybody_sees_what_they_issued_or_received_and_the_office_all(billing: Desk) -> None:
    assert named(await listed(billing, OFFICE)) == NAMES
    assert named(await listed(billing, member("desy"))) == [
        *NAMES[:2],
        "2026-04-lrz-R-2026-000001-xrechnung.xml",
        *NAMES[9:11],
    ]
    assert named(await listed(billing, member("lrz"))) == [*NAMES[4:6], NAMES[8], *NAMES[13:]]
    assert named(await listed(billing, member("lrz"), member="desy")) == [NAMES[8]]
    assert named(await listed(billing, member("kit"), kind="notice_de")) == [NAMES[11]]
    assert named(await listed(billing, member("gsi"))) == []
    assert named(await listed(billing, OFFICE, period="2026-05")) == []


async def test_pages_follow_each_other_and_pending_counts_all(billing: Desk) -> None:
    seen: list[str] = []
    after = None
    while True:
        page = await listed(billing, OFFICE, limit=5, after=after)
        assert page.pending == len(NAMES)
        seen += named(page)
        if (after := page.next_after) is None:
            break
    assert seen == NAMES
    await maker(billing).make()
    page = await listed(billing, OFFICE)
    assert (page.pending, {each.state for each in page.documents}) == (0, {"made"})
    assert all(each.size and each.sha256 and each.made_at for each in page.documents)


async def test_a_file_is_read_by_those_whom_it_concerns_only(billing: Desk) -> None:
    found = (await listed(billing, member("lrz"), kind="xrechnung")).documents[0]
    waiting = await read(billing, member("lrz"), found.document_id)
    assert isinstance(waiting, Rejected)
    assert waiting.code == "document_not_made"
    await maker(billing).make()
    for caller in (member("lrz"), member("desy"), OFFICE):
        part = await read(billing, caller, found.document_id)
        assert isinstance(part, DocumentPart)
        content = base64.b64decode(part.content)
        assert content.startswith(b"<?xml")
        assert (part.parts, part.sha256) == (1, hashlib.sha256(content).hexdigest())
    for caller, document_id, part_number, code in [
        (member("kit"), found.document_id, 0, "unknown_document"),
        (OFFICE, uid(999), 0, "unknown_document"),
        (OFFICE, found.document_id, 1, "no_such_part"),
    ]:
        refused = await read(billing, caller, document_id, part_number)
        assert isinstance(refused, Rejected)
        assert refused.code == code
        assert all("{" not in sentence for sentence in refused.sentences)


async def test_why_there_is_no_file_is_told_in_both_languages(desk: NewDesk) -> None:
    lacking = embodied(register("desy", "kit", "lrz"), desy={"leitweg_id": None})
    found = await issued(desk, lacking)
    await maker(found, lacking).make()
    document = (await listed(found, OFFICE, kind="xrechnung")).documents[0]
    assert (document.state, document.size) == ("impossible", 0)
    refused = await read(found, OFFICE, document.document_id)
    assert isinstance(refused, Rejected)
    assert refused.code == "document_impossible"
    assert [sentence.split(": ")[1] for sentence in refused.sentences] == [
        document.reason_de,
        document.reason_en,
    ]


async def test_a_large_file_comes_in_parts_that_fit_into_messages(
    billing: Desk, templates: Templates
) -> None:
    content = hashlib.shake_256(b"x").digest(2 * PART_BYTES + 17)
    connection = await asyncpg.connect(templates.admin_url(billing.url))
    await connection.execute(
        "update document_file set state = 'made', content = $1, sha256 = encode(sha256($1), 'hex'),"
        " made_at = now() where kind = 'xrechnung'",
        content,
    )
    await connection.close()
    document = (await listed(billing, OFFICE, kind="xrechnung")).documents[0]
    assert document.size == len(content)
    parts = [await read(billing, OFFICE, document.document_id, number) for number in range(3)]
    assert all(isinstance(each, DocumentPart) and each.parts == 3 for each in parts)
    assert all(
        len(each.model_dump_json()) < EVENT_BYTES_MAX for each in parts if isinstance(each, DocumentPart)
    )
    assert (
        b"".join(base64.b64decode(each.content) for each in parts if isinstance(each, DocumentPart))
        == content
    )


def test_parts_are_counted_to_the_byte() -> None:
    assert [parts_of(size) for size in (0, 1, PART_BYTES, PART_BYTES + 1)] == [1, 1, 1, 2]
