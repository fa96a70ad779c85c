"""What a quantity costs by every rule of the language, with the story of every step."""

import datetime as dt
import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from allmende.schemas.rejections import Rejected
from allmende.schemas.tariff import Pricing
from allmende.tariffs.pricing import Priced, Unpriced, price_quantity

DAY = dt.date(2026, 5, 4)


def price(
    document: dict[str, Any], quantity: str | Fraction, attributes: dict[str, str] | None = None, **more: Any
) -> Priced | Unpriced:
    pricing = Pricing.model_validate_json(json.dumps({"unit": "GB"} | document))
    given = Decimal(quantity) if isinstance(quantity, str) else quantity
    return price_quantity(pricing, given, attributes or {}, more.pop("day", DAY), **more)


def priced(*given: Any, **more: Any) -> Priced:
    found = price(*given, **more)
    assert isinstance(found, Priced), found
    return found


def code(*given: Any, **more: Any) -> str:
    found = price(*given, **more)
    assert isinstance(found, Rejected), found
    assert all(found.sentences)
    return found.code


def each(amount: str, per: str = "1") -> dict[str, Any]:
    return {"kind": "per_unit", "amount": amount, "per": per}


def tiers(mode: str, *steps: dict[str, str]) -> dict[str, Any]:
    return {"kind": "tiered", "mode": mode, "tiers": list(steps)}


STAIRS = (
    {"up_to": "100", "amount": "0.50"},
    {"up_to": "500", "amount": "0.40", "flat": "5.00"},
    {"amount": "0.30"},
)


@pytest.mark.parametrize(
    ("mode", "quantity", "cents", "german"),
    [
        ("graduated", "0", 0, "0 GB × 0,50 € je GB = 0,00 €"),
        ("graduated", "100", 5_000, "100 GB gestaffelt: 100 GB × 0,50 € je GB = 50,00 €"),
        (
            "graduated",
            "600.5",
            24_515,
            (
                "600,5 GB gestaffelt: 100 GB × 0,50 € je GB + 400 GB × 0,40 € je GB + 5,00 € pauschal"
                " + 100,5 GB × 0,30 € je GB = 245,15 €"
            ),
        ),
        ("volume", "100", 5_000, "100 GB × 0,50 € je GB (Stufe 1: bis 100) = 50,00 €"),
        (
            "volume",
            "101",
            4_540,
            "101 GB × 0,40 € je GB + 5,00 € pauschal (Stufe 2: über 100 bis 500) = 45,40 €",
        ),
        ("volume", "501", 15_030, "501 GB × 0,30 € je GB (Stufe 3: über 500) = 150,30 €"),
    ],
)
def test_a_staircase_is_told_tier_by_tier(mode: str, quantity: str, cents: int, german: str) -> None:
    found = priced({"price": tiers(mode, *STAIRS)}, quantity)
    assert (found.amount, found.trace_de) == (cents, german)


def test_a_tier_may_be_a_flat_amount_only() -> None:
    blocks = tiers("volume", {"up_to": "50", "flat": "1200.00"}, {"up_to": "250", "flat": "5000.00"})
    found = priced({"price": blocks}, "51")
    assert found.amount == 500_000
    assert found.trace_en == "51 GB: €5000.00 flat (tier 2: above 50 up to 250) = €5,000.00"


@pytest.mark.parametrize("mode", ["graduated", "volume"])
def test_beyond_the_last_end_nothing_is_offered(mode: str) -> None:
    bounded = {"price": tiers(mode, {"up_to": "10", "amount": "1"})}
    assert priced(bounded, "10").amount == 1_000
    assert code(bounded, "10.001") == "beyond_last_tier"
    assert code(bounded, "-1") == "negative_quantity"


@pytest.mark.parametrize(
    ("mode", "quantity", "to", "rounded"),
    [
        ("up", "1.01", "0.25", "1.25"),
        ("up", "1.25", "0.25", "1.25"),
        ("down", "199", "100", "100"),
        ("nearest", "150", "100", "200"),
        ("half_even", "250", "100", "200"),
        ("half_even", "350", "100", "400"),
    ],
)
def test_a_quantity_is_rounded_to_a_multiple(mode: str, quantity: str, to: str, rounded: str) -> None:
    found = priced({"price": each("1"), "quantity": {"round": {"to": to, "mode": mode}}}, quantity)
    assert found.quantity == Decimal(rounded)


def test_rounding_of_each_record_has_happened_before_and_is_told() -> None:
    rule = {"round": {"to": "0.25", "mode": "up", "each": "record"}}
    found = priced({"price": each("1.00"), "quantity": rule}, "0.3")
    assert found.quantity == Decimal("0.3")
    assert found.trace_de == "0,3 GB (jeder Datensatz aufgerundet auf 0,25) × 1,00 € je GB = 0,30 €"


