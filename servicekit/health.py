"""`/health/live`: the process works. `/health/ready`: it can take messages; if not, why."""

import json
from collections.abc import Callable
from typing import Any

from faststream.asgi import AsgiResponse, get


def routes(service: str, trouble: Callable[[], str | None]) -> list[tuple[str, Any]]:
    """The two routes; `trouble` gives the reason for not being ready in one sentence, or None."""

    def respond(code: int, **content: str) -> AsgiResponse:
        body = json.dumps({"service": service, **content}, ensure_ascii=False).encode()
        return AsgiResponse(body, code, headers={"content-type": "application/json"})

    @get
    async def live(_: Any) -> AsgiResponse:
        return respond(200, status="live")

    @get
    async def ready(_: Any) -> AsgiResponse:
        reason = trouble()
        if reason is None:
            return respond(200, status="ready")
        return respond(503, status="not ready", reason=reason)

    return [("/health/live", live), ("/health/ready", ready)]
