"""Statements and notices say what a finance officer must see, for the archive and for everybody."""

import dataclasses
import datetime as dt
import json

import pytest
import typst
from support.bodies import NOT_TAXABLE
from support.invoice_documents import invoice, line, party
from support.pdfs import claims, reader, roles, said
from support.statements import ISSUED_AT, LINES, NAMES, RULES, item, long_file, statement, statement_file

from allmende.documents import notice, typeset
from allmende.documents.notice import NoticeFile
from allmende.documents.statement import StatementFile, render, shown
from allmende.documents.typeset import Language
from allmende.schemas.invoices import Preceding
from allmende.schemas.register import SettlementRules
from allmende.schemas.rejections import Rejected

CLAIMS = {"PDF/A-3", "level A", "PDF/UA-1", "tagged", "title shown", "fonts embedded"}
LEVY = line(41667, NOT_TAXABLE, title="Umlage der Geschäftsstelle", quantity=None, unit=None)
NOTICE = NoticeFile(
    invoice(LEVY, kind="notice", issuer=party("office", 9, name=NAMES["office"])),
    RULES,
    ISSUED_AT,
    ("§ 12 Abs. 2 der Satzung",),
)


def made(file: StatementFile, language: Language = "de") -> bytes:
    found = render(file, language)
    assert isinstance(found, bytes)
    return found


@pytest.mark.parametrize("language", ["de", "en"])
def test_files_are_archivable_accessible_and_the_same_bytes_each_time(language: Language) -> None:
    for pdf in (made(statement_file(), language), noticed(NOTICE, language)):
        assert claims(pdf) == CLAIMS | {f"language {language}"}
        found = roles(pdf)
        assert {"Table", "THead", "TH", "H1", "H2"} <= set(found)
        assert found.index("H1") < found.index("H2") < found.index("TH")
    assert made(statement_file(), language) == made(statement_file(), language)
    assert noticed(NOTICE, language) == noticed(NOTICE, language)


def test_without_the_standards_a_file_claims_nothing_and_without_a_title_there_is_none() -> None:
    data = {"data": json.dumps(shown(statement_file(), "de"))}
    plain = typeset._compiler("statement").compile(format="pdf", sys_inputs=data, pdf_tags=False)
    assert isinstance(plain, bytes)
    assert not claims(plain) & {"PDF/A-3", "PDF/UA-1", "level A", "tagged"}
    with pytest.raises(typst.TypstError, match="title"):
        typst.compile(b"nothing", format="pdf", pdf_standards=["a-3a", "ua-1"])


@pytest.mark.parametrize(
    "expected",
    [
        "Abrechnung Januar 2027",
        "04011000-1234512345-06",
        "Zu zahlen 2.991,29 €",
        "Die ersten Dokumente sind am 05.03.2027 fällig. Bitte zahlen Sie noch nicht",
        "nennt Ihnen dann Betrag, Tag und Verwendungszweck (RF…) der Zahlung",
        "lrz/R/2027/000017 Leibniz-Rechenzentrum Garching Rechnung 1.071,11 € 203,51 € 1.274,62 €",
        "Beratung für Mitglieder kostenfrei 12 h 0,00 €",
        "1.234,5 GiB 987,65 € 1.012,65 € -25,00 €",
        "Gutschrift: Objektspeicher Verfügbarkeit 98,2 % statt 99,5 %",
        "Abschlag: Forschungsdatenarchiv 2027",
        "Buchungsstelle 11.1.07 / 5431000 / 0815",
        "Summe 1.071,11 € 1.112,65 € -41,54 €",
        "Einwendungen gegen einzelne Positionen von Umlagen sind bis zum 17.02.2027",
        "Seite 2 von 2",
    ],
)
def test_a_statement_says_it_in_german(expected: str) -> None:
    assert expected in said(made(statement_file()))


@pytest.mark.parametrize(
    "expected",
    [
        "Statement January 2027",
        "To be paid by you €2,991.29",
        "The first documents are due on 5 Mar 2027. Please do not pay yet",
        "free of charge",
        "credit",
        "Page 1 of 2",
        "1 Jan – 31 Jan 2027",
        "€1,012.65",
    ],
)
def test_a_statement_says_it_in_english(expected: str) -> None:
    assert expected in said(made(statement_file(), "en"))


