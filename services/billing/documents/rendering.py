"""Turns what the database holds of a document into a file, in a process that does nothing else.

What renders is imported when the first file is made: the service itself never loads it.
"""

import dataclasses
import datetime as dt

from allmende.schemas.billing import ChargeLine, StatementIssued
from allmende.schemas.invoices import DocumentKind, Invoice
from allmende.schemas.register import MemberRegister
from allmende.schemas.rejections import Rejected


@dataclasses.dataclass(frozen=True)
class Job:
    """A file to be made, as JSON of contracts.

    Attributes:
        document: an `Invoice`, or of a statement a `StatementIssued`.
        lines: of a statement, each a `ChargeLine`; `earlier` are those of the period `against`.
        legal_bases: of the levies on a notice.
    """

    document_id: str
    kind: DocumentKind
    document: str
    lines: tuple[str, ...] = ()
    against: str | None = None
    earlier: tuple[str, ...] = ()
    legal_bases: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a job: a file, or why there is none in German and English; neither if it failed.

    Attributes:
        failure: what went wrong by our own fault; the file stays pending.
    """

    document_id: str
    content: bytes | None = None
    reasons: tuple[str, str] | None = None
    failure: str | None = None


def render(job: Job, register: MemberRegister) -> Outcome:
    """Make a file."""
    made = _statement(job, register) if job.kind.startswith("statement") else _invoice(job, register)
    if isinstance(made, Rejected):
        return Outcome(job.document_id, reasons=made.sentences)
    return Outcome(job.document_id, content=made)


def _invoice(job: Job, register: MemberRegister) -> bytes | Rejected:
    from allmende.documents import notice, xrechnung  # noqa: PLC0415

    invoice = Invoice.model_validate_json(job.document)
    if job.kind == "xrechnung":
        return xrechnung.render(invoice)
    day = invoice.head.issued_on
    noon = dt.datetime.combine(day, dt.time(12), tzinfo=dt.UTC)
    file = notice.NoticeFile(invoice, register.rules_on(day), noon, job.legal_bases)
    return notice.render(file, "de" if job.kind == "notice_de" else "en")


def _statement(job: Job, register: MemberRegister) -> bytes | Rejected:
    from allmende.documents import services, statement  # noqa: PLC0415

    issued = StatementIssued.model_validate_json(job.document)
    lines, earlier = (
        [ChargeLine.model_validate_json(each) for each in part] for part in (job.lines, job.earlier)
    )
    house, member = register.find(issued.clearing_house), register.find(issued.member)
    file = statement.StatementFile(
        statement=issued,
        house=house.body if house is not None else None,
        body=member.body if member is not None else None,
        names={each.id: each.body.name if each.body is not None else each.name for each in register.members},
        services=services.sums_by_service(lines, earlier, issued.member),
        against=job.against,
        lines=[line for line in lines if line.payer == issued.member],
        rules=register.rules_on(issued.issued_at.date()),
    )
    return statement.render(file, "de" if job.kind == "statement_de" else "en")
