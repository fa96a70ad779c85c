"""Advances and true-ups sum to the shares and these to the costs, whatever comes in what order."""

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import pooled
from support.builders import NOW, uid

from allmende.schemas.clause import Charge, Key, Share, Step
from allmende.schemas.pools import (
    AdvancePool,
    CarryForward,
    CostRecorded,
    Participant,
    PoolAdvanced,
    PoolOpened,
    PoolSettled,
    ReportCost,
    SettlePool,
)
from allmende.schemas.rejections import Rejected
from allmende.schemas.tariff import AllocationKey
from allmende.services.billing.pools import apportionment, pool, true_up
from allmende.services.billing.pools.apportionment import CARRIED, Apportioned, Entry, Known, Standing
from allmende.services.billing.pools.pool import Cost, Pool

MEMBERS = {"desy", "gsi", "lrz", "hzdr", "office"}
BEARERS = ("lrz", "gsi")


def a_pool(*participants: Participant, **changes: Any) -> Pool:
    found = pool.open_(pooled.opening(*participants, **changes), members=MEMBERS, exists=False, now=NOW)
    assert isinstance(found, PoolOpened)
    return Pool(found)


class Till:
    """A pool with all that was charged, as the database keeps it."""

    def __init__(self, pool_: Pool, *keys: AllocationKey) -> None:
        self.pool = pool_
        self.keys = list(keys or [pooled.inhabitants()])
        self.costs: list[Cost] = []
        self.entries: list[Entry] = []
        self.runs = 0
        self.settled = False

    def spend(self, *told: ReportCost, by: str = "lrz") -> None:
        for each in told:
            self.costs = [
                Cost(old.recorded, each.cost_id) if old.recorded.cost.cost_id == each.corrects else old
                for old in self.costs
            ]
            recorded = CostRecorded(
                pool_id=self.pool.id, number=len(self.costs) + 1, reporter=by, cost=each, recorded_at=NOW
            )
            self.costs.append(Cost(recorded))

    @property
    def known(self) -> Known:
        shares: dict[Any, int] = {}
        costs: dict[Any, int] = {}
        for each in self.entries:
            if each.pool_id != self.pool.id:
                continue
            place = each.cost or (each.step, each.party, each.member)
            sums = costs if each.cost else shares
            sums[place] = sums.get(place, 0) + each.amount_cents
        return Known(self.pool, self.keys, {}, self.costs, Standing(shares, costs), self.runs + 1)

    def advance(self, command: AdvancePool) -> PoolAdvanced | Rejected:
        found = apportionment.advance(
            command, uid(1), self.known, office="office", settled=self.settled, now=NOW
        )
        fact = self._kept(found)
        assert not isinstance(fact, PoolSettled)
        return fact

    def settle(self, command: SettlePool | None = None) -> PoolSettled | Rejected:
        found = true_up.settle(command or pooled.settling(), uid(2), self.known, office="office", now=NOW)
        fact = self._kept(found)
        assert not isinstance(fact, PoolAdvanced)
        self.settled = self.settled or isinstance(fact, PoolSettled)
        return fact

    def _kept(self, found: Apportioned | Rejected) -> PoolAdvanced | PoolSettled | Rejected:
        if isinstance(found, Rejected):
            return found
        self.entries += found.entries
        self.runs += 1
        return found.fact

    def charged(self, since: int = 0) -> dict[str, int]:
        """What the lines ask of members, by member; a bearer that is paid back stands there with less."""
        found: dict[str, int] = {}
        for each in self.entries[since:]:
            if each.line is not None:
                found[each.line.payer] = found.get(each.line.payer, 0) + each.line.amount_cents
                found[each.line.payee] = found.get(each.line.payee, 0) - each.line.amount_cents
        return {name: cents for name, cents in sorted(found.items()) if cents}


def done(found: PoolSettled | PoolAdvanced | Rejected) -> PoolSettled:
    assert isinstance(found, PoolSettled), found
    return found


def code(found: PoolSettled | PoolAdvanced | Rejected) -> str:
    assert isinstance(found, Rejected), found
    assert all(found.sentences)
    return found.code


