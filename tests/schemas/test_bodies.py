"""Who a member is before the law: what the register takes, and what it refuses."""

import datetime as dt
import re
import string
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support import bodies

from allmende.schemas.bodies import Body, BudgetItem, Duty, TaxRule, TaxStatus, check_iban, check_leitweg_id

# The first is the example of KoSIT's specification, the IBANs are those of the registry of ISO 13616.
LEITWEG_IDS = ["04011000-1234512345-06", "991-33333TEST-33"]
IBANS = ["DE89370400440532013000", "AT611904300234573201", "GB29NWBK60161331926819"]
digits = st.text(string.digits, min_size=10, max_size=10)


def rule(**changes: Any) -> TaxRule:
    return TaxRule(**dict(bodies.EXEMPT) | changes)


@pytest.mark.parametrize("leitweg_id", LEITWEG_IDS)
def test_leitweg_ids_with_fitting_digits(leitweg_id: str) -> None:
    assert bodies.body("lrz", leitweg_id=leitweg_id).leitweg_id == leitweg_id


@pytest.mark.parametrize("iban", IBANS)
def test_ibans_with_fitting_digits(iban: str) -> None:
    assert bodies.body("lrz", iban=iban).iban == iban


@given(st.integers(0, 10**10 - 1), st.integers(4, 21), digits)
def test_a_changed_digit_of_an_iban_is_found(number: int, place: int, others: str) -> None:
    iban = bodies.iban(number)
    assert check_iban(iban) == iban
    changed = iban[:place] + others[0] + iban[place + 1 :]
    if changed != iban:
        with pytest.raises(ValueError, match="check digits"):
            check_iban(changed)


@given(digits)
def test_a_changed_digit_of_a_leitweg_id_is_found(others: str) -> None:
    known = LEITWEG_IDS[0]
    for place, digit in zip((0, 3, 7, 9, 18), others, strict=False):
        changed = known[:place] + digit + known[place + 1 :]
        if changed != known:
            with pytest.raises(ValueError, match="check digits"):
                check_leitweg_id(changed)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("leitweg_id", "04011000-1234512345-07"),
        ("leitweg_id", "04011000-1234512345"),
        ("leitweg_id", "04011000-12345abcde-06"),
        ("iban", "DE89 3704 0044 0532 0130 00"),
        ("iban", "DE88370400440532013000"),
        ("iban", "de89370400440532013000"),
        ("bic", "COBADEFF1"),
        ("electronic_address", "rechnung"),
        ("legal_form", "kingdom"),
    ],
)
def test_what_is_not_written_right_is_refused(field: str, value: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(field)):
        Body.model_validate(dict(bodies.body("lrz")) | {field: value})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"category": "S", "rate_percent": Decimal(0)}, "rate above zero"),
        ({"rate_percent": Decimal(7)}, "every other category none"),
        ({"reason_de": None}, "reason in German and English"),
        ({"reason_en": None}, "reason in German and English"),
        ({"category": "O"}, "VATEX-EU-O"),
        ({"category": "O", "code": None}, "VATEX-EU-O"),
        ({"valid_until": dt.date(2019, 12, 31)}, "ends before it starts"),
        ({"rate_percent": Decimal(101)}, "less than or equal to 100"),
        ({"code": "EX-1"}, "VATEX"),
    ],
)
def test_a_tax_rule_that_contradicts_itself(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        rule(**changes)


def test_every_category_has_a_rule_that_fits() -> None:
    for each in (bodies.NOT_TAXABLE, bodies.EXEMPT, bodies.STANDARD):
        assert TaxRule.model_validate_json(each.model_dump_json()) == each


def test_rules_and_statuses_stand_once() -> None:
    with pytest.raises(ValidationError, match="two tax rules have the same id"):
        bodies.body("lrz", tax_rules=(bodies.EXEMPT, rule(category="E")))
    status = TaxStatus(valid_from=dt.date(2020, 1, 1))
    earlier = TaxStatus(valid_from=dt.date(2005, 1, 1))
    for statuses in ((status, status), (status, earlier)):
        with pytest.raises(ValidationError, match="listed by day"):
            bodies.body("lrz", tax_status=statuses)


def test_the_status_of_a_day() -> None:
    first = TaxStatus(valid_from=dt.date(2005, 1, 1))
    second = TaxStatus(valid_from=dt.date(2020, 1, 1), vat_id="DE123456789", deducts_input_tax=True)
    found = bodies.body("lrz", tax_status=(first, second))
    days = [dt.date(2004, 12, 31), dt.date(2005, 1, 1), dt.date(2019, 12, 31), dt.date(2020, 1, 1)]
    assert [found.status_on(day) for day in days] == [None, first, first, second]


def test_a_budget_item_reads_as_it_is_booked() -> None:
    assert BudgetItem(product="11.1.02", account="5431000", cost_centre="4711").label == (
        "11.1.02 / 5431000 / 4711"
    )
    assert BudgetItem(account="5431000").label == "5431000"


def test_a_person_has_a_duty() -> None:
    assert bodies.person("lrz", "anna", Duty.ORDER).duties == (Duty.ORDER,)
    with pytest.raises(ValidationError):
        bodies.person("lrz", "anna").model_validate({"id": "anna", "name": "Anna", "duties": ()})
