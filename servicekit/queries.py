"""Answering members' questions at once, outside every stream.

A refusal comes back as a `Rejection` under the header `Allmende-Rejected`.
"""

import dataclasses
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from faststream.nats import NatsBroker, NatsMessage, NatsResponse
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from allmende.schemas import permissions, registry
from allmende.schemas.contract import Contract, Unreadable, read
from allmende.schemas.permissions import Role
from allmende.schemas.register import MemberRegister
from allmende.schemas.rejections import Rejected, rejected

REJECTED_HEADER = "Allmende-Rejected"
log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Caller:
    """Who asks, as the connection proved it, and how far the answer may reach.

    Attributes:
        classes: the member's class in each provider's own scheme.
    """

    member: str
    role: Role
    sees_all: bool
    classes: Mapping[str, str] = dataclasses.field(default_factory=dict)


PAGE_BYTES_MAX = 400 * 1024
"""What of a page fits into one reply, with room for a last item of the largest size."""

Answer = Callable[[AsyncConnection, Caller, Any], Awaitable[Contract | Rejected]]


def fitting(items: Iterable[Contract]) -> int:
    """Count how many items, from the first, fit into one reply; at least one."""
    count = size = 0
    for item in items:
        size += len(item.model_dump_json().encode())
        if count and size > PAGE_BYTES_MAX:
            break
        count += 1
    return count


def answer_all(
    broker: NatsBroker, engine: AsyncEngine, register: MemberRegister, answers: Mapping[str, Answer]
) -> None:
    """Subscribe a function for every query of a service, by the query's name in the registry."""
    for name, answer in answers.items():
        _subscribe(broker, engine, register, registry.query(name), answer)


async def _as_it_came(message: NatsMessage) -> bytes:
    """Leave the body to `read`: the framework's own reader is overrun by deep nesting."""
    return message.body


def _subscribe(
    broker: NatsBroker,
    engine: AsyncEngine,
    register: MemberRegister,
    query: registry.QueryType,
    answer: Answer,
) -> None:
    @broker.subscriber(
        f"ask.*.{query.name}",
        queue=query.service,
        title=query.name,
        description=query.summary,
        decoder=_as_it_came,
    )
    async def reply(message: NatsMessage) -> NatsResponse:
        try:
            found = await _answer(message)
        except Exception:  # whatever it was, silence would cost the asker a time-out and tell nothing
            log.exception("the query %s failed", query.name)
            found = rejected("unavailable")
        if isinstance(found, Rejected):
            body = found.as_rejection(query.name).model_dump_json().encode()
            return NatsResponse(body, headers={REJECTED_HEADER: found.code})
        return NatsResponse(found.model_dump_json().encode())

    async def _answer(message: NatsMessage) -> Contract | Rejected:
        member = register.find(message.raw_message.subject.split(".", 2)[1])
        if member is None:
            return rejected("not_a_member")
        try:
            request = read(query.request, message.body or b"{}")
        except Unreadable as error:
            return rejected(error.code, error.field, field=error.field, detail=error.detail)
        sees_all = permissions.sees_all(member.role, query.name)
        caller = Caller(member.id, member.role, sees_all, member.classes)
        async with engine.connect() as connection:
            return await answer(connection, caller, request)
