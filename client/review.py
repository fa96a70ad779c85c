"""The recipient's side for a member's program: certifying, ordering, objecting."""

from collections.abc import AsyncIterator, Sequence
from typing import Literal

from allmende.schemas.rejections import Rejection
from allmende.schemas.statements import (
    CertifyStatement,
    DecideObjection,
    Evidence,
    ListObjections,
    ListStatements,
    Objection,
    ObjectionRaised,
    Objections,
    ObjectionSettled,
    OrderStatement,
    RaiseObjection,
    StatementCertified,
    StatementOrdered,
    StatementProgress,
    Statements,
    StatementState,
    WithdrawObjection,
)

from .persons import Signer
from .room import Room

# Every command takes `id`, which is what CloudEvents calls it.
# ruff: noqa: A002


class ReviewRoom(Room):
    """One's own statements and objections to their lines."""

    async def certify_statement(
        self, period: str, *, remark: str | None = None, by: Signer | None = None, id: str | None = None
    ) -> StatementCertified | Rejection:
        """Certify one's statement as factually and arithmetically right."""
        return await self._acted(
            CertifyStatement, id, by, {"period": period, "remark": remark}, StatementCertified
        )

    async def order_statement(
        self, period: str, kassenzeichen: str, *, by: Signer | None = None, id: str | None = None
    ) -> StatementOrdered | Rejection:
        """Order the payment of a certified statement, as somebody else than who certified it."""
        given = {"period": period, "kassenzeichen": kassenzeichen}
        return await self._acted(OrderStatement, id, by, given, StatementOrdered)

    async def statements(
        self, *, period: str | None = None, member: str | None = None, state: StatementState | None = None
    ) -> AsyncIterator[StatementProgress]:
        """Statements and how far their recipients are, newest period first."""
        after: str | None = None
        while True:
            asked = ListStatements(period=period, member=member, state=state, after=after)
            page = await self.ask("billing.statement.list", asked, Statements)
            for each in page.statements:
                yield each
            after = page.next_after
            if after is None:
                return

    async def raise_objection(  # noqa: PLR0913 - what an objection is made of
        self,
        period: str,
        line: int,
        reason: str,
        *,
        documents: Sequence[Evidence] = (),
        by: Signer | None = None,
        id: str | None = None,
    ) -> ObjectionRaised | Rejection:
        """Object to a line that one owes; `id` becomes the objection's."""
        given = {"period": period, "line": line, "reason": reason, "documents": tuple(documents)}
        return await self._acted(RaiseObjection, id, by, given, ObjectionRaised)

    async def decide_objection(  # noqa: PLR0913 - what a decision is made of
        self,
        objection_id: str,
        decision: Literal["upheld", "dismissed"],
        reason: str,
        *,
        credit_cents: int | None = None,
        by: Signer | None = None,
        id: str | None = None,
    ) -> ObjectionSettled | Rejection:
        """Decide an objection to a line that one is owed.

        Args:
            objection_id: the objection.
            decision: `upheld` credits the line in the next run, as a whole or in part.
            reason: for whoever objected.
            credit_cents: net; without it, all that the line comes to.
            by: who decides.
            id: of the command.
        """
        given = {"objection_id": objection_id, "decision": decision, "reason": reason}
        return await self._acted(
            DecideObjection, id, by, given | {"credit_cents": credit_cents}, ObjectionSettled
        )

    async def withdraw_objection(
        self, objection_id: str, reason: str, *, by: Signer | None = None, id: str | None = None
    ) -> ObjectionSettled | Rejection:
        """Take one's objection back."""
        given = {"objection_id": objection_id, "reason": reason}
        return await self._acted(WithdrawObjection, id, by, given, ObjectionSettled)

    async def objections(
        self, *, period: str | None = None, open_only: bool = True
    ) -> AsyncIterator[Objection]:
        """Objections that one raised or has to decide, oldest first; the office sees all."""
        after: int | None = 0
        while after is not None:
            asked = ListObjections(period=period, open_only=open_only, after=after)
            page = await self.ask("billing.objection.list", asked, Objections)
            for each in page.objections:
                yield each
            after = page.next_after