def test_what_is_owed_to_a_member_or_paid_by_document_is_said_otherwise() -> None:
    earning = statement_file(statement=statement((), (item("kit", 5000),)), services=(), lines=())
    assert "Sie erhalten 50,00 €" in said(made(earning))
    assert "auf Ihr Konto DE" in said(made(earning))
    empty = statement_file(statement=statement(()), services=(), lines=(), against=None)
    assert "nichts abgerechnet" in said(made(empty))
    assert "nichts zu zahlen" in said(made(empty))
    bilateral = SettlementRules(valid_from=RULES.valid_from, netting="bilateral")
    assert "was nach der Verrechnung offen bleibt" in said(made(statement_file(rules=bilateral)))
    first = statement_file(against=None)
    assert "1.071,11 € – –" in said(made(first))


def test_a_statement_without_a_body_is_refused() -> None:
    for changes, member in (({"body": None}, "desy"), ({"house": None}, "office")):
        found = render(statement_file(**changes), "de")
        assert isinstance(found, Rejected)
        assert (found.code, found.parameters) == ("no_body", {"member": member})


def test_three_hundred_lines_all_stand_there_under_repeated_heads_and_numbered_pages() -> None:
    pdf = made(long_file(300))
    pages = reader(pdf).pages
    text = said(pdf)
    assert all(f"Leistung {n} " in text for n in range(1, 301))
    assert text.count("Leistung und Herleitung") >= len(pages) - 2
    assert f"Seite {len(pages)} von {len(pages)}" in text
    assert claims(pdf) == CLAIMS | {"language de"}


def test_texts_of_members_are_texts_and_no_markup() -> None:
    wicked = "#panic() *fett* $x$ <b> \\ @ref = Titel // x"
    lines = (LINES[0].model_copy(update={"title": wicked, "trace_de": wicked}),)
    assert wicked in said(made(statement_file(lines=lines)))


def noticed(file: NoticeFile, language: Language = "de") -> bytes:
    found = notice.render(file, language)
    assert isinstance(found, bytes)
    return found


def test_a_notice_says_amount_ground_day_and_objection() -> None:
    text = said(noticed(NOTICE, "de"))
    for expected in (
        "Umlagebescheid",
        "Für Januar 2027 wird von Ihnen eine Umlage von 416,67 € erhoben.",
        "§ 12 Abs. 2 der Satzung",
        "Nicht steuerbar",
        "am 05.03.2027 fällig",
        "Bitte zahlen Sie noch nicht",
        "innerhalb von 14 Tagen nach Ausstellung, also bis zum 17.02.2027",
        "Sie hat keine aufschiebende Wirkung",
    ):
        assert expected in text
    suspending = dataclasses.replace(NOTICE, rules=SettlementRules(valid_from=RULES.valid_from))
    assert "Sie hat aufschiebende Wirkung" in said(noticed(suspending, "de"))
    assert "It has suspensive effect" in said(noticed(suspending, "en"))


def test_a_notice_is_taken_back_by_a_notice() -> None:
    back = invoice(line(-41667, NOT_TAXABLE), kind="credit_note")
    assert not notice.is_notice(back)
    preceding = back.head.preceding
    assert preceding is not None
    head = back.head.model_copy(
        update={"preceding": preceding.model_copy(update={"number": "office/U/2026/000004"})}
    )
    back = back.model_copy(update={"head": head})
    assert notice.is_notice(back)
    text = said(noticed(NoticeFile(back, RULES, ISSUED_AT), "de"))
    assert "Der Umlagebescheid office/U/2026/000004 vom 03.12.2026 über 416,67 € wird aufgehoben." in text
    assert "Einwendung" not in text


def test_a_notice_that_replaces_another_or_pays_back_says_so() -> None:
    assert NOTICE.invoice.head.preceding is None
    preceding = Preceding(number="office/U/2026/000004", issued_on=dt.date(2026, 12, 3))
    head = NOTICE.invoice.head.model_copy(update={"preceding": preceding})
    text = said(
        noticed(dataclasses.replace(NOTICE, invoice=NOTICE.invoice.model_copy(update={"head": head})))
    )
    assert "Dieser Bescheid ersetzt den Bescheid office/U/2026/000004 vom 03.12.2026." in text
    assert "Einwendung" in text
    refund = NoticeFile(invoice(line(-5000, NOT_TAXABLE), kind="notice"), RULES, ISSUED_AT)
    text = said(noticed(refund))
    assert "Für Januar 2027 wird Ihnen aus Umlagen ein Betrag von 50,00 € erstattet." in text
    assert "Bitte zahlen" not in text


def test_a_notice_without_a_body_is_refused() -> None:
    bare = NOTICE.invoice.model_copy(
        update={"recipient": NOTICE.invoice.recipient.model_copy(update={"body": None})}
    )
    found = notice.render(dataclasses.replace(NOTICE, invoice=bare), "de")
    assert isinstance(found, Rejected)
    assert (found.code, found.parameters) == ("no_body", {"member": "desy"})
