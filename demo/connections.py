"""Every member's own connection, and many requests at once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from allmende.client import Market

from .register import key_file

T = TypeVar("T")
Markets = Mapping[str, Market]

_AT_ONCE = 8


@contextlib.asynccontextmanager
async def connected(url: str, home: Path, members: Iterable[str]) -> AsyncIterator[Markets]:
    """Connect members, each with its own key and thus its own rights."""
    async with contextlib.AsyncExitStack() as stack:
        markets = {}
        for member in members:
            market = Market.connect(
                url, member=member, seed_file=key_file(home, member), name="allmende-demonstration"
            )
            markets[member] = await stack.enter_async_context(market)
        yield markets


async def all_of(works: Iterable[Callable[[], Awaitable[T]]]) -> list[T]:
    """Do what may be done in any order, a few at once; the results come in the order of the works."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(work: Callable[[], Awaitable[T]]) -> T:
        async with gate:
            return await work()

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(work)) for work in works]
    except ExceptionGroup as several:
        raise several.exceptions[0] from None
    return [task.result() for task in tasks]
