"""Every kind of price in one line, in German and English."""

import json
from typing import Any

import pytest

from allmende.client.prices import charged, price
from allmende.schemas.tariff import Component

DERIVED = {"kind": "derived", "offering_id": "dfn/netz", "plan_id": "s", "component": "c", "factor": "1.05"}


def component(**given: Any) -> Component:
    document = {"id": "c", "title": "C", "billing": "usage", "measure": "gb", "unit": "GB"} | given
    return Component.model_validate_json(json.dumps(document))


def each(amount: str, per: str = "1") -> dict[str, str]:
    return {"kind": "per_unit", "amount": amount, "per": per}


STAIRS = [{"up_to": "100", "amount": "0.50"}, {"up_to": "500", "amount": "0.40", "flat": "5"}]


@pytest.mark.parametrize(
    ("given", "german", "english"),
    [
        ({"price": each("12.00", "4")}, "12,00 € je 4 GB", "€12.00 per 4 GB"),
        ({"price": {"kind": "free", "reason": "Test"}}, "ohne Entgelt (Test)", "free of charge (Test)"),
        (
            {"price": {"kind": "not_offered", "reason": "Test"}},
            "nicht angeboten (Test)",
            "not offered (Test)",
        ),
        (
            {"price": {"kind": "tiered", "mode": "graduated", "tiers": STAIRS}},
            "gestaffelt: bis 100 0,50 € je GB, bis 500 0,40 € je GB + 5 € pauschal, mehr nicht",
            "by tiers: up to 100 €0.50 per GB, up to 500 €0.40 per GB + €5 flat, no more",
        ),
        (
            {
                "price": {
                    "kind": "tiered",
                    "mode": "volume",
                    "tiers": [{"up_to": "9", "flat": "1"}, {"amount": "2"}],
                }
            },
            "nach Menge: bis 9 1 € pauschal, darüber 2 € je GB",
            "by volume: up to 9 €1 flat, above €2 per GB",
        ),
        (
            {
                "price": {
                    "kind": "percent",
                    "percent": "8.5",
                    "of": ["a", "b"],
                    "round_base": {"to": "50", "mode": "down"},
                },
                "measure": None,
            },
            "8,5 % von a, b, abgerundet auf 50",
            "8.5 % of a, b, rounded down to 50",
        ),
        (
            {"price": DERIVED | {"plus": "0.1"}},
            "wie dfn/netz s/c × 1,05 + 0,1 €",
            "as dfn/netz s/c × 1.05 + €0.1",
        ),
        (
            {"price_by_class": {"a": each("1"), "b": each("1"), "c": {"kind": "free", "reason": "x"}}},
            "Klasse a, b: 1 € je GB; Klasse c: ohne Entgelt (x)",
            "class a, b: €1 per GB; class c: free of charge (x)",
        ),
        (
            {
                "prices": [
                    {
                        "when": {"class": ["a", "b"], "site": "hh"},
                        "valid_from": "2026-01-01",
                        "valid_to": "2026-12-31",
                        "price": each("1"),
                    },
                    {"price": each("2")},
                ]
            },
            "class a/b, site hh, ab 01.01.2026, bis 31.12.2026: 1 € je GB; sonst: 2 € je GB",
            "class a/b, site hh, from 2026-01-01, until 2026-12-31: €1 per GB; otherwise: €2 per GB",
        ),
        (
            {
                "price": each("1"),
                "quantity": {
                    "round": {"to": "0.25", "mode": "up", "each": "record"},
                    "at_least": "5",
                    "below": "refuse",
                    "included": {"quantity": "10", "for_each": "people", "shared_by": "offering"},
                },
            },
            (
                "1 € je GB; jeder Datensatz aufgerundet auf 0,25 GB; "
                "nicht unter 5 GB; 10 GB je people frei für alle zusammen"
            ),
            (
                "€1 per GB; each record rounded up to 0.25 GB; "
                "not below 5 GB; 10 GB for each people included for everybody together"
            ),
        ),
        (
            {
                "price": each("1"),
                "quantity": {"round": {"to": "100"}, "at_least": "5"},
                "amount": {
                    "index": {
                        "title": "VPI",
                        "source": "x",
                        "base": "100",
                        "points": [{"valid_from": "2026-01-01", "value": "101"}],
                    },
                    "only_above": "500",
                    "at_least": "5",
                    "at_most": "9000",
                    "round": {"to": "50", "mode": "half_even"},
                },
            },
            (
                "1 € je GB; Menge gerundet auf 100 GB; mindestens 5 GB; folgt VPI (100); "
                "erst über 500 €; mindestens 5 €; höchstens 9000 €; Betrag zur geraden Ziffer gerundet auf 50"
            ),
            (
                "€1 per GB; quantity rounded to 100 GB; at least 5 GB; follows VPI (100); "
                "only above €500; at least €5; at most €9000; amount rounded half to even to 50"
            ),
        ),
    ],
)
def test_a_price_in_one_line(given: dict[str, Any], german: str, english: str) -> None:
    found = component(**given)
    assert price(found, "EUR", "de") == german
    assert price(found, "EUR", "en") == english


def test_another_currency_is_named() -> None:
    assert price(component(price=each("4.5")), "AE", "de") == "4,5 AE je GB"
    assert price(component(price=each("4.5")), "AE", "en") == "AE 4.5 per GB"


@pytest.mark.parametrize(
    ("given", "german", "english"),
    [
        ({}, "nach Verbrauch", "by usage"),
        ({"period": "quarter"}, "nach Verbrauch je Quartal", "by usage per quarter"),
        ({"billing": "one_time"}, "einmalig", "once"),
        (
            {"billing": "limit", "period": "month", "proration": "day"},
            "je Monat, nach Tagen",
            "per month, by days",
        ),
        (
            {"billing": "fixed", "period": "year", "measure": None, "proration": "month"},
            "je Jahr, nach begonnenen Monaten",
            "per year, by begun months",
        ),
        (
            {"billing": "fixed", "period": "total", "measure": None},
            "einmal für die ganze Buchung",
            "once for the whole booking",
        ),
        (
            {"billing": "on_plan_change", "measure": None},
            "beim Wechsel in diesen Plan",
            "on a change to this plan",
        ),
    ],
)
def test_when_it_is_charged(given: dict[str, Any], german: str, english: str) -> None:
    found = component(price=each("1"), **given)
    assert (charged(found, "de"), charged(found, "en")) == (german, english)
