"""Following a member's events on the command line."""

import csv
import json
import sys
from collections.abc import Callable
from typing import Any

from allmende.client.market import Received
from allmende.client.output import Format, Kind, as_yaml, cell
from allmende.client.sequences import Gap
from allmende.schemas.rejections import Rejection

from .language import language, say, tell
from .session import Session

_IDLE_SECONDS = 2.0


async def tail(session: Session, *, follow: bool) -> None:
    """Write events as they come, each on stdout at once."""
    write = _writer(session.form)
    async with session.market() as market:
        async for received in market.events(idle_seconds=None if follow else _IDLE_SECONDS, on_gap=_gap):
            write(received)
            sys.stdout.flush()


def _gap(gap: Gap) -> None:
    tell(
        f"Es fehlen die Ereignisse {gap.first} bis {gap.last} von {gap.producer}.",
        f"The events {gap.first} to {gap.last} of {gap.producer} are missing.",
    )


def _writer(form: Format) -> Callable[[Received], None]:
    out = sys.stdout
    if form is Format.JSON:
        return lambda received: print(json.dumps(_document(received), ensure_ascii=False), file=out)
    if form is Format.YAML:
        return lambda received: print(f"---\n{as_yaml(_document(received))}", end="", file=out)
    if form is Format.CSV:
        rows = csv.writer(out, delimiter=";")
        out.write("\ufeff")
        rows.writerow(("time", "name", "subject", "message"))
        return lambda received: rows.writerow((received.event.time.isoformat(), *_summary(received)))
    return _write_line


def _write_line(received: Received) -> None:
    time = cell(received.event.time, Kind.INSTANT, language())
    name, subject, message = _summary(received)
    print(f"{time}  {name:<30}  {subject}  {message}".rstrip())  # noqa: T201 - data


def _summary(received: Received) -> tuple[str, str, str]:
    data = received.data
    message = say(data.message_de, data.message_en) if isinstance(data, Rejection) else ""
    return received.name, received.event.subject or "", message


def _document(received: Received) -> dict[str, Any]:
    document: dict[str, Any] = received.event.model_dump(mode="json", exclude_none=True)
    return document
