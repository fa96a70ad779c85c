from support.demonstration import expected


def test_the_independent_computation_is_consistent_and_repeatable() -> None:
    found = expected()
    assert expected() == found
    assert sum(found["positions"].values()) == 0
    assert sum(found["pairs"].values()) == found["charges_cents"]
    assert sum(found["levy_shares"].values()) == found["levies_cents"]
    assert found["own_records"] + found["usage_records"] == 593 + 12
