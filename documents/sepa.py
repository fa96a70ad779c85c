"""Credit transfers as a file for a bank: pain.001.001.09 (ISO 20022), checked against its official schema.

Addresses are structured, as they must be since 15 November 2026. Names keep German umlauts, which German
banks take (Die Deutsche Kreditwirtschaft, DFÜ-Abkommen Anlage 3), so that the payee is verified by its name;
other letters become their Latin base letter.
"""

import datetime as dt
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

from sepaxml import SepaTransfer
from sepaxml.validation import try_valid_xml
from text_unidecode import unidecode

from allmende.schemas.bodies import Address, Body, check_iban
from allmende.schemas.payments import Payment
from allmende.schemas.rejections import Rejected, rejected

SCHEMA = "pain.001.001.09"
MEDIA_TYPE = "application/xml"
_NAMESPACE = f"urn:iso:std:iso:20022:tech:xsd:{SCHEMA}"
_FOREIGN = re.compile(r"[^A-Za-z0-9/?:().,'+ &*$%ÄÖÜäöüß-]")
_NAME_MAX = 70
_CALENDAR = ZoneInfo("Europe/Berlin")


def credit_transfers(
    payments: Sequence[Payment], bodies: Mapping[str, Body], *, created_at: dt.datetime
) -> bytes | Rejected:
    """Write what is open of payments of one debtor as a file for its bank.

    The same payments give the same message id, by which a bank refuses a file that it has.

    Args:
        payments: of one debtor, who owns the file; those with nothing open are left out.
        bodies: by member, at least of everybody in the payments.
        created_at: stands in the file and is the earliest day on which it is carried out, in Europe/Berlin.

    Returns:
        The file; or why there is none: no payment is open, a body is not known, an account is wrong.

    Raises:
        ValueError: the payments have several debtors.
        sepaxml.validation.ValidationError: the file does not fit the schema.
    """
    due = sorted((each for each in payments if each.open_cents), key=lambda each: each.number)
    if len(debtors := {each.payment.debtor for each in due}) > 1:
        raise ValueError(f"a file has one owner, not {', '.join(sorted(debtors))}")
    if not due:
        return rejected("nothing_to_pay")
    involved = [due[0].payment.debtor, *(each.payment.creditor for each in due)]
    for member in involved:
        if (wrong := _wrong(member, bodies)) is not None:
            return wrong
    transfer = SepaTransfer(
        _party(bodies[involved[0]]) | {"batch": True, "currency": "EUR"}, SCHEMA, clean=False
    )
    today = created_at.astimezone(_CALENDAR).date()
    for each in due:
        payment = each.payment
        transfer.add_payment(
            {
                **_party(bodies[payment.creditor]),
                "amount": each.open_cents,
                "execution_date": max(payment.due_on, today),
                "description": payment.reference,
                "endtoend_id": payment.reference,
            }
        )
    names = " ".join(each.payment.payment_id for each in due)
    message_id = uuid.uuid5(uuid.UUID(due[0].payment.netting_id), names).hex
    file = _finished(transfer.export(validate=False), message_id, created_at)
    try_valid_xml(file, SCHEMA)
    return file


def _wrong(member: str, bodies: Mapping[str, Body]) -> Rejected | None:
    if member not in bodies:
        return rejected("no_body", "payments", member=member)
    try:
        check_iban(bodies[member].iban)
    except ValueError:
        return rejected("iban_wrong", "iban", member=member)
    return None


def _party(body: Body) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": _plain(body.name, _NAME_MAX),
        "IBAN": body.iban,
        "address": _address(body.address),
    }
    return found | ({"BIC": body.bic} if body.bic else {})


def _address(address: Address) -> dict[str, str]:
    return {
        "street_name": _plain(address.street, 70),
        "building_number": _plain(address.building_number or "", 16),
        "postcode": address.post_code,
        "town": _plain(address.city, 35),
        "country": address.country,
    }


def _plain(text: str, length: int) -> str:
    """Leave what banks take: letters without their other marks, and a space for everything else."""
    letters = (unidecode(letter) if _FOREIGN.match(letter) else letter for letter in text)
    return " ".join(_FOREIGN.sub(" ", "".join(letters)).split())[:length].rstrip()


def _finished(raw: bytes, message_id: str, created_at: dt.datetime) -> bytes:
    """Set what the library makes up, and write references in their own field instead of free text."""
    root = ET.fromstring(raw)  # noqa: S314 - written by ourselves
    name = f"{{{_NAMESPACE}}}"
    for found, text in (("MsgId", message_id), ("CreDtTm", created_at.astimezone(dt.UTC))):
        node = next(root.iter(name + found))
        node.text = text if isinstance(text, str) else text.strftime("%Y-%m-%dT%H:%M:%SZ")
    for number, node in enumerate(root.iter(f"{name}PmtInfId"), 1):
        node.text = f"{message_id[:28]}-{number}"
    for agent in root.iter(f"{name}FinInstnId"):
        if not len(agent):
            ET.SubElement(ET.SubElement(agent, f"{name}Othr"), f"{name}Id").text = "NOTPROVIDED"
    for information in root.iter(f"{name}RmtInf"):
        free = information.find(f"{name}Ustrd")
        if free is not None:
            information.remove(free)
            reference = ET.SubElement(ET.SubElement(information, f"{name}Strd"), f"{name}CdtrRefInf")
            kind = ET.SubElement(ET.SubElement(reference, f"{name}Tp"), f"{name}CdOrPrtry")
            ET.SubElement(kind, f"{name}Cd").text = "SCOR"
            ET.SubElement(reference, f"{name}Ref").text = free.text
    ET.register_namespace("", _NAMESPACE)
    written: bytes = ET.tostring(root, "utf-8", xml_declaration=False)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + written
