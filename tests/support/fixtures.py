"""The types of the fixtures in `conftest.py`."""

from collections.abc import Awaitable
from typing import Any, Protocol

from allmende.client import Market
from allmende.servicekit.testing import Sandbox, Someone


class NewMarket(Protocol):
    def __call__(self, *members: Someone | str, **options: Any) -> Awaitable[Sandbox]: ...


class Connect(Protocol):
    def __call__(self, market: Sandbox, name: str) -> Awaitable[Market]: ...
