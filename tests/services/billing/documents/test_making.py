"""Files are made once, in other processes, from what is issued; a crash leaves them to whoever comes next."""

import asyncio
import contextlib
import datetime as dt
import hashlib
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest
from sqlalchemy import text
from support.bodies import STANDARD, closing, embodied
from support.builders import NOW, booking, command, fact, key, record, register, report, uid
from support.desk import Desk, NewDesk
from support.pdfs import claims, said
from support.xrechnung import judge

from allmende.schemas.billing import ChargeLevy, StatementIssued
from allmende.schemas.register import MemberRegister
from allmende.servicekit.messages import Incoming
from allmende.servicekit.testing import Templates
from allmende.services.billing.documents import making, store
from allmende.services.billing.documents.file import files_of_statement
from allmende.services.billing.documents.making import Making
from allmende.services.billing.documents.rendering import Job
from allmende.services.billing.handlers import BillingHandler

REGISTER = embodied(register("desy", "kit", "lrz"))
NAMES = [
    "2026-04-0001-desy-abrechnung.pdf",
    "2026-04-0001-desy-statement.pdf",
    "2026-04-0002-kit-abrechnung.pdf",
    "2026-04-0002-kit-statement.pdf",
    "2026-04-0003-lrz-abrechnung.pdf",
    "2026-04-0003-lrz-statement.pdf",
    "2026-04-0004-office-abrechnung.pdf",
    "2026-04-0004-office-statement.pdf",
    "2026-04-lrz-R-2026-000001-xrechnung.xml",
    "2026-04-office-U-2026-000001-bescheid.pdf",
    "2026-04-office-U-2026-000001-notice.pdf",
    "2026-04-office-U-2026-000002-bescheid.pdf",
    "2026-04-office-U-2026-000002-notice.pdf",
    "2026-04-office-U-2026-000003-bescheid.pdf",
    "2026-04-office-U-2026-000003-notice.pdf",
]


def month() -> list[Incoming]:
    """A booking with usage and a levy, drafted, reviewed and approved."""
    levy = ChargeLevy(
        period="2026-04",
        title="Büro",
        amount_cents=1002,
        key=key({"desy": 1, "kit": 1, "lrz": 1}),
        legal_basis="§ 9 Abs. 1 der Satzung",
    )
    return [
        fact(booking(), 1),
        command("lrz", report(record(amount=5)), 2),
        command("office", levy, 4),
        *closing("2026-04", 3),
    ]


async def issued(desk: NewDesk, found: MemberRegister = REGISTER) -> Desk:
    made = await desk(BillingHandler(found, 60))
    messages = month()
    await made.take(*messages)
    assert await made.take(*messages) == []
    return made


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    return await issued(desk)


@pytest.fixture
async def superuser(billing: Desk, templates: Templates) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(templates.admin_url(billing.url))
    yield connection
    await connection.close()


def maker(desk: Desk, found: MemberRegister = REGISTER) -> Making:
    return Making(desk.engine, found, lambda: NOW, workers=1)


async def states(desk: Desk) -> dict[str, int]:
    rows = await desk.rows("select state, count(*) from document_file group by 1")
    return {str(state): int(str(count)) for state, count in rows}


async def contents(desk: Desk) -> dict[str, bytes]:
    rows = await desk.rows("select file_name, content from document_file where state = 'made' order by 1")
    return {str(name): bytes(content) for name, content in rows}  # type: ignore[call-overload]


