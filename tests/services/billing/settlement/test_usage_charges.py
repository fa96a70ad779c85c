"""What usage is charged, month by month, told late or early, with and without a price."""

import json
from collections import Counter
from decimal import Decimal

import pytest
from support.bodies import closing
from support.builders import (
    booking,
    command,
    component,
    decimals,
    fact,
    record,
    register,
    report,
    tariff,
    uid,
)
from support.desk import Desk, NewDesk, codes
from support.histories import amended, day, flat, noon

from allmende.schemas.billing import AlertRaised, SettlementClosed, UsageRecord
from allmende.schemas.brokerage import BookingConfirmed
from allmende.schemas.registry import Audience
from allmende.schemas.settlements import SettlementDrafted
from allmende.schemas.tariff import Component, PerUnit, Tariff
from allmende.servicekit.messages import Outgoing
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.settlement import collecting
from allmende.services.billing.usage import store as usage_store

START = day("2025-01-01")


def usage(id_: str, price: object, **changes: object) -> Component:
    """A component of usage; several prices are a table, a text is so many euro for one hour."""
    given: dict[str, object] = {"id": id_, "title": id_, "billing": "usage", "measure": "hours", "unit": "h"}
    if isinstance(price, str):
        price = {"kind": "per_unit", "amount": price}
    given |= {"prices" if isinstance(price, list) else "price": price} | changes
    return Component.model_validate_json(json.dumps(given))


def percent(of: str, *others: str) -> Component:
    return usage("overhead", {"kind": "percent", "percent": "10", "of": [of, *others]}, measure=None)


def mine(*components: Component, number: int = 1, **changes: object) -> BookingConfirmed:
    return booking(number, tariff=tariff(*components), **{"start": START} | changes)


