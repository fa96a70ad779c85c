"""A month of a whole cooperative: from its usage to every document, stage by stage.

Run as `python -m bench.settlement`. Forty members, each providing to every other: 1,560 pairs; a million usage
records; `ALLMENDE_BENCH_RECORDS` says how many records otherwise.
"""

import datetime as dt
import os
import statistics
import time
import uuid
from decimal import Decimal

import nkeys
import uvloop
from sqlalchemy.ext.asyncio import AsyncEngine

from allmende.schemas import registry
from allmende.schemas.billing import SettlementClosed
from allmende.schemas.bodies import Address, Body, Contact, Duty, Person, TaxRule
from allmende.schemas.brokerage import BookingConfirmed
from allmende.schemas.claims import Claim, Signable, sign
from allmende.schemas.contract import Contract
from allmende.schemas.register import MemberRegister, RegisteredMember
from allmende.schemas.settlements import (
    ApproveSettlement,
    DraftSettlement,
    ReviewSettlement,
    SettlementDrafted,
    SettlementReviewed,
)
from allmende.servicekit import database
from allmende.servicekit.messages import Incoming
from allmende.servicekit.testing import Sandbox
from allmende.services.billing import store
from allmende.services.billing.handlers import BillingHandler
from bench import closing
from bench.market import names, servers

RECORDS = min(int(os.environ.get("ALLMENDE_BENCH_RECORDS", "1000000")), 1_000_000)
MEMBERS = names(40)
PAIRS = [(provider, consumer) for provider in MEMBERS for consumer in MEMBERS if provider != consumer]
BOOKINGS_EACH = 3
METERS = 2
ROUNDS = 3
PERIOD = "2026-01"
_NOW = dt.datetime(2026, 3, 1, 8, 0, tzinfo=dt.UTC)
_UNSIGNED = Claim(person="nobody", signed_at=_NOW, signature="A" * 86)


def _seed() -> str:
    text: bytes = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
    return text.decode()


_SEEDS = {person: _seed() for person in ("anna", "bela")}
_CLERKS = {"anna": Duty.REVIEW, "bela": Duty.APPROVE}


def _register(plain: MemberRegister) -> MemberRegister:
    """Give members all that their documents need, and the office two clerks."""
    persons = tuple(
        Person(id=id_, name=id_, key=_public(_SEEDS[id_]), duties=(duty,)) for id_, duty in _CLERKS.items()
    )
    members = [
        member.model_copy(update={"body": _body(member, number)})
        for number, member in enumerate(plain.members, 1)
    ]
    office = plain.office.id
    return plain.model_copy(
        update={
            "members": tuple(
                each.model_copy(update={"persons": persons}) if each.id == office else each
                for each in members
            )
        }
    )


def _public(seed: str) -> str:
    key: bytes = nkeys.from_seed(bytearray(seed.encode())).public_key
    return key.decode()


def _body(member: RegisteredMember, number: int) -> Body:
    account = f"10000000{number:010d}"
    return Body(
        name=f"Rechenzentrum {member.id}",
        legal_form="institution",
        address=Address(street="Musterweg", building_number="1", post_code="10115", city="Musterstadt"),
        registration_id=f"HRA {1000 + number}",
        electronic_address=f"rechnung@{member.id}.example",
        contact=Contact(name="Rechnungsstelle", phone="+49 30 123456", email=f"info@{member.id}.example"),
        leitweg_id="04011000-1234512345-06",
        iban=f"DE{98 - int(account + '131400') % 97:02d}{account}",
        tax_rules=(_rule(number),),
    )


def _rule(number: int) -> TaxRule:
    """All three treatments, member by member."""
    about = {"valid_from": dt.date(2020, 1, 1), "decided_on": dt.date(2019, 12, 1), "decided_by": "Kämmerei"}
    match number % 3:
        case 0:
            changes = {"category": "S", "rate_percent": Decimal(19), "basis": "§ 12 Abs. 1 UStG"}
        case 1:
            changes = {"category": "E", "code": "VATEX-EU-132-1F", "basis": "§ 4 Nr. 29 UStG"}
        case _:
            changes = {"category": "O", "code": "VATEX-EU-O", "basis": "§ 2b Abs. 1 UStG"}
    if number % 3:
        basis = changes["basis"]
        changes |= {"reason_de": f"Ohne Umsatzsteuer nach {basis}", "reason_en": f"No VAT by {basis}"}
    return TaxRule.model_validate({"id": "regel", **about, **changes})


