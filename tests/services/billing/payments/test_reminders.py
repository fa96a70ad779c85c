"""Who is reminded when, what it costs, and what of it becomes lines."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import NOW, uid
from support.paying import DUE, HELD, INTEREST, STEPS

from allmende.schemas.payments import PaymentArranged, ReminderSent
from allmende.schemas.register import ReminderStep, SettlementRules
from allmende.schemas.rejections import Rejected
from allmende.services.billing.payments.matching import reference_of
from allmende.services.billing.payments.reminders import Overdue, late_charge, lines_of, remind


def rules(**changes: object) -> SettlementRules:
    given: dict[str, object] = {"valid_from": dt.date(2020, 1, 1), "reminders": STEPS}
    return SettlementRules(**given | {"late_charge": INTEREST} | changes)  # type: ignore[arg-type]


def overdue(open_cents: int = 100_000, step: int = 0, late: int = 0) -> Overdue:
    payment = PaymentArranged(
        payment_id=uid(1),
        netting_id=uid(2),
        debtor="desy",
        creditor="office",
        amount_cents=200_000,
        reference=reference_of(uid(1)),
        due_on=DUE,
        items=1,
        arranged_at=NOW,
    )
    return Overdue(payment, open_cents, step, late)


def on(days: int) -> dt.date:
    return DUE + dt.timedelta(days=days)


def sent(found: ReminderSent | Rejected | None) -> ReminderSent:
    assert isinstance(found, ReminderSent), found
    return found


@pytest.mark.parametrize(
    ("days", "step"), [(-1, None), (0, None), (1, 1), (13, 1), (14, 2), (27, 2), (28, 3), (400, 3)]
)
def test_the_days_since_the_due_day_decide_the_step(days: int, step: int | None) -> None:
    found = remind(overdue(), rules(), on(days))
    assert (found.step if isinstance(found, ReminderSent) else found) == step


def test_each_step_is_sent_once_and_those_it_overtook_no_more() -> None:
    assert remind(overdue(step=2), rules(), on(14)) is None
    assert remind(overdue(step=3), rules(), on(400)) is None
    assert sent(remind(overdue(step=1), rules(), on(28))).step == 3


def test_without_steps_nobody_is_reminded() -> None:
    assert remind(overdue(), rules(reminders=()), on(400)) is None


def test_a_reminder_tells_its_costs_and_where_they_come_from() -> None:
    found = sent(remind(overdue(), rules(), on(14)))
    assert (found.title, found.fee_cents, found.late_charge_cents) == ("Mahnung", 500, 345)
    assert (found.days_overdue, found.open_cents) == (14, 100_000)
    assert found.trace_de.startswith("1.000,00 € seit 14 Tagen offen; ")
    assert found.trace_en.startswith("€1,000.00 open for 14 days; ")
    assert sent(remind(overdue(), rules(late_charge=None), on(14))).late_charge_cents == 0


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8))
def test_late_charges_of_all_reminders_come_to_what_one_would_have(gaps: list[int]) -> None:
    """As long as nothing is paid in between, it does not matter how often somebody was reminded."""
    steps, days = [], 0
    for gap in gaps:
        days += gap
        steps.append(ReminderStep(after_days=days, title=f"Mahnung {days}"))
    charged = 0
    for number, step in enumerate(steps):
        found = sent(
            remind(overdue(step=number, late=charged), rules(reminders=tuple(steps)), on(step.after_days))
        )
        charged += found.late_charge_cents
    whole = late_charge(INTEREST, 100_000, DUE, on(days))
    assert not isinstance(whole, Rejected)
    assert charged == whole.cents


def test_a_late_charge_is_never_given_back() -> None:
    found = sent(remind(overdue(open_cents=1, step=1, late=345), rules(), on(14)))
    assert found.late_charge_cents == 0
    assert "abzüglich bereits berechneter 3,45 €" in found.trace_de


def test_a_clause_that_cannot_be_worked_out_refuses_with_its_reason() -> None:
    found = remind(overdue(), rules(late_charge=HELD), on(14))
    assert isinstance(found, Rejected)
    assert found.sentences[0].endswith("Kein Basiszinssatz bekannt")
    assert sent(remind(overdue(), rules(late_charge=HELD), on(30))).late_charge_cents == 740
    mute = INTEREST.model_copy(update={"inputs": {}})
    unknown = remind(overdue(), rules(late_charge=mute), on(14))
    assert isinstance(unknown, Rejected)
    francs = remind(overdue(), rules(late_charge=INTEREST.model_copy(update={"currency": "AE"})), on(14))
    assert isinstance(francs, Rejected)
    assert francs.code == "late_charge_not_euro"


def test_fee_and_late_charge_are_lines_of_their_own() -> None:
    found = sent(remind(overdue(), rules(), on(14)))
    fee, late = lines_of([found])
    assert {(each.payer, each.payee, each.cause, each.kind) for each in (fee, late)} == {
        ("desy", "office", "late_charge", "charge")
    }
    assert (fee.amount_cents, late.amount_cents) == (500, 345)
    assert (fee.service_from, fee.service_to) == (on(1), on(14))
    assert fee.tax is late.tax is None, "the payee's treatment is decided where all lines are treated"
    assert found.reference in fee.title
    assert fee.trace_de.startswith("Mahngebühr zur Zahlung RF")


def test_what_costs_nothing_makes_no_line() -> None:
    first = sent(remind(overdue(), rules(late_charge=None), on(1)))
    assert list(lines_of([first])) == []
