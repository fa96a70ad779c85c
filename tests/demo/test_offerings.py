import datetime as dt
from decimal import Decimal

import pytest
from support.pricing import rate, rate_usage

from allmende.demo.assumptions import assumptions
from allmende.demo.levy import koenigsteiner
from allmende.demo.offerings import DIRECTORY, EXCHANGE, HOSTING, MAILBOXES, compute_id, offerings
from allmende.demo.orders import compute_orders
from allmende.demo.script import script
from allmende.demo.trace import Row, Use
from allmende.demo.usage import reports
from allmende.schemas.catalog import Offering, Plan
from allmende.schemas.rejections import Rejected
from allmende.schemas.tariff import Tariff
from allmende.tariffs.order import refuse_order
from allmende.tariffs.terms import refuse_class, tariff_on

NOVEMBER = dt.date(2005, 11, 21)


def _offering(offering_id: str) -> Offering:
    return next(each for each in offerings(assumptions()) if each.offering_id == offering_id)


def _plan(offering_id: str) -> Plan:
    return _offering(offering_id).plans[0]


def _tariff(offering_id: str, day: dt.date = NOVEMBER) -> Tariff:
    found = tariff_on(_plan(offering_id), day)
    assert found is not None
    return found


def _quantities(**wanted: int) -> dict[str, Decimal]:
    return {name: Decimal(value) for name, value in wanted.items()}


def test_a_machine_in_muenster_costs_what_the_clause_says() -> None:
    tariff = _tariff(HOSTING)
    wanted = _quantities(vcpu=4, memory_gb=16, disk_gb=200)
    once = [each for each in tariff.components if each.billing == "one_time"]
    lines = [rate(tariff, each, None, wanted[each.id]) for each in once]
    assert [line.amount_cents for line in lines] == [16_800, 80_000, 16_600]
    assert sum(line.amount_cents for line in lines) == 113_400


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"vcpu": 8, "memory_gb": 16, "disk_gb": 200}, "above_maximum"),
        ({"vcpu": 7, "memory_gb": 64}, "above_maximum"),
        ({"vcpu": 6, "memory_gb": 65}, "above_maximum"),
        ({"vcpu": 6, "memory_gb": 64}, None),
    ],
)
def test_an_order_above_the_limits_is_refused_before_it_is_priced(
    wanted: dict[str, int], code: str | None
) -> None:
    refusal = refuse_order(_plan(HOSTING), _quantities(**wanted))
    assert (refusal.code if refusal else None) == code


@pytest.mark.parametrize(("consumer_class", "cents"), [("1", 0), ("2", 336_000), ("3", 336_000)])
def test_a_year_of_mailboxes_costs_what_the_clause_says(consumer_class: str, cents: int) -> None:
    tariff = _tariff(EXCHANGE)
    year = Decimal(260 + 260 + 300 + 300)
    assert [line.amount_cents for line in rate_usage(tariff, consumer_class, {MAILBOXES: year})] == [cents]
    quarters = [rate_usage(tariff, consumer_class, {MAILBOXES: Decimal(n)})[0] for n in (260, 260, 300, 300)]
    assert sum(line.amount_cents for line in quarters) == cents


@pytest.mark.parametrize("consumer_class", ["4", "5", "6", None])
def test_classes_without_supply_are_refused(consumer_class: str | None) -> None:
    assert isinstance(refuse_class(_tariff(EXCHANGE), consumer_class), Rejected)


def test_fewer_than_fifty_mailboxes_are_refused() -> None:
    refusal = refuse_order(_plan(EXCHANGE), _quantities(mailboxes=49))
    assert refusal is not None
    assert refusal.code == "below_minimum"
    assert refuse_order(_plan(EXCHANGE), _quantities(mailboxes=50)) is None


def test_the_directory_is_free_and_says_why() -> None:
    (line,) = rate_usage(_tariff(DIRECTORY), None, {"entries": Decimal(2400)})
    assert line.amount_cents == 0
    assert "ohne Entgelt" in line.trace_de


def test_the_version_follows_the_day() -> None:
    desy, dortmund = compute_id("desy"), compute_id("uni-dortmund")
    assert _tariff(desy, dt.date(2005, 12, 31)).version == 1
    assert _tariff(desy, dt.date(2006, 1, 1)).version == 2
    assert _tariff(dortmund, dt.date(2005, 11, 25)).version == 1
    assert _tariff(dortmund, dt.date(2005, 11, 26)).version == 2


def test_a_core_hour_costs_its_price() -> None:
    tariff = _tariff(compute_id("desy"))
    (line,) = rate_usage(tariff, None, {"core_seconds": Decimal(7_200)})
    assert line.amount_cents == 93


def test_every_offering_says_that_it_is_a_demonstration() -> None:
    for offering in offerings(assumptions()):
        assert "Demonstration" in offering.title
        assert "DEMONSTRATION" in offering.description
        assert len(offering.title) <= 200


def test_use_after_a_rebooking_belongs_to_the_new_booking() -> None:
    before, after = dt.date(2005, 11, 25), dt.date(2005, 11, 26)
    uses = [Use(Row("h", day, "9", "1", 60), "uni-dortmund", "desy") for day in (before, after)]
    orders = compute_orders(assumptions(), uses)
    assert [orders.of(use).start for use in uses] == [before, after]


def test_the_script_is_the_same_every_time() -> None:
    first, again = script(), script.__wrapped__()
    assert first == again
    ids = [order.id for order in (*first.services, *first.computing, *first.refused)]
    ids += [report.id for report in first.reports] + [first.levy_id, first.closing_id]
    assert len(set(ids)) == len(ids)


def test_every_booking_has_usage_so_that_closing_waits_for_it() -> None:
    said = script()
    used = {record.booking_id for report in said.reports for record in report.records}
    assert used == {order.id for order in (*said.services, *said.computing)}


def test_reports_come_by_the_day_and_hold_every_record_once() -> None:
    said = script()
    assert [report.day for report in said.reports] == sorted(report.day for report in said.reports)
    keys = [(report.provider, report.day) for report in said.reports]
    assert len(set(keys)) == len(keys)
    records = [record.id for report in said.reports for record in report.records]
    assert len(set(records)) == len(records) == len(said.divided.market) + 12
    assert reports(said.table, said.divided, compute_orders(said.table, said.divided.market)) == said.reports


def test_the_key_is_whole() -> None:
    key = koenigsteiner(assumptions().levy)
    assert len(key.values) == 16
    assert sum(key.values.values()) == 100
