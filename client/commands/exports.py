"""A settled month as files in a folder."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from allmende.client import journal_file
from allmende.client.journal_file import JournalFormat
from allmende.client.market import Market
from allmende.client.output import Format, write
from allmende.schemas.invoices import DocumentKind
from allmende.schemas.rejections import Rejection

from .language import language, reason_of, refusal, say, tell
from .progress import progress
from .session import Session
from .settlements import lines_of, month
from .stop import FAILURE, Stop

_FILES = ("Datei", "file")
_ENTRIES = ("Buchungssatz", "entry")
_KINDS: dict[str, tuple[DocumentKind, ...]] = {
    "xrechnung": ("xrechnung",),
    "pdf": ("statement_de", "statement_en", "notice_de", "notice_en"),
}


async def export(session: Session, period: str, form: str, to: str, of: str | None) -> int:
    """Write a month into a folder; prints what was written."""
    month(period)
    try:
        folder = _folder(to)
        async with session.market() as market:
            written, failed = await _WRITERS[form](market, period, folder, of)
    except OSError as error:
        raise Stop(
            say(
                f"{error.filename or to} ist nicht zu schreiben: {reason_of(error)}.",
                f"{error.filename or to} cannot be written: {reason_of(error)}.",
            )
        ) from None
    for path in written:
        print(path)  # noqa: T201 - the data of this command
    tell(f"{len(written)} Dateien in {to}.", f"{len(written)} files in {to}.")
    return FAILURE if failed else 0


def _folder(to: str) -> Path:
    folder = Path(to)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


Written = tuple[list[Path], int]
"""The files, and how many could not be written."""


async def _csv(market: Market, period: str, folder: Path, of: str | None) -> Written:
    found = await market.statement(period, of)
    if isinstance(found, Rejection):
        raise refusal(found)
    path = folder / f"{period}_{found.statement.member}.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        write(lines_of(found), Format.CSV, stream, language())
    return [path], 0


async def _hledger(market: Market, period: str, folder: Path, of: str | None) -> Written:
    path = folder / f"{period}_{of or market.member}.journal"
    as_text = journal_file.writer(JournalFormat.HLEDGER)
    done = 0
    with path.open("w", encoding="utf-8") as stream, progress(None, path.name, counts=_ENTRIES) as advance:
        stream.write(journal_file.head_of(JournalFormat.HLEDGER))
        async for entry in market.journal(period=period, body=of):
            stream.write(as_text(entry))
            done += 1
            advance(None, done)
    return [path], 0


def _made(form: str) -> Callable[[Market, str, Path, str | None], Awaitable[Written]]:
    async def download(market: Market, period: str, folder: Path, of: str | None) -> Written:
        documents = [
            each for kind in _KINDS[form] async for each in market.documents(period, kind=kind, member=of)
        ]
        written, failed = [], 0
        with progress(len(documents), form, counts=_FILES) as advance:
            for number, each in enumerate(documents, 1):
                if each.state == "made":
                    path = folder / Path(each.file_name).name
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


_WRITERS: dict[str, Callable[[Market, str, Path, str | None], Awaitable[Written]]] = {
    "csv": _csv,
    "hledger": _hledger,
    "xrechnung": _made("xrechnung"),
    "pdf": _made("pdf"),
}
