"""The ledger on the command line: the journal as a file, and whether its chain holds."""

import contextlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from allmende.client import journal_file
from allmende.client.journal_file import JournalFormat
from allmende.schemas import chain
from allmende.schemas.contract import Unreadable
from allmende.schemas.journal import BrokenPlace, JournalVerified

from .files import unreadable
from .language import hint, reason_of, say, tell
from .progress import Progress, progress
from .session import Session
from .stop import CONFLICT, Stop

_ENTRIES = ("Buchungssatz", "entry")


async def export(
    session: Session, form: JournalFormat, *, period: str | None, year: int | None, to: str | None
) -> None:
    """Write the journal."""
    write = journal_file.writer(form)
    done, last = 0, None
    async with session.market() as market:
        with _stream(to) as stream, contextlib.ExitStack() as stack:
            advance = None
            stream.write(journal_file.head_of(form))
            async for page in market.journal_pages(period=period, year=year):
                if advance is None:
                    advance = stack.enter_context(progress(page.total, to or "Journal", counts=_ENTRIES))
                for last in page.entries:
                    stream.write(write(last))
                done += len(page.entries)
                advance(done, done)
    tell(
        f"{done} Buchungssätze{f' nach {to}' if to else ''}",
        f"{done} entries{f' written to {to}' if to else ''}",
    )
    if last is not None and form is JournalFormat.JSONL:
        _remember(last.sequence, last.hash)


@contextlib.contextmanager
def _stream(to: str | None) -> Iterator[TextIO]:
    if to is None or to == "-":
        yield sys.stdout
        return
    try:
        with Path(to).open("w", encoding="utf-8", newline="") as stream:
            yield stream
    except OSError as error:
        raise Stop(
            say(
                f"{to} ist nicht zu schreiben: {reason_of(error)}.",
                f"{to} cannot be written: {reason_of(error)}.",
            )
        ) from None


async def verify(session: Session, file: str | None, *, head: str | None, extract: bool) -> int:
    """Check the chain of the ledger, or of a file without any market."""
    found = await _verify_market(session, head) if file is None else _verify_file(file, head, extract=extract)
    if found.broken is not None:
        german, english = _broken(found.broken)
        tell(f"Die Kette ist gebrochen: {german}.", f"The chain is broken: {english}.")
        tell(
            f"Bis dahin stimmen {found.checked} Buchungssätze.",
            f"Until there, {found.checked} entries are in order.",
        )
        return CONFLICT
    tell(
        f"{found.checked} Buchungssätze geprüft, die Kette hält.",
        f"{found.checked} entries checked, the chain holds.",
    )
    if head is not None and not found.head_found:
        tell(
            f"Den gemerkten Stand {head} gibt es nicht mehr: Es fehlen Buchungssätze, oder alle sind neu.",
            f"The remembered head {head} is gone: entries are missing, or all were written anew.",
        )
        return CONFLICT
    print(found.head)  # noqa: T201 - the one datum of this command
    if found.checked:
        _remember(found.sequence, found.head)
    return 0


def _remember(sequence: int, head: str) -> None:
    hint(
        f"Stand {sequence} merken: allmende ledger verify --head {head} findet später jede Änderung davor",
        f"remember entry {sequence}: allmende ledger verify --head {head} later finds any change before it",
    )


async def _verify_market(session: Session, head: str | None) -> JournalVerified:
    found = None
    async with session.market() as market:
        with progress(None, say("Kette", "chain"), counts=_ENTRIES) as advance:
            async for found in market.verify_journal(head=head):
                advance(None, found.sequence)
    if found is None:
        raise AssertionError
    return found


def _verify_file(file: str, head: str | None, *, extract: bool) -> JournalVerified:
    try:
        with contextlib.nullcontext(sys.stdin) if file == "-" else Path(file).open(encoding="utf-8") as lines:
            total = None if file == "-" else Path(file).stat().st_size
            with progress(total, file) as advance:
                entries = journal_file.read_entries(_counted(lines, advance))
                return chain.verify(entries, head=head, extract=extract)
    except OSError as error:
        raise unreadable(file, error) from None
    except UnicodeDecodeError:
        raise Stop(
            say(f"{file} ist nicht in UTF-8 geschrieben.", f"{file} is not written in UTF-8.")
        ) from None
    except Unreadable as error:
        raise Stop(
            say(
                f"{file}:{error.field}: Hier steht kein Buchungssatz ({error.detail}).",
                f"{file}:{error.field}: This is no entry ({error.detail}).",
            ),
            CONFLICT,
        ) from None


def _counted(lines: Iterable[str], advance: Progress) -> Iterator[str]:
    read_bytes = 0
    for number, line in enumerate(lines, 1):
        read_bytes += len(line.encode())
        advance(read_bytes, number)
        yield line


def _broken(place: BrokenPlace) -> tuple[str, str]:
    number, id_ = place.sequence, place.entry_id
    match place.problem:
        case "content":
            return f"Buchungssatz {number} ({id_}) wurde verändert", f"entry {number} ({id_}) was changed"
        case "link":
            return (
                f"Buchungssatz {number} ({id_}) schließt nicht an seinen Vorgänger an",
                f"entry {number} ({id_}) does not follow the one before it",
            )
        case "missing":
            return (
                f"vor Buchungssatz {number} ({id_}) fehlt etwas",
                f"something is missing before entry {number} ({id_})",
            )
        case "end":
            return (
                f"das Hauptbuch endet nicht mit Buchungssatz {number}, wie sein letzter Stand sagt",
                f"the ledger does not end with entry {number} as its head says",
            )
