"""What is credited of an advance does not stand charged: the pool still comes to its exact cost."""

from support import pooled
from support.bodies import signed
from support.builders import command
from support.desk import Desk, NewDesk
from support.reviews import deciding, lines_of, market, objecting, settle

from allmende.schemas.contract import Contract
from allmende.schemas.permissions import Role
from allmende.schemas.pools import PoolSettled
from allmende.schemas.reports import ReportExactCost
from allmende.servicekit.messages import Incoming
from allmende.servicekit.queries import Caller
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.reports.queries import report_cost


def office(number: int, data: Contract) -> Incoming:
    return command("office", data, number)


async def _credited(desk: Desk) -> None:
    """An advance of 1,000 euro, of which a participant gets 100 back."""
    await desk.take(office(1, pooled.published()), office(2, pooled.opening()))
    await desk.take(office(3, pooled.advancing(100_000)))
    await settle(desk, "2026-02", 10)
    [line] = [each for each in await lines_of(desk, "2026-02") if each.payer == "desy"]
    assert (line.cause, line.amount_cents) == ("advance", 50_000)
    await desk.take(signed("desy", "anna", objecting(line.line, period="2026-02"), 20))
    await desk.take(signed("office", "anna", deciding(20, credit_cents=10_000), 21))
    await settle(desk, "2026-03", 30)


async def test_the_settlement_of_a_pool_charges_what_was_credited_of_an_advance(desk: NewDesk) -> None:
    billing = await desk(BillingHandler(market("desy", "gsi", "lrz"), 60))
    await _credited(billing)
    await billing.take(command("lrz", pooled.cost("a", 90_000), 40))
    [told] = [
        each.data
        for each in await billing.take(office(41, pooled.settling()))
        if isinstance(each.data, PoolSettled)
    ]
    assert told.proof.exact
    assert told.proof.charged_before_cents == 90_000, "100,000 less the credit"
    await settle(billing, "2026-04", 50)
    paid = [
        each
        for period in ("2026-02", "2026-03", "2026-04")
        for each in await lines_of(billing, period)
        if each.payer == "desy"
    ]
    assert sum(each.amount_cents for each in paid) == 45_000, "half of the cost, whatever was credited"
    async with billing.engine.connect() as connection:
        proven = await report_cost(
            connection, Caller("office", Role.OFFICE, sees_all=True), ReportExactCost(year=2026)
        )
    [pool] = proven.pools
    assert (proven.proven, pool.charged_cents, pool.markup_cents) == (True, 90_000, 0)
