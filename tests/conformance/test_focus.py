"""Exported FOCUS files, judged by the official validator. Its exit code says nothing: totals are read."""

import re
import subprocess
from pathlib import Path

import pytest
from support.focus_export import rows

from allmende.documents import focus, tables

ENVIRONMENT = Path(__file__).parents[2] / ".focus_cache"
ALLOWED = {"InvoiceId-C-004-C"}
"""The validator's model wants every InvoiceId to be null, against the specification."""
SUPPORTED = "ACCOUNT_NAMING_SUPPORTED,USAGE_MEASUREMENT_SUPPORTED"


def judged(file: Path, found: list[focus.Row]) -> tuple[int, set[str]]:
    """How many rules passed, and which failed."""
    file.write_bytes(tables.records_csv(focus.COLUMNS, found))
    package = next(ENVIRONMENT.glob("lib/python*/site-packages"))
    done = subprocess.run(
        [
            ENVIRONMENT / "bin" / "focus-validator",
            "--data-file",
            file,
            "--validate-version=1.2",
            "--block-download",
            "--focus-dataset=CostAndUsage",
            f"--applicability-criteria={SUPPORTED}",
        ],
        cwd=package,  # it reads its list of currencies from there
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    total = re.search(r"Total: \d+ \| Pass: (\d+) \| Fail: (\d+)", said)
    assert total, said
    failed = set(re.findall(r"(\S+): FAIL ", said))
    assert len(failed) == int(total[2])
    return int(total[1]), failed


@pytest.mark.timeout(300)
def test_the_official_validator_finds_nothing_but_its_own_mistake(tmp_path: Path) -> None:
    passed, failed = judged(tmp_path / "focus.csv", rows())
    assert failed == ALLOWED
    assert passed > 100


@pytest.mark.timeout(300)
def test_the_official_validator_finds_what_is_broken(tmp_path: Path) -> None:
    broken = [{**row, "ChargeCategory": "Fee"} for row in rows()]
    _, failed = judged(tmp_path / "focus.csv", broken)
    assert "ChargeCategory-C-003-M" in failed
