"""Booking requests as members send them."""

import asyncio
import datetime as dt
import hashlib
import json
import random
import uuid
from decimal import Decimal

from nats.aio.client import Client

from allmende.schemas import registry
from allmende.schemas.brokerage import RequestBooking
from allmende.schemas.envelope import seal
from bench.market import OFFERINGS, START, offering_id

MESSAGE = registry.message("brokerage.booking.request")
SUBJECT = "booking.request"
SAMPLED_SHARE = 0.01


def request(member: str, generator: random.Random) -> RequestBooking:
    """A request for a random offering of somebody else."""
    chosen = offering_id(generator.randrange(OFFERINGS))
    while chosen.startswith(f"{member}/"):
        chosen = offering_id(generator.randrange(OFFERINGS))
    return RequestBooking(
        offering_id=chosen,
        plan_id="standard",
        quantities={"vcpu": Decimal(generator.randint(1, 6))},
        start=START,
        reference="Fachverfahren Einwohnerwesen",
    )


def sealed(member: str, generator: random.Random) -> tuple[str, bytes, dict[str, str]]:
    """A request ready to be published: its id, its body, its headers."""
    id_ = str(uuid.UUID(int=generator.getrandbits(128), version=4))
    data = request(member, generator).model_dump_json().encode()
    sampled = generator.random() < SAMPLED_SHARE
    body = seal(
        id=id_,
        source=f"/members/{member}",
        type=MESSAGE.type,
        time=dt.datetime.now(dt.UTC),
        data_json=data,
        traceparent=f"00-{generator.getrandbits(128):032x}-{generator.getrandbits(64):016x}-{sampled:02x}",
    )
    digest = hashlib.sha256(data).hexdigest()[:32]
    return id_, body, {"Nats-Msg-Id": f"{MESSAGE.type}:{id_}:{digest}"}


async def publish(
    connection: Client, subject: str, messages: list[tuple[str, bytes, dict[str, str]]], window: int = 200
) -> None:
    """Publish and wait for every acknowledgement, with so many in flight."""
    gate = asyncio.Semaphore(window)

    async def one(body: bytes, headers: dict[str, str]) -> None:
        async with gate:
            answer = json.loads((await connection.request(subject, body, headers=headers, timeout=30)).data)
            if "error" in answer:
                raise RuntimeError(answer["error"]["description"])

    await asyncio.gather(*(one(body, headers) for _, body, headers in messages))
