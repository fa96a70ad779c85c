"""A settled month as files in a folder."""

import dataclasses
import datetime as dt
import itertools
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from allmende.client import journal_file
from allmende.client.journal_file import JournalFormat
from allmende.client.market import Market
from allmende.documents import focus, sepa, tables
from allmende.schemas.billing import ChargeLine, Statement
from allmende.schemas.contract import Unreadable, read
from allmende.schemas.invoices import DocumentKind
from allmende.schemas.register import MemberRegister
from allmende.schemas.rejections import Rejected, Rejection

from .files import read_text
from .language import language, reason_of, refusal, say, tell
from .progress import progress
from .session import Session
from .settlements import month
from .stop import FAILURE, USAGE, Stop, exit_code_of

_REGISTER_BYTES_MAX = 64 * 1024**2
_FILES = ("Datei", "file")
_ENTRIES = ("Buchungssatz", "entry")
_KINDS: dict[str, tuple[DocumentKind, ...]] = {
    "xrechnung": ("xrechnung",),
    "pdf": ("statement_de", "statement_en", "notice_de", "notice_en"),
}


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is exported, and where to.

    Attributes:
        of: another member, of the office's question.
        register: the file with everybody's accounts.
    """

    period: str
    folder: Path
    of: str | None
    register: Path | None

    def path(self, member: str, ending: str) -> Path:
        """Name a file."""
        return self.folder / f"{self.period}_{member}{ending}"


Written = tuple[list[Path], int]
"""The files, and how many could not be written."""


async def export(session: Session, form: str, wanted: Wanted) -> int:
    """Write a month into a folder; prints what was written."""
    month(wanted.period)
    if wanted.register is None:
        wanted = dataclasses.replace(wanted, register=session.home / "register.json")
    try:
        _make(wanted.folder)
        async with session.market() as market:
            written, failed = await _WRITERS[form](market, wanted)
    except OSError as error:
        place = error.filename or wanted.folder
        raise Stop(
            say(
                f"{place} ist nicht zu schreiben: {reason_of(error)}.",
                f"{place} cannot be written: {reason_of(error)}.",
            )
        ) from None
    for path in written:
        print(path)  # noqa: T201 - the data of this command
    tell(f"Dateien in {wanted.folder}: {len(written)}", f"Files in {wanted.folder}: {len(written)}")
    return FAILURE if failed else 0


def _make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)


async def _statement(market: Market, wanted: Wanted) -> Statement:
    found = await market.statement(wanted.period, wanted.of)
    if isinstance(found, Rejection):
        raise refusal(found)
    return found


async def _csv(market: Market, wanted: Wanted) -> Written:
    found = await _statement(market, wanted)
    path = wanted.path(found.statement.member, ".csv")
    path.write_bytes(tables.csv_of(found.lines, language()))
    return [path], 0


async def _xlsx(market: Market, wanted: Wanted) -> Written:
    found = await _statement(market, wanted)
    path = wanted.path(found.statement.member, ".xlsx")
    path.write_bytes(tables.xlsx_of(found.lines, language(), made_at=found.statement.issued_at))
    return [path], 0


async def _focus(market: Market, wanted: Wanted) -> Written:
    """One file for each provider and consumer."""
    found = await _statement(market, wanted)
    heads = [each async for each in market.invoices(wanted.period, member=wanted.of)]
    written = []
    for (payee, payer), lines in _by_pair(found.lines):
        of_the_pair = [each for each in heads if {each.issuer, each.recipient} == {payee, payer}]
        rows = focus.rows(wanted.period, lines, of_the_pair, {})
        path = wanted.path(f"{payee}_{payer}", ".focus.csv")
        path.write_bytes(tables.records_csv(focus.COLUMNS, rows))
        written.append(path)
    return written, 0


def _by_pair(lines: Iterable[ChargeLine]) -> list[tuple[tuple[str, str], list[ChargeLine]]]:
    def pair(line: ChargeLine) -> tuple[str, str]:
        return line.payee, line.payer

    return [(key, list(group)) for key, group in itertools.groupby(sorted(lines, key=pair), key=pair)]


async def _sepa(market: Market, wanted: Wanted) -> Written:
    """What is open of the payments that a member has to make, for its bank."""
    debtor = wanted.of or market.member
    register = _read_register(wanted.register or Path())
    bodies = {member.id: member.body for member in register.members if member.body is not None}
    found = [
        each
        async for each in market.payments(open_only=True, member=wanted.of)
        if each.payment.debtor == debtor
    ]
    made = sepa.credit_transfers(found, bodies, created_at=dt.datetime.now(dt.UTC))
    if isinstance(made, Rejected):
        raise Stop(say(*made.sentences), exit_code_of(made.as_rejection("export")))
    path = wanted.path(debtor, ".pain001.xml")
    path.write_bytes(made)
    return [path], 0


def _read_register(path: Path) -> MemberRegister:
    text = read_text(str(path), _REGISTER_BYTES_MAX)
    try:
        return read(MemberRegister, text.encode())
    except Unreadable as error:
        raise Stop(
            say(
                f"{path} ist kein Mitgliederregister: {error}.", f"{path} is no register of members: {error}."
            ),
            USAGE,
        ) from None


async def _hledger(market: Market, wanted: Wanted) -> Written:
    path = wanted.path(wanted.of or market.member, ".journal")
    as_text = journal_file.writer(JournalFormat.HLEDGER)
    done = 0
    with path.open("w", encoding="utf-8") as stream, progress(None, path.name, counts=_ENTRIES) as advance:
        stream.write(journal_file.head_of(JournalFormat.HLEDGER))
        async for entry in market.journal(period=wanted.period, body=wanted.of):
            stream.write(as_text(entry))
            done += 1
            advance(None, done)
    return [path], 0


def _made(form: str) -> Callable[[Market, Wanted], Awaitable[Written]]:
    async def download(market: Market, wanted: Wanted) -> Written:
        documents = [
            each
            for kind in _KINDS[form]
            async for each in market.documents(wanted.period, kind=kind, member=wanted.of)
        ]
        written, failed = [], 0
        with progress(len(documents), form, counts=_FILES) as advance:
            for number, each in enumerate(documents, 1):
                if each.state == "made":
                    path = wanted.folder / Path(each.file_name).name
                    path.write_bytes(await market.document(each))
                    written.append(path)
                else:
                    failed += 1
                    pending = ("wird noch erstellt.", "is still being made.")
                    tell(
                        f"{each.file_name}: {each.reason_de or pending[0]}",
                        f"{each.file_name}: {each.reason_en or pending[1]}",
                    )
                advance(number, number)
        return written, failed

    return download


_WRITERS: dict[str, Callable[[Market, Wanted], Awaitable[Written]]] = {
    "csv": _csv,
    "xlsx": _xlsx,
    "focus": _focus,
    "sepa": _sepa,
    "hledger": _hledger,
    "xrechnung": _made("xrechnung"),
    "pdf": _made("pdf"),
}
