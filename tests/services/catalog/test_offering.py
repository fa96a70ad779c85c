"""What may be published, what may change afterwards, what stays as it was."""

import datetime as dt
import itertools
from collections.abc import Callable

import pytest
from support.builders import NOW, component, offering, plan, quantity, tariff

from allmende.schemas.catalog import (
    DiscardDraft,
    DraftDiscarded,
    DraftOffering,
    Offering,
    OfferingDrafted,
    OfferingPaused,
    OfferingPublished,
    OfferingResumed,
    OfferingRetired,
    PauseOffering,
    Plan,
    PublishOffering,
    ResumeOffering,
    RetireOffering,
    State,
)
from allmende.schemas.rejections import Rejected
from allmende.services.catalog.offering import MOVES, Changed, Command, Kept, Listed, change, decide, evolve

YEAR_END = dt.date(2026, 12, 31)
BEFORE = offering(plan())
STATES: tuple[State, ...] = ("draft", "published", "paused", "retired")
MOVE: dict[str, Command] = {
    "pause": PauseOffering(offering_id="lrz/vm", reason="Umzug"),
    "resume": ResumeOffering(offering_id="lrz/vm"),
    "retire": RetireOffering(offering_id="lrz/vm"),
}


def code(outcome: object) -> str | None:
    return outcome.code if isinstance(outcome, Rejected) else None


def listed_as(state: State, revision: int = 1, draft: Offering | None = None) -> Listed:
    if state == "draft":
        return Listed(BEFORE, 0, "draft", draft=BEFORE)
    return Listed(BEFORE, revision, state, 5, draft)


def by(listed: Listed | None, command: Command, sender: str = "lrz") -> Kept | Changed | Rejected:
    return decide(listed, command, sender, NOW, 9)


def publish(listed: Listed | None, document: Offering, sender: str = "lrz") -> Kept | Changed | Rejected:
    return by(listed, PublishOffering(offering=document), sender)


def test_the_first_revision_is_1_and_each_change_counts() -> None:
    first = publish(None, BEFORE)
    assert first == OfferingPublished(
        offering=BEFORE, provider="lrz", revision=1, position=9, published_at=NOW
    )
    assert isinstance(first, OfferingPublished)
    second = publish(change(None, first), offering(title="Neuer Titel"))
    assert isinstance(second, OfferingPublished)
    assert second.revision == 2


def test_what_changes_nothing_keeps_its_revision_and_its_position() -> None:
    again = publish(Listed(BEFORE, 7, position=4), offering(plan()))
    assert isinstance(again, OfferingPublished)
    assert (again.revision, again.position) == (7, 4)


@pytest.mark.parametrize("member", ["desy", "lr", "lrz-2"])
def test_nobody_touches_what_belongs_to_another_nor_learns_whether_it_exists(member: str) -> None:
    commands: list[Command] = [
        *MOVE.values(),
        PublishOffering(offering=BEFORE),
        DraftOffering(offering=BEFORE),
        DiscardDraft(offering_id="lrz/vm"),
    ]
    for command, listed in itertools.product(commands, (None, listed_as("draft"), listed_as("published"))):
        assert code(by(listed, command, member)) == "not_your_offering"


def test_what_is_not_there_cannot_move() -> None:
    for command in (*MOVE.values(), DiscardDraft(offering_id="lrz/vm")):
        assert code(by(None, command)) == "unknown_offering"
    fact = OfferingRetired(offering_id="lrz/vm", provider="lrz", revision=1, position=1, retired_at=NOW)
    with pytest.raises(ValueError, match="not listed"):
        change(None, fact)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("move", MOVE)
def test_every_move_leads_where_the_table_says_or_is_refused_as_it_says(move: str, state: State) -> None:
    listed = listed_as(state)
    outcome = by(listed, MOVE[move])
    expected = MOVES[move][state]  # type: ignore[index]
    if isinstance(outcome, Rejected):
        assert outcome.code == expected
    else:
        assert isinstance(outcome, OfferingPaused | OfferingResumed | OfferingRetired)
        after = change(listed, outcome)
        assert (after.state, after.offering, after.revision) == (expected, BEFORE, 1)


@pytest.mark.parametrize("state", STATES)
def test_publishing_leads_from_everywhere(state: State) -> None:
    outcome = publish(listed_as(state), BEFORE)
    assert isinstance(outcome, OfferingPublished)
    unchanged = state == "published"
    assert outcome.position == (5 if unchanged else 9)
    assert outcome.revision == (1 if state in {"draft", "published"} else 2), "a reopening is a new revision"
    assert change(listed_as(state), outcome) == Listed(
        BEFORE, outcome.revision, "published", outcome.position
    )