@pytest.mark.parametrize(
    ("rule", "german"),
    [
        ({"take": "max"}, "2 GB (Maximum)"),
        ({"take": "percentile", "percentile": "95"}, "2 GB (Perzentil 95)"),
        ({"window": "day", "window_take": "max", "take": "mean"}, "2 GB (Maximum je Tag; davon Mittel)"),
    ],
)
def test_how_a_meter_was_read_is_told(rule: dict[str, str], german: str) -> None:
    assert priced({"price": each("1.00"), "quantity": rule}, "2").trace_de.startswith(german)


def test_less_than_the_smallest_quantity_is_lifted_or_refused_and_nothing_stays_nothing() -> None:
    lifted = {"price": each("1"), "quantity": {"at_least": "50"}}
    refused = {"price": each("1"), "quantity": {"at_least": "50", "below": "refuse"}}
    assert [priced(lifted, quantity).amount for quantity in ("0", "49", "50", "51")] == [0, 5000, 5000, 5100]
    assert priced(lifted, "49").trace_de == "49 GB → 50 GB (Mindestmenge) × 1 € je GB = 50,00 €"
    assert code(refused, "49") == "below_minimum"
    assert [priced(refused, quantity).amount for quantity in ("0", "50")] == [0, 5000]


@pytest.mark.parametrize(
    ("more", "amount", "story"),
    [
        ({"order_quantities": {"people": Decimal(2)}}, 500, "25 GB − 20 GB frei = 5 GB"),
        ({"order_quantities": {"people": Decimal(3)}}, 0, "25 GB − 25 von 30 GB frei = 0 GB"),
        ({}, 2500, "25 GB − 0 GB frei = 25 GB"),
        ({"included": Decimal("7.5")}, 1750, "25 GB − 7,5 GB frei = 17,5 GB"),
    ],
)
def test_an_allowance_comes_off_last(more: dict[str, Any], amount: int, story: str) -> None:
    rule = {"included": {"quantity": "10", "for_each": "people"}}
    found = priced({"price": each("1.00"), "quantity": rule}, "25", **more)
    assert (found.amount, found.trace_de.split(" × ")[0]) == (amount, story)


TABLE = {
    "prices": [
        {"when": {"class": ["a", "b"], "site": "hh"}, "price": each("1.00")},
        {"when": {"class": "c"}, "price": {"kind": "not_offered", "reason": "nur für Gründer"}},
        {"when": {"consumer": "desy"}, "valid_to": "2026-05-31", "price": each("2.00")},
        {"when": {"consumer": "desy"}, "valid_from": "2026-06-01", "price": each("3.00")},
        {"when": {"class": "a"}, "price": {"kind": "free", "reason": "Grundversorgung"}},
    ]
}


@pytest.mark.parametrize(
    ("attributes", "day", "german"),
    [
        ({"class": "b", "site": "hh"}, DAY, "2 GB × 1,00 € je GB (Klasse b, site hh) = 2,00 €"),
        ({"class": "b", "consumer": "desy"}, DAY, "2 GB × 2,00 € je GB (für desy) = 4,00 €"),
        ({"consumer": "desy"}, dt.date(2026, 5, 31), "2 GB × 2,00 € je GB (für desy) = 4,00 €"),
        ({"consumer": "desy"}, dt.date(2026, 6, 1), "2 GB × 3,00 € je GB (für desy) = 6,00 €"),
        ({"class": "a", "site": "m"}, DAY, "2 GB (Klasse a): ohne Entgelt, Grundversorgung"),
    ],
)
def test_the_first_cell_that_fits_holds(attributes: dict[str, str], day: dt.date, german: str) -> None:
    assert priced(TABLE, "2", attributes, day=day).trace_de == german


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [({"class": "c", "consumer": "desy"}, "not_offered"), ({"class": "b"}, "no_price"), ({}, "no_price")],
)
def test_what_no_cell_fits_has_no_price(attributes: dict[str, str], expected: str) -> None:
    assert code(TABLE, "2", attributes) == expected


INDEX = {
    "title": "VPI",
    "source": "Destatis",
    "base": "100",
    "points": [{"valid_from": "2026-01-01", "value": "104"}, {"valid_from": "2026-07-01", "value": "110"}],
}


