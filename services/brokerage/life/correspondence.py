"""What the two sides of a booking hand each other: messages, sealed access data, owned-up breaches."""

import base64
import binascii
import datetime as dt

from allmende.schemas.brokerage import (
    AccessShared,
    Agreement,
    BreachRecorded,
    MessageWritten,
    ReportBreach,
    ShareAccess,
    Side,
    WriteMessage,
)
from allmende.schemas.rejections import Rejected, rejected

from ..booking import Booking, waiting_in


def side_of(agreement: Agreement, member: str) -> Side | Rejected:
    """Tell which party a member is. Others learn nothing of the booking."""
    if member == agreement.consumer:
        return "consumer"
    if member == agreement.provider:
        return "provider"
    return rejected("not_a_party", "booking_id", booking=agreement.booking_id, member=member)


def with_time_to_answer(booking: Booking, side: Side, now: dt.datetime) -> Booking:
    """Start the time limit anew when the side that waits has written.

    Whoever must act cannot prolong its own time: it could hold capacity for ever by writing now and then.
    """
    if booking.waits_for is None or booking.waits_for == side:
        return booking
    return waiting_in(booking, now)


def write(booking: Booking, side: Side, asked: WriteMessage, now: dt.datetime) -> MessageWritten | Rejected:
    """Hand a message over."""
    agreement = booking.agreement
    if asked.document is not None and not _is_base64(asked.document.content):
        return rejected("document_unreadable", "document.content", name=asked.document.name)
    return MessageWritten(
        booking_id=agreement.booking_id,
        provider=agreement.provider,
        consumer=agreement.consumer,
        written_by=side,
        text=asked.text,
        document=asked.document,
        waits_for=booking.waits_for,
        until=booking.act_by,
        written_at=now,
    )


def share_access(
    agreement: Agreement, side: Side, asked: ShareAccess, sealing_key: str | None, now: dt.datetime
) -> AccessShared | Rejected:
    """Hand sealed access data over. The market cannot open it; it checks that the consumer can."""
    if side != "provider":
        return rejected("provider_only", "booking_id", booking=agreement.booking_id)
    if sealing_key is None:
        return rejected("no_sealing_key", "sealed_to", member=agreement.consumer)
    if asked.sealed_to != sealing_key:
        return rejected("sealed_to_another", "sealed_to", member=agreement.consumer)
    if not _is_base64(asked.sealed):
        return rejected("document_unreadable", "sealed", name=asked.label)
    return AccessShared(
        booking_id=agreement.booking_id,
        provider=agreement.provider,
        consumer=agreement.consumer,
        label=asked.label,
        sealed=asked.sealed,
        sealed_to=asked.sealed_to,
        shared_at=now,
    )


def record_breach(
    agreement: Agreement, side: Side, asked: ReportBreach, breach_id: str, now: dt.datetime
) -> BreachRecorded | Rejected:
    """Record a missed service level; only the provider owns up to one."""
    if side != "provider":
        return rejected("provider_only", "booking_id", booking=agreement.booking_id)
    return BreachRecorded(
        breach_id=breach_id,
        offering_id=agreement.offering_id,
        provider=agreement.provider,
        consumer=agreement.consumer,
        recorded_at=now,
        **dict(asked),
    )


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
