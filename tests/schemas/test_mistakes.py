"""Whatever a contract of tariffs and clauses refuses is told in German, too."""

import ast
from pathlib import Path

import pytest

from allmende.schemas import mistakes
from allmende.schemas.mistakes import sentences

ROOT = Path(__file__).parents[2]


def messages(path: Path) -> set[str]:
    """Every sentence that a model refuses with, a `7` for every part that depends on the document."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        raised = node.exc if isinstance(node, ast.Raise) else None
        named = node.value if isinstance(node, ast.Assign) and _is_message(node) else None
        if isinstance(raised, ast.Call) and ast.unparse(raised.func) in {"ValueError", "Misplaced"}:
            named = raised.args[0]
        if isinstance(named, ast.JoinedStr):
            found.add("".join(p.value if isinstance(p, ast.Constant) else "7" for p in named.values))  # type: ignore[misc]
        elif isinstance(named, ast.Constant):
            found.add(str(named.value))
    return found


def _is_message(node: ast.Assign) -> bool:
    return isinstance(node.targets[0], ast.Name) and node.targets[0].id == "message"


SAID = sorted(
    message.replace("component 7: 7 needs 7", "component 7: 7 needs a period").replace("of 7", "of the key")
    if "component 7: 7 needs" in message or "percentages" in message
    else message
    for name in ("tariff", "clause", "clause_case")
    for message in messages(ROOT / f"schemas/{name}.py")
)


def test_sentences_are_found() -> None:
    assert "versions must rise, each once" in SAID
    assert "version 7 must end before version 7 begins on 7" in SAID


@pytest.mark.parametrize("message", SAID)
def test_every_rule_is_told_in_german(message: str) -> None:
    german, english = sentences({"type": "value_error", "msg": f"Value error, {message}"})
    assert english == message
    assert german != english


def test_no_rule_stands_twice() -> None:
    patterns = [pattern for pattern, _ in mistakes._RULES]
    assert sorted(patterns) == sorted(set(patterns))


def test_an_unknown_rule_stays_english() -> None:
    assert sentences({"type": "value_error", "msg": "Value error, x"}) == ("x", "x")
