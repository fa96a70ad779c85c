"""What is confirmed, what is refused and in which order, and what is left for the next."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import price_rules
from support.builders import NOW, component, decimals, offering, plan, quantity, request, tariff, uid

from allmende.schemas.brokerage import Agreement, RequestBooking
from allmende.schemas.catalog import Offering
from allmende.schemas.rejections import Rejected
from allmende.schemas.tariff import Free, NotOffered
from allmende.services.brokerage.booking import Booking, is_confirmed
from allmende.services.brokerage.capacity.listing import Listed
from allmende.services.brokerage.capacity.reservation import CapacityKey, difference
from allmende.services.brokerage.life import request as rules
from allmende.services.brokerage.life.request import Consumer
from allmende.services.brokerage.life.request import request as decide
from allmende.services.brokerage.parking.awaited import Unknown

BY_CLASS = component(price_by_class={"1": Free(reason="Grundversorgung"), "5": NotOffered(reason="nein")})
STANDARD = plan(
    tariff(BY_CLASS, class_scheme="lrz", valid_to=dt.date(2026, 12, 31)),
    order=(quantity("cores", 1, 6), quantity("ram")),
    capacity={"cores": 8},
)
VM = offering(STANDARD)
FREE: Mapping[CapacityKey, Decimal] = {("lrz/vm", "standard", "", "cores"): Decimal(3)}
YEARS = dt.timedelta(days=36_500)
DESY = Consumer("desy", {"lrz": "1"})

GUARDS: list[tuple[str, RequestBooking, Consumer, Listed | None]] = [
    ("Unknown", request(plan_id="none", start=dt.date(2027, 1, 1)), Consumer("lrz"), None),
    ("own_offering", request(plan_id="none"), Consumer("lrz"), Listed(VM, 4, "retired")),
    ("offering_retired", request(plan_id="none"), Consumer("desy"), Listed(VM, 4, "retired")),
    (
        "unknown_plan",
        request(plan_id="none", start=dt.date(2027, 1, 1)),
        Consumer("desy"),
        Listed(VM, 4),
    ),
    ("no_tariff_on_day", request(cores=9, start=dt.date(2027, 1, 1)), Consumer("desy"), Listed(VM, 4)),
    ("class_unknown", request(cores=9), Consumer("desy", {"kit": "1"}), Listed(VM, 4)),
    ("not_offered_to_class", request(cores=9), Consumer("desy", {"lrz": "5"}), Listed(VM, 4)),
    (
        "unknown_quantity",
        request(quantities=decimals({"cores": 9, "gpu": 1})),
        DESY,
        Listed(VM, 4),
    ),
    ("below_minimum", request(cores=0), DESY, Listed(VM, 4)),
    ("above_maximum", request(cores=9), DESY, Listed(VM, 4)),
    ("no_capacity", request(cores=4), DESY, Listed(VM, 4)),
    ("Booking", request(cores=3), DESY, Listed(VM, 4)),
]


def test_a_start_may_lie_back_only_so_far() -> None:
    month = dt.timedelta(days=31)
    earliest = NOW.date() - month
    for start, code in [(earliest, None), (earliest - dt.timedelta(days=1), "starts_too_early")]:
        asked = request(cores=1, start=start)
        outcome = decide(asked, uid(1), DESY, Listed(VM, 4), FREE, NOW, backdate=month)
        assert (outcome.code if isinstance(outcome, Rejected) else None) == code


@pytest.mark.parametrize(("expected", "asked", "consumer", "listed"), GUARDS, ids=[g[0] for g in GUARDS])
def test_the_guards_refuse_in_their_order(
    expected: str, asked: RequestBooking, consumer: Consumer, listed: Listed | None
) -> None:
    outcome = decide(asked, uid(1), consumer, listed, FREE, NOW, backdate=YEARS)
    assert (outcome.code if isinstance(outcome, Rejected) else type(outcome).__name__) == expected
    if isinstance(outcome, Rejected):
        assert all(outcome.sentences)
        assert not outcome.field or outcome.field.split(".")[0] in RequestBooking.model_fields


@pytest.mark.parametrize(("code", "given"), price_rules.ORDERS)
def test_what_has_no_price_is_refused_before_it_is_booked(code: str | None, given: dict[str, Any]) -> None:
    order = {name: value for name, value in given.items() if name != "member"}
    asked = request(**{"quantities": {}} | order)
    consumer = Consumer(given.get("member", "desy"))
    outcome = decide(asked, uid(1), consumer, Listed(price_rules.SOLD, 4), {}, NOW, backdate=YEARS)
    assert (outcome.code if isinstance(outcome, Rejected) else None) == code
    if isinstance(outcome, Rejected):
        assert all(outcome.sentences)
        assert not outcome.field or outcome.field.split(".")[0] in RequestBooking.model_fields


def test_without_the_price_rules_the_same_orders_are_booked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "refuse_class", lambda *_: None)
    monkeypatch.setattr(rules, "refuse_amount", lambda *_: None)
    for _, asked in price_rules.ORDERS:
        order = {name: value for name, value in asked.items() if name != "member"}
        outcome = decide(
            request(**{"quantities": {}} | order),
            uid(1),
            DESY,
            Listed(price_rules.SOLD, 4),
            {},
            NOW,
            backdate=YEARS,
        )
        assert isinstance(outcome, Booking)


def test_an_unknown_offering_is_named() -> None:
    assert decide(request("kit/disk"), uid(1), DESY, None, {}, NOW, backdate=YEARS) == Unknown("kit/disk")


def test_terms_are_frozen_into_the_booking() -> None:
    asked = request(cores=3, end=dt.date(2028, 1, 1), reference="Auftrag 7")
    found = decide(
        asked, uid(1), Consumer("desy", {"lrz": "1", "kit": "9"}), Listed(VM, 4), FREE, NOW, backdate=YEARS
    )
    assert isinstance(found, Booking)
    assert found.phase == ("completed", "active")
    assert is_confirmed(found)
    assert found.agreement == Agreement(
        booking_id=uid(1),
        offering_id="lrz/vm",
        offering_revision=4,
        plan_id="standard",
        provider="lrz",
        consumer="desy",
        consumer_class="1",
        quantities=decimals({"cores": 3}),
        start=dt.date(2026, 4, 1),
        end=dt.date(2028, 1, 1),
        reference="Auftrag 7",
        tariff=STANDARD.tariffs[0],
    )


def test_the_refusal_says_what_is_left() -> None:
    refused = decide(request(cores="3.5"), uid(1), DESY, Listed(VM, 4), FREE, NOW, backdate=YEARS)
    assert isinstance(refused, Rejected)
    assert refused.sentences[1] == "cores: 3.5 requested, 3 free."
    assert refused.field == "quantities.cores"


SMALL, LARGE = plan(plan_id="small", capacity={"cores": 7}), plan(plan_id="large", capacity={"cores": "20.5"})
TWO_PLANS: Offering = offering(SMALL, LARGE, plan(plan_id="unlimited"))


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["small", "large", "unlimited", "none"]),
            st.decimals(0, 12, places=1),
            st.sampled_from(["desy", "kit", "lrz"]),
        ),
        max_size=30,
    )
)
def test_whatever_is_asked_the_confirmed_never_exceed_the_capacity(
    asked: list[tuple[str, Decimal, str]],
) -> None:
    totals = {("lrz/vm", p.plan_id, "", "cores"): p.capacity["cores"] for p in (SMALL, LARGE)}
    free = dict(totals)
    confirmed: dict[str, Decimal] = {}
    for number, (plan_id, cores, member) in enumerate(asked):
        wanted = request(plan_id=plan_id, quantities={"cores": cores})
        outcome = decide(
            wanted, uid(number), Consumer(member), Listed(TWO_PLANS, 1), free, NOW, backdate=YEARS
        )
        left = free.get(("lrz/vm", plan_id, "", "cores"))
        fits = plan_id != "none" and member != "lrz" and (left is None or cores <= left)
        assert isinstance(outcome, Booking) == fits
        if isinstance(outcome, Booking):
            confirmed[plan_id] = confirmed.get(plan_id, Decimal(0)) + cores
            for key, amount in difference(None, outcome).items():
                if key in free:
                    free[key] -= amount
    for key, total in totals.items():
        assert total - free[key] == confirmed.get(key[1], 0)
        assert 0 <= free[key] <= total