async def test_what_is_issued_is_queued_with_it_and_made_once(billing: Desk) -> None:
    assert await states(billing) == {"pending": len(NAMES)}
    assert await maker(billing).make() == len(NAMES)
    made = await contents(billing)
    assert list(made) == NAMES
    invoice = made["2026-04-lrz-R-2026-000001-xrechnung.xml"]
    assert judge()(invoice).valid
    assert judge().find(invoice, "//ram:DuePayableAmount") == ["5.00"]
    for name, content in made.items():
        if name.endswith(".pdf"):
            assert {"PDF/A-3", "PDF/UA-1"} <= claims(content)
    assert "Zu zahlen 8,34 €" in said(made[NAMES[0]])  # 5.00 for usage, 3.34 of the levy
    assert "To be paid to you €1.66" in said(made[NAMES[5]])
    levied = said(made["2026-04-office-U-2026-000001-bescheid.pdf"])
    assert "eine Umlage von 3,34 €" in levied
    assert "Rechtsgrundlage § 9 Abs. 1 der Satzung" in levied
    rows = await billing.rows("select file_name, sha256 from document_file")
    assert {row[0]: row[1] for row in rows} == {
        name: hashlib.sha256(content).hexdigest() for name, content in made.items()
    }
    assert await maker(billing).make() == 0


async def test_a_levy_that_bears_vat_is_an_invoice_too(desk: NewDesk) -> None:
    rule = STANDARD.model_copy(update={"valid_from": dt.date(2020, 1, 1)})
    found = embodied(register("desy", "kit", "lrz"), office={"tax_rules": (rule,)})
    billing = await issued(desk, found)
    await maker(billing, found).make()
    made = await contents(billing)
    levies = [f"2026-04-office-U-2026-00000{number}-xrechnung.xml" for number in (1, 2, 3)]
    assert sorted(made) == sorted([*NAMES, *levies])
    for name in levies:
        assert judge()(made[name]).valid


def test_a_statement_of_the_first_hour_of_a_year_is_kept_for_that_year() -> None:
    at = dt.datetime(2026, 12, 31, 23, 30, tzinfo=dt.UTC)
    told = StatementIssued(
        statement_id=uid(1),
        settlement_id=uid(2),
        number="2026-11-0001",
        period="2026-11",
        member="desy",
        payable=(),
        receivable=(),
        payable_cents=0,
        receivable_cents=0,
        net_cents=0,
        clearing_house="office",
        issued_at=at,
    )
    assert {each.keep_until for each in files_of_statement(told, None)} == {dt.date(2035, 12, 31)}


async def test_queueing_again_changes_nothing(billing: Desk) -> None:
    await maker(billing).make()
    before = await contents(billing)
    ids = [str(row[0]) for row in await billing.rows("select settlement_id::text from settlement")]
    async with billing.engine.begin() as tx:
        await store.queue(tx, REGISTER, NOW, settlements=ids)
    assert await contents(billing) == before
    assert await states(billing) == {"made": len(NAMES)}


async def test_a_file_is_the_same_whoever_makes_it(billing: Desk, desk: NewDesk) -> None:
    other = await issued(desk)
    for each in (billing, other):
        await maker(each).make()
    assert await contents(billing) == await contents(other)


CHANGES = [
    "update document_file set content = 'x', sha256 = encode(sha256('x'), 'hex')",
    "update document_file set state = 'pending', content = null, sha256 = null, made_at = null",
    "update document_file set made_at = now()",
    "delete from document_file",
    "truncate document_file",
]


async def test_nobody_changes_or_removes_a_file_that_is_made(
    billing: Desk, superuser: asyncpg.Connection
) -> None:
    await maker(billing).make()
    for change in CHANGES:
        with pytest.raises(asyncpg.RestrictViolationError):
            await superuser.execute(change)
    await superuser.execute("alter table document_file disable trigger user")
    for change in CHANGES:  # without the guard it can be done
        undone = superuser.transaction()
        await undone.start()
        await superuser.execute(change)
        await undone.rollback()


async def test_a_pending_file_becomes_nothing_but_made_or_impossible(
    billing: Desk, superuser: asyncpg.Connection
) -> None:
    with pytest.raises(asyncpg.RestrictViolationError):
        await superuser.execute("update document_file set number = 'x'")
    with pytest.raises(asyncpg.CheckViolationError):  # the digest is that of the content
        await superuser.execute(
            "update document_file set state = 'made', content = 'x', sha256 = 'y', made_at = now()"
        )


