"""Printing: Rich's tables on a terminal, plain aligned text everywhere else."""

import dataclasses
from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .voice import SENTENCES, Voice

WIDTH = 100
_MARK = SENTENCES["mark"][0]
_KEPT = "\ue000"
"""Stands for the space within an amount while lines are divided; Rich divides at no-break spaces too."""


@dataclasses.dataclass(frozen=True)
class Column:
    """A column: figures stand to the right, sentences may run over several lines."""

    title: str
    right: bool = False
    wraps: bool = False


@dataclasses.dataclass(frozen=True)
class Section:
    """A heading with a table and sentences below it."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    below: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Output:
    """All of it."""

    title: str
    about: tuple[str, ...]
    sections: tuple[Section, ...]


def write(out: TextIO, voice: Voice, output: Output) -> None:
    """Print the whole output; every heading says that it is a demonstration."""
    on_terminal = out.isatty()
    console = Console(
        file=out,
        width=None if on_terminal else WIDTH,
        force_terminal=on_terminal,
        color_system="auto" if on_terminal else None,
        markup=False,
        highlight=False,
        emoji=False,
    )
    with console.capture() as captured:
        _print(console, voice, output, on_terminal=on_terminal)
    # Tables are padded to their full width.
    lines = captured.get().replace(_KEPT, " ").splitlines()
    out.writelines(f"{line.rstrip()}\n" for line in lines)
    out.flush()


def apologise(out: TextIO, sentence: str) -> int:
    """Print why there is no output; returns the exit code."""
    tell(out, sentence)
    return 1


def tell(out: TextIO, sentence: str) -> None:
    """Print one sentence, marked as part of the demonstration."""
    out.write(f"{_MARK}: {sentence}\n")
    out.flush()


def _print(console: Console, voice: Voice, output: Output, *, on_terminal: bool) -> None:
    _heading(console, voice, output.title, "=")
    for paragraph in output.about:
        console.print(paragraph)
    for section in output.sections:
        console.print()
        _heading(console, voice, section.title, "-")
        console.print(_table(section, on_terminal=on_terminal))
        for sentence in section.below:
            console.print(sentence)


def _heading(console: Console, voice: Voice, title: str, line: str) -> None:
    heading = f"{voice.say('mark')} · {title}"
    console.print(Text(heading, style="bold"))
    console.print(Text(line * min(len(heading), console.width), style="dim"))


def _table(section: Section, *, on_terminal: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD if on_terminal else None, pad_edge=False, show_edge=False)
    for column in section.columns:
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            no_wrap=not column.wraps,
            overflow="fold",
        )
    for row in section.rows:
        table.add_row(*(cell.replace(" €", f"{_KEPT}€") for cell in row))
    return table
