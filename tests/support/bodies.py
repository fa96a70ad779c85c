"""Legal bodies and persons of the members of tests, whose keys anybody can work out."""

import datetime as dt
import functools
import hashlib
from decimal import Decimal
from typing import Any

import nkeys
from support.builders import NOW, command, uid

from allmende.schemas import registry
from allmende.schemas.bodies import Address, Body, Contact, Duty, Person, TaxRule, TaxStatus
from allmende.schemas.claims import Claim, Signable, sign
from allmende.schemas.contract import Contract
from allmende.schemas.register import MemberRegister, RegisteredMember
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


@functools.cache
def seed(member: str, person: str) -> str:
    """The private half of a person's key, the same in every run."""
    raw = hashlib.sha256(f"{member}/{person}".encode()).digest()
    text: bytes = nkeys.encode_seed(raw, nkeys.PREFIX_BYTE_USER)
    return text.decode()


def person(member: str, id_: str, *duties: Duty) -> Person:
    public: bytes = nkeys.from_seed(bytearray(seed(member, id_).encode())).public_key
    return Person(id=id_, name=f"{id_} ({member})", key=public.decode(), duties=duties or tuple(Duty))


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
