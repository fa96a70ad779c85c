"""Statements are answered page by page, in answers that can be read."""

import json

import pytest
from support.bodies import closing
from support.builders import booking, component, decimals, fact, register, tariff
from support.desk import Desk, NewDesk
from support.histories import changed

from allmende.schemas.billing import ShowStatement, Statement
from allmende.schemas.permissions import Role
from allmende.schemas.tariff import Free
from allmende.servicekit.queries import PAGE_BYTES_MAX, Caller
from allmende.services.billing.handlers import BillingHandler
from allmende.services.billing.settlement.queries import answers

WIDE = "\N{OLD ITALIC LETTER A}" * 200


@pytest.fixture
async def billing(desk: NewDesk) -> Desk:
    """A hundred bookings whose components are taken back, in the longest words there are."""
    found = await desk(BillingHandler(register("desy", "lrz"), 60))
    priced = tariff(
        *(
            component(Free(reason=WIDE), id=f"c{n}", title=WIDE, billing="one_time", measure="cores")
            for n in range(3)
        )
    )
    bookings = [booking(n, tariff=priced, quantities=decimals({"cores": 1})) for n in range(1, 101)]
    await found.take(*(fact(each, n) for n, each in enumerate(bookings)))
    await found.take(*closing("2026-04", 1))
    withdrawn = [changed(1, each, state="failed", reason=WIDE) for each in bookings]
    await found.take(*(fact(each, 1_000 + n) for n, each in enumerate(withdrawn)))
    await found.take(*closing("2026-05", 2))
    return found


async def test_every_line_of_a_statement_comes_in_answers_that_can_be_read(billing: Desk) -> None:
    show = answers(register("desy", "lrz"))["billing.statement.show"]
    seen: list[int] = []
    after: int | None = 0
    async with billing.engine.connect() as connection:
        while after is not None:
            asked = ShowStatement(period="2026-05", after=after)
            page = await show(connection, Caller("desy", Role.MEMBER, sees_all=False), asked)
            assert isinstance(page, Statement)
            body = page.model_dump_json().encode()
            assert len(body) < PAGE_BYTES_MAX + 16 * 1024
            assert json.loads(body)["statement"]["member"] == "desy"
            seen += [line.line for line in page.lines]
            after = page.next_after
    assert seen == list(range(1, 301))
