"""What is booked and used, priced to the cent, with a story."""

import dataclasses
import datetime as dt
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import component, decimals, tariff
from support.pricing import FIRST, LAST, rate, rate_due, rate_usage

from allmende.schemas.tariff import (
    Component,
    Free,
    Included,
    NotOffered,
    PercentOf,
    PerUnit,
    PriceCell,
    QuantityRule,
    Tariff,
    Tier,
    Tiered,
)
from allmende.tariffs import rating
from allmende.tariffs.order import refuse_amount
from allmende.tariffs.rating import Line, Measured, Unrated, measured_by_meter
from allmende.tariffs.recurrence import Terms, fall_due
from allmende.tariffs.rounding import to_cents
from allmende.tariffs.terms import changes_in


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


START = dt.date(2026, 5, 31)


def due(priced: Tariff, quantities: dict[str, Decimal]) -> list[Line]:
    """What falls due on the last of May, the first day of a booking."""
    terms = Terms(0, START, "standard", priced, None, quantities)
    return [rate_due(each) for each in fall_due([terms], START, None, since=START, through=START)]


def test_a_machine_in_muenster_costs_1134_euro() -> None:
    lines = due(MUENSTER, decimals({"vcpu": 4, "vmem": 16, "vdisk": 200}))
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


@pytest.mark.parametrize(
    ("consumer_class", "code"), [("5", "not_offered"), ("6", "no_price"), (None, "no_price")]
)
def test_what_has_no_price_is_held_and_says_why(consumer_class: str | None, code: str) -> None:
    measured = measured_by_meter(LRZ, FOUR_QUARTERS, FIRST, LAST)
    (held,) = rating.rate_usage(LRZ, consumer_class, measured)
    assert isinstance(held, Unrated)
    assert (held.reason.code, held.measured, held.component) == (code, measured[0], LRZ_MAILBOXES)
    assert all("mailboxes" in each or "Postfächer" in each for each in held.reason.sentences)


def test_a_meter_without_records_makes_no_line_and_one_at_zero_does() -> None:
    two = tariff(component("1.00"), component("2.00", id="disk", measure="disk"))
    assert [line.component.id for line in rate_usage(two, None, {"disk": Decimal(0)})] == ["disk"]


def test_two_components_may_charge_one_meter() -> None:
    two = tariff(component("1.00"), component("0.10", id="energy", title="Strom"))
    assert [line.amount_cents for line in rate_usage(two, None, {"hours": Decimal(3)})] == [300, 30]


def test_usage_and_flat_components_are_charged_apart() -> None:
    both = tariff(component("1.00"), once("cores", "25.00", "Kern"))
    quantities = decimals({"hours": 2, "cores": 4})
    assert [line.amount_cents for line in rate_usage(both, None, quantities)] == [200]
    assert [line.amount_cents for line in due(both, quantities)] == [10_000]
    assert due(both, {}) == due(both, decimals({"cores": 0})) == []


def measured(component_id: str, quantity: str, *dimensions: tuple[str, str], **more: Any) -> Measured:
    return Measured(component_id, Decimal(quantity), FIRST, LAST, 3, dimensions, **more)


def cell(amount: str, **when: str) -> PriceCell:
    return PriceCell(when=dict(when), price=PerUnit(amount=Decimal(amount)))


BY_SITE = component(
    prices=(cell("3", consumer="desy", site="hh"), cell("2", site="hh"), cell("1", **{"class": "a"}))
)


def test_dimensions_of_usage_choose_the_price_and_never_overrule_what_was_booked() -> None:
    given = [
        measured("hours", "1", ("site", "hh")),
        measured("hours", "1", ("class", "b"), ("site", "m")),
        measured("hours", "1", ("consumer", "desy"), ("site", "hh")),
    ]
    known = {"class": "a", "consumer": "kit"}
    lines = rating.rate_usage(tariff(BY_SITE, class_scheme="lrz"), known, given)
    assert [line.amount_cents for line in lines if isinstance(line, Line)] == [200, 100, 200]
    assert [line.measured for line in lines] == given, "in the order in which they were measured"


