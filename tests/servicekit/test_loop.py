"""The batch loop on real servers: every message once, bad neighbours, whatever arrives."""

import base64
import json
import uuid
from collections.abc import Sequence

import pytest
from nats.aio.client import Client
from support import broker, examples
from support.broker import Stored, eventually, outcomes, stored
from support.workshop import SERVICE, NewWorkshop, Workshop, new_ids, request

from allmende.schemas import registry, subjects
from allmende.schemas.contract import MESSAGE_BYTES_MAX
from allmende.schemas.envelope import seal
from allmende.servicekit import wire
from allmende.servicekit.clock import system_clock


async def test_everything_delivered_twice_happens_once(workshop: NewWorkshop) -> None:
    shop = await workshop()
    ids = new_ids(20)
    bodies = [request(id_=id_) for id_ in ids]
    await shop.send(*(body for body in bodies for _ in range(2)))  # twice within one batch
    await shop.start()
    await shop.settled()
    assert await shop.complaints(*ids) == []

    await shop.send(*bodies)  # and again, later
    await shop.settled()
    assert await shop.complaints(*ids) == []
    told = await outcomes(shop.hub, "desy")
    assert {len(told[id_]) for id_ in ids} == {2}
    assert {len({event.event["id"] for event in told[id_]}) for id_ in ids} == {2}, "each telling has an id"


async def test_commands_of_the_same_id_from_two_senders_are_both_told_again(workshop: NewWorkshop) -> None:
    shop = await workshop("desy", "kit", "lrz")
    (id_,) = new_ids(1)
    for member in ("desy", "kit"):
        await shop.send(request(member, id_), member=member)
    await shop.start()
    await shop.settled()
    await shop.stop()
    for member in ("desy", "kit"):
        await shop.send(request(member, id_), member=member)
    await shop.start()  # both repetitions in one batch
    await shop.settled()

    for member in ("desy", "kit"):
        told = (await outcomes(shop.hub, member))[id_]
        assert [event.event["data"]["consumer"] for event in told] == [member] * 2


async def test_a_conflict_does_not_become_the_outcome_of_the_first(workshop: NewWorkshop) -> None:
    shop = await workshop()
    (id_,) = new_ids(1)
    await shop.start()
    await shop.send(request(id_=id_, reference="one"))
    await shop.settled()
    await shop.send(request(id_=id_, reference="other"))
    await shop.settled()
    before = (await outcomes(shop.hub, "desy"))[id_]
    assert [event.name for event in before] == ["brokerage.booking.confirmed", "brokerage.booking.rejected"]
    assert before[1].event["data"]["code"] == "id_conflict"

    await shop.send(request(id_=id_, reference="one"))
    await shop.settled()
    again = (await outcomes(shop.hub, "desy"))[id_][2:]
    assert [event.name for event in again] == ["brokerage.booking.confirmed"]
    assert await shop.effects() == [id_]


# -- poison -------------------------------------------------------------------------------------------


async def test_poison_hurts_no_neighbour(workshop: NewWorkshop) -> None:
    shop = await workshop()
    ids = new_ids(20)
    bad = ids.pop(13)
    shop.handler.poison = lambda message: message.id == bad
    bodies = [request(id_=id_) for id_ in [*ids[:13], bad, *ids[13:]]]
    await shop.send(*bodies)
    await shop.start()
    await shop.settled()

    assert await shop.complaints(*ids) == []
    assert bad not in await shop.effects()
    (told,) = (await outcomes(shop.hub, "desy"))[bad]
    assert (told.name, told.event["data"]["code"]) == ("brokerage.booking.rejected", "internal_error")
    (letter,) = await dead(shop)
    assert letter["code"] == "internal_error"
    assert base64.b64decode(letter["body_base64"]) == bodies[13]
    assert letter["subject"] == broker.command_subject("desy", "brokerage.booking.request")


async def test_poison_was_refused_for_good(workshop: NewWorkshop) -> None:
    """A second delivery after the cause was mended must not confirm what was refused."""
    shop = await workshop()
    (bad,) = new_ids(1)
    shop.handler.poison = lambda _: True
    await shop.send(request(id_=bad))
    await shop.start()
    await shop.settled()
    shop.handler.poison = lambda _: False
    await shop.send(request(id_=bad))
    await shop.settled()

    told = (await outcomes(shop.hub, "desy"))[bad]
    assert [event.event["data"].get("code") for event in told] == ["internal_error"] * 2
    assert await shop.effects() == []


