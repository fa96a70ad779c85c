"""Who acts is proved by a signature over the very command."""

import datetime as dt

import pytest
from support.bodies import UNSIGNED, embodied, person, seed
from support.builders import NOW, OFFICE, register, uid

from allmende.schemas.bodies import Duty
from allmende.schemas.claims import Claim, Signable, sign
from allmende.schemas.rejections import Rejected
from allmende.schemas.settlements import ReviewSettlement
from allmende.services.billing.persons import acting

REGISTER = embodied(register("lrz"))
REVIEW = ReviewSettlement(period="2026-04", revision=1, claim=UNSIGNED)
SENT = Signable(OFFICE, "billing.settlement.review", uid(1), REVIEW)
TODAY = NOW.date()


def claim(sent: Signable = SENT, who: str = "anna", of: str = OFFICE) -> Claim:
    return sign(sent, who, seed(of, who), NOW)


def test_a_signed_command_has_its_person() -> None:
    found = acting(REGISTER, SENT, claim(), Duty.REVIEW, TODAY)
    assert not isinstance(found, Rejected)
    assert found.id == "anna"


@pytest.mark.parametrize(
    "other",
    [
        Signable("lrz", SENT.message, SENT.command_id, REVIEW),
        Signable(OFFICE, "billing.settlement.approve", SENT.command_id, REVIEW),
        Signable(OFFICE, SENT.message, uid(2), REVIEW),
        Signable(OFFICE, SENT.message, SENT.command_id, REVIEW.model_copy(update={"revision": 2})),
    ],
    ids=["another member", "another command", "another id", "other content"],
)
def test_a_claim_fits_its_own_command_only(other: Signable) -> None:
    found = acting(REGISTER, SENT, claim(other), Duty.REVIEW, TODAY)
    assert isinstance(found, Rejected)
    assert found.code == "claim_invalid"


def test_a_claim_cannot_name_another_person_or_moment() -> None:
    for change in ({"person": "bela"}, {"signed_at": NOW + dt.timedelta(seconds=1)}):
        found = acting(REGISTER, SENT, claim().model_copy(update=change), Duty.REVIEW, TODAY)
        assert isinstance(found, Rejected)
        assert found.code == "claim_invalid"


def test_who_is_unknown_left_or_has_another_duty_is_refused() -> None:
    office = REGISTER.office
    left = person(OFFICE, "carl").model_copy(update={"valid_until": dt.date(2026, 5, 31)})
    clerk = person(OFFICE, "dora", Duty.CERTIFY)
    changed = office.model_copy(update={"persons": (*office.persons, left, clerk)})
    others = tuple(each for each in REGISTER.members if each.id != OFFICE)
    market = REGISTER.model_copy(update={"members": (*others, changed)})
    codes = []
    for who in ("emil", "carl", "dora"):
        found = acting(market, SENT, claim(who=who), Duty.REVIEW, TODAY)
        assert isinstance(found, Rejected)
        assert all(found.sentences)
        codes.append(found.code)
    assert codes == ["unknown_person", "person_left", "duty_missing"]
