"""Reading account statements of banks: camt.053 (ISO 20022) in every version since 001.02.

Only what is booked is taken. The bank's reference makes an entry unique; of a batch that the bank lists in
detail, each transaction is an entry of its own. The parser is the standard library's; a file with a document
type is refused, so that nothing in it can be declared or fetched.
"""

import datetime as dt
import re
import unicodedata
from collections.abc import Iterator
from decimal import Decimal
from typing import IO, Any, TypeVar
from xml.etree import ElementTree as ET

from pydantic import ValidationError

from allmende.schemas.mistakes import Mistake, errors_of, sentences
from allmende.schemas.payments import BankEntry, ReportBankStatement

FILE_BYTES_MAX = 32 * 1024 * 1024
ENTRIES_MAX = 1_000
"""Of one report; a longer statement makes several."""
_NAMESPACE = re.compile(r"\{urn:iso:std:iso:20022:tech:xsd:(camt\.053\.001\.[0-9]{2})\}")
_AMOUNT = re.compile(r"[0-9]{1,13}(\.[0-9]{1,5})?", re.ASCII)
_TEXT_MAX, _LINE_MAX, _REFERENCES_MAX = 1_000, 140, 50
_Told = TypeVar("_Told", BankEntry, ReportBankStatement)
_NOTHING = {"NOTPROVIDED", "NONREF", ""}


class _Wrong(ValueError):  # noqa: N818 - never leaves this module
    def __init__(self, place: str, german: str, english: str) -> None:
        super().__init__(english)
        self.mistake = Mistake(0, 0, place, german, english)


class _Builder(ET.TreeBuilder):
    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:  # noqa: ARG002
        raise _Wrong(
            "DOCTYPE",
            "Die Datei erklärt einen Dokumenttyp; das tut kein Kontoauszug, und sie wird nicht gelesen",
            "The file declares a document type; no account statement does, and it is not read",
        )


def read_statements(
    stream: IO[bytes], *, iban: str | None = None
) -> tuple[ReportBankStatement, ...] | Mistake:
    """Read a file of account statements.

    Args:
        stream: camt.053 as XML.
        iban: one's own account; statements of another are refused.

    Returns:
        Reports of at most 1,000 entries, in the order of the file, none where nothing is booked; or the first
        mistake with its place, such as `Stmt[1]/Ntry[3]/Amt`.
    """
    data = stream.read(FILE_BYTES_MAX + 1)
    if len(data) > FILE_BYTES_MAX:
        german = f"Die Datei hat mehr als {FILE_BYTES_MAX // 1024**2} MiB"
        return Mistake(0, 0, "", german, f"The file has more than {FILE_BYTES_MAX // 1024**2} MiB")
    try:
        root = _tree(data)
        return tuple(_reports(root, iban))
    except _Wrong as error:
        return error.mistake
    except ET.ParseError as error:
        line, column = error.position
        return Mistake(
            line, column + 1, "", "Die Datei ist kein wohlgeformtes XML", "The file is no well-formed XML"
        )
    except (LookupError, ValueError) as error:
        # An encoding that nobody knows, or bytes that do not fit the one that is declared.
        return Mistake(0, 0, "", f"Die Datei ist nicht lesbar: {error}", f"The file cannot be read: {error}")


def _tree(data: bytes) -> ET.Element:
    parser = ET.XMLParser(target=_Builder())  # noqa: S314 - a document type, and so every entity, is refused
    parser.feed(data)
    root: ET.Element = parser.close()
    found = _NAMESPACE.match(root.tag)
    if found is None:
        raise _Wrong(
            root.tag[:100],
            "Die Datei ist kein Kontoauszug nach camt.053",
            "The file is no account statement by camt.053",
        )
    for node in root.iter():
        node.tag = node.tag.removeprefix(found[0])
    return root


def _reports(root: ET.Element, own: str | None) -> Iterator[ReportBankStatement]:
    for number, statement in enumerate(root.findall("BkToCstmrStmt/Stmt"), 1):
        place = f"Stmt[{number}]"
        iban = _needed(statement, "Acct/Id/IBAN", place).replace(" ", "")
        if own is not None and iban != own:
            raise _Wrong(
                f"{place}/Acct/Id/IBAN",
                f"Der Auszug gehört zum Konto {iban}, nicht zu {own}",
                f"The statement is one of the account {iban}, not of {own}",
            )
        statement_id = _needed(statement, "Id", place)
        entries = tuple(
            entry
            for position, node in enumerate(statement.findall("Ntry"), 1)
            for entry in _entries(node, f"{place}/Ntry[{position}]")
        )
        for start in range(0, len(entries), ENTRIES_MAX):
            yield _checked(
                ReportBankStatement,
                {"iban": iban, "statement_id": statement_id, "entries": entries[start : start + ENTRIES_MAX]},
                f"{place}/Acct/Id/IBAN",
            )


