"""What the brokerage answers at once: the answers of its rooms."""

from collections.abc import Mapping

from allmende.schemas.register import MemberRegister
from allmende.servicekit.queries import Answer

from .life import queries as life
from .maintenance import queries as maintenance


def answers_of(register: MemberRegister) -> Mapping[str, Answer]:
    """What answers each question, by the name of the query."""
    return {**life.answers(register), **maintenance.ANSWERS}
