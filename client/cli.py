"""The `allmende` command: from a command line to an exit code, with one plain sentence when it fails."""

import os
import sys
from collections.abc import Sequence
from typing import Any

try:
    import typer
except ModuleNotFoundError:
    sys.exit("Die Kommandozeile fehlt, the command line is missing: pip install 'allmende[cli]'")

from .commands.installed import add_installed
from .commands.language import choose, complaint, localise, reason_of, say
from .commands.stop import FAILURE, Stop
from .commands.tree import app

_INTERRUPTED = 130


def main() -> None:
    """Run the command line of this process."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without umlauts gets question marks
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and tell its exit code: 0 to 6, or 130 when it was interrupted."""
    try:
        rest = choose(arguments)
        command: Any = typer.main.get_command(app)
        add_installed(command)
        found = localise(command)(rest or ["--help"], prog_name="allmende", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        # Nobody reads any more; the interpreter must not try again when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    except (KeyboardInterrupt, typer.Abort):
        return _INTERRUPTED
    except Exception as error:
        stop = _stop_of(error)
        if stop is None:
            raise
        print(stop.sentence, file=sys.stderr)  # noqa: T201 - what a command line does
        return stop.exit_code
    return found if isinstance(found, int) else 0


def _stop_of(error: Exception) -> Stop | None:
    """The sentence to end with; None for a bug, whose traceback is worth more."""
    sentence = getattr(error, "sentence", None)
    exit_code = getattr(error, "exit_code", FAILURE)
    if isinstance(sentence, str):  # from here or from a command that another part brought
        return Stop(sentence, exit_code)
    if hasattr(error, "format_message"):
        return Stop(_usage(error), exit_code)
    if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("allmende"):
        return Stop(
            say(
                f"Es fehlt {error.name}: pip install 'allmende[cli]'",
                f"{error.name} is missing: pip install 'allmende[cli]'",
            )
        )
    if isinstance(error, OSError) and error.strerror:
        return Stop(": ".join(str(part) for part in (error.filename, reason_of(error)) if part))
    return None


def _usage(error: Any) -> str:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "allmende"
    return complaint(error.format_message()) + say(f"\nHilfe: {path} --help", f"\nHelp: {path} --help")
