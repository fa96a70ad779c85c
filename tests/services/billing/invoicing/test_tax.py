"""The VAT treatment of lines, by the day of the service and never by that of the bill."""

import datetime as dt
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.bodies import EXEMPT, NOT_TAXABLE, STANDARD, embodied
from support.builders import register
from support.invoices import line

from allmende.schemas.billing import LineTax
from allmende.services.billing.invoicing.tax import LATE, tax_on, treated, treatments_in

TURNED = embodied(register("desy", "lrz", "kit"), lrz={"tax_rules": (NOT_TAXABLE, STANDARD)})
OF_2026 = LineTax(category="O", rate_percent=Decimal(0), rule=NOT_TAXABLE.id)
OF_2027 = LineTax(category="S", rate_percent=Decimal(19), rule=STANDARD.id)


def in_(first: str, last: str) -> dict[str, Any]:
    return {"service_from": dt.date.fromisoformat(first), "service_to": dt.date.fromisoformat(last)}


def test_what_was_supplied_in_2026_keeps_its_treatment_whenever_it_is_billed() -> None:
    december, january = in_("2026-12-01", "2026-12-31"), in_("2027-01-01", "2027-01-31")
    around = in_("2026-12-15", "2027-01-14")
    billed_in_february = [line(1, **december), line(2, **january), line(3, **around)]
    found, undecided = treated(billed_in_february, TURNED)
    assert [each.tax for each in found] == [OF_2026, OF_2027, OF_2027]
    assert undecided == []


def test_a_reversal_keeps_the_treatment_of_what_it_takes_back() -> None:
    (original,), _ = treated([line(1, **in_("2026-12-01", "2026-12-31"))], TURNED)
    taken_back = original.model_copy(update={"cause": "reversal", "amount_cents": -100})
    of_nothing = line(2, -100, cause="reversal")
    decided_otherwise = embodied(register("desy", "lrz"), lrz={"tax_rules": (EXEMPT,)})
    found, undecided = treated([taken_back, of_nothing], decided_otherwise)
    assert [each.tax for each in found] == [OF_2026, None]
    assert undecided == []
    charged_anew = taken_back.model_copy(update={"cause": "regular"})
    (again,), _ = treated([charged_anew], decided_otherwise)
    assert again.tax == LineTax(category="E", rate_percent=Decimal(0), rule=EXEMPT.id), (
        "without the cause, the present rules decide"
    )


def test_a_credit_brings_its_treatment_along_or_is_treated() -> None:
    given_back = line(1, -50, cause="credit", tax=OF_2027)
    for_a_breach = line(2, -50, cause="credit")
    found, _ = treated([given_back, for_a_breach], TURNED)
    assert [each.tax for each in found] == [OF_2027, OF_2026]


SPECIAL = STANDARD.model_copy(update={"id": "besonders", "valid_from": dt.date(2020, 1, 1)})


@pytest.mark.parametrize(
    ("narrow", "fits", "fits_not"),
    [
        ({"offerings": ("lrz/vm",)}, {"offering_id": "lrz/vm"}, {"offering_id": "lrz/gpu"}),
        ({"offerings": ("lrz/vm",)}, {"offering_id": "lrz/vm"}, {}),
        ({"consumers": ("desy",)}, {"payer": "desy"}, {"payer": "kit"}),
        ({"kinds": ("levy",)}, {"kind": "levy"}, {"kind": "charge"}),
        ({"valid_from": dt.date(2026, 4, 30)}, {}, in_("2026-04-01", "2026-04-29")),
        ({"valid_until": dt.date(2026, 4, 30)}, {}, in_("2026-04-30", "2026-05-01")),
    ],
)
def test_the_first_rule_that_fits_decides(
    narrow: dict[str, Any], fits: dict[str, Any], fits_not: dict[str, Any]
) -> None:
    rules = (SPECIAL.model_copy(update=narrow), NOT_TAXABLE)
    bodies = embodied(register("desy", "lrz", "kit"), lrz={"tax_rules": rules})
    found, _ = treated([line(1, **fits), line(2, **fits_not)], bodies)
    assert [each.tax and each.tax.rule for each in found] == [SPECIAL.id, NOT_TAXABLE.id]
    turned = embodied(register("desy", "lrz", "kit"), lrz={"tax_rules": rules[::-1]})
    found, _ = treated([line(1, **fits)], turned)
    assert found[0].tax == OF_2026, "a general rule before a special one hides it"


def test_what_no_rule_fits_is_undecided_and_what_has_no_rules_is_not() -> None:
    lines = [
        line(1),
        line(2, **in_("2027-03-01", "2027-03-31")),
        line(3, payer="kit", payee="nobody"),
        line(4, payee="kit", **in_("2027-03-01", "2027-03-31")),
    ]
    bodies = embodied(register("desy", "lrz", "kit"), kit={"tax_rules": ()})
    found, undecided = treated(lines, bodies)
    assert [each.tax for each in found] == [OF_2026, None, None, None]
    assert undecided == [1]
    assert treated(lines, register("desy", "lrz", "kit")) == (lines, [])


def test_an_earlier_draft_decides_nothing() -> None:
    drafted = line(1, tax=OF_2027)
    assert treated([drafted], TURNED)[0] == [line(1, tax=OF_2026)]
    assert treated([drafted], register("desy", "lrz"))[0] == [line(1)]


def test_what_is_owed_for_paying_late_bears_no_vat() -> None:
    late = line(1, cause="late_charge", **in_("2027-03-01", "2027-03-31"))
    ((found,), undecided) = treated([late], TURNED)
    assert found.tax is not None
    assert (found.tax.category, undecided) == ("O", [])
    assert treatments_in(TURNED)["lrz", found.tax] == LATE
    assert treated([late], register("desy", "lrz"))[0] == [late]


def test_a_treatment_says_what_its_rule_says() -> None:
    found = treatments_in(TURNED)
    assert found["lrz", OF_2026].model_dump() == NOT_TAXABLE.model_dump(
        include={*type(LATE).model_fields}
    ) | {"rule": NOT_TAXABLE.id}


@given(st.integers(-(10**15), 10**15), st.decimals(0, 100, places=2))
def test_tax_is_half_up_and_mirrored(net: int, rate: Decimal) -> None:
    exact = (abs(Decimal(net)) * rate / 100).quantize(Decimal(1), ROUND_HALF_UP)
    assert tax_on(net, rate) == (int(exact) if net >= 0 else -int(exact))
    assert tax_on(-net, rate) == -tax_on(net, rate)


def test_half_a_cent_is_rounded_up() -> None:
    assert [tax_on(net, Decimal(19)) for net in (50, 150, -50, 2, 3)] == [10, 29, -10, 0, 1]
    assert tax_on(10, Decimal(5)) == 1, "half to even says 0"
