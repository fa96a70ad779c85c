"""Reporting usage from a file, however long, so that a repetition does no harm."""

import contextlib
import hashlib
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from allmende.client.market import Market, Unanswered
from allmende.client.output import Column, Listing
from allmende.client.usage_file import read_usage
from allmende.schemas.billing import REPORT_ENTRIES_MAX, UsageCancellation, UsageRecord
from allmende.schemas.contract import MESSAGE_BYTES_MAX
from allmende.schemas.mistakes import Mistake
from allmende.schemas.rejections import Rejection

from .files import unreadable
from .language import hint, refusal, say, tell
from .progress import Progress, progress
from .session import Session
from .stop import FAILURE, UNREACHABLE, Stop
from .usage_state import Refusals, State, refusals_kept

_BYTES_MAX = MESSAGE_BYTES_MAX - 16_384
"""Leaves room for the envelope."""
_NAMESPACE = uuid.UUID("5d4e0d0a-3a1c-5b5e-9f0a-6a1f6c0f7b52")

_REFUSED = (
    Column("line", "Zeile", "Line"),
    Column("id", "Datensatz", "Record"),
    Column("code", "Grund", "Code"),
    Column("message", "Erklärung", "Explanation"),
)
Entry = UsageRecord | UsageCancellation


@dataclass
class Batch:
    """Entries that go in one report, with the numbers of their lines, and the bytes they take."""

    entries: list[tuple[int, Entry]] = field(default_factory=list)
    size: int = 0

    def takes(self, weight: int) -> bool:
        """Whether another entry fits."""
        return len(self.entries) < REPORT_ENTRIES_MAX and self.size + weight <= _BYTES_MAX


async def submit(session: Session, file: str, *, again: bool) -> int:
    """Report the entries of a file in batches; tell what was refused and why."""
    state = State()
    refused = Refusals()
    with _opened(file) as stream, progress(_size(stream), file) as bar:
        async with session.market() as market:
            async for _ in _send_all(market, stream, state, refused, bar, again=again):
                pass
    _show(session, state, refused)
    return FAILURE if state.refused else 0


async def bring_in(session: Session, file: str, *, report: str, again: bool) -> int:
    """Report a file and remember how far it came, so that the same command goes on there.

    Args:
        session: of the member.
        file: CSV or JSON lines.
        report: where to write what was refused; after the file where empty.
        again: from the beginning, and have everything decided anew.
    """
    kept = Path(report or f"{file}.refused.csv")
    with _opened(file) as stream:
        state = State.found(file, session.member, again=again)
        if state.line:
            tell(f"Weiter nach Zeile {state.line}.", f"Going on after line {state.line}.")
        with refusals_kept(kept, state) as refused, progress(_size(stream), file) as bar:
            async with session.market() as market:
                async for _ in _send_all(market, stream, state, refused, bar, again=again):
                    state.report_bytes = refused.written()
                    state.keep()
        state.forget()
    _show(session, state, refused)
    if state.refused:
        hint(f"{kept} nennt jede abgelehnte Zeile", f"{kept} names each refused line")
    return FAILURE if state.refused else 0


@contextlib.contextmanager
def _opened(file: str) -> Iterator[IO[bytes]]:
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = Path(file).open("rb")  # noqa: SIM115 - only the opening may fail here
    except OSError as error:
        raise unreadable(file, error) from None
    with stream:
        yield stream


def _size(stream: IO[bytes]) -> int | None:
    if not stream.seekable():
        return None
    here = stream.tell()
    size = stream.seek(0, 2)
    stream.seek(here)
    return size