@pytest.mark.parametrize(
    ("rule", "day", "cents", "story"),
    [
        ({}, "2025-12-31", 10_000, " = "),
        ({}, "2026-01-01", 10_400, " × VPI 104/100 seit 01.01.2026 = "),
        ({}, "2026-07-01", 11_000, " × VPI 110/100 seit 01.07.2026 = "),
        ({"share_percent": "80"}, "2026-07-01", 10_800, " × VPI 110/100 seit 01.07.2026, zu 80 % = "),
        (
            {"from_change_percent": "5"},
            "2026-01-01",
            10_000,
            " (VPI 104/100 seit 01.01.2026: Änderung unter 5 %, der Preis bleibt) = ",
        ),
        ({"from_change_percent": "10"}, "2026-07-01", 11_000, " × VPI 110/100 seit 01.07.2026 = "),
    ],
)
def test_a_price_follows_its_index(rule: dict[str, str], day: str, cents: int, story: str) -> None:
    document = {"price": each("1.00"), "amount": {"index": INDEX | rule}}
    found = priced(document, "100", day=dt.date.fromisoformat(day))
    assert found.amount == cents
    assert f"100 GB × 1,00 € je GB{story}" in found.trace_de


@pytest.mark.parametrize(
    ("rule", "quantity", "cents", "after"),
    [
        ({"only_above": "500"}, "500", 0, " (gerechnet 500,00 €; bis 500,00 € wird nichts erhoben)"),
        ({"only_above": "500"}, "500.01", 50_001, ""),
        ({"at_least": "5"}, "4.99", 500, " (gerechnet 4,99 €; Mindestbetrag)"),
        ({"at_least": "5"}, "0", 0, ""),
        ({"at_most": "5"}, "5.01", 500, " (gerechnet 5,01 €; Höchstbetrag)"),
        (
            {"round": {"to": "50", "mode": "down"}},
            "149.99",
            10_000,
            " (gerechnet 149,99 €; abgerundet auf 50)",
        ),
        (
            {"at_least": "5", "round": {"to": "2"}},
            "1",
            600,
            " (gerechnet 1,00 €; Mindestbetrag, gerundet auf 2)",
        ),
        ({"at_most": "5"}, "-7", -500, " (gerechnet -7,00 €; Höchstbetrag)"),
        ({"at_least": "0.006"}, "0.004", 1, " (gerechnet 0,00 €; Mindestbetrag)"),
    ],
)
def test_an_amount_is_settled_in_order(rule: dict[str, Any], quantity: str, cents: int, after: str) -> None:
    found = priced({"price": each("1"), "amount": rule}, quantity)
    assert found.amount == cents
    assert found.trace_de.partition(" €")[2].partition(" €")[2] == after


def test_a_percentage_is_taken_of_amounts() -> None:
    fee = {"unit": "EUR", "price": {"kind": "percent", "percent": "8.5", "of": ["base", "use"]}}
    found = priced(fee, "1", amounts_of={"base": 10_000, "use": 55, "other": 7})
    assert (found.amount, found.quantity, found.exact) == (
        855,
        Decimal("100.55"),
        Fraction(17_093_500, 20_000),
    )
    assert found.trace_de == "8,5 % von 100,55 € (base, use) = 8,55 €"
    rebate = {
        "price": {
            "kind": "percent",
            "percent": "-10",
            "of": ["base"],
            "round_base": {"to": "50", "mode": "down"},
        }
    }
    found = priced(rebate, "1", amounts_of={"base": 14_999})
    assert found.amount == -1_000
    assert found.trace_en == "-10 % of €149.99 (base), rounded down to 50 = 100 = -€10.00"
    assert code(fee, "1") == "base_missing"


def test_an_internal_currency_counts_in_its_own_smallest_unit() -> None:
    found = priced({"price": each("0.007")}, "1500.5", currency="AE", decimals=3)
    assert found.amount == 10_504
    assert found.exact == Fraction(21_007, 2)
    assert found.trace_de == "1500,5 GB × 0,007 AE je GB = 10,504 AE"
    assert found.trace_en == "1500.5 GB × AE 0.007 per GB = AE 10.504"


def test_a_third_is_priced_exactly() -> None:
    found = priced({"price": each("0.30")}, Fraction(1, 3))
    assert (found.exact, found.amount) == (Fraction(10), 10)
    assert found.trace_de == "1/3 GB × 0,30 € je GB = 0,10 €"
    assert priced({"price": tiers("graduated", *STAIRS)}, Fraction(301, 3)).exact == 5_000 + 500 + Fraction(
        40, 3
    )


def test_a_derived_price_must_be_taken_over_before_it_prices() -> None:
    derived = {"kind": "derived", "offering_id": "lrz/vm", "plan_id": "s", "component": "c"}
    assert code({"price": derived}, "1") == "price_not_resolved"
