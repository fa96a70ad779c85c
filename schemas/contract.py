"""The base of every model that crosses a boundary, and the one way from bytes to such a model."""

import functools
import json
import unicodedata
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

MESSAGE_BYTES_MAX = 512 * 1024
"""The largest command the market reads. The server's own limit for a message is 1 MiB."""
EVENT_BYTES_MAX = 960 * 1024
"""The largest event or answer; what quotes a command is larger than it."""


_ONE_OBJECT_BYTES_MAX = 32 * 1024
"""What is larger holds a list whose items have the same keys, so that looking at them all at once is idle."""


class Contract(BaseModel):
    """Strict, frozen, closed: unknown fields are refused unless a reader of events says otherwise."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, hide_input_in_errors=True
    )


M = TypeVar("M", bound=BaseModel)


class Misplaced(ValueError):  # noqa: N818 - said to people
    """What is wrong with a model, at a place within it.

    Attributes:
        place: below the model, such as `("versions", 1, "valid_from")`.
    """

    def __init__(self, message: str, *place: str | int) -> None:
        super().__init__(message)
        self.place = place


def unchecked(model: type[M], values: dict[str, Any]) -> M:
    """Make a contract of values that were checked before; fields that are left out have their defaults.

    Pydantic's `model_construct` does the same and asks every field for its default and its aliases, which
    costs ten times as much where a settlement makes many thousand lines.
    """
    made = model.__new__(model)
    object.__setattr__(made, "__dict__", {**_defaults(model), **values})
    object.__setattr__(made, "__pydantic_fields_set__", set(values))
    object.__setattr__(made, "__pydantic_extra__", None)
    object.__setattr__(made, "__pydantic_private__", None)
    return made


@functools.cache
def _defaults(model: type[BaseModel]) -> dict[str, Any]:
    """All fields in their order, in which they are written."""
    fields = model.model_fields.items()
    return {name: None if field.is_required() else field.get_default() for name, field in fields}


def _printable(text: str, length_max: int) -> str:
    # Keys and tags of the body stand in the validator's reasons, in whatever length and characters.
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:length_max])


class Unreadable(ValueError):  # noqa: N818 - it is said to people, not only raised
    """A body that is not the message it should be. What it says is printable and bounded.

    Attributes:
        code: machine-readable, one of the codes of `rejections`.
        detail: what is wrong, for people.
        field: the place in the body, such as `data.quantities.vcpu`, or an empty string.
    """

    def __init__(self, code: str, detail: str, field: str = "") -> None:
        self.code = code
        self.detail = _printable(detail, 500)
        self.field = _printable(field, 300)
        super().__init__(f"{self.field}: {self.detail}" if field else self.detail)


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Unreadable("duplicate_key", f"the key {twice[:60]!r} stands twice in one object")
    return found


def _each_key_once_composed(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Two spellings of `Thüringen` become one key when the model brings them into NFC.
    return _each_key_once([(unicodedata.normalize("NFC", name), value) for name, value in pairs])


def _keys_differ_plainly(body: bytes) -> bool:
    """Whether no two keys of a whole JSON text are alike, as far as that shows without parsing it again.

    Without a backslash every quotation mark begins or ends a text, and only behind a key stands a colon.
    """
    if b"\\" in body:
        return False
    parts = body.decode().split('"')
    keys = [text for text, behind in zip(parts[1::2], parts[2::2], strict=True) if ":" in behind]
    return len(set(keys)) == len(keys) and "".join(keys).isascii()


def read(model: type[M], body: bytes, *, tolerant: bool = False) -> M:
    """Read one JSON body.

    Args:
        model: what the body must be.
        body: UTF-8 JSON without a byte order mark.
        tolerant: unknown fields are passed over (events), not refused (commands).

    Raises:
        Unreadable: with the place and the reason.
    """
    bytes_max = EVENT_BYTES_MAX if tolerant else MESSAGE_BYTES_MAX
    if len(body) > bytes_max:
        raise Unreadable("too_large", f"{len(body)} bytes are more than {bytes_max}")
    try:
        value = model.model_validate_json(body, extra="ignore" if tolerant else None)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        code = "malformed_json" if first["type"] == "json_invalid" else "invalid_field"
        raise Unreadable(code, first["msg"], place) from None
    # The fast reader keeps the last of two equal keys; readers in other languages keep the first.
    # It has bounded the depth already, so the second reader cannot be overrun.
    if len(body) > _ONE_OBJECT_BYTES_MAX or not _keys_differ_plainly(body):
        plain = body.isascii() and b"\\u" not in body
        json.loads(body, object_pairs_hook=_each_key_once if plain else _each_key_once_composed)
    return value
