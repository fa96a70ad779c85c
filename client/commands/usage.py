"""Reporting usage from a file, however long, so that a repetition does no harm."""

import contextlib
import hashlib
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from allmende.client.market import Market, Unanswered
from allmende.client.output import Column, Listing
from allmende.client.usage_file import read_usage
from allmende.schemas.billing import UsageRecord
from allmende.schemas.contract import MESSAGE_BYTES_MAX
from allmende.schemas.mistakes import Mistake
from allmende.schemas.rejections import Rejection

from .files import unreadable
from .language import hint, refusal, say, tell
from .progress import Progress, progress
from .session import Session
from .stop import FAILURE, UNREACHABLE, Stop

_RECORDS_MAX = 1_000
_BYTES_MAX = MESSAGE_BYTES_MAX - 16_384
"""Leaves room for the envelope."""
_NAMESPACE = uuid.UUID("5d4e0d0a-3a1c-5b5e-9f0a-6a1f6c0f7b52")

_REFUSED = (
    Column("line", "Zeile", "Line"),
    Column("id", "Datensatz", "Record"),
    Column("code", "Grund", "Code"),
    Column("message", "Erklärung", "Explanation"),
)


@dataclass
class Report:
    """What became of a file so far."""

    accepted: int = 0
    repeated: int = 0
    parked: int = 0
    refused: list[dict[str, Any]] = field(default_factory=list)
    last_line: int = 0

    def add_mistake(self, mistake: Mistake) -> None:
        """Note a line that could not be read."""
        sentence = say(mistake.german, mistake.english)
        message = f"{mistake.path}: {sentence}" if mistake.path else sentence
        self.refused.append({"line": mistake.line, "id": None, "code": "unreadable", "message": message})


Batch = list[tuple[int, UsageRecord]]


async def submit(session: Session, file: str, *, again: bool) -> int:
    """Report the records of a file in batches; tell what was refused and why."""
    report = Report()
    with _opened(file) as stream, progress(_size(stream), file) as bar:
        async with session.market() as market:
            await _send_all(market, stream, report, bar, again=again)
    _show(session, report)
    return FAILURE if report.refused else 0


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


async def _send_all(market: Market, stream: IO[bytes], report: Report, bar: Progress, *, again: bool) -> None:
    batch: Batch = []
    size = 0
    for line, found in read_usage(stream):
        if isinstance(found, Mistake):
            report.add_mistake(found)
            continue
        weight = len(found.model_dump_json().encode()) + 1
        if len(batch) == _RECORDS_MAX or size + weight > _BYTES_MAX:
            await _send(market, batch, report, again=again)
            bar(stream.tell() if stream.seekable() else None, report.last_line)
            batch, size = [], 0
        batch.append((line, found))
        size += weight
    if batch:
        await _send(market, batch, report, again=again)


async def _send(market: Market, batch: Batch, report: Report, *, again: bool) -> None:
    records = [record for _, record in batch]
    try:
        outcome = await market.report_usage(records, id=batch_id(market.member, records, again=again))
    except Unanswered as error:
        raise Stop(
            say(
                f"Der Markt antwortet nicht ({error}). Gemeldet ist bis Zeile {report.last_line}; "
                "derselbe Befehl meldet den Rest und nichts doppelt.",
                f"The market does not answer ({error}). Reported is up to line {report.last_line}; "
                "the same command reports the rest and nothing twice.",
            ),
            UNREACHABLE,
        ) from None
    first, last = batch[0][0], batch[-1][0]
    if isinstance(outcome, Rejection):
        stop = refusal(outcome)
        raise Stop(
            say(f"Zeile {first} bis {last}: {stop.sentence}", f"Lines {first} to {last}: {stop.sentence}"),
            stop.exit_code,
        )
    lines = {record.id: line for line, record in batch}
    report.accepted += outcome.accepted
    report.repeated += outcome.repeated
    report.parked += outcome.parked
    report.refused += [
        {
            "line": lines.get(each.id),
            "id": each.id,
            "code": each.code,
            "message": say(each.message_de, each.message_en),
        }
        for each in outcome.refused
    ]
    report.last_line = last


def batch_id(member: str, records: list[UsageRecord], *, again: bool = False) -> str:
    """Name the command after what it reports: the same records, the same command, decided once.

    A corrected record makes another command; the market knows each record by its own id anyway.
    """
    if again:
        return str(uuid.uuid4())
    digest = hashlib.sha256(member.encode())
    for record in records:
        digest.update(b"\n" + record.model_dump_json().encode())
    return str(uuid.uuid5(_NAMESPACE, digest.hexdigest()))


def _show(session: Session, report: Report) -> None:
    counts = {"accepted": report.accepted, "repeated": report.repeated, "parked": report.parked}
    listing = Listing(_REFUSED, report.refused, counts | {"refused": report.refused})
    if report.refused or session.form != "table":
        session.show(listing)
    tell(
        f"{report.accepted} angenommen, {report.repeated} schon bekannt, "
        f"{report.parked} warten auf ihre Buchung, {len(report.refused)} abgelehnt.",
        f"{report.accepted} accepted, {report.repeated} known before, "
        f"{report.parked} wait for their booking, {len(report.refused)} refused.",
    )
    if report.refused:
        hint(
            "Datei berichtigen und noch einmal melden; --again lässt auch Unverändertes neu entscheiden",
            "correct the file and submit it again; --again has the market decide unchanged lines anew",
        )
    elif report.parked:
        hint(
            "allmende event tail meldet, was wartet und abgelehnt wird",
            "allmende event tail tells what waits and is refused",
        )
