"""Rule files are pure: they read no clock, no file, no network, and import nothing that does."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHELL = {
    "__init__",
    "app",
    "handlers",
    "store",
    "books",
    "index",
    "shelf",
    "queries",
    "meters",
    "lineage",
    "recording",
    "measuring",
    "closing",
    "journal",
    "pools",
    "pooling",
    "showing",
}
IMPURE = {"asyncio", "io", "os", "pathlib", "random", "socket", "subprocess", "tempfile", "threading", "time"}
CALLS = {"now", "utcnow", "today", "uuid1", "uuid4", "open", "print", "input", "eval", "exec", "__import__"}
PACKAGES = ("allmende.schemas", "allmende.tariffs")
ALLOWED = {
    # A checker of JSON Schemas without input or output: it is compiled for `offline`, and the contract
    # refuses references, so that there is nothing to fetch.
    "tariffs/order_form": {"jsonschema_rs"},
}

RULES = sorted(
    path
    for folder in [ROOT / "tariffs", *(path.parent for path in ROOT.glob("services/*/app.py"))]
    for path in folder.glob("*.py")
    if path.stem not in SHELL
)


def impurities(source: str, siblings: set[str]) -> list[str]:
    """What a rule file imports or calls that it must not."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import():
                names = [alias.name for alias in node.names]
            case ast.ImportFrom(module=None, level=1) | ast.ImportFrom(level=1):
                names = [f".{node.module}"] if node.module else [f".{alias.name}" for alias in node.names]
            case ast.ImportFrom():
                names = ["." * node.level + (node.module or "")]
            case ast.Call(func=ast.Attribute(attr=called) | ast.Name(id=called)):
                found += [f"{called}()"] if called in CALLS else []
                continue
            case _:
                continue
        found += [name for name in names if not _may_be_imported(name, siblings)]
    return found


def _may_be_imported(name: str, siblings: set[str]) -> bool:
    if name.startswith("."):
        return name[1:] in siblings
    top = name.split(".", maxsplit=1)[0]
    return (top in sys.stdlib_module_names and top not in IMPURE) or any(
        f"{name}.".startswith(f"{package}.") for package in PACKAGES
    )


@pytest.mark.parametrize("path", RULES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_rule_file_is_pure(path: Path) -> None:
    siblings = {rule.stem for rule in RULES if rule.parent == path.parent}
    allowed = ALLOWED.get(f"{path.parent.name}/{path.stem}", set())
    assert set(impurities(path.read_text(encoding="utf-8"), siblings)) <= allowed


def test_rule_files_are_found() -> None:
    found = {f"{path.parent.name}/{path.stem}" for path in RULES}
    assert {"tariffs/rating", "catalog/offering", "brokerage/booking", "billing/ledger"} <= found


@pytest.mark.parametrize(
    ("planted", "impurity"),
    [
        ("import asyncio", "asyncio"),
        ("import os.path as decimal", "os.path"),
        ("from time import monotonic", "time"),
        ("from sqlalchemy import text", "sqlalchemy"),
        ("def rule():\n    import nats", "nats"),
        ("from . import store", ".store"),
        ("from .handlers import BillingHandler", ".handlers"),
        ("from ..catalog import offering", "..catalog"),
        ("from allmende.servicekit import clock", "allmende.servicekit"),
        ("import datetime as dt\nnow = dt.datetime.now(dt.UTC)", "now()"),
        ("from uuid import uuid4\nid_ = uuid4()", "uuid4()"),
        ("data = open('/etc/passwd')", "open()"),
    ],
)
def test_a_planted_impurity_is_found(planted: str, impurity: str) -> None:
    pure = (
        "from decimal import Decimal\nfrom allmende.schemas.money import euro\nfrom .usage import Counted\n"
    )
    assert impurities(pure, {"usage"}) == []
    assert impurities(pure + planted, {"usage"}) == [impurity]
