"""The recipient of a statement: one person certifies it, another orders its payment.

Sachlich und rechnerisch richtig, then Anordnung (§ 70 LHO; four eyes).
"""

import dataclasses
import datetime as dt

from allmende.schemas.bodies import Person
from allmende.schemas.rejections import Rejected, rejected
from allmende.schemas.statements import (
    CertifyStatement,
    OrderStatement,
    StatementCertified,
    StatementOrdered,
)


@dataclasses.dataclass(frozen=True)
class Received:
    """A member's statement, and how far it is.

    Attributes:
        issued: whether its run is; before, its recipient has nothing to look at.
    """

    statement_id: str
    number: str
    period: str
    member: str
    issued: bool
    certified_by: str | None = None
    ordered_by: str | None = None


def certify(
    command: CertifyStatement, member: str, found: Received | None, person: Person, now: dt.datetime
) -> StatementCertified | Rejected:
    """Certify a statement.

    Args:
        command: what to certify.
        member: who sent it.
        found: that member's statement of the period.
        person: who acts, with the duty to certify.
        now: when.
    """
    if found is None:
        return rejected("no_statement", "period", member=member, period=command.period)
    if not found.issued:
        return rejected("statement_not_issued", "period", period=command.period)
    if found.certified_by is not None:
        return rejected("statement_certified", "period", number=found.number, person=found.certified_by)
    return StatementCertified(
        statement_id=found.statement_id,
        number=found.number,
        period=found.period,
        member=member,
        certified_by=person.id,
        certified_at=now,
        remark=command.remark,
    )


def order(
    command: OrderStatement, member: str, found: Received | None, person: Person, now: dt.datetime
) -> StatementOrdered | Rejected:
    """Order the payment of a certified statement; arguments as of `certify`."""
    if found is None:
        return rejected("no_statement", "period", member=member, period=command.period)
    if not found.issued:
        return rejected("statement_not_issued", "period", period=command.period)
    if found.certified_by is None:
        return rejected("statement_not_certified", "period", number=found.number)
    if found.ordered_by is not None:
        return rejected("statement_ordered", "period", number=found.number, person=found.ordered_by)
    if found.certified_by == person.id:
        return rejected("same_person_orders", "claim.person", person=person.id, number=found.number)
    return StatementOrdered(
        statement_id=found.statement_id,
        number=found.number,
        period=found.period,
        member=member,
        kassenzeichen=command.kassenzeichen,
        ordered_by=person.id,
        ordered_at=now,
    )
