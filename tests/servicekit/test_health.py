"""The two health routes, as an orchestrator asks them."""

import json
from collections.abc import Callable

import pytest

from allmende.servicekit import health


class Answers:
    """What the routes' ASGI applications answer."""

    def __init__(self, trouble: Callable[[], str | None]) -> None:
        self._routes = dict(health.routes("catalog", trouble))

    async def get(self, path: str, method: str = "GET") -> tuple[int, dict[str, str], str]:
        sent: list[dict[str, object]] = []

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, object]) -> None:
            sent.append(message)

        scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b""}
        await self._routes[path](scope, receive, send)
        start, body = sent[0], sent[1]
        headers = {key.decode().lower(): value.decode() for key, value in start["headers"]}  # type: ignore[attr-defined]
        return int(str(start["status"])), json.loads(bytes(body["body"]) or b"{}"), headers["content-type"]  # type: ignore[call-overload]


async def test_ready() -> None:
    answers = Answers(lambda: None)
    expected = (200, {"service": "catalog", "status": "ready"}, "application/json")
    assert await answers.get("/health/ready") == expected


@pytest.mark.parametrize("reason", ["the database cannot be reached: connection refused", "Brüche — “so”"])
async def test_not_ready_says_why(reason: str) -> None:
    code, body, _ = await Answers(lambda: reason).get("/health/ready")
    assert (code, body) == (503, {"service": "catalog", "status": "not ready", "reason": reason})


async def test_live_whatever_troubles() -> None:
    code, body, _ = await Answers(lambda: "the database is away").get("/health/live")
    assert (code, body) == (200, {"service": "catalog", "status": "live"})


async def test_the_reason_is_asked_anew_each_time() -> None:
    reasons = ["starting", None, "later"]
    answers = Answers(lambda: reasons.pop(0))
    assert [(await answers.get("/health/ready"))[0] for _ in range(3)] == [503, 200, 503]
