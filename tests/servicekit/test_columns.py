"""Columns arrive in the database as they were, and what would be taken for two values is refused."""

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmende.servicekit.columns import joined
from allmende.servicekit.embedded.postgres import EmbeddedPostgres

_TAKEN_APART = "select string_to_array($1, E'\\x1f', E'\\x1e')"


@pytest.mark.parametrize(
    "values",
    [
        ["a"],
        [None],
        [None, None],
        ["a", None, "b"],
        ['{"text":"Überlassung, \\u001f \\" \\\\ {NULL}"}', "NULL", " ", "{}", "\\x00"],
        ["x" * 1_000_000] * 3,
    ],
)
async def test_columns_arrive_as_they_were(postgres: EmbeddedPostgres, values: list[str | None]) -> None:
    connection = await asyncpg.connect(postgres.url())
    assert await connection.fetchval(_TAKEN_APART, joined(values)) == values
    await connection.close()


@pytest.mark.parametrize("value", ["", "\x1e", "\x1f", "a\x1fb", "a\x1e"])
def test_what_would_be_taken_for_another_value_is_refused(value: str) -> None:
    for values in ([value], ["a", value], [value, None]):
        with pytest.raises(ValueError, match="separator"):
            joined(values)


@given(st.lists(st.none() | st.text(st.sampled_from("a\x1e\x1f,"), max_size=3), min_size=1))
def test_a_column_can_always_be_taken_apart(values: list[str | None]) -> None:
    try:
        column = joined(values)
    except ValueError:
        assert any(value is not None and (not value or set(value) & {"\x1e", "\x1f"}) for value in values)
    else:
        assert [None if text == "\x1e" else text for text in column.split("\x1f")] == values