def test_an_advance_on_the_old_key_is_trued_up_by_the_new_one() -> None:
    till = Till(a_pool())
    advanced = till.advance(pooled.advancing(100_000))
    assert isinstance(advanced, PoolAdvanced)
    assert [each.version for each in advanced.keys] == [1]
    assert till.charged() == {"desy": 50_000, "gsi": 30_000, "lrz": 20_000, "office": -100_000}

    till.keys.append(pooled.inhabitants(2, 2026, desy=40, gsi=40, lrz=20))
    till.spend(pooled.cost("a", 80_000))
    till.spend(pooled.cost("b", 10_000), by="gsi")
    before = len(till.entries)
    settled = done(till.settle())
    assert [each.version for each in settled.keys] == [2]
    assert [each.charged_cents for each in settled.shares] == [-14_000, 6_000, -2_000]
    assert settled.proof.model_dump() == {
        "costs_cents": 90_000,
        "cost_by_clause_cents": 90_000,
        "shares_cents": 90_000,
        "charged_before_cents": 100_000,
        "true_up_cents": -10_000,
        "carried_cents": 0,
        "difference_cents": 0,
        "exact": True,
    }
    assert settled.reimbursed_cents == 90_000
    # gsi pays 6 000 more and is paid 10 000 back; the office keeps nothing.
    assert till.charged(before) == {"desy": -14_000, "gsi": -4_000, "lrz": -82_000, "office": 100_000}
    assert till.charged().get("office", 0) == 0


def test_every_line_tells_its_story_in_both_languages() -> None:
    till = Till(a_pool())
    till.spend(pooled.cost("a", 10_001))
    done(till.settle())
    [desy] = [each.line for each in till.entries if each.line and each.line.payer == "desy"]
    assert "Stichtag 30.06.2019" in desy.trace_de
    assert "key date 2019-06-30" in desy.trace_en
    assert "Satzung § 7" in desy.trace_de
    assert "Resteinheit" in desy.trace_de
    assert "spare unit" in desy.trace_en
    assert (desy.cause, desy.kind, desy.pool_id, desy.party) == ("true_up", "levy", "rz-2026", "desy")


def test_settling_again_charges_the_difference_only() -> None:
    till = Till(a_pool())
    till.spend(pooled.cost("a", 1_000))
    done(till.settle())
    before = len(till.entries)
    again = done(till.settle())
    assert till.entries[before:] == []
    assert again.proof.exact
    till.spend(pooled.cost("b", 500))
    till.spend(pooled.cost("c", 900, corrects="a"))
    assert done(till.settle()).proof.costs_cents == 1_400
    assert till.charged(before) == {"desy": 200, "gsi": 120, "lrz": -320}
    reversal = next(each.line for each in till.entries[before:] if each.cost == ("lrz", "a"))
    assert reversal is not None
    assert (reversal.amount_cents, reversal.payer) == (-1_000, "office")
    assert "ersetzt durch c" in reversal.trace_de


def test_whoever_joins_pays_by_days_and_whoever_never_took_part_is_paid_back() -> None:
    till = Till(a_pool(), pooled.inhabitants(desy=1, gsi=1, lrz=1, hzdr=1))
    till.spend(pooled.cost("a", 36_500))
    done(till.settle())
    before = len(till.entries)
    told = pooled.joining(
        Participant(member="hzdr", since=dt.date(2026, 10, 20)),
        Participant(member="gsi", until=dt.date(2025, 12, 31)),
    )
    changed = pool.change(told, till.pool, members=MEMBERS, now=NOW)
    assert not isinstance(changed, Rejected)
    till.pool = Pool(till.pool.opened, (changed,))
    settled = done(till.settle())
    # 73 of 365 days: a fifth, so that 36 500 are shared by 1, 1 and 0.2.
    assert {each.party: each.share_cents for each in settled.shares} == {
        "desy": 16_591,
        "gsi": 0,
        "hzdr": 3_318,
        "lrz": 16_591,
    }
    assert till.charged(before)["gsi"] == -12_167
    assert settled.proof.exact


def test_another_member_that_stands_for_a_party_bears_what_the_first_bore() -> None:
    till = Till(a_pool(Participant(member="desy"), Participant(member="gsi", party="Hafen")))
    till.keys = [pooled.inhabitants(desy=1, Hafen=1)]
    till.spend(pooled.cost("a", 1_000))
    done(till.settle())
    before = len(till.entries)
    told = pooled.joining(Participant(member="hzdr", party="Hafen"))
    changed = pool.change(told, till.pool, members=MEMBERS, now=NOW)
    assert not isinstance(changed, Rejected)
    till.pool = Pool(till.pool.opened, (changed,))
    done(till.settle())
    assert till.charged(before) == {"gsi": -500, "hzdr": 500}


def test_what_holds_a_clause_refuses_with_the_reason() -> None:
    till = Till(a_pool(clause=pooled.clause(**pooled.needs(4))))
    assert code(till.advance(pooled.advancing(100))) == "pool_held"
    till = Till(a_pool())
    till.keys = []
    till.spend(pooled.cost("a", 100))
    refusal = till.settle()
    assert isinstance(refusal, Rejected)
    assert "einwohner" in refusal.sentences[0]
    assert till.entries == []
    till.keys = [pooled.inhabitants()]
    assert done(till.settle()).proof.exact


