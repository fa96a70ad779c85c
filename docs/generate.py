#!/usr/bin/env python3
"""Writes the pages that are made from code: generate.py [--check]."""

import argparse
import sys
from pathlib import Path

from allmende.services.brokerage import lifecycle

PAGE = Path(__file__).resolve().parent / "booking-lifecycle.md"

_INTRODUCTION = """\
# The life of a booking

Made from the table in [`services/brokerage/lifecycle.py`](../services/brokerage/lifecycle.py), from which the
brokerage decides and its property tests are drawn. A phase is the state of the order and, after the slash,
the state of the service that was ordered. `consumer` and `provider` act by commands, `clock` when a time
limit is over: every phase in which somebody must act has one, and whoever must act is told until when.

What silence leads to stands in the rows of `clock` with `lapse`. Capacity is reserved in every phase but
{without}.

"""


def page() -> str:
    """The page as it should stand."""
    free = ", ".join(
        f"`{lifecycle.name_of(phase)}`" for phase in lifecycle.phases() if phase in lifecycle.WITHOUT_CAPACITY
    )
    return _INTRODUCTION.format(without=free) + lifecycle.as_markdown()


def main() -> int:
    """Write the pages, or say whether they are up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page is out of date")
    if not parser.parse_args().check:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page():
        return 0
    print(f"{PAGE.name} is out of date; run make docs", file=sys.stderr)  # noqa: T201
    return 1


if __name__ == "__main__":
    sys.exit(main())
