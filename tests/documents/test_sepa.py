"""Files of credit transfers, judged by the official schema."""

import datetime as dt
import re
import subprocess
import sys
import uuid
from xml.etree import ElementTree as ET

import pytest
from sepaxml.validation import ValidationError, try_valid_xml
from stdnum import iso11649
from support.bodies import body, iban
from support.builders import NOW, uid

from allmende.documents.sepa import SCHEMA, credit_transfers
from allmende.schemas.bodies import Address, Body
from allmende.schemas.payments import Payment, PaymentArranged
from allmende.schemas.rejections import Rejected
from allmende.services.billing.payments.matching import reference_of

BODIES = {name: body(name, number) for number, name in enumerate(("desy", "kit", "lrz", "office"), 1)}
DUE = dt.date(2026, 7, 1)
NS = f"{{urn:iso:std:iso:20022:tech:xsd:{SCHEMA}}}"


def payment(number: int, creditor: str = "lrz", cents: int = 12_345, **changes: object) -> Payment:
    id_ = str(uuid.UUID(int=uuid.UUID(uid(number)).int * 7919 % 2**128))
    arranged = PaymentArranged.model_validate(
        {
            "payment_id": id_,
            "netting_id": uid(500),
            "debtor": "desy",
            "creditor": creditor,
            "amount_cents": cents,
            "reference": reference_of(id_),
            "due_on": DUE,
            "items": 1,
            "arranged_at": NOW,
            **changes,
        }
    )
    return Payment(number=number, payment=arranged, paid_cents=0, open_cents=cents, paid_on=None)


THREE = [payment(1), payment(2, "kit", 1), payment(3, "office", 99, due_on=DUE + dt.timedelta(days=9))]


def written(payments: list[Payment], bodies: dict[str, Body] = BODIES) -> bytes:
    found = credit_transfers(payments, bodies, created_at=NOW)
    assert isinstance(found, bytes), found
    return found


def told(file: bytes, path: str) -> list[str | None]:
    return [node.text for node in ET.fromstring(file).iter(NS + path)]  # noqa: S314 - our own


def test_a_file_holds_the_payments_of_its_owner() -> None:
    file = written(THREE)
    references = [each.payment.reference for each in THREE]
    assert told(file, "EndToEndId") == references == told(file, "Ref")
    assert all(iso11649.is_valid(reference) for reference in references)
    assert told(file, "InstdAmt") == ["123.45", "0.01", "0.99"]
    assert told(file, "IBAN") == [iban(1), iban(3), iban(2), iban(1), iban(4)]
    assert told(file, "CtrlSum") == ["124.45", "123.46", "0.99"]
    assert told(file, "NbOfTxs") == ["3", "2", "1"]
    assert told(file, "Dt") == ["2026-07-01", "2026-07-10"]
    assert told(file, "CreDtTm") == ["2026-06-01T08:00:00Z"]
    assert told(file, "Ustrd") == []
    assert told(file, "TwnNm")[0] == "Musterstadt"
    assert told(file, "AdrLine") == []


def test_the_same_payments_give_the_same_file() -> None:
    assert written(THREE) == written(THREE[::-1])
    assert told(written(THREE), "MsgId") != told(written(THREE[:2]), "MsgId")
    other = credit_transfers(THREE, BODIES, created_at=NOW + dt.timedelta(hours=1))
    assert isinstance(other, bytes)
    assert re.sub(rb"<CreDtTm>.*?</CreDtTm>", b"", other) == re.sub(
        rb"<CreDtTm>.*?</CreDtTm>", b"", written(THREE)
    )


def test_only_what_is_open_is_paid() -> None:
    part = THREE[0].model_copy(update={"paid_cents": 12_000, "open_cents": 345})
    done = THREE[1].model_copy(update={"paid_cents": 1, "open_cents": 0})
    assert told(written([part, done]), "InstdAmt") == ["3.45"]
    nothing = credit_transfers([done], BODIES, created_at=NOW)
    assert isinstance(nothing, Rejected)
    assert nothing.code == "nothing_to_pay"


