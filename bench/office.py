"""The office of a measured market: two people who take a settlement run from its draft to its issue."""

import datetime as dt
import time
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import nkeys
from sqlalchemy.ext.asyncio import AsyncEngine

from allmende.schemas import registry
from allmende.schemas.bodies import Address, Body, Contact, Duty, Person, TaxRule, TaxStatus
from allmende.schemas.claims import Claim, Signable, sign
from allmende.schemas.contract import Contract
from allmende.schemas.register import MemberRegister
from allmende.schemas.rejections import Rejection
from allmende.schemas.settlements import ApproveSettlement, DraftSettlement, ReviewSettlement
from allmende.servicekit.messages import Incoming
from allmende.services.billing.handlers import BillingHandler

NOW = dt.datetime(2027, 1, 1, 8, 0, tzinfo=dt.UTC)
_UNSIGNED = Claim(person="nobody", signed_at=NOW, signature="A" * 86)
_SEEDS: Mapping[str, str] = {
    name: nkeys.encode_seed(bytes([number]) * 32, nkeys.PREFIX_BYTE_USER).decode()
    for number, name in enumerate(("anna", "bela"))
}


def with_persons(register: MemberRegister) -> MemberRegister:
    """Let two people act for the office."""
    people = tuple(
        Person(
            id=name,
            name=name,
            key=nkeys.from_seed(bytearray(seed.encode())).public_key.decode(),
            duties=(Duty.REVIEW, Duty.APPROVE),
        )
        for name, seed in _SEEDS.items()
    )
    office = register.office
    members = [
        each.model_copy(update={"persons": people}) if each.id == office.id else each
        for each in register.members
    ]
    return register.model_copy(update={"members": tuple(members)})


def with_bodies(register: MemberRegister) -> MemberRegister:
    """Let everybody have what documents need, in turn with every treatment of VAT."""
    members = [
        member.model_copy(update={"body": _body(member.id, number)})
        for number, member in enumerate(register.members)
    ]
    return register.model_copy(update={"members": tuple(members)})


def _body(member: str, number: int) -> Body:
    account = f"10000000{number:010d}"
    return Body(
        name=f"Rechenzentrum {member}",
        legal_form="institution",
        address=Address(street="Musterweg", building_number="1", post_code="10115", city="Musterstadt"),
        registration_id=f"HRA {1000 + number}",
        electronic_address=f"rechnung@{member}.example",
        contact=Contact(name="Rechnungsstelle", phone="+49 30 123456", email=f"info@{member}.example"),
        leitweg_id="04011000-1234512345-06",
        iban=f"DE{98 - int(account + '131400') % 97:02d}{account}",
        tax_status=(TaxStatus(valid_from=dt.date(2020, 1, 1), vat_id=f"DE{100000000 + number}"),),
        tax_rules=(_RULES[number % len(_RULES)],),
    )


def _rule(category: str, basis: str, **changes: Any) -> TaxRule:
    since = dt.date(2020, 1, 1)
    reasons = {"reason_de": f"Ohne Umsatzsteuer nach {basis}", "reason_en": f"No VAT by {basis}"}
    given = {"id": "regel", "valid_from": since, "decided_on": since, "decided_by": "Kämmerei"}
    return TaxRule.model_validate(
        {**given, **({} if category == "S" else reasons), "category": category, "basis": basis, **changes}
    )


_RULES = (
    _rule("O", "§ 2b Abs. 1 UStG", code="VATEX-EU-O"),
    _rule("E", "§ 4 Nr. 29 UStG", code="VATEX-EU-132-1F"),
    _rule("S", "§ 12 Abs. 1 UStG", rate_percent=Decimal(19)),
)


async def settle(engine: AsyncEngine, handler: BillingHandler, period: str) -> tuple[float, float]:
    """Draft the run of a month, review it and issue it.

    Returns:
        Seconds of the draft and of the issue.

    Raises:
        TypeError: a step was refused.
    """
    took = []
    for data, who in (
        (DraftSettlement(period=period), None),
        (ReviewSettlement(period=period, revision=1, claim=_UNSIGNED), "anna"),
        (ApproveSettlement(period=period, revision=1, claim=_UNSIGNED), "bela"),
    ):
        message = _message(data, who)
        started = time.perf_counter()
        async with engine.begin() as tx:
            facts = await handler.handle(tx, [message], NOW)
        took.append(time.perf_counter() - started)
        if isinstance(facts[-1].data, Rejection):
            raise TypeError(f"{period} was not settled: {facts[-1].data}")
    return took[0], took[2]


def _message(data: Contract, who: str | None) -> Incoming:
    command, id_ = registry.message_of(data), str(uuid.uuid4())
    if who is not None:
        claim = sign(Signable("office", command.name, id_, data), who, _SEEDS[who], NOW)
        data = data.model_copy(update={"claim": claim})
    return Incoming(command, "office", id_, data, b"", None)
