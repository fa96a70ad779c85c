"""The recipient's side of a statement, and objections to its lines.

received ──► certified (sachlich und rechnerisch richtig) ──► ordered (angeordnet) ──► paid
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from .claims import Claim
from .contract import Contract
from .identifiers import Count, Instant, Line, MemberId, Period, Slug, Text, Uuid
from .invoices import DocumentNumber
from .money import Cents

Kassenzeichen = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9 ./-]{1,35}$")]
"""The recipient's own reference of a payment order, of its treasury."""

StatementState = Literal["received", "certified", "ordered", "paid"]

_After = Annotated[int, Field(ge=0, le=2**53)]


class CertifyStatement(Contract):
    """Certify one's statement of a period as factually and arithmetically right."""

    period: Period
    remark: Line | None = None
    claim: Claim


class StatementCertified(Contract):
    """A statement is certified; another person may order its payment."""

    statement_id: Uuid
    number: Line
    period: Period
    member: MemberId
    certified_by: Slug
    certified_at: Instant
    remark: Line | None = None


class OrderStatement(Contract):
    """Order the payment of a certified statement (Anordnung), as another person than who certified it."""

    period: Period
    kassenzeichen: Kassenzeichen
    claim: Claim


class StatementOrdered(Contract):
    """The treasury may pay."""

    statement_id: Uuid
    number: Line
    period: Period
    member: MemberId
    kassenzeichen: Kassenzeichen
    ordered_by: Slug
    ordered_at: Instant


class ListStatements(Contract):
    """Ask for statements with their state, newest period first. Members see their own.

    Attributes:
        state: only those in this state.
    """

    period: Period | None = None
    member: MemberId | None = None
    state: StatementState | None = None
    after: Annotated[Line | None, Field(max_length=40)] = None
    limit: Annotated[int, Field(ge=1, le=200)] = 100


class StatementProgress(Contract):
    """A statement and how far its recipient is.

    Attributes:
        disputed_cents: of its payable lines, what is disputed with suspensive effect.
        paid_cents: of its gross payable, what is paid or offset.
    """

    statement_id: Uuid
    number: Line
    period: Period
    member: MemberId
    state: StatementState
    payable_cents: Cents
    receivable_cents: Cents
    disputed_cents: Cents
    paid_cents: Cents
    certified_by: Slug | None
    certified_at: Instant | None
    ordered_by: Slug | None
    ordered_at: Instant | None
    kassenzeichen: Kassenzeichen | None


class Statements(Contract):
    """A page of statements; `next_after` (a number) continues it."""

    statements: tuple[StatementProgress, ...]
    next_after: Line | None


class Evidence(Contract):
    """A document that an objection relies on, kept by whoever objects."""

    title: Line
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


ObjectionState = Literal["raised", "upheld", "dismissed", "withdrawn"]


class RaiseObjection(Contract):
    """Object to a line that one owes, within the time the rules allow. The command's id becomes its id."""

    period: Period
    line: Count
    reason: Text
    documents: Annotated[tuple[Evidence, ...], Field(max_length=20)] = ()
    claim: Claim


class ObjectionRaised(Contract):
    """A line is disputed.

    Attributes:
        suspends: the line need not be paid until it is decided; otherwise it is due and may be credited.
        gross_cents: what is disputed, VAT included.
    """

    objection_id: Uuid
    period: Period
    line: Count
    payer: MemberId
    payee: MemberId
    gross_cents: Cents
    reason: Text
    documents: tuple[Evidence, ...] = ()
    suspends: bool
    raised_by: Slug
    raised_at: Instant


class DecideObjection(Contract):
    """Decide an objection to a line that one is owed.

    Attributes:
        decision: `upheld` credits the line, as a whole or in part; `dismissed` leaves it as it is.
        credit_cents: net, at most what the line comes to; without it all of it. Not of a dismissal.
    """

    objection_id: Uuid
    decision: Literal["upheld", "dismissed"]
    credit_cents: Annotated[Cents, Field(gt=0)] | None = None
    reason: Text
    claim: Claim


class WithdrawObjection(Contract):
    """Take one's objection back."""

    objection_id: Uuid
    reason: Line
    claim: Claim


class ObjectionSettled(Contract):
    """An objection is decided or withdrawn. A credit is a line of the next run."""

    objection_id: Uuid
    period: Period
    line: Count
    payer: MemberId
    payee: MemberId
    state: ObjectionState
    credit_cents: Cents = 0
    reason: Text
    settled_by: Slug
    settled_at: Instant


class ListObjections(Contract):
    """Ask for objections that one raised or has to decide, oldest first; the office sees all."""

    period: Period | None = None
    open_only: bool = True
    after: _After = 0
    limit: Annotated[int, Field(ge=1, le=200)] = 100


class Objection(Contract):
    """An objection with its decision, if there is one."""

    number: Count
    raised: ObjectionRaised
    settled: ObjectionSettled | None


class Objections(Contract):
    """A page of objections; `next_after` continues it."""

    objections: tuple[Objection, ...]
    next_after: int | None


class ReverseLevy(Contract):
    """Take a whole levy back, every share of it, in the run of a period that is not issued.

    It may be billed again under another key by a levy that names it in `replaces`.
    """

    levy_id: Uuid
    period: Period
    reason: Line
    claim: Claim


class LevyReversed(Contract):
    """A levy is taken back."""

    levy_id: Uuid
    period: Period
    title: Line
    amount_cents: Cents
    reason: Line
    reversed_by: Slug


class ReissueInvoice(Contract):
    """Take an issued document back and issue it again from the register as it is now, for a reason.

    Amounts stay; what changes is what the register says of both bodies, such as an address or a Leitweg-ID.
    """

    number: DocumentNumber
    reason: Line
    claim: Claim


class InvoiceReissued(Contract):
    """A document was taken back by a credit note and issued again."""

    number: DocumentNumber
    credit_note: DocumentNumber
    replacement: DocumentNumber
    reason: Line
    reissued_by: Slug
    reissued_at: Instant
