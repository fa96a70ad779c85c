"""What may be ordered: refused by technical limits before anything is priced."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import decimals, plan, quantity

from allmende.tariffs.order import refuse_order

MUENSTER = plan(order=(quantity("vcpu", 1, 6), quantity("vmem", 0, 64), quantity("vdisk")))
LRZ = plan(order=(quantity("mailboxes", minimum=50),))


@pytest.mark.parametrize(
    ("ordered", "code", "field", "german"),
    [
        ({"vcpu": 8}, "above_maximum", "quantities.vcpu", "vcpu: 8 liegt über der Höchstmenge 6."),
        ({"vcpu": "6.5"}, "above_maximum", "quantities.vcpu", "vcpu: 6.5 liegt über der Höchstmenge 6."),
        ({"vcpu": 4, "vmem": 65}, "above_maximum", "quantities.vmem", None),
        ({}, "below_minimum", "quantities.vcpu", "vcpu: 0 liegt unter der Mindestmenge 1."),
        ({"vcpu": 0}, "below_minimum", "quantities.vcpu", None),
        ({"vcpu": 8, "gpu": 1}, "unknown_quantity", "quantities.gpu", "Das Bestellfeld gpu gibt es nicht."),
        ({"vcpu": 4, "gpu": 0}, "unknown_quantity", "quantities.gpu", None),
    ],
)
def test_an_order_outside_the_form_or_its_limits_is_refused(
    ordered: dict[str, int | str], code: str, field: str, german: str | None
) -> None:
    refused = refuse_order(MUENSTER, decimals(ordered))
    assert refused is not None
    assert (refused.code, refused.field) == (code, field)
    assert german is None or refused.sentences[0] == german


@pytest.mark.parametrize("ordered", [{"vcpu": 1}, {"vcpu": 6, "vmem": 64, "vdisk": 10**14}, {"vcpu": "1.5"}])
def test_an_order_within_the_limits_passes(ordered: dict[str, int | str]) -> None:
    assert refuse_order(MUENSTER, decimals(ordered)) is None


@pytest.mark.parametrize(("mailboxes", "code"), [(49, "below_minimum"), (50, None)])
def test_fewer_than_50_mailboxes_are_refused(mailboxes: int, code: str | None) -> None:
    refused = refuse_order(LRZ, decimals({"mailboxes": mailboxes}))
    assert (refused.code if refused else None) == code


@given(st.decimals(0, 100, places=3))
def test_the_limits_themselves_are_allowed_and_nothing_beyond(value: Decimal) -> None:
    refused = refuse_order(MUENSTER, {"vcpu": value})
    assert (refused is None) == (1 <= value <= 6)
