"""Levies taken back and billed again: to the cent, both ways."""

import datetime as dt
from collections.abc import Collection
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.bodies import person
from support.builders import OFFICE, key, uid
from support.reviews import levying, reversing

from allmende.schemas.billing import ChargeLine, LineTax
from allmende.schemas.rejections import Rejected
from allmende.services.billing.review import levies
from allmende.services.billing.review.levies import Reversal, Standing
from allmende.services.billing.settlement import levy

ANNA = person(OFFICE, "anna")
LANDS: dict[str, str | None] = {"desy": None, "kit": None, "lrz": None}
EXEMPT = LineTax(category="E", rate_percent=Decimal(0), rule="kostenteilung")


def charged(cents: int = 10_000, members: Collection[str] = tuple(LANDS)) -> levy.Levy:
    command = levying(cents=cents, key=key(dict.fromkeys(members, 1)))
    found = levy.charge(command, uid(7), lands=dict.fromkeys(members), period_is_closed=False)
    assert isinstance(found, levy.Levy), found
    return found


def collected(found: levy.Levy) -> dict[str, ChargeLine]:
    """What the run of its period made of a levy."""
    changes = {"tax": EXEMPT, "budget_item": "11.1 / 5317"}
    return {
        each.payer: each.model_copy(update={"line": number, **changes})
        for number, each in enumerate(levy.lines_of(found, OFFICE), 1)
    }


def standing(found: levy.Levy | None = None, **changes: object) -> Standing:
    found = found or charged()
    given_: dict[str, object] = {"fact": found.fact, "shares": found.shares, "lines": collected(found)}
    return Standing(**given_ | changes)  # type: ignore[arg-type]


def reversed_(
    found: Standing | None = None, period: str = "2029-03", closed: Collection[str] = ("2026-04",)
) -> Reversal | Rejected:
    return levies.reverse(reversing(7, period), found or standing(), ANNA, office=OFFICE, closed=closed)


def test_every_share_is_taken_back_as_it_was_charged() -> None:
    found = reversed_()
    assert isinstance(found, Reversal)
    assert (found.fact.amount_cents, found.fact.reversed_by) == (10_000, "anna")
    assert {each.payer: each.amount_cents for each in found.lines} == {
        "desy": -3_334,
        "kit": -3_333,
        "lrz": -3_333,
    }
    for each in found.lines:
        assert (each.kind, each.cause, each.payee, each.levy_id) == ("levy", "reversal", OFFICE, uid(7))
        assert (each.tax, each.budget_item) == (EXEMPT, "11.1 / 5317")
        assert (each.service_from, each.service_to) == (dt.date(2026, 4, 1), dt.date(2026, 4, 30))
        assert "OVG: Schlüssel rechtswidrig" in each.trace_de
        assert "OVG: Schlüssel rechtswidrig" in each.trace_en
        assert "Stichtag" in each.trace_de, "the story of the share is told again"


def test_what_is_credited_is_not_given_back_again() -> None:
    found = reversed_(standing(credited={"desy": 3_334, "kit": 1_000}))
    assert isinstance(found, Reversal)
    assert [(each.payer, each.amount_cents) for each in found.lines] == [("kit", -2_333), ("lrz", -3_333)]
    assert found.fact.amount_cents == 5_666


def test_what_is_not_collected_is_left_out() -> None:
    found = reversed_(period="2026-04", closed=())
    assert isinstance(found, Reversal)
    assert (found.lines, found.fact.amount_cents) == ((), 10_000)


@pytest.mark.parametrize(
    ("found", "period", "closed", "code"),
    [
        (standing(reversed_in="2026-05"), "2029-03", ("2026-04",), "levy_reversed"),
        (standing(), "2029-03", ("2026-04", "2029-03"), "period_closed"),
        (standing(), "2026-04", ("2026-04",), "period_closed"),
        (standing(), "2029-03", (), "levy_not_charged"),
        (standing(), "2026-03", ("2026-04",), "levy_later"),
        (standing(disputed=2), "2029-03", ("2026-04",), "levy_disputed"),
    ],
)
def test_what_cannot_be_taken_back_is_refused(
    found: Standing, period: str, closed: Collection[str], code: str
) -> None:
    refused(reversed_(found, period, closed), code)


def test_a_levy_that_is_not_there_is_refused() -> None:
    found = levies.reverse(reversing(7), None, ANNA, office=OFFICE, closed=())
    refused(found, "unknown_levy")
    refused(levies.replacing(uid(7), None), "unknown_levy")


def test_only_what_is_taken_back_is_billed_again_and_once() -> None:
    refused(levies.replacing(uid(7), standing()), "levy_not_reversed")
    back = standing(reversed_in="2029-03")
    assert levies.replacing(uid(7), back) == back.fact
    refused(levies.replacing(uid(7), standing(reversed_in="2029-03", replaced_by=uid(8))), "levy_replaced")


def test_what_is_billed_again_keeps_the_time_of_its_cost_however_often() -> None:
    found, period = charged(), "2026-04"
    for number, later in ((8, "2029-03"), (9, "2031-01")):
        command = levying(period=later, replaces=found.fact.levy_id)
        again = levy.charge(command, uid(number), lands=LANDS, period_is_closed=False, replaced=found.fact)
        assert isinstance(again, levy.Levy)
        assert (again.fact.charged_for, again.fact.replaces) == (period, found.fact.levy_id)
        for each in levy.lines_of(again, OFFICE):
            assert (each.service_from, each.service_to) == (dt.date(2026, 4, 1), dt.date(2026, 4, 30))
            assert "neu berechnet für 2026-04" in each.trace_de
            assert "billed again for 2026-04" in each.trace_en
        found = again


def test_the_key_of_what_is_billed_again_holds_for_the_time_of_its_cost() -> None:
    late = key(dict.fromkeys(LANDS, 1), effective_from=dt.date(2027, 1, 1))
    command = levying(period="2029-03", key=late, replaces=uid(7))
    found = levy.charge(command, uid(8), lands=LANDS, period_is_closed=False, replaced=charged().fact)
    refused(found, "key_not_effective")


@given(
    st.integers(1, 10**12),
    st.lists(st.integers(1, 10**6), min_size=1, max_size=30),
    st.lists(st.integers(1, 10**6), min_size=30, max_size=30),
)
def test_both_ways_sum_to_the_levy_and_every_member_ends_with_its_new_share(
    cents: int, old: list[int], new: list[int]
) -> None:
    members = [f"m{number:02d}" for number in range(len(old))]
    lands: dict[str, str | None] = dict.fromkeys(members)
    first = levy.charge(
        levying(cents=cents, key=key(dict(zip(members, old, strict=True)))),
        uid(7),
        lands=lands,
        period_is_closed=False,
    )
    assert isinstance(first, levy.Levy)
    back = reversed_(standing(first))
    again = levy.charge(
        levying("2029-03", cents, key=key(dict(zip(members, new, strict=False))), replaces=uid(7)),
        uid(8),
        lands=lands,
        period_is_closed=False,
        replaced=first.fact,
    )
    assert isinstance(back, Reversal)
    assert isinstance(again, levy.Levy)
    lines = [*levy.lines_of(first, OFFICE), *back.lines, *levy.lines_of(again, OFFICE)]
    assert sum(each.amount_cents for each in back.lines) == -cents
    for share in again.fact.shares:
        of_member = [each.amount_cents for each in lines if each.payer == share.member]
        assert sum(of_member) == share.amount_cents


def refused(outcome: object, code: str) -> None:
    assert isinstance(outcome, Rejected), outcome
    assert outcome.code == code
    assert all(outcome.sentences)
