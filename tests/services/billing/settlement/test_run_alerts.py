"""Which lines an alert holds, purely."""

from hypothesis import given
from hypothesis import strategies as st
from support.builders import uid
from support.invoices import line

from allmende.schemas.billing import ChargeLine
from allmende.schemas.register import JumpAlert
from allmende.services.billing.settlement.run_alerts import Carried, balanced, group_of, jumps, of_lines

HALF = JumpAlert(percent=50, cents=100)


def of_booking(cents: int, component: str = "hours", number: int = 1, **changes: object) -> ChargeLine:
    return line(number, cents, booking_id=uid(1), component=component, **changes)


def test_a_change_is_unusual_that_passes_both_limits() -> None:
    before = {group_of(of_booking(0)): 1_000}
    for cents, expected in [(1_500, []), (1_501, [(0, 1_000)]), (499, [(0, 1_000)]), (500, [])]:
        assert jumps([of_booking(cents)], before, HALF) == expected
    small = {group_of(of_booking(0)): 100}
    assert jumps([of_booking(200)], small, HALF) == []
    assert jumps([of_booking(201)], small, HALF) == [(0, 100)]


def test_what_was_free_before_may_jump_and_what_is_new_may_not() -> None:
    assert jumps([of_booking(5_000)], {group_of(of_booking(0)): 0}, HALF) == [(0, 0)]
    assert jumps([of_booking(5_000)], {}, HALF) == []
    assert jumps([of_booking(5_000)], {group_of(of_booking(0)): 0}, None) == []


def test_all_lines_of_what_changed_are_held_and_no_others() -> None:
    lines = [of_booking(-1_000, number=1), of_booking(9_000, number=2), of_booking(10, "base", 3), line(4, 7)]
    before = {group_of(each): 10 for each in lines}
    assert jumps(lines, before, HALF) == [(0, 10), (1, 10)]
    assert jumps(lines, before, HALF, without={1}) == [(0, 10)]


def test_levies_are_compared_by_payer_payee_and_kind() -> None:
    assert group_of(line(1, 5, kind="levy")) == ("desy", "lrz", "levy")
    assert group_of(line(1, 5)) == ("desy", "lrz", "charge")
    assert group_of(of_booking(5)) == (uid(1), "hours", None)


def test_what_comes_up_again_tells_where_it_was_held() -> None:
    carried = Carried(uid(9), "2026-03", of_booking(5, number=7))
    again = carried.again()
    assert (again.line, again.amount_cents) == (0, 5)
    assert again.trace_de == "1 Stunde; zurückgestellt als Position 7 in 2026-03"
    assert again.trace_en == "1 hour; held as line 7 in 2026-03"
    (alert,) = of_lines([of_booking(5)], carried={0: carried}, undecided=(), overruns=(), unusual=())
    assert (alert.kind, alert.line, alert.provider, alert.consumer) == ("held_before", 1, "lrz", "desy")


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans(), st.booleans()), max_size=12))
def test_each_reversal_balances_one_line_that_comes_up_again(drawn: list[tuple[int, bool, bool]]) -> None:
    lines = [
        of_booking(cents, number=n, cause="reversal" if back else "regular", charged_for="2026-04")
        for n, (cents, back, _) in enumerate(drawn, 1)
    ]
    carried = {place for place, (_, _, again) in enumerate(drawn) if again}
    found = balanced(lines, carried)
    assert len(set(found.values())) == len(found)
    for reversal, standing in found.items():
        assert lines[reversal].cause == "reversal"
        assert reversal not in carried
        assert standing in carried
        assert lines[reversal].amount_cents + lines[standing].amount_cents == 0
