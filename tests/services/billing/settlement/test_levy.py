"""Levies: a cost of the cooperative, shared by a key."""

import datetime as dt
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builders import key, uid
from support.keys import GAFINHG_CENTS, KOENIGSTEINER_2019

from allmende.schemas.billing import ChargeLevy
from allmende.schemas.rejections import Rejected
from allmende.schemas.tariff import AllocationKey
from allmende.services.billing.settlement.levy import Levy, charge

LANDS = {"desy": "Hamburg", "gsi": "Hessen", "uni": "Hessen"}
BY_LAND = key({"Hamburg": 1, "Hessen": 2}, holders="land")


def charged(
    by: AllocationKey,
    lands: Mapping[str, str | None] | None = None,
    amount: int = 10_000,
    *,
    closed: bool = False,
) -> Levy | Rejected:
    command = ChargeLevy(period="2026-04", title="Geschäftsstelle", amount_cents=amount, key=by)
    return charge(command, uid(7), lands=LANDS if lands is None else lands, period_is_closed=closed)


def shares(found: Levy | Rejected) -> dict[str, int]:
    assert isinstance(found, Levy), found
    return {share.member: share.amount_cents for share in found.shares}


def test_by_land_the_members_of_one_land_share_its_part() -> None:
    found = charged(BY_LAND)
    assert shares(found) == {"desy": 3_333, "gsi": 3_334, "uni": 3_333}
    assert isinstance(found, Levy)
    fact = found.fact
    assert (fact.levy_id, fact.amount_cents, fact.key_id, fact.key_version) == (
        uid(7),
        10_000,
        "schluessel",
        1,
    )
    assert all("Stichtag 01.01.2020" in share.trace_de for share in found.shares)


def test_by_member_everybody_has_a_value_of_its_own() -> None:
    assert shares(charged(key({"desy": 2, "gsi": 1, "uni": 1}))) == {
        "desy": 5_000,
        "gsi": 2_500,
        "uni": 2_500,
    }


def test_the_federal_act_is_met_to_the_cent() -> None:
    members = {f"m{number:02d}": land for number, land in enumerate(KOENIGSTEINER_2019)}
    by = key(KOENIGSTEINER_2019, holders="land", unit="percent")
    assert list(shares(charged(by, members, 275_000_000_000)).values()) == list(GAFINHG_CENTS.values())


@pytest.mark.parametrize(
    ("by", "lands", "closed", "code"),
    [
        (key({"Hamburg": 1}, effective_from=dt.date(2027, 1, 1)), None, True, "period_closed"),
        (key({"none": 1}, effective_from=dt.date(2026, 4, 2)), None, False, "key_not_effective"),
        (key({"Hamburg": 1, "Berlin": 1, "Hessen": 1}, holders="land"), None, False, "key_holder_missing"),
        (key({"desy": 1, "gsi": 1, "uni": 1, "lrz": 1}), None, False, "key_holder_missing"),
        (
            key({"Hamburg": 1}, holders="land", spread_over="participants"),
            None,
            False,
            "member_without_share",
        ),
        (key({"desy": 1}), None, False, "member_without_share"),
        (BY_LAND, {"desy": "Hamburg", "lrz": None}, False, "member_without_share"),
        (BY_LAND, {}, False, "key_holder_missing"),
        (BY_LAND.model_copy(update={"spread_over": "participants"}), {}, False, "key_holder_missing"),
    ],
)
def test_what_cannot_be_charged_is_refused(
    by: AllocationKey, lands: Mapping[str, str | None] | None, *, closed: bool, code: str
) -> None:
    refused = charged(by, lands, closed=closed)
    assert isinstance(refused, Rejected)
    assert refused.code == code
    assert all(refused.sentences)


def test_a_key_holds_from_the_day_it_takes_effect() -> None:
    by = key({"Hamburg": 1, "Hessen": 1}, holders="land", effective_from=dt.date(2026, 4, 1))
    assert isinstance(charged(by), Levy)


def test_participants_take_over_what_has_no_member() -> None:
    by = key({"Hamburg": 1, "Hessen": 2, "Berlin": 97}, holders="land", spread_over="participants")
    assert shares(charged(by)) == {"desy": 3_333, "gsi": 3_334, "uni": 3_333}


@settings(max_examples=50)
@given(st.integers(1, 10**14), st.lists(st.sampled_from(sorted(KOENIGSTEINER_2019)), min_size=1, max_size=40))
def test_the_shares_sum_to_the_levy(amount: int, seats: list[str]) -> None:
    by = key(KOENIGSTEINER_2019, holders="land", unit="percent", spread_over="participants")
    members = {f"m{number:02d}": land for number, land in enumerate(seats)}
    assert sum(shares(charged(by, members, amount)).values()) == amount
