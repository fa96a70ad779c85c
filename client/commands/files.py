"""Reading the files that a command line names, and saying why one cannot be read."""

import re
import sys
from pathlib import Path

from .language import reason_of, say
from .stop import Stop

_SEED = re.compile(r"SU[A-Z2-7]{56}")


def read_seed(path: Path) -> str:
    """Read a key file.

    Raises:
        Stop: it cannot be read or holds no user's seed.
    """
    try:
        with path.open(encoding="ascii") as file:
            seed = file.read(1000).strip()
    except OSError as error:
        raise Stop(
            say(
                f"Der Schlüssel {path} ist nicht zu lesen: {reason_of(error)}.",
                f"The key {path} cannot be read: {reason_of(error)}.",
            )
        ) from None
    except UnicodeDecodeError:
        seed = ""
    if not _SEED.fullmatch(seed):
        raise Stop(
            say(
                f"{path} enthält keinen geheimen NATS-Schlüssel (58 Zeichen, beginnt mit SU).",
                f"{path} holds no secret NATS key (58 characters, begins with SU).",
            )
        )
    return seed


def read_text(file: str, bytes_max: int) -> str:
    """Read a text file, or stdin for `-`, but never more than is sensible.

    Raises:
        Stop: it cannot be read.
    """
    try:
        if file == "-":
            raw = sys.stdin.buffer.read(bytes_max + 1)
        else:
            with Path(file).open("rb") as stream:
                raw = stream.read(bytes_max + 1)
    except OSError as error:
        raise unreadable(file, error) from None
    if len(raw) > bytes_max:
        raise Stop(
            say(
                f"{file}: Die Datei hat mehr als {bytes_max} Bytes.",
                f"{file}: The file has more than {bytes_max} bytes.",
            )
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise Stop(
            say(
                f"{file}:{line}: Die Datei ist nicht in UTF-8 geschrieben.",
                f"{file}:{line}: The file is not written in UTF-8.",
            )
        ) from None


def unreadable(file: str, error: OSError) -> Stop:
    """Say why a file cannot be read."""
    return Stop(
        say(f"{file} ist nicht zu lesen: {reason_of(error)}.", f"{file} cannot be read: {reason_of(error)}.")
    )
