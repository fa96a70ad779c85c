"""A progress bar on stderr, for people who watch."""

import contextlib
import sys
from collections.abc import Callable, Iterator

from .language import say

Progress = Callable[[int | None, int], None]
"""Takes the bytes read so far, if known, and the last line reported."""


@contextlib.contextmanager
def progress(
    total_bytes: int | None, file: str, *, counts: tuple[str, str] = ("Zeile", "line")
) -> Iterator[Progress]:
    """Show how far a file is read; silent when stderr is no terminal.

    Args:
        total_bytes: or of whatever else is advanced.
        file: what is read.
        counts: what its lines are called, in German and English.
    """
    if not sys.stderr.isatty():
        yield lambda _bytes, _line: None
        return
    from rich.console import Console  # noqa: PLC0415 - only people who watch need it
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(file, total=total_bytes)

        def advance(bytes_read: int | None, line: int) -> None:
            said = f"{file}, {say(*counts)} {line}"
            bar.update(task, completed=bytes_read, description=said)

        yield advance
