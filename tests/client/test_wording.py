import typing

import pytest

from allmende.client import wording
from allmende.schemas import brokerage
from allmende.services.brokerage import lifecycle

TABLES = [
    (wording.STATES, brokerage.BookingState),
    (wording.INSTANCES, brokerage.InstanceState),
    (wording.TRIGGERS, brokerage.Trigger),
    (wording.ACTORS, brokerage.Actor),
    (wording.IMPACTS, brokerage.Impact),
    (wording.MAINTENANCE, brokerage.MaintenanceState),
]


@pytest.mark.parametrize(("words", "literal"), TABLES)
def test_everything_has_words_in_both_languages(
    words: typing.Mapping[str, wording.Words], literal: object
) -> None:
    assert list(words) == list(typing.get_args(literal))
    for german, english in words.values():
        assert german
        assert english.isascii()


@pytest.mark.parametrize(
    "words", [wording.STATES, wording.INSTANCES, wording.ACTORS, wording.IMPACTS, wording.MAINTENANCE]
)
def test_no_two_are_called_the_same(words: typing.Mapping[str, wording.Words]) -> None:
    for language in zip(*words.values(), strict=True):
        assert len(set(language)) == len(words)


def test_no_two_phases_are_called_the_same() -> None:
    named = [wording.phase(*phase) for phase in lifecycle.phases()]
    assert len(set(named)) == len(named)
