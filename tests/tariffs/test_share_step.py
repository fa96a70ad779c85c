"""The step that shares: parts in their order, exactly; a reader can redo each share."""

import datetime as dt
import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmende.schemas.clause import Key, Share, Step
from allmende.schemas.rejections import Rejected
from allmende.tariffs.keys import Book, NotYet
from allmende.tariffs.scene import Done, Scene
from allmende.tariffs.share_step import share
from allmende.tariffs.values import Unit, each_of, single

DAY = dt.date(2026, 1, 1)
KEYS = {
    "same": Key(equal=True),
    "heads": Key(measured="heads"),
    "later": Key(published="later"),
}


def shared(amount: int | Fraction, **work: Any) -> Done | NotYet | Rejected:
    step = Step.model_validate_json(json.dumps({"id": "shares", "share": {"amount": "costs", **work}}))
    assert isinstance(step.share, Share)
    parties = ("bonn", "kiel", "mainz")
    values = {
        "costs": single("money", Fraction(amount)),
        "office": single("money", Fraction(1_000)),
        "cap": each_of("money", {"bonn": Fraction(200)}),
        "heads": each_of("number", {"bonn": Fraction(2), "kiel": Fraction(1), "mainz": Fraction(1)}),
    }
    scene = Scene(step, Unit(), values, Book(KEYS, (), {}, DAY), parties, (DAY, dt.date(2026, 12, 31)), {})
    return share(step.share, scene)


def cents(found: object) -> dict[str, int]:
    assert isinstance(found, Done)
    return {party: int(found.value.number(party)) for party in found.value.parts}


PARTS = [
    {"amount": "office", "to": "bonn"},
    {"percent": "50", "to": "kiel"},
    {"rest": True, "by": "heads"},
]


@pytest.mark.parametrize(
    ("amount", "found"),
    [
        (5_000, {"bonn": 2_000, "kiel": 2_500, "mainz": 500}),
        (700, {"bonn": 700, "kiel": 0, "mainz": 0}),
    ],
    ids=[
        "fixed first, then percentages, then the rest",
        "no more than there is",
    ],
)
def test_parts_are_cut_in_their_order(amount: int, found: dict[str, int]) -> None:
    assert cents(shared(amount, parts=PARTS)) == found


@given(st.integers(-(10**9), 10**9), st.sampled_from(["same", "heads"]))
def test_what_is_shared_is_the_amount(amount: int, key: str) -> None:
    assert sum(cents(shared(amount, by=key)).values()) == amount
    assert sum(cents(shared(amount, parts=PARTS)).values()) == amount


def test_a_cap_is_told_and_what_it_cuts_off_is_borne_by_the_others() -> None:
    found = shared(1_000, by="heads", caps="cap")
    assert cents(found) == {"bonn": 200, "kiel": 400, "mainz": 400}
    assert isinstance(found, Done)
    ((party, german, english), *_) = found.story
    assert party == "bonn"
    assert (german.endswith("= 2,00 € (Obergrenze)"), english.endswith("= €2.00 (cap)")) == (True, True)


def test_the_unit_left_over_is_told_or_goes_to_whoever_is_named() -> None:
    found = shared(100, by="same")
    assert cents(found) == {"bonn": 34, "kiel": 33, "mainz": 33}
    assert isinstance(found, Done)
    assert "weil der Rest 0,3333 zu den größten gehört" in found.story[0][1]
    assert cents(shared(100, by="same", remainder="mainz")) == {"bonn": 33, "kiel": 33, "mainz": 34}


def test_only_those_for_whom_the_condition_holds_share() -> None:
    few = {"when": [{"value": "heads", "below": "2"}]}
    assert cents(shared(100, by="heads", among=few)) == {"kiel": 50, "mainz": 50}


def test_a_key_that_is_not_published_yet_holds_the_step() -> None:
    assert shared(100, by="later") == NotYet("later", DAY)


def test_parts_of_a_cent_are_not_shared() -> None:
    found = shared(Fraction(1, 2), by="same")
    assert isinstance(found, Rejected)
    assert (found.code, found.field) == ("not_whole", "shares")