async def test_whoever_ends_in_the_middle_leaves_the_rest_to_the_next(
    billing: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "_STATEMENTS_AT_ONCE", 1)
    first = asyncio.create_task(maker(billing).make())
    while not await contents(billing):  # noqa: ASYNC110 - another process works, nothing tells
        await asyncio.sleep(0.01)
    first.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await first
    before = await contents(billing)
    assert 0 < len(before) < len(NAMES)
    assert await maker(billing).make() == len(NAMES) - len(before)
    after = await contents(billing)
    assert list(after) == NAMES
    assert {name: after[name] for name in before} == before


async def test_only_one_process_makes_files_at_a_time(billing: Desk) -> None:
    async with billing.engine.connect() as other:
        await other.execute(text("select pg_advisory_lock(724586)"))
        assert await maker(billing).make() == 0
        await other.execute(text("select pg_advisory_unlock(724586)"))
    assert await maker(billing).make() == len(NAMES)


async def test_what_cannot_be_made_says_why_and_the_rest_is_made(desk: NewDesk) -> None:
    lacking = embodied(register("desy", "kit", "lrz"), desy={"leitweg_id": None})
    found = await issued(desk, lacking)
    assert await maker(found, lacking).make() == len(NAMES)
    assert await states(found) == {"made": len(NAMES) - 1, "impossible": 1}
    rows = await found.rows(
        "select number, reason_de, reason_en from document_file where state = 'impossible'"
    )
    german, english = "Zu desy steht keine Leitweg-ID im Register.", "The register has no Leitweg-ID of desy."
    assert rows == [("lrz/R/2026/000001", german, english)]


async def test_without_bodies_it_is_known_at_once_that_nothing_can_be_made(desk: NewDesk) -> None:
    found = await issued(desk, register("desy", "kit", "lrz"))
    assert await states(found) == {"impossible": len(NAMES)}
    assert await maker(found).make() == 0


async def test_a_file_that_fails_stays_pending_and_keeps_no_other_from_being_made(
    billing: Desk, superuser: asyncpg.Connection
) -> None:
    await superuser.execute("alter table statement disable trigger user")
    await superuser.execute("update statement set document = '{}' where member = 'kit'")
    makes = maker(billing)
    assert await makes.make() == len(NAMES) - 2
    assert await states(billing) == {"made": len(NAMES) - 2, "pending": 2}
    assert await makes.make() == 0


def test_a_failure_is_told_and_not_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "_register", REGISTER, raising=False)
    outcome = making.work([Job("7", "xrechnung", "{")])[0]
    assert (outcome.content, outcome.reasons) == (None, None)
    assert outcome.failure is not None
    assert outcome.failure.startswith("ValidationError")


async def test_a_second_month_stands_beside_the_first(billing: Desk) -> None:
    start = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)
    more = [
        command("lrz", report(record("r2", 7, start=start, end=start + dt.timedelta(hours=1))), 12),
        *closing("2026-05", 13),
    ]
    await billing.take(*more)
    await maker(billing).make()
    made = await contents(billing)
    assert "7,00 € 5,00 € +2,00 €" in said(made["2026-05-0001-desy-abrechnung.pdf"])


async def test_beside_the_loop_files_are_made_until_it_is_told_to_stop(billing: Desk) -> None:
    running = asyncio.create_task(maker(billing).run())
    async with asyncio.timeout(60):
        while await states(billing) != {"made": len(NAMES)}:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def in_a_process(code: str) -> Sequence[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()


def test_the_service_at_rest_loads_nothing_that_renders() -> None:
    code = (
        "import pathlib, sys; import allmende.services.billing.app;"
        "status = pathlib.Path('/proc/self/status').read_text();"
        "print(int(status.split('VmRSS:')[1].split()[0]) // 1024,"
        " *{'typst', 'drafthorse', 'lxml', 'xlsxwriter', 'pypdf'} & set(sys.modules))"
    )
    megabytes, *loaded = in_a_process(code)
    assert loaded == []
    assert int(megabytes) < 150
    assert "drafthorse" in in_a_process(
        "import sys; import allmende.documents.xrechnung; print(*sys.modules)"
    )
