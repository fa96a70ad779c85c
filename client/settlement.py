"""Settlement for a member's program: runs from draft to issue, statements, invoices and their files."""

import base64
import hashlib
from collections.abc import AsyncIterator
from typing import Any, Literal

from allmende.schemas.billing import (
    ChargeLevy,
    LevyCharged,
    ListSettlements,
    SettlementClosed,
    Settlements,
    ShowStatement,
    Statement,
)
from allmende.schemas.invoices import (
    DocumentKind,
    DocumentMade,
    DocumentPart,
    Documents,
    InvoiceHead,
    Invoices,
    ListDocuments,
    ListInvoices,
    ReadDocument,
)
from allmende.schemas.rejections import Rejection
from allmende.schemas.settlements import (
    AlertsSettled,
    ApproveSettlement,
    CompareStatements,
    DraftSettlement,
    ExplainLine,
    LineStory,
    ListAlerts,
    Matrix,
    ReviewSettlement,
    Run,
    RunAlert,
    RunAlerts,
    ServiceSum,
    SettleAlerts,
    SettlementDrafted,
    SettlementReviewed,
    ShowMatrix,
    ShowRun,
    StatementComparison,
)
from allmende.schemas.statements import InvoiceReissued, LevyReversed, ReissueInvoice, ReverseLevy
from allmende.schemas.tariff import AllocationKey

from .persons import Signer
from .room import Room, Unanswered

# Every command takes `id`, which is what CloudEvents calls it.
# ruff: noqa: A002


