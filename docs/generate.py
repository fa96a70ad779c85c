#!/usr/bin/env python3
"""Writes the pages that are made from code: generate.py [--check]."""

import argparse
import sys
from pathlib import Path

from allmende.schemas import clause_reference
from allmende.services.brokerage import lifecycle

FOLDER = Path(__file__).resolve().parent

_INTRODUCTION = """\
# The life of a booking

Made from the table in [`services/brokerage/lifecycle.py`](../services/brokerage/lifecycle.py), from which the
brokerage decides and its property tests are drawn. A phase is the state of the order and, after the slash,
the state of the service that was ordered. `consumer` and `provider` act by commands, `clock` when a time
limit is over: every phase in which somebody must act has one, and whoever must act is told until when.

What silence leads to stands in the rows of `clock` with `lapse`. Capacity is reserved in every phase but
{without}.

"""


def pages() -> dict[str, str]:
    """The pages as they should stand, by file."""
    return {"booking-lifecycle.md": lifecycle_page(), "clause-reference.md": clause_reference.page()}


def lifecycle_page() -> str:
    """The table of a booking's life."""
    free = ", ".join(
        f"`{lifecycle.name_of(phase)}`" for phase in lifecycle.phases() if phase in lifecycle.WITHOUT_CAPACITY
    )
    return _INTRODUCTION.format(without=free) + lifecycle.as_markdown()


def main() -> int:
    """Write the pages, or say whether they are up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page is out of date")
    check = parser.parse_args().check
    old = []
    for name, text in pages().items():
        path = FOLDER / name
        if not check:
            path.write_text(text, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            old.append(name)
    if old:
        print(f"{', '.join(old)}: out of date; run make docs", file=sys.stderr)  # noqa: T201
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main())
