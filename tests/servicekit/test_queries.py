"""Questions and their answers at once, over the real hub."""

import asyncio
import dataclasses
import uuid

import pytest
from nats.aio.client import Client
from sqlalchemy.ext.asyncio import AsyncConnection
from support import examples
from support.broker import Connections, eventually
from support.builders import agreement
from support.fixtures import NewMarket

from allmende.schemas import permissions, registry
from allmende.schemas.brokerage import Bookings
from allmende.schemas.catalog import Offerings
from allmende.schemas.contract import MESSAGE_BYTES_MAX, Contract
from allmende.schemas.permissions import Role
from allmende.schemas.rejections import Rejection, rejected
from allmende.servicekit import database, queries
from allmende.servicekit.embedded.postgres import EmbeddedPostgres
from allmende.servicekit.queries import REJECTED_HEADER, Caller
from allmende.servicekit.testing import Sandbox
from allmende.services.brokerage.booking import Booking
from allmende.services.brokerage.life import store

LIST = "ask.brokerage.booking.list"


async def ask(connection: Client, subject: str, body: bytes) -> tuple[str | None, bytes]:
    """The code of a refusal, if it is one, and the body."""
    answer = await connection.request(subject, body, timeout=10)
    return (answer.headers or {}).get(REJECTED_HEADER), answer.data


BAD = {
    b"{": "malformed_json",
    b"\xff": "malformed_json",
    b"[" * 100_000: "malformed_json",
    b"{}{}": "malformed_json",
    b"[]": "invalid_field",
    b'{"limit":0}': "invalid_field",
    b'{"limit":501}': "invalid_field",
    b'{"limit":"1"}': "invalid_field",
    b'{"limit":true}': "invalid_field",
    b'{"side":"mine"}': "invalid_field",
    b'{"more":1}': "invalid_field",
    b'{"limit":1,"limit":2}': "duplicate_key",
    b'{"after":' + b"9" * 5_000 + b"}": "malformed_json",
    b'{"after":0' + b" " * MESSAGE_BYTES_MAX + b"}": "too_large",
}


async def test_bad_questions_are_refused_with_the_reason(
    sandbox: NewMarket, connections: Connections
) -> None:
    market = await sandbox("desy")
    await market.start("brokerage")
    desy = await connections.member(market, "desy")
    for body, code in BAD.items():
        found, answer = await ask(desy, LIST, body)
        rejection = Rejection.model_validate_json(answer)
        assert (found, rejection.code, rejection.command) == (code, code, "brokerage.booking.list"), body[:30]
        assert rejection.message_de
        assert rejection.message_en
    assert await ask(desy, LIST, b"") == (None, b'{"bookings":[],"next_after":null}'), "nothing asks for all"


async def test_one_sees_ones_own_and_the_office_sees_all(
    sandbox: NewMarket, connections: Connections
) -> None:
    market = await sandbox("desy", "kit", "lrz")
    await market.start("brokerage")
    pairs = [("desy", "lrz"), ("kit", "lrz"), ("kit", "desy")]
    engine = database.engine(market.databases["brokerage"])
    async with engine.begin() as tx:
        booked = [
            Booking(
                agreement().model_copy(
                    update={"booking_id": str(uuid.uuid4()), "consumer": consumer, "provider": provider}
                ),
                "completed",
                "active",
            )
            for consumer, provider in pairs
        ]
        await store.save_new(tx, booked, examples.NOW)
    await engine.dispose()

    seen = {}
    for name in ("desy", "kit", "lrz", "office"):
        _, body = await ask(await connections.member(market, name), LIST, b"{}")
        bookings = Bookings.model_validate_json(body).bookings
        seen[name] = [(booking.consumer, booking.provider) for booking in bookings]
    assert seen == {"desy": [pairs[0], pairs[2]], "kit": pairs[1:], "lrz": pairs[:2], "office": pairs}


def test_the_table_says_how_far_an_answer_reaches() -> None:
    for entry in permissions.TABLE:
        assert permissions.sees_all(entry.role, entry.name) == (entry.scope == "all")
    assert not permissions.sees_all(Role.MEMBER, "brokerage.booking.list")
    assert not permissions.sees_all(Role.MEMBER, "unheard.of.question")


async def test_a_stranger_in_the_hub_is_no_member(sandbox: NewMarket, connections: Connections) -> None:
    """Somebody whom the hub knows and the service does not yet: the register was read before."""
    market = await sandbox("desy")
    await market.start("catalog")
    hub = await connections.provisioner(market)
    found, _ = await ask(hub, "ask.stranger.catalog.offering.list", b"{}")
    assert found == "not_a_member"


async def test_every_question_is_answered(sandbox: NewMarket, connections: Connections) -> None:
    market = await sandbox("desy")
    await market.start()
    for name, role in (("desy", Role.MEMBER), ("office", Role.OFFICE)):
        connection = await connections.member(market, name)
        for query in permissions.queries_of(role):
            request = examples.query_request(query.name).model_dump_json().encode()
            code, body = await ask(connection, f"ask.{query.name}", request)
            kind = query.reply if code is None else Rejection
            kind.model_validate_json(body)


async def test_the_database_is_away(
    own_market: Sandbox, own_postgres: EmbeddedPostgres, connections: Connections
) -> None:
    await own_market.start("brokerage")
    desy = await connections.member(own_market, "desy")
    assert (await ask(desy, LIST, b"{}"))[0] is None
    await asyncio.to_thread(own_postgres.stop)
    for _ in range(3):
        found, body = await ask(desy, LIST, b"{}")
        assert found == Rejection.model_validate_json(body).code == "unavailable"
    await asyncio.to_thread(own_postgres.start)

    async def answered() -> bool:
        return (await ask(desy, LIST, b"{}"))[0] is None

    await eventually(answered)


async def test_an_answer_that_fails_is_told_and_hurts_no_other(
    sandbox: NewMarket, connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence would cost the asker a time-out, and tell nothing."""
    market = await sandbox("desy", "lrz")
    asked: list[Caller] = []

    async def answer(_: AsyncConnection, caller: Caller, __: Contract) -> Contract:
        asked.append(caller)
        if len(asked) == 1:
            raise ValueError("a bug")
        return Offerings(offerings=(), next_after=None, position=0)

    (service,) = [each for each in market.templates.services if each.name == "catalog"]
    broken = dataclasses.replace(service, answers=lambda _: {"catalog.offering.list": answer})
    services = [broken, *(each for each in market.templates.services if each.name != "catalog")]
    monkeypatch.setattr(market.templates, "services", services)
    await market.start("catalog")
    desy = await connections.member(market, "desy")
    subject = f"ask.{registry.query('catalog.offering.list').name}"
    assert (await ask(desy, subject, b"{}"))[0] == "unavailable"
    assert (await ask(desy, subject, b"{}"))[0] is None
    assert asked == [Caller("desy", Role.MEMBER, sees_all=False)] * 2


async def test_a_refusal_of_an_answer_has_the_same_form(sandbox: NewMarket, connections: Connections) -> None:
    market = await sandbox("desy", "lrz")
    await market.start("billing")
    desy = await connections.member(market, "desy")
    found, body = await ask(desy, "ask.billing.statement.show", b'{"period":"2026-03","member":"lrz"}')
    assert found == Rejection.model_validate_json(body).code == "not_yours"
    found, _ = await ask(desy, "ask.billing.statement.show", b'{"period":"2026-03"}')
    assert found == "no_statement"
    assert set(rejected("unavailable").sentences) != {""}
    assert queries.REJECTED_HEADER == "Allmende-Rejected"