def _bookings() -> list[BookingConfirmed]:
    tariffs = [closing.tariff(number) for number in range(closing.TARIFFS)]
    return [
        BookingConfirmed(
            booking_id=str(uuid.UUID(int=number)),
            offering_id=f"{provider}/vm",
            offering_revision=1,
            plan_id="standard",
            provider=provider,
            consumer=consumer,
            consumer_class="ABC"[number % 3],
            quantities={},
            start=dt.date(2026, 1, 1),
            tariff=tariffs[number % len(tariffs)],
            confirmed_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
            state="in_progress",
        )
        for number, (provider, consumer) in enumerate(PAIRS * BOOKINGS_EACH)
    ]


def _command(data: Contract, person: str | None = None) -> Incoming:
    message, command_id = registry.message_of(data), str(uuid.uuid4())
    if person is not None:
        signable = Signable("office", message.name, command_id, data)
        data = data.model_copy(update={"claim": sign(signable, person, _SEEDS[person], _NOW)})
    return Incoming(message, "office", command_id, data, b"", None)


async def _step(
    engine: AsyncEngine, handler: BillingHandler, message: Incoming, expected: type[Contract]
) -> tuple[float, Contract]:
    """Take a command, as the loop would. Returns seconds and its outcome."""
    started = time.perf_counter()
    async with engine.begin() as tx:
        facts = await handler.handle(tx, [message], _NOW)
    took = time.perf_counter() - started
    if not isinstance(facts[-1].data, expected):
        raise TypeError(f"{message.message.name} came to {facts[-1].data}")
    return took, facts[-1].data


async def measure(market: Sandbox) -> None:
    """Print what each stage takes."""
    engine = database.engine(market.databases["billing"])
    handler = BillingHandler(_register(market.register), 60)
    bookings = _bookings()
    for start in range(0, len(bookings), 1_000):
        async with engine.begin() as tx:
            await store.save_bookings(tx, bookings[start : start + 1_000])
    await closing.fill_usage(market, PERIOD, RECORDS, len(bookings), METERS)
    print(f"a month of {len(MEMBERS)} members, {len(PAIRS):,} pairs, {RECORDS:,} usage records")
    floors, ratings, lines = [], [], 0
    for _ in range(ROUNDS):
        floors.append(await closing.aggregated(engine, PERIOD))
        took, lines = await closing.rated(engine, PERIOD)
        ratings.append(took)
    ratio = statistics.median(each / floor for each, floor in zip(ratings, floors, strict=True))
    floor = statistics.median(floors)
    print(f"  aggregation in SQL        {floor:8.2f} s")
    print(f"  rating, {lines:,} lines     {statistics.median(ratings):8.2f} s, ratio {ratio:.2f}")
    drafting, drafted = await _step(
        engine, handler, _command(DraftSettlement(period=PERIOD)), SettlementDrafted
    )
    print(f"  draft, as a whole         {drafting:8.2f} s", flush=True)
    await _step(
        engine,
        handler,
        _command(ReviewSettlement(period=PERIOD, revision=1, claim=_UNSIGNED), "anna"),
        SettlementReviewed,
    )
    issuing, issued = await _step(
        engine,
        handler,
        _command(ApproveSettlement(period=PERIOD, revision=1, claim=_UNSIGNED), "bela"),
        SettlementClosed,
    )
    print(f"  issue, as a whole         {issuing:8.2f} s", flush=True)
    del drafted, issued
    await engine.dispose()


async def main() -> None:
    """Measure in a market of its own."""
    async with servers() as found, found.market(len(MEMBERS)) as market:
        await measure(market)


if __name__ == "__main__":
    uvloop.run(main())
