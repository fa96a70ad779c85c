"""Invoices, files and exports on the command line, with a market that answers at once."""

import base64
import csv
import hashlib
import sys
from pathlib import Path

import openpyxl
import pytest
from support import bodies, examples
from support.fake_market import FakeMarket, Run, refused
from support.journals import some_entries
from support.payment_examples import NUMBER

from allmende.schemas.contract import Contract
from allmende.schemas.invoices import DocumentMade, DocumentPart, Documents, ListDocuments, ReadDocument
from allmende.schemas.journal import JournalPage
from allmende.schemas.statements import ReissueInvoice

CONTENT = b"<?xml version='1.0'?>"


def a_file(**changes: object) -> DocumentMade:
    [found] = examples.query_reply("billing.document.list").documents  # type: ignore[attr-defined]
    assert isinstance(found, DocumentMade)
    return found.model_copy(update={"sha256": hashlib.sha256(CONTENT).hexdigest(), **changes})


def page(*files: DocumentMade, pending: int = 0) -> Contract:
    return Documents(documents=files, pending=pending, next_after=None)


def content(file: DocumentMade) -> Contract:
    text = base64.b64encode(CONTENT).decode()
    return DocumentPart(document_id=file.document_id, part=0, parts=1, sha256=file.sha256 or "", content=text)


def test_invoices_are_listed(run: Run, fake: FakeMarket) -> None:
    fake.outcome = examples.query_reply("billing.invoice.list").model_copy(update={"next_after": None})
    code, out, err = run("settlement", "invoices", "2026-04")
    assert (code, NUMBER in out, "--format xrechnung" in err) == (0, True, True)


def test_an_invoice_is_issued_again(run: Run, fake: FakeMarket) -> None:
    code, _, err = run("settlement", "reissue", NUMBER, "--reason", "Neue Leitweg-ID", "--person", "anna")
    assert (code, "weser-it/R/2026/000018" in err) == (0, True)
    assert isinstance(fake.commands[0][1], ReissueInvoice)


def test_files_are_listed_with_what_could_not_be_made(run: Run, fake: FakeMarket) -> None:
    lost = a_file(state="impossible", reason_de="Die Leitweg-ID fehlt.", reason_en="There is no Leitweg-ID.")
    fake.outcome = page(a_file(), lost, pending=3)
    code, out, err = run("settlement", "documents", "2026-04")
    assert (code, "erstellt" in out, "nicht möglich" in out) == (0, True, True)
    assert "XRechnung" in out
    assert "Die Leitweg-ID fehlt." in err
    assert "3 Dateien werden noch erstellt." in err


def test_files_are_downloaded_into_a_folder(
    run: Run, fake: FakeMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = a_file(file_name="../rechnung.xml")
    fake.answers = [page(made, a_file(state="pending")), content(made)]
    with monkeypatch.context() as watched:
        watched.setenv("TERM", "xterm")
        watched.setattr(sys.stderr, "isatty", lambda: True)
        code, out, err = run("settlement", "export", "2026-04", "--format", "xrechnung", "--to", "a/b")
    assert (code, out) == (1, "a/b/rechnung.xml\n")
    assert "wird noch erstellt" in err
    assert Path("a/b/rechnung.xml").read_bytes() == CONTENT
    assert fake.asked == [
        ListDocuments(period="2026-04", kind="xrechnung"),
        ReadDocument(document_id=made.document_id),
    ]
    fake.answers = [page() for _ in range(4)]
    assert run("settlement", "export", "2026-04", "--format", "pdf")[0] == 0
    assert [getattr(each, "kind", None) for each in fake.asked[2:]] == [
        "statement_de",
        "statement_en",
        "notice_de",
        "notice_en",
    ]


def test_a_file_that_is_not_the_one_that_was_made_is_not_kept(run: Run, fake: FakeMarket) -> None:
    made = a_file(sha256="0" * 64)
    fake.answers = [page(made), content(made)]
    code, _, err = run("settlement", "export", "2026-04", "--format", "xrechnung")
    assert (code, "is not the one that was made" in err) == (6, True)
    assert not Path(made.file_name).exists()


def test_a_statement_and_a_journal_are_written(run: Run, fake: FakeMarket) -> None:
    code, out, _ = run("settlement", "export", "2026-04", "--format", "csv", "--to", "aus")
    assert (code, out) == (0, "aus/2026-04_alster-it.csv\n")
    assert "72,00" in Path("aus/2026-04_alster-it.csv").read_text("utf-8-sig")
    fake.answers = [JournalPage(entries=some_entries(), total=9, next_after=None)]
    code, out, _ = run("settlement", "export", "2026-04", "--format", "hledger", "--to", "aus")
    assert (code, out) == (0, "aus/2026-04_weser-it.journal\n")
    assert "verbindlichkeiten" in Path("aus/2026-04_weser-it.journal").read_text("utf-8")


def test_tables_for_spreadsheets_and_for_cost_tools(run: Run, fake: FakeMarket) -> None:
    assert run("settlement", "export", "2026-04", "--format", "xlsx")[:2] == (0, "2026-04_alster-it.xlsx\n")
    sheet = openpyxl.load_workbook("2026-04_alster-it.xlsx").active
    assert sheet is not None
    assert "Laufzeit" in [cell.value for cell in sheet[2]]
    fake.answers = [examples.query_reply("billing.invoice.list").model_copy(update={"next_after": None})]
    code, out, _ = run("settlement", "export", "2026-04", "--format", "focus")
    assert (code, out) == (0, "2026-04_weser-it_alster-it.focus.csv\n")
    with Path("2026-04_weser-it_alster-it.focus.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row["BilledCost"] for row in csv.DictReader(file)] == ["72.00"]


def test_credit_transfers_need_the_register(run: Run, fake: FakeMarket) -> None:
    arguments = ("settlement", "export", "2026-04", "--format", "sepa", "--of", "alster-it")
    page = examples.query_reply("billing.payment.list").model_copy(update={"next_after": None})
    fake.outcome = page
    code, _, err = run(*arguments)
    assert (code, "register.json ist nicht zu lesen" in err) == (1, True)
    Path(".allmende/register.json").write_text(bodies.embodied(examples.register()).model_dump_json())
    code, out, err = run(*arguments)
    assert (code, out) == (0, "2026-04_alster-it.pain001.xml\n"), err
    written = Path("2026-04_alster-it.pain001.xml").read_text("utf-8")
    assert "RF19WESERIT2026000017" in written
    assert "0.91" in written
    code, _, err = run(*arguments, "--register", ".allmende/keys/weser-it.nk")
    assert (code, "ist kein Mitgliederregister" in err) == (2, True)
    fake.outcome = page.model_copy(update={"payments": ()})
    assert run(*arguments)[0] == 3


def test_where_nothing_can_be_written(run: Run, fake: FakeMarket) -> None:
    Path("voll").write_text("")
    code, _, err = run("settlement", "export", "2026-04", "--format", "csv", "--to", "voll")
    assert (code, "voll ist nicht zu schreiben" in err) == (1, True)
    fake.outcome = refused("no_statement", period="2026-04", member="weser-it")
    assert run("settlement", "export", "2026-04", "--format", "csv")[0] == 3