def test_what_is_late_is_paid_today() -> None:
    late = credit_transfers([payment(1)], BODIES, created_at=dt.datetime(2026, 8, 1, 23, tzinfo=dt.UTC))
    assert isinstance(late, bytes)
    assert told(late, "Dt") == ["2026-08-02"], "by the calendar of Europe/Berlin"


def test_names_are_written_as_banks_take_them() -> None:
    odd = {
        **BODIES,
        "lrz": body("lrz", 3, name="Größtes «Rechen»zentrum Łódź & Çie; Köln" + " x" * 60, bic="MARKDEF1100"),
    }
    file = written([payment(1)], odd)
    name = told(file, "Nm")[-1]
    assert name is not None
    assert name.startswith("Größtes Rechen zentrum Lodz & Cie Köln x")
    assert len(name) <= 70
    assert told(file, "BICFI") == ["MARKDEF1100"]
    assert told(file, "Othr") != []


def test_a_payee_without_street_number_has_none_in_the_file() -> None:
    plain = body("lrz", 3, address=Address(street="Postfach", post_code="80333", city="München"))
    file = written([payment(1)], {**BODIES, "lrz": plain})
    assert told(file, "BldgNb") == ["1"]


def test_a_wrong_account_or_an_unknown_body_is_refused() -> None:
    wrong = BODIES["lrz"].model_copy(update={"iban": iban(3)[:-1] + "0"})
    for bodies, code in (
        ({**BODIES, "lrz": wrong}, "iban_wrong"),
        ({"desy": BODIES["desy"]}, "no_body"),
        ({"lrz": BODIES["lrz"]}, "no_body"),
    ):
        found = credit_transfers([payment(1)], bodies, created_at=NOW)
        assert isinstance(found, Rejected)
        assert found.code == code


def test_a_file_has_one_owner() -> None:
    with pytest.raises(ValueError, match="desy, kit"):
        credit_transfers([payment(1), payment(2, debtor="kit")], BODIES, created_at=NOW)


BREAKS = {
    "an amount with too many places": (b">123.45<", b">123.456789<"),
    "an amount below zero": (b">123.45<", b">-1.00<"),
    "a currency that is none": (b'Ccy="EUR"', b'Ccy="Euro"'),
    "an end-to-end id that is too long": (b"<EndToEndId>", b"<EndToEndId>" + b"X" * 36),
    "an account that is none": (b"<IBAN>DE", b"<IBAN>??"),
    "a day that is none": (b"<Dt>2026-07-01", b"<Dt>2026-13-01"),
    "a town that is too long": (b"<TwnNm>", b"<TwnNm>" + b"X" * 40),
    "an element out of order": (b"<PmtMtd>TRF</PmtMtd>", b""),
    "an unknown element": (b"<CdtTrfTxInf>", b"<Text>x</Text><CdtTrfTxInf>"),
    "another code of reference": (b"SCOR", b"RF"),
}


@pytest.mark.parametrize("case", BREAKS)
def test_the_schema_finds_a_file_that_was_broken(case: str) -> None:
    file, (old, new) = written(THREE), BREAKS[case]
    try_valid_xml(file, SCHEMA)
    assert old in file
    with pytest.raises(ValidationError):
        try_valid_xml(file.replace(old, new), SCHEMA)


def test_our_check_of_accounts_is_stricter_than_the_schema() -> None:
    file = written([payment(1)])
    try_valid_xml(file.replace(iban(3).encode(), iban(3)[:-1].encode() + b"0"), SCHEMA)


def test_the_file_does_not_depend_on_what_else_a_process_wrote() -> None:
    """The library registers prefixes for the whole process; a file of another kind comes first here."""
    code = (
        "import sys; sys.path.insert(0, 'tests')\n"
        "from xml.etree import ElementTree as ET\n"
        f"ET.register_namespace('ns0x', 'urn:iso:std:iso:20022:tech:xsd:{SCHEMA}')\n"
        "import importlib.util as u; s = u.spec_from_file_location('t', 'tests/documents/test_sepa.py')\n"
        "m = u.module_from_spec(s); s.loader.exec_module(m)\n"
        "sys.stdout.buffer.write(m.written(m.THREE))\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert found == written(THREE)
