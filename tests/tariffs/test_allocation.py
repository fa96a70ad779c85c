"""A cost shared by a key: to the cent, over Länder or members, with a story for every share."""

import random
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from support.builders import key
from support.keys import GAFINHG_CENTS, KOENIGSTEINER_2019

from allmende.schemas.rejections import Rejected
from allmende.schemas.tariff import AllocationKey
from allmende.tariffs.allocation import Share, allocate

ONE_IN_EACH = {f"m{number:02d}": land for number, land in enumerate(KOENIGSTEINER_2019)}


def koenigsteiner(**changes: str) -> AllocationKey:
    return key(KOENIGSTEINER_2019, holders="land", unit="percent", **changes)


def shares(total: int, by: AllocationKey, holder_of: dict[str, str | None]) -> list[Share]:
    found = allocate(total, by, holder_of)
    assert not isinstance(found, Rejected), found
    return found


def cents(total: int, by: AllocationKey, holder_of: dict[str, str | None]) -> dict[str, int]:
    return {share.member: share.amount_cents for share in shares(total, by, holder_of)}


def test_the_federal_act_is_met_to_the_cent() -> None:
    found = shares(275_000_000_000, koenigsteiner(), dict(ONE_IN_EACH))
    assert {share.holder: share.amount_cents for share in found} == GAFINHG_CENTS


def test_a_quarter_of_a_million_by_the_whole_key_sums_to_the_cent() -> None:
    found = cents(25_000_000, koenigsteiner(), dict(ONE_IN_EACH))
    assert sum(found.values()) == 25_000_000
    assert found["m03"] == 757_468, "Brandenburg is the last to get its half cent rounded up"
    assert found["m15"] == 658_027, "Thüringen is the first not to"


def test_members_of_one_land_share_its_value_equally() -> None:
    by = key({"Hessen": 2, "Saarland": 1}, holders="land")
    holder_of: dict[str, str | None] = {"gsi": "Hessen", "uni": "Hessen", "dfki": "Saarland", "kit": "Hessen"}
    assert cents(100, by, holder_of) == {"dfki": 33, "gsi": 23, "kit": 22, "uni": 22}


def test_the_story_names_value_whole_key_and_source() -> None:
    by = key({"Hessen": "1.5", "Saarland": 1}, holders="land", title="Einwohner", version=3)
    first, second, _ = shares(100_000, by, {"dfki": "Saarland", "gsi": "Hessen", "uni": "Hessen"})
    assert first.trace_de == (
        "Einwohner Version 3: Saarland 1 von 2,5 = 400,00 € "
        "(Stichtag 01.01.2020, Satzung § 7; Restcent nach größtem Rest)"
    )
    assert second.trace_en == (
        "Einwohner version 3: Hessen 1.5 of 2.5 = €600.00, in equal parts over 2 members = €300.00 "
        "(key date 2020-01-01, Satzung § 7; spare cents by largest remainder)"
    )


@pytest.mark.parametrize(
    ("spread_over", "holder_of", "code", "names"),
    [
        ("all", {"a": "a"}, "key_holder_missing", {"holder": "b"}),
        ("all", {"a": "a", "b": "b", "c": "c"}, "member_without_share", {"member": "c", "holder": "c"}),
        ("participants", {"a": "a", "c": None}, "member_without_share", {"member": "c", "holder": "-"}),
        ("participants", {}, "key_holder_missing", {"holder": "a"}),
    ],
)
def test_a_key_that_does_not_fit_is_refused(
    spread_over: str, holder_of: dict[str, str | None], code: str, names: dict[str, str]
) -> None:
    refused = allocate(100, key({"a": 1, "b": 1}, spread_over=spread_over), holder_of)
    assert isinstance(refused, Rejected)
    assert (refused.code, refused.parameters) == (code, {"key": "schluessel", **names})
    assert all(refused.sentences)


def test_participants_share_in_proportion_and_every_story_says_so() -> None:
    by = koenigsteiner(spread_over="participants")
    found = shares(100_000, by, {"tub": "Berlin", "hpi": "Brandenburg"})
    assert [share.amount_cents for share in found] == [36_861, 63_139]
    assert all("von 8,21982" in share.trace_de for share in found)


@pytest.mark.parametrize("last", ["13.94061", "12.94061"])
def test_a_percent_key_that_misses_100_is_refused_and_not_normalised(last: str) -> None:
    with pytest.raises(ValidationError, match="percent, not to 100"):
        key(KOENIGSTEINER_2019 | {"Baden-Württemberg": last}, holders="land", unit="percent")
    with pytest.raises(ValidationError, match=r"sums to 99\.9 percent"):
        key({"a": "50.0", "b": "49.9"}, unit="percent")


WEIGHTS = st.dictionaries(
    st.sampled_from(["Berlin", "Bremen", "Hamburg", "Hessen", "Saarland"]),
    st.decimals(Decimal("0.000000001"), 10**9, places=9),
    min_size=1,
)


@settings(max_examples=60)
@given(st.integers(1, 10**12), WEIGHTS, st.integers(1, 30), st.randoms(use_true_random=False))
def test_whatever_the_key_the_shares_sum_to_the_total_and_no_order_matters(
    total: int, values: dict[str, Decimal], count: int, chance: random.Random
) -> None:
    lands = sorted(values)
    by = key(values, holders="land", spread_over="participants")
    holder_of: dict[str, str | None] = {f"m{n:02d}": chance.choice(lands) for n in range(count)}
    found = shares(total, by, holder_of)
    assert sum(share.amount_cents for share in found) == total
    assert [share.member for share in found] == sorted(holder_of)

    members, holders = list(holder_of), list(values)
    chance.shuffle(members)
    chance.shuffle(holders)
    shuffled = by.model_copy(update={"values": {holder: values[holder] for holder in holders}})
    assert shares(total, shuffled, {member: holder_of[member] for member in members}) == found


@settings(max_examples=60)
@given(st.integers(1, 10**12), WEIGHTS)
def test_a_credit_mirrors_the_charge(total: int, values: dict[str, Decimal]) -> None:
    by = key(values)
    holder_of: dict[str, str | None] = {holder: holder for holder in values}
    credit = cents(-total, by, holder_of)
    assert credit == {member: -amount for member, amount in cents(total, by, holder_of).items()}