def test_the_first_day_of_service_chooses_price_steps() -> None:
    steps = component(
        prices=(
            PriceCell(valid_to=dt.date(2026, 5, 9), price=PerUnit(amount=Decimal(1))),
            PriceCell(valid_from=dt.date(2026, 5, 10), price=PerUnit(amount=Decimal(2))),
        )
    )
    assert changes_in(steps) == (dt.date(2026, 5, 10),)
    days = [dt.date(2026, 5, 9), dt.date(2026, 5, 10)]
    given = [dataclasses.replace(measured("hours", "1"), first_day=day) for day in days]
    lines = rating.rate_usage(tariff(steps), None, given)
    assert [line.amount_cents for line in lines if isinstance(line, Line)] == [100, 200]


FEE = component(
    PercentOf(percent=Decimal(10), of=("base", "hours")), id="fee", title="Zuschlag", measure=None, unit="EUR"
)
BASE = component("100.00", id="base", title="base", billing="fixed", period="month", measure=None)


@pytest.mark.parametrize(
    ("given", "beside", "expected"),
    [
        ([measured("hours", "10")], {}, [1_000, 100]),
        ([measured("hours", "10"), measured("hours", "5")], {}, [1_000, 500, 150]),
        ([measured("hours", "10")], {"base": 10_000}, [1_000, 1_100]),
        ([], {"base": 10_000}, [1_000]),
        ([], {"setup": 10_000}, []),
        ([], {}, []),
    ],
)
def test_a_percentage_of_usage_follows_what_it_is_of(
    given: list[Measured], beside: dict[str, int], expected: list[int]
) -> None:
    lines = rating.rate_usage(tariff(BASE, component(), FEE), None, given, amounts_of=beside)
    assert [line.amount_cents for line in lines if isinstance(line, Line)] == expected


def test_a_percentage_of_what_is_held_is_held() -> None:
    stairs = Tiered(mode="volume", tiers=(Tier(up_to=Decimal(5), amount=Decimal(1)),))
    lines = rating.rate_usage(tariff(BASE, component(stairs), FEE), None, [measured("hours", "6")])
    assert [line.reason.code for line in lines if isinstance(line, Unrated)] == [
        "beyond_last_tier",
        "base_unpriced",
    ]
    assert all(all(line.reason.sentences) for line in lines if isinstance(line, Unrated))


def test_the_part_of_a_shared_allowance_is_decided_outside() -> None:
    pool = Included(quantity=Decimal(100), shared_by="offering")
    priced = component("1.00", quantity=QuantityRule(included=pool))
    given = [measured("hours", "60", included=Decimal("37.5")), measured("hours", "60")]
    lines = rating.rate_usage(tariff(priced), None, given)
    assert [line.amount_cents for line in lines if isinstance(line, Line)] == [2_250, 0]


def test_equal_tariffs_are_rated_alike_and_prepared_once_for_each_object() -> None:
    rating._prepared.cache_clear()
    first = tariff(component("2.00"))
    for each in (first, first, first.model_copy()):
        (line,) = rating.rate_usage(each, None, [measured("hours", "1")])
        assert isinstance(line, Line)
        assert line.amount_cents == 200
    assert rating._prepared.cache_info().misses == 2


