"""Account statements of banks, in two generations of the standard."""

import io
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmende.client.bank_file import ENTRIES_MAX, FILE_BYTES_MAX, read_statements
from allmende.schemas.mistakes import Mistake
from allmende.schemas.payments import BankEntry, ReportBankStatement

IBAN = "DE89370400440532013000"
OTHER = "DE02120300000000202051"
REFERENCE = "RF18539007547034"

OLD = """
<Ntry>
  <NtryRef>1</NtryRef>
  <Amt Ccy="EUR">1234.50</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts>
  <BookgDt><Dt>2026-07-01</Dt></BookgDt><ValDt><Dt>2026-07-02</Dt></ValDt>
  <AcctSvcrRef>2026070100001</AcctSvcrRef>
  <BkTxCd><Prtry><Cd>NTRF+166</Cd></Prtry></BkTxCd>
  <NtryDtls><TxDtls>
    <Refs><EndToEndId>RF18539007547034</EndToEndId></Refs>
    <RltdPties>
      <Dbtr><Nm>Rechenzentrum  Süd</Nm></Dbtr>
      <DbtrAcct><Id><IBAN>DE02120300000000202051</IBAN></Id></DbtrAcct>
      <Cdtr><Nm>Wir selbst</Nm></Cdtr>
    </RltdPties>
    <RmtInf><Ustrd>Verrechnung RF18 5390</Ustrd><Ustrd>0754 7034</Ustrd></RmtInf>
  </TxDtls></NtryDtls>
</Ntry>
"""
"""As version 001.02 writes it."""
NEW = """
<Ntry>
  <Amt Ccy="EUR">0.01</Amt><CdtDbtInd>DBIT</CdtDbtInd><RvslInd>false</RvslInd><Sts><Cd>BOOK</Cd></Sts>
  <BookgDt><DtTm>2026-07-03T10:00:00+02:00</DtTm></BookgDt>
  <AcctSvcrRef>B</AcctSvcrRef>
  <NtryDtls><TxDtls>
    <Refs><EndToEndId>NOTPROVIDED</EndToEndId></Refs>
    <Amt Ccy="EUR">0.01</Amt><CdtDbtInd>DBIT</CdtDbtInd>
    <RltdPties>
      <Dbtr><Pty><Nm>Wir selbst</Nm></Pty></Dbtr>
      <Cdtr><Pty><Nm>Genossenschaft eG</Nm></Pty></Cdtr>
      <CdtrAcct><Id><IBAN>DE02120300000000202051</IBAN></Id></CdtrAcct>
    </RltdPties>
    <RmtInf><Strd><CdtrRefInf><Tp><CdOrPrtry><Cd>SCOR</Cd></CdOrPrtry></Tp><Ref>RF18539007547034</Ref>
    </CdtrRefInf></Strd></RmtInf>
  </TxDtls></NtryDtls>
</Ntry>
"""
"""As version 001.08 writes it."""


def statement(*entries: str, version: str = "08", iban: str = IBAN, id_: str = "2026-07-01/1") -> str:
    inner = f"<Stmt><Id>{id_}</Id><Acct><Id><IBAN>{iban}</IBAN></Id></Acct>{''.join(entries)}</Stmt>"
    return document(inner, version)


def document(inner: str, version: str = "08") -> str:
    space = f"urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}"
    inner = f'<Document xmlns="{space}"><BkToCstmrStmt>{inner}</BkToCstmrStmt></Document>'
    return f'<?xml version="1.0" encoding="UTF-8"?>{inner}'


def read(text: str | bytes, iban: str | None = None) -> tuple[ReportBankStatement, ...]:
    found = read_statements(io.BytesIO(text.encode() if isinstance(text, str) else text), iban=iban)
    assert not isinstance(found, Mistake), found
    return found


def entries(text: str | bytes) -> tuple[BankEntry, ...]:
    (report,) = read(text)
    return report.entries


def mistake(text: str | bytes, iban: str | None = None) -> Mistake:
    found = read_statements(io.BytesIO(text.encode() if isinstance(text, str) else text), iban=iban)
    assert isinstance(found, Mistake), found
    assert found.german
    assert found.english
    return found


