"""Where payers book lines, and which lines exceed what they planned."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.bodies import embodied
from support.builders import register
from support.invoices import line

from allmende.schemas.bodies import BudgetItem
from allmende.services.billing.invoicing.budget import booked, overruns

COMPUTE = BudgetItem(product="11.1.06", account="5271", cost_centre="IT", offerings=("lrz/vm",))
LIMITED = BudgetItem(account="5291", limit_cents=250)


@pytest.mark.parametrize(
    ("narrow", "fits", "fits_not"),
    [
        ({"offerings": ("lrz/vm",)}, {"offering_id": "lrz/vm"}, {"offering_id": "lrz/gpu"}),
        ({"providers": ("lrz",)}, {"payee": "lrz"}, {"payee": "kit"}),
        ({"kinds": ("levy",)}, {"kind": "levy"}, {"kind": "charge"}),
    ],
)
def test_the_first_item_that_fits_names_a_line(
    narrow: dict[str, Any], fits: dict[str, Any], fits_not: dict[str, Any]
) -> None:
    special = BudgetItem(product="11.1.06", account="5271", cost_centre="IT").model_copy(update=narrow)
    items = {"budget_items": (special, LIMITED)}
    bodies = embodied(register("desy", "lrz", "kit"), desy=items)
    found = booked([line(1, **fits), line(2, **fits_not), line(3, payer="kit")], bodies)
    assert [each.budget_item for each in found] == ["11.1.06 / 5271 / IT", "5291", None]
    assert booked(found, bodies) == found
    assert booked(found, register("desy", "lrz")) == [
        each.model_copy(update={"budget_item": None}) for each in found
    ]


def test_what_takes_back_or_credits_stays_where_the_line_was_booked() -> None:
    bodies = embodied(register("desy", "lrz"), desy={"budget_items": (LIMITED,)})
    causes = ("reversal", "credit", "regular")
    found = booked([line(n, -1, cause=cause, budget_item="5271") for n, cause in enumerate(causes)], bodies)
    assert [each.budget_item for each in found] == ["5271", "5271", "5291"]
    new = booked([line(1, -1, cause="credit")], bodies)
    assert [each.budget_item for each in new] == ["5291"], "a credit for a breach brings none along"


def test_a_line_that_exceeds_its_item_is_found() -> None:
    bodies = embodied(register("desy", "lrz", "kit"), desy={"budget_items": (COMPUTE, LIMITED)})
    lines = [
        line(1, 100),
        line(2, 900, offering_id="lrz/vm"),
        line(3, 150),
        line(4, 1),
        line(5, -50),
        line(6, 9),
    ]
    assert overruns(lines, {}, bodies) == [(3, 250, 251)]
    assert overruns(lines, {("desy", "5291"): 100}, bodies) == [(2, 250, 350), (3, 250, 351), (5, 250, 310)]
    assert overruns(lines, {("desy", "5291"): -9}, bodies) == []
    assert overruns(lines, {}, register("desy")) == []


@given(st.lists(st.integers(-100, 100), max_size=20), st.integers(-200, 200))
def test_nothing_exceeds_as_long_as_no_sum_does(cents: list[int], before: int) -> None:
    bodies = embodied(register("desy", "lrz", "kit"), desy={"budget_items": (LIMITED,)})
    lines = [line(number, each) for number, each in enumerate(cents, 1)]
    sums = [before + sum(cents[: place + 1]) for place in range(len(cents))]
    found = overruns(lines, {("desy", "5291"): before}, bodies)
    assert [(place, total) for place, _, total in found] == [
        (place, total) for place, total in enumerate(sums) if total > 250 and cents[place] > 0
    ]
