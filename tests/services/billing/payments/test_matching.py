"""References of payments, and which entries of an account statement pay them."""

import datetime as dt
import itertools
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import iso11649
from support.builders import NOW, uid

from allmende.schemas.payments import BankEntry, PaymentArranged
from allmende.services.billing.payments.matching import (
    Matched,
    Standing,
    match,
    reference_of,
    references_in,
)

TODAY = NOW.date()
ID = uid(1)
REFERENCE = reference_of(ID)


def standing(cents: int = 1_000, debited: int = 0, credited: int = 0) -> Standing:
    payment = PaymentArranged(
        payment_id=ID,
        netting_id=uid(2),
        debtor="desy",
        creditor="lrz",
        amount_cents=cents,
        reference=REFERENCE,
        due_on=TODAY,
        items=1,
        arranged_at=NOW,
    )
    return Standing(payment, debited, credited)


def entry(id_: str, cents: int, *references: str, day: dt.date = TODAY, returned: bool = False) -> BankEntry:
    return BankEntry(
        entry_id=id_, booked_on=day, amount_cents=cents, references=references, returned=returned
    )


def matched(member: str, *entries: BankEntry, of: Standing | None = None) -> Matched:
    return match(entries, member, payments={REFERENCE: of or standing()}, known={}, today=TODAY)


@given(st.uuids())
def test_a_reference_is_one_by_the_standard(id_: uuid.UUID) -> None:
    reference = reference_of(str(id_))
    assert iso11649.is_valid(reference)
    assert len(reference) == 20
    assert references_in(entry("a", 1, reference)) >= {reference}


def test_references_of_many_payments_differ() -> None:
    ids = [str(uuid.uuid5(uuid.UUID(uid(1)), f"{number}")) for number in range(20_000)]
    assert len({reference_of(id_) for id_ in ids}) == len(ids)


@given(st.text(max_size=30), st.text(max_size=30), st.integers(1, 20))
def test_a_reference_is_found_in_any_text(before: str, after: str, width: int) -> None:
    parts = (REFERENCE[place : place + width] for place in range(0, len(REFERENCE), width))
    told = BankEntry.model_construct(
        entry_id="a", booked_on=TODAY, amount_cents=1, references=(), text=before + " ".join(parts) + after
    )
    assert REFERENCE in references_in(told)


@pytest.mark.parametrize("place", range(len(REFERENCE)))
def test_a_reference_with_one_wrong_character_is_none(place: int) -> None:
    wrong = "7" if REFERENCE[place] != "7" else "8"
    told = REFERENCE[:place] + wrong + REFERENCE[place + 1 :]
    assert REFERENCE not in references_in(entry("a", 1, told))
    assert not iso11649.is_valid(told)


parts = st.lists(st.tuples(st.booleans(), st.integers(1, 700)), max_size=6)


@given(parts)
def test_paid_is_what_the_better_informed_side_told(told: list[tuple[bool, int]]) -> None:
    """Whatever both sides tell, in whatever parts: never more than the payment, and never twice."""
    state = standing()
    sides = {"desy": 0, "lrz": 0}
    paid = 0
    for number, (debit, cents) in enumerate(told):
        member = "desy" if debit else "lrz"
        found = matched(member, entry(f"{number}", -cents if debit else cents, REFERENCE), of=state)
        sides[member] += cents
        for receipt in found.receipts:
            state = receipt.after
            paid += receipt.after.paid_cents - receipt.before.paid_cents
        surplus = sum(abs(each.amount_cents) for each in found.unmatched)
        assert sum(each.cents for each in found.receipts) + surplus == cents
    assert state.paid_cents == paid == min(max(sides.values()), 1_000)
    assert state.open_cents == 1_000 - paid


@given(parts)
def test_the_order_in_which_both_sides_tell_decides_nothing(told: list[tuple[bool, int]]) -> None:
    def paid(order: list[tuple[bool, int]]) -> int:
        state = standing()
        for number, (debit, cents) in enumerate(order):
            found = matched(
                "desy" if debit else "lrz",
                entry(f"{number}", -cents if debit else cents, REFERENCE),
                of=state,
            )
            state = found.receipts[-1].after if found.receipts else state
        return state.paid_cents

    assert len({paid(list(order)) for order in itertools.islice(itertools.permutations(told), 24)}) == 1


def test_a_stranger_learns_nothing_of_a_payment() -> None:
    (found,) = matched("kit", entry("a", 1_000, REFERENCE)).unmatched
    assert found.code == "bank_reference_unknown"
    assert REFERENCE not in found.message_de + found.message_en


def test_the_same_entry_twice_in_a_report_counts_once() -> None:
    told = entry("a", 400, REFERENCE)
    found = matched("lrz", told, told)
    assert (len(found.receipts), found.repeated) == (1, 1)


def test_today_is_not_the_future() -> None:
    tomorrow = TODAY + dt.timedelta(days=1)
    assert matched("lrz", entry("a", 1, REFERENCE, day=TODAY)).unmatched == ()
    assert matched("lrz", entry("a", 1, REFERENCE, day=tomorrow)).unmatched[0].code == "bank_entry_in_future"


@pytest.mark.parametrize(("member", "sign"), [("desy", -1), ("lrz", 1)])
def test_what_a_bank_returns_is_open_again(member: str, sign: int) -> None:
    pays, back, again = (
        entry("a", sign * 600, REFERENCE),
        entry("b", -sign * 600, REFERENCE, returned=True),
        entry("c", sign * 1_000, REFERENCE),
    )
    found = matched(member, pays, back, again)
    assert [each.cents for each in found.receipts] == [600, -600, 1_000]
    assert [each.after.paid_cents for each in found.receipts] == [600, 0, 1_000]
    assert found.unmatched == ()


def test_the_other_way_without_the_banks_word_is_no_return() -> None:
    """A payee that pays back what was too much uses the same reference."""
    paid = standing(credited=1_000)
    (other,) = matched("lrz", entry("a", -500, REFERENCE), of=paid).unmatched
    assert other.code == "bank_other_way"
    assert matched("lrz", entry("a", -500, REFERENCE, returned=True), of=paid).unmatched == ()
    (more,) = matched("lrz", entry("a", -1_001, REFERENCE, returned=True), of=paid).unmatched
    assert more.code == "bank_other_way"


def test_a_return_that_one_side_tells_of_waits_for_the_other() -> None:
    both = standing(debited=1_000, credited=1_000)
    (first,) = matched("desy", entry("a", 1_000, REFERENCE, returned=True), of=both).receipts
    assert first.after.paid_cents == 1_000, "the payee has not lost it yet"
    (second,) = matched("lrz", entry("a", -1_000, REFERENCE, returned=True), of=first.after).receipts
    assert second.after.paid_cents == 0
