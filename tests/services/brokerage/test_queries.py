"""Every question to the brokerage has an answer."""

from support.builders import register

from allmende.schemas import registry
from allmende.services.brokerage.queries import answers_of


def test_every_question_of_the_registry_is_answered() -> None:
    asked = {query.name for query in registry.QUERIES if query.name.startswith("brokerage.")}
    assert answers_of(register("desy")).keys() == asked
