"""A claim is a signature over one command, which everybody can check who has the register."""

import datetime as dt
import json

import nkeys
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import bodies, examples

from allmende.schemas import registry
from allmende.schemas.claims import Signable, is_signed, sign
from allmende.schemas.settlements import ReviewSettlement

REVIEW = ReviewSettlement(period="2026-04", revision=1, claim=bodies.UNSIGNED)
SENT = Signable("office", "billing.settlement.review", examples.BOOKING_ID, REVIEW)
AT = dt.datetime(2026, 5, 4, 9, 45, tzinfo=dt.timezone(dt.timedelta(hours=2)))
KEY = bodies.person("office", "anna").key
CLAIMED = [message.name for message in registry.commands() if "claim" in message.data.model_fields]


def test_what_is_signed_is_written_in_one_way() -> None:
    assert SENT.content("anna", AT).decode() == (
        '{"data":{"period":"2026-04","revision":1},"id":"' + examples.BOOKING_ID + '","member":"office",'
        '"message":"billing.settlement.review","person":"anna",'
        '"signed_at":"2026-05-04T07:45:00.000000+00:00"}'
    )


@pytest.mark.parametrize("name", CLAIMED)
def test_the_examples_are_signed(name: str) -> None:
    sender, data = examples.sender(name).removeprefix("/members/"), examples.payload(name)
    claim = data.claim  # type: ignore[attr-defined]
    sent = Signable(sender, name, examples.BOOKING_ID, data)
    assert is_signed(sent, claim, bodies.person(sender, claim.person).key)
    assert not is_signed(sent, claim, bodies.person("elbe-it", claim.person).key)


def test_all_that_needs_two_people_or_a_duty_has_a_claim() -> None:
    assert "billing.settlement.review" in CLAIMED
    assert "billing.settlement.approve" in CLAIMED
    assert len(CLAIMED) >= 14


moments = st.datetimes(dt.datetime(1990, 1, 2), dt.datetime(2199, 12, 30), timezones=st.just(dt.UTC))  # noqa: DTZ001


@given(st.text(min_size=1, max_size=40), moments)
def test_any_text_and_moment_is_signed_and_read_again(reason: str, at: dt.datetime) -> None:
    data = REVIEW.model_copy(update={"period": reason})
    sent = Signable("office", "billing.settlement.review", examples.BOOKING_ID, data)
    claim = sign(sent, "anna", bodies.seed("office", "anna"), at)
    assert is_signed(sent, claim, KEY)
    content = json.loads(sent.content("anna", at))
    assert dt.datetime.fromisoformat(content["signed_at"]) == at
    assert not is_signed(SENT, claim, KEY) or reason == REVIEW.period


def test_the_moment_of_the_claim_survives_its_message() -> None:
    claim = sign(SENT, "anna", bodies.seed("office", "anna"), AT.replace(microsecond=123_456))
    read = type(claim).model_validate_json(claim.model_dump_json())
    assert is_signed(SENT, read, KEY)


def test_only_a_users_key_signs() -> None:
    with pytest.raises(nkeys.NkeysError):
        sign(SENT, "anna", "SUAAAA", AT)
