"""The loop itself: virtual time, one order for each seed, deaths without last words."""

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

import pytest
from simulation import clockwork
from simulation.clockwork import Process, Standstill


def run(work: Coroutine[Any, Any, Any], seed: int = 1) -> Any:
    return clockwork.run(work, random.Random(seed))  # noqa: S311 - to be repeated


async def test_pauses_take_no_time() -> None:
    async def sleep() -> float:
        await asyncio.sleep(86_400)
        return asyncio.get_running_loop().time()

    assert await asyncio.to_thread(run, sleep()) >= 86_400


def race(seed: int) -> list[str]:
    """Two processes of three steps each. Returns the order of the steps."""
    order: list[str] = []

    async def walk(name: str) -> None:
        for step in range(3):
            order.append(f"{name}{step}")
            await asyncio.sleep(0)

    async def both() -> None:
        await asyncio.gather(*(Process(name).spawn(walk(name)) for name in "ab"))

    run(both(), seed)
    return order


def test_chance_mixes_processes_but_not_the_steps_of_one() -> None:
    orders = [race(seed) for seed in range(20)]
    assert orders == [race(seed) for seed in range(20)]
    assert len({tuple(order) for order in orders}) > 5
    for order in orders:
        assert [step for step in order if step[0] == "a"] == ["a0", "a1", "a2"]


def test_whoever_dies_says_nothing_more() -> None:
    said: list[str] = []

    async def speak(process: Process) -> None:
        try:
            said.append("first")
            await asyncio.sleep(1)
            said.append("second")
        finally:
            said.append("last" if process.is_alive else "")

    async def world() -> None:
        process = Process("speaker", on_death=lambda: said.append("dies"))
        process.spawn(speak(process))
        await asyncio.sleep(0.5)
        process.die()
        await asyncio.sleep(5)
        assert said == ["first", "dies"]

    run(world())


def test_a_standstill_is_told() -> None:
    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Standstill):
        run(wait())
