"""By what a share is measured: which version counts, who stands behind a name, what mixtures come to."""

import dataclasses
import datetime as dt
import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import key as published_key

from allmende.schemas.clause import Key
from allmende.schemas.rejections import Rejected
from allmende.tariffs.keys import Book, NotYet, Weights, prorated, weigh
from allmende.tariffs.values import Unit, each_of

PARTIES = ("bonn", "kiel", "mainz")
VALUES = {"heads": each_of("number", {"bonn": Fraction(300), "kiel": Fraction(100)})}
VERSIONS = [
    published_key({"NW": 60, "SH": 40}, version=1),
    published_key({"NW": 50, "SH": 50}, version=2, effective_from=dt.date(2025, 1, 1)),
    published_key({"NW": 10, "SH": 90}, version=3, effective_from=dt.date(2027, 1, 1)),
]
SEATS = {"bonn": "NW", "kiel": "SH"}


def book(day: str = "2026-01-01", holder_of: Mapping[str, str] = SEATS, **keys: Any) -> Book:
    named = {name: Key.model_validate_json(json.dumps(each)) for name, each in keys.items()}
    return Book(named, VERSIONS, holder_of, dt.date.fromisoformat(day))


def weights(name: str, keys: Book, among: Sequence[str] | None = None) -> object:
    """Weights by party, or why there are none."""
    found = weigh(name, keys, VALUES, Unit(), among, PARTIES)
    if isinstance(found, Rejected):
        return found.code
    return dict(found.by_party) if isinstance(found, Weights) else found


@pytest.mark.parametrize(
    ("day", "asked", "version"),
    [
        ("2024-12-31", {}, 1),
        ("2025-01-01", {}, 2),
        ("2026-06-01", {}, 2),
        ("2026-06-01", {"lag_years": 2}, 1),
        ("2028-02-29", {"lag_years": 1}, 3),
        ("2026-06-01", {"version": 3}, 3),
        ("2019-12-31", {}, None),
    ],
)
def test_the_newest_version_in_effect_counts_unless_one_is_named(
    day: str, asked: dict[str, int], version: int | None
) -> None:
    found = book(day).version_of(Key.model_validate_json(json.dumps({"published": "schluessel", **asked})))
    assert (None if isinstance(found, NotYet) else found.version) == version


def test_parties_behind_one_name_share_its_value() -> None:
    keys = book(holder_of={**SEATS, "mainz": "NW"}, koenig={"published": "schluessel"})
    assert weights("koenig", keys) == {"bonn": 25, "mainz": 25, "kiel": 50}
    assert weights("koenig", keys, ["kiel"]) == {"kiel": 50}


def test_a_name_that_nobody_stands_behind_is_refused_where_all_must_bear() -> None:
    keys = book(holder_of={"bonn": "NW"}, koenig={"published": "schluessel"})
    assert weights("koenig", keys) == "key_holder_missing"
    assert weights("koenig", keys, ["kiel"]) == "member_without_share"
    spread = dataclasses.replace(
        keys, published=[each.model_copy(update={"spread_over": "participants"}) for each in VERSIONS]
    )
    assert weights("koenig", spread) == {"bonn": 50}


@pytest.mark.parametrize(
    ("key", "among", "found"),
    [
        ({"equal": True}, None, dict.fromkeys(PARTIES, 1)),
        ({"equal": True}, ["kiel"], {"kiel": 1}),
        (
            {"values": {"bonn": "62.5", "kiel": "37.5"}},
            None,
            {"bonn": Fraction("62.5"), "kiel": Fraction("37.5")},
        ),
        ({"values": {"bonn": "62.5", "kiel": "37.5"}}, ["mainz"], "member_without_share"),
        ({"measured": "heads"}, None, {"bonn": 300, "kiel": 100}),
        ({"measured": "heads"}, ["kiel"], {"kiel": 100}),
        ({"published": "unknown"}, None, NotYet("unknown", dt.date(2026, 1, 1))),
    ],
)
def test_every_kind_of_key_tells_weights(key: dict[str, Any], among: list[str] | None, found: object) -> None:
    assert weights("k", book(k=key), among) == found


def test_a_negative_weight_is_refused() -> None:
    values = {"heads": each_of("number", {"bonn": Fraction(-1), "kiel": Fraction(2)})}
    found = weigh("k", book(k={"measured": "heads"}), values, Unit(), None, PARTIES)
    assert isinstance(found, Rejected)
    assert found.code == "negative_weight"


@given(st.integers(1, 99))
def test_the_parts_of_a_mixture_count_by_percent_whatever_their_sums(percent: int) -> None:
    parts = [{"percent": str(percent), "key": "heads"}, {"percent": str(100 - percent), "key": "same"}]
    keys = book(mix={"composite": parts}, heads={"measured": "heads"}, same={"equal": True})
    found = weights("mix", keys)
    assert isinstance(found, dict)
    assert sum(found.values()) == 100
    assert found["bonn"] - found["kiel"] == Fraction(percent) / 2
    assert found["mainz"] == Fraction(100 - percent, 3)


def test_a_mixture_waits_for_each_of_its_parts() -> None:
    parts = [{"percent": "50", "key": "later"}, {"percent": "50", "key": "same"}]
    keys = book(
        "2019-01-01", mix={"composite": parts}, later={"published": "schluessel"}, same={"equal": True}
    )
    assert weights("mix", keys) == NotYet("schluessel", dt.date(2019, 1, 1))


def test_weights_count_for_the_time_of_taking_part() -> None:
    year = (dt.date(2026, 1, 1), dt.date(2026, 12, 31))
    whole = Weights(dict.fromkeys(PARTIES, Fraction(365)), "je", "each")
    times = {"kiel": (dt.date(2026, 12, 31), None), "mainz": (None, dt.date(2025, 12, 31))}
    assert prorated(whole, year, times, "day").by_party == {"bonn": 365, "kiel": 1, "mainz": 0}
    assert prorated(whole, year, times, "month").by_party == {
        "bonn": 365,
        "kiel": Fraction(365, 12),
        "mainz": 0,
    }
