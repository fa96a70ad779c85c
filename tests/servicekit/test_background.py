"""What runs beside the loop starts with the service, ends with it, and takes it along when it fails."""

import asyncio
import dataclasses

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from support.fixtures import NewMarket

from allmende.servicekit.clock import Clock, system_clock
from allmende.servicekit.service import Runtime
from allmende.servicekit.settings import Settings
from allmende.services.catalog.app import service


async def test_it_runs_until_the_service_is_told_to_stop(sandbox: NewMarket) -> None:
    market = await sandbox("desy")
    began, ended = asyncio.Event(), asyncio.Event()

    async def beside(settings: Settings, engine: AsyncEngine, clock: Clock) -> None:
        assert (settings.service, clock) == ("catalog", system_clock)
        async with engine.connect():
            pass
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    runtime = Runtime(
        dataclasses.replace(service, background=beside), market.settings("catalog"), system_clock
    )
    await runtime.start()
    async with asyncio.timeout(10):
        await began.wait()
    assert not ended.is_set()
    await runtime.stop()
    assert ended.is_set()
    assert not runtime.failed


async def test_its_failure_ends_the_service(sandbox: NewMarket, caplog: pytest.LogCaptureFixture) -> None:
    market = await sandbox("desy")

    async def beside(settings: Settings, engine: AsyncEngine, clock: Clock) -> None:
        raise RuntimeError("a bug")

    runtime = Runtime(
        dataclasses.replace(service, background=beside), market.settings("catalog"), system_clock
    )
    await runtime.start()
    async with asyncio.timeout(10):
        while not runtime.failed:  # noqa: ASYNC110 - it is a state, nothing tells of it
            await asyncio.sleep(0.01)
    assert "what runs beside it failed" in caplog.text
    await runtime.stop()
