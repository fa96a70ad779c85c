"""The real usage of eleven days in November 2005: who computed where, and who pays whom for it."""

import csv
import dataclasses
import datetime as dt
from collections.abc import Iterable
from pathlib import Path

from .assumptions import DATA, Assumptions


@dataclasses.dataclass(frozen=True)
class Row:
    """What one user of one group used on one host by jobs of one day."""

    host: str
    day: dt.date
    group: str
    user: str
    seconds: int

    @property
    def record_id(self) -> str:
        """The same name for the same row for ever."""
        return f"lcg-2005-1/{self.host}/{self.day}/group-{self.group}/user-{self.user}"


@dataclasses.dataclass(frozen=True)
class Use:
    """A row between two bodies."""

    row: Row
    provider: str
    consumer: str


@dataclasses.dataclass(frozen=True)
class Divided:
    """The trace, divided into what is traded and what stays in the house.

    Attributes:
        own: use of a body's own hosts by its own groups, which no market sees.
    """

    market: tuple[Use, ...]
    own: tuple[Use, ...]


def read_trace(path: Path = DATA / "lcg_de_usage_daily.csv") -> tuple[Row, ...]:
    """Read the trace in the order of its days."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [
            Row(
                host=line["provider_site"],
                day=dt.date.fromisoformat(line["day_utc_of_submission"]),
                group=line["consumer_group"],
                user=line["user"],
                seconds=int(line["walltime_seconds"]),
            )
            for line in csv.DictReader(file)
        ]
    return tuple(sorted(rows, key=lambda row: (row.day, row.host, int(row.group), int(row.user))))


def divide(rows: Iterable[Row], table: Assumptions) -> Divided:
    """Put bodies in the place of hosts and groups."""
    uses = [Use(row, table.body_of_host[row.host], table.home_of_group[row.group]) for row in rows]
    return Divided(
        market=tuple(use for use in uses if use.provider != use.consumer),
        own=tuple(use for use in uses if use.provider == use.consumer),
    )
