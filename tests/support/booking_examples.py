"""One realistic example of every message and query of the brokerage, around one booking."""

import base64
import datetime as dt
from decimal import Decimal
from typing import Any

from allmende.schemas.brokerage import (
    AcceptBooking,
    AccessShared,
    Agreement,
    AmendBooking,
    AnnounceMaintenance,
    ApproveBooking,
    BookingAcknowledged,
    BookingAmended,
    BookingChanged,
    BookingConfirmed,
    Bookings,
    BookingStory,
    BookingSummary,
    BreachRecorded,
    CancelBooking,
    ConcedeCancellation,
    DeclineBooking,
    Document,
    ListBookings,
    ListMaintenance,
    Maintenance,
    MaintenanceNotice,
    MessageWritten,
    ReportBreach,
    ReportProgress,
    RequestBooking,
    ResumeBooking,
    ShareAccess,
    ShowBooking,
    SuspendBooking,
    TerminateBooking,
    UpdateMaintenance,
    WriteMessage,
)
from allmende.schemas.contract import Contract

NOTICE_ID = "0196a3c4-7e1b-7c55-9d1e-3f5a6b7c8da4"
BREACH_ID = "0196a3c4-7e1b-7c55-9d1e-3f5a6b7c8da5"
SEALING_KEY = base64.b64encode(bytes(range(32))).decode()
SEALED = base64.b64encode(b"a box that nobody can open: " + bytes(48)).decode()
BY_PROVIDER = frozenset(
    {
        "brokerage.booking.concede",
        "brokerage.booking.report",
        "brokerage.access.share",
        "brokerage.maintenance.announce",
        "brokerage.maintenance.update",
        "brokerage.breach.report",
    }
)
"""The commands that only a provider sends."""

_STARTS = dt.datetime(2026, 5, 2, 18, 0, tzinfo=dt.UTC)
_ENDS = dt.datetime(2026, 5, 3, 4, 0, tzinfo=dt.UTC)
_REASON = "Der Umzug verschiebt sich auf den Herbst"


def payloads(booking: BookingConfirmed) -> dict[str, Contract]:
    """The example payloads by the names of the registry, but for the rejection."""
    return _commands(booking) | _facts(booking)


def _commands(booking: BookingConfirmed) -> dict[str, Contract]:
    id_ = booking.booking_id
    return {
        "brokerage.booking.request": RequestBooking(
            offering_id=booking.offering_id,
            plan_id=booking.plan_id,
            quantities=booking.quantities,
            start=booking.start,
            end=booking.end,
            reference=booking.reference,
            wait_until=dt.date(2026, 4, 30),
            own_approval_hours=48,
        ),
        "brokerage.booking.accept": AcceptBooking(booking_id=id_),
        "brokerage.booking.approve": ApproveBooking(booking_id=id_),
        "brokerage.booking.decline": DeclineBooking(booking_id=id_, reason="Bis Juli ist alles belegt"),
        "brokerage.booking.cancel": CancelBooking(booking_id=id_, reason=_REASON, compensation_cents=50_000),
        "brokerage.booking.concede": ConcedeCancellation(
            booking_id=id_, compensation_cents=120_000, reason="Zwei Tage Einrichtung sind geleistet"
        ),
        "brokerage.booking.report": ReportProgress(
            booking_id=id_, step="milestone", milestone="moved", note="Alle Verfahren laufen hier."
        ),
        "brokerage.booking.suspend": SuspendBooking(booking_id=id_, reason="Umbau im Rathaus"),
        "brokerage.booking.resume": ResumeBooking(booking_id=id_),
        "brokerage.booking.amend": AmendBooking(
            booking_id=id_,
            effective_on=dt.date(2026, 7, 1),
            quantities={"vcpu": Decimal(16), "ram": Decimal(64)},
        ),
        "brokerage.booking.terminate": TerminateBooking(
            booking_id=id_, on=dt.date(2026, 12, 31), reason="Das Verfahren wird abgelöst"
        ),
        "brokerage.booking.write": WriteMessage(
            booking_id=id_,
            text="Welche Netze sollen erreichbar sein?\nDer Fragebogen liegt bei.",
            document=_form(),
        ),
        "brokerage.access.share": ShareAccess(
            booking_id=id_, label="Verwaltungszugang", sealed=SEALED, sealed_to=SEALING_KEY
        ),
        "brokerage.maintenance.announce": AnnounceMaintenance(
            offering_ids=(booking.offering_id,),
            title="Neue Speichersysteme",
            text="Alle Maschinen werden einmal neu gestartet.",
            impact="outage",
            starts_at=_STARTS,
            ends_at=_ENDS,
        ),
        "brokerage.maintenance.update": UpdateMaintenance(
            notice_id=NOTICE_ID, impact="degraded", ends_at=_ENDS + dt.timedelta(hours=2)
        ),
        "brokerage.breach.report": _breach(booking),
    }


