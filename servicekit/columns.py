r"""Columns of a batch, each sent as one text that the server takes apart.

The driver looks twice at every element of an array, whether it is an array itself; with eight columns that
costs more processor time than everything else about writing a row. SQL reads a column so:
`string_to_array(:names, E'\x1f', E'\x1e')`, with a cast behind it where the elements are no texts.
"""

from collections.abc import Iterable
from typing import cast

_BETWEEN = "\x1f"
_NULL = "\x1e"


def joined(values: Iterable[str | None]) -> str:
    """Write a column. JSON, names and numbers hold none of the two separators, nor are they ever empty.

    Raises:
        ValueError: one of the texts does, or is.
    """
    given = values if isinstance(values, list) else list(values)
    nulls = given.count(None)
    texts = [_NULL if value is None else value for value in given] if nulls else cast("list[str]", given)
    column = _BETWEEN.join(texts)
    plain = column.count(_BETWEEN) == len(given) - 1 and column.count(_NULL) == nulls
    if not plain or "" in given:
        raise ValueError("a text of a column holds a separator of columns, or nothing")
    return column
