"""Reading offerings from YAML or JSON, strictly: numbers keep their text, every mistake names its place."""

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import ValidationError

from allmende.schemas.catalog import Offering

from .validation import Mistake, errors_of, path_of, sentences

CHARACTERS_MAX = 2_000_000
_DEPTH_MAX = 30
_NODES_MAX = 100_000
"""Values of a file, each alias counted with everything it repeats."""
_WHOLE_NUMBERS = frozenset(
    {
        "version",
        "derived_version",
        "provider_approval_hours",
        "provisioning_hours",
        "dismantling_hours",
        "offer_hours",
        "minimum_term_months",
        "notice_months",
        "renewal_months",
        "response_minutes",
        "restore_hours",
    }
)
"""Fields that are counted; every other number is an exact decimal and stays text."""
_YES_OR_NO = frozenset({"closed_to_new", "waiting_list", "personal_data"})
_FORM = "order_form"
"""A JSON Schema: numbers and truth values are meant as such there."""

_CORE = "tag:yaml.org,2002:"
_READ_AS_TEXT = frozenset(
    _CORE + name for name in ("str", "int", "float", "bool", "timestamp", "value", "merge")
)
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SURROGATES = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")

_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,14}")
_FRACTION = re.compile(r"-?(0|[1-9][0-9]{0,14})\.[0-9]{1,15}")

Path = tuple[str | int, ...]


class Mistakes(Exception):  # noqa: N818 - said to people
    """A file that cannot be taken, with everything found wrong in it."""

    def __init__(self, file: str, mistakes: list[Mistake]) -> None:
        self.file = file
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(mistake.text(file, "en") for mistake in mistakes))


def read_offerings(text: str, file: str) -> list[Offering]:
    """Read one or several offerings: a mapping, a list of mappings, or several documents.

    Args:
        text: YAML 1.1 or JSON.
        file: what the mistakes call it.

    Raises:
        Mistakes: all that could be found at once.
    """
    mistakes: list[Mistake] = []
    offerings: list[Offering] = []
    seen: set[str] = set()
    try:
        for node, path in _offering_nodes(_documents(_prepared(text))):
            offering = _Reading(mistakes).offering(node, path)
            if offering is not None and offering.offering_id in seen:
                mistakes.append(_at(node, (*path, "offering_id"), *_TWICE))
            elif offering is not None:
                seen.add(offering.offering_id)
                offerings.append(offering)
    except _Unreadable as error:
        mistakes.append(error.mistake)
    if not mistakes and not offerings:
        mistakes.append(Mistake(0, 0, "", "Die Datei enthält kein Angebot", "The file holds no offering"))
    if mistakes:
        raise Mistakes(file, sorted(mistakes, key=lambda each: (each.line, each.column)))
    return offerings


_TWICE = ("Das Angebot steht doppelt in der Datei", "The offering stands twice in the file")


class _Unreadable(Exception):  # noqa: N818 - never leaves this module
    def __init__(self, mistake: Mistake) -> None:
        self.mistake = mistake


def _at(node: yaml.Node, path: Path, german: str, english: str) -> Mistake:
    mark = node.start_mark
    return Mistake(mark.line + 1, mark.column + 1, path_of(path), german, english)


def _prepared(text: str) -> str:
    if len(text) > CHARACTERS_MAX:
        german = f"Die Datei hat mehr als {CHARACTERS_MAX:,} Zeichen".replace(",", ".")
        english = f"The file has more than {CHARACTERS_MAX:,} characters"
        raise _Unreadable(Mistake(0, 0, "", german, english))
    text = text.removeprefix("\ufeff")
    if text.lstrip()[:1] in {"{", "["}:
        # JSON may indent with tabs and writes characters beyond U+FFFF as two escapes; YAML knows neither.
        text = _SURROGATES.sub(_joined, text.replace("\t", " "))
    return text


def _joined(pair: re.Match[str]) -> str:
    halves = bytes.fromhex(pair[1] + pair[2])
    return f"\\U{ord(halves.decode('utf-16-be')):08X}"


