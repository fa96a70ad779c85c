"""What billing answers at once: the answers of its rooms."""

from collections.abc import Mapping

from allmende.schemas.register import MemberRegister
from allmende.servicekit.queries import Answer

from .documents import queries as documents
from .invoicing import queries as invoicing
from .ledger import queries as ledger
from .payments import queries as payments
from .pools import queries as pools
from .reports import queries as reports
from .review import queries as review
from .settlement import queries as settlement
from .usage import queries as usage


def answers(register: MemberRegister) -> Mapping[str, Answer]:
    """What answers each question, by the name of the query."""
    return {
        **usage.ANSWERS,
        **ledger.ANSWERS,
        **settlement.answers(register),
        **pools.answers(register),
        **invoicing.ANSWERS,
        **reports.ANSWERS,
        **review.ANSWERS,
        **payments.ANSWERS,
        **documents.ANSWERS,
    }
