"""Reading offerings from YAML or JSON, each once."""

from collections.abc import Iterator

from allmende.schemas.catalog import Offering
from allmende.schemas.documents import Document, read_documents
from allmende.schemas.mistakes import Mistake

_NONE = ("Die Datei enthält kein Angebot", "The file holds no offering")
_TWICE = ("Das Angebot steht doppelt in der Datei", "The offering stands twice in the file")


def read_offerings(text: str, file: str) -> list[Offering]:
    """Read one or several offerings: a mapping, a list of mappings, or several documents.

    Args:
        text: YAML 1.1 or JSON.
        file: what the mistakes call it.

    Raises:
        Mistakes: all that could be found at once.
    """
    seen: set[str] = set()

    def only_once(document: Document[Offering]) -> Iterator[Mistake]:
        if document.value.offering_id in seen:
            yield document.mistake(("offering_id",), *_TWICE)
        seen.add(document.value.offering_id)

    documents = read_documents(Offering, text, file, none=_NONE, check=only_once)
    return [document.value for document in documents]