def _documents(text: str) -> Iterator[yaml.Node]:
    try:
        _refuse_deep_nesting(text)
        yield from yaml.compose_all(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        detail = error.problem or error.context or ""
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        german, english = f"Das ist kein gültiges YAML: {detail}", f"This is not valid YAML: {detail}"
        raise _Unreadable(Mistake(*place, "", german, english)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        german = f"Das Zeichen U+{ord(text[error.position]):04X} ist in YAML nicht erlaubt"
        english = f"The character U+{ord(text[error.position]):04X} is not allowed in YAML"
        raise _Unreadable(Mistake(line, 0, "", german, english)) from None


def _refuse_deep_nesting(text: str) -> None:
    # Composing recurs, so the depth is bounded before.
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        mark = event.start_mark
        if depth > _DEPTH_MAX and mark is not None:
            german = f"Mehr als {_DEPTH_MAX} Ebenen sind ineinander geschachtelt"
            english = f"More than {_DEPTH_MAX} levels are nested"
            raise _Unreadable(Mistake(mark.line + 1, mark.column + 1, "", german, english))


def _offering_nodes(documents: Iterator[yaml.Node]) -> Iterator[tuple[yaml.Node, Path]]:
    for document in documents:
        if isinstance(document, yaml.SequenceNode):
            yield from ((node, (index,)) for index, node in enumerate(document.value))
        elif document is not None and document.tag != f"{_CORE}null":
            yield document, ()


class _Reading:
    """One offering on its way from nodes to a contract; what is wrong is collected."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        self._mistakes = mistakes
        self._nodes_left = _NODES_MAX

    def offering(self, node: yaml.Node, path: Path) -> Offering | None:
        before = len(self._mistakes)
        value = self._value(node, path)
        told = {(mistake.line, mistake.column) for mistake in self._mistakes[before:]}
        try:
            offering = Offering.model_validate_json(json.dumps(value))
        except ValidationError as error:
            for each in errors_of(error):
                found, place = _locate(node, each["loc"])
                mistake = _at(found, (*path, *place), *sentences(each))
                if (mistake.line, mistake.column) not in told:
                    self._mistakes.append(mistake)
            return None
        return offering if len(self._mistakes) == before else None

    def _value(self, node: yaml.Node, path: Path) -> Any:
        self._nodes_left -= 1
        if self._nodes_left < 0 or len(path) > _DEPTH_MAX:
            german = "Die Verweise (*) vervielfachen das Dokument zu sehr"
            raise _Unreadable(_at(node, path, german, "The aliases (*) multiply the document too much"))
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_CORE}map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_CORE}seq":
            return [self._value(each, (*path, index)) for index, each in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.tag == f"{_CORE}null":
            return None
        if isinstance(node, yaml.ScalarNode) and node.tag in _READ_AS_TEXT:
            return _scalar(node, path)
        german = f"Das Kennzeichen {node.tag[:60]} wird nicht gelesen"
        self._mistakes.append(_at(node, path, german, f"The tag {node.tag[:60]} is not read"))
        return None

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                german = "Ein Feldname muss ein einfaches Wort sein"
                self._mistakes.append(_at(key, path, german, "A field's name must be a plain word"))
            elif key.value in found:
                german = "Das Feld steht doppelt"
                self._mistakes.append(_at(key, (*path, key.value[:60]), german, "The field stands twice"))
            else:
                found[key.value] = self._value(value, (*path, key.value[:60]))
        return found


def _scalar(node: yaml.ScalarNode, path: Path) -> str | int | float | bool:
    text: str = node.value
    name = path[-1] if path else ""
    of_a_form = _FORM in path
    if node.tag == f"{_CORE}bool" and (of_a_form or name in _YES_OR_NO) and text in {"true", "false"}:
        return text == "true"
    if node.tag == f"{_CORE}int" and (of_a_form or name in _WHOLE_NUMBERS) and _WHOLE.fullmatch(text):
        return int(text)
    if node.tag == f"{_CORE}float" and of_a_form and _FRACTION.fullmatch(text):
        return float(text)
    return text


def _locate(node: yaml.Node, location: tuple[str | int, ...]) -> tuple[yaml.Node, Path]:
    """Follow a place of the contract as far as the document goes; the names of price kinds are no fields."""
    path: list[str | int] = []
    for position, part in enumerate(location):
        below = _child(node, part)
        if below is not None:
            node, path = below, [*path, part]
        elif position == len(location) - 1 and part != "[key]":
            path.append(part)
    return node, tuple(path)


def _child(node: yaml.Node, part: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
        return node.value[part] if part < len(node.value) else None
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == part), None)
    return None