def _entries(node: ET.Element, place: str) -> Iterator[BankEntry]:
    status = "Sts" if node.find("Sts/Cd") is None else "Sts/Cd"
    if _needed(node, status, place) != "BOOK":
        return
    cents = _cents(node.find("Amt"), f"{place}/Amt") * _sign(node, place)
    day = _day(node, place)
    details = node.findall("NtryDtls/TxDtls")
    reference = node.findtext("AcctSvcrRef") or (
        details[0].findtext("Refs/AcctSvcrRef") if len(details) == 1 else None
    )
    if not reference:
        raise _missing(f"{place}/AcctSvcrRef")
    if len(details) < 2:
        yield _entry(node, details[0] if details else node, _line(reference), day, cents, place)
        return
    total = 0
    for number, detail in enumerate(details, 1):
        where = f"{place}/NtryDtls/TxDtls[{number}]"
        amount = detail.find("Amt")
        amount = detail.find("AmtDtls/TxAmt/Amt") if amount is None else amount
        part = _cents(amount, f"{where}/Amt")
        part *= _sign(detail, where) if detail.find("CdtDbtInd") is not None else (1 if cents > 0 else -1)
        total += part
        yield _entry(node, detail, f"{_line(reference)}/{number}", day, part, where)
    if total != cents:
        raise _Wrong(
            f"{place}/NtryDtls",
            f"Die Einzelumsätze ergeben {total} Cent, der Umsatz {cents}",
            f"The transactions sum to {total} cents, the entry is {cents}",
        )


def _entry(  # noqa: PLR0913 - what an entry says
    node: ET.Element, detail: ET.Element, entry_id: str, day: dt.date, cents: int, place: str
) -> BankEntry:
    side = "Dbtr" if cents > 0 else "Cdtr"
    parties = f"RltdPties/{side}"
    name = detail.findtext(f"{parties}/Pty/Nm") or detail.findtext(f"{parties}/Nm")
    account = detail.findtext(f"RltdPties/{side}Acct/Id/IBAN")
    structured = [each.text or "" for each in detail.findall("RmtInf/Strd/CdtrRefInf/Ref")]
    told = [*structured, detail.findtext("Refs/EndToEndId") or ""]
    words = [each.text or "" for each in detail.findall("RmtInf/Ustrd")]
    words = words or [node.findtext("AddtlNtryInf") or ""]
    references = dict.fromkeys(_line(each) for each in told)
    given = {
        "entry_id": entry_id,
        "booked_on": day,
        "amount_cents": cents,
        "counterparty": _line(name) or None if name else None,
        "counterparty_iban": _line(account) or None if account else None,
        "references": tuple(each for each in references if each not in _NOTHING)[:_REFERENCES_MAX],
        "text": _line(" ".join(words), _TEXT_MAX),
        "returned": node.findtext("RvslInd") in {"true", "1"} or detail.find("RtrInf") is not None,
    }
    return _checked(BankEntry, given, place)


def _sign(node: ET.Element, place: str) -> int:
    """Tell the direction on the account; of a reversal it is that of the reversal itself."""
    told = _needed(node, "CdtDbtInd", place)
    if told not in {"CRDT", "DBIT"}:
        raise _Wrong(
            f"{place}/CdtDbtInd",
            f"Weder CRDT noch DBIT: {told[:20]}",
            f"Neither CRDT nor DBIT: {told[:20]}",
        )
    return 1 if told == "CRDT" else -1


def _cents(node: ET.Element | None, place: str) -> int:
    if node is None or not node.text:
        raise _missing(place)
    if (currency := node.get("Ccy")) != "EUR":
        raise _Wrong(
            place,
            f"Die Währung ist {currency}, gelesen wird nur EUR",
            f"The currency is {currency}; only EUR is read",
        )
    text = node.text.strip()
    cents = Decimal(text) * 100 if _AMOUNT.fullmatch(text) else None
    if cents is None or cents != int(cents):
        raise _Wrong(
            place, f"Kein Betrag in Euro und Cent: {text[:30]}", f"No amount in euro and cents: {text[:30]}"
        )
    return int(cents)


def _day(node: ET.Element, place: str) -> dt.date:
    text = node.findtext("BookgDt/Dt") or (node.findtext("BookgDt/DtTm") or "")[:10]
    if not text:
        raise _missing(f"{place}/BookgDt")
    try:
        return dt.date.fromisoformat(text.strip()[:10])
    except ValueError:
        raise _Wrong(f"{place}/BookgDt", f"Kein Tag: {text[:30]}", f"No day: {text[:30]}") from None


def _needed(node: ET.Element, path: str, place: str) -> str:
    text = (node.findtext(path) or "").strip()
    if not text:
        raise _missing(f"{place}/{path}")
    return text


def _missing(place: str) -> _Wrong:
    return _Wrong(place, f"{place} fehlt", f"{place} is missing")


def _line(text: str, length: int = _LINE_MAX) -> str:
    """Leave what can be seen of a text, in one line."""
    spaced = " ".join(unicodedata.normalize("NFC", text).split())
    return "".join(letter for letter in spaced if letter.isprintable())[:length].strip()


def _checked(kind: type[_Told], given: dict[str, Any], place: str) -> _Told:
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        first = errors_of(error)[0]
        raise _Wrong(place, *sentences(first)) from None
