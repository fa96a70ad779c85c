"""Rule files are pure: they read no clock, no file, no network, and import nothing that does."""

import ast
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHELL = {"__init__", "app", "handlers", "store", "queries", "index", "lineage", "shelf"}
SHELL |= {"collecting", "runs", "stories", "reversals", "making", "rendering"}
IMPURE = {"asyncio", "io", "os", "pathlib", "random", "socket", "subprocess", "tempfile", "threading", "time"}
CALLS = {"now", "utcnow", "today", "uuid1", "uuid4", "open", "print", "input", "eval", "exec", "__import__"}
PACKAGES = ("allmende.schemas", "allmende.tariffs")
ALLOWED = {
    # A checker of JSON Schemas without input or output: it is compiled for `offline`, and the contract
    # refuses references, so that there is nothing to fetch.
    "tariffs/order_form": {"jsonschema_rs"},
}

FOLDERS = [ROOT / "tariffs", *(path.parent for path in ROOT.glob("services/*/app.py"))]


def rules_of(folder: Path) -> dict[str, Path]:
    """The rule files of a service and of its rooms, by the name they are imported by: `rating.charge`."""
    rooms = [folder, *(path.parent for path in folder.glob("*/__init__.py") if folder.parent != ROOT)]
    return {
        ".".join(path.relative_to(folder).with_suffix("").parts): path
        for room in rooms
        for path in sorted(room.glob("*.py"))
        if path.stem not in SHELL
    }


RULES = {f"{folder.name}/{name}": path for folder in FOLDERS for name, path in rules_of(folder).items()}


def impurities(source: str, rules: Collection[str], room: str = "") -> list[str]:
    """What a rule file of a service, or of a room of it, imports or calls that it must not."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import():
                found += [alias.name for alias in node.names if not _may_be_imported(alias.name)]
            case ast.ImportFrom(level=0):
                found += [node.module] if node.module and not _may_be_imported(node.module) else []
            case ast.ImportFrom():
                found += _foreign(node, rules, room)
            case ast.Call(func=ast.Attribute(attr=called) | ast.Name(id=called)):
                found += [f"{called}()"] if called in CALLS else []
    return found


def _foreign(node: ast.ImportFrom, rules: Collection[str], room: str) -> list[str]:
    """What a relative import takes that is no rule of the service."""
    folders = [part for part in room.split(".") if part]
    if node.level > len(folders) + 1:
        return ["." * node.level + (node.module or "")]
    named = [*folders[: len(folders) + 1 - node.level], *(node.module or "").split(".")]
    module = ".".join(part for part in named if part)
    if module in rules:
        return []
    start = "." * node.level + (f"{node.module}." if node.module else "")
    return [
        f"{start}{alias.name}" for alias in node.names if f"{module}.{alias.name}".lstrip(".") not in rules
    ]


def _may_be_imported(name: str) -> bool:
    top = name.split(".", maxsplit=1)[0]
    return (top in sys.stdlib_module_names and top not in IMPURE) or any(
        f"{name}.".startswith(f"{package}.") for package in PACKAGES
    )


@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_rule_file_is_pure(rule: str) -> None:
    folder, _, name = rule.partition("/")
    siblings = {other.partition("/")[2] for other in RULES if other.startswith(f"{folder}/")}
    found = impurities(RULES[rule].read_text(encoding="utf-8"), siblings, name.rpartition(".")[0])
    assert set(found) <= ALLOWED.get(rule, set())


def test_rule_files_are_found() -> None:
    found = {"tariffs/rating", "catalog/offering", "brokerage/booking", "billing/booking"}
    assert found <= RULES.keys()
    assert not {rule for rule in RULES if "migrations" in rule}


@pytest.mark.parametrize(
    ("service", "known"),
    [
        ("brokerage", {"capacity", "life", "maintenance", "parking"}),
        ("billing", {"usage", "rating", "pools", "ledger", "settlement"}),
    ],
)
def test_every_room_has_rules(service: str, known: set[str]) -> None:
    rooms = {path.parent.name for path in ROOT.glob(f"services/{service}/*/__init__.py")}
    assert rooms >= known
    assert {rule.split("/")[1].split(".")[0] for rule in RULES if rule.startswith(f"{service}/")} >= rooms


PLANTED = [
    ("import asyncio", "asyncio"),
    ("import os.path as decimal", "os.path"),
    ("from time import monotonic", "time"),
    ("from sqlalchemy import text", "sqlalchemy"),
    ("def rule():\n    import nats", "nats"),
    ("from . import store", ".store"),
    ("from .handlers import BillingHandler", ".handlers.BillingHandler"),
    ("from allmende.servicekit import clock", "allmende.servicekit"),
    ("import datetime as dt\nnow = dt.datetime.now(dt.UTC)", "now()"),
    ("from uuid import uuid4\nid_ = uuid4()", "uuid4()"),
    ("data = open('/etc/passwd')", "open()"),
]
KNOWN = {"period", "rating.charge", "usage.admission"}


@pytest.mark.parametrize(
    ("planted", "impurity"),
    [
        *PLANTED,
        ("from ..catalog import offering", "..catalog"),
        ("from .usage import store", ".usage.store"),
        ("from .usage.store import take", ".usage.store.take"),
    ],
)
def test_a_planted_impurity_is_found(planted: str, impurity: str) -> None:
    pure = (
        "from decimal import Decimal\nfrom allmende.schemas.money import euro\n"
        "from .period import period_of\nfrom .rating import charge\nfrom .usage.admission import decide\n"
    )
    assert impurities(pure, KNOWN) == []
    assert impurities(pure + planted, KNOWN) == [impurity]


@pytest.mark.parametrize(
    ("planted", "impurity"),
    [
        *PLANTED,
        ("from .. import store", "..store"),
        ("from ..store import load_bookings", "..store.load_bookings"),
        ("from ..usage import store", "..usage.store"),
        ("from ..usage.store import take", "..usage.store.take"),
        ("from ..usage import admission, lineage", "..usage.lineage"),
        ("from ...catalog import offering", "...catalog"),
        # A room sees its own files by one dot only: the period is the service's.
        ("from .period import period_of", ".period.period_of"),
    ],
)
def test_a_planted_impurity_is_found_in_a_room(planted: str, impurity: str) -> None:
    pure = (
        "from .charge import of_usage\nfrom . import charge\nfrom .. import period\n"
        "from ..period import period_of\nfrom ..usage import admission\n"
        "from ..usage.admission import decide\n"
    )
    assert impurities(pure, KNOWN, "rating") == []
    assert impurities(pure + planted, KNOWN, "rating") == [impurity]
