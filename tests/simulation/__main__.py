"""Repeats one run and shows its trace: `python -m simulation 17`, in the folder `tests`."""

import sys

from .market import simulate

report = simulate(int(sys.argv[1]))
sys.stdout.write("\n".join([*report.trace, str(report), ""]))