@pytest.mark.parametrize("version", ["02", "04", "06", "08", "10", "13"])
def test_both_generations_in_every_version(version: str) -> None:
    (report,) = read(statement(OLD, NEW, version=version))
    assert (report.iban, report.statement_id) == (IBAN, "2026-07-01/1")
    first, second = report.entries
    assert first.model_dump(mode="json") == {
        "entry_id": "2026070100001",
        "booked_on": "2026-07-01",
        "amount_cents": 123_450,
        "counterparty": "Rechenzentrum Süd",
        "counterparty_iban": OTHER,
        "references": [REFERENCE],
        "text": "Verrechnung RF18 5390 0754 7034",
        "returned": False,
    }
    assert (second.entry_id, second.amount_cents, second.booked_on.isoformat()) == ("B", -1, "2026-07-03")
    assert (second.counterparty, second.counterparty_iban) == ("Genossenschaft eG", OTHER)
    assert second.references == (REFERENCE,)


def test_only_what_is_booked_is_taken() -> None:
    pending = NEW.replace("BOOK", "PDNG").replace(">B<", ">C<")
    assert [each.entry_id for each in entries(statement(pending, NEW))] == ["B"]
    assert read(statement(pending)) == ()
    assert read(statement()) == ()


BATCH = """
<Ntry>
  <Amt Ccy="EUR">30.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>
  <BookgDt><Dt>2026-07-01</Dt></BookgDt><AcctSvcrRef>S1</AcctSvcrRef>
  <NtryDtls><Btch><NbOfTxs>2</NbOfTxs></Btch>
    <TxDtls><Refs><EndToEndId>RF1</EndToEndId></Refs><Amt Ccy="EUR">10.00</Amt></TxDtls>
    <TxDtls><Refs><EndToEndId>RF2</EndToEndId></Refs>
      <AmtDtls><TxAmt><Amt Ccy="EUR">20.00</Amt></TxAmt></AmtDtls><CdtDbtInd>DBIT</CdtDbtInd></TxDtls>
  </NtryDtls>
</Ntry>
"""


def test_a_batch_is_taken_apart() -> None:
    found = entries(statement(BATCH))
    assert [(each.entry_id, each.amount_cents, each.references) for each in found] == [
        ("S1/1", -1_000, ("RF1",)),
        ("S1/2", -2_000, ("RF2",)),
    ]


def test_a_batch_that_does_not_add_up_is_refused() -> None:
    found = mistake(statement(NEW, BATCH.replace("20.00", "20.01")))
    assert (found.path, found.english) == (
        "Stmt[1]/Ntry[2]/NtryDtls",
        "The transactions sum to -3001 cents, the entry is -3000",
    )
    missing = mistake(statement(BATCH.replace('<Amt Ccy="EUR">10.00</Amt>', "")))
    assert missing.path == "Stmt[1]/Ntry[1]/NtryDtls/TxDtls[1]/Amt"


def test_a_reversal_goes_the_way_it_says() -> None:
    text = NEW.replace("<RvslInd>false", "<RvslInd>true").replace("DBIT", "CRDT")
    assert [(each.amount_cents, each.returned) for each in entries(statement(text))] == [(1, True)]
    returned = NEW.replace("DBIT", "CRDT").replace(
        "<RmtInf>", "<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf><RmtInf>"
    )
    assert [(each.amount_cents, each.returned) for each in entries(statement(returned))] == [(1, True)]
    assert not entries(statement(NEW))[0].returned


def test_several_statements_and_long_ones_become_several_reports() -> None:
    many = "".join(NEW.replace(">B<", f">{number}<") for number in range(ENTRIES_MAX + 1))
    both = statement(many).replace("</BkToCstmrStmt>", "")
    second = f"<Stmt><Id>2</Id><Acct><Id><IBAN>{OTHER}</IBAN></Id></Acct>{OLD}</Stmt></BkToCstmrStmt>"
    found = read(both.replace("</Document>", second + "</Document>"))
    assert [(each.iban, len(each.entries)) for each in found] == [(IBAN, 1_000), (IBAN, 1), (OTHER, 1)]


