"""A thousand real cloud charges through the language: unrounded, to the published precision."""

import dataclasses
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from support.focus import REASONS, Compared, agrees, charges, compare, places_of, table

PAGE = Path(__file__).parents[2] / "docs" / "focus.md"
COMPARED = [compare(charge) for charge in charges()]


def rows(verdict: str) -> list[Compared]:
    return [each for each in COMPARED if each.verdict == verdict]


def test_every_row_agrees_or_says_why_not() -> None:
    assert Counter(each.verdict for each in COMPARED) == {
        "agrees": 967,
        "blocks": 31,
        "finer quantity": 1,
        "no price": 1,
    }
    assert {each.charge.row["BillingCurrency"] for each in COMPARED} == {"USD"}


def test_the_page_shows_the_table() -> None:
    assert table(COMPARED) in PAGE.read_text(encoding="utf-8")


def test_what_has_no_price_is_a_credit() -> None:
    (credit,) = rows("no price")
    row = credit.charge.row
    assert (row["ChargeCategory"], row["ListUnitPrice"], row["PricingQuantity"]) == (
        "Credit",
        "NULL",
        "0.00000000000",
    )


def test_blocks_are_where_the_pricing_quantity_was_divided_by_10000() -> None:
    assert {each.charge.row["ProviderName"] for each in rows("blocks")} == {"Microsoft"}
    assert {
        (each.charge.value("ConsumedQuantity") or 0) / (each.charge.value("PricingQuantity") or 1)
        for each in rows("blocks")
    } == {10_000}


def test_billed_is_listed_unless_a_commitment_or_an_adjustment_says_otherwise() -> None:
    others = [each for each in COMPARED if each.charge.row["BilledCost"] != each.charge.row["ListCost"]]
    assert Counter(
        each.charge.row["CommitmentDiscountStatus"] + " " + each.charge.row["ChargeCategory"]
        for each in others
    ) == {"Used Usage": 4, "NULL Adjustment": 2}


def test_prices_and_quantities_are_finer_than_the_contracts_by_two_places_at_most() -> None:
    prices = [price for each in COMPARED if (price := each.charge.value("ListUnitPrice")) is not None]
    assert Counter(places_of(price) for price in prices if places_of(price) > 9) == {10: 4}
    assert {
        each.charge.row["PricingQuantity"].index(".") + 12 == len(each.charge.row["PricingQuantity"])
        for each in COMPARED
    } == {True}


def test_a_cost_that_is_off_by_the_last_place_does_not_agree() -> None:
    found = next(each for each in rows("agrees") if each.cost)
    assert found.cost is not None
    off = Fraction(1, 10**found.charge.places)
    assert agrees(found.charge, found.cost)
    assert not agrees(found.charge, found.cost + off)
    dearer = dataclasses.replace(
        found.charge,
        row=found.charge.row | {"ListUnitPrice": str(Decimal(found.charge.row["ListUnitPrice"]) * 2)},
    )
    assert compare(dearer).verdict == "differs"
    assert set(REASONS) == {*(each.verdict for each in COMPARED), "differs"}
