"""Reading the YAML or JSON documents that a command line names, with every mistake at its line."""

from typing import TypeVar

from pydantic import BaseModel

from allmende.schemas.documents import CHARACTERS_MAX, Mistakes, read_documents

from .files import read_text
from .language import language, say
from .stop import USAGE, Stop

M = TypeVar("M", bound=BaseModel)


def read_models(model: type[M], file: str, *, several: bool = False) -> list[M]:
    """Read the documents of a YAML or JSON file, one unless several may be.

    Raises:
        Stop: it cannot be read; every mistake is named with its line.
    """
    none = ("Die Datei ist leer", "The file is empty")
    try:
        found = read_documents(model, read_text(file, 4 * CHARACTERS_MAX), file, none=none)
    except Mistakes as error:
        raise Stop("\n".join(mistake.text(file, language()) for mistake in error.mistakes), USAGE) from None
    if len(found) > 1 and not several:
        raise Stop(
            say(
                f"{file}: Die Datei enthält mehr als ein Dokument.",
                f"{file}: The file holds several documents.",
            ),
            USAGE,
        )
    return [each.value for each in found]
