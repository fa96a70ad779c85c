"""What two documents differ in."""

import pytest
from support.builders import component, offering, plan, quantity, tariff

from allmende.schemas.catalog import Certificate, Differing, Offering
from allmende.services.catalog.difference import difference, fitting

BASE = offering(plan(), plan(plan_id="gross"))


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (BASE, []),
        (offering(plan(plan_id="gross"), plan()), []),  # another order of plans is no difference
        (BASE.model_copy(update={"title": "Neu"}), [("title", "Maschine", "Neu")]),
        (
            offering(plan(tariff(component("2.50"))), plan(plan_id="gross")),
            [("plans[standard].tariffs[1].components[hours].price.amount", "1.00", "2.50")],
        ),
        (
            offering(plan(order=(quantity("cores", 0, 6),)), plan(plan_id="gross")),
            [("plans[standard].order[cores].maximum", None, "6")],
        ),
        (
            BASE.model_copy(update={"certificates": (Certificate(name="BSI C5"),)}),
            [("certificates[BSI C5]", None, {"name": "BSI C5"})],
        ),
        (BASE.model_copy(update={"keywords": ("linux",)}), [("keywords", [], ["linux"])]),
    ],
)
def test_the_places_and_their_values(after: Offering, expected: list[tuple[str, object, object]]) -> None:
    assert [(each.path, each.before, each.after) for each in difference(BASE, after)] == expected
    backwards = [(each.path, each.after, each.before) for each in difference(after, BASE)]
    assert sorted(backwards, key=str) == sorted(expected, key=str)


def test_a_plan_that_comes_or_goes_is_one_difference() -> None:
    [found] = difference(offering(plan()), BASE)
    assert found.path == "plans[gross]"
    assert found.before is None
    assert isinstance(found.after, dict)


def test_names_that_stand_twice_are_not_mixed_up() -> None:
    twice = (Certificate(name="BSI C5", scope="Nord"), Certificate(name="BSI C5", scope="Süd"))
    [found] = difference(
        offering(certificates=twice), offering(certificates=(twice[0], Certificate(name="BSI C5")))
    )
    assert found.path == "certificates"


def test_numbers_and_truth_are_told_apart() -> None:
    one, yes = offering(plan(order_form={"const": 1})), offering(plan(order_form={"const": True}))
    assert [each.path for each in difference(one, yes)] == ["plans[standard].order_form.const"]


def test_what_does_not_fit_into_one_answer_is_left_out_at_the_end() -> None:
    found = [Differing(path=f"p{number}", after="x" * 100) for number in range(10)]
    assert fitting(found, 10_000) == tuple(found)
    assert fitting(found, 500) == tuple(found[: len(fitting(found, 500))])
    assert 0 < len(fitting(found, 500)) < 10