@pytest.mark.parametrize("value", [2**70, "\x00", "\ud800"])
async def test_what_the_database_cannot_hold_is_poison_not_an_outage(
    workshop: NewWorkshop, value: object
) -> None:
    shop = await workshop()
    good, bad = new_ids(2)
    kind = "bigint" if isinstance(value, int) else "text"
    shop.handler.statements[bad] = (f"select cast(:value as {kind})", {"value": value})
    await shop.send(request(id_=bad), request(id_=good))
    await shop.start()
    await shop.settled()
    assert await shop.complaints(good) == []
    assert len(await dead(shop)) == 1


# -- what cannot be read ------------------------------------------------------------------------------

ID = "5a1f0cf5-2cd5-4c85-8ed4-000000000001"
GOOD = request(id_=ID)


def _padded(size: int) -> bytes:
    return GOOD[:-1] + b" " * (size - len(GOOD)) + b"}"


def _without_id() -> bytes:
    return GOOD.replace(ID.encode(), b"nonsense")


BAD: dict[str, tuple[bytes, str, bool]] = {
    "too large": (_padded(MESSAGE_BYTES_MAX + 1), "too_large", True),
    "twice a key": (GOOD.replace(b'"plan_id":', b'"plan_id":"x","plan_id":'), "duplicate_key", True),
    "twice a key, escaped": (
        GOOD.replace(b'"plan_id":', b'"plan\\u005fid":"x","plan_id":'),
        "duplicate_key",
        True,
    ),
    "another type": (GOOD.replace(b"booking.request", b"booking.cancel"), "wrong_type", True),
    "another's name": (GOOD.replace(b"/members/desy", b"/members/lrz"), "foreign_source", True),
    "a service's name": (GOOD.replace(b"/members/desy", b"/services/desy"), "foreign_source", True),
    "an unknown attribute": (GOOD[:-1] + b',"more":1}', "invalid_field", True),
    "an unknown field": (GOOD.replace(b'"plan_id":', b'"more":1,"plan_id":'), "invalid_field", True),
    "a missing field": (GOOD.replace(b'"plan_id":"standard",', b""), "invalid_field", True),
    "no id": (_without_id(), "invalid_field", False),
    "not JSON": (b"book me a room", "malformed_json", False),
    "half": (GOOD[: len(GOOD) // 2], "malformed_json", False),
    "more behind it": (GOOD + b"{}", "malformed_json", False),
    "binary": (bytes(range(256)) * 4, "malformed_json", False),
    "nothing": (b"", "malformed_json", False),
    "a list": (b"[]", "invalid_field", False),
    "a number": (b"7", "invalid_field", False),
    "deeply nested": (b"[" * 100_000, "malformed_json", False),
    "UTF-16": (GOOD.decode().encode("utf-16"), "malformed_json", True),
    "byte order mark": (b"\xef\xbb\xbf" + GOOD, "malformed_json", True),
    "lone surrogate": (
        GOOD.replace(b'"plan_id":"standard"', b'"plan_id":"\\ud800"'),
        "malformed_json",
        True,
    ),
}


async def test_unreadable_commands_are_refused_and_hurt_no_neighbour(workshop: NewWorkshop) -> None:
    shop = await workshop()
    ids = new_ids(len(BAD))
    names = new_ids(len(BAD))
    bodies = []
    for good, name, (body, _, _) in zip(ids, names, BAD.values(), strict=True):
        renamed = body.replace(ID.encode(), name.encode())
        bodies += [request(id_=good), renamed.replace(ID.encode("utf-16-le"), name.encode("utf-16-le"))]
    await shop.send(*bodies)
    await shop.start()
    await shop.settled()

    assert await shop.complaints(*ids) == []
    told = await outcomes(shop.hub, "desy")
    for (what, (_, code, is_known)), name in zip(BAD.items(), names, strict=True):
        if is_known:
            assert [(e.name, e.event["data"]["code"]) for e in told[name]] == [
                ("brokerage.booking.rejected", code)
            ], what
    anonymous = sorted(event.event["data"]["code"] for event in told[""])
    assert anonymous == sorted(code for _, code, is_known in BAD.values() if not is_known)
    assert await dead(shop) == [], "their senders know"


async def test_a_body_at_the_limit_is_read(workshop: NewWorkshop) -> None:
    shop = await workshop()
    await shop.send(_padded(MESSAGE_BYTES_MAX))
    await shop.start()
    await shop.settled()
    assert await shop.complaints(ID) == []


@pytest.mark.parametrize("subject", ["brokerage.booking.forget", "brokerage.booking.confirmed"])
async def test_a_command_that_does_not_exist_is_kept(workshop: NewWorkshop, subject: str) -> None:
    """No member can send it: only an old or foreign program inside the hub."""
    shop = await workshop()
    body = request().replace(b"brokerage.booking.request", subject.encode())
    await shop.send(body, request(id_=ID), name=subject)
    await shop.send(GOOD)
    await shop.start()
    await shop.settled()
    assert {letter["code"] for letter in await dead(shop)} == {"unknown_command"}
    assert await shop.effects() == [ID]


async def test_a_forged_trace_harms_nobody(workshop: NewWorkshop) -> None:
    shop = await workshop()
    ids = new_ids(2)
    await shop.send(request(id_=ids[0]), traceparent="no-trace-at-01")
    await shop.send(request(id_=ids[1]), traceparent=examples.TRACEPARENT)
    await shop.start()
    await shop.settled()

    assert await shop.complaints(*ids) == []
    heard = {e.event["causationid"]: e for e in await stored(shop.hub, "fact.brokerage.>")}
    for event in heard.values():
        registry.message(event.name).envelope.model_validate_json(event.body)
    assert "traceparent" not in heard[ids[0]].event
    assert heard[ids[1]].event["traceparent"] == examples.TRACEPARENT


# -- facts --------------------------------------------------------------------------------------------


def published(id_: str, **changed: str) -> bytes:
    attributes = {"type": "allmende.catalog.offering.published.v1", "source": "/services/catalog"} | changed
    data = examples.payload("catalog.offering.published").model_dump_json().encode()
    return seal(id=id_, time=system_clock(), data_json=data, **attributes)


async def test_a_fact_is_taken_once_whatever_is_new_in_it(workshop: NewWorkshop) -> None:
    shop = await workshop()
    (id_,) = new_ids(1)
    body = published(id_).replace(b'"data":{', b'"novelty":[1],"data":{"novelty":2,')
    await shop.tell(body)
    await shop.tell(body)
    await shop.start()
    await shop.settled()
    await shop.tell(body)
    await shop.settled()
    assert await shop.effects() == [id_]
    assert await dead(shop) == []


async def test_a_fact_that_cannot_be_read_is_kept_with_its_reason(workshop: NewWorkshop) -> None:
    shop = await workshop()
    (good,) = new_ids(1)
    bodies = [b"\x00\xff", published(str(uuid.uuid4())).replace(b'"revision":3', b'"revision":"many"')]
    await shop.tell(bodies[0])
    await shop.tell(published(good))
    await shop.tell(bodies[1])
    await shop.tell(published(str(uuid.uuid4())), "catalog.offering.forgotten")
    await shop.start()
    await shop.settled()

    assert await shop.effects() == [good]
    letters = await dead(shop)
    assert [base64.b64decode(letter["body_base64"]) for letter in letters[:2]] == bodies
    assert {letter["code"] for letter in letters} == {"invalid_field"}
    assert "revision" in letters[1]["reason_en"]
    assert letters[2]["subject"] == "fact.catalog.offering.forgotten"
    assert [e.name for e in await stored(shop.hub, "ev.>")] == [], "nobody is told"


async def test_poison_among_facts_is_kept_and_can_be_replayed(workshop: NewWorkshop) -> None:
    shop = await workshop()
    good, bad = new_ids(2)
    shop.handler.poison = lambda message: message.id == bad
    await shop.tell(published(bad))
    await shop.tell(published(good))
    await shop.start()
    await shop.settled()
    assert await shop.effects() == [good]
    (letter,) = await dead(shop)

    shop.handler.poison = lambda _: False
    await shop.tell(base64.b64decode(letter["body_base64"]))
    await shop.settled()
    assert await shop.effects() == sorted([good, bad])


async def dead(shop: Workshop) -> list[dict[str, str]]:
    """The documents in the dead-letter stream."""
    found: list[Stored] = await stored(shop.hub, stream=subjects.DEAD_LETTER_STREAM)
    assert all(letter.subject.startswith(f"dead.{SERVICE}.") for letter in found)
    return [json.loads(letter.body) for letter in found]


async def test_the_same_dead_message_is_one_letter(
    workshop: NewWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await workshop()
    await shop.tell(b"nonsense")
    lost: list[bytes] = []

    async def lose(_: Client, messages: Sequence[bytes]) -> None:
        assert all(message.endswith(b"\r\n+ACK\r\n") for message in messages)
        lost.extend(messages)

    with monkeypatch.context() as losing:
        losing.setattr(wire, "send", lose)
        await shop.start()
        await eventually(lambda: lost)
    await shop.settled()
    assert len(await dead(shop)) == 1
