"""Charges as FOCUS: sums agree with the documents, and what is broken on purpose is found."""

import json
from decimal import Decimal

import pytest
from support.builders import uid
from support.focus_export import CHARGES, head, rows
from support.statements import LINES, NAMES

from allmende.documents import focus, tables
from allmende.schemas.billing import LevyCharged, LevyShare


def test_rows_have_no_problems_and_come_to_what_the_document_comes_to() -> None:
    found = rows()
    assert focus.problems(found) == []
    assert {row["InvoiceId"] for row in found} == {head().number}
    assert sum(Decimal(row["BilledCost"]) for row in found) == Decimal(head().gross_cents) / 100
    assert [row["x_Line"] for row in found if row["ChargeCategory"] == "Tax"] == [""]


def test_months_begin_where_the_members_are_and_texts_are_ascii() -> None:
    first = rows()[0]
    assert (first["BillingPeriodStart"], first["BillingPeriodEnd"]) == (
        "2026-12-31T23:00:00Z",
        "2027-01-31T23:00:00Z",
    )
    assert (first["ChargeDescription"], first["x_Title"]) == (
        "Virtuelle Maschine, gross",
        "Virtuelle Maschine, groß",
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (1, ("Usage", "Recurring", "", "2", "Months", "2")),
        (4, ("Credit", "One-Time", "", "", "", "")),
        (10, ("Usage", "Usage-Based", "", "7.5", "Hours", "7.5")),
        (11, ("Usage", "Usage-Based", "Correction", "3", "Hours", "3")),
        (12, ("Usage", "One-Time", "", "1", "Count", "1")),
        (13, ("Adjustment", "One-Time", "", "", "", "")),
        (14, ("Adjustment", "One-Time", "", "", "", "")),
    ],
)
def test_every_kind_of_charge_has_its_category(line: int, expected: tuple[str, ...]) -> None:
    row = next(each for each in rows() if each["x_Line"] == str(line))
    names = (
        "ChargeCategory",
        "ChargeFrequency",
        "ChargeClass",
        "PricingQuantity",
        "PricingUnit",
        "ConsumedQuantity",
    )
    assert tuple(row[name] for name in names) == expected


def test_a_document_is_found_by_what_it_comes_to_and_never_guessed() -> None:
    other = head().model_copy(update={"net_cents": 1})
    assert focus.invoice_numbers(CHARGES, [other]) == {}
    assert set(focus.invoice_numbers(CHARGES, [other, head()]).values()) == {head().number}


def test_a_file_has_one_provider_and_one_consumer() -> None:
    with pytest.raises(ValueError, match="one provider"):
        focus.rows("2027-01", LINES, [], NAMES)


BROKEN = {
    "lacks": {"drop": "BilledCost"},
    "is empty": {"ProviderName": ""},
    "no decimal": {"BilledCost": "1,00"},
    "no moment": {"ChargePeriodStart": "2027-01-01"},
    "must not be 'Fee'": {"ChargeCategory": "Fee"},
    "ends before": {"ChargePeriodEnd": "2020-01-01T00:00:00Z"},
    "belong together": {"PricingUnit": ""},
    "PricingQuantity is missing": {"PricingQuantity": "", "PricingUnit": ""},
    "ConsumedQuantity is missing": {"ConsumedQuantity": "", "ConsumedUnit": ""},
    "only usage": {"ChargeCategory": "Credit"},
    "a tax has no quantity": {"ChargeCategory": "Tax"},
    "no effective cost": {"ChargeCategory": "Purchase"},
    "billed with 0": {"InvoiceIssuerName": "Somebody else"},
    "is not ASCII": {"ServiceName": "Größe"},
}


@pytest.mark.parametrize("expected", BROKEN)
def test_a_broken_row_is_found(expected: str) -> None:
    row = dict(rows()[0])
    assert focus.problems([row]) == []
    for name, value in BROKEN[expected].items():
        if name == "drop":
            del row[value]
        else:
            row[name] = value
    assert any(expected in problem for problem in focus.problems([row]))


def test_levies_tell_by_which_method_they_were_allocated() -> None:
    levy = LevyCharged(
        levy_id=uid(70),
        period="2027-01",
        title="Umlage der Geschäftsstelle",
        amount_cents=500_000,
        key_id="koenigstein",
        key_version=3,
        shares=(LevyShare(member="desy", amount_cents=41667), LevyShare(member="kit", amount_cents=458333)),
    )
    found = focus.allocations(LINES, [levy], {6: "office/U/2027/000001"})
    assert [row["AllocatedMethodId"] for row in found] == ["Forschungsdatenarchiv 2027", "koenigstein/3"]
    element = json.loads(found[1]["AllocatedMethodDetails"])["Elements"][0]
    assert element == {"AllocatedRatio": "0.083334000000", "x_Explanation": "€5,000.00 × 100/1200"}
    assert found[1]["InvoiceId"] == "office/U/2027/000001"
    text = tables.records_csv(focus.ALLOCATION_COLUMNS, found).decode()
    assert text.splitlines()[0] == ",".join(focus.ALLOCATION_COLUMNS)