class Market:
    """One process, and short ways to what it is told."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.number = 0

    async def know(self, *bookings: BookingConfirmed) -> None:
        await self.desk.take(*(fact(each, n) for n, each in enumerate(bookings)))

    async def amend(self, number: int, on: str, of: BookingConfirmed, terms: Tariff) -> None:
        await self.desk.take(fact(amended(number, on, of, tariff=terms), 500 + number))

    async def use(self, *used: tuple[str, int | str], of: int = 1, **changes: object) -> None:
        """Report hours on days."""
        records: list[UsageRecord] = []
        for on, hours in used:
            self.number += 1
            given = {"start": noon(on), "booking_id": uid(of)} | changes
            records.append(record(f"{self.number:04d}", hours, **given))
        self.number += 1
        await self.desk.take(command("lrz", report(*records), 1_000 + self.number))

    async def close(self, *periods: str) -> list[Outgoing]:
        told = []
        for period in periods:
            number = 9_000 + int(period[:4]) % 100 * 12 + int(period[5:])
            drafted = await self.desk.take(closing(period, number)[0])
            assert isinstance(drafted[-1].data, SettlementDrafted)
            told += drafted
            told += await self.desk.take(*closing(period, number, held=drafted[-1].data.alerts)[1:])
        return told

    async def lines(self, period: str) -> list[tuple[str, str, int]]:
        """Component, what it is charged for, and cents, of a settlement."""
        rows = await self.desk.rows(
            "select l.document->>'component', l.document->>'charged_for', l.amount_cents from charge_line l"
            " join settlement s using (settlement_id) where s.period = :period"
            " order by 1, 2, l.document->>'cause' desc, l.line",
            period=period,
        )
        return [(str(name), str(label), int(str(cents))) for name, label, cents in rows]

    async def total(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for name, label, cents in await self.desk.rows(
            "select document->>'component', document->>'charged_for', amount_cents from charge_line"
        ):
            found[f"{name} {label}"] += int(str(cents))
        return found


@pytest.fixture
async def market(desk: NewDesk) -> Market:
    return Market(await desk(BillingHandler(register("desy", "gsi", "lrz"), 60)))


# -- counters ------------------------------------------------------------------------------------


@pytest.mark.parametrize("looks", [True, False])
async def test_a_late_reading_changes_the_month_after_it(
    market: Market, monkeypatch: pytest.MonkeyPatch, looks: bool
) -> None:
    await market.know(mine(usage("hours", "1", quantity={"reading": "counter"})))
    await market.use(("2025-04-01", 100), ("2025-05-20", 150), ("2025-06-20", 160))
    await market.close("2025-04", "2025-05", "2025-06")
    assert await market.lines("2025-05") == [("hours", "2025-05", 5_000)]
    await market.use(("2025-04-30", 120))
    if not looks:

        async def nowhere(*_: object) -> list[object]:
            return []

        monkeypatch.setattr(collecting._Rating, "_counted_on", nowhere)
    await market.close("2025-07")
    assert sum((await market.total()).values()) == (6_000 if looks else 8_000)
    if looks:
        assert await market.lines("2025-07") == [
            ("hours", "2025-04", 0),
            ("hours", "2025-04", 2_000),
            ("hours", "2025-05", -5_000),
            ("hours", "2025-05", 3_000),
        ]


async def test_a_month_closed_after_the_next_one_changes_what_its_counter_rose_by(market: Market) -> None:
    await market.know(mine(usage("hours", "1", quantity={"reading": "counter"})))
    await market.use(("2025-04-01", 100), ("2025-06-20", 160))
    await market.close("2025-04", "2025-06")
    await market.use(("2025-05-20", 150))
    await market.close("2025-05")
    assert await market.total() == {"hours 2025-04": 0, "hours 2025-05": 5_000, "hours 2025-06": 1_000}


# -- quarters and years --------------------------------------------------------------------------


async def test_a_quarter_is_charged_with_its_last_month_whenever_that_is_closed(market: Market) -> None:
    best = {"kind": "tiered", "mode": "volume", "tiers": [{"up_to": "10", "amount": "1"}, {"amount": "0.5"}]}
    await market.know(mine(usage("hours", best, period="quarter")))
    await market.use(("2025-04-10", 4), ("2025-05-10", 4))
    await market.close("2025-04")
    await market.use(("2025-04-11", 1))
    await market.close("2025-06")
    assert await market.lines("2025-04") == []
    assert await market.lines("2025-06") == [("hours", "2025-Q2", 900)], "with what came late"
    await market.use(("2025-05-11", 1))
    await market.close("2025-05")
    assert await market.lines("2025-05") == [("hours", "2025-Q2", -900), ("hours", "2025-Q2", 1_000)]
    await market.use(("2025-04-12", 2))
    await market.close("2025-07")
    assert await market.lines("2025-07") == [("hours", "2025-Q2", -1_000), ("hours", "2025-Q2", 600)]
    await market.close("2025-08")
    assert await market.lines("2025-08") == []


# -- percentages ---------------------------------------------------------------------------------


async def test_a_percentage_is_of_usage_and_of_what_is_flat_in_the_same_span(market: Market) -> None:
    await market.know(mine(flat("10.00", "month"), usage("hours", "1"), percent("base", "hours")))
    await market.use(("2025-02-10", 30))
    await market.close("2025-01", "2025-02")
    assert await market.lines("2025-01") == [("base", "2025-01", 1_000), ("overhead", "2025-01", 100)]
    expected = [("base", "2025-02", 1_000), ("hours", "2025-02", 3_000), ("overhead", "2025-02", 400)]
    assert await market.lines("2025-02") == expected
    await market.use(("2025-02-11", 10))
    await market.close("2025-03")
    assert await market.lines("2025-03") == [
        ("base", "2025-03", 1_000),
        ("hours", "2025-02", -3_000),
        ("hours", "2025-02", 4_000),
        ("overhead", "2025-02", -400),
        ("overhead", "2025-02", 500),
        ("overhead", "2025-03", 100),
    ]


async def test_a_flat_price_is_in_one_percentage_only_when_terms_change(market: Market) -> None:
    terms = flat("10.00", "month"), usage("hours", "1"), percent("base", "hours")
    before = mine(*terms)
    await market.know(before)
    await market.amend(1, "2025-01-16", before, tariff(*terms, version=2))
    await market.use(("2025-01-10", 10), ("2025-01-20", 20))
    await market.close("2025-01")
    assert await market.lines("2025-01") == [
        ("base", "2025-01", 1_000),
        ("hours", "2025-01", 1_000),
        ("hours", "2025-01", 2_000),
        ("overhead", "2025-01", 200),
        ("overhead", "2025-01", 200),
    ]


async def test_a_flat_price_that_changes_late_changes_its_percentage(market: Market) -> None:
    before = mine(flat("10.00", "month"), usage("hours", "1"), percent("base", "hours"))
    await market.know(before)
    await market.close("2025-01")
    dearer = tariff(flat("15.00", "month"), usage("hours", "1"), percent("base", "hours"), version=2)
    await market.amend(1, "2025-01-01", before, dearer)
    await market.close("2025-02")
    found = await market.total()
    assert (found["base 2025-01"], found["overhead 2025-01"]) == (1_500, 150)
    assert (found["base 2025-02"], found["overhead 2025-02"]) == (1_500, 150)


# -- prices and terms that change within a span --------------------------------------------------


async def test_price_steps_part_a_month_and_an_allowance_is_given_once(market: Market) -> None:
    later = {"valid_from": "2025-01-16", "price": {"kind": "per_unit", "amount": "2"}}
    cells = [later, {"price": {"kind": "per_unit", "amount": "1"}}]
    free = {"included": {"quantity": "10"}}
    await market.know(mine(usage("hours", cells), usage("less", cells, quantity=free)))
    await market.use(("2025-01-15", 30), ("2025-01-16", 20))
    await market.close("2025-01")
    assert await market.lines("2025-01") == [
        ("hours", "2025-01", 3_000),
        ("hours", "2025-01 2025-01-16", 4_000),
        ("less", "2025-01", 2_400),
        ("less", "2025-01 2025-01-16", 3_200),
    ]


async def test_an_index_point_parts_a_month(market: Market) -> None:
    points = [{"valid_from": "2025-01-11", "value": "110"}]
    index = {"title": "VPI", "source": "Destatis", "base": "100", "points": points}
    await market.know(mine(usage("hours", "1", amount={"index": index})))
    await market.use(("2025-01-10", 10), ("2025-01-11", 10))
    await market.close("2025-01")
    assert await market.lines("2025-01") == [
        ("hours", "2025-01", 1_000),
        ("hours", "2025-01 2025-01-11", 1_100),
    ]


async def test_each_day_counts_by_its_terms_and_the_allowance_is_that_of_the_newest(market: Market) -> None:
    peak = usage("peak", "1", quantity={"take": "max"})
    before = mine(usage("hours", "1", quantity={"included": {"quantity": "10"}}), peak)
    await market.know(before)
    more = usage("hours", "2", quantity={"included": {"quantity": "20"}})
    await market.amend(1, "2025-01-21", before, tariff(more, peak, version=2))
    await market.use(("2025-01-20", 30), ("2025-01-21", 20), ("2025-01-31", 10))
    await market.close("2025-01")
    assert await market.lines("2025-01") == [
        ("hours", "2025-01", 2_000),
        ("hours", "2025-01", 4_000),
        ("peak", "2025-01", 3_000),
        ("peak", "2025-01", 2_000),
    ]


# -- allowances that are shared ------------------------------------------------------------------


@pytest.mark.parametrize(("by", "left"), [("offering", (2_000, 4_000, 6_000)), ("consumer", (0, 0, 0))])
async def test_what_one_uses_of_a_shared_allowance_is_lacking_to_the_others(
    market: Market, by: str, left: tuple[int, ...]
) -> None:
    pool = usage("hours", "1", quantity={"included": {"quantity": "60", "shared_by": by}})
    members = enumerate(["desy", "gsi", "kit"], 1)
    await market.know(*(mine(pool, number=n, consumer=member) for n, member in members))
    for of in (1, 2, 3):
        await market.use(("2025-01-10", 10 * of), of=of)
    await market.close("2025-01")
    assert [cents for _, _, cents in await market.lines("2025-01")] == [0, 0, 0]
    for of in (1, 2, 3):
        await market.use(("2025-01-11", 20 * of), of=of)
    await market.close("2025-02")
    due = [cents for _, _, cents in await market.lines("2025-02")]
    assert sum(due) == sum((await market.total()).values())
    assert sum(due) == (12_000 if by == "offering" else 3_000)


async def test_a_pool_holds_so_much_for_each_that_was_ordered(market: Market) -> None:
    each = {"included": {"quantity": "10", "for_each": "cores", "shared_by": "offering"}}
    pool = usage("hours", "1", quantity=each)
    sizes = {1: 1, 2: 2}
    await market.know(
        *(mine(pool, number=n, quantities=decimals({"cores": cores})) for n, cores in sizes.items())
    )
    await market.use(("2025-01-10", 45), of=1)
    await market.use(("2025-01-10", 15), of=2)
    await market.close("2025-01")
    assert [cents for _, _, cents in await market.lines("2025-01")] == [2_250, 750]


async def test_a_rounded_quantity_is_covered_by_an_allowance_that_reaches(market: Market) -> None:
    rule = {"round": {"to": "5", "mode": "up"}, "included": {"quantity": "60", "shared_by": "offering"}}
    await market.know(*(mine(usage("hours", "1", quantity=rule), number=n) for n in (1, 2)))
    await market.use(("2025-01-10", 11), of=1)
    await market.use(("2025-01-10", 21), of=2)
    await market.close("2025-01")
    assert [cents for _, _, cents in await market.lines("2025-01")] == [0, 0]


# -- usage without a price -----------------------------------------------------------------------

NIGHT_ONLY = [{"when": {"queue": "night"}, "price": {"kind": "per_unit", "amount": "1"}}]


@pytest.mark.parametrize("remembers", [True, False])
async def test_usage_without_a_price_is_held_and_charged_once_there_is_one(
    market: Market, monkeypatch: pytest.MonkeyPatch, remembers: bool
) -> None:
    before = mine(usage("hours", NIGHT_ONLY))
    await market.know(before)
    if not remembers:

        async def forget(*_: object) -> None: ...

        monkeypatch.setattr(usage_store, "mark_late", forget)
    await market.use(("2025-01-10", 5), dimensions={"queue": "night"})
    await market.use(("2025-01-10", 7), ("2025-01-11", 1), dimensions={"queue": "day"})
    told = await market.close("2025-01")
    (alert,) = [each for each in told if isinstance(each.data, AlertRaised)]
    assert alert.parties == {Audience.PROVIDER: "lrz"}
    assert isinstance(alert.data, AlertRaised)
    assert (alert.data.kind, alert.data.booking_id, alert.data.meter) == ("usage_unpriced", uid(1), "hours")
    assert (alert.data.period, alert.data.records) == ("2025-01", 2)
    assert alert.data.message_de
    assert alert.data.message_en
    assert await market.lines("2025-01") == [("hours", "2025-01 queue=night", 500)]
    assert codes(await market.close("2025-02")).count("AlertRaised") == remembers, "it is held on"
    all_day = usage("hours", [*NIGHT_ONLY, {"price": {"kind": "per_unit", "amount": "3"}}])
    await market.amend(1, "2025-01-01", before, tariff(all_day, version=2))
    assert "AlertRaised" not in codes(await market.close("2025-03"))
    found = await market.total()
    assert found["hours 2025-01 queue=day"] == (2_400 if remembers else 0)
    assert found["hours 2025-01 queue=night"] == 500


async def test_a_flat_charge_without_a_price_is_told_until_it_has_one(
    market: Market,
) -> None:
    until = [{"valid_to": "2025-01-31", "price": {"kind": "per_unit", "amount": "5"}}]
    before = mine(
        Component.model_validate_json(
            json.dumps(
                {
                    "id": "base",
                    "title": "Grundpreis",
                    "billing": "fixed",
                    "period": "month",
                    "unit": "Monat",
                    "prices": until,
                }
            )
        )
    )
    await market.know(before)
    assert "AlertRaised" not in codes(await market.close("2025-01"))
    for period, more in (("2025-02", ""), ("2025-03", " und 1 weitere")):
        told = [each.data for each in await market.close(period) if isinstance(each.data, AlertRaised)]
        assert [(each.kind, each.provider, each.period) for each in told] == [("charge_held", "lrz", period)]
        assert told[0].message_de.startswith(f"Grundpreis, 2025-02{more}: ")
        assert await market.lines(period) == []
    priced = before.tariff.components[0].model_copy(
        update={"prices": None, "price": PerUnit(amount=Decimal(6))}
    )
    await market.amend(1, "2025-02-01", before, tariff(priced, version=2))
    assert "AlertRaised" not in codes(await market.close("2025-04"))
    assert await market.lines("2025-04") == [("base", f"2025-0{month}", 600) for month in (2, 3, 4)]


async def test_what_stands_of_something_held_stays_and_the_rest_is_put_right(market: Market) -> None:
    capped = {"kind": "tiered", "mode": "graduated", "tiers": [{"up_to": "10", "amount": "1"}]}
    before = mine(usage("hours", capped), usage("other", "1"))
    await market.know(before)
    await market.use(("2025-01-10", 6))
    await market.close("2025-01")
    await market.use(("2025-01-11", 6))
    assert "AlertRaised" in codes(await market.close("2025-02"))
    assert await market.lines("2025-02") == [("other", "2025-01", -600), ("other", "2025-01", 1_200)]
    await market.amend(1, "2025-01-01", before, tariff(usage("hours", "0.5"), usage("other", "1"), version=2))
    await market.close("2025-03")
    assert await market.total() == {"hours 2025-01": 600, "other 2025-01": 1_200}


async def test_the_records_of_a_settlement_are_those_of_its_month(market: Market) -> None:
    await market.know(mine(component(), usage("twice", "1", quantity={"take": "max"})))
    await market.use(("2025-01-10", 1), ("2025-01-11", 1))
    await market.close("2025-01")
    await market.use(("2025-01-12", 1), ("2025-02-01", 1))
    settled = (await market.close("2025-02"))[-1].data
    assert isinstance(settled, SettlementClosed)
    assert settled.usage_records == 1
