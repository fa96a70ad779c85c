"""The journal as a file: for beancount, for hledger, as CSV for a spreadsheet, as lines of JSON.

The same entries make the same file. Lines of JSON hold everything and can be verified; the other forms are
for reading, calculating and checking by programs of others.

How accounts are named in each form stands in docs/journal.md.
"""

import csv
import enum
import io
from collections.abc import Callable, Iterable, Iterator

from allmende.schemas.contract import Unreadable, read
from allmende.schemas.journal import HEADINGS, AccountType, JournalEntry, JournalPosting

_ROOTS: dict[AccountType, str] = {
    "asset": "Assets",
    "liability": "Liabilities",
    "equity": "Equity",
    "revenue": "Income",
    "expense": "Expenses",
}
_LETTERS: dict[AccountType, str] = {
    "asset": "A",
    "liability": "L",
    "equity": "E",
    "revenue": "R",
    "expense": "X",
}
_OPENED = "1990-01-01"
"""The first day that the market knows: every account is open by then."""
_ASCII = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
_COLUMNS = (
    "sequence",
    "date",
    "booked_at",
    "numbers",
    "kind",
    "narration",
    "reference",
    "account",
    "amount_eur",
    "entry_id",
    "settlement_id",
    "reverses",
    "reason",
    "hash",
)


class JournalFormat(enum.StrEnum):
    """How a journal is written."""

    BEANCOUNT = "beancount"
    HLEDGER = "hledger"
    CSV = "csv"
    JSONL = "jsonl"


Writer = Callable[[JournalEntry], str]


def head_of(form: JournalFormat) -> str:
    """What stands before the first entry."""
    match form:
        case JournalFormat.BEANCOUNT:
            return 'option "title" "Allmende"\noption "operating_currency" "EUR"\n1990-01-01 commodity EUR\n'
        case JournalFormat.HLEDGER:
            return "commodity 1000.00 EUR\n"
        case JournalFormat.CSV:
            return "\ufeff" + _row(_COLUMNS)
        case JournalFormat.JSONL:
            return ""


def writer(form: JournalFormat) -> Writer:
    """Make what writes one entry after the other; it opens an account where it is first met."""
    met: set[str] = set()
    match form:
        case JournalFormat.BEANCOUNT:
            return lambda entry: _opened(entry, met, _open) + _beancount(entry)
        case JournalFormat.HLEDGER:
            return lambda entry: _opened(entry, met, _declare) + _hledger(entry)
        case JournalFormat.CSV:
            return _csv
        case JournalFormat.JSONL:
            return lambda entry: entry.model_dump_json() + "\n"


def read_entries(lines: Iterable[str]) -> Iterator[JournalEntry]:
    """Read lines of JSON.

    Raises:
        Unreadable: a line holds no entry; its field begins with the line's number.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield read(JournalEntry, line.encode())
        except Unreadable as error:
            raise Unreadable(error.code, error.detail, f"{number}: {error.field}".rstrip(": ")) from None


def beancount_account(name: str) -> str:
    """Name an account as beancount wants it: `desy:forderungen:lrz` is `Assets:Desy:Forderungen:Lrz`."""
    parts = (part[0].upper() + part[1:] for part in name.translate(_ASCII).split(":"))
    return ":".join([_ROOTS[_type_of(name)], *parts])


def _type_of(account: str) -> AccountType:
    return HEADINGS[account.split(":")[1]]


def _opened(entry: JournalEntry, met: set[str], line: Callable[[str], str]) -> str:
    new = [name for name in dict.fromkeys(each.account for each in entry.postings) if name not in met]
    met.update(new)
    return "".join(f"\n{line(name)}" for name in new) + ("\n" if new else "")


def _open(account: str) -> str:
    return f"{_OPENED} open {beancount_account(account)} EUR"


def _declare(account: str) -> str:
    return f"account {account}  ; type: {_LETTERS[_type_of(account)]}"


def _told(entry: JournalEntry) -> list[tuple[str, str]]:
    """What is said about an entry beside date, narration and postings."""
    found = [
        ("sequence", str(entry.sequence)),
        ("entry-id", entry.entry_id),
        ("booked-at", entry.booked_at.isoformat()),
        ("kind", entry.kind),
        ("reference", entry.reference),
        *((f"number-{body}", number) for body, number in sorted(entry.numbers.items())),
        ("settlement-id", entry.settlement_id),
        ("reverses", entry.reverses),
        ("reason", entry.reason),
        ("hash", entry.hash),
    ]
    return [(name, value) for name, value in found if value is not None]


def _beancount(entry: JournalEntry) -> str:
    told = "".join(f"  {name}: {_quoted(value)}\n" for name, value in _told(entry))
    postings = "".join(
        f"  {beancount_account(each.account)}  {_amount(each)} EUR\n" for each in entry.postings
    )
    return f"\n{entry.date} * {_quoted(entry.narration)}\n{told}{postings}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _hledger(entry: JournalEntry) -> str:
    # A semicolon would begin a comment, a bar separate a payee; in a comment, a comma would end a tag.
    narration = entry.narration.translate(str.maketrans(";|", ",/"))
    told = "".join(f"    ; {name}: {value.replace(',', ' ')}\n" for name, value in _told(entry))
    postings = "".join(f"    {each.account}  {_amount(each)} EUR\n" for each in entry.postings)
    return f"\n{entry.date} * ({entry.sequence}) {narration}\n{told}{postings}"


def _amount(posting: JournalPosting, point: str = ".") -> str:
    sign = "-" if posting.amount_cents < 0 else ""
    whole, cents = divmod(abs(posting.amount_cents), 100)
    return f"{sign}{whole}{point}{cents:02d}"


def _csv(entry: JournalEntry) -> str:
    numbers = " ".join(f"{body}:{number}" for body, number in sorted(entry.numbers.items()))
    return "".join(
        _row(
            (
                str(entry.sequence),
                entry.date.isoformat(),
                entry.booked_at.isoformat(),
                numbers,
                entry.kind,
                _defused(entry.narration),
                entry.reference,
                each.account,
                _amount(each, ","),
                entry.entry_id,
                entry.settlement_id or "",
                entry.reverses or "",
                _defused(entry.reason or ""),
                entry.hash,
            )
        )
        for each in entry.postings
    )


def _defused(text: str) -> str:
    """Text that a spreadsheet would compute is no formula any more."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _row(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, delimiter=";").writerow(cells)
    return line.getvalue()
