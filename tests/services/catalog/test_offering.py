"""What may be published, what may change afterwards, what stays as it was."""

import datetime as dt
from collections.abc import Callable

import pytest
from support.builders import NOW, component, offering, plan, quantity, tariff

from allmende.schemas.catalog import Offering, OfferingPublished, OfferingRetired, Plan
from allmende.schemas.rejections import Rejected
from allmende.services.catalog.offering import Listed, evolve, publish, retire

YEAR_END = dt.date(2026, 12, 31)
BEFORE = offering(plan())


def code(outcome: object) -> str | None:
    return outcome.code if isinstance(outcome, Rejected) else None


def test_the_first_revision_is_1_and_each_change_counts() -> None:
    first = publish(None, BEFORE, "lrz", NOW)
    assert first == OfferingPublished(offering=BEFORE, provider="lrz", revision=1, published_at=NOW)
    listed = evolve(None, first)
    second = publish(listed, offering(title="Neuer Titel"), "lrz", NOW)
    assert isinstance(second, OfferingPublished)
    assert second.revision == 2


def test_an_unchanged_document_keeps_its_revision() -> None:
    again = publish(Listed(BEFORE, 7), offering(plan()), "lrz", NOW)
    assert isinstance(again, OfferingPublished)
    assert again.revision == 7


@pytest.mark.parametrize("member", ["desy", "lr", "lrz-2"])
def test_nobody_publishes_or_retires_what_belongs_to_another(member: str) -> None:
    assert code(publish(None, BEFORE, member, NOW)) == "not_your_offering"
    assert code(retire(Listed(BEFORE, 1), "lrz/vm", member, NOW)) == "not_your_offering"
    assert code(retire(None, "lrz/vm", member, NOW)) == "not_your_offering", "nor learns whether it exists"


def test_what_is_not_listed_cannot_be_retired() -> None:
    assert code(retire(None, "lrz/vm", "lrz", NOW)) == "unknown_offering"
    fact = OfferingRetired(offering_id="lrz/vm", provider="lrz", revision=1, retired_at=NOW)
    with pytest.raises(ValueError, match="not listed"):
        evolve(None, fact)


def test_retiring_twice_is_as_once_and_publishing_reopens_with_a_new_revision() -> None:
    listed = Listed(BEFORE, 3)
    for _ in range(2):
        fact = retire(listed, "lrz/vm", "lrz", NOW)
        assert isinstance(fact, OfferingRetired)
        listed = evolve(listed, fact)
        assert listed == Listed(BEFORE, 3, "retired")
    again = publish(listed, BEFORE, "lrz", NOW)
    assert isinstance(again, OfferingPublished)
    assert again.revision == 4, "readers tell the reopening from a late copy by its revision"
    assert evolve(listed, again).state == "published"


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        (lambda p: offering(p, plan(plan_id="gross")), None),
        (lambda _: offering(plan(plan_id="gross")), "plan_missing"),
        (lambda p: offering(p.model_copy(update={"capacity": {}})), None),
        (lambda p: offering(p.model_copy(update={"order": (quantity("cores", 1, 4),)})), None),
        (lambda p: offering(_with(p, tariff(component("1.01")))), "tariff_version_changed"),
        (lambda p: offering(_with(p, tariff(component("1.000")))), None),  # the same number
        (lambda p: offering(_with(p, tariff(component(title="Zeit")))), "tariff_version_changed"),
        (lambda p: offering(_with(p, tariff(source="§ 1"))), "tariff_version_changed"),
        (lambda p: offering(_with(p, tariff(version=2))), "tariff_version_missing"),
        (lambda p: offering(_with(p, tariff(valid_to=YEAR_END))), None),
        (
            lambda p: offering(_with(p, tariff(valid_to=YEAR_END), tariff(version=2, valid_from=_next()))),
            None,
        ),
        (
            lambda p: offering(_with(p, tariff(component("2.00"), valid_to=YEAR_END))),
            "tariff_version_changed",
        ),
        (lambda p: offering(_with(p, tariff(valid_from=dt.date(2004, 1, 1)))), "tariff_version_changed"),
    ],
)
@pytest.mark.parametrize("state", ["published", "retired"])
def test_the_past_is_not_rewritten(
    change: Callable[[Plan], Offering], refused: str | None, state: str
) -> None:
    listed = Listed(BEFORE, 1, "retired" if state == "retired" else "published")
    assert code(publish(listed, change(plan()), "lrz", NOW)) == refused


@pytest.mark.parametrize("valid_to", [None, dt.date(2026, 12, 30), dt.date(2027, 1, 1)])
def test_a_last_day_once_given_is_fixed(valid_to: dt.date | None) -> None:
    ended = Listed(offering(plan(tariff(valid_to=YEAR_END))), 1)
    moved = publish(ended, offering(plan(tariff(valid_to=valid_to))), "lrz", NOW)
    assert code(moved) == "tariff_version_changed"


def test_every_refusal_says_which_plan_and_version() -> None:
    refused = publish(Listed(BEFORE, 1), offering(plan(tariff(component("9.00")))), "lrz", NOW)
    assert isinstance(refused, Rejected)
    assert refused.parameters == {"plan": "standard", "version": 1}
    assert all("standard" in sentence for sentence in refused.sentences)


def _with(before: Plan, *tariffs: object) -> Plan:
    return before.model_copy(update={"tariffs": tariffs})


def _next() -> dt.date:
    return YEAR_END + dt.timedelta(days=1)
