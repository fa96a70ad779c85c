"""Objections: deadlines, effects, credits; what is credited and what is left sum to the line, to the cent."""

import dataclasses
import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.bodies import person
from support.builders import NOW, uid
from support.invoices import line
from support.reviews import deciding, market, objecting, withdrawing

from allmende.schemas.billing import LineTax
from allmende.schemas.register import MemberRegister, ObjectionTerms, SettlementRules
from allmende.schemas.rejections import Rejected
from allmende.schemas.statements import ObjectionRaised, ObjectionSettled
from allmende.services.billing.review import objection
from allmende.services.billing.review.objection import Charged, Standing

ANNA = person("desy", "anna")
TAX = LineTax(category="S", rate_percent=Decimal(19), rule="regelsteuersatz")
LINE = line(3, 10_001, tax=TAX, budget_item="61.10 / 5291", booking_id=uid(1), offering_id="lrz/vm")
CHARGED = Charged(uid(5), "2026-04", NOW, LINE)
REGISTER = market(
    rules=(
        SettlementRules(
            valid_from=dt.date(2020, 1, 1),
            objections=ObjectionTerms(days=14),
            levy_objections=ObjectionTerms(days=30, suspends=False),
        ),
        SettlementRules(valid_from=dt.date(2026, 6, 2), objections=ObjectionTerms(days=1, suspends=False)),
    )
)


def raised(
    charged: Charged = CHARGED,
    sender: str = "desy",
    now: dt.datetime = NOW,
    register: MemberRegister = REGISTER,
) -> ObjectionRaised | Rejected:
    return objection.raise_(objecting(3), uid(9), sender, charged, register, ANNA, now)


def standing(charged: Charged = CHARGED) -> Standing:
    found = raised(charged)
    assert isinstance(found, ObjectionRaised), found
    return Standing(found, None, charged)


def with_line(**changes: Any) -> Charged:
    return dataclasses.replace(CHARGED, line=LINE.model_copy(update=changes))


def test_a_line_is_disputed_with_its_vat() -> None:
    found = raised()
    assert isinstance(found, ObjectionRaised)
    assert (found.objection_id, found.payer, found.payee) == (uid(9), "desy", "lrz")
    assert (found.gross_cents, found.suspends, found.raised_by) == (11_901, True, "anna")


def test_the_rules_of_the_day_of_issue_hold_by_kind_of_line() -> None:
    levy = raised(with_line(kind="levy"))
    later = raised(dataclasses.replace(CHARGED, issued_at=NOW + dt.timedelta(days=1)))
    assert isinstance(levy, ObjectionRaised)
    assert isinstance(later, ObjectionRaised)
    assert (levy.suspends, later.suspends) == (False, False)


@pytest.mark.parametrize(
    ("moment", "in_time"),
    [
        ("2026-06-15T21:59:59+00:00", True),
        ("2026-06-15T22:00:00+00:00", False),
        ("2026-06-16T08:00:00+00:00", False),
    ],
)
def test_the_last_day_ends_at_midnight_in_berlin(moment: str, in_time: bool) -> None:
    """Issued on 1 June, fourteen days: the last one is 15 June."""
    found = raised(now=dt.datetime.fromisoformat(moment))
    assert isinstance(found, ObjectionRaised) is in_time
    if isinstance(found, Rejected):
        assert (found.code, found.parameters["deadline"]) == ("objection_too_late", dt.date(2026, 6, 15))
        assert "15" in found.sentences[0]


@pytest.mark.parametrize(
    ("charged", "sender", "code"),
    [
        (CHARGED, "kit", "unknown_line"),
        (CHARGED, "lrz", "line_not_owed"),
        (dataclasses.replace(CHARGED, issued_at=None), "desy", "statement_not_issued"),
        (dataclasses.replace(CHARGED, held=True), "desy", "line_held"),
        (with_line(amount_cents=-5), "desy", "line_charges_nothing"),
        (with_line(amount_cents=0), "desy", "line_charges_nothing"),
        (dataclasses.replace(CHARGED, disputed=True), "desy", "line_disputed"),
        (dataclasses.replace(CHARGED, credited_cents=10_001), "desy", "line_credited"),
        (dataclasses.replace(CHARGED, reversed=True), "desy", "line_credited"),
    ],
)
def test_what_cannot_be_objected_to_is_refused(charged: Charged, sender: str, code: str) -> None:
    refused(raised(charged, sender), code)


@pytest.mark.parametrize(
    ("charged", "last"),
    [
        (CHARGED, dt.date(2026, 6, 15)),
        (with_line(kind="levy"), dt.date(2026, 7, 1)),
        (dataclasses.replace(CHARGED, issued_at=None), None),
        (dataclasses.replace(CHARGED, held=True), None),
        (dataclasses.replace(CHARGED, disputed=True), None),
        (dataclasses.replace(CHARGED, reversed=True), None),
        (dataclasses.replace(CHARGED, credited_cents=10_001), None),
        (with_line(amount_cents=0), None),
    ],
)
def test_the_last_day_is_told_where_an_objection_is_possible(charged: Charged, last: dt.date | None) -> None:
    assert objection.possible_until(charged, REGISTER) == last
    if last is not None:
        assert isinstance(raised(charged, now=midday(last)), ObjectionRaised)
        refused(raised(charged, now=midday(last + dt.timedelta(days=1))), "objection_too_late")


def midday(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(12), dt.UTC)


def test_what_is_not_there_is_refused() -> None:
    refused(objection.unknown_line(objecting(3)), "unknown_line")
    refused(objection.unknown(uid(9)), "unknown_objection")


SETTLED = objection.withdraw(withdrawing(9), "desy", standing(), ANNA, NOW)


