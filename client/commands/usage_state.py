"""How far a file of usage was reported, and what of it was refused: on disk, so that memory stays small."""

import contextlib
import csv
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Self

from .files import unreadable

_COLUMNS = ("line", "id", "code", "message")
_SHOWN_MOST = 20


@dataclasses.dataclass
class State:
    """What became of a file so far.

    Attributes:
        line: the last one dealt with; the file goes on at `offset`, the report of refusals at `report_bytes`.
        identity: of the file's content and the member; a changed file begins anew.
    """

    accepted: int = 0
    repeated: int = 0
    parked: int = 0
    refused: int = 0
    line: int = 0
    offset: int = 0
    report_bytes: int = 0
    identity: str = ""
    path: Path | None = dataclasses.field(default=None, compare=False)

    @classmethod
    def found(cls, file: str, member: str, *, again: bool) -> Self:
        """Take up where an earlier start ended; from the beginning if there was none or the file changed."""
        if file == "-":
            return cls()
        path, identity = Path(f"{file}.progress.json"), _identity(Path(file), member)
        with contextlib.suppress(OSError, ValueError, TypeError):
            kept = cls(**json.loads(path.read_text(encoding="utf-8")), path=path)
            if kept.identity == identity and not again:
                return kept
        return cls(identity=identity, path=path)

    def keep(self) -> None:
        """Write it down, at once or not at all."""
        if self.path is None:
            return
        values = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        del values["path"]
        draft = self.path.with_name(f"{self.path.name}.new")
        try:
            draft.write_text(json.dumps(values), encoding="utf-8")
            draft.replace(self.path)
        except OSError as error:
            raise unreadable(str(self.path), error) from None

    def forget(self) -> None:
        """The file is dealt with."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def _identity(file: Path, member: str) -> str:
    found = file.stat()
    with file.open("rb") as stream:
        start = hashlib.sha256(stream.read(1 << 16)).hexdigest()
    return f"{member}:{found.st_size}:{found.st_mtime_ns}:{start}"


class Refusals:
    """Lines that were refused: all of them in memory, or the first in memory and all in a file."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self.shown: list[dict[str, Any]] = []
        self._stream = stream
        self._writer = csv.writer(stream, delimiter=";") if stream else None

    def add(self, row: dict[str, Any]) -> None:
        """Note a line."""
        if self._writer is not None:
            self._writer.writerow([row[name] for name in _COLUMNS])
        if self._writer is None or len(self.shown) < _SHOWN_MOST:
            self.shown.append(row)

    def written(self) -> int:
        """How long the file is."""
        if self._stream is None:
            return 0
        self._stream.flush()
        return os.fstat(self._stream.fileno()).st_size


@contextlib.contextmanager
def refusals_kept(path: Path, state: State) -> Iterator[Refusals]:
    """Open the report of refusals; what an unfinished start wrote beyond its state is written anew.

    Raises:
        Stop: the file cannot be written.
    """
    try:
        stream = path.open("a", encoding="utf-8", newline="")
    except OSError as error:
        raise unreadable(str(path), error) from None
    with stream:
        stream.truncate(state.report_bytes)
        if not state.report_bytes:
            stream.write("\ufeff")
            csv.writer(stream, delimiter=";").writerow(_COLUMNS)
        yield Refusals(stream)
    if not state.refused:
        path.unlink()