async def _send_all(  # noqa: PLR0913 - what is read, what became of it, who looks on
    market: Market, stream: IO[bytes], state: State, refused: Refusals, bar: Progress, *, again: bool
) -> AsyncIterator[None]:
    """Send batch after batch; gives way after each, when all up to `state.offset` is dealt with."""
    batch = Batch()
    place = state.line, state.offset
    for line, found in read_usage(stream, place if state.offset else None):
        if isinstance(found, Mistake):
            _note(state, refused, found)
        else:
            weight = len(found.model_dump_json().encode()) + 1
            if not batch.takes(weight):
                await _send(market, batch, state, refused, again=again)
                state.line, state.offset = place
                bar(state.offset or None, state.line)
                yield
                batch = Batch()
            batch.entries.append((line, found))
            batch.size += weight
        place = line, stream.tell() if stream.seekable() else 0
    if batch.entries:
        await _send(market, batch, state, refused, again=again)
        state.line, state.offset = place
        yield


def _note(state: State, refused: Refusals, mistake: Mistake) -> None:
    sentence = say(mistake.german, mistake.english)
    message = f"{mistake.path}: {sentence}" if mistake.path else sentence
    state.refused += 1
    refused.add({"line": mistake.line, "id": None, "code": "unreadable", "message": message})


async def _send(market: Market, batch: Batch, state: State, refused: Refusals, *, again: bool) -> None:
    entries = [entry for _, entry in batch.entries]
    records = [entry for entry in entries if isinstance(entry, UsageRecord)]
    cancellations = [entry for entry in entries if isinstance(entry, UsageCancellation)]
    try:
        outcome = await market.report_usage(
            records, cancellations=cancellations, id=batch_id(market.member, entries, again=again)
        )
    except Unanswered as error:
        raise Stop(
            say(
                f"Der Markt antwortet nicht ({error}). Gemeldet ist bis Zeile {state.line}; "
                "derselbe Befehl meldet den Rest und nichts doppelt.",
                f"The market does not answer ({error}). Reported is up to line {state.line}; "
                "the same command reports the rest and nothing twice.",
            ),
            UNREACHABLE,
        ) from None
    first, last = batch.entries[0][0], batch.entries[-1][0]
    if isinstance(outcome, Rejection):
        stop = refusal(outcome)
        raise Stop(
            say(f"Zeile {first} bis {last}: {stop.sentence}", f"Lines {first} to {last}: {stop.sentence}"),
            stop.exit_code,
        )
    lines = {entry.id: line for line, entry in batch.entries}
    state.accepted += outcome.accepted
    state.repeated += outcome.repeated
    state.parked += outcome.parked
    state.refused += len(outcome.refused)
    for each in outcome.refused:
        message = say(each.message_de, each.message_en)
        refused.add({"line": lines.get(each.id), "id": each.id, "code": each.code, "message": message})


def batch_id(member: str, entries: list[Entry], *, again: bool = False) -> str:
    """Name the command after what it reports: the same records, the same command, decided once.

    A corrected record makes another command; the market knows each record by its own id anyway.
    """
    if again:
        return str(uuid.uuid4())
    digest = hashlib.sha256(member.encode())
    for entry in entries:
        digest.update(b"\n" + entry.model_dump_json().encode())
    return str(uuid.uuid5(_NAMESPACE, digest.hexdigest()))


def _show(session: Session, state: State, refused: Refusals) -> None:
    counts = {"accepted": state.accepted, "repeated": state.repeated, "parked": state.parked}
    listing = Listing(_REFUSED, refused.shown, counts | {"refused": refused.shown})
    if refused.shown or session.form != "table":
        session.show(listing)
    tell(
        f"{state.accepted} angenommen, {state.repeated} schon bekannt, "
        f"{state.parked} warten auf ihre Buchung, {state.refused} abgelehnt.",
        f"{state.accepted} accepted, {state.repeated} known before, "
        f"{state.parked} wait for their booking, {state.refused} refused.",
    )
    if state.refused:
        hint(
            "Datei berichtigen und noch einmal melden; --again lässt auch Unverändertes neu entscheiden",
            "correct the file and submit it again; --again has the market decide unchanged lines anew",
        )
    elif state.parked:
        hint(
            "allmende event tail meldet, was wartet und abgelehnt wird",
            "allmende event tail tells what waits and is refused",
        )
