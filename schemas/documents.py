"""Reading documents from YAML or JSON, strictly: numbers keep their text, every mistake names its place.

The only module that needs PyYAML, which comes with the extra `cli`.
"""

import json
import re
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, JsonValue, ValidationError

from .mistakes import Mistake, errors_of, path_of, sentences

CHARACTERS_MAX = 2_000_000
_DEPTH_MAX = 30
_NODES_MAX = 100_000
"""Values of a file, each alias counted with everything it repeats."""

_CORE = "tag:yaml.org,2002:"
_READ_AS_TEXT = frozenset(
    _CORE + name for name in ("str", "int", "float", "bool", "timestamp", "value", "merge")
)
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SURROGATES = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")

_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,14}")
_FRACTION = re.compile(r"-?(0|[1-9][0-9]{0,14})\.[0-9]{1,15}")

Path = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)


class Mistakes(Exception):  # noqa: N818 - said to people
    """A file that cannot be taken, with everything found wrong in it."""

    def __init__(self, file: str, mistakes: Iterable[Mistake]) -> None:
        self.file = file
        self.mistakes = tuple(sorted(mistakes, key=lambda each: (each.line, each.column)))
        super().__init__("\n".join(mistake.text(file, "en") for mistake in self.mistakes))


@dataclass(frozen=True)
class Document(Generic[M]):
    """One document of a file, and where it stands there."""

    value: M
    _node: yaml.Node
    _path: Path

    def mistake(self, place: Path, german: str, english: str) -> Mistake:
        """Say what is wrong at a place of the document, such as `("versions", 0, "keys", "use")`."""
        node, found = _locate(self._node, place)
        return _at(node, (*self._path, *found), german, english)


Check = Callable[[Document[M]], Iterable[Mistake]]


def read_documents(
    model: type[M], text: str, file: str, *, none: tuple[str, str], check: Check[M] | None = None
) -> list[Document[M]]:
    """Read one or several documents: a mapping, a list of mappings, or several YAML documents.

    Args:
        model: what each must be; its fields decide which numbers and truth values are more than text.
        text: YAML 1.1 or JSON.
        file: what the mistakes call it.
        none: what is said of a file without a document, in German and English.
        check: finds mistakes beyond the model's own rules.

    Raises:
        Mistakes: all that could be found at once.
    """
    mistakes: list[Mistake] = []
    documents: list[Document[M]] = []
    try:
        for node, path in _nodes(_composed(_prepared(text))):
            value = _Reading(model, mistakes).read(node, path)
            if value is not None:
                document = Document(value, node, path)
                mistakes += check(document) if check else ()
                documents.append(document)
    except _Unreadable as error:
        mistakes.append(error.mistake)
    if not mistakes and not documents:
        mistakes.append(Mistake(0, 0, "", *none))
    if mistakes:
        raise Mistakes(file, mistakes)
    return documents


class _Unreadable(Exception):  # noqa: N818 - never leaves this module
    def __init__(self, mistake: Mistake) -> None:
        self.mistake = mistake


def _at(node: yaml.Node, path: Path, german: str, english: str) -> Mistake:
    mark = node.start_mark
    return Mistake(mark.line + 1, mark.column + 1, path_of(path), german, english)


# -- from text to nodes ----------------------------------------------------------------------------


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


def _composed(text: str) -> Iterator[yaml.Node]:
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


def _nodes(documents: Iterator[yaml.Node]) -> Iterator[tuple[yaml.Node, Path]]:
    for document in documents:
        if isinstance(document, yaml.SequenceNode):
            yield from ((node, (index,)) for index, node in enumerate(document.value))
        elif document is not None and document.tag != f"{_CORE}null":
            yield document, ()


# -- from nodes to a contract ----------------------------------------------------------------------


