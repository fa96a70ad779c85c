"""Legal bodies and persons of the members of tests, whose keys anybody can work out."""

import datetime as dt
from decimal import Decimal
from typing import Any

from support.builders import NOW, OFFICE, command, uid
from support.persons import person as person  # noqa: PLC0414 - told from here, too
from support.persons import seed as seed  # noqa: PLC0414

from allmende.schemas import registry
from allmende.schemas.bodies import Address, Body, Contact, TaxRule, TaxStatus
from allmende.schemas.claims import Claim, Signable, sign
from allmende.schemas.contract import Contract
from allmende.schemas.register import MemberRegister, RegisteredMember
from allmende.schemas.settlements import (
    ApproveSettlement,
    DraftSettlement,
    ReviewSettlement,
    SettleAlerts,
)
from allmende.servicekit.messages import Incoming

UNSIGNED = Claim(person="nobody", signed_at=NOW, signature="A" * 86)

NOT_TAXABLE = TaxRule(
    id="oeffentliche-gewalt",
    valid_from=dt.date(2005, 1, 1),
    valid_until=dt.date(2026, 12, 31),
    category="O",
    code="VATEX-EU-O",
    reason_de="Nicht steuerbar, § 27 Abs. 22 UStG mit § 2 Abs. 3 UStG a. F.",
    reason_en="Not subject to VAT, § 27 (22) UStG with § 2 (3) UStG as it was",
    basis="§ 27 Abs. 22 UStG",
    decided_on=dt.date(2016, 12, 1),
    decided_by="Kämmerei",
)
EXEMPT = TaxRule(
    id="kostenteilung",
    valid_from=dt.date(2020, 1, 1),
    category="E",
    code="VATEX-EU-132-1F",
    reason_de="Steuerfrei nach § 4 Nr. 29 UStG",
    reason_en="Exempt under § 4 No. 29 UStG",
    basis="§ 4 Nr. 29 UStG",
    decided_on=dt.date(2019, 12, 1),
    decided_by="Geschäftsführung",
)
STANDARD = TaxRule(
    id="regelsteuersatz",
    valid_from=dt.date(2027, 1, 1),
    category="S",
    rate_percent=Decimal(19),
    basis="§ 12 Abs. 1 UStG",
    decided_on=dt.date(2026, 6, 1),
    decided_by="Kämmerei",
)


def iban(number: int) -> str:
    """A German account with fitting check digits: bank 10000000."""
    account = f"10000000{number:010d}"
    check = 98 - int(account + "131400") % 97
    return f"DE{check:02d}{account}"


def body(member: str, number: int = 1, **changes: Any) -> Body:
    given: dict[str, Any] = {
        "name": f"Rechenzentrum {member}",
        "legal_form": "institution",
        "address": Address(street="Musterweg", building_number="1", post_code="10115", city="Musterstadt"),
        "registration_id": f"HRA {1000 + number}",
        "electronic_address": f"rechnung@{member}.example",
        "contact": Contact(name="Rechnungsstelle", phone="+49 30 123456", email=f"info@{member}.example"),
        "leitweg_id": "04011000-1234512345-06",
        "iban": iban(number),
        "tax_status": (TaxStatus(valid_from=dt.date(2005, 1, 1), tax_number="12/345/67890"),),
        "tax_rules": (NOT_TAXABLE,),
    }
    return Body(**given | changes)


def embodied(register: MemberRegister, **bodies: dict[str, Any]) -> MemberRegister:
    """Give every member a body, and two persons with all duties: `anna` and `bela`.

    Args:
        register: members without bodies.
        bodies: changes of a member's body, by its id with underscores.
    """

    def changed(member: RegisteredMember, number: int) -> RegisteredMember:
        changes = bodies.get(member.id.replace("-", "_"), {})
        return member.model_copy(
            update={
                "body": body(member.id, number, **changes),
                "persons": (person(member.id, "anna"), person(member.id, "bela")),
            }
        )

    members = tuple(changed(member, number) for number, member in enumerate(register.members, 1))
    return register.model_copy(update={"members": members})


def signed(sender: str, who: str, data: Contract, number: int = 1, at: dt.datetime = NOW) -> Incoming:
    """A command with a person's claim; `data` has the claim `UNSIGNED` until now."""
    name = registry.message_of(data).name
    claim = sign(Signable(sender, name, uid(number), data), who, seed(sender, who), at)
    return command(sender, data.model_copy(update={"claim": claim}), number)


def closing(period: str, number: int, revision: int = 1, held: int = 0) -> list[Incoming]:
    """Draft the run of a period, have anna of the office review it and bela approve it.

    The draft is command `number`, whose id is that of the run; the others have ids of their own.

    Args:
        period: `YYYY-MM`.
        number: of the draft.
        revision: how often it will have been drafted.
        held: how many alerts it has; anna holds all of them.
    """
    review = ReviewSettlement(period=period, revision=revision, claim=UNSIGNED)
    approve = ApproveSettlement(period=period, revision=revision, claim=UNSIGNED)
    messages = [
        command(OFFICE, DraftSettlement(period=period), number),
        signed(OFFICE, "anna", review, 0xA000_0000_0000 + number),
        signed(OFFICE, "bela", approve, 0xB000_0000_0000 + number),
    ]
    if held:
        alerts = tuple(range(1, held + 1))
        decided = SettleAlerts(
            period=period, alerts=alerts, decision="held", reason="Preis fehlt", claim=UNSIGNED
        )
        messages.insert(1, signed(OFFICE, "anna", decided, 0xC000_0000_0000 + number))
    return messages
