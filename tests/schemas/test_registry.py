"""The lists agree with each other: messages, permissions, reasons."""

import re
import string

import pytest
from support import examples

from allmende.schemas import permissions, registry, rejections
from allmende.schemas.permissions import Role
from allmende.schemas.registry import Audience
from allmende.schemas.rejections import SENTENCES, Rejection, rejected

COMMANDS = list(registry.commands())
EVENTS = [message for message in registry.MESSAGES if not message.is_command]
NAMES = [message.name for message in registry.MESSAGES] + [query.name for query in registry.QUERIES]


def name_of(entry: registry.MessageType | registry.QueryType) -> str:
    return entry.name


# -- messages --------------------------------------------------------------------------------------


def test_every_name_stands_once_and_has_three_parts() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert all(re.fullmatch(r"[a-z]+\.[a-z]+\.[a-z]+", name) for name in NAMES)


def test_a_members_short_subjects_are_unambiguous() -> None:
    subjects = [f"{command.noun}.{command.verb}" for command in COMMANDS]
    assert len(set(subjects)) == len(subjects)
    assert not {command.noun for command in COMMANDS} & {
        "ask",
        "events",
        "bulletin",
        "fact",
        "ev",
        "cmd",
        "dead",
    }


@pytest.mark.parametrize("command", COMMANDS, ids=name_of)
def test_a_command_has_outcomes_of_its_own_service_and_one_refusal(command: registry.MessageType) -> None:
    outcomes = [registry.message(name) for name in command.outcomes]
    assert {outcome.service for outcome in outcomes} == {command.service}
    assert not [outcome for outcome in outcomes if outcome.is_command]
    assert [outcome.data for outcome in outcomes].count(Rejection) == 1
    assert registry.rejection_of(command).data is Rejection
    assert Audience.SENDER in registry.rejection_of(command).audiences
    assert command.audiences == ()


@pytest.mark.parametrize("event", EVENTS, ids=name_of)
def test_an_event_is_heard_by_somebody(event: registry.MessageType) -> None:
    assert event.audiences
    assert len(set(event.audiences)) == len(event.audiences)


@pytest.mark.parametrize("command", COMMANDS, ids=name_of)
def test_the_sender_of_a_command_hears_each_of_its_outcomes(command: registry.MessageType) -> None:
    # By name, as one of everyone, as the party that sends such commands, or within the circle of a change of
    # the catalogue, to which its provider belongs.
    known = {
        Audience.SENDER,
        Audience.EVERYONE,
        Audience.CONSUMER,
        Audience.PROVIDER,
        Audience.OFFICE,
        Audience.CIRCLE,
    }
    for outcome in command.outcomes:
        assert set(registry.message(outcome).audiences) & known


@pytest.mark.parametrize("message", registry.MESSAGES, ids=name_of)
def test_a_message_is_found_by_its_name_and_by_what_it_carries(message: registry.MessageType) -> None:
    assert registry.message(message.name) is message
    assert message.type == f"allmende.{message.service}.{message.noun}.{message.verb}.v{message.version}"
    if message.data is not Rejection:
        assert registry.message_of(message.data) is message
        assert registry.message_of(examples.payload(message.name)) is message
    assert isinstance(examples.payload(message.name), message.data)
    assert message.summary.endswith(".")


@pytest.mark.parametrize("query", registry.QUERIES, ids=name_of)
def test_a_query_is_found_by_its_name(query: registry.QueryType) -> None:
    assert registry.query(query.name) is query
    assert (query.service, query.noun, query.verb) == tuple(query.name.split("."))
    assert isinstance(examples.query_request(query.name), query.request)
    assert isinstance(examples.query_reply(query.name), query.reply)


def test_what_is_not_there_is_not_found() -> None:
    for find in (registry.message, registry.query):
        with pytest.raises(KeyError):
            find("catalog.offering.praise")
    with pytest.raises(KeyError):
        registry.message_of(Rejection)


# -- permissions -----------------------------------------------------------------------------------


def test_somebody_may_send_every_command_and_ask_every_query() -> None:
    allowed = {row.name for row in permissions.TABLE}
    assert allowed == {command.name for command in COMMANDS} | {query.name for query in registry.QUERIES}


def test_a_permission_stands_once_and_has_a_known_scope() -> None:
    rows = [(row.role, row.name) for row in permissions.TABLE]
    assert len(set(rows)) == len(rows)
    assert {row.scope for row in permissions.TABLE} == {"own", "all"}


def test_roles_do_what_the_table_says() -> None:
    for role in Role:
        found = {command.name for command in permissions.commands_of(role)}
        found |= {query.name for query in permissions.queries_of(role)}
        assert found == {row.name for row in permissions.TABLE if row.role is role}
    assert permissions.sees_all(Role.OFFICE, "billing.statement.show")
    assert not permissions.sees_all(Role.MEMBER, "billing.statement.show")
    assert not permissions.sees_all(Role.MEMBER, "billing.settlement.draft")


def test_members_do_not_spread_costs_or_close_periods() -> None:
    names = {command.name for command in permissions.commands_of(Role.MEMBER)}
    assert not names & {"billing.levy.charge", "billing.settlement.draft"}


# -- reasons ---------------------------------------------------------------------------------------


def parameters(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


@pytest.mark.parametrize("code", SENTENCES)
def test_both_sentences_say_the_same_things(code: str) -> None:
    german, english = SENTENCES[code]
    assert parameters(german) == parameters(english)
    assert all(name.isidentifier() for name in parameters(german))
    assert re.fullmatch(r"[a-z][a-z_]{1,46}[a-z]", code)


@pytest.mark.parametrize("code", SENTENCES)
def test_a_refusal_can_be_told(code: str) -> None:
    given: dict[str, object] = {name: f"<{name}>" for name in parameters(SENTENCES[code][0])}
    reason = rejections.Rejected(code, given, "data.x")
    told = reason.as_rejection("brokerage.booking.request")
    assert (told.code, told.field) == (code, "data.x")
    for sentence in (told.message_de, told.message_en):
        assert all(str(value) in sentence for value in given.values())
        assert "{" not in sentence
    assert Rejection.model_validate_json(told.model_dump_json()) == told


def test_a_refusal_is_bounded() -> None:
    told = rejected("invalid_field", "f" * 999, field="f" * 9_999, detail="d").as_rejection("c" * 999)
    assert (len(told.command), len(told.field), len(told.message_de)) == (200, 300, 2_000)


def test_what_a_sentence_quotes_is_not_taken_for_a_placeholder() -> None:
    told = rejected("malformed_json", detail="{detail} {0} {x!r}").as_rejection("x")
    assert told.message_en.endswith("{detail} {0} {x!r}")
