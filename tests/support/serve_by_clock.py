"""Runs one service as `allmende serve` does, by a clock that a test sets: serve_by_clock.py SERVICE FILE."""

import datetime as dt
import sys
from pathlib import Path

import uvloop

from allmende.servicekit.clock import system_clock
from allmende.servicekit.service import run
from allmende.servicekit.settings import Settings
from allmende.servicekit.up import installed_services


def main(name: str, days_ahead: Path) -> int:
    """Serve. The file holds by how many days the clock is ahead, read anew each time."""
    [service] = [each for each in installed_services() if each.name == name]

    def clock() -> dt.datetime:
        return system_clock() + dt.timedelta(days=int(days_ahead.read_text("ascii")))

    return uvloop.run(run(service, Settings.from_environment(name), clock))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
