"""A statement is certified by one person and ordered by another."""

import dataclasses
from typing import Any

import pytest
from support.bodies import person
from support.builders import NOW, uid
from support.reviews import certifying, ordering

from allmende.schemas.rejections import Rejected
from allmende.schemas.statements import StatementCertified, StatementOrdered
from allmende.services.billing.review.recipient import Received, certify, order

ANNA, BELA = person("desy", "anna"), person("desy", "bela")
RECEIVED = Received(uid(5), "2026-04-0001", "2026-04", "desy", issued=True)
CERTIFIED = dataclasses.replace(RECEIVED, certified_by="anna")
ORDERED = dataclasses.replace(CERTIFIED, ordered_by="bela")


def test_one_certifies_and_another_orders() -> None:
    certified = certify(certifying(remark="geprüft"), "desy", RECEIVED, ANNA, NOW)
    assert certified == StatementCertified(
        statement_id=uid(5),
        number="2026-04-0001",
        period="2026-04",
        member="desy",
        certified_by="anna",
        certified_at=NOW,
        remark="geprüft",
    )
    ordered = order(ordering(), "desy", CERTIFIED, BELA, NOW)
    assert isinstance(ordered, StatementOrdered)
    assert (ordered.kassenzeichen, ordered.ordered_by, ordered.ordered_at) == ("26/0815-1", "bela", NOW)


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (None, "no_statement"),
        (dataclasses.replace(RECEIVED, issued=False), "statement_not_issued"),
        (CERTIFIED, "statement_certified"),
        (ORDERED, "statement_certified"),
    ],
)
def test_what_cannot_be_certified_is_refused(found: Received | None, code: str) -> None:
    refused(certify(certifying(), "desy", found, BELA, NOW), code)


@pytest.mark.parametrize(
    ("found", "who", "code"),
    [
        (None, BELA, "no_statement"),
        (dataclasses.replace(RECEIVED, issued=False), BELA, "statement_not_issued"),
        (RECEIVED, BELA, "statement_not_certified"),
        (CERTIFIED, ANNA, "same_person_orders"),
        (ORDERED, ANNA, "statement_ordered"),
    ],
)
def test_what_cannot_be_ordered_is_refused(found: Received | None, who: Any, code: str) -> None:
    refused(order(ordering(), "desy", found, who, NOW), code)


def refused(outcome: object, code: str) -> None:
    assert isinstance(outcome, Rejected)
    assert outcome.code == code
    assert all(outcome.sentences)