@pytest.mark.parametrize(
    ("old", "new", "place", "word"),
    [
        ('EUR">0.01</Amt><CdtDbtInd>DBIT</CdtDbtInd><R', 'CHF">0.01</Amt><CdtDbtInd>DBIT</CdtDbtInd><R',
         "Ntry[1]/Amt", "CHF"),
        (">0.01</Amt><CdtDbtInd>DBIT</CdtDbtInd><R", "></Amt><CdtDbtInd>DBIT</CdtDbtInd><R",
         "Ntry[1]/Amt", "missing"),
        (">0.01<", ">0.015<", "Ntry[1]/Amt", "0.015"),
        (">0.01<", ">1e3<", "Ntry[1]/Amt", "1e3"),
        (">0.01<", ">-1.00<", "Ntry[1]/Amt", "-1.00"),
        ("DBIT</CdtDbtInd><RvslInd>", "BOTH</CdtDbtInd><RvslInd>", "Ntry[1]/CdtDbtInd", "BOTH"),
        ("<AcctSvcrRef>B</AcctSvcrRef>", "", "Ntry[1]/AcctSvcrRef", "missing"),
        ("<BookgDt><DtTm>2026-07-03T10:00:00+02:00</DtTm></BookgDt>", "", "Ntry[1]/BookgDt", "missing"),
        ("2026-07-03T10", "2026-13-03T10", "Ntry[1]/BookgDt", "2026-13-03"),
        ("<Sts><Cd>BOOK</Cd></Sts>", "", "Ntry[1]/Sts", "missing"),
        (f"<IBAN>{IBAN}</IBAN></Id></Acct>", "</Id></Acct>", "Acct/Id/IBAN", "missing"),
        (IBAN, IBAN[:-1] + "1", "Acct/Id/IBAN", "check digits"),
        ("<Id>2026-07-01/1</Id>", "", "Id", "missing"),
        (">B<", ">" + "B" * 81 + "<", "Ntry[1]", "80"),
    ],
)  # fmt: skip
def test_a_mistake_names_its_place(old: str, new: str, place: str, word: str) -> None:
    text = statement(NEW)
    assert old in text
    found = mistake(text.replace(old, new))
    assert found.path == f"Stmt[1]/{place}"
    assert word in found.english


def test_the_statement_of_another_account_is_refused() -> None:
    assert read(statement(NEW), iban=IBAN)
    assert mistake(statement(NEW), iban=OTHER).path == "Stmt[1]/Acct/Id/IBAN"


def test_what_is_no_account_statement_is_refused() -> None:
    assert mistake("<Document/>").path == "Document"
    assert "camt.053" in mistake(statement(NEW).replace("camt.053", "camt.054")).english
    assert mistake("no file").line == 1
    assert mistake("").english == "The file is no well-formed XML"
    assert mistake(statement(NEW)[:-30]).line > 0
    wrong = mistake(statement(NEW).replace(IBAN, IBAN[:-1] + "1"))
    assert wrong.german == "Das ist keine IBAN: Die Prüfziffern stimmen nicht"


LAUGHS = (
    '<!DOCTYPE Document [<!ENTITY a "xxxxxxxxxx"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)


@pytest.mark.parametrize(
    "doctype",
    [LAUGHS, '<!DOCTYPE Document SYSTEM "https://example.org/statement.dtd">', "<!DOCTYPE Document>"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_is_refused(doctype: str, encoding: str) -> None:
    text = statement(NEW.replace(">B<", ">&c;<") if "ENTITY" in doctype else NEW)
    head, body = text.split("?>", 1)
    file = f"{head.replace('UTF-8', encoding)}?>{doctype}{body}".encode(encoding)
    assert mistake(file).path == "DOCTYPE"


def test_the_same_file_without_its_document_type_is_read() -> None:
    head, body = statement(NEW).split("?>", 1)
    assert read(f"{head.replace('UTF-8', 'utf-16')}?>{body}".encode("utf-16"))


def test_a_file_is_bounded() -> None:
    spaces = " " * FILE_BYTES_MAX
    assert "MiB" in mistake(statement(NEW) + spaces).english


def test_what_cannot_be_seen_is_left_out_of_texts() -> None:
    text = OLD.replace("Verrechnung", "Ver\u200brech\u202enung\n\t")
    assert entries(statement(text))[0].text == "Verrechnung RF18 5390 0754 7034"


@given(st.integers(1, 10**11), st.booleans())
def test_amounts_are_exact(cents: int, credit: bool) -> None:
    text = NEW.replace(">0.01<", f">{Decimal(cents) / 100:.2f}<")
    text = text.replace("DBIT", "CRDT") if credit else text
    assert entries(statement(text))[0].amount_cents == (cents if credit else -cents)


@given(
    st.binary(max_size=300)
    | st.text(max_size=300).map(lambda text: statement(text).encode("utf-8", "ignore"))
)
def test_nothing_breaks_the_reader(data: bytes) -> None:
    read_statements(io.BytesIO(data))