def test_retiring_twice_is_as_once_and_pausing_twice_tells_another_reason() -> None:
    retired = by(listed_as("retired"), MOVE["retire"])
    assert isinstance(retired, OfferingRetired)
    assert retired.position == 5
    paused = by(listed_as("paused"), MOVE["pause"])
    assert isinstance(paused, OfferingPaused)
    assert paused.position == 9


# -- drafts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
def test_a_draft_changes_nothing_for_others(state: State) -> None:
    listed = listed_as(state)
    fact = by(listed, DraftOffering(offering=offering(title="Entwurf")))
    assert isinstance(fact, OfferingDrafted)
    assert fact.revision == (1 if state == "draft" else 2), "as it would be published"
    after = evolve(listed, fact)
    assert after is not None
    assert after.draft == offering(title="Entwurf")
    assert (after.state, after.revision, after.position) == (listed.state, listed.revision, listed.position)
    assert state == "draft" or after.offering == BEFORE


def test_publishing_uses_a_draft_up_even_where_it_changes_nothing() -> None:
    listed = listed_as("published", draft=offering(title="Entwurf"))
    for document in (BEFORE, offering(title="Anders")):
        fact = publish(listed, document)
        assert isinstance(fact, OfferingPublished)
        assert change(listed, fact).draft is None


def test_a_draft_is_replaced_freely_until_it_is_published() -> None:
    first = evolve(None, OfferingDrafted(offering=BEFORE, provider="lrz", revision=1, drafted_at=NOW))
    other = offering(plan(tariff(component("9.00")), plan_id="ganz-anders"))
    fact = by(first, DraftOffering(offering=other))
    assert isinstance(fact, OfferingDrafted)
    after = evolve(first, fact)
    assert after == Listed(other, 0, "draft", draft=other)
    assert code(publish(after, BEFORE)) is None


def test_a_draft_that_could_not_be_published_is_refused() -> None:
    draft = DraftOffering(offering=offering(plan(tariff(component("9.00")))))
    assert code(by(listed_as("published"), draft)) == "tariff_version_changed"


def test_a_discarded_draft_is_gone_and_what_is_published_stays() -> None:
    discard = DiscardDraft(offering_id="lrz/vm")
    for listed, after in (
        (listed_as("draft"), None),
        (listed_as("paused", draft=BEFORE), listed_as("paused")),
    ):
        fact = by(listed, discard)
        assert isinstance(fact, DraftDiscarded)
        assert evolve(listed, fact) == after
    assert code(by(listed_as("published"), discard)) == "no_draft"


# -- the past -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "refused"),
    [
        (lambda p: offering(p, plan(plan_id="gross")), None),
        (lambda _: offering(plan(plan_id="gross")), "plan_missing"),
        (lambda p: offering(p.model_copy(update={"closed_to_new": True})), None),
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
@pytest.mark.parametrize("state", ["published", "paused", "retired"])
def test_the_past_is_not_rewritten(
    changed: Callable[[Plan], Offering], refused: str | None, state: State
) -> None:
    assert code(publish(listed_as(state), changed(plan()))) == refused


@pytest.mark.parametrize("valid_to", [None, dt.date(2026, 12, 30), dt.date(2027, 1, 1)])
def test_a_last_day_once_given_is_fixed(valid_to: dt.date | None) -> None:
    ended = Listed(offering(plan(tariff(valid_to=YEAR_END))), 1)
    moved = publish(ended, offering(plan(tariff(valid_to=valid_to))))
    assert code(moved) == "tariff_version_changed"


def test_every_refusal_says_which_plan_and_version() -> None:
    refused = publish(Listed(BEFORE, 1), offering(plan(tariff(component("9.00")))))
    assert isinstance(refused, Rejected)
    assert refused.parameters == {"plan": "standard", "version": 1}
    assert all("standard" in sentence for sentence in refused.sentences)


def test_a_form_that_is_no_schema_is_refused() -> None:
    refused = publish(None, offering(plan(order_form={"type": "objekt"})))
    assert code(refused) == "form_invalid"
    assert code(publish(None, offering(plan(order_form={"type": "object"})))) is None


def _with(before: Plan, *tariffs: object) -> Plan:
    return before.model_copy(update={"tariffs": tariffs})


def _next() -> dt.date:
    return YEAR_END + dt.timedelta(days=1)
