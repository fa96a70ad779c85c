"""What the sides of a booking tell each other: messages, sealed access data, maintenance, breaches."""

import base64
import datetime as dt
import mimetypes
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Literal

from allmende.schemas.brokerage import (
    AccessShared,
    AnnounceMaintenance,
    BookingStory,
    BreachRecorded,
    Document,
    Impact,
    ListMaintenance,
    Maintenance,
    MaintenanceNotice,
    MessageWritten,
    ReportBreach,
    ShareAccess,
    ShowBooking,
    UpdateMaintenance,
    WriteMessage,
)
from allmende.schemas.rejections import Rejection, rejected

from .room import Amount, Room
from .sealing import seal, unseal

# Every command takes `id`, which is what CloudEvents calls it.
# ruff: noqa: A002

MaintenanceStep = Literal["scheduled", "in_progress", "completed", "cancelled"]

_DOCUMENT_BYTES_MAX = 288 * 1024
"""What in base64 fits into a message."""


class CorrespondenceRoom(Room):
    """What one side of a booking tells the other."""

    async def write(
        self,
        booking_id: str,
        text: str,
        *,
        document: str | Path | Document | None = None,
        id: str | None = None,
    ) -> MessageWritten | Rejection:
        """Write to the other side, perhaps with a small file.

        Raises:
            OSError: the file cannot be read.
            ValueError: the file is too large for a message.
        """
        enclosed = read_document(document) if isinstance(document, (str, Path)) else document
        command = WriteMessage(booking_id=booking_id, text=text, document=enclosed)
        return await self._told(command, id, MessageWritten)

    async def share_access(
        self, booking_id: str, label: str, text: str, *, id: str | None = None
    ) -> AccessShared | Rejection:
        """Hand access data over, as provider, sealed to the consumer's key in the register.

        A seal is never the same twice: whoever repeats this with the same id after a restart is refused with
        `id_conflict` if the first try was heard.

        Args:
            booking_id: of the booking.
            label: what it is, in clear text.
            text: what only the consumer shall read. It leaves this program sealed.
            id: of the command.
        """
        question = ShowBooking(booking_id=booking_id)
        story = await self._shown("brokerage.booking.show", question, BookingStory)
        if isinstance(story, Rejection):
            return story
        key = story.consumer_sealing_key
        if key is None:
            missing = rejected("no_sealing_key", "sealed_to", member=story.booking.consumer)
            return missing.as_rejection("brokerage.access.share")
        command = ShareAccess(booking_id=booking_id, label=label, sealed=seal(text, key), sealed_to=key)
        return await self._told(command, id, AccessShared)

    @staticmethod
    def open_access(shared: AccessShared, private_key: str) -> str:
        """Open access data that came as an event, with the private half of one's sealing key.

        Raises:
            Sealed: this key does not open it.
        """
        return unseal(shared.sealed, private_key)

    async def announce_maintenance(  # noqa: PLR0913 - the command's own fields
        self,
        offering_ids: Sequence[str],
        title: str,
        *,
        starts_at: dt.datetime,
        ends_at: dt.datetime,
        impact: Impact,
        text: str = "",
        as_draft: bool = False,
        id: str | None = None,
    ) -> MaintenanceNotice | Rejection:
        """Tell everybody who has a booking of these offerings of work to come.

        Args:
            offering_ids: one's own offerings.
            title: one line.
            starts_at: with its offset, as all moments.
            ends_at: after `starts_at`.
            impact: `none`, `degraded` or `outage`.
            text: more for people.
            as_draft: nobody else sees it yet.
            id: a UUID; it becomes the notice's id.
        """
        command = AnnounceMaintenance(
            offering_ids=tuple(offering_ids),
            title=title,
            text=text,
            impact=impact,
            starts_at=starts_at,
            ends_at=ends_at,
            as_draft=as_draft,
        )
        return await self._told(command, id, MaintenanceNotice)

    async def update_maintenance(  # noqa: PLR0913 - the command's own fields
        self,
        notice_id: str,
        *,
        state: MaintenanceStep | None = None,
        text: str | None = None,
        impact: Impact | None = None,
        starts_at: dt.datetime | None = None,
        ends_at: dt.datetime | None = None,
        id: str | None = None,
    ) -> MaintenanceNotice | Rejection:
        """Change a notice or move it on. What is left out stays; the clock begins and completes it else."""
        command = UpdateMaintenance(
            notice_id=notice_id,
            state=state,
            text=text,
            impact=impact,
            starts_at=starts_at,
            ends_at=ends_at,
        )
        return await self._told(command, id, MaintenanceNotice)

    async def report_breach(  # noqa: PLR0913 - the command's own fields
        self,
        booking_id: str,
        measure: str,
        *,
        promised: Amount,
        measured: Amount,
        first_day: dt.date,
        last_day: dt.date,
        credit_cents: int,
        reason: str,
        id: str | None = None,
    ) -> BreachRecorded | Rejection:
        """Own up, as provider, to a missed service level; the credit goes into the month of the last day.

        Args:
            booking_id: of the booking.
            measure: such as `availability_percent`.
            promised: the value agreed on.
            measured: the value there was.
            first_day: of the span that was measured.
            last_day: of the span that was measured.
            credit_cents: what is given back.
            reason: told to the consumer.
            id: of the command.
        """
        command = ReportBreach(
            booking_id=booking_id,
            measure=measure,
            promised=Decimal(promised),
            measured=Decimal(measured),
            first_day=first_day,
            last_day=last_day,
            credit_cents=credit_cents,
            reason=reason,
        )
        return await self._told(command, id, BreachRecorded)

    async def maintenance(self, *, include_over: bool = False) -> tuple[MaintenanceNotice, ...]:
        """Maintenance of what one books or provides, the next first."""
        question = ListMaintenance(include_over=include_over)
        return (await self.ask("brokerage.maintenance.list", question, Maintenance)).notices


def read_document(path: str | Path) -> Document:
    """Read a small file for a message.

    Raises:
        OSError: it cannot be read.
        ValueError: it is too large for a message.
    """
    file = Path(path)
    with file.open("rb") as stream:
        content = stream.read(_DOCUMENT_BYTES_MAX + 1)
    if len(content) > _DOCUMENT_BYTES_MAX:
        raise ValueError(f"{file.name} is larger than {_DOCUMENT_BYTES_MAX} bytes")
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    return Document(name=file.name, media_type=kind, content=base64.b64encode(content).decode("ascii"))