def test_what_cannot_be_charged_is_refused() -> None:
    till = Till(a_pool(clause=pooled.clause(cash=False)))
    assert code(till.advance(pooled.advancing(100))) == "pool_not_cash"
    assert code(till.settle()) == "pool_not_cash"
    till = Till(a_pool())
    till.spend(pooled.cost("a", 100))
    assert code(till.settle(pooled.settling(inputs={"costs": 5}))) == "input_reported"
    done(till.settle())
    assert code(till.advance(pooled.advancing(100))) == "pool_settled"
    assert code(Till(a_pool()).settle()) == "input_missing"
    assert code(Till(a_pool()).advance(pooled.advancing(10**15))) == "amount_too_large"
    fixed = Charge(step="share", title="Umlage", payer="nobody")
    till = Till(a_pool(clause=pooled.clause(charges=(fixed,))))
    assert code(till.advance(pooled.advancing(100))) == "unknown_party"


def test_a_pool_whose_shares_do_not_cover_its_costs_says_so() -> None:
    capped = Share(amount="costs", by="people", caps="2.00 EUR", over_cap="leave")
    till = Till(a_pool(clause=pooled.clause(Step(id="share", share=capped), exact_cost=None)))
    till.spend(pooled.cost("a", 1_000))
    proof = done(till.settle()).proof
    assert (proof.exact, proof.difference_cents) == (False, -400)


# -- carrying forward ------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "carried"), [(None, -10_000), (999, -999)])
def test_a_surplus_is_carried_into_the_next_pool_and_lowers_its_advance(
    limit: int | None, carried: int
) -> None:
    till, after = Till(a_pool()), Till(a_pool(pool_id="rz-2027"))
    till.advance(pooled.advancing(100_000))
    till.spend(pooled.cost("a", 90_000))
    wish = CarryForward(what="surplus", up_to_cents=limit, into="rz-2027")
    settled = done(till.settle(pooled.settling(carry_forward=wish)))
    assert settled.proof.exact
    assert settled.proof.carried_cents == carried
    assert settled.proof.true_up_cents == -10_000 - carried
    # Nothing is left to settle here, and nothing was charged for it there.
    again = len(till.entries)
    done(till.settle())
    assert till.charged(again) == {}
    after.entries = [each for each in till.entries if each.pool_id == "rz-2027"]
    assert after.charged() == {}
    advanced = after.advance(pooled.advancing(50_000, pool_id="rz-2027"))
    assert isinstance(advanced, PoolAdvanced)
    assert (advanced.amount_cents, advanced.carried_cents) == (50_000, carried)
    assert after.charged()["office"] == -50_000 - carried
    # Another advance does not take it up again; the settlement keeps it out.
    after.advance(pooled.advancing(10, pool_id="rz-2027"))
    after.spend(pooled.cost("a", 60_000, pool_id="rz-2027"))
    assert done(after.settle()).proof.true_up_cents == 60_000 - 50_010


def test_a_deficit_is_asked_for_by_the_next_pool() -> None:
    till = Till(a_pool())
    till.spend(pooled.cost("a", 1_000))
    wish = CarryForward(what="deficit", up_to_cents=300, into="rz-2027")
    settled = done(till.settle(pooled.settling(carry_forward=wish)))
    assert [each.carried_cents for each in settled.shares] == [150, 90, 60]
    assert [each.charged_cents for each in settled.shares] == [350, 210, 140]
    there = [each for each in till.entries if each.pool_id == "rz-2027"]
    assert {(each.step, each.amount_cents, each.line) for each in there} == {
        (f"{CARRIED}rz-2026", -cents, None) for cents in (150, 90, 60)
    }


# -- whatever comes in what order ------------------------------------------------------------------

PEOPLE = ("desy", "gsi", "hzdr", "lrz")
KEYS = st.fixed_dictionaries({name: st.integers(1, 10_000_000) for name in PEOPLE})
CENTS = st.integers(-(10**9), 10**9)
DAYS = st.dates(pooled.FIRST, pooled.LAST)


@st.composite
def _years(draw: st.DrawFn) -> list[tuple[str, Any]]:
    """A random year: advances before the first settlement; costs, keys and joiners at any time."""
    early = draw(st.lists(st.one_of(_moves("advance", "cost", "key", "join")), max_size=6))
    late = draw(st.lists(st.one_of(_moves("cost", "key", "join", "settle", "correct")), max_size=6))
    return [*early, ("cost", draw(CENTS)), ("settle", None), *late, ("settle", None)]


