"""The ledger on the market: its journal, entry by entry, and whether its chain holds."""

from collections.abc import AsyncIterator

from allmende.schemas.journal import (
    ExportJournal,
    JournalEntry,
    JournalPage,
    JournalVerified,
    VerifyJournal,
)

from .room import Room


class LedgerRoom(Room):
    """Questions about the ledger."""

    async def journal(
        self, *, period: str | None = None, year: int | None = None, body: str | None = None
    ) -> AsyncIterator[JournalEntry]:
        """The entries that touch oneself, of a month or a budget year or all; the office sees everybody's.

        Raises:
            Refused: it is another member's journal.
        """
        async for page in self.journal_pages(period=period, year=year, body=body):
            for entry in page.entries:
                yield entry

    async def journal_pages(
        self, *, period: str | None = None, year: int | None = None, body: str | None = None
    ) -> AsyncIterator[JournalPage]:
        """The same page by page; each tells how many entries there are in all."""
        after: int | None = 0
        while after is not None:
            asked = ExportJournal(period=period, year=year, body=body, after=after)
            page = await self.ask("billing.journal.export", asked, JournalPage)
            yield page
            after = page.next_after

    async def verify_journal(self, *, head: str | None = None) -> AsyncIterator[JournalVerified]:
        """Let the ledger check its chain piece by piece; the last answer is over all of it.

        Args:
            head: a hash that was remembered; `head_found` tells whether it still is in the chain.
        """
        asked = VerifyJournal(head=head)
        checked, found = 0, False
        while True:
            told = await self.ask("billing.journal.verify", asked, JournalVerified)
            checked, found = checked + told.checked, found or told.head_found
            yield told.model_copy(update={"checked": checked, "head_found": found})
            if told.next_after is None or told.broken is not None:
                return
            asked = VerifyJournal(head=head, after=told.next_after, previous_hash=told.head)
