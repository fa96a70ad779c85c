"""Lines by service: nothing is lost, and what is only in one of both periods stands beside zero."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from support.statements import LINES, charge

from allmende.documents.services import sums_by_service
from allmende.schemas.billing import ChargeLine


def test_services_stand_by_counterparty_with_credits_for_themselves() -> None:
    before = [charge(1, 10000), charge(2, 700, title="Altes Angebot", offering_id="lrz/old")]
    found = sums_by_service(LINES, before, "desy")
    lrz = [each for each in found if each.counterparty == "lrz"]
    assert [(each.title, each.cause, each.amount_cents, each.previous_cents, each.lines) for each in lrz] == [
        ("Altes Angebot", "regular", 0, 700, 0),
        ("Beratung für Mitglieder", "regular", 0, 0, 1),
        ("Objektspeicher", "regular", 98765, 0, 1),
        ("Objektspeicher", "credit", -4000, 0, 1),
        ("Virtuelle Maschine, groß", "regular", 12346, 10000, 1),
    ]
    supplied = [line for line in LINES if line.payee == "lrz"]
    assert {each.direction for each in sums_by_service(supplied, (), "lrz")} == {"receivable"}


def test_quantities_are_summed_only_where_units_are_alike() -> None:
    alike = sums_by_service([charge(1, 1), charge(2, 1)], (), "desy")[0]
    assert (alike.quantity, alike.unit) == (Decimal(4), "Monat")
    for other in (charge(2, 1, unit="h"), charge(2, 1, quantity=None)):
        mixed = sums_by_service([charge(1, 1), other], (), "desy")[0]
        assert (mixed.quantity, mixed.unit) == (None, None)


CHARGES = st.builds(
    charge,
    st.integers(1, 10**6),
    st.integers(-(10**9), 10**9),
    title=st.sampled_from(["A", "B"]),
    payee=st.sampled_from(["lrz", "kit"]),
    cause=st.sampled_from(["regular", "credit"]),
)


@given(st.lists(CHARGES, max_size=12), st.lists(CHARGES, max_size=12))
def test_sums_are_those_of_the_lines_whatever_their_order(
    now: list[ChargeLine], before: list[ChargeLine]
) -> None:
    found = sums_by_service(now, before, "desy")
    assert sum(each.amount_cents for each in found) == sum(line.amount_cents for line in now)
    assert sum(each.previous_cents for each in found) == sum(line.amount_cents for line in before)
    assert sum(each.lines for each in found) == len(now)
    assert sums_by_service(now[::-1], before[::-1], "desy") == found
