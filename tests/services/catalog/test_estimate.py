"""What a booking would cost, month by month; refused as the booking would be."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from support import price_rules
from support.builders import component, decimals, offering, plan, quantity, tariff

from allmende.schemas.catalog import Estimate, EstimateCosts, Offering, State
from allmende.schemas.conditions import Circle
from allmende.schemas.rejections import Rejected
from allmende.schemas.tariff import Included, NotOffered, PercentOf, QuantityRule
from allmende.services.catalog.estimate import Consumer, estimate
from allmende.services.catalog.offering import Listed


def flat(id_: str, price: str, period: str, **changes: Any) -> Any:
    return component(price, id=id_, title=id_, billing="fixed", measure=None, period=period, **changes)


KINDS = offering(
    plan(
        tariff(
            component("100.00", id="setup", billing="one_time", measure="cores"),
            component("0.10", id="hours"),
            flat("monat", "5.00", "month"),
            flat("quartal", "30.00", "quarter"),
            flat("jahr", "120.00", "year"),
            flat("gesamt", "7.00", "total"),
            component("2.00", id="kerne", billing="limit", measure="cores", period="month"),
            component("999.00", id="wechsel", billing="on_plan_change", measure=None),
        )
    )
)


def ask(
    document: Offering = KINDS,
    state: State = "published",
    member: str = "desy",
    classes: dict[str, str] | None = None,
    **changes: Any,
) -> Estimate | Rejected:
    given: dict[str, Any] = {"offering_id": "lrz/vm", "plan_id": "standard", "start": dt.date(2026, 2, 15)}
    return estimate(
        EstimateCosts(**given | changes), Listed(document, 3, state, 1), Consumer(member, classes or {})
    )


def estimated(**given: Any) -> Estimate:
    found = ask(**given)
    assert isinstance(found, Estimate)
    return found


def test_every_kind_is_charged_in_its_months() -> None:
    found = estimated(months=12, quantities=decimals({"cores": 4}), usage_per_month=decimals({"hours": 1000}))
    lines = {line.component: (line.amount_cents, line.times, line.first, line.last) for line in found.lines}
    assert lines == {
        "setup": (40_000, 1, "2026-02", "2026-02"),
        "hours": (10_000, 12, "2026-02", "2027-01"),
        "monat": (500, 12, "2026-02", "2027-01"),
        "quartal": (3_000, 5, "2026-02", "2027-01"),  # February begins a quarter that is charged in full
        "jahr": (12_000, 2, "2026-02", "2027-01"),
        "gesamt": (700, 1, "2026-02", "2026-02"),
        "kerne": (800, 12, "2026-02", "2027-01"),
    }
    assert found.total_cents == sum(found.monthly_cents) == sum(a * n for a, n, _, _ in lines.values())
    assert found.monthly_cents[0] == 40_000 + 10_000 + 500 + 3_000 + 12_000 + 700 + 800
    assert found.monthly_cents[1] == 10_000 + 500 + 800
    assert found.monthly_cents[2] == 10_000 + 500 + 800 + 3_000, "April begins a quarter"
    assert all("€" in line.trace_de and "€" in line.trace_en for line in found.lines)


def test_what_counts_nothing_makes_no_line() -> None:
    found = estimated(months=1)
    assert {line.component for line in found.lines} == {"monat", "quartal", "jahr", "gesamt"}


@pytest.mark.parametrize(
    ("code", "given"),
    [
        ("offering_retired", {"state": "retired"}),
        ("offering_paused", {"state": "paused"}),
        ("unknown_plan", {"plan_id": "gross"}),
        ("plan_closed", {"document": offering(plan(closed_to_new=True))}),
        ("not_eligible", {"document": offering(bookable_by=Circle(members=("kit",)))}),
        ("no_tariff_on_day", {"start": dt.date(2004, 12, 31)}),
        ("class_unknown", {"document": offering(plan(tariff(class_scheme="lrz")))}),
        (
            "not_offered_to_class",
            {
                "document": offering(
                    plan(
                        tariff(
                            component(price_by_class={"A": NotOffered(reason="nein")}),
                            class_scheme="lrz",
                        )
                    )
                ),
                "classes": {"lrz": "A"},
            },
        ),
        ("unknown_quantity", {"quantities": decimals({"ram": 1})}),
        (
            "above_maximum",
            {"document": offering(plan(order=(quantity(maximum=6),))), "quantities": decimals({"cores": 7})},
        ),
        ("details_not_asked", {"details": {"a": 1}}),
        ("details_invalid", {"document": offering(plan(order_form={"required": ["zweck"]}))}),
        ("unknown_meter", {"usage_per_month": decimals({"days": 1})}),
        ("implausible_amount", {"usage_per_month": {"hours": Decimal(10**12)}}),
    ],
)
def test_it_is_refused_as_the_booking_would_be(code: str, given: dict[str, Any]) -> None:
    found = ask(**given)
    assert isinstance(found, Rejected)
    assert found.code == code


@pytest.mark.parametrize(("code", "given"), price_rules.ORDERS)
def test_what_has_no_price_is_refused_before_it_is_priced(code: str | None, given: dict[str, Any]) -> None:
    order: dict[str, Any] = {"start": dt.date(2026, 4, 1), "months": 1} | given
    found = ask(document=price_rules.SOLD, **order)
    assert (found.code if isinstance(found, Rejected) else None) == code
    if isinstance(found, Rejected):
        assert all(found.sentences)


def test_the_order_decides_the_price_of_usage_as_far_as_it_does() -> None:
    found = ask(
        document=price_rules.SOLD,
        details={"site": "muc", "tier": "fast"},
        usage_per_month=decimals({"hours": 3}),
    )
    assert isinstance(found, Estimate)
    assert [(line.component, line.amount_cents) for line in found.lines] == [("seat", 300), ("traffic", 300)]
    refused = ask(document=price_rules.SOLD, details={"site": "muc"}, usage_per_month=decimals({"hours": 3}))
    assert isinstance(refused, Rejected)
    assert refused.code == "no_price", "what a record will say is not known to an estimate"


PERIODS = offering(
    plan(
        tariff(
            flat("monat", "31.00", "month", proration="day"),
            component(
                "1.00",
                id="quartal",
                period="quarter",
                quantity=QuantityRule(included=Included(quantity=Decimal(10))),
            ),
            component(
                "1.00", id="spitze", period="quarter", quantity=QuantityRule(reading="gauge", take="max")
            ),
            component(
                PercentOf(percent=Decimal(10), of=("monat", "quartal")),
                id="zuschlag",
                measure=None,
                unit="EUR",
            ),
        )
    )
)


def test_parts_of_periods_quarters_and_percentages_are_estimated_as_they_are_charged() -> None:
    found = estimated(
        document=PERIODS, start=dt.date(2026, 2, 15), months=6, usage_per_month=decimals({"hours": 20})
    )
    lines = [(line.component, line.amount_cents, line.times, line.first, line.last) for line in found.lines]
    assert lines == [
        ("monat", 1_550, 1, "2026-02", "2026-02"),  # 14 of 28 days
        ("monat", 3_100, 3, "2026-03", "2026-07"),  # months of 31 days
        ("monat", 3_100, 2, "2026-04", "2026-06"),
        ("quartal", 3_000, 1, "2026-03", "2026-03"),  # two months, less the allowance
        ("quartal", 5_000, 1, "2026-06", "2026-06"),
        ("quartal", 1_000, 1, "2026-07", "2026-07"),  # begun, and looked at no further
        ("spitze", 2_000, 3, "2026-03", "2026-07"),
        ("zuschlag", 155, 1, "2026-02", "2026-02"),
        ("zuschlag", 610, 1, "2026-03", "2026-03"),
        ("zuschlag", 310, 2, "2026-04", "2026-05"),
        ("zuschlag", 810, 1, "2026-06", "2026-06"),
        ("zuschlag", 410, 1, "2026-07", "2026-07"),
    ]
    assert found.monthly_cents == (
        1_705,
        3_100 + 3_000 + 2_000 + 610,
        3_410,
        3_410,
        3_100 + 7_000 + 810,
        6_510,
    )
    assert found.total_cents == sum(found.monthly_cents)


def test_the_class_of_the_asker_decides_the_price_and_the_provider_may_ask_for_its_own() -> None:
    document = offering(bookable_by=Circle(classes={"lrz": ("A",)}))
    assert estimated(document=document, classes={"lrz": "A"}).consumer_class is None
    assert isinstance(ask(document=document, member="lrz"), Estimate)
