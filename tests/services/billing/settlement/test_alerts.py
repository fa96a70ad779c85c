"""What a closing holds for want of a price is told once for each booking and meter or component."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.bodies import closing
from support.builders import booking, command, component, fact, record, register, report, tariff, uid
from support.desk import Desk, NewDesk
from support.histories import day, flat
from support.usage import rated

from allmende.schemas.billing import AlertRaised
from allmende.schemas.registry import Audience
from allmende.schemas.rejections import rejected
from allmende.schemas.tariff import Component, PerUnit, PriceCell
from allmende.services.billing.booking import Booking
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.rating.metering import span_with
from allmende.services.billing.rating.reckoning import HeldDue, reckon
from allmende.services.billing.rating.rerating import HeldUsage
from allmende.services.billing.settlement import alerts


def held(
    queue: str, *, booking_id: int = 1, meter: str = "hours", month: str = "2026-04", **changes: object
) -> HeldUsage:
    """Three records of a queue without a price; without a component, of a meter that no terms know."""
    of = str(changes.get("component", meter))
    (terms,) = rated(booking(booking_id))
    span = span_with(month, "month")
    if not of:
        return HeldUsage(terms, meter, span, 3, rejected("unknown_meter", meter=meter))
    reason = rejected("no_price", component=f"{of}, {queue}", day=span.first_day, asked="queue")
    return HeldUsage(terms, meter, span, 3, reason, (of, 0, f"{month} queue={queue}"))


QUEUES = [held(f"q{n:03d}") for n in range(40)]


def test_a_meter_that_is_held_in_many_parts_is_one_alert() -> None:
    (alert,) = alerts.of_usage(QUEUES)
    assert (alert.kind, alert.provider, alert.booking_id) == ("usage_unpriced", "lrz", uid(1))
    assert (alert.meter, alert.period, alert.records) == ("hours", "2026-04", 120)
    assert (alert.message_de, alert.message_en) == QUEUES[0].reason.sentences


@pytest.mark.parametrize(
    "other",
    [
        held("q1", meter="disk"),
        held("q1", booking_id=2),
        held("q1", month="2026-03"),
        held("q1", component=""),
    ],
    ids=["meter", "booking", "period", "kind"],
)
def test_what_differs_is_told_apart(other: HeldUsage) -> None:
    found = alerts.of_usage([held("q1"), other])
    assert [each.records for each in found] == [3, 3]
    assert found[0] != found[1]


def test_records_that_several_components_measure_are_counted_once() -> None:
    both = [held("q1"), held("q2"), held("q1", component="fee"), held("q2", component="fee")]
    (alert,) = alerts.of_usage(both)
    assert alert.records == 6


@given(
    st.permutations(
        [*QUEUES[:4], held("a", meter="disk"), held("a", booking_id=2), held("a", component="fee")]
    )
)
def test_alerts_do_not_depend_on_the_order_in_which_usage_is_found(found: list[HeldUsage]) -> None:
    told = alerts.of_usage(found)
    assert told == alerts.of_usage(sorted(found, key=repr))
    assert [(each.booking_id, each.meter) for each in told] == [
        (uid(1), "disk"),
        (uid(1), "hours"),
        (uid(2), "hours"),
    ]


def ending(id_: str) -> Component:
    """A monthly price that ends with January 2025."""
    cell = PriceCell(valid_to=day("2025-01-31"), price=PerUnit(amount=Decimal(5)))
    return flat("5", "month", id_, prices=(cell,))


def dues(*ids: str) -> list[HeldDue]:
    found = Booking(booking(start=day("2025-01-01"), tariff=tariff(*map(ending, ids))))
    return list(reckon(found, [], since=day("2025-01-01"), period="2025-04").held)


def test_a_flat_charge_that_is_held_for_months_is_one_alert() -> None:
    found = dues("base")
    assert len(found) == 3
    (alert,) = alerts.of_dues(reversed(found), "2025-04")
    assert (alert.kind, alert.provider, alert.records) == ("charge_held", "lrz", 0)
    assert alert.message_de.startswith("base, 2025-02 und 2 weitere: ")
    assert alert.message_en.startswith("base, 2025-02 and 2 more: ")
    (alone,) = alerts.of_dues(found[:1], "2025-04")
    assert alone.message_de.startswith("base, 2025-02: ")
    assert len(alerts.of_dues(dues("base", "other"), "2025-04")) == 2


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    return await desk(BillingHandler(register("desy", "lrz"), 60))


async def test_a_provider_with_many_values_of_a_dimension_gets_one_alert_for_a_meter(billing: Desk) -> None:
    night = (PriceCell(when={"queue": "night"}, price=PerUnit(amount=Decimal(1))),)
    meters = [component(id=each, measure=each, prices=night) for each in ("hours", "disk")]
    confirmed = booking(1, start=day("2025-01-01"), tariff=tariff(*meters, ending("base")))
    days = [record("0", 1, dimensions={"queue": "night"})]
    days += [record(f"h{n}", 1, dimensions={"queue": f"q{n}"}) for n in range(30)]
    days += [record("d", 1, meter="disk", dimensions={"queue": "q1"})]
    messages = [fact(confirmed, 1), command("lrz", report(*days), 2), *closing("2026-04", 9, held=3)]
    told = [each for each in await billing.deliver(messages) if isinstance(each.data, AlertRaised)]
    assert all(each.parties == {Audience.PROVIDER: "lrz"} for each in told)
    found = [each.data for each in told if isinstance(each.data, AlertRaised)]
    assert [(each.kind, each.meter, each.records) for each in found] == [
        ("usage_unpriced", "disk", 1),
        ("usage_unpriced", "hours", 30),
        ("charge_held", None, 0),
    ]
    assert "2025-02 und 14 weitere" in found[2].message_de
    assert await billing.deliver(messages) == []