def _moves(*kinds: str) -> Sequence[st.SearchStrategy[tuple[str, Any]]]:
    values: dict[str, st.SearchStrategy[Any]] = {
        "advance": CENTS,
        "cost": CENTS,
        "correct": CENTS,
        "key": KEYS,
        "join": st.tuples(st.sampled_from(PEOPLE), DAYS),
        "settle": st.none(),
    }
    return [st.tuples(st.just(kind), values[kind]) for kind in kinds]


def _play(year: list[tuple[str, Any]], without: Sequence[str] = ()) -> tuple[Till, list[PoolSettled]]:
    till = Till(
        a_pool(*(Participant(member=name) for name in PEOPLE)),
        pooled.inhabitants(desy=1, gsi=2, hzdr=3, lrz=4),
    )
    found: list[PoolSettled] = []
    for number, (kind, value) in enumerate(year):
        match kind:
            case _ if kind in without:
                continue
            case "advance":
                till.advance(pooled.advancing(value))
            case "cost":
                till.spend(pooled.cost(f"c{number}", value), by=BEARERS[number % 2])
            case "correct":
                old = next(each for each in till.costs if each.corrected_by is None)
                by = old.recorded.reporter
                till.spend(pooled.cost(f"c{number}", value, corrects=old.recorded.cost.cost_id), by=by)
            case "key":
                till.keys.append(pooled.inhabitants(number + 2, 2026, **value))
            case "join":
                told = pooled.joining(Participant(member=value[0], since=value[1]))
                changed = pool.change(told, till.pool, members=MEMBERS, now=NOW)
                assert not isinstance(changed, Rejected)
                till.pool = Pool(till.pool.opened, (*till.pool.changes, changed))
            case _:
                found.append(done(till.settle()))
    return till, found


@given(_years())
def test_advances_and_true_ups_sum_to_the_shares_and_these_to_the_costs(year: list[tuple[str, Any]]) -> None:
    till, settled = _play(year)
    last = settled[-1]
    costs = sum(each.due_cents for each in till.costs)
    assert all(each.proof.exact for each in settled)
    assert sum(each.share_cents for each in last.shares) == costs
    by_member: dict[str, int] = {}
    for each in till.entries:
        if each.cost is None:
            by_member[each.member] = by_member.get(each.member, 0) + each.amount_cents
    assert {name: cents for name, cents in by_member.items() if cents} == {
        each.member: each.share_cents for each in last.shares if each.share_cents
    }
    # What members pay is what the bearers get: the clearing house keeps nothing, positions sum to zero.
    assert till.charged().get("office", 0) == 0
    assert sum(till.charged().values()) == 0
    before = list(till.entries)
    done(till.settle())
    assert till.entries == before


@given(_years())
def test_the_way_there_does_not_matter(year: list[tuple[str, Any]]) -> None:
    """One settlement at the end charges everybody in all what many on the way do."""
    till, _ = _play(year)
    once, _ = _play(year, without=("advance", "settle"))
    done(once.settle())
    assert once.charged() == till.charged()


@given(st.permutations(PEOPLE), st.permutations(range(4)), KEYS)
def test_the_order_of_participants_costs_and_keys_does_not_matter(
    people: list[str], order: list[int], values: dict[str, int]
) -> None:
    def play(names: Sequence[str], numbers: Sequence[int]) -> list[Entry]:
        till = Till(a_pool(*(Participant(member=name) for name in names)))
        till.keys = [pooled.inhabitants(number + 1, **values) for number in numbers]
        till.spend(*(pooled.cost(f"c{number}", 10**number + 1) for number in numbers))
        done(till.settle())
        return sorted(till.entries, key=repr)

    assert play(people, order) == play(PEOPLE, range(4))


def test_a_rule_that_forgets_what_stands_charged_is_caught() -> None:
    """The control of the property: without the advances, the members pay twice."""
    till = Till(a_pool())
    till.advance(pooled.advancing(1_000))
    till.spend(pooled.cost("a", 1_000))
    forgetful = dataclasses.replace(till.known, standing=Standing())
    found = true_up.settle(pooled.settling(), uid(2), forgetful, office="office", now=NOW)
    assert isinstance(found, Apportioned)
    till.entries += found.entries
    assert till.charged()["office"] == -1_000


def test_a_measured_key_is_told_when_the_pool_is_settled() -> None:
    used = pooled.clause(
        inputs={"costs": pooled.COST, "use": pooled.COST.model_copy(update={"kind": "number", "each": True})},
        keys={"people": Key(measured="use")},
    )
    till = Till(a_pool(clause=used))
    till.spend(pooled.cost("a", 700))
    told = {"use": {"desy": 1, "gsi": "0.5", "lrz": 2}}
    assert [e.share_cents for e in done(till.settle(pooled.settling(inputs=told))).shares] == [200, 100, 400]
