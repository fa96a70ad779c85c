"""What is booked and used, priced to the cent, with a story."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import component, decimals, tariff

from allmende.schemas.tariff import Component, Free, NotOffered, PerUnit, Tariff
from allmende.tariffs.rating import rate, rate_one_time, rate_usage, refuse_amount
from allmende.tariffs.rounding import to_cents


def once(id_: str, price: str, unit: str) -> Component:
    return component(price, id=id_, title=id_, billing="one_time", measure=id_, unit=unit)


MUENSTER = tariff(once("vcpu", "42.00", "Kern"), once("vmem", "50.00", "GB"), once("vdisk", "0.83", "GB"))

LRZ_MAILBOXES = component(
    id="mailboxes",
    title="Postfächer",
    measure="mailboxes",
    unit="Postfach",
    price_by_class={
        "1": Free(reason="Grundversorgung"),
        "2": PerUnit(amount=Decimal("12.00"), per=Decimal(4)),
        "3": PerUnit(amount=Decimal("12.00"), per=Decimal(4)),
        "5": NotOffered(reason="nicht verfügbar"),
    },
)
LRZ = tariff(LRZ_MAILBOXES, class_scheme="lrz")
FOUR_QUARTERS = {"mailboxes": Decimal(260 + 260 + 300 + 300)}


def test_a_machine_in_muenster_costs_1134_euro() -> None:
    lines = rate_one_time(MUENSTER, None, decimals({"vcpu": 4, "vmem": 16, "vdisk": 200}))
    assert [line.amount_cents for line in lines] == [16_800, 80_000, 16_600]
    assert sum(line.amount_cents for line in lines) == 113_400


def test_mailboxes_of_class_2_at_the_lrz_cost_3360_euro_a_year() -> None:
    (line,) = rate_usage(LRZ, "2", FOUR_QUARTERS)
    assert line.amount_cents == 336_000
    assert line.trace_de == "1120 Postfach × 12,00 € je 4 Postfach (Klasse 2), Tarif Version 1 = 3.360,00 €"
    assert line.trace_en == "1120 Postfach × €12.00 per 4 Postfach (class 2), tariff version 1 = €3,360.00"


def test_class_1_costs_nothing_and_is_accounted_for() -> None:
    (line,) = rate_usage(LRZ, "1", FOUR_QUARTERS)
    assert (line.amount_cents, line.quantity) == (0, Decimal(1120))
    assert line.trace_de == "1120 Postfach (Klasse 1): ohne Entgelt, Grundversorgung"
    assert line.trace_en == "1120 Postfach (class 1): free of charge, Grundversorgung"


@pytest.mark.parametrize("consumer_class", ["5", "6", None])
def test_what_is_not_offered_cannot_be_rated(consumer_class: str | None) -> None:
    with pytest.raises(ValueError, match="no price for class"):
        rate_usage(LRZ, consumer_class, FOUR_QUARTERS)


def test_a_meter_without_records_makes_no_line_and_one_at_zero_does() -> None:
    two = tariff(component("1.00"), component("2.00", id="disk", measure="disk"))
    assert [line.component.id for line in rate_usage(two, None, {"disk": Decimal(0)})] == ["disk"]


def test_two_components_may_charge_one_meter() -> None:
    two = tariff(component("1.00"), component("0.10", id="energy", title="Strom"))
    assert [line.amount_cents for line in rate_usage(two, None, {"hours": Decimal(3)})] == [300, 30]


def test_usage_and_one_time_are_charged_apart() -> None:
    both = tariff(component("1.00"), once("cores", "25.00", "Kern"))
    quantities = decimals({"hours": 2, "cores": 4})
    assert [line.amount_cents for line in rate_usage(both, None, quantities)] == [200]
    assert [line.amount_cents for line in rate_one_time(both, None, quantities)] == [10_000]
    assert rate_one_time(both, None, decimals({"cores": 0})) == []
    assert rate_one_time(both, None, {}) == []


def test_a_line_is_rounded_once_and_at_its_end() -> None:
    by_the_thousand = component("0.05", per="1000")
    assert rate(tariff(), by_the_thousand, None, Decimal("99.999999999")).amount_cents == 0
    assert rate(tariff(), by_the_thousand, None, Decimal(100)).amount_cents == 1, "half a cent"
    thirds = component("1.00", per="3")
    assert rate(tariff(), thirds, None, Decimal("0.045")).amount_cents == 2, "exactly one and a half"


@given(
    st.decimals(0, 10**9, places=9),
    st.decimals(0, 10**6, places=9),
    st.decimals(Decimal("0.000000001"), 10**6, places=9),
)
def test_the_amount_is_the_exact_one_rounded(quantity: Decimal, amount: Decimal, per: Decimal) -> None:
    line = rate(tariff(), component(str(amount), str(per)), None, quantity)
    assert line.amount_cents == to_cents(Fraction(quantity) * Fraction(amount) * 100 / Fraction(per))
    assert line.quantity == quantity


@pytest.mark.parametrize(
    ("per", "unit", "german"),
    [
        ("1", "Std.", "1,5 Std. × 2,00 € je Std., Tarif Version 1 = 3,00 €"),
        ("0.5", "Std.", "1,5 Std. × 2,00 € je 0,5 Std., Tarif Version 1 = 6,00 €"),
        ("100", "h", "1,5 h × 2,00 € je 100 h, Tarif Version 1 = 0,03 €"),
    ],
)
def test_the_german_story_has_commas_in_numbers_only(per: str, unit: str, german: str) -> None:
    line = rate(tariff(), component("2.00", per, unit=unit), None, Decimal("1.50"))
    assert line.trace_de == german


@given(st.integers(0, 10**15), st.integers(0, 10**15))
def test_what_is_counted_together_is_rated_together(first: int, second: int) -> None:
    a_third: Tariff = tariff(component("0.01", per="3"))
    (together,) = rate_usage(a_third, None, {"hours": Decimal(first + second)})
    assert together.amount_cents == to_cents(Fraction(first + second, 3))


@pytest.mark.parametrize(("quantity", "is_refused"), [("100000000", False), ("100000001", True)])
def test_more_than_a_statement_can_hold_is_refused_before_it_counts(quantity: str, is_refused: bool) -> None:
    priced = component("10", measure="cores")
    refused = refuse_amount(tariff(priced), None, priced.billing, {"cores": Decimal(quantity)})
    assert (refused is not None) is is_refused
