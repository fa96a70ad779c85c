"""The rules of the ledger: what may be posted, how it is numbered, and what happens to it by chance."""

import dataclasses
import datetime as dt
import itertools
import random
from collections import defaultdict
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.builders import NOW, uid

from allmende.schemas import chain
from allmende.schemas.journal import GENESIS, HEADINGS, JournalEntry
from allmende.schemas.rejections import Rejected
from allmende.services.billing.ledger import entries
from allmende.services.billing.ledger.entries import (
    KINDS,
    Books,
    Entry,
    Obligation,
    Posting,
    entries_of,
    post,
    refuse,
    reverse,
)
from allmende.services.billing.period import last_day_of, period_with

APRIL = last_day_of("2026-04")
OBLIGATIONS = [
    Obligation("charge", "desy", "lrz", 100, 2),
    Obligation("levy", "desy", "office", 50, 1),
    Obligation("levy", "kit", "office", 0, 1),
    Obligation("charge", "kit", "lrz", -7, 1),
]


def entry(*postings: tuple[str, int], **changes: object) -> Entry:
    """By hand; without postings, desy owes lrz 100 cents."""
    given = postings or (
        ("desy:aufwendungen:leistungen", 100),
        ("desy:verbindlichkeiten:lrz", -100),
        ("lrz:forderungen:desy", 100),
        ("lrz:erträge:leistungen", -100),
    )
    made = Entry(
        APRIL, "charge", "von Hand", "2026-04/charge/desy/lrz", tuple(Posting(*each) for each in given)
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def posted(entries: Sequence[Entry], books: Books | None = None, settlement: int = 50) -> list[JournalEntry]:
    found = post(books or Books(), entries, settlement_id=uid(settlement), now=NOW)
    assert not isinstance(found, Rejected), found
    return list(found)


def code(made: Entry, books: Books | None = None) -> str | None:
    refusal = refuse(made, books or Books())
    assert refusal is None or all(refusal.sentences)
    return None if refusal is None else refusal.code


# -- entries --------------------------------------------------------------------------------------


def test_each_obligation_is_posted_in_the_books_of_both_its_parties() -> None:
    entries = entries_of("2026-04", OBLIGATIONS)
    assert [each.narration for each in entries] == [
        "Leistungen 2026-04: desy an lrz",
        "Leistungen 2026-04: kit an lrz",
        "Umlage 2026-04: desy an office",
    ]
    assert entries[0] == Entry(
        dt.date(2026, 4, 30),
        "charge",
        "Leistungen 2026-04: desy an lrz",
        "2026-04/charge/desy/lrz",
        (
            Posting("desy:aufwendungen:leistungen", 100),
            Posting("desy:verbindlichkeiten:lrz", -100),
            Posting("lrz:forderungen:desy", 100),
            Posting("lrz:erträge:leistungen", -100),
        ),
    )
    assert [each.amount_cents for each in entries[1].postings] == [-7, 7, -7, 7], (
        "a credit has the other sign"
    )
    assert [each.account for each in entries[2].postings] == [
        "desy:aufwendungen:umlage",
        "desy:verbindlichkeiten:office",
        "office:forderungen:desy",
        "office:erträge:umlage",
    ]


def test_the_order_of_the_obligations_changes_nothing() -> None:
    entries = entries_of("2026-04", OBLIGATIONS)
    for order in itertools.permutations(OBLIGATIONS):
        assert entries_of("2026-04", order) == entries
        assert posted(entries_of("2026-04", order))[-1].hash == posted(entries)[-1].hash


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_accounts_of_the_chart(kind: str) -> None:
    (made,) = entries_of("2026-04", [Obligation(kind, "desy", "lrz", 100, 1)])
    assert code(made) is None
    assert {each.account.split(":")[1] for each in made.postings} <= HEADINGS.keys()


@pytest.mark.parametrize(
    ("kind", "turnover"),
    [
        ("charge", -100),
        ("levy", -100),
        ("true_up", -100),
        ("refund", 100),
        ("credit", 100),
        ("equity", 0),
        ("advance", 0),
        ("pass_through", 0),
    ],
)
def test_contributions_advances_and_what_is_passed_through_are_nobodys_turnover(
    kind: str, turnover: int
) -> None:
    (made,) = entries_of("2026-04", [Obligation(kind, "desy", "lrz", 100, 1)])
    assert sum(each.amount_cents for each in made.postings if ":erträge:" in each.account) == turnover


def test_an_obligation_of_an_unknown_kind_says_which_are_known() -> None:
    with pytest.raises(ValueError, match="of kind 'gift', only charge, levy, advance"):
        entries_of("2026-04", [Obligation("gift", "desy", "lrz", 100, 1)])


# -- guards ---------------------------------------------------------------------------------------

FIRST = posted([entry()])[0]
STORNO = reverse(FIRST, "Doppelt berechnet", APRIL)
NAMED = Books(named={FIRST.entry_id: FIRST})
GUARDS: list[tuple[str, Entry, Books]] = [
    ("entry_without_postings", entry(("desy:forderungen:lrz", 0), reverses=uid(9)), Books()),
    ("unknown_account", entry(("desy:kasse:lrz", 0), ("desy:forderungen:lrz", 2)), Books()),
    ("posting_of_nothing", entry(("desy:forderungen:lrz", 0), ("lrz:forderungen:desy", 2)), Books()),
    ("entry_unbalanced", entry(("desy:forderungen:lrz", 1), ("lrz:forderungen:desy", -2)), Books()),
    ("body_unbalanced", entry(("desy:forderungen:lrz", 1), ("lrz:forderungen:desy", -1)), Books()),
    ("unknown_entry", dataclasses.replace(STORNO, reason=None), Books()),
    (
        "entry_is_reversal",
        dataclasses.replace(STORNO, reason=None),
        Books(
            named={FIRST.entry_id: FIRST.model_copy(update={"reverses": uid(8)})}, reversed={FIRST.entry_id}
        ),
    ),
    (
        "entry_reversed",
        dataclasses.replace(STORNO, reason=None),
        dataclasses.replace(NAMED, reversed={FIRST.entry_id}),
    ),
    ("reversal_without_reason", dataclasses.replace(entry(), reverses=FIRST.entry_id, reason=""), NAMED),
    (
        "reversal_differs",
        dataclasses.replace(entry(), reverses=FIRST.entry_id, reason="so"),
        dataclasses.replace(NAMED, closed={"2026-04"}),
    ),
    ("period_closed", entry(), Books(closed={"2026-04"})),
    ("period_closed", STORNO, dataclasses.replace(NAMED, closed={"2026-04"})),
]


@pytest.mark.parametrize(("refusal", "made", "books"), GUARDS, ids=[each[0] for each in GUARDS])
def test_the_first_guard_that_fails_names_the_reason(refusal: str, made: Entry, books: Books) -> None:
    assert code(made, books) == refusal
    found = post(books, [entry(date=dt.date(2026, 5, 31)), made], settlement_id=uid(50), now=NOW)
    assert isinstance(found, Rejected), "and nothing is posted"
    assert found.code == refusal


@pytest.mark.parametrize(
    "account", ["desy", "desy:forderungen", "Desy:forderungen:lrz", "desy:forderungen:lrz:x"]
)
def test_a_name_that_is_no_account_is_refused(account: str) -> None:
    assert code(entry((account, 1), ("desy:forderungen:lrz", -1))) == "unknown_account"


def test_what_balances_in_an_open_period_is_taken() -> None:
    assert code(entry()) is None
    assert code(STORNO, NAMED) is None
    assert (
        code(
            dataclasses.replace(STORNO, date=last_day_of("2026-05")),
            dataclasses.replace(NAMED, closed={"2026-04"}),
        )
        is None
    )


# -- reversals, numbers, chain --------------------------------------------------------------------


def test_a_reversal_takes_back_what_it_names() -> None:
    (storno,) = posted([STORNO], dataclasses.replace(NAMED, sequence=1, head=FIRST.hash))
    assert (storno.reverses, storno.reason, storno.kind) == (FIRST.entry_id, "Doppelt berechnet", "reversal")
    assert storno.narration == "Storno 1: von Hand"
    assert storno.previous_hash == FIRST.hash
    sums: defaultdict[str, int] = defaultdict(int)
    for each in (*FIRST.postings, *storno.postings):
        sums[each.account] += each.amount_cents
    assert set(sums.values()) == {0}


def test_two_reversals_of_one_entry_are_refused_even_at_once() -> None:
    found = post(NAMED, [STORNO, STORNO], settlement_id=None, now=NOW)
    assert isinstance(found, Rejected)
    assert found.code == "entry_reversed"


def test_the_longest_narration_can_be_reversed() -> None:
    (long,) = posted([entry(narration="ä" * 200)])
    assert len(reverse(long, "zu lang", APRIL).narration) == 200


def test_numbers_count_for_each_body_and_year() -> None:
    later = [
        dataclasses.replace(each, date=dt.date(2027, 1, 31)) for each in entries_of("2027-01", OBLIGATIONS)
    ]
    books = Books(numbers={("desy", 2026): 7, ("lrz", 2026): 999_999})
    found = posted(entries_of("2026-04", OBLIGATIONS) + later, books)
    assert [each.numbers for each in found] == [
        {"desy": "2026/000008", "lrz": "2026/1000000"},
        {"kit": "2026/000001", "lrz": "2026/1000001"},
        {"desy": "2026/000009", "office": "2026/000001"},
        {"desy": "2027/000001", "lrz": "2027/000001"},
        {"kit": "2027/000001", "lrz": "2027/000002"},
        {"desy": "2027/000002", "office": "2027/000001"},
    ]


def test_what_no_settlement_posts_is_a_reversal() -> None:
    with pytest.raises(ValueError, match="posted by no settlement"):
        post(Books(), [entry()], settlement_id=None, now=NOW)


# -- by chance ------------------------------------------------------------------------------------

BODIES = ("desy", "gsi", "kit", "office")
PERIODS = ("2025-11", "2025-12", "2026-01", "2026-02")
AMOUNTS = st.integers(-(10**12), 10**12).filter(bool)


@st.composite
def obligations(draw: st.DrawFn) -> list[Obligation]:
    pairs = st.tuples(st.sampled_from(sorted(KINDS)), st.permutations(BODIES), AMOUNTS)
    drawn = draw(st.lists(pairs, max_size=6))
    return [Obligation(kind, bodies[0], bodies[1], cents, 1) for kind, bodies, cents in drawn]


class LedgerMachine(RuleBasedStateMachine):
    """The ledger as a list of entries; the books are read from it before each step, as the shell does."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[JournalEntry] = []
        self.closed: set[str] = set()
        self.closings = 0
        self.heads = [GENESIS]
        self.chance = random.Random(4)  # noqa: S311 - the same draw every time

    def books(self) -> Books:
        numbers: defaultdict[tuple[str, int], int] = defaultdict(int)
        for each in self.entries:
            for body in each.numbers:
                numbers[body, each.date.year] += 1
        return Books(
            sequence=len(self.entries),
            head=self.heads[-1],
            numbers=numbers,
            closed=frozenset(self.closed),
            named={each.entry_id: each for each in self.entries},
            reversed={each.reverses for each in self.entries if each.reverses},
        )

    def take(self, made: Sequence[Entry], settlement_id: str | None) -> str | None:
        found = post(self.books(), made, settlement_id=settlement_id, now=NOW)
        if isinstance(found, Rejected):
            return found.code
        self.entries += found
        self.heads += [each.hash for each in found]
        return None

    @rule(period=st.sampled_from(PERIODS), owed=obligations())
    def close(self, period: str, owed: list[Obligation]) -> None:
        self.closings += 1
        entries = entries_of(period, owed)
        self.chance.shuffle(owed)
        assert entries_of(period, owed) == entries
        refusal = self.take(entries, uid(self.closings))
        assert refusal == ("period_closed" if period in self.closed and entries else None)
        self.closed.add(period)

    @precondition(lambda self: self.entries)
    @rule(data=st.data(), period=st.sampled_from(PERIODS))
    def reverse(self, data: st.DataObject, period: str) -> None:
        which = data.draw(st.sampled_from(self.entries))
        again = any(each.reverses == which.entry_id for each in self.entries)
        refusal = self.take([reverse(which, "Versehen", last_day_of(period))], None)
        if which.reverses is not None:
            assert refusal == "entry_is_reversal"
        elif again:
            assert refusal == "entry_reversed"
        else:
            assert refusal == ("period_closed" if period in self.closed else None)

    @precondition(lambda self: self.entries)
    @rule(data=st.data())
    def what_is_tampered_with_is_found(self, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(self.entries) - 1))
        victim = self.entries[place]
        changed = victim.model_copy(update={"narration": f"{victim.narration}!"})
        found = chain.verify([*self.entries[:place], changed, *self.entries[place + 1 :]]).broken
        assert found is not None
        assert (found.sequence, found.problem) == (victim.sequence, "content")
        cut = chain.verify(self.entries[:place], head=self.heads[-1])
        assert (cut.broken, cut.head_found) == (None, False)

    @rule()
    def exported_and_read_again_it_is_the_same(self) -> None:
        lines = [each.model_dump_json() for each in self.entries]
        assert [JournalEntry.model_validate_json(line) for line in lines] == self.entries

    @invariant()
    def everything_sums_to_zero(self) -> None:
        sums: defaultdict[str, int] = defaultdict(int)
        for each in self.entries:
            for posting in each.postings:
                sums[posting.account.split(":")[0]] += posting.amount_cents
        assert set(sums.values()) <= {0}

    @invariant()
    def numbers_are_gapless(self) -> None:
        series: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for each in self.entries:
            for body, number in each.numbers.items():
                year, count = number.split("/")
                assert int(year) == each.date.year
                series[body, year].append(int(count))
        assert all(found == list(range(1, len(found) + 1)) for found in series.values())

    @invariant()
    def the_chain_holds(self) -> None:
        found = chain.verify(self.entries)
        assert (found.broken, found.checked, found.head) == (None, len(self.entries), self.heads[-1])
        assert all(chain.verify(self.entries, head=head).head_found for head in self.heads)

    @invariant()
    def ids_are_unique_and_reversals_too(self) -> None:
        assert len({each.entry_id for each in self.entries}) == len(self.entries)
        taken_back = [each.reverses for each in self.entries if each.reverses]
        assert len(set(taken_back)) == len(taken_back)


LedgerMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestLedgerMachine = LedgerMachine.TestCase


def test_the_machine_notices_a_ledger_that_forgets_its_reversals(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = LedgerMachine()
    assert machine.take([entry()], uid(50)) is None
    storno = reverse(machine.entries[0], "Versehen", APRIL)
    assert machine.take([storno], None) is None
    with monkeypatch.context() as blinded:
        blinded.setattr(entries, "_refuse_reversal", lambda *_: None)
        assert machine.take([storno], None) is None
    with pytest.raises(AssertionError):
        machine.ids_are_unique_and_reversals_too()
    assert period_with(APRIL) not in machine.closed
