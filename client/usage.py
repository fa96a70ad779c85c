"""Usage: reporting, correcting, taking back, and what is unclear about it."""

from collections.abc import Sequence

from allmende.schemas.billing import (
    Clarification,
    Clarifications,
    ClarificationSettled,
    ListClarifications,
    ReportUsage,
    SettleClarification,
    UsageCancellation,
    UsageRecord,
    UsageRecorded,
)
from allmende.schemas.rejections import Rejection

from .room import Room

# Every command takes `id`, which is what CloudEvents calls it.
# ruff: noqa: A002


class UsageRoom(Room):
    """The part of `Market` for usage. A record's own id makes every repetition harmless, for ever."""

    async def report_usage(
        self,
        records: Sequence[UsageRecord],
        *,
        cancellations: Sequence[UsageCancellation] = (),
        id: str | None = None,
    ) -> UsageRecorded | Rejection:
        """Report usage of one's own offerings, together up to 1,000 records and cancellations.

        A record with `corrects` replaces an earlier one, in closed periods too.
        """
        report = ReportUsage(records=tuple(records), cancellations=tuple(cancellations))
        return await self._told(report, id, UsageRecorded)

    async def correct_usage(
        self, original: str, corrected: UsageRecord, *, id: str | None = None
    ) -> UsageRecorded | Rejection:
        """Replace a record by another, which has an id of its own."""
        return await self.report_usage([corrected.model_copy(update={"corrects": original})], id=id)

    async def cancel_usage(
        self, original: str, reason: str, *, cancellation: str | None = None, id: str | None = None
    ) -> UsageRecorded | Rejection:
        """Take a record back; `cancellation` names the cancellation, after the record unless said."""
        name = cancellation or original
        return await self.report_usage(
            [], cancellations=[UsageCancellation(id=name, cancels=original, reason=reason)], id=id
        )

    async def clarifications(
        self, *, provider: str | None = None, open_only: bool = True
    ) -> list[Clarification] | Rejection:
        """The records that were reported with two contents, oldest first."""
        found: list[Clarification] = []
        after: int | None = 0
        while after is not None:
            asked = ListClarifications(provider=provider, open_only=open_only, after=after)
            page = await self._shown("billing.clarification.list", asked, Clarifications)
            if isinstance(page, Rejection):
                return page
            found += page.clarifications
            after = page.next_after
        return found

    async def settle_clarification(
        self, clarification: int, reason: str, *, id: str | None = None
    ) -> ClarificationSettled | Rejection:
        """Let what was taken first stand."""
        settle = SettleClarification(clarification=clarification, reason=reason)
        return await self._told(settle, id, ClarificationSettled)