def _facts(booking: BookingConfirmed) -> dict[str, Contract]:
    return {
        "brokerage.booking.confirmed": booking,
        "brokerage.booking.acknowledged": acknowledged(booking),
        "brokerage.booking.changed": changed(booking),
        "brokerage.booking.amended": amended(booking),
        "brokerage.booking.written": written(booking),
        "brokerage.access.shared": AccessShared(
            booking_id=booking.booking_id,
            provider=booking.provider,
            consumer=booking.consumer,
            label="Verwaltungszugang",
            sealed=SEALED,
            sealed_to=SEALING_KEY,
            shared_at=booking.confirmed_at,
        ),
        "brokerage.maintenance.told": notice(booking),
        "brokerage.breach.recorded": BreachRecorded(
            breach_id=BREACH_ID,
            offering_id=booking.offering_id,
            provider=booking.provider,
            consumer=booking.consumer,
            recorded_at=booking.confirmed_at,
            **dict(_breach(booking)),
        ),
    }


def queries(booking: BookingConfirmed) -> dict[str, tuple[Contract, Contract]]:
    """The example request and reply of every query by the names of the registry."""
    return {
        "brokerage.booking.list": (
            ListBookings(side="consumer", waiting_for_me=True),
            Bookings(bookings=(summary(booking),), next_after=None),
        ),
        "brokerage.booking.show": (
            ShowBooking(booking_id=booking.booking_id),
            BookingStory(
                booking=summary(booking),
                changes=(changed(booking),),
                messages=(written(booking),),
                consumer_sealing_key=SEALING_KEY,
            ),
        ),
        "brokerage.maintenance.list": (
            ListMaintenance(include_over=True),
            Maintenance(notices=(notice(booking),)),
        ),
    }


def acknowledged(booking: BookingConfirmed) -> BookingAcknowledged:
    """The provider has to say yes."""
    return BookingAcknowledged(
        **_terms(booking),
        state="pending_provider",
        waits_for="provider",
        until=booking.confirmed_at + dt.timedelta(hours=72),
        acknowledged_at=booking.confirmed_at,
    )


def summary(booking: BookingConfirmed) -> BookingSummary:
    """The service is being set up."""
    return BookingSummary(
        **_terms(booking),
        state="in_progress",
        instance="creating",
        waits_for="provider",
        until=booking.confirmed_at + dt.timedelta(hours=240),
        number=1,
    )


def changed(booking: BookingConfirmed) -> BookingChanged:
    """A milestone of setting up."""
    return BookingChanged(
        booking_id=booking.booking_id,
        offering_id=booking.offering_id,
        provider=booking.provider,
        consumer=booking.consumer,
        number=1,
        trigger="milestone",
        by="provider",
        state="in_progress",
        instance="creating",
        waits_for="provider",
        until=booking.confirmed_at + dt.timedelta(hours=240),
        end=booking.end,
        milestone="prepared",
        note="Netz und Verzeichnis sind eingerichtet.",
        changed_at=booking.confirmed_at,
    )


def amended(booking: BookingConfirmed) -> BookingAmended:
    """Twice as much from July on."""
    return BookingAmended(
        **_terms(booking) | {"quantities": {"vcpu": Decimal(16), "ram": Decimal(64)}},
        number=4,
        effective_on=dt.date(2026, 7, 1),
        plan_changed=False,
        amended_at=booking.confirmed_at,
    )


def written(booking: BookingConfirmed) -> MessageWritten:
    """The consumer answers with a document."""
    return MessageWritten(
        booking_id=booking.booking_id,
        provider=booking.provider,
        consumer=booking.consumer,
        written_by="consumer",
        text="Der ausgefüllte Fragebogen.",
        document=_form(),
        waits_for="provider",
        until=booking.confirmed_at + dt.timedelta(hours=72),
        written_at=booking.confirmed_at,
    )


def notice(booking: BookingConfirmed) -> MaintenanceNotice:
    """A night in May."""
    return MaintenanceNotice(
        notice_id=NOTICE_ID,
        provider=booking.provider,
        offering_ids=(booking.offering_id,),
        title="Neue Speichersysteme",
        text="Alle Maschinen werden einmal neu gestartet.",
        impact="outage",
        state="scheduled",
        starts_at=_STARTS,
        ends_at=_ENDS,
        number=1,
        told_at=booking.confirmed_at,
    )


def _breach(booking: BookingConfirmed) -> ReportBreach:
    return ReportBreach(
        booking_id=booking.booking_id,
        measure="availability_percent",
        promised=Decimal("99.5"),
        measured=Decimal("98.71"),
        first_day=dt.date(2026, 5, 1),
        last_day=dt.date(2026, 5, 31),
        credit_cents=3_600,
        reason="Ausfall der Speichersysteme am 3. Mai",
    )


def _form() -> Document:
    content = base64.b64encode(b"Netz;Zweck\n10.1.0.0/16;Rathaus\n").decode()
    return Document(name="Netze.csv", media_type="text/csv", content=content)


def _terms(booking: BookingConfirmed) -> dict[str, Any]:
    return {name: getattr(booking, name) for name in Agreement.model_fields}