@pytest.mark.parametrize(
    ("flat", "german", "english"),
    [
        (
            component("5.00", billing="fixed", period="month", measure=None, unit="Monat"),
            (
                "1 Monat × 5,00 € je Monat, Tarif Version 1 = 5,00 €"
                "; angefangener Monat 2026-05 zählt voll nach dem Stand vom 31.05.2026"
            ),
            (
                "1 Monat × €5.00 per Monat, tariff version 1 = €5.00"
                "; begun month 2026-05 counts in full as of 2026-05-31"
            ),
        ),
        (
            component("2.00", billing="limit", period="quarter", measure="cores", unit="Kern"),
            (
                "4 Kern × 2,00 € je Kern, Tarif Version 1 = 8,00 €"
                "; angefangenes Quartal 2026-Q2 zählt voll nach dem Stand vom 31.05.2026"
            ),
            (
                "4 Kern × €2.00 per Kern, tariff version 1 = €8.00"
                "; begun quarter 2026-Q2 counts in full as of 2026-05-31"
            ),
        ),
        (
            component("90.00", billing="fixed", period="year", measure=None, unit="Jahr"),
            (
                "1 Jahr × 90,00 € je Jahr, Tarif Version 1 = 90,00 €"
                "; angefangenes Jahr 2026 zählt voll nach dem Stand vom 31.05.2026"
            ),
            (
                "1 Jahr × €90.00 per Jahr, tariff version 1 = €90.00"
                "; begun year 2026 counts in full as of 2026-05-31"
            ),
        ),
        (
            component("2.00", billing="limit", period="total", measure="cores", unit="Kern"),
            "4 Kern × 2,00 € je Kern, Tarif Version 1 = 8,00 €; einmal für die ganze Buchung",
            "4 Kern × €2.00 per Kern, tariff version 1 = €8.00; once for the whole booking",
        ),
        (
            component(Free(reason="Grundversorgung"), billing="one_time", measure="cores", unit="Kern"),
            "4 Kern: ohne Entgelt, Grundversorgung",
            "4 Kern: free of charge, Grundversorgung",
        ),
    ],
)
def test_a_flat_line_says_what_it_covers_and_that_nothing_is_prorated(
    flat: Component, german: str, english: str
) -> None:
    (line,) = due(tariff(flat), decimals({"cores": 4}))
    assert (line.trace_de, line.trace_en) == (german, english)


def test_a_change_of_plan_and_later_terms_are_named() -> None:
    move = component("12.00", billing="on_plan_change", measure=None, unit="Wechsel")
    first = Terms(0, START, "small", tariff(), None, {})
    second = Terms(3, dt.date(2026, 6, 15), "large", tariff(move, version=2), None, {})
    (found,) = fall_due([first, second], START, None, since=START, through=dt.date(2026, 6, 30))
    line = rate_due(found)
    assert (line.amount_cents, line.tariff_version) == (1_200, 2)
    assert line.trace_de == (
        "1 Wechsel × 12,00 € je Wechsel, Tarif Version 2 = 12,00 €"
        "; einmal für den Wechsel zum Plan large am 15.06.2026; Bedingungen seit 15.06.2026 (Änderung 3)"
    )
    assert line.trace_en == (
        "1 Wechsel × €12.00 per Wechsel, tariff version 2 = €12.00"
        "; once for the change to plan large on 2026-06-15; terms since 2026-06-15 (change 3)"
    )


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


@pytest.mark.parametrize(
    ("flat", "measure"),
    [
        (component("10", id="setup", billing="one_time", measure="cores"), "cores"),
        (component("10", id="size", billing="limit", period="month", measure="cores"), "cores"),
        (component("1000000001", id="base", billing="fixed", period="year", measure=None), "base"),
        (component("1000000001", id="move", billing="on_plan_change", measure=None), "move"),
    ],
)
def test_an_order_is_refused_for_any_component_that_it_fixes(flat: Component, measure: str) -> None:
    booked = {"cores": Decimal(100_000_001)}
    refused = refuse_amount(tariff(component(), flat), None, "one_time", booked)
    assert refused is not None
    assert refused.parameters["measure"] == measure
    assert refused == refuse_amount(tariff(component(), flat), None, flat.billing, booked)
    assert refuse_amount(tariff(component(), flat), None, "usage", booked) is None
