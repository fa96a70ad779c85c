"""The simulation is worth what it catches: each of these bugs breaks a promise within a few seeds."""

import pytest
from simulation.market import simulate
from simulation.planted import BUGS, Bug

SEEDS = range(1, 17)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_caught(bug: Bug) -> None:
    with bug.replaced():
        for seed in SEEDS:
            caught = simulate(seed, bug.setting).promises & bug.breaks
            if caught:
                return
    pytest.fail(f"{bug.name} breaks none of {sorted(bug.breaks)} within {len(SEEDS)} seeds")


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug.setting.without], ids=lambda bug: bug.name)
def test_with_its_guards_the_same_dawdling_breaks_nothing(bug: Bug) -> None:
    with bug.replaced():
        assert not simulate(1).broken
