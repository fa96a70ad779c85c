"""Short ways to documents and messages for the tests of rules and services: give only what matters."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from support.persons import person

from allmende.schemas import registry
from allmende.schemas.billing import ReportUsage, UsageRecord
from allmende.schemas.brokerage import Agreement, BookingConfirmed, RequestBooking
from allmende.schemas.catalog import Offering, OfferingPublished, OfferingRetired, Plan
from allmende.schemas.contract import Contract
from allmende.schemas.permissions import Role
from allmende.schemas.register import MemberRegister, RegisteredMember
from allmende.schemas.registry import MessageType
from allmende.schemas.tariff import AllocationKey, Component, OrderQuantity, PerUnit, Price, Tariff
from allmende.servicekit.messages import Incoming, digest_of
from allmende.servicekit.testing import Someone

NOW = dt.datetime(2026, 6, 1, 8, 0, tzinfo=dt.UTC)
OFFICE = "office"


def uid(number: int) -> str:
    """A UUID that sorts by its number."""
    return f"00000000-0000-4000-8000-{number:012x}"


def decimals(amounts: Mapping[str, int | str]) -> dict[str, Decimal]:
    return {name: Decimal(amount) for name, amount in amounts.items()}


def component(price: str | Price = "1.00", per: str = "1", **changes: Any) -> Component:
    """A meter at so many euro; `billing="one_time"` with a measure of the order form charges once."""
    given: dict[str, Any] = {"id": "hours", "title": "Stunden", "billing": "usage", "measure": "hours"}
    if not {"price_by_class", "prices"} & changes.keys():
        given["price"] = PerUnit(amount=Decimal(price), per=Decimal(per)) if isinstance(price, str) else price
    return Component(**{**given, "unit": "h", **changes})


def tariff(*components: Component, **changes: Any) -> Tariff:
    given: dict[str, Any] = {"version": 1, "valid_from": dt.date(2005, 1, 1)}
    return Tariff(**given | {"components": components or (component(),)} | changes)


def quantity(
    id_: str = "cores", minimum: int | str = 0, maximum: int | str | None = None, unit: str = "Kerne"
) -> OrderQuantity:
    most = None if maximum is None else Decimal(maximum)
    return OrderQuantity(id=id_, title=id_, unit=unit, minimum=Decimal(minimum), maximum=most)


def plan(*tariffs: Tariff, capacity: Mapping[str, int | str] | None = None, **changes: Any) -> Plan:
    """A plan that orders cores; `capacity={"cores": 10}` limits them."""
    given: dict[str, Any] = {"plan_id": "standard", "title": "Standard", "order": (quantity(),)}
    given |= {"tariffs": tariffs or (tariff(),), "capacity": decimals(capacity or {})}
    return Plan(**given | changes)


def offering(*plans: Plan, id_: str = "lrz/vm", **changes: Any) -> Offering:
    given: dict[str, Any] = {"offering_id": id_, "title": "Maschine", "category": "compute"}
    return Offering(**given | {"plans": plans or (plan(),)} | changes)


def published(document: Offering, revision: int = 1, position: int | None = None) -> OfferingPublished:
    """A revision; the catalogue tells of it before it tells that the same revision is retired."""
    return OfferingPublished(
        offering=document,
        provider=document.provider,
        revision=revision,
        position=position or 10 * revision,
        published_at=NOW,
    )


def retired(revision: int = 1, offering_id: str = "lrz/vm") -> OfferingRetired:
    return OfferingRetired(
        offering_id=offering_id,
        provider=offering_id.split("/", maxsplit=1)[0],
        revision=revision,
        position=10 * revision + 5,
        retired_at=NOW,
    )


def request(offering_id: str = "lrz/vm", cores: int | str | None = None, **changes: Any) -> RequestBooking:
    given: dict[str, Any] = {"offering_id": offering_id, "plan_id": "standard"}
    given |= {"start": dt.date(2026, 4, 1), "quantities": {} if cores is None else decimals({"cores": cores})}
    return RequestBooking(**given | changes)


def booking(number: int = 1, **changes: Any) -> BookingConfirmed:
    """Confirmed: `desy` has booked a machine of `lrz` from April 2026 on."""
    given: dict[str, Any] = {"booking_id": uid(number), "offering_id": "lrz/vm", "offering_revision": 1}
    given |= {"plan_id": "standard", "provider": "lrz", "consumer": "desy", "quantities": {}}
    given |= {"start": dt.date(2026, 4, 1), "tariff": tariff(), "confirmed_at": NOW}
    return BookingConfirmed(**given | changes)


def agreement(number: int = 1, **changes: Any) -> Agreement:
    """`desy` books a machine of `lrz` from April 2026 on."""
    given: dict[str, Any] = {"booking_id": uid(number), "offering_id": "lrz/vm", "offering_revision": 1}
    given |= {"plan_id": "standard", "provider": "lrz", "consumer": "desy", "quantities": {}}
    given |= {"start": dt.date(2026, 4, 1), "tariff": tariff()}
    return Agreement(**given | changes)


def record(id_: str = "r1", amount: int | str = 1, **changes: Any) -> UsageRecord:
    """Usage of booking 1 at noon of 10 April 2026."""
    start = changes.pop("start", dt.datetime(2026, 4, 10, 12, tzinfo=dt.UTC))
    given: dict[str, Any] = {"id": id_, "booking_id": uid(1), "meter": "hours", "quantity": Decimal(amount)}
    return UsageRecord(**given | {"start": start, "end": start} | changes)


def report(*records: UsageRecord) -> ReportUsage:
    return ReportUsage(records=records or (record(),))


def key(values: Mapping[str, int | str | Decimal], **changes: Any) -> AllocationKey:
    """A key by weights of members, effective since 2020."""
    given: dict[str, Any] = {"key_id": "schluessel", "version": 1, "title": "Schlüssel", "unit": "weight"}
    given |= {"holders": "member", "spread_over": "all", "source": "Satzung § 7"}
    given["values"] = {holder: Decimal(value) for holder, value in values.items()}
    day = dt.date(2020, 1, 1)
    return AllocationKey(**given | {"key_date": day, "published_on": day, "effective_from": day} | changes)


def register(*members: Someone | str) -> MemberRegister:
    """These members and the office, for which anna and bela act.

    The members' keys are well-formed, nobody holds their other halves.
    """
    everybody = [Someone(each) if isinstance(each, str) else each for each in members]
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return MemberRegister(
        name="Testgenossenschaft",
        members=(
            RegisteredMember(
                id=OFFICE,
                name="Geschäftsstelle",
                role=Role.OFFICE,
                key="U" + "7" * 55,
                persons=(person(OFFICE, "anna"), person(OFFICE, "bela")),
            ),
            *(
                RegisteredMember(
                    id=each.id,
                    name=each.id,
                    land=each.land,
                    classes=dict(each.classes),
                    key="U" + (letters[number // 26] + letters[number % 26]) * 27 + "A",
                )
                for number, each in enumerate(everybody)
            ),
        ),
    )


def command(sender: str, data: Contract, number: int = 1) -> Incoming:
    """A command as the loop hands it to a handler."""
    return Incoming(registry.message_of(data), sender, uid(number), data, digest_of(data), None)


def fact(data: Contract, number: int) -> Incoming:
    """A fact of another service as the loop hands it to a handler."""
    message: MessageType = registry.message_of(data)
    return Incoming(message, message.service, uid(0xFAC7_0000 + number), data, b"", None)
