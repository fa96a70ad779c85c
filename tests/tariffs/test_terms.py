"""Which version of a tariff holds, which price within it, and whom it does not serve."""

import datetime as dt
from decimal import Decimal

import pytest
from support.builders import component, plan, tariff

from allmende.schemas.tariff import Component, Free, NotOffered, PerUnit
from allmende.tariffs.terms import price_of, refuse_class, tariff_on


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


DATED = plan(
    tariff(valid_from=day("2020-08-10"), valid_to=day("2021-10-07")),
    tariff(version=2, valid_from=day("2021-10-08"), valid_to=day("2022-12-31")),
    tariff(version=7, valid_from=day("2024-01-01")),
)

MATRIX = component(
    id="mailboxes",
    title="Postfächer",
    price_by_class={
        "1": Free(reason="Grundversorgung"),
        "2": PerUnit(amount=Decimal(12)),
        "5": NotOffered(reason="nicht verfügbar"),
    },
)


@pytest.mark.parametrize(
    ("on", "version"),
    [
        ("2020-08-09", None),
        ("2020-08-10", 1),
        ("2021-10-07", 1),
        ("2021-10-08", 2),
        ("2022-12-31", 2),
        ("2023-06-30", None),
        ("2024-01-01", 7),
        ("2199-12-31", 7),
    ],
)
def test_first_and_last_day_of_validity_count(on: str, version: int | None) -> None:
    found = tariff_on(DATED, day(on))
    assert (found.version if found else None) == version


@pytest.mark.parametrize(
    ("given", "consumer_class", "kind"),
    [
        (MATRIX, "1", "free"),
        (MATRIX, "2", "per_unit"),
        (MATRIX, "5", "not_offered"),
        (MATRIX, "6", None),
        (MATRIX, None, None),
        (component(), None, "per_unit"),
        (component(), "6", "per_unit"),
    ],
)
def test_the_price_is_the_cell_of_the_class(
    given: Component, consumer_class: str | None, kind: str | None
) -> None:
    price = price_of(given, consumer_class)
    assert (price.kind if price else None) == kind


@pytest.mark.parametrize(
    ("consumer_class", "code", "parameters"),
    [
        ("1", None, {}),
        ("2", None, {}),
        (None, "class_unknown", {"scheme": "lrz"}),
        (
            "5",
            "not_offered_to_class",
            {"component": "Postfächer", "consumer_class": "5", "reason": "nicht verfügbar"},
        ),
        ("6", "not_offered_to_class", {"component": "Postfächer", "consumer_class": "6", "reason": "-"}),
    ],
)
def test_a_class_that_is_unknown_or_not_served_is_refused(
    consumer_class: str | None, code: str | None, parameters: dict[str, str]
) -> None:
    refused = refuse_class(tariff(component(), MATRIX, class_scheme="lrz"), consumer_class)
    assert (refused.code if refused else None) == code
    if refused is not None:
        assert refused.parameters == parameters
        assert all(refused.sentences)


def test_a_tariff_without_classes_serves_everybody() -> None:
    assert refuse_class(tariff(), None) is None


def test_what_is_offered_to_nobody_is_refused_without_classes_too() -> None:
    closed = tariff(component(NotOffered(reason="eingestellt")))
    refused = refuse_class(closed, None)
    assert refused is not None
    assert refused.parameters["reason"] == "eingestellt"
