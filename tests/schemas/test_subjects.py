import pytest
from hypothesis import given
from hypothesis import strategies as st

from allmende.schemas import registry, subjects
from allmende.schemas.subjects import CommandSubject

MEMBERS = st.from_regex(r"[a-z][a-z0-9-]{1,30}[a-z0-9]", fullmatch=True)
MESSAGES = st.sampled_from(registry.MESSAGES)


@given(MEMBERS, MESSAGES)
def test_a_commands_subject_is_taken_apart_as_it_was_put_together(
    member: str, message: registry.MessageType
) -> None:
    parts = (member, message.service, message.noun, message.verb)
    subject = subjects.command_subject(*parts)
    assert CommandSubject.parse(subject) == CommandSubject(*parts)
    assert subject.split(".")[1] == f"s{subjects.shard_of(member)}"


@pytest.mark.parametrize(
    "subject",
    ["", "cmd", "cmd.s0.abc.brokerage.booking", "ev.s0.abc.brokerage.booking.request", "cmd.s0.a.b.c.d.e"],
)
def test_what_is_no_commands_subject(subject: str) -> None:
    with pytest.raises(ValueError, match="is not the subject of a command"):
        CommandSubject.parse(subject)


SHARDS_OF_2026 = {"weser-it": 7, "alster-it": 6, "leine-it": 0, "foerde-it": 3}


def test_shards_are_stable_for_ever() -> None:
    # Changing one of these would leave messages of a running market in a stream nobody reads for them.
    assert subjects.SHARDS == 8
    found = {
        member: subjects.shard_of(member) for member in ("weser-it", "alster-it", "leine-it", "foerde-it")
    }
    assert found == SHARDS_OF_2026


def test_shards_are_used_evenly() -> None:
    found = [subjects.shard_of(f"member-{n}") for n in range(800)]
    counts = [found.count(shard) for shard in range(subjects.SHARDS)]
    assert sum(counts) == 800
    assert min(counts) > 50


@given(MEMBERS, MESSAGES)
def test_a_published_subject_tells_its_audience(member: str, message: registry.MessageType) -> None:
    parts = (message.service, message.noun, message.verb)
    assert subjects.audience_of(subjects.event_subject(member, *parts)) == member
    assert subjects.audience_of(subjects.fact_subject(*parts)) == "services"


@given(MEMBERS, MESSAGES)
def test_no_name_holds_a_wildcard_or_an_empty_token(member: str, message: registry.MessageType) -> None:
    parts = (message.service, message.noun, message.verb)
    for subject in (
        subjects.command_subject(member, *parts),
        subjects.fact_subject(*parts),
        subjects.event_subject(member, *parts),
        subjects.member_event_subject(*parts),
        subjects.query_subject(member, *parts),
        subjects.member_query_subject(*parts),
        subjects.dead_letter_subject(message.service, member),
        f"{subjects.command_stream(subjects.shard_of(member))}.{subjects.event_durable(member)}",
    ):
        tokens = subject.split(".")
        assert all(tokens)
        assert not {"*", ">"} & set(subject)


def test_events_lie_below_the_subjects_of_their_stream() -> None:
    roots = {pattern.removesuffix(">") for pattern in (*subjects.EVENT_SUBJECTS, "fact.>")}
    for subject in (subjects.fact_subject("a", "b", "c"), subjects.event_subject("m", "a", "b", "c")):
        assert any(subject.startswith(root) for root in roots)