class _Reading(Generic[M]):
    """One document on its way from nodes to a contract; what is wrong is collected."""

    def __init__(self, model: type[M], mistakes: list[Mistake]) -> None:
        self._model = model
        self._mistakes = mistakes
        self._nodes_left = _NODES_MAX

    def read(self, node: yaml.Node, path: Path) -> M | None:
        before = len(self._mistakes)
        value = self._value(node, path, [self._model])
        told = {(mistake.line, mistake.column) for mistake in self._mistakes[before:]}
        try:
            read = self._model.model_validate_json(json.dumps(value))
        except ValidationError as error:
            for each in errors_of(error):
                within = getattr(each.get("ctx", {}).get("error"), "place", ())
                found, place = _locate(node, (*each["loc"], *within))
                mistake = _at(found, (*path, *place), *sentences(each))
                if (mistake.line, mistake.column) not in told:
                    self._mistakes.append(mistake)
            return None
        return read if len(self._mistakes) == before else None

    def _value(self, node: yaml.Node, path: Path, kinds: list[Any]) -> Any:
        self._nodes_left -= 1
        if self._nodes_left < 0 or len(path) > _DEPTH_MAX:
            german = "Die Verweise (*) vervielfachen das Dokument zu sehr"
            raise _Unreadable(_at(node, path, german, "The aliases (*) multiply the document too much"))
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_CORE}map":
            return self._mapping(node, path, kinds)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_CORE}seq":
            below = _below(kinds, None)
            return [self._value(each, (*path, index), below) for index, each in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.tag == f"{_CORE}null":
            return None
        if isinstance(node, yaml.ScalarNode) and node.tag in _READ_AS_TEXT:
            return _scalar(node, kinds)
        german = f"Das Kennzeichen {node.tag[:60]} wird nicht gelesen"
        self._mistakes.append(_at(node, path, german, f"The tag {node.tag[:60]} is not read"))
        return None

    def _mapping(self, node: yaml.MappingNode, path: Path, kinds: list[Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                german = "Ein Feldname muss ein einfaches Wort sein"
                self._mistakes.append(_at(key, path, german, "A field's name must be a plain word"))
            elif key.value in found:
                german = "Das Feld steht doppelt"
                self._mistakes.append(_at(key, (*path, key.value[:60]), german, "The field stands twice"))
            else:
                below = _below(kinds, key.value)
                found[key.value] = self._value(value, (*path, key.value[:60]), below)
        return found


def _alternatives(kind: Any) -> Iterator[Any]:
    """The types that a field may have, out of their wrappings."""
    origin = get_origin(kind)
    if origin is Annotated:
        yield from _alternatives(get_args(kind)[0])
    elif origin in {Union, types.UnionType}:
        for each in get_args(kind):
            yield from _alternatives(each)
    else:
        yield kind


def _below(kinds: list[Any], name: str | None) -> list[Any]:
    """The types of what stands below: of a field or under a name, or (without a name) in a list."""
    found: list[Any] = []
    for kind in kinds:
        inner = get_args(kind)
        if kind is JsonValue:
            found.append(kind)
        elif name is None and get_origin(kind) in {tuple, list}:
            found += _alternatives(inner[0])
        elif name is not None and get_origin(kind) is dict:
            found += _alternatives(inner[1])
        elif name is not None and isinstance(kind, type) and issubclass(kind, BaseModel):
            field = kind.model_fields.get(name)
            found += _alternatives(field.annotation) if field else ()
    return found


def _scalar(node: yaml.ScalarNode, kinds: list[Any]) -> str | int | float | bool:
    text: str = node.value
    free = JsonValue in kinds
    if node.tag == f"{_CORE}bool" and text in {"true", "false"} and (free or _takes(kinds, bool)):
        return text == "true"
    if node.tag == f"{_CORE}int" and _WHOLE.fullmatch(text) and (free or _takes(kinds, int)):
        return int(text)
    if node.tag == f"{_CORE}float" and free and _FRACTION.fullmatch(text):
        return float(text)
    return text


def _takes(kinds: list[Any], wanted: type) -> bool:
    literals = [each for kind in kinds if get_origin(kind) is Literal for each in get_args(kind)]
    return wanted in kinds or any(type(literal) is wanted for literal in literals)


# -- places ----------------------------------------------------------------------------------------


def _locate(node: yaml.Node, location: tuple[str | int, ...]) -> tuple[yaml.Node, Path]:
    """Follow a place of the contract as far as the document goes; the names of kinds are no fields."""
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