def settled() -> ObjectionSettled:
    assert isinstance(SETTLED, ObjectionSettled)
    return SETTLED


@pytest.mark.parametrize(
    ("sender", "found", "changes", "code"),
    [
        ("kit", standing(), {}, "unknown_objection"),
        ("desy", standing(), {}, "not_yours_to_decide"),
        ("lrz", dataclasses.replace(standing(), settled=settled()), {}, "objection_settled"),
        ("lrz", standing(), {"decision": "dismissed", "credit_cents": 1}, "credit_of_dismissal"),
        ("lrz", standing(), {"credit_cents": 10_002}, "credit_too_large"),
        (
            "lrz",
            standing(dataclasses.replace(CHARGED, credited_cents=1)),
            {"credit_cents": 10_001},
            "credit_too_large",
        ),
    ],
)
def test_what_cannot_be_decided_is_refused(
    sender: str, found: Standing, changes: dict[str, Any], code: str
) -> None:
    refused(objection.decide(deciding(9, **changes), sender, found, ANNA, NOW), code)


def test_who_raised_it_withdraws_it_once() -> None:
    assert (settled().state, settled().credit_cents) == ("withdrawn", 0)
    refused(objection.withdraw(withdrawing(9), "kit", standing(), ANNA, NOW), "unknown_objection")
    refused(objection.withdraw(withdrawing(9), "lrz", standing(), ANNA, NOW), "not_your_objection")
    again = dataclasses.replace(standing(), settled=settled())
    refused(objection.withdraw(withdrawing(9), "desy", again, ANNA, NOW), "objection_settled")


def upheld(found: Standing, cents: int | None = None) -> objection.Credit:
    decided = objection.decide(deciding(9, credit_cents=cents), "lrz", found, ANNA, NOW)
    assert isinstance(decided, ObjectionSettled)
    assert decided.state == "upheld"
    return objection.credit_of(found.charged, found.raised, decided, "2026-05")


def test_a_credit_has_the_treatment_and_the_budget_item_of_its_line_and_tells_why() -> None:
    credit = upheld(standing(), 5_000)
    given_ = credit.line
    assert (given_.cause, given_.kind, given_.amount_cents, credit.gross_cents) == (
        "credit",
        "charge",
        -5_000,
        5_950,
    )
    for name in ("payer", "payee", "tax", "budget_item", "service_from", "service_to", "booking_id"):
        assert getattr(given_, name) == getattr(LINE, name)
    assert (given_.objection_id, given_.charged_for, given_.component) == (uid(9), None, None)
    for word in ("Position 3 aus 2026-04", uid(9), "Zähler vertauscht", "teilweise", "trifft zu", "-50,00 €"):
        assert word in given_.trace_de
    for word in ("line 3 of 2026-04", uid(9), "Zähler vertauscht", "in part", "trifft zu", "-€50.00"):
        assert word in given_.trace_en


def test_dismissed_changes_nothing() -> None:
    decided = objection.decide(deciding(9, "dismissed"), "lrz", standing(), ANNA, NOW)
    assert isinstance(decided, ObjectionSettled)
    assert (decided.state, decided.credit_cents) == ("dismissed", 0)


@given(st.integers(1, 10**12), st.sampled_from([0, 7, 19, Decimal("10.7")]), st.data())
def test_credits_and_what_is_left_sum_to_the_line_whatever_the_parts(
    cents: int, rate: int | Decimal, data: st.DataObject
) -> None:
    tax = LineTax(category="S", rate_percent=Decimal(rate), rule="satz") if rate else None
    charged = Charged(uid(5), "2026-04", NOW, line(3, cents, tax=tax))
    whole = charged.left_gross_cents
    net = with_tax = 0
    while charged.left_cents:
        part = data.draw(st.integers(1, charged.left_cents))
        credit = upheld(standing(charged), part)
        assert 0 <= credit.gross_cents <= charged.left_gross_cents
        net, with_tax = net - credit.line.amount_cents, with_tax + credit.gross_cents
        charged = dataclasses.replace(charged, credited_cents=net, credited_gross_cents=with_tax)
        if charged.left_cents:
            part = charged.left_cents
            last = upheld(standing(charged))
            assert last.gross_cents == charged.left_gross_cents
            net, with_tax = net + part, with_tax + last.gross_cents
            break
    assert (net, with_tax) == (cents, whole)


@pytest.mark.parametrize(
    ("closed", "period"),
    [
        ((), "2026-05"),
        (("2026-05",), "2026-06"),
        (("2026-06",), "2026-07"),
        (("2026-05", "2026-06"), "2026-07"),
    ],
)
def test_the_next_run_is_that_after_the_last_one(closed: tuple[str, ...], period: str) -> None:
    months = objection.months_after("2026-04", dt.datetime(2026, 7, 9, tzinfo=dt.UTC))
    assert months == ["2026-05", "2026-06", "2026-07"]
    assert objection.next_run(months, closed) == period


def test_months_go_on_over_the_year_in_the_calendar_of_berlin() -> None:
    new_year = dt.datetime(2026, 12, 31, 23, 30, tzinfo=dt.UTC)
    assert objection.months_after("2026-11", new_year) == ["2026-12", "2027-01"]


def test_vat_of_a_line_is_rounded_once_and_alike_on_both_sides_of_zero() -> None:
    def with_tax(cents: int) -> int:
        return objection.gross(line(tax=TAX), cents)

    assert [with_tax(cents) for cents in (50, -50, 1, 3, -3)] == [60, -60, 1, 4, -4]
    assert objection.gross(line(tax=None), 50) == 50


def refused(outcome: object, code: str) -> None:
    assert isinstance(outcome, Rejected), outcome
    assert outcome.code == code
    assert all(outcome.sentences)
