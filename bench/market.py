"""A durable market in a scratch folder, with members and offerings, for measuring."""

import contextlib
import datetime as dt
import shutil
import tempfile
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

from allmende.schemas.catalog import Offering, Plan
from allmende.schemas.tariff import Component, OrderQuantity, PerUnit, Tariff
from allmende.servicekit import database
from allmende.servicekit.embedded.postgres import EmbeddedPostgres
from allmende.servicekit.testing import Sandbox, Templates
from allmende.servicekit.up import installed_services
from allmende.services.brokerage import store
from allmende.services.brokerage.booking import Listed

MEMBERS = [f"dz-{number:02d}" for number in range(16)]
OFFERINGS = 1_000
START = dt.date(2026, 1, 1)


def offering(number: int) -> Offering:
    """One of many offerings, each with capacity enough for every booking of a run."""
    component = Component(
        id="vcpu",
        title="vCPU",
        billing="one_time",
        measure="vcpu",
        unit="core",
        price=PerUnit(amount=Decimal("42.00")),
    )
    plan = Plan(
        plan_id="standard",
        title="Standard",
        order=(OrderQuantity(id="vcpu", title="vCPU", unit="core", minimum=Decimal(1), maximum=Decimal(6)),),
        capacity={"vcpu": Decimal(1_000_000)},
        tariffs=(Tariff(version=1, valid_from=dt.date(2020, 1, 1), components=(component,)),),
    )
    return Offering(offering_id=f"provider/vm-{number:06d}", title="VM", category="hosting", plans=(plan,))


@contextlib.asynccontextmanager
async def scratch_market() -> AsyncIterator[Sandbox]:
    """Start servers, make members and put the offerings into the brokerage's picture."""
    folder = Path(tempfile.mkdtemp(prefix="allmende-bench-"))
    folder.chmod(0o711)
    try:
        with EmbeddedPostgres(folder / "postgres", durable=True) as postgres:
            templates = Templates(postgres, installed_services())
            await templates.prepare()
            async with Sandbox(folder, templates, ["provider", *MEMBERS]) as market:
                await _list_offerings(market)
                yield market
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _list_offerings(market: Sandbox) -> None:
    listed = {each.offering_id: Listed(each, 1) for each in map(offering, range(OFFERINGS))}
    engine = database.engine(market.databases["brokerage"])
    async with engine.begin() as tx:
        await store.save_offerings(tx, listed)
    await engine.dispose()
    async with market.admin("brokerage") as admin:
        await admin.execute("vacuum analyze")
        await admin.execute("checkpoint")
