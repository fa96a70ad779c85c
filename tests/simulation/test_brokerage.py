"""The brokerage keeps its promises whatever happens, and what happens can be repeated."""

import os
import subprocess
import sys

import pytest
from simulation.market import Setting, simulate

SEEDS = int(os.environ.get("ALLMENDE_SIMULATION_SEEDS", "8"))


@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
def test_the_brokerage_keeps_its_promises(seed: int) -> None:
    report = simulate(seed)
    assert not report.broken, f"{report}\nagain: python -m simulation {seed}"
    assert min(report.counts[name] for name in ("bookings", "deaths", "outages", "redelivered")) > 0, report


SHORT = Setting(steps=25)


def test_a_seed_has_one_trace() -> None:
    first = simulate(1, SHORT).trace
    assert first == simulate(1, SHORT).trace
    assert first != simulate(2, SHORT).trace


def test_a_seed_has_one_trace_in_every_process() -> None:
    """Sets and dictionaries of texts have another order in each; nothing may depend on it."""
    code = "from simulation.market import *; print(*simulate(3, Setting(steps=25)).trace, sep='\\n')"
    traces = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            env={**os.environ, "PYTHONHASHSEED": salt, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for salt in ("1", "2")
    ]
    assert traces[0] == traces[1]
    assert len(traces[0].splitlines()) > 50
