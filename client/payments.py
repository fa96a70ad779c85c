"""Payment for a member's program: netting, payments, open items, account statements, reminders."""

import datetime as dt
from collections.abc import AsyncIterator, Sequence

from allmende.schemas.payments import (
    ArrangePayments,
    BankEntry,
    BankStatementBooked,
    ListOpenItems,
    ListPayments,
    NettingDone,
    OpenItem,
    OpenItems,
    Payment,
    Payments,
    RemindersSent,
    ReportBankStatement,
    SendReminders,
)
from allmende.schemas.rejections import Rejection

from .persons import Signer
from .room import Room

# Every command takes `id`, which is what CloudEvents calls it.
# ruff: noqa: A002


class PaymentRoom(Room):
    """What is owed, offset and paid."""

    async def arrange_payments(
        self, due_by: dt.date, *, by: Signer | None = None, id: str | None = None
    ) -> NettingDone | Rejection:
        """Net all that is due by a day and fix who pays whom (office only)."""
        return await self._acted(ArrangePayments, id, by, {"due_by": due_by}, NettingDone)

    async def send_reminders(
        self, as_of: dt.date, *, by: Signer | None = None, id: str | None = None
    ) -> RemindersSent | Rejection:
        """Remind whoever is overdue on a day (office only)."""
        return await self._acted(SendReminders, id, by, {"as_of": as_of}, RemindersSent)

    async def report_bank_statement(
        self, iban: str, statement_id: str, entries: Sequence[BankEntry], *, id: str | None = None
    ) -> BankStatementBooked | Rejection:
        """Tell at most 1,000 entries of one's own account; told twice, they count once."""
        told = ReportBankStatement(iban=iban, statement_id=statement_id, entries=tuple(entries))
        return await self._told(told, id, BankStatementBooked)

    async def payments(
        self, *, open_only: bool = False, member: str | None = None, netting_id: str | None = None
    ) -> AsyncIterator[Payment]:
        """Payments that one makes or gets, oldest first; the office sees all."""
        after: int | None = 0
        while after is not None:
            asked = ListPayments(open_only=open_only, member=member, netting_id=netting_id, after=after)
            page = await self.ask("billing.payment.list", asked, Payments)
            for each in page.payments:
                yield each
            after = page.next_after

    async def open_items(self, *, member: str | None = None, as_of: dt.date | None = None) -> OpenItems:
        """All documents that are not settled, with their sums.

        Args:
            member: of the office's question.
            as_of: counts the days overdue; without it, today.

        Raises:
            Refused: they are not one's own.
        """
        items: list[OpenItem] = []
        after: str | None = None
        while True:
            page = await self.ask(
                "billing.item.list", ListOpenItems(member=member, as_of=as_of, after=after), OpenItems
            )
            items += page.items
            after = page.next_after
            if after is None:
                return page.model_copy(update={"items": tuple(items)})