class SettlementRoom(Room):
    """Runs, statements, and documents."""

    async def charge_levy(  # noqa: PLR0913 - what a levy is made of
        self,
        period: str,
        title: str,
        amount_cents: int,
        key: AllocationKey,
        *,
        replaces: str | None = None,
        legal_basis: str | None = None,
        id: str | None = None,
    ) -> LevyCharged | Rejection:
        """Spread a cost of the cooperative over its members (office only).

        Args:
            period: in whose run it is charged.
            title: as it stands on the statements.
            amount_cents: what is spread.
            key: by which.
            replaces: the id of a levy that was taken back and is billed again.
            legal_basis: stands on the notices, such as a paragraph of the statutes.
            id: becomes the levy's.
        """
        levy = ChargeLevy(
            period=period,
            title=title,
            amount_cents=amount_cents,
            key=key,
            replaces=replaces,
            legal_basis=legal_basis,
        )
        return await self._told(levy, id, LevyCharged)

    async def reverse_levy(
        self, levy_id: str, period: str, reason: str, *, by: Signer | None = None, id: str | None = None
    ) -> LevyReversed | Rejection:
        """Take a whole levy back in the run of a period that is not issued (office only)."""
        given = {"levy_id": levy_id, "period": period, "reason": reason}
        return await self._acted(ReverseLevy, id, by, given, LevyReversed)

    # -- runs -----------------------------------------------------------------------------------

    async def draft_settlement(
        self, period: str, *, reason: str | None = None, id: str | None = None
    ) -> SettlementDrafted | Rejection:
        """Collect all that a period charges, or collect it anew (office only).

        Args:
            period: the month.
            reason: why a run in review is drafted anew.
            id: of the command.
        """
        return await self._told(DraftSettlement(period=period, reason=reason), id, SettlementDrafted)

    async def decide_alerts(  # noqa: PLR0913 - what a decision is made of
        self,
        period: str,
        alerts: tuple[int, ...],
        decision: Literal["released", "held"],
        reason: str,
        *,
        by: Signer | None = None,
        id: str | None = None,
    ) -> AlertsSettled | Rejection:
        """Charge the lines of alerts, or leave them to the next run (office only)."""
        given = {"period": period, "alerts": alerts, "decision": decision, "reason": reason}
        return await self._acted(SettleAlerts, id, by, given, AlertsSettled)

    async def review_settlement(
        self, period: str, revision: int, *, by: Signer | None = None, id: str | None = None
    ) -> SettlementReviewed | Rejection:
        """Find a draft right (office only)."""
        given = {"period": period, "revision": revision}
        return await self._acted(ReviewSettlement, id, by, given, SettlementReviewed)

    async def approve_settlement(
        self, period: str, revision: int, *, by: Signer | None = None, id: str | None = None
    ) -> SettlementClosed | Rejection:
        """Release a reviewed run, as somebody else than who reviewed it; it is issued (office only)."""
        given = {"period": period, "revision": revision}
        return await self._acted(ApproveSettlement, id, by, given, SettlementClosed)

    async def settlement_run(self, period: str) -> Run | Rejection:
        """The run of a period; only the office sees what is not issued."""
        return await self._shown("billing.settlement.show", ShowRun(period=period), Run)

    async def settlement_alerts(self, period: str, *, open_only: bool = False) -> AsyncIterator[RunAlert]:
        """What somebody has to decide on, by number.

        Raises:
            Refused: there is no such run, or it is not to be seen.
        """
        after: int | None = 0
        while after is not None:
            asked = ListAlerts(period=period, open_only=open_only, after=after)
            page = await self.ask("billing.settlement.alerts", asked, RunAlerts)
            for each in page.alerts:
                yield each
            after = page.next_after

    async def settlement_matrix(self, period: str) -> Matrix | Rejection:
        """Who charges whom how much; members see their own row and column."""
        return await self._shown("billing.settlement.matrix", ShowMatrix(period=period), Matrix)

    async def settlements(self) -> tuple[SettlementClosed, ...]:
        """The issued settlements, newest period first."""
        return (await self.ask("billing.settlement.list", ListSettlements(), Settlements)).settlements

    # -- statements -----------------------------------------------------------------------------

    async def statement(self, period: str, member: str | None = None) -> Statement | Rejection:
        """A statement with all its lines."""
        lines: list[Any] = []
        held: list[int] = []
        after: int | None = 0
        while after is not None:
            asked = ShowStatement(period=period, member=member, after=after)
            page = await self._shown("billing.statement.show", asked, Statement)
            if isinstance(page, Rejection):
                return page
            lines += page.lines
            held += page.held
            after = page.next_after
        return page.model_copy(update={"lines": tuple(lines), "held": tuple(held)})

    async def compare_statements(
        self, period: str, *, against: str | None = None, member: str | None = None
    ) -> StatementComparison | Rejection:
        """A statement by service, all of them, beside an earlier one.

        Args:
            period: the month.
            against: without it, the issued month before.
            member: of the office's question.
        """
        services: list[ServiceSum] = []
        after: int | None = 0
        while after is not None:
            asked = CompareStatements(period=period, against=against, member=member, after=after)
            page = await self._shown("billing.statement.compare", asked, StatementComparison)
            if isinstance(page, Rejection):
                return page
            services += page.services
            after = page.next_after
        return page.model_copy(update={"services": tuple(services)})

    async def explain_line(
        self, period: str, line: int, *, member: str | None = None
    ) -> AsyncIterator[LineStory]:
        """The story of a line; every further page brings more of its records.

        Raises:
            Refused: there is no such line on one's statement.
        """
        after: int | None = 0
        while after is not None:
            asked = ExplainLine(period=period, line=line, member=member, after=after)
            page = await self.ask("billing.line.explain", asked, LineStory)
            yield page
            after = page.next_after

    # -- documents ------------------------------------------------------------------------------

    async def invoices(
        self, period: str | None = None, *, member: str | None = None
    ) -> AsyncIterator[InvoiceHead]:
        """Invoices, credit notes and levy notices that one issued or received, by number."""
        after: str | None = None
        while True:
            asked = ListInvoices(period=period, member=member, after=after)
            page = await self.ask("billing.invoice.list", asked, Invoices)
            for each in page.invoices:
                yield each
            after = page.next_after
            if after is None:
                return

    async def reissue_invoice(
        self, number: str, reason: str, *, by: Signer | None = None, id: str | None = None
    ) -> InvoiceReissued | Rejection:
        """Take a document back and issue it again from the register as it is now."""
        return await self._acted(
            ReissueInvoice, id, by, {"number": number, "reason": reason}, InvoiceReissued
        )

    async def document_pages(
        self, period: str, *, kind: DocumentKind | None = None, member: str | None = None
    ) -> AsyncIterator[Documents]:
        """The files of a period page by page; each tells how many are not made yet."""
        after: str | None = None
        while True:
            asked = ListDocuments(period=period, kind=kind, member=member, after=after)
            page = await self.ask("billing.document.list", asked, Documents)
            yield page
            after = page.next_after
            if after is None:
                return

    async def documents(
        self, period: str, *, kind: DocumentKind | None = None, member: str | None = None
    ) -> AsyncIterator[DocumentMade]:
        """The files of a period that one issued or received; the office sees all."""
        async for page in self.document_pages(period, kind=kind, member=member):
            for each in page.documents:
                yield each

    async def document(self, document: DocumentMade) -> bytes:
        """A file as it was made, its hash checked.

        Raises:
            Refused: it is not one's own, or there is none.
            Unanswered: what came is not what was announced.
        """
        content, part, parts = bytearray(), 0, 1
        while part < parts:
            asked = ReadDocument(document_id=document.document_id, part=part)
            found = await self.ask("billing.document.read", asked, DocumentPart)
            content += base64.b64decode(found.content)
            part, parts = part + 1, found.parts
        if hashlib.sha256(content).hexdigest() != document.sha256:
            raise Unanswered(f"{document.file_name}: the file that came is not the one that was made")
        return bytes(content)
