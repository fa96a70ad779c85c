"""What the two sides hand each other, and who may."""

import base64

import pytest
from support.builders import NOW, agreement, uid

from allmende.schemas.brokerage import (
    AccessShared,
    BreachRecorded,
    Document,
    MessageWritten,
    ReportBreach,
    ShareAccess,
    WriteMessage,
)
from allmende.schemas.rejections import Rejected
from allmende.services.brokerage.booking import Booking
from allmende.services.brokerage.life import correspondence

KEY = base64.b64encode(bytes(32)).decode()
OTHER = base64.b64encode(bytes([1] * 32)).decode()
SEALED = base64.b64encode(bytes(64)).decode()
BOOKING = Booking(agreement(), "completed", "active")


def test_only_the_parties_have_a_side() -> None:
    assert correspondence.side_of(agreement(), "desy") == "consumer"
    assert correspondence.side_of(agreement(), "lrz") == "provider"
    stranger = correspondence.side_of(agreement(), "kit")
    assert isinstance(stranger, Rejected)
    assert stranger.code == "not_a_party"


@pytest.mark.parametrize(
    ("side", "sealed_to", "key", "sealed", "code"),
    [
        ("provider", KEY, KEY, SEALED, None),
        ("consumer", KEY, KEY, SEALED, "provider_only"),
        ("provider", KEY, None, SEALED, "no_sealing_key"),
        ("provider", OTHER, KEY, SEALED, "sealed_to_another"),
        ("provider", KEY, KEY, "A" * 65, "document_unreadable"),
    ],
    ids=["as it should be", "not the provider", "no key", "another's key", "not base64"],
)
def test_access_data_reach_only_whom_they_are_sealed_to(
    side: str, sealed_to: str, key: str | None, sealed: str, code: str | None
) -> None:
    asked = ShareAccess(booking_id=uid(1), label="root", sealed=sealed, sealed_to=sealed_to)
    found = correspondence.share_access(agreement(), side, asked, key, NOW)  # type: ignore[arg-type]
    assert (found.code if isinstance(found, Rejected) else None) == code
    assert code or isinstance(found, AccessShared)


def test_a_document_is_base64() -> None:
    for content, good in [("QUJD", True), ("QUJ", False)]:
        document = Document(name="a.pdf", media_type="application/pdf", content=content)
        asked = WriteMessage(booking_id=uid(1), text="Bitte prüfen", document=document)
        found = correspondence.write(BOOKING, "consumer", asked, NOW)
        assert isinstance(found, MessageWritten) is good


def test_a_breach_is_owned_up_to_by_the_provider() -> None:
    asked = ReportBreach.model_validate_json(
        f'{{"booking_id":"{uid(1)}","measure":"availability_percent","promised":"99.9","measured":"98.1",'
        '"first_day":"2026-05-01","last_day":"2026-05-31","credit_cents":4200,"reason":"Ausfall"}'
    )
    recorded = correspondence.record_breach(agreement(), "provider", asked, uid(7), NOW)
    assert isinstance(recorded, BreachRecorded)
    assert (recorded.breach_id, recorded.credit_cents, recorded.consumer) == (uid(7), 4200, "desy")
    refused = correspondence.record_breach(agreement(), "consumer", asked, uid(7), NOW)
    assert isinstance(refused, Rejected)
